"""Who outside of the account may pull from a repository, by repository and registry policy.

Source: the Amazon ECR user guide, "Private repository policy examples". Each of the two actions counts as a pull: one gives
manifests, the other layers. Principals of the repository's own account may always be allowed by their identity policies.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from tidegate.evidence.registry_configuration import RegistryConfiguration, RepositoryConfiguration
from tidegate.images.repository import EcrRepository
from tidegate.posture.access import Access, Ground, PolicyText, access_to, grants, policies_of
from tidegate.posture.conditions import Unclear, limited
from tidegate.posture.iam_policy import PolicyStatement
from tidegate.posture.principals import EVERYONE, PrincipalSet, intersections

PULL_ACTIONS: Final = ("ecr:batchgetimage", "ecr:getdownloadurlforlayer")
WRITE_ACTIONS: Final = (
    "ecr:putimage",
    "ecr:batchdeleteimage",
    "ecr:deleterepository",
    "ecr:setrepositorypolicy",
    "ecr:deleterepositorypolicy",
    "ecr:putlifecyclepolicy",
    "ecr:putimagetagmutability",
)
"""Actions that change what others pull, or who may change it."""
MAX_REMEMBERED: Final = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class PullAccess:
    """Who may pull, beside the repository's own account: no other than ``others``, unless something is ``unknown``.

    ``grounds`` are the statements that allow it. ``writers`` are statements that allow pulls and changes as well, each
    with the principals outside of the account that it is for.
    """

    others: tuple[PrincipalSet, ...]
    grounds: tuple[Ground, ...]
    unknown: tuple[Ground, ...]
    writers: tuple[tuple[Ground, tuple[PrincipalSet, ...]], ...] = ()


def pull_access(repository: RepositoryConfiguration, registry: RegistryConfiguration) -> PullAccess:
    """Return who outside of the account may pull from a repository."""
    return _pull_access(repository.repository, policies_of(repository, registry))


@lru_cache(maxsize=MAX_REMEMBERED)
def _pull_access(repository: EcrRepository, policies: tuple[PolicyText, ...]) -> PullAccess:
    arn, account = repository.arn, repository.registry.account
    # Statements may have the same Ground, and a Deny may leave out others for one action than for the other.
    found: dict[tuple[Ground, tuple[PrincipalSet, ...]], None] = {}
    writers: dict[tuple[Ground, tuple[PrincipalSet, ...]], None] = {}
    unknown: list[Ground] = []
    for action in PULL_ACTIONS:
        access = access_to(action, policies, arn=arn, account=account)
        unknown += (*access.unread, *(() if access.is_denied_to_others else access.unclear))
        for policy, statement in grants(action, policies, arn):
            others = _others(statement, access, account)
            if others:
                found[policy.ground(statement), others] = None
            changes = [one.removeprefix("ecr:") for one in WRITE_ACTIONS if statement.covers_action(one)]
            if others and changes:
                writers[policy.ground(statement, f"it also allows {', '.join(changes)}"), others] = None
    return PullAccess(
        others=tuple(dict.fromkeys(one for _, some in found for one in some)),
        grounds=tuple(dict.fromkeys(ground for ground, _ in found)),
        unknown=tuple(dict.fromkeys(unknown)),
        writers=tuple(writers),
    )


def _others(statement: PolicyStatement, access: Access, account: str) -> tuple[PrincipalSet, ...]:
    """Return the principals outside of the account that a statement lets pull; none where that is unclear."""
    try:
        allowed = limited(statement)
    except Unclear:
        allowed = (EVERYONE,) if access.is_denied_to_others else ()
    if access.is_denied_to_others:
        allowed = intersections(allowed, access.principals)
    return tuple(one for one in allowed if one.account != account)
