"""Scans as facts: which scanner a registry uses, and what that reports of an image.

Amazon Inspector is asked by digest. About a tag that is new it is asked by tag as well, while Amazon ECR says which digest
the tag means: that saves a round trip. The answer by tag counts for that digest only, and only where it has a coverage and
findings of this digest. An empty list of findings by tag is no answer, since Inspector learns late that an image got a
tag. Without an answer by tag Inspector is asked by digest.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TypeAlias

from tidegate.evidence.clock import Clock
from tidegate.evidence.fact import Cause, Missing
from tidegate.evidence.image_evidence import SCAN_TYPE_SOURCE
from tidegate.evidence.inspection import FoundFindings, ImageKey, ImageTag, Tagged
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
from tidegate.gather.recent import Recent
from tidegate.gather.shared_findings import SharedFindings
from tidegate.gather.sources import Sources
from tidegate.images.digest import Digest
from tidegate.images.repository import EcrRegistry, EcrRepository

BASIC_SOURCE = "ecr:DescribeImageScanFindings"
COVERAGE_SOURCE, FINDINGS_SOURCE = "inspector2:ListCoverage", "inspector2:ListFindings"

WAIT_SECONDS = 0.5
"""How much longer than ECR's answer an answer by tag may take, before Inspector is asked by digest."""
MAX_REMEMBERED = 4_096
"""Repositories of which it is remembered that an answer by tag did not count."""

ScanKey: TypeAlias = tuple[EcrRepository, Digest, ScanType]
"""An image and its scanner: the report of another scanner is another fact."""

_SCANNED = frozenset({ScanState.SCANNED, ScanState.SCANNED_AGAIN, ScanState.SCANNED_ONCE})


@dataclass(frozen=True, slots=True, kw_only=True)
class TaggedScan:
    """What Amazon Inspector lists under a tag: the report of one digest, and when it was asked for by either clock."""

    digest: Digest
    report: ScanReport
    asked_at: tuple[datetime, float]


