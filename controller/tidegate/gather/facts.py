"""The facts there are and how each is looked up: one cache a kind, filled through batches.

Read this to learn which call to AWS answers which question. What is looked up for an image, and in which order, is in
``collector``.
"""

import asyncio
from collections.abc import Sized
from functools import partial
from typing import TypeVar

from tidegate.errors import InvalidManifestError
from tidegate.evidence.content import StoredManifest
from tidegate.evidence.fact import Cause, Known, Missing
from tidegate.evidence.image import Absence, BadContent, ImageDetail, PlatformImage
from tidegate.evidence.inspection import FoundFindings, ImageKey
from tidegate.evidence.ports import MAX_IMAGE_IDS, MAX_INSPECTED_IMAGES, MAX_REPOSITORIES
from tidegate.evidence.repository import RepositorySettings, ScanType
from tidegate.evidence.scan import Coverage, Scanner, ScanReport
from tidegate.evidence.unavailable import UnknownRegionError
from tidegate.gather import lifetimes
from tidegate.gather.batch import Batcher
from tidegate.gather.clock import Clock
from tidegate.gather.fact_cache import FactCache
from tidegate.gather.lines import Lines
from tidegate.gather.sources import Sources
from tidegate.images.digest import Digest
from tidegate.images.image_id import ImageId
from tidegate.images.manifest import INDEX_TYPES, MAX_CHILDREN, MAX_INDEX_DEPTH, Manifest, parse_manifest
from tidegate.images.repository import EcrRegistry, EcrRepository

V = TypeVar("V")
Detail = ImageDetail | Absence
Settings = RepositorySettings | Absence
Runnable = tuple[PlatformImage, ...] | BadContent


