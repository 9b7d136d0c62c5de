"""Collects the evidence for one image of a request, in numbered steps, and remembers it while all of it is fresh.

One collection serves everybody who waits for the same image. A request that runs out of time gets what is known by
then; the collection goes on and is kept, so that the retry is answered at once.
"""

import asyncio
from collections.abc import Sequence

from tidegate.checks.subject import select_platforms
from tidegate.checks.words import harmless
from tidegate.evidence.collected import ImageEvidence, not_asked
from tidegate.evidence.fact import Cause, Fact, Known, Missing
from tidegate.evidence.image import Absence, BadContent, ImageDetail, ImageStatus, PlatformImage
from tidegate.evidence.needs import Needs
from tidegate.evidence.repository import RepositorySettings
from tidegate.evidence.scan import ScanReport
from tidegate.gather.clock import Clock
from tidegate.gather.facts import Facts, Runnable
from tidegate.images.digest import Digest
from tidegate.images.image_id import ImageId
from tidegate.images.manifest import IMAGE_TYPES, INDEX_TYPES
from tidegate.images.reference import ImageReference
from tidegate.images.repository import EcrRepository

MAX_COLLECTIONS = 10_000
"""Images being collected at once; further ones are told that too much is waiting."""


class Collector:
    """Collects evidence; see the module."""

    def __init__(self, facts: Facts, clock: Clock) -> None:
        self._facts = facts
        self._clock = clock
        self._collections: dict[tuple[EcrRepository, ImageId, Needs], asyncio.Task[ImageEvidence]] = {}

    def known(self, reference: ImageReference, wanted: Needs) -> ImageEvidence:
        """Return what is known without any look-up; what is not is Missing, or stale where it was known before."""
        repository, image = _identity(reference)
        detail, until = self._facts.details.peek((repository, image))
        settings, limit = self._peek_settings(repository, wanted)
        until = min(until, limit)
        if not isinstance(detail, Known) or not isinstance(detail.value, ImageDetail):
            return ImageEvidence(
                detail=_as_deadline(detail), settings=settings, runnable=not_asked("ecr:BatchGetImage")
            )
        runnable = _itself(detail.value, detail)
        if detail.value.media_type in INDEX_TYPES:
            runnable, limit = self._facts.runnable.peek((repository, detail.value.digest, detail.value.media_type))
            runnable, until = _as_deadline(runnable), min(until, limit)
        scans: dict[Digest, Fact[ScanReport]] = {}
        for child in _wanted_children(runnable, wanted):
            report, limit = self._facts.scans.peek((repository, child.digest))
            scans[child.digest], until = _as_deadline(report), min(until, limit)
        return ImageEvidence(detail=detail, settings=settings, runnable=runnable, scans=scans, valid_until=until)

    async def collect_all(
        self, wanted: Sequence[tuple[ImageReference, Needs]], *, deadline: float
    ) -> Sequence[ImageEvidence]:
        """Return the evidence of each image, in order, collected side by side."""
        return await asyncio.gather(*(self.collect(*one, deadline=deadline) for one in wanted))

    async def collect(self, reference: ImageReference, wanted: Needs, *, deadline: float) -> ImageEvidence:
        """Return the evidence, looked up where it is not fresh; past the deadline (monotonic) what is known by then."""
        repository, image = _identity(reference)
        key = (repository, image, wanted)
        task = self._collections.get(key)
        if task is None:
            if len(self._collections) >= MAX_COLLECTIONS:
                return _overloaded()
            task = asyncio.get_running_loop().create_task(self._collect(*key))
            self._collections[key] = task
            task.add_done_callback(lambda _: self._collections.pop(key, None))
        # The task is waited for, never cancelled: others wait for it too, and its answer is kept for the retry.
        await asyncio.wait({task}, timeout=max(0.0, deadline - self._clock.monotonic()))
        if task.done() and not task.cancelled() and task.exception() is None:
            return task.result()
        return self.known(reference, wanted)

    async def _collect(self, repository: EcrRepository, image: ImageId, wanted: Needs) -> ImageEvidence:
        """Collect in numbered steps; each step starts what does not depend on an earlier one at the same time."""
        # 1. The digest, and beside it the repository's settings. A reference by digest starts its scan at once: a scan
        #    of an image that turns out to be an index or missing is merely not used.
        early = [(repository, Digest(image.value))] if wanted.scan and image.kind == "digest" else []
        (detail, until), (settings, limit), _ = await asyncio.gather(
            self._facts.details.get((repository, image)),
            self._get_settings(repository, wanted),
            asyncio.gather(*map(self._facts.scans.get, early)),
        )
        until = min(until, limit)
        if not isinstance(detail, Known) or not isinstance(detail.value, ImageDetail):
            nothing = not_asked("ecr:BatchGetImage")
            return ImageEvidence(detail=detail, settings=settings, runnable=nothing, valid_until=until)
        # 2. What runs: the image itself, or the children of an index.
        runnable = _itself(detail.value, detail)
        pullable = detail.value.status is ImageStatus.ACTIVE
        if detail.value.media_type in INDEX_TYPES and wanted.scan and pullable:
            key = (repository, detail.value.digest, detail.value.media_type)
            runnable, limit = await self._facts.runnable.get(key)
            until = min(until, limit)
        # 3. The scan of each child that a wanted platform may run.
        children = _wanted_children(runnable, wanted) if wanted.scan and pullable else ()
        answers = await asyncio.gather(*(self._facts.scans.get((repository, child.digest)) for child in children))
        scans = {child.digest: report for child, (report, _) in zip(children, answers, strict=True)}
        until = min([until, *(limit for _, limit in answers)])
        return ImageEvidence(detail=detail, settings=settings, runnable=runnable, scans=scans, valid_until=until)

    async def _get_settings(
        self, repository: EcrRepository, wanted: Needs
    ) -> tuple[Fact[RepositorySettings | Absence], float]:
        if wanted.settings:
            return await self._facts.settings.get(repository)
        return not_asked(self._facts.settings.source), float("inf")

    def _peek_settings(
        self, repository: EcrRepository, wanted: Needs
    ) -> tuple[Fact[RepositorySettings | Absence], float]:
        if wanted.settings:
            fact, until = self._facts.settings.peek(repository)
            return _as_deadline(fact), until
        return not_asked(self._facts.settings.source), float("inf")