class Scans:
    """Scanners of registries and reports of images; see the module."""

    def __init__(self, *, sources: Sources, limiters: ApiLimiters, clock: Clock, limit: int, budget: Budget) -> None:
        self._sources = sources
        self._limiters = limiters
        self._clock = clock
        self._asking: set[asyncio.Task[TaggedScan | None]] = set()
        self._not_by_tag = Recent[EcrRepository, float](MAX_REMEMBERED)
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
        if sources.tagged_inspections is not None:
            self._coverage_by_tag = Batcher[EcrRegistry, ImageTag, Tagged[Coverage] | None](
                size=MAX_INSPECTED_IMAGES,
                limiter=partial(limiters.limiter, COVERAGE_SOURCE),
                call=sources.tagged_inspections.coverage_by_tag,
                asks_again=False,
            )
            self._findings_by_tag = Batcher[EcrRegistry, ImageTag, Tagged[FoundFindings] | None](
                size=MAX_INSPECTED_IMAGES,
                limiter=partial(limiters.limiter, FINDINGS_SOURCE),
                call=sources.tagged_inspections.findings_by_tag,
                asks_again=False,
            )
        self.types = FactCache[EcrRegistry, ScanType](
            source=SCAN_TYPE_SOURCE,
            limit=limit,
            clock=clock,
            budget=budget,
            look_up=self._type,
            seconds=lambda *_: lifetimes.SCAN_TYPE_SECONDS,
        )
        self.reports = FactCache[ScanKey, ScanReport](
            source=FINDINGS_SOURCE,
            limit=limit,
            clock=clock,
            budget=budget,
            sharing=SharedFindings(),
            look_up=self._look_up,
            seconds=lambda _, report: lifetimes.scan_seconds(report, now=clock.now()),
        )

    def start_by_tag(self, repository: EcrRepository, tag: str) -> asyncio.Task[TaggedScan | None] | None:
        """Start to ask Amazon Inspector about a tag; return None where another scanner is used, or where it did not count lately."""
        kind, until = self.types.peek(repository.registry)
        now = self._clock.monotonic()
        is_inspected = not isinstance(kind, Missing) and kind.value is ScanType.ENHANCED and now < until
        if self._sources.tagged_inspections is None or not is_inspected or now < self._not_by_tag.get(repository, 0.0):
            return None
        task = asyncio.get_running_loop().create_task(self._ask_by_tag(repository, tag))
        self._asking.add(task)  # The loop alone keeps no task alive, and a walk that ends early leaves this one.
        task.add_done_callback(self._asking.discard)
        return task

    async def keep_by_tag(
        self, asked: asyncio.Task[TaggedScan | None], repository: EcrRepository, digest: Digest | None
    ) -> None:
        """Keep the report under a tag for the digest that ECR says the tag means; None stands for an index.

        A repository whose tags give no answer that counts is not asked by tag again for a while.
        """
        found: TaggedScan | None = None
        if digest is not None:
            key = (repository, digest, ScanType.ENHANCED)
            _, until = self.reports.peek(key)
            if self._clock.monotonic() < until:
                return
            done, _ = await asyncio.wait({asked}, timeout=WAIT_SECONDS)
            found = asked.result() if done else None
            if found is not None and found.digest == digest:
                self.reports.keep(key, self._follow(key, found.report, found.asked_at[1]), found.asked_at)
                self.reports.shorten(key, lifetimes.BY_TAG_SECONDS)
                return
        self._not_by_tag[repository] = self._clock.monotonic() + lifetimes.NOT_BY_TAG_SECONDS

    async def _ask_by_tag(self, repository: EcrRepository, tag: str) -> TaggedScan | None:
        asked_at = self._clock.now(), self._clock.monotonic()
        registry, image = repository.registry, (repository.name, tag)
        coverage, found = await asyncio.gather(
            self._coverage_by_tag.get(registry, image), self._findings_by_tag.get(registry, image)
        )
        if not isinstance(coverage, Tagged) or not isinstance(found, Tagged) or coverage.digest != found.digest:
            return None
        # Of a scan of just now the findings may still be arriving: by digest they are read again.
        scanned_at = coverage.value.last_scanned_at
        if coverage.value.state not in _SCANNED or scanned_at is None:
            return None
        if asked_at[0] - scanned_at < lifetimes.JUST_SCANNED or not found.value.findings:
            return None
        return TaggedScan(digest=coverage.digest, report=_report(coverage.value, found.value), asked_at=asked_at)

    async def _type(self, registry: EcrRegistry) -> ScanType | Missing:
        limiter = self._limiters.limiter(SCAN_TYPE_SOURCE, registry)
        return no_region(await limiter.ask(partial(self._sources.scan_types.scan_type, registry)), limiter.source)

    async def _look_up(self, key: ScanKey) -> ScanReport | Missing:
        """Ask the scanner that the registry uses, and keep in mind that the image was scanned already the last time."""
        repository, digest, scan_type = key
        began = self._clock.monotonic()
        ask = self._ask_inspector if scan_type is ScanType.ENHANCED else self._ask_ecr
        report = await ask(repository, digest)
        if isinstance(report, Missing):
            return report
        if report.coverage.state is ScanState.UNKNOWN:
            before, _ = self.reports.peek(key)
            return self._not_understood(
                repository, report, () if isinstance(before, Missing) else before.value.findings
            )
        return self._follow(key, report, began)

    def _follow(self, key: ScanKey, report: ScanReport, began: float) -> ScanReport:
        """Return the report with what the one before it says of earlier scans, unless that is too long ago."""
        before, _ = self.reports.peek(key)
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
        return found if isinstance(found, Missing) else _report(coverage, found)

    async def _ask_ecr(self, repository: EcrRepository, digest: Digest) -> ScanReport | Missing:
        limiter = self._limiters.limiter(BASIC_SOURCE, repository.registry)
        ask = partial(self._sources.basic_scans.basic_report, repository, digest)
        return no_region(await limiter.ask(ask), limiter.source)


def _report(coverage: Coverage, found: FoundFindings) -> ScanReport:
    return ScanReport(scanner=Scanner.INSPECTOR, coverage=coverage, findings=found.findings, complete=found.complete)
