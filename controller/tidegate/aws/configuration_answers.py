"""Answers of Amazon ECR about the configuration of registries and repositories, read into evidence.

Pure: from the SDK's objects to values. A value of an enum that this version does not know is UNKNOWN; a filter of an unknown
kind is an error, since it is unknown what it matches.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeAlias

from tidegate.aws.ecr_images import attempt, read_named, read_settings
from tidegate.aws.errors import unexpected
from tidegate.aws.reply import ApiResponse, member
from tidegate.evidence.fact import Cause
from tidegate.evidence.image import Absence
from tidegate.evidence.registry_configuration import (
    Answer,
    Encryption,
    EncryptionType,
    RegistryPolicyScope,
    RegistryScanning,
    ReplicationRule,
    RepositoryScanning,
    ScanFrequency,
    ScanRule,
    SigningRule,
)
from tidegate.evidence.repository import RepositorySettings, ScanType
from tidegate.evidence.source_unavailable import SourceUnavailableError
from tidegate.images.repository import EcrRegistry, EcrRepository

POLICY_SCOPE: Final = "REGISTRY_POLICY_SCOPE"
"""The account setting that says which requests a registry policy is applied to."""
MAX_FILTERS: Final = 100
"""Filters of one rule (ECR's own bound)."""
MAX_RULES: Final = 100
"""Rules of one configuration; ECR allows 25 at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribedParts:
    """What ``ecr:DescribeRepositories`` says of one repository."""

    settings: Answer[RepositorySettings]
    encryption: Answer[Encryption]


Description: TypeAlias = DescribedParts | Absence | SourceUnavailableError


def read_descriptions(
    answer: Mapping[str, Any], registry: EcrRegistry, names: Sequence[str], source: str
) -> dict[str, Description]:
    """Read ``repositories``; a name without one, or with several that differ, is UNEXPECTED_ANSWER."""
    return read_named(answer, registry, names, source, read=_described)


def read_repository_scanning(
    answer: Mapping[str, Any], registry: EcrRegistry, names: Sequence[str], source: str
) -> dict[str, Answer[RepositoryScanning] | Absence]:
    """Read ``scanningConfigurations`` and ``failures``; a name without an answer is UNEXPECTED_ANSWER."""
    found: dict[str, Answer[RepositoryScanning] | Absence] = {}
    reply = ApiResponse(answer, source)
    for failure in reply.objects("failures"):
        code, name = failure.text("failureCode"), failure.text("repositoryName")
        absent = code == "REPOSITORY_NOT_FOUND"
        found[name] = Absence.REPOSITORY if absent else unexpected(source, f"{code[:40]!a} for {name[:80]!a}")
    for configured in reply.objects("scanningConfigurations"):
        name = configured.text("repositoryName")
        found[name] = attempt(partial(_scanning_of, configured, EcrRepository(registry, name)))
    none = unexpected(source, "no answer for a repository that was asked for")
    return {each: found.get(each, none) for each in names}


def read_scanning(answer: Mapping[str, Any], source: str) -> RegistryScanning:
    """Read ``scanningConfiguration`` of a registry."""
    configured = ApiResponse(answer, source).object("scanningConfiguration")
    kind, word = None, configured.text("scanType")
    if word in set(ScanType):
        kind = ScanType(word)
    rules = tuple(
        ScanRule(
            frequency=member(ScanFrequency, rule.text("scanFrequency"), ScanFrequency.UNKNOWN),
            filters=_filters(rule, "repositoryFilters", "WILDCARD"),
        )
        for rule in _bounded(configured, "rules", MAX_RULES)
    )
    return RegistryScanning(type=kind, rules=rules)


def read_replication(answer: Mapping[str, Any], registry: EcrRegistry, source: str) -> tuple[ReplicationRule, ...]:
    """Read ``replicationConfiguration`` of a registry; without one there are no rules."""
    configured = ApiResponse(answer, source).optional_object("replicationConfiguration")
    return tuple(
        ReplicationRule(
            destinations=tuple(
                EcrRegistry(registry.partition, each.text("registryId"), each.text("region"))
                for each in _bounded(rule, "destinations", MAX_RULES)
            ),
            prefixes=_filters(rule, "repositoryFilters", "PREFIX_MATCH"),
        )
        for rule in (_bounded(configured, "rules", MAX_RULES) if configured else ())
    )


def read_signing(answer: Mapping[str, Any], source: str) -> tuple[SigningRule, ...]:
    """Read ``signingConfiguration`` of a registry."""
    configured = ApiResponse(answer, source).object("signingConfiguration")
    return tuple(
        SigningRule(
            profile=rule.text("signingProfileArn"), filters=_filters(rule, "repositoryFilters", "WILDCARD_MATCH")
        )
        for rule in _bounded(configured, "rules", MAX_RULES)
    )


def read_scope(answer: Mapping[str, Any], source: str) -> RegistryPolicyScope:
    """Read the account setting of the scope of registry policies."""
    reply = ApiResponse(answer, source)
    reply.require_same("name", POLICY_SCOPE)
    return member(RegistryPolicyScope, reply.text("value"), RegistryPolicyScope.UNKNOWN)


def bounded_text(reply: ApiResponse, name: str, most: int) -> str:
    """Return a text of at most so many characters."""
    text = reply.text(name)
    if len(text) > most:
        raise reply.wrong(name, f"{len(text)} characters, expected at most {most}")
    return text


def _described(described: ApiResponse) -> DescribedParts:
    return DescribedParts(
        settings=attempt(partial(read_settings, described)), encryption=attempt(partial(_encryption, described))
    )


def _encryption(described: ApiResponse) -> Encryption:
    configured = described.object("encryptionConfiguration")
    kind = member(EncryptionType, configured.text("encryptionType"), EncryptionType.UNKNOWN)
    return Encryption(type=kind, key=configured.optional_text("kmsKey"))


def _scanning_of(configured: ApiResponse, repository: EcrRepository) -> RepositoryScanning:
    if (arn := configured.text("repositoryArn")) != repository.arn:
        detail = f"ECR answered for {arn[:200]!a}: give account {repository.registry.account} a role to assume"
        raise SourceUnavailableError(Cause.ACCESS_DENIED, configured.source, detail)
    return RepositoryScanning(
        frequency=member(ScanFrequency, configured.text("scanFrequency"), ScanFrequency.UNKNOWN),
        filters=_filters(configured, "appliedScanFilters", "WILDCARD"),
    )


def _filters(rule: ApiResponse, name: str, kind: str) -> tuple[str, ...]:
    """Return the filters of a rule; raise for those of another kind."""
    filters = _bounded(rule, name, MAX_FILTERS)
    for each in filters:
        if each.text("filterType") != kind:
            raise each.wrong("filterType", f"this version does not know {each.text('filterType')[:40]!a}")
    return tuple(each.text("filter") for each in filters)


def _bounded(holder: ApiResponse, name: str, most: int) -> list[ApiResponse]:
    objects = holder.objects(name)
    if len(objects) > most:
        raise holder.wrong(name, f"{len(objects)} elements, expected at most {most}")
    return objects
