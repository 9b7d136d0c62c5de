"""What an account's registry in one region holds: repositories, their images and tags, and how they are scanned.

Entities only; the world creates and changes them, the services read them.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.simulator.manifests import Manifest
from tests.simulator.scans import Coverage, ScanState


@dataclass(frozen=True, slots=True, kw_only=True)
class PullThroughRule:
    """A pull-through-cache namespace; `miss` is the failure code of BatchGetImage for what is not cached yet."""

    prefix: str
    upstream: str = "docker-hub"
    upstream_url: str = "registry-1.docker.io"
    miss: str = "ImageNotFound"
    upstream_prefix: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicationRule:
    """Where images of repositories with one of the prefixes are copied to: (account, region) pairs."""

    destinations: tuple[tuple[str, str], ...]
    prefixes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningRule:
    """Which profile signs the images of which repositories by itself."""

    profile_arn: str
    filters: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanRule:
    """Part of a registry's scanning configuration: which repositories are scanned how often."""

    frequency: str
    filters: tuple[str, ...] = ("*",)


@dataclass(slots=True, kw_only=True)
class Registry:
    """One account in one region."""

    account: str
    region: str
    scan_type: str = "ENHANCED"
    rules: tuple[ScanRule, ...] = ()
    pull_through: tuple[PullThroughRule, ...] = ()
    policy: str | None = None
    policy_scope: str = "V2"
    replication: tuple[ReplicationRule, ...] = ()
    signing_rules: tuple[SigningRule, ...] = ()
    repositories: dict[str, "Repository"] = field(default_factory=dict)

    def frequency(self, repository: str) -> tuple[str, tuple[str, ...]]:
        """Say how often a repository is scanned, and which filters say so; continuous wins over on push."""
        if self.scan_type == "ENHANCED" and not self.rules:
            return "CONTINUOUS_SCAN", ()
        for frequency in ("CONTINUOUS_SCAN", "SCAN_ON_PUSH"):
            filters = [each for rule in self.rules if rule.frequency == frequency for each in rule.filters]
            if applied := tuple(each for each in filters if _scan_filter_matches(each, repository)):
                return frequency, applied
        return "MANUAL", ()


@dataclass(slots=True, kw_only=True)
class Repository:
    """One repository; `readers` are the accounts that its policy lets in without a role."""

    name: str
    account: str
    region: str
    created_at: float
    mutability: str = "IMMUTABLE"
    exclusions: tuple[str, ...] = ()
    readers: frozenset[str] = frozenset()
    policy: str | None = None
    lifecycle: str | None = None
    encryption: str = "AES256"
    kms_key: str | None = None
    images: dict[str, "Image"] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)

    @property
    def arn(self) -> str:
        return f"arn:aws:ecr:{self.region}:{self.account}:repository/{self.name}"

    @property
    def uri(self) -> str:
        return f"{self.account}.dkr.ecr.{self.region}.amazonaws.com/{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningStatus:
    """What ECR says of signing an image by itself with one profile."""

    profile_arn: str
    status: str
    failure_code: str | None = None
    failure_reason: str | None = None


@dataclass(slots=True, kw_only=True)
class Image:
    """One manifest in one repository, with its tags and what scanners say of it from when on (`history`, by time).

    `listed` is False for an artifact that the referrers API does not know, `cached` for one that is upstream of a
    pull-through cache only; `signing` is ECR's word on its own signing.
    """

    repository: Repository
    manifest: Manifest
    pushed_at: float
    status: str = "ACTIVE"
    tags: list[str] = field(default_factory=list)
    pulled_at: float | None = None
    archived_at: float | None = None
    restored_at: float | None = None
    in_use: int = 0
    history: list[ScanState] = field(default_factory=list)
    override: bytes | None = None
    listed: bool = True
    cached: bool = True
    signing: list[SigningStatus] = field(default_factory=list)

    @property
    def digest(self) -> str:
        return self.manifest.digest

    @property
    def arn(self) -> str:
        return f"{self.repository.arn}/{self.manifest.digest}"

    def scan(self, now: float) -> ScanState:
        """Give the scan state in force: the last that began at or before now."""
        position = bisect_right(self.history, now, key=lambda state: state.at)
        return self.history[position - 1] if position else ScanState(at=0)

    def coverage(self, now: float) -> Coverage | None:
        return self.scan(now).coverage

    def record(self, state: ScanState) -> None:
        """Add a scan state, in the place of one that began at the same moment."""
        self.history = sorted([*(old for old in self.history if old.at != state.at), state], key=lambda each: each.at)


def matches_glob(pattern: str, text: str) -> bool:
    """Match a whole text against a pattern in which `*` alone is special."""
    head, *middle = pattern.split("*")
    if not middle:
        return pattern == text
    tail = middle.pop()
    if not text.startswith(head):
        return False
    at = len(head)
    for part in middle:
        found = text.find(part, at)
        if found < 0:
            return False
        at = found + len(part)
    return text.endswith(tail) and len(text) - len(tail) >= at


def _scan_filter_matches(pattern: str, name: str) -> bool:
    return matches_glob(pattern, name) if "*" in pattern else pattern in name


def tag_filter(tags: Sequence[str], wanted: str) -> bool:
    """Say whether an image of these tags passes ECR's tagStatus filter."""
    return wanted not in ("TAGGED", "UNTAGGED") or bool(tags) == (wanted == "TAGGED")
