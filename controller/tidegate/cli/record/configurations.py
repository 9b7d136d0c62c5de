"""The recorded configuration of repositories and registries as evidence. What could not be read is left out."""

from typing import TypeVar

from msgspec import UNSET, UnsetType

from tidegate.cli.cases.model import (
    DestinationPart,
    EncryptionPart,
    PullThroughPart,
    RegistryPart,
    RegistryScanningPart,
    ReplicationPart,
    RepositoryPart,
    RepositoryScanningPart,
    ScanRulePart,
)
from tidegate.evidence.registry_configuration import (
    Answer,
    PullThroughRule,
    RegistryConfiguration,
    RegistryScanning,
    ReplicationRule,
    RepositoryConfiguration,
)
from tidegate.evidence.source_unavailable import SourceUnavailableError

T = TypeVar("T")


def add_configuration(part: RepositoryPart, found: RepositoryConfiguration) -> None:
    """Add the configuration of a repository to its part."""
    part.policy, part.lifecycle_policy = _document(found.policy), _document(found.lifecycle)
    if (encryption := _said(found.encryption)) is not None:
        part.encryption = EncryptionPart(type=encryption.type, key=encryption.key)
    if (scanning := _said(found.scanning)) is not None:
        part.scanning = RepositoryScanningPart(frequency=scanning.frequency, filters=list(scanning.filters))
    if part.mutability is None and (settings := _said(found.settings)) is not None:
        part.mutability, part.exclusions = settings.mutability, list(settings.exclusion_filters)


def registry_part(found: RegistryConfiguration) -> RegistryPart:
    """Return the configuration of a registry."""
    return RegistryPart(
        name=found.registry.host,
        policy=_document(found.policy),
        policy_scope=_said(found.policy_scope),
        scanning=_scanning(_said(found.scanning)),
        pull_through=_pull_through(_said(found.pull_through)),
        replication=_replication(_said(found.replication)),
    )


def _said(answer: Answer[T]) -> T | None:
    return None if isinstance(answer, SourceUnavailableError) else answer


def _document(answer: Answer[str | None]) -> str | UnsetType | None:
    return UNSET if isinstance(answer, SourceUnavailableError) else answer


def _scanning(found: RegistryScanning | None) -> RegistryScanningPart | None:
    if found is None:
        return None
    rules = [ScanRulePart(frequency=one.frequency, filters=list(one.filters)) for one in found.rules]
    return RegistryScanningPart(type=found.type, rules=rules)


def _pull_through(found: tuple[PullThroughRule, ...] | None) -> list[PullThroughPart] | None:
    if found is None:
        return None
    return [
        PullThroughPart(prefix=one.prefix, upstream=one.upstream, upstream_prefix=one.upstream_prefix) for one in found
    ]


def _replication(found: tuple[ReplicationRule, ...] | None) -> list[ReplicationPart] | None:
    if found is None:
        return None
    return [
        ReplicationPart(
            destinations=[DestinationPart(registry_id=to.account, region=to.region) for to in one.destinations],
            prefixes=list(one.prefixes),
        )
        for one in found
    ]
