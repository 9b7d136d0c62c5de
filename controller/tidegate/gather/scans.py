"""Scans as facts: which scanner a registry uses, and what that reports of an image.

The scanner is asked by digest alone. What Amazon Inspector lists under a tag may be a part of an image's findings: ADR 6.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from functools import partial

import msgspec

from tidegate.evidence.clock import Clock
from tidegate.evidence.fact import Cause, Missing
from tidegate.evidence.image_evidence import SCAN_TYPE_SOURCE
from tidegate.evidence.inspection import FoundFindings, ImageKey
from tidegate.evidence.ports import MAX_INSPECTED_IMAGES
from tidegate.evidence.repository import ScanType
from tidegate.evidence.scan import Coverage, Finding, Scanner, ScanReport, ScanState
from tidegate.evidence.source_unavailable import SourceUnavailableError
from tidegate.gather import lifetimes
from tidegate.gather.api_limiters import ApiLimiters
from tidegate.gather.batch import Batcher
from tidegate.gather.bounded_cache import Budget
from tidegate.gather.fact_cache import FactCache
from tidegate.gather.manifests import no_region
from tidegate.gather.shared_findings import SharedFindings
from tidegate.gather.sources import Sources
from tidegate.gather.stored_verdicts import StoredVerdicts
from tidegate.images.digest import Digest
from tidegate.images.repository import EcrRegistry, EcrRepository

BASIC_SOURCE = "ecr:DescribeImageScanFindings"
COVERAGE_SOURCE, FINDINGS_SOURCE = "inspector2:ListCoverage", "inspector2:ListFindings"


class ScanKey(msgspec.Struct, frozen=True, gc=False):
    """An image and its scanner: the report of another scanner is another fact."""

    repository: EcrRepository
    digest: Digest
    scan_type: ScanType


class Scans:
    """Scanners of registries and reports of images; see the module."""

    def __init__(
        self,
        *,
        sources: Sources,
        limiters: ApiLimiters,
        clock: Clock,
        limit: int,
        budget: Budget,
        stored: StoredVerdicts,
    ) -> None:
        self._sources = sources
        self._limiters = limiters
        self._clock = clock
        self._coverage = Batcher[EcrRegistry, ImageKey, Coverage](
            size=MAX_INSPECTED_IMAGES,
            limiter=partial(limiters.limiter, COVERAGE_SOURCE),
            call=sources.inspections.coverage,
        )
        self._findings = Batcher[EcrRegistry, ImageKey, FoundFindings](
            size=MAX_INSPECTED_IMAGES,
            limiter=partial(limiters.limiter, FINDINGS_SOURCE),
            call=sources.inspections.findings,
        )
        self.types = FactCache[EcrRegistry, ScanType](
            source=SCAN_TYPE_SOURCE,
            limit=limit,
            clock=clock,
            budget=budget,
            look_up=self._type,
            seconds=lambda *_: lifetimes.SCAN_TYPE_SECONDS,
            stored=stored.scan_type,
        )
        self.reports = FactCache[ScanKey, ScanReport](
            source=FINDINGS_SOURCE,
            limit=limit,
            clock=clock,
            budget=budget,
            sharing=SharedFindings(),
            look_up=self._look_up,
            seconds=lambda _, report: lifetimes.scan_seconds(report, now=clock.now()),
            stored=lambda key: stored.scan(key.repository, key.digest, key.scan_type),
            same=ScanReport.says_as,
        )

    async def _type(self, registry: EcrRegistry) -> ScanType | Missing:
        limiter = self._limiters.limiter(SCAN_TYPE_SOURCE, registry)
        return no_region(await limiter.ask(partial(self._sources.scan_types.scan_type, registry)), limiter.source)

    async def _look_up(self, key: ScanKey) -> ScanReport | Missing:
        """Ask the scanner that the registry uses, and keep in mind that the image was scanned already the last time."""
        repository, digest = key.repository, key.digest
        began = self._clock.monotonic()
        ask = self._ask_inspector if key.scan_type is ScanType.ENHANCED else self._ask_ecr
        report = await ask(repository, digest)
        if isinstance(report, Missing):
            return report
        if report.coverage.state is ScanState.UNKNOWN:
            before = self.reports.before(key)
            return self._not_understood(
                repository, report, () if isinstance(before, Missing) else before.value.findings
            )
        return self._follow(key, report, began)

    def _follow(self, key: ScanKey, report: ScanReport, began: float) -> ScanReport:
        """Return the report with what the one before it says of earlier scans, unless that is too long ago."""
        before = self.reports.before(key)
        if isinstance(before, Missing):
            return report
        gap = began - before.monotonic
        return report.follow(before.value) if 0 <= gap <= lifetimes.FOLLOWING.total_seconds() else report

    def _not_understood(
        self, repository: EcrRepository, report: ScanReport, known: Sequence[Finding]
    ) -> ScanReport | Missing:
        """Return a report of which the status is not known, where it has findings that are news, and else no answer.

        Findings are bad news, which counts whatever the status means. Without any it is no reason to give up what is known.
        """
        source = COVERAGE_SOURCE if report.scanner is Scanner.INSPECTOR else BASIC_SOURCE
        words = f"this version does not know the status {report.coverage.code[:40]!a} {report.coverage.reason[:80]!a}"
        problem = SourceUnavailableError(Cause.UNEXPECTED_ANSWER, source, words)
        self._limiters.limiter(source, repository.registry).unanswered([problem])
        return problem.missing() if set(report.findings) <= set(known) else report

    async def _ask_inspector(self, repository: EcrRepository, digest: Digest) -> ScanReport | Missing:
        registry, image, began = repository.registry, (repository.name, digest), self._clock.now()
        answers = await asyncio.gather(self._coverage.get(registry, image), self._findings.get(registry, image))
        coverage, found = no_region(answers[0], COVERAGE_SOURCE), no_region(answers[1], FINDINGS_SOURCE)
        if isinstance(coverage, Missing):
            return coverage
        if coverage.last_scanned_at is not None and began - coverage.last_scanned_at < lifetimes.JUST_SCANNED:
            # The scan may have ended between the two answers: findings that were read first would lack its own.
            found = no_region(await self._findings.get(registry, image), FINDINGS_SOURCE)
        return found if isinstance(found, Missing) else _report(coverage, found, since=began - lifetimes.ROWS_KEPT)

    async def _ask_ecr(self, repository: EcrRepository, digest: Digest) -> ScanReport | Missing:
        limiter = self._limiters.limiter(BASIC_SOURCE, repository.registry)
        ask = partial(self._sources.basic_scans.basic_report, repository, digest)
        return no_region(await limiter.ask(ask), limiter.source)


def _report(coverage: Coverage, found: FoundFindings, *, since: datetime) -> ScanReport:
    return ScanReport(
        scanner=Scanner.INSPECTOR,
        coverage=coverage,
        findings=found.findings,
        complete=found.complete,
        rows=tuple(row for row in found.rows if row[1] >= since),
    )
