"""How a registry and its repositories are set up: policies, scanning, encryption, lifecycle, rules. Facts only.

Source: the Amazon ECR API 2015-09-21. Policies are kept as the text that ECR returned: the ``posture`` package reads it.
One call that failed never hides what the others said: its field holds the SourceUnavailableError.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias, TypeVar

from tidegate.evidence.repository import RepositorySettings, ScanType
from tidegate.evidence.source_unavailable import SourceUnavailableError
from tidegate.images.digest import Digest
from tidegate.images.repository import EcrRegistry, EcrRepository

T = TypeVar("T")
Answer: TypeAlias = T | SourceUnavailableError
"""What a call said, or why it said nothing."""

MAX_POLICY_CHARACTERS = 10_240
"""Characters of a repository policy or a registry policy (ECR's own bound)."""
MAX_LIFECYCLE_CHARACTERS = 30_720
"""Characters of a lifecycle policy (ECR's own bound)."""


class ScanFrequency(StrEnum):
    """When ECR scans the images of a repository; UNKNOWN stands for a value this version does not know."""

    SCAN_ON_PUSH = "SCAN_ON_PUSH"
    CONTINUOUS_SCAN = "CONTINUOUS_SCAN"
    MANUAL = "MANUAL"
    UNKNOWN = "UNKNOWN"


class EncryptionType(StrEnum):
    """How ECR encrypts a repository; UNKNOWN stands for a value this version does not know."""

    AES256 = "AES256"
    KMS = "KMS"
    KMS_DSSE = "KMS_DSSE"
    UNKNOWN = "UNKNOWN"


class RegistryPolicyScope(StrEnum):
    """Which requests a registry policy is applied to: V1 three actions of replication and caches, V2 every request."""

    V1 = "V1"
    V2 = "V2"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True, kw_only=True)
class Encryption:
    """The encryption of a repository. ``key`` is the ARN or id of the KMS key, empty where ECR's own is used."""

    type: EncryptionType
    key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanRule:
    """One rule of a registry's scanning: the frequency for repositories whose name matches one of the filters."""

    frequency: ScanFrequency
    filters: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryScanning:
    """The scanning configuration of a registry. ``type`` is None for a value that this version does not know."""

    type: ScanType | None
    rules: tuple[ScanRule, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RepositoryScanning:
    """What ECR itself applies to one repository, after it matched the registry's filters."""

    frequency: ScanFrequency
    filters: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PullThroughRule:
    """A pull-through-cache rule: repositories under ``prefix`` are filled from ``upstream``."""

    prefix: str
    upstream: str
    upstream_prefix: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicationRule:
    """A replication rule: images of repositories with one of the prefixes (all, where there is none) are copied."""

    destinations: tuple[EcrRegistry, ...]
    prefixes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningRule:
    """A rule of ECR's managed signing: the profile that signs images of repositories that match one of the filters."""

    profile: str
    filters: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryConfiguration:
    """The configuration of one registry. A policy of None is one that does not exist."""

    registry: EcrRegistry
    policy: Answer[str | None]
    policy_scope: Answer[RegistryPolicyScope]
    scanning: Answer[RegistryScanning]
    pull_through: Answer[tuple[PullThroughRule, ...]]
    replication: Answer[tuple[ReplicationRule, ...]]
    signing: Answer[tuple[SigningRule, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class RepositoryConfiguration:
    """The configuration of one repository. A policy of None is one that does not exist."""

    repository: EcrRepository
    settings: Answer[RepositorySettings]
    encryption: Answer[Encryption]
    policy: Answer[str | None]
    lifecycle: Answer[str | None]
    scanning: Answer[RepositoryScanning]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredImage:
    """What a lifecycle policy looks at in one image. ``is_archived`` is the storage class; ``subject`` that of a referrer.

    ``restored_at`` is when it last came back from the archive: it counts from then, as after a push.
    """

    digest: Digest
    tags: tuple[str, ...]
    pushed_at: datetime
    pulled_at: datetime | None = None
    is_archived: bool = False
    archived_at: datetime | None = None
    restored_at: datetime | None = None
    subject: Digest | None = None
