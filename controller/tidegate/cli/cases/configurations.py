"""The configuration of the repositories and registries of a test case as values.

What the case leaves out is a NotSaidError, which is "not known" and never "none".
"""

import json
from datetime import date
from typing import Any, Final

from msgspec import UNSET, UnsetType

from tidegate.cli.argument_files import ArgumentError
from tidegate.cli.cases.model import PolicyDocument, RegistryPart, RepositoryPart
from tidegate.cli.cases.not_said import NotSaidError
from tidegate.evidence.image_evidence import (
    REGISTRY_CONFIGURATION_SOURCE,
    REPOSITORY_CONFIGURATION_SOURCE,
    SCAN_TYPE_SOURCE,
)
from tidegate.evidence.registry_configuration import (
    MAX_LIFECYCLE_CHARACTERS,
    MAX_POLICY_CHARACTERS,
    Answer,
    Encryption,
    PullThroughRule,
    RegistryConfiguration,
    RegistryScanning,
    ReplicationRule,
    RepositoryConfiguration,
    RepositoryScanning,
    ScanRule,
)
from tidegate.evidence.repository import RepositorySettings
from tidegate.images.repository import EcrRegistry, EcrRepository

_DESCRIBE: Final = "ecr:DescribeRepositories"


class _Place:
    """Where the fields of a part are written, and where it is noted what they lack."""

    def __init__(self, where: str, lacking: dict[str, None]) -> None:
        self._where = where
        self._lacking = lacking

    def not_said(self, name: str, source: str) -> NotSaidError:
        """Return what stands for a field that the case does not have."""
        return NotSaidError(f"{self._where}.{name}", source, self._lacking)

    def text(self, document: PolicyDocument | UnsetType, name: str, source: str, most: int) -> Answer[str | None]:
        """Return the text of a policy, None if there is none; raise ArgumentError for what is no JSON, or is too long."""
        if document is UNSET:
            return self.not_said(name, source)
        where = f"{self._where}.{name}"
        text = _json(document, where) if isinstance(document, dict) else document
        if text is not None and len(text) > most:
            raise ArgumentError(f"{where}: expected at most {most:,} characters, got {len(text):,}")
        return text


def repository_configuration(
    part: RepositoryPart,
    repository: EcrRepository,
    settings: RepositorySettings | None,
    where: str,
    lacking: dict[str, None],
) -> RepositoryConfiguration:
    """Return the configuration of a repository; raise ArgumentError that names the field."""
    at = _Place(where, lacking)
    encryption, scanning = part.encryption, part.scanning
    return RepositoryConfiguration(
        repository=repository,
        settings=settings or at.not_said("mutability", _DESCRIBE),
        encryption=at.not_said("encryption", _DESCRIBE)
        if encryption is None
        else Encryption(type=encryption.type, key=encryption.key),
        policy=at.text(part.policy, "policy", REPOSITORY_CONFIGURATION_SOURCE, MAX_POLICY_CHARACTERS),
        lifecycle=at.text(part.lifecycle_policy, "lifecyclePolicy", "ecr:GetLifecyclePolicy", MAX_LIFECYCLE_CHARACTERS),
        scanning=at.not_said("scanning", "ecr:BatchGetRepositoryScanningConfiguration")
        if scanning is None
        else RepositoryScanning(frequency=scanning.frequency, filters=tuple(scanning.filters)),
    )


def registry_configuration(
    part: RegistryPart, registry: EcrRegistry, where: str, lacking: dict[str, None]
) -> RegistryConfiguration:
    """Return the configuration of a registry; raise ArgumentError that names the field. No policy asks for signing rules."""
    at = _Place(where, lacking)
    scanning, pull_through, replication = part.scanning, part.pull_through, part.replication
    return RegistryConfiguration(
        registry=registry,
        policy=at.text(part.policy, "policy", REGISTRY_CONFIGURATION_SOURCE, MAX_POLICY_CHARACTERS),
        policy_scope=part.policy_scope or at.not_said("policyScope", "ecr:GetAccountSetting"),
        scanning=at.not_said("scanning", SCAN_TYPE_SOURCE)
        if scanning is None
        else RegistryScanning(
            type=scanning.type,
            rules=tuple(ScanRule(frequency=one.frequency, filters=tuple(one.filters)) for one in scanning.rules),
        ),
        pull_through=at.not_said("pullThrough", "ecr:DescribePullThroughCacheRules")
        if pull_through is None
        else tuple(
            PullThroughRule(prefix=one.prefix, upstream=one.upstream, upstream_prefix=one.upstream_prefix)
            for one in pull_through
        ),
        replication=at.not_said("replication", "ecr:DescribeRegistry")
        if replication is None
        else tuple(
            ReplicationRule(
                destinations=tuple(
                    EcrRegistry(registry.partition, to.registry_id, to.region) for to in one.destinations
                ),
                prefixes=tuple(one.prefixes),
            )
            for one in replication
        ),
        signing=at.not_said("signing", "ecr:GetSigningConfiguration"),
    )


def _json(document: dict[str, Any], where: str) -> str:
    try:
        return json.dumps(document, default=_date_text, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as problem:
        raise ArgumentError(f"{where}: {problem}; write the policy as JSON") from problem


def _date_text(value: object) -> str:
    """Return a date as it is written: ``Version: 2012-10-17`` without quotes is a date in YAML."""
    if type(value) is date:
        return value.isoformat()
    raise TypeError(f"a {type(value).__name__} is no value of JSON")