def _identity(reference: ImageReference) -> tuple[EcrRepository, ImageId]:
    """Return what a reference asks ECR for: its digest where it has one, else its tag."""
    assert reference.ecr is not None
    if reference.digest is not None:
        return reference.ecr, ImageId.of_digest(reference.digest)
    assert reference.tag is not None
    return reference.ecr, ImageId.of_tag(reference.tag)


def _itself(detail: ImageDetail, fact: Known[ImageDetail | Absence]) -> Fact[Runnable]:
    """Return an image as the only one that runs; an index stands for itself until its children are looked up.

    What is neither, an artifact or a format of old, is nothing that a node should run.
    """
    runnable: Runnable = (PlatformImage(digest=detail.digest, platform=None),)
    if detail.media_type not in IMAGE_TYPES | INDEX_TYPES:
        runnable = BadContent(f"its media type {harmless(detail.media_type)} is not that of a container image")
    return Known(runnable, fact.observed_at, fact.stale)


def _wanted_children(runnable: Fact[Runnable], wanted: Needs) -> tuple[PlatformImage, ...]:
    if not wanted.scan or isinstance(runnable, Missing) or isinstance(runnable.value, BadContent):
        return ()
    return select_platforms(runnable.value, wanted.platforms)


def _as_deadline(fact: Fact[object]) -> Fact:  # type: ignore[type-arg]
    """Return a fact that was not there in time with that as its cause."""
    if isinstance(fact, Missing) and fact.cause is Cause.NOT_ASKED:
        return Missing(Cause.DEADLINE, fact.source)
    return fact


def _overloaded() -> ImageEvidence:
    missing = Missing(Cause.OVERLOADED, "tidegate")
    return ImageEvidence(detail=missing, settings=missing, runnable=missing)
