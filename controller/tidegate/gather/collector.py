"""Collects the evidence for one image of a request, in numbered steps, and remembers it while all of it is fresh.

One collection serves everybody who waits for the same image. A request that runs out of time gets what is known by
then; the collection goes on and is kept, so that the retry is answered at once.
"""

import asyncio
from collections.abc import Hashable, Sequence
from typing import TypeAlias, TypeVar

import structlog

from tidegate.checks.subject import select_platforms
from tidegate.checks.words import harmless
from tidegate.evidence.collected import ImageEvidence, not_asked
from tidegate.evidence.fact import Cause, Fact, Known, Missing
from tidegate.evidence.image import Absence, BadContent, ImageDetail, ImageStatus, PlatformImage
from tidegate.evidence.needs import Needs
from tidegate.evidence.repository import RepositorySettings
from tidegate.evidence.scan import ScanReport
from tidegate.gather.clock import Clock
from tidegate.gather.fact_cache import FactCache
from tidegate.gather.facts import Facts, Runnable
from tidegate.images.digest import Digest
from tidegate.images.image_id import ImageId
from tidegate.images.manifest import IMAGE_TYPES, INDEX_TYPES
from tidegate.images.reference import ImageReference
from tidegate.images.repository import EcrRepository

MAX_COLLECTIONS = 10_000
"""Images being collected at once; further ones are told that too much is waiting."""

_log = structlog.get_logger(__name__)

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
_Key: TypeAlias = tuple[EcrRepository, ImageId, Needs]


