"""The facts there are and how each is looked up: one cache a kind, filled through batches.

Read this to learn which call to AWS answers which question. What is looked up for an image, and in which order, is in
``collector``.
"""

import asyncio
from collections.abc import Sequence, Sized
from functools import partial
from typing import TypeVar

from tidegate.evidence.clock import Clock
from tidegate.evidence.fact import Cause, Known, Missing
from tidegate.evidence.image import Absence, ImageDetail
from tidegate.evidence.image_evidence import SCAN_TYPE_SOURCE
from tidegate.evidence.inspection import FoundFindings, ImageKey
from tidegate.evidence.ports import MAX_IMAGE_IDS, MAX_INSPECTED_IMAGES, MAX_REPOSITORIES
from tidegate.evidence.repository import RepositorySettings, ScanType
from tidegate.evidence.scan import Coverage, Finding, Scanner, ScanReport, ScanState
from tidegate.evidence.source_unavailable import SourceUnavailableError, UnknownRegionError
from tidegate.gather import lifetimes
from tidegate.gather.api_limiters import ApiLimiters
from tidegate.gather.batch import Batcher
from tidegate.gather.budget import Budget
from tidegate.gather.fact_cache import FactCache
from tidegate.gather.manifests import OTHER_SOURCE, Manifests, no_region
from tidegate.gather.revocations import Revocations
from tidegate.gather.shared_findings import SharedFindings
from tidegate.gather.signature_verifications import SignatureVerifications
from tidegate.gather.signatures import Signatures
from tidegate.gather.sources import Sources
from tidegate.images.digest import Digest
from tidegate.images.image_id import ImageId
from tidegate.images.repository import EcrRegistry, EcrRepository, OciRepository, Repository

V = TypeVar("V")
Detail = ImageDetail | Absence
ScanKey = tuple[EcrRepository, Digest, ScanType]
"""An image and who scans it: what another scanner said of it is another fact."""
Settings = RepositorySettings | Absence


