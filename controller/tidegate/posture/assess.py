"""Every posture check on one repository. Pure: the same configuration, rules and time give the same results."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final

from tidegate.evidence.registry_configuration import RegistryConfiguration, RepositoryConfiguration, StoredImage
from tidegate.evidence.source_unavailable import SourceUnavailableError
from tidegate.images.digest import Digest
from tidegate.policy.model import RepositoryRules, RequiredLifecycle, RequiredScanning
from tidegate.posture.assess_access import assess_pull, assess_push
from tidegate.posture.assess_lifecycle import assess_lifecycle
from tidegate.posture.assess_settings import assess_encryption, assess_scanning, assess_signing, assess_tags
from tidegate.posture.result import PostureCheck, PostureResult

NO_RULES: Final = RepositoryRules()
"""Nothing is required: every check is made with the strictest that AWS recommends."""


def assess(
    repository: RepositoryConfiguration,
    registry: RegistryConfiguration,
    rules: RepositoryRules = NO_RULES,
    *,
    now: datetime,
    images: Sequence[StoredImage] | SourceUnavailableError = (),
    running: Iterable[Digest] = (),
    children: Mapping[Digest, frozenset[Digest]] | None = None,
) -> tuple[PostureResult, ...]:
    """Return one result for each check; that on the push guard only where a Deny restricts pushes.

    ``rules`` say whom pushes and pulls are allowed to. ``images`` are all of the repository, ``running`` the digests that
    run, ``children`` the digests that each index lists. A check whose configuration could not be read is UNDETERMINED and
    hides no other.
    """
    lifecycle = rules.lifecycle or RequiredLifecycle.KEEPS_RUNNING_IMAGES
    return (
        *assess_push(repository, registry, rules.push),
        *assess_pull(repository, registry, rules.pull, rules.push),
        assess_tags(repository),
        assess_scanning(repository, registry, rules.scanning or RequiredScanning.CONTINUOUS),
        assess_encryption(repository),
        assess_lifecycle(repository, lifecycle, images=images, running=running, children=children, now=now),
        assess_signing(repository, registry),
    )


def of_repository(repository: RepositoryConfiguration, rules: RepositoryRules) -> tuple[PostureResult, ...]:
    """Return the results of what the rules require of the repository alone, but for its lifecycle policy."""
    return () if rules.encryption is None else (assess_encryption(repository),)


def of_registry(
    repository: RepositoryConfiguration, registry: RegistryConfiguration, rules: RepositoryRules
) -> tuple[PostureResult, ...]:
    """Return the results of what the rules require of the repository within its registry."""
    found: list[PostureResult] = []
    if rules.push is not None:
        push = assess_push(repository, registry, rules.push)
        found += [one for one in push if one.check is not PostureCheck.PUSH_GUARD]
    if rules.pull is not None:
        found += assess_pull(repository, registry, rules.pull, rules.push)
    if rules.scanning is not None:
        found.append(assess_scanning(repository, registry, rules.scanning))
    return tuple(found)