class Facts:
    """The caches of all kinds of facts."""

    def __init__(self, *, sources: Sources, lines: Lines, clock: Clock, limit: int) -> None:
        self._sources = sources
        self._lines = lines
        self._clock = clock
        self._batch_calls()
        self.details = FactCache[tuple[EcrRepository, ImageId], Detail](
            source="ecr:DescribeImages",
            limit=limit,
            clock=clock,
            look_up=self._detail,
            seconds=self._detail_seconds,
        )
        self.settings = FactCache[EcrRepository, Settings](
            source="ecr:DescribeRepositories",
            limit=limit,
            clock=clock,
            look_up=self._repository_settings,
            seconds=lambda _, value: (
                lifetimes.ABSENT_SECONDS if isinstance(value, Absence) else lifetimes.SETTINGS_SECONDS
            ),
        )
        self.runnable = FactCache[tuple[EcrRepository, Digest, str], Runnable](
            source="ecr:BatchGetImage",
            limit=limit,
            clock=clock,
            look_up=self._runnable,
            seconds=lambda _, value: (
                lifetimes.BAD_CONTENT_SECONDS if isinstance(value, BadContent) else lifetimes.CONTENT_SECONDS
            ),
        )
        self.scan_types = FactCache[EcrRegistry, ScanType](
            source="ecr:GetRegistryScanningConfiguration",
            limit=limit,
            clock=clock,
            look_up=self._scan_type,
            seconds=lambda *_: lifetimes.SCAN_TYPE_SECONDS,
        )
        self.scans = FactCache[tuple[EcrRepository, Digest], ScanReport](
            source="inspector2:ListFindings",
            limit=limit,
            clock=clock,
            look_up=self._scan,
            seconds=lambda _, report: lifetimes.scan_seconds(report, now=clock.now()),
        )

    def caches(self) -> dict[str, Sized]:
        """Return every cache by the name of what it keeps."""
        return {
            "details": self.details,
            "settings": self.settings,
            "indexes": self.runnable,
            "scan_types": self.scan_types,
            "scans": self.scans,
        }

    def _batch_calls(self) -> None:
        sources, line = self._sources, self._lines.line
        self._image_batches = Batcher[EcrRepository, ImageId, Detail](
            size=MAX_IMAGE_IDS,
            line=lambda repository: line("ecr:DescribeImages", repository.registry),
            call=sources.images.describe_images,
        )
        self._manifest_batches = Batcher[EcrRepository, Digest, StoredManifest | Absence](
            size=MAX_IMAGE_IDS,
            line=lambda repository: line("ecr:BatchGetImage", repository.registry),
            call=sources.manifests.get_manifests,
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

    async def _detail(self, key: tuple[EcrRepository, ImageId]) -> Detail | Missing:
        return _region_as_absence(await self._image_batches.get(*key))

    def _detail_seconds(self, key: tuple[EcrRepository, ImageId], detail: Detail) -> float:
        repository, image = key
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

    async def _runnable(self, key: tuple[EcrRepository, Digest, str]) -> Runnable | Missing:
        """Return the runnable children of an index, those of an index within it included, down to the depth bound."""
        repository, digest, media_type = key
        found: dict[Digest, PlatformImage] = {}
        level = [(digest, media_type)]
        for _ in range(MAX_INDEX_DEPTH):
            manifests = await asyncio.gather(*(self._manifest(repository, *one) for one in level))
            level = []
            for manifest in manifests:
                if isinstance(manifest, (Missing, BadContent)):
                    return manifest
                for child in manifest.children:
                    if child.media_type in INDEX_TYPES:
                        level.append((child.digest, child.media_type))
                    else:
                        # One image that is listed for two platforms may run on both, so it is judged everywhere.
                        before = found.get(child.digest)
                        platform = child.platform if before is None or before.platform == child.platform else None
                        found[child.digest] = PlatformImage(digest=child.digest, platform=platform)
            if len(found) > MAX_CHILDREN:
                return BadContent(f"the index and those within it name more than {MAX_CHILDREN} images")
            if not level:
                return tuple(found.values()) or BadContent("the index names no image that can run")
        return BadContent(f"indexes are nested deeper than {MAX_INDEX_DEPTH}")

    async def _manifest(
        self, repository: EcrRepository, digest: Digest, media_type: str
    ) -> Manifest | BadContent | Missing:
        stored: StoredManifest | Absence | Missing = _no_region(
            await self._manifest_batches.get(repository, digest), self.runnable.source
        )
        if isinstance(stored, Missing):
            return stored
        if isinstance(stored, Absence):
            return BadContent(f"{digest} is named but not stored")
        if stored.media_type != media_type:
            return BadContent(f"{digest} is stored with another media type than it was described with")
        try:
            return parse_manifest(stored.content, digest=digest, media_type=stored.media_type)
        except InvalidManifestError as problem:
            return BadContent(str(problem))

    async def _scan_type(self, registry: EcrRegistry) -> ScanType | Missing:
        line = self._lines.line("ecr:GetRegistryScanningConfiguration", registry)
        return _no_region(await line.ask(partial(self._sources.scan_types.scan_type, registry)), line.source)

    async def _scan(self, key: tuple[EcrRepository, Digest]) -> ScanReport | Missing:
        """Ask the scanner that the registry uses; a scan type that is not known is no reason to guess one."""
        repository, digest = key
        fact, _ = await self.scan_types.get(repository.registry)
        if isinstance(fact, Missing):
            return fact
        if fact.value is ScanType.ENHANCED:
            return await self._inspected(repository, digest)
        if fact.value is ScanType.BASIC:
            return await self._basic(repository, digest)
        return Missing(Cause.UNEXPECTED_ANSWER, self.scan_types.source)

    async def _inspected(self, repository: EcrRepository, digest: Digest) -> ScanReport | Missing:
        image = (repository.name, digest)
        coverage, found = await asyncio.gather(
            self._coverage_batches.get(repository.registry, image),
            self._findings_batches.get(repository.registry, image),
        )
        coverage = _no_region(coverage, "inspector2:ListCoverage")
        found = _no_region(found, "inspector2:ListFindings")
        if isinstance(coverage, Missing):
            return coverage
        if self._is_just_scanned(coverage):
            # The scan may have ended between the two answers: findings that were read first would lack its own.
            again = await self._findings_batches.get(repository.registry, image)
            found = _no_region(again, "inspector2:ListFindings")
        if isinstance(found, Missing):
            return found
        return ScanReport(
            scanner=Scanner.INSPECTOR, coverage=coverage, findings=found.findings, complete=found.complete
        )

    def _is_just_scanned(self, coverage: Coverage) -> bool:
        scanned_at = coverage.last_scanned_at
        return scanned_at is not None and self._clock.now() - scanned_at < lifetimes.JUST_SCANNED

    async def _basic(self, repository: EcrRepository, digest: Digest) -> ScanReport | Missing:
        line = self._lines.line("ecr:DescribeImageScanFindings", repository.registry)
        return _no_region(
            await line.ask(partial(self._sources.basic_scans.basic_report, repository, digest)), line.source
        )


def _no_region(answer: V | Missing | UnknownRegionError, source: str) -> V | Missing:
    """Return a region that vanished between two look-ups as an answer that cannot be relied on."""
    return Missing(Cause.UNEXPECTED_ANSWER, source) if isinstance(answer, UnknownRegionError) else answer


def _region_as_absence(answer: V | Missing | UnknownRegionError) -> V | Missing | Absence:
    """Return a region that does not exist as the definite answer that it is."""
    return Absence.REGION if isinstance(answer, UnknownRegionError) else answer