class Collector:
    """Collects evidence; see the module."""

    def __init__(self, facts: Facts, clock: Clock) -> None:
        self._facts = facts
        self._clock = clock
        self._collections: dict[_Key, asyncio.Task[ImageEvidence]] = {}

    def known(self, reference: ImageReference, wanted: Needs) -> ImageEvidence:
        """Return what is known without any look-up; what is not is Missing, or stale where it was known before."""
        return self._known(*_identity(reference), wanted, otherwise=Cause.DEADLINE)

    def renew(self, reference: ImageReference, wanted: Needs) -> None:
        """Take note that remembered evidence was used again: facts late in their life are looked up meanwhile."""
        repository, image = _identity(reference)
        facts, evidence = self._facts, self.known(reference, wanted)
        facts.details.renew((repository, image))
        if wanted.settings:
            facts.settings.renew(repository)
        detail = evidence.detail
        if isinstance(detail, Known) and isinstance(detail.value, ImageDetail):
            facts.runnable.renew((repository, detail.value.digest, detail.value.media_type))
        for digest in evidence.scans:
            facts.scans.renew((repository, digest))

    async def collect_all(
        self, wanted: Sequence[tuple[ImageReference, Needs]], *, deadline: float
    ) -> Sequence[ImageEvidence]:
        """Return the evidence of each image, in order, collected side by side."""
        return await asyncio.gather(*(self.collect(*one, deadline=deadline) for one in wanted))

    async def collect(self, reference: ImageReference, wanted: Needs, *, deadline: float) -> ImageEvidence:
        """Return the evidence, looked up where it is not fresh; past the deadline (monotonic) what is known by then."""
        key = (*_identity(reference), wanted)
        task = self._collections.get(key)
        if task is None:
            if len(self._collections) >= MAX_COLLECTIONS:
                return self._known(*key, otherwise=Cause.OVERLOADED)
            task = self._collections[key] = asyncio.get_running_loop().create_task(self._collect(*key))
            task.add_done_callback(lambda done: self._collected(key, done))
        # The task is waited for, never cancelled: others wait for it too, and its answer is kept for the retry.
        await asyncio.wait({task}, timeout=max(0.0, deadline - self._clock.monotonic()))
        if not task.done():
            return self._known(*key, otherwise=Cause.DEADLINE)
        if task.cancelled() or task.exception() is not None:
            return self._known(*key, otherwise=Cause.INTERNAL)
        return task.result()

    def _collected(self, key: _Key, task: asyncio.Task[ImageEvidence]) -> None:
        """Forget a collection that ended, and say so when it did not end well, whether or not anybody waited for it."""
        self._collections.pop(key, None)
        if not task.cancelled() and (problem := task.exception()) is not None:
            _log.error("collecting evidence failed unexpectedly", repository=str(key[0]), exc_info=problem)

    async def _collect(self, repository: EcrRepository, image: ImageId, wanted: Needs) -> ImageEvidence:
        """Collect in numbered steps; each step starts what does not depend on an earlier one at the same time."""
        # 1. The digest, and beside it the repository's settings. A reference by digest starts its scan at once: a scan
        #    of an image that turns out to be an index or missing is merely not used.
        early = [Digest(image.value)] if wanted.scan and image.kind == "digest" else []
        (detail, until), (settings, limit), answers = await asyncio.gather(
            self._facts.details.get((repository, image)),
            self._get_settings(repository, wanted),
            self._get_scans(repository, early),
        )
        until = min(until, limit)
        if not isinstance(detail, Known) or not isinstance(detail.value, ImageDetail):
            nothing = not_asked("ecr:BatchGetImage")
            return ImageEvidence(detail=detail, settings=settings, runnable=nothing, valid_until=until)
        # 2. What runs: the image itself, or the children of an index.
        runnable = _itself(detail.value, detail)
        if _is_expanded(detail.value, wanted):
            key = (repository, detail.value.digest, detail.value.media_type)
            runnable, limit = await self._facts.runnable.get(key)
            until = min(until, limit)
        # 3. The scan of each child that a wanted platform may run, unless it was asked for in step 1: what could not be
        #    had then is not asked for twice.
        children = [child.digest for child in _wanted_children(detail.value, runnable, wanted)]
        answers |= await self._get_scans(repository, [each for each in children if each not in answers])
        scans = {each: answers[each][0] for each in children}
        until = min([until, *(answers[each][1] for each in children)])
        return ImageEvidence(detail=detail, settings=settings, runnable=runnable, scans=scans, valid_until=until)

    def _known(self, repository: EcrRepository, image: ImageId, wanted: Needs, *, otherwise: Cause) -> ImageEvidence:
        """Return what is known at once; ``otherwise`` is why what is not known could not be looked up."""
        detail, until = self._peek(self._facts.details, (repository, image), otherwise)
        settings, limit = self._peek_settings(repository, wanted, otherwise)
        until = min(until, limit)
        if not isinstance(detail, Known) or not isinstance(detail.value, ImageDetail):
            nothing = not_asked("ecr:BatchGetImage")
            return ImageEvidence(detail=detail, settings=settings, runnable=nothing, valid_until=until)
        runnable = _itself(detail.value, detail)
        if _is_expanded(detail.value, wanted):
            key = (repository, detail.value.digest, detail.value.media_type)
            runnable, limit = self._peek(self._facts.runnable, key, otherwise)
            until = min(until, limit)
        scans: dict[Digest, Fact[ScanReport]] = {}
        for child in _wanted_children(detail.value, runnable, wanted):
            scans[child.digest], limit = self._peek(self._facts.scans, (repository, child.digest), otherwise)
            until = min(until, limit)
        return ImageEvidence(detail=detail, settings=settings, runnable=runnable, scans=scans, valid_until=until)

    async def _get_scans(
        self, repository: EcrRepository, digests: Sequence[Digest]
    ) -> dict[Digest, tuple[Fact[ScanReport], float]]:
        answers = await asyncio.gather(*(self._facts.scans.get((repository, digest)) for digest in digests))
        return dict(zip(digests, answers, strict=True))

    async def _get_settings(
        self, repository: EcrRepository, wanted: Needs
    ) -> tuple[Fact[RepositorySettings | Absence], float]:
        if wanted.settings:
            return await self._facts.settings.get(repository)
        return not_asked(self._facts.settings.source), float("inf")

    def _peek_settings(
        self, repository: EcrRepository, wanted: Needs, otherwise: Cause
    ) -> tuple[Fact[RepositorySettings | Absence], float]:
        if wanted.settings:
            return self._peek(self._facts.settings, repository, otherwise)
        return not_asked(self._facts.settings.source), float("inf")

    def _peek(self, cache: FactCache[K, V], key: K, otherwise: Cause) -> tuple[Fact[V], float]:
        """Return what a cache knows; what it does not know is missing for the given cause."""
        fact, until = cache.peek(key)
        return (Missing(otherwise, fact.source) if isinstance(fact, Missing) else fact), until


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


def _is_expanded(detail: ImageDetail, wanted: Needs) -> bool:
    """Tell whether the children of an index are wanted; what cannot be pulled needs no scan."""
    return wanted.scan and detail.status is ImageStatus.ACTIVE and detail.media_type in INDEX_TYPES


def _wanted_children(detail: ImageDetail, runnable: Fact[Runnable], wanted: Needs) -> tuple[PlatformImage, ...]:
    if not wanted.scan or detail.status is not ImageStatus.ACTIVE:
        return ()
    if isinstance(runnable, Missing) or isinstance(runnable.value, BadContent):
        return ()
    return select_platforms(runnable.value, wanted.platforms)
