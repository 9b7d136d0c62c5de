"""The structure of a scenario file, in camelCase; what is not a member here is refused.

Types only; scenario.py reads and builds. Members of type Any are moments, as in clock.py.
"""

from typing import Any

import msgspec

from tests.simulator.manifests import OCI_MANIFEST
from tests.simulator.world import CLUSTER_ACCOUNT, READER_ROLE, REGION

LeaveOut = msgspec.UnsetType
_UNSET = msgspec.UNSET


class _Part(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    pass


class FindingPart(_Part):
    """One finding; `fixed` is left out where there is no fix, moments are as in clock.py."""

    id: str
    severity: str
    package: str = "openssl"
    installed: str = "3.0.11"
    fixed: str | None = None
    manager: str = "OS"
    path: str | None = None
    exploit: bool = False
    epss: float | None = None
    score: float | None = None
    status: str = "ACTIVE"
    title: str | None = None
    description: str | None = None
    first_observed_at: Any = None


class CoveragePart(_Part):
    """A coverage row."""

    status: str = "ACTIVE"
    reason: str = "SUCCESSFUL"
    last_scanned_at: Any = None


class BasicPart(_Part):
    """A basic scan."""

    status: str = "COMPLETE"
    description: str = ""


class StatePart(_Part):
    """What scanners say from `at` on: what is left out stays as it was, `coverage: null` takes the row away."""

    at: Any = None
    coverage: CoveragePart | LeaveOut | None = _UNSET
    basic: BasicPart | LeaveOut | None = _UNSET
    findings: list[FindingPart] | LeaveOut = _UNSET


class ChildPart(_Part):
    """One platform of an index."""

    scanned: bool = True
    coverage: CoveragePart | LeaveOut | None = _UNSET
    findings: list[FindingPart] | LeaveOut = _UNSET
    history: list[StatePart] = []


class ImagePart(_Part):
    """An image, or an index where `platforms` is given; `history` tells its scans over time."""

    tags: list[str] = msgspec.field(default_factory=lambda: ["v1"])
    content: str | None = None
    platform: str = "linux/amd64"
    media_type: str = OCI_MANIFEST
    platforms: dict[str, ChildPart] | None = None
    attestations: bool = True
    docker: bool = False
    pushed_at: Any = "-1d"
    status: str = "ACTIVE"
    scanned: bool = True
    in_use: int = 0
    coverage: CoveragePart | LeaveOut | None = _UNSET
    basic: BasicPart | LeaveOut | None = _UNSET
    findings: list[FindingPart] | LeaveOut = _UNSET
    history: list[StatePart] = []


class RepositoryPart(_Part):
    """A repository with its images."""

    name: str
    account: str | None = None
    region: str | None = None
    mutability: str = "IMMUTABLE"
    exclusions: list[str] = []
    readers: list[str] = []
    policy: dict[str, Any] | None = None
    lifecycle: dict[str, Any] | None = None
    images: list[ImagePart] = []


class RulePart(_Part):
    """A rule of a registry's scanning configuration."""

    frequency: str
    filters: list[str] = msgspec.field(default_factory=lambda: ["*"])


class PullThroughPart(_Part):
    """A pull-through-cache rule."""

    prefix: str
    upstream: str = "docker-hub"
    upstream_url: str = "registry-1.docker.io"
    miss: str = "ImageNotFound"


class RegistryPart(_Part):
    """The settings of one account in one region."""

    account: str | None = None
    region: str | None = None
    scan_type: str = "ENHANCED"
    rules: list[RulePart] = []
    pull_through: list[PullThroughPart] = []


class AccountPart(_Part):
    """Another account; `roles` maps each role that may be assumed to the external id it asks for, or null."""

    id: str
    roles: dict[str, str | None] = msgspec.field(default_factory=lambda: {READER_ROLE: None})
    scan_type: str = "ENHANCED"
    inspector: str = "ENABLED"
    members: list[str] = []


class Scenario(_Part):
    """A whole world; `account` and `region` are the cluster's."""

    account: str = CLUSTER_ACCOUNT
    region: str = REGION
    accounts: list[AccountPart] = []
    registries: list[RegistryPart] = []
    repositories: list[RepositoryPart] = []