class Lookups:
    """The caches of all kinds of facts."""

    def __init__(
        self, *, sources: Sources, lines: ApiLimiters, clock: Clock, limit: int, budget: Budget | None = None
    ) -> None:
        self._sources = sources
        self._lines = lines
        self._clock = clock
        self.budget = budget = budget or Budget()
        self._batch_calls()
        self.manifests = Manifests(sources=sources, lines=lines, clock=clock, limit=limit, budget=budget)
        self.revocations = Revocations(sources=sources, lines=lines, clock=clock, budget=budget)
        self.verifications = SignatureVerifications(
            revocations=self.revocations, clock=clock, limit=limit, budget=budget
        )
        self.signatures = Signatures(
            sources=sources,
            lines=lines,
            clock=clock,
            manifests=self.manifests,
            verifications=self.verifications,
            limit=limit,
            budget=budget,
        )
        self.details = FactCache[tuple[Repository, ImageId], Detail](
            source="ecr:DescribeImages",
            source_of=lambda key: OTHER_SOURCE if isinstance(key[0], OciRepository) else "ecr:DescribeImages",
            limit=limit,
            clock=clock,
            budget=budget,
            look_up=self._detail,
            seconds=self._detail_seconds,
        )
        self.settings = FactCache[EcrRepository, Settings](
            source="ecr:DescribeRepositories",
            limit=limit,
            clock=clock,
            budget=budget,
            look_up=self._repository_settings,
            seconds=lambda _, value: (
                lifetimes.ABSENT_SECONDS if isinstance(value, Absence) else lifetimes.SETTINGS_SECONDS
            ),
        )
        self.scan_types = FactCache[EcrRegistry, ScanType](
            source=SCAN_TYPE_SOURCE,
            limit=limit,
            clock=clock,
            budget=budget,
            look_up=self._scan_type,
            seconds=lambda *_: lifetimes.SCAN_TYPE_SECONDS,
        )
        self.scans = FactCache[ScanKey, ScanReport](
            source="inspector2:ListFindings",
            limit=limit,
            clock=clock,
            budget=budget,
            sharing=SharedFindings(),
            look_up=self._scan,
            seconds=lambda _, report: lifetimes.scan_seconds(report, now=clock.now()),
        )

    def caches(self) -> dict[str, Sized]:
        """Return every cache by the name of what it keeps."""
        return {
            "details": self.details,
            "settings": self.settings,
            "scan_types": self.scan_types,
            "scans": self.scans,
            **self.manifests.caches(),
            **self.signatures.caches(),
            **self.revocations.caches(),
        }

    def _batch_calls(self) -> None:
        sources, line = self._sources, self._lines.line
        self._image_batches = Batcher[EcrRepository, ImageId, Detail](
            size=MAX_IMAGE_IDS,
            line=lambda repository: line("ecr:DescribeImages", repository.registry),
            call=sources.images.describe_images,
        )
        self._repository_batches = Batcher[EcrRegistry, str, Settings](
            size=MAX_REPOSITORIES,
            line=lambda registry: line("ecr:DescribeRepositories", registry),
            call=sources.repositories.describe_repositories,
        )
        self._coverage_batches = Batcher[EcrRegistry, ImageKey, Coverage](
            size=MAX_INSPECTED_IMAGES,
            line=lambda registry: line("inspector2:ListCoverage", registry),
            call=sources.inspections.coverage,
        )
        self._findings_batches = Batcher[EcrRegistry, ImageKey, FoundFindings](
            size=MAX_INSPECTED_IMAGES,
            line=lambda registry: line("inspector2:ListFindings", registry),
            call=sources.inspections.findings,
        )

    async def _detail(self, key: tuple[Repository, ImageId]) -> Detail | Missing:
        repository, image = key
        if isinstance(repository, OciRepository):
            return await self.manifests.describe(repository, image)
        return _region_as_absence(await self._image_batches.get(repository, image))

    def _detail_seconds(self, key: tuple[Repository, ImageId], detail: Detail) -> float:
        repository, image = key
        if isinstance(repository, OciRepository):
            return lifetimes.detail_seconds(detail, by_digest=image.kind == "digest", tag_is_fixed=False)
        settings, _ = self.settings.peek(repository)
        fixed = (
            isinstance(settings, Known)
            and settings.stale is None
            and isinstance(settings.value, RepositorySettings)
            and not settings.value.can_move(image.value)
        )
        return lifetimes.detail_seconds(detail, by_digest=image.kind == "digest", tag_is_fixed=fixed)

    async def _repository_settings(self, repository: EcrRepository) -> Settings | Missing:
        return _region_as_absence(await self._repository_batches.get(repository.registry, repository.name))

    async def _scan_type(self, registry: EcrRegistry) -> ScanType | Missing:
        line = self._lines.line(SCAN_TYPE_SOURCE, registry)
        return no_region(await line.ask(partial(self._sources.scan_types.scan_type, registry)), line.source)

    async def _scan(self, key: ScanKey) -> ScanReport | Missing:
        """Ask the scanner that the registry uses, and keep in mind that the image was scanned already the last time."""
        repository, digest, scan_type = key
        began = self._clock.monotonic()
        ask = self._inspected if scan_type is ScanType.ENHANCED else self._basic
        report = await ask(repository, digest)
        before, _ = self.scans.peek(key)
        if not isinstance(report, Missing) and report.coverage.state is ScanState.UNKNOWN:
            return self._not_understood(
                repository, report, () if isinstance(before, Missing) else before.value.findings
            )
        if isinstance(report, Missing) or isinstance(before, Missing):
            return report
        gap = began - before.monotonic
        return report.follow(before.value) if 0 <= gap <= lifetimes.FOLLOWING.total_seconds() else report

    def _not_understood(
        self, repository: EcrRepository, report: ScanReport, known: Sequence[Finding]
    ) -> ScanReport | Missing:
        """Return a report of which the status is not known, where it has findings that are news, and else no answer.

        Findings are bad news, which counts whatever the status means. Without any it is no reason to give up what is known.
        """
        source = "inspector2:ListCoverage" if report.scanner is Scanner.INSPECTOR else "ecr:DescribeImageScanFindings"
        words = f"this version does not know the status {report.coverage.code[:40]!a} {report.coverage.reason[:80]!a}"
        problem = SourceUnavailableError(Cause.UNEXPECTED_ANSWER, source, words)
        self._lines.line(source, repository.registry).unanswered([problem])
        return problem.missing() if set(report.findings) <= set(known) else report

    async def _inspected(self, repository: EcrRepository, digest: Digest) -> ScanReport | Missing:
        image, began = (repository.name, digest), self._clock.now()
        coverage, found = await asyncio.gather(
            self._coverage_batches.get(repository.registry, image),
            self._findings_batches.get(repository.registry, image),
        )
        coverage = no_region(coverage, "inspector2:ListCoverage")
        found = no_region(found, "inspector2:ListFindings")
        if isinstance(coverage, Missing):
            return coverage
        if coverage.last_scanned_at is not None and began - coverage.last_scanned_at < lifetimes.JUST_SCANNED:
            # The scan may have ended between the two answers: findings that were read first would lack its own.
            again = await self._findings_batches.get(repository.registry, image)
            found = no_region(again, "inspector2:ListFindings")
        if isinstance(found, Missing):
            return found
        return ScanReport(
            scanner=Scanner.INSPECTOR, coverage=coverage, findings=found.findings, complete=found.complete
        )

    async def _basic(self, repository: EcrRepository, digest: Digest) -> ScanReport | Missing:
        line = self._lines.line("ecr:DescribeImageScanFindings", repository.registry)
        return no_region(
            await line.ask(partial(self._sources.basic_scans.basic_report, repository, digest)), line.source
        )


def _region_as_absence(answer: V | Missing | UnknownRegionError) -> V | Missing | Absence:
    """Return a region that does not exist as the definite answer that it is."""
    return Absence.REGION if isinstance(answer, UnknownRegionError) else answer
