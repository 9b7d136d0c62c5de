"""Small functions that make facts, reports, findings, policies and what is judged: good unless something is overridden.

Every default passes every check, so that a test names only what it is about.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from tidegate.checks.image_subject import ImageSubject
from tidegate.checks.result import Shortfall
from tidegate.evidence.fact import Cause, Fact, Known, Missing
from tidegate.evidence.image import Absence, ImageDetail, ImageStatus, PlatformImage
from tidegate.evidence.image_evidence import ImageEvidence
from tidegate.evidence.registry_configuration import (
    Encryption,
    EncryptionType,
    RegistryConfiguration,
    RegistryPolicyScope,
    RegistryScanning,
    RepositoryConfiguration,
    RepositoryScanning,
    ScanFrequency,
)
from tidegate.evidence.repository import RepositorySettings, ScanType, TagMutability
from tidegate.evidence.scan import (
    Answer,
    Coverage,
    Finding,
    Scanner,
    ScanReport,
    ScanState,
    Severity,
    VulnerablePackage,
)
from tidegate.images.digest import Digest, digest_of
from tidegate.images.manifest import OCI_MANIFEST
from tidegate.images.platform import Platform, parse_platform
from tidegate.images.reference import ImageReference, parse_reference
from tidegate.images.repository import EcrRegistry, EcrRepository
from tidegate.policy.exceptions import ImagePolicyException
from tidegate.policy.model import (
    BrokenPolicy,
    EcrScope,
    ExceptableCheck,
    Glob,
    HostScope,
    ImagePolicy,
    ScanRules,
    TagRules,
    VulnerabilityRules,
)

NOW = datetime(2026, 6, 1, 12, 0, 0, tzinfo=UTC)
MOMENT = 1_000.0
"""NOW, by the monotonic clock."""
INSTANT = timedelta(microseconds=1)
SECOND, MINUTE, HOUR, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)

ACCOUNT = "123456789012"
HOST = f"{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com"
IMAGE = f"{HOST}/team/app:v1"
DIGEST = digest_of(b"the image")
PINNED = f"{HOST}/team/app@{DIGEST}"
PUSHED = NOW - 10 * DAY
SCANNED = NOW - DAY


def moment(now: datetime) -> float:
    """A wall time by the monotonic clock, where neither was ever set."""
    return MOMENT + (now - NOW).total_seconds()


def digest(name: str) -> Digest:
    """A digest for each name."""
    return digest_of(name.encode())


def reference(text: str = IMAGE) -> ImageReference:
    return parse_reference(text)


def platform(text: str) -> Platform:
    return parse_platform(text)


def platforms(*texts: str) -> tuple[Platform, ...]:
    return tuple(parse_platform(text) for text in texts)


def child(name: str, on: str | None = None) -> PlatformImage:
    """One child of an index, for a platform or for any."""
    return PlatformImage(digest=digest(name), platform=parse_platform(on) if on else None)


def known(value: Any, *, old: timedelta = MINUTE, stale: Cause | None = None, source: str = "") -> Any:
    """A fact observed some time before NOW, fresh unless a cause is given."""
    return Known(value, NOW - old, stale, source, MOMENT - old.total_seconds())


def short(outcome: object) -> Shortfall:
    """The shortfall that something must be."""
    assert isinstance(outcome, Shortfall)
    return outcome


def missing(cause: Cause = Cause.UNREACHABLE, source: str = "ecr:DescribeImages") -> Missing:
    return Missing(cause, source)


def detail(**changes: Any) -> ImageDetail:
    values: dict[str, Any] = {
        "digest": DIGEST,
        "media_type": OCI_MANIFEST,
        "status": ImageStatus.ACTIVE,
        "pushed_at": PUSHED,
    }
    return ImageDetail(**(values | changes))


def settings(
    mutability: TagMutability = TagMutability.IMMUTABLE, exclusion_filters: tuple[str, ...] = ()
) -> RepositorySettings:
    return RepositorySettings(mutability=mutability, exclusion_filters=exclusion_filters)


def coverage(state: ScanState = ScanState.SCANNED, **changes: Any) -> Coverage:
    values: dict[str, Any] = {"code": "ACTIVE", "reason": "SUCCESSFUL", "last_scanned_at": SCANNED}
    return Coverage(state=state, **(values | changes))


def package(name: str = "openssl", installed: str = "3.0.1", fixed_in: str = "3.0.2") -> VulnerablePackage:
    return VulnerablePackage(name=name, installed=installed, fixed_in=fixed_in)


def finding(id: str = "CVE-2026-0001", severity: Severity = Severity.CRITICAL, **changes: Any) -> Finding:  # noqa: A002
    values: dict[str, Any] = {
        "packages": (package(),),
        "fix": Answer.YES,
        "exploit": Answer.NO,
        "first_observed_at": NOW - 30 * DAY,
    }
    return Finding(id=id, severity=severity, **(values | changes))


def findings(**counts: int) -> tuple[Finding, ...]:
    """So many findings of each severity."""
    return tuple(
        finding(f"CVE-{name}-{number}", Severity(name)) for name, count in counts.items() for number in range(count)
    )


def report(*found: Finding, state: ScanState = ScanState.SCANNED, **changes: Any) -> ScanReport:
    of_report = {name: changes.pop(name) for name in ("scanner", "complete", "scanned_since") if name in changes}
    values: dict[str, Any] = {"scanner": Scanner.INSPECTOR}
    return ScanReport(coverage=coverage(state, **changes), findings=found, **(values | of_report))


def evidence(
    scan: Any = None,
    *,
    detail: ImageDetail | Absence | Fact[Any] | None = None,
    settings: RepositorySettings | Absence | Fact[Any] | None = None,
    runnable: Iterable[PlatformImage] | Fact[Any] | None = None,
    scan_type: ScanType | Fact[Any] | None = None,
    scans: Mapping[Digest, Any] | None = None,
    registry: RegistryConfiguration | Fact[Any] | None = None,
    repository: RepositoryConfiguration | Absence | Fact[Any] | None = None,
    valid_until: float = 0.0,
) -> ImageEvidence:
    """Evidence for one image; values become fresh facts, and ``scan`` is the report of the image itself."""
    image = _fact(detail, lambda: _DETAIL)
    children: Fact[Any] = _fact(None if runnable is None else _children(runnable), lambda: _ITSELF)
    reports: Mapping[Digest, Any] = {DIGEST: report() if scan is None else scan} if scans is None else scans
    return ImageEvidence(
        detail=image,
        settings=_fact(settings, lambda: _SETTINGS),
        runnable=children,
        scan_type=_fact(scan_type, lambda: ScanType.ENHANCED),
        scans={one: _fact(value, lambda: None) for one, value in reports.items()},
        registry_configuration=_fact(registry, lambda: _REGISTRY),
        repository_configuration=_fact(repository, lambda: _REPOSITORY),
        valid_until=valid_until,
    )


def _children(runnable: Any) -> Any:
    return runnable if isinstance(runnable, (Known, Missing)) else tuple(runnable)


def _fact(value: Any, default: Any) -> Any:
    value = default() if value is None else value
    return value if isinstance(value, (Known, Missing)) else known(value)


def registry_configuration(policy: Any = None, **changed: Any) -> RegistryConfiguration:
    """A registry without policy and rules, in which Amazon Inspector scans everything."""
    values: dict[str, Any] = {
        "registry": EcrRegistry("aws", ACCOUNT, "eu-west-1"),
        "policy": policy,
        "policy_scope": RegistryPolicyScope.V2,
        "scanning": RegistryScanning(type=ScanType.ENHANCED),
        "pull_through": (),
        "replication": (),
        "signing": (),
    }
    return RegistryConfiguration(**(values | changed))


def repository_configuration(policy: Any = None, **changed: Any) -> RepositoryConfiguration:
    """A repository without policies, well set up otherwise."""
    values: dict[str, Any] = {
        "repository": EcrRepository(EcrRegistry("aws", ACCOUNT, "eu-west-1"), "team/app"),
        "settings": settings(),
        "encryption": Encryption(type=EncryptionType.KMS),
        "policy": policy,
        "lifecycle": None,
        "scanning": RepositoryScanning(frequency=ScanFrequency.CONTINUOUS_SCAN),
    }
    return RepositoryConfiguration(**(values | changed))


_DETAIL = detail()
_SETTINGS = settings()
_REGISTRY = registry_configuration()
_REPOSITORY = repository_configuration()
_ITSELF = (PlatformImage(digest=DIGEST, platform=None),)


def policy(name: str = "rules", **sections: Any) -> ImagePolicy:
    """A policy that demands nothing but what is given."""
    values: dict[str, Any] = {"uid": f"uid-{name}", "generation": 1}
    return ImagePolicy(name=name, **(values | sections))


def full_policy(name: str = "full", **sections: Any) -> ImagePolicy:
    """A policy that demands every check of images of our own account."""
    values: dict[str, Any] = {
        "registries": (ecr(),),
        "tags": TagRules(immutable=True),
        "scan": ScanRules(),
        "vulnerabilities": VulnerabilityRules(max_counts={Severity.CRITICAL: 0}),
    }
    return policy(name, **(values | sections))


def broken(name: str = "broken", problems: tuple[str, ...] = ("spec.tags: got 1",), **changes: Any) -> BrokenPolicy:
    return BrokenPolicy(name=name, uid=f"uid-{name}", generation=1, problems=problems, **changes)


def exception(name: str = "allowed", **changes: Any) -> ImagePolicyException:
    """An exception of the cluster from the whole check ``vulnerabilities`` of ``full``, for every image of our account."""
    values: dict[str, Any] = {
        "uid": f"uid-{name}",
        "generation": 1,
        "policies": ("full",),
        "images": (ecr(),),
        "namespaces": globs("shop"),
        "expires_at": NOW + DAY,
        "reason": "the fix is due on Monday",
        "requested_by": "ann@example.com",
    } | changes
    if not values.get("vulnerabilities"):
        values.setdefault("checks", (ExceptableCheck.VULNERABILITIES,))
    return ImagePolicyException(name=name, **values)


def globs(*texts: str) -> tuple[Glob, ...]:
    return tuple(Glob(text=text) for text in texts)


def ecr(*repositories: str, account: str = ACCOUNT, region: str | None = None, partition: str = "aws") -> EcrScope:
    return EcrScope(partition=partition, account=account, region=region, repositories=globs(*(repositories or ("**",))))


def host(name: str, *repositories: str) -> HostScope:
    return HostScope(host=name, repositories=globs(*(repositories or ("**",))))


def subject(
    image: str = IMAGE,
    collected: ImageEvidence | None = None,
    *,
    cluster: tuple[Platform, ...] = (),
    now: datetime = NOW,
) -> ImageSubject:
    return ImageSubject(
        reference=parse_reference(image),
        evidence=collected or evidence(),
        cluster_platforms=cluster,
        now=now,
        monotonic=moment(now),
    )
