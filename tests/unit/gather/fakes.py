"""Ports that answer from memory and note what they were asked, one note a call, as a registry in good order would."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from tests.unit.builders import registry_configuration, repository_configuration
from tests.unit.gather.virtual_time import EPOCH, LateExecutor, VirtualClock
from tidegate.evidence.content import StoredManifest
from tidegate.evidence.fact import Cause
from tidegate.evidence.image import Absence, ImageDetail, ImageStatus
from tidegate.evidence.inspection import FoundFindings
from tidegate.evidence.registry_configuration import RegistryConfiguration, RepositoryConfiguration
from tidegate.evidence.repository import RepositorySettings, ScanType, TagMutability
from tidegate.evidence.revocation import SignerRevocations
from tidegate.evidence.scan import Coverage, Finding, Scanner, ScanReport, ScanState, Severity
from tidegate.evidence.signature_artifacts import FoundArtifacts, SigningHint
from tidegate.evidence.source_unavailable import SourceUnavailableError
from tidegate.gather.api_limiter import RateLimit
from tidegate.gather.api_limiters import ApiLimiters
from tidegate.gather.call_accounting import CallAccounting
from tidegate.gather.sources import Sources
from tidegate.images.digest import Digest, digest_of
from tidegate.images.image_id import ImageId
from tidegate.images.manifest import OCI_MANIFEST
from tidegate.images.repository import EcrRegistry, EcrRepository, Registry, Repository
from tidegate.verify.notation.revocation.material import NoAnswer

REGISTRY = EcrRegistry("aws", "111122223333", "eu-west-1")
OTHER = EcrRegistry("aws", "444455556666", "eu-west-1")
APP = EcrRepository(REGISTRY, "team/app")
IMAGE = digest_of(b"image")
SCANNED = Coverage(state=ScanState.SCANNED, last_scanned_at=EPOCH - timedelta(days=1))
PATIENT = RateLimit(per_second=1_000.0, burst=1_000)


@dataclass(kw_only=True)
class Seen:
    """What the operator was told."""

    calls: list[tuple[str, Cause | None]] = field(default_factory=list)
    registries: list[Registry] = field(default_factory=list)
    found: list[bool] = field(default_factory=list)
    problems: list[Exception | None] = field(default_factory=list)
    open: list[tuple[str, int, Cause]] = field(default_factory=list)

    def called(
        self, source: str, registry: Registry, seconds: float, problem: Exception | None, *, found: bool
    ) -> None:
        cause = problem.cause if isinstance(problem, SourceUnavailableError) else Cause.INTERNAL if problem else None
        self.calls.append((source, cause))
        self.registries.append(registry)
        self.found.append(found)
        self.problems.append(problem)

    def unanswered(self, source: str, registry: Registry, ids: int, problem: SourceUnavailableError) -> None:
        self.open.append((source, ids, problem.cause))


def build_limiters(
    clock: VirtualClock,
    executor: LateExecutor,
    seen: Seen,
    *,
    rate: RateLimit = PATIENT,
    accounting: CallAccounting | None = None,
) -> ApiLimiters:
    return ApiLimiters(clock=clock, rate=rate, observer=seen, executor=executor, accounting=accounting)


def unavailable(cause: Cause, source: str = "ecr:DescribeImages", **more: Any) -> SourceUnavailableError:
    return SourceUnavailableError(cause, source, "said AWS", **more)


def detail(
    digest: Digest = IMAGE,
    *,
    media_type: str = OCI_MANIFEST,
    status: ImageStatus = ImageStatus.ACTIVE,
    pushed_at: datetime | None = None,
) -> ImageDetail:
    return ImageDetail(digest=digest, media_type=media_type, status=status, pushed_at=pushed_at)


class FakeAws:
    """Every port. ``asked`` notes each call and its ids; ``failing`` maps an API to what it raises."""

    def __init__(self) -> None:
        self.accounting = CallAccounting()
        self.images: dict[ImageId, ImageDetail | Absence | SourceUnavailableError] = {ImageId.of_tag("v1"): detail()}
        self.manifests: dict[Digest, StoredManifest | Absence | SourceUnavailableError] = {}
        self.repositories: dict[str, RepositorySettings | Absence | SourceUnavailableError] = {
            APP.name: RepositorySettings(mutability=TagMutability.MUTABLE)
        }
        self.type = ScanType.ENHANCED
        self.registry = registry_configuration()
        self.configured: dict[str, RepositoryConfiguration | Absence | SourceUnavailableError] = {
            APP.name: repository_configuration()
        }
        self.coverages: dict[Digest, Coverage | SourceUnavailableError] = {}
        self.found: dict[Digest, FoundFindings | SourceUnavailableError] = {}
        self.basic: dict[Digest, ScanReport] = {}
        self.failing: dict[str, Exception] = {}
        self.asked: list[tuple[str, tuple[Any, ...]]] = []
        self.during: dict[str, Callable[[], None]] = {}
        """What happens at AWS just after an API made up its answer."""

    def sources(self) -> Sources:
        return Sources(
            images=self,
            manifests=self,
            repositories=self,
            scan_types=self,
            basic_scans=self,
            inspections=self,
            signatures=self,
            signing=self,
            signer=self,
            other_registries=self,
            revocation_services=self,
            configurations=self,
        )

    def count(self, source: str) -> int:
        return sum(1 for name, _ in self.asked if name == source)

    def ids(self, source: str) -> list[int]:
        return [len(ids) for name, ids in self.asked if name == source]

    # The ports

    def describe_images(self, repository: EcrRepository, ids: Sequence[ImageId]) -> Mapping[ImageId, Any]:
        self._ask("ecr:DescribeImages", repository.registry, ids)
        by_digest = {
            ImageId.of_digest(each.digest): each for each in self.images.values() if isinstance(each, ImageDetail)
        }
        images = by_digest | self.images
        return {each: images.get(each, Absence.IMAGE) for each in ids}

    def get_manifests(self, repository: Repository, digests: Sequence[Digest]) -> Mapping[Digest, Any]:
        self._ask("ecr:BatchGetImage", repository.registry, digests)
        return {each: self.manifests.get(each, Absence.IMAGE) for each in digests}

    def describe_repositories(self, registry: Registry, names: Sequence[str]) -> Mapping[str, Any]:
        self._ask("ecr:DescribeRepositories", registry, names)
        return {each: self.repositories.get(each, Absence.REPOSITORY) for each in names}

    def registry_configuration(self, registry: EcrRegistry) -> RegistryConfiguration:
        self._ask("ecr:GetRegistryPolicy", registry, ())
        return self.registry

    def repository_configurations(self, registry: EcrRegistry, names: Sequence[str]) -> Mapping[str, Any]:
        self._ask("ecr:GetRepositoryPolicy", registry, names)
        return {each: self.configured.get(each, Absence.REPOSITORY) for each in names}

    def scan_type(self, registry: Registry) -> ScanType:
        self._ask("ecr:GetRegistryScanningConfiguration", registry, ())
        return self.type

    def basic_report(self, repository: EcrRepository, digest: Digest) -> ScanReport:
        self._ask("ecr:DescribeImageScanFindings", repository.registry, (digest,))
        return self.basic.get(digest, ScanReport(scanner=Scanner.ECR_BASIC, coverage=SCANNED))

    def coverage(self, registry: Registry, images: Sequence[tuple[str, Digest]]) -> Mapping[Any, Any]:
        answer = {each: self.coverages.get(each[1], SCANNED) for each in images}
        self._ask("inspector2:ListCoverage", registry, images)
        return answer

    def findings(self, registry: Registry, images: Sequence[tuple[str, Digest]]) -> Mapping[Any, Any]:
        answer = {each: self.found.get(each[1], FoundFindings()) for each in images}
        self._ask("inspector2:ListFindings", registry, images)
        return answer

    def find_artifacts(self, *_: Any, **_more: Any) -> FoundArtifacts:
        return FoundArtifacts(artifacts=(), skipped=(), complete=True)

    def signing_status(self, *_: Any) -> Sequence[SigningHint]:
        return ()

    def revocation_status(self, *_: Any, **_more: Any) -> SignerRevocations:
        raise unavailable(Cause.UNREACHABLE, "signer:GetRevocationStatus")

    def describe(self, *_: Any, **_more: Any) -> Absence:
        return Absence.IMAGE

    def refusal(self, *_: Any) -> NoAnswer:
        return NoAnswer(reason="nobody is asked")

    def fetch(self, *_: Any) -> NoAnswer:
        return NoAnswer(reason="nobody answers")

    def _ask(self, source: str, registry: Registry, ids: Sequence[Any]) -> None:
        self.asked.append((source, tuple(ids)))
        problem = self.failing.get(source) or self.failing.get("*")
        cause = problem.cause if isinstance(problem, SourceUnavailableError) else None
        self.accounting.leave(source, registry, seconds=0.1, cause=cause)
        if problem is not None:
            raise problem
        self.during.get(source, lambda: None)()


def finding(name: str) -> Finding:
    return Finding(id=name, severity=Severity.CRITICAL)
