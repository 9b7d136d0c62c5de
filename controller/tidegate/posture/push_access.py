"""Who may push to a repository, by repository and registry policy: the statement that says so, or why it is undecidable.

An Allow alone restricts nothing within the account, because an identity policy may allow a push as well; only a Deny that
is about everyone and leaves out the pushers does. Denying ``ecr:PutImage`` is enough: no image or tag comes into being
without it. Source: the Amazon ECR user guide, "Private repository policies" and "Private registry permissions".
"""

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Final

from tidegate.evidence.registry_configuration import RegistryConfiguration, RepositoryConfiguration
from tidegate.images.repository import EcrRepository
from tidegate.posture.access import Access, Ground, PolicyText, access_to, policies_of, read_policy
from tidegate.posture.principals import PrincipalKind, PrincipalSet, account_set

PUSH: Final = "ecr:putimage"
REPLICATE: Final = "ecr:replicateimage"
_GUARD_ACTIONS = ("ecr:setrepositorypolicy", "ecr:deleterepositorypolicy", "ecr:deleterepository")
MAX_REMEMBERED: Final = 1024


class PushAnswer(StrEnum):
    """Who may push."""

    PRINCIPALS = "RestrictedToPrincipals"
    ACCOUNTS = "RestrictedToAccounts"
    OPEN_TO_ACCOUNT = "OpenToAccount"
    OPEN_TO_OTHERS = "OpenToOthers"
    UNDECIDABLE = "Undecidable"


@dataclass(frozen=True, slots=True, kw_only=True)
class PushAccess:
    """The answer for one repository. No other principal than ``principals`` may push, unless it is UNDECIDABLE.

    ``unclear`` is a statement that may narrow that further. ``is_guarded`` tells whether the Deny also keeps all others from
    changing the repository's policy. ``needless`` are Denies that do not count.
    """

    answer: PushAnswer
    principals: tuple[PrincipalSet, ...]
    grounds: tuple[Ground, ...]
    unclear: tuple[Ground, ...] = ()
    is_guarded: bool = False
    needless: tuple[Ground, ...] = ()

    @property
    def unmatched(self) -> tuple[PrincipalSet, ...]:
        """Return the principals that are named by the ARN of a session, which matches none."""
        return tuple(one for one in self.principals if one.is_session)


def push_access(repository: RepositoryConfiguration, registry: RegistryConfiguration) -> PushAccess:
    """Return who may push to a repository."""
    return _push_access(repository.repository, policies_of(repository, registry))


@lru_cache(maxsize=MAX_REMEMBERED)
def _push_access(repository: EcrRepository, policies: tuple[PolicyText, ...]) -> PushAccess:
    arn, account = repository.arn, repository.registry.account
    access = access_to(PUSH, policies, arn=arn, account=account)
    answer = _answer(access, account)
    guards = [access_to(one, policies, arn=arn, account=account) for one in _GUARD_ACTIONS]
    return PushAccess(
        answer=answer,
        principals=() if answer is PushAnswer.UNDECIDABLE else access.principals,
        grounds=access.unread + access.unclear if answer is PushAnswer.UNDECIDABLE else access.grounds,
        unclear=access.unclear,
        is_guarded=all(one.is_denied_to_others for one in guards),
        needless=access.narrower,
    )


def _answer(access: Access, account: str) -> PushAnswer:
    if access.is_denied_to_others:
        named = all(one.kind in {PrincipalKind.PRINCIPAL, PrincipalKind.SERVICE} for one in access.principals)
        return PushAnswer.PRINCIPALS if named else PushAnswer.ACCOUNTS
    if access.unread or access.unclear:
        return PushAnswer.UNDECIDABLE
    others = any(one.account != account for one in access.principals)
    return PushAnswer.OPEN_TO_OTHERS if others else PushAnswer.OPEN_TO_ACCOUNT


def replicating(
    repository: EcrRepository, registry: RegistryConfiguration
) -> tuple[tuple[PrincipalSet, ...], tuple[Ground, ...]]:
    """Return the principals outside of the account that may write images by replication, and what is not known of it.

    The registry policy alone allows that, in both scopes. A Deny may take it back: it is not looked at, and so the set may
    be larger than the real one.
    """
    policy = read_policy("registry", registry.policy)
    if policy.unreadable is not None:
        return (), (policy.unreadable,)
    account = repository.registry.account
    access = access_to(REPLICATE, (policy,), arn=repository.arn, account=account)
    others = tuple(one for one in access.principals if one != account_set(account) and one.account != account)
    return others, () if access.is_denied_to_others else access.unclear
