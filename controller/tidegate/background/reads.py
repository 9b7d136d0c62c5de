"""Look-ups about running images: those under way, those that a change at AWS demands, and the waits after a failure.

Only missing and changed evidence is looked up. An image is judged again when its look-up ends; nothing is judged here.
"""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Final

import structlog

from tidegate.background.counts import Counts
from tidegate.background.evidence import HeldEvidence, reference_to
from tidegate.background.looks import FIRST_RETRY_SECONDS, LAST_RETRY_SECONDS
from tidegate.background.owners import Owners
from tidegate.background.running import ImageInUse
from tidegate.background.schedule import Schedule
from tidegate.evidence.change import Change, ScanChange
from tidegate.evidence.clock import Clock
from tidegate.evidence.image_evidence import ImageEvidence
from tidegate.evidence.needs import Needs
from tidegate.images.repository import EcrRegistry, EcrRepository
from tidegate.trust.refresh import retry_seconds
from tidegate.verdicts.usage import OwningWorkload

COLLECTIONS_AT_ONCE: Final = 200
"""Images whose evidence is looked up at once: two batches of the call that takes most ids."""
MAX_TAGS_OF_AN_IMAGE: Final = 16
"""Tags of which the meaning is looked up with the evidence of an image."""

_log = structlog.get_logger(__name__)


class Reads:
    """Looks up owners and evidence. Tasks begin in ``group``: None while this process does not lead."""

    def __init__(
        self, *, evidence: HeldEvidence, owners: Owners, schedule: Schedule, clock: Clock, counts: Counts
    ) -> None:
        self._evidence = evidence
        self._owners = owners
        self._schedule = schedule
        self._clock = clock
        self._counts = counts
        self._collecting: set[ImageInUse] = set()
        self._missing: set[ImageInUse] = set()
        """Images of which evidence is looked up for the first time, or will be when the wait after a failure is over."""
        self._changed: dict[ImageInUse, float] = {}
        self._only_scans: set[ImageInUse] = set()
        """Changed images of which nothing but the scans has to be looked up again."""
        self._failures: dict[ImageInUse, tuple[int, float]] = {}
        self._places = asyncio.Semaphore(COLLECTIONS_AT_ONCE)
        self.group: asyncio.TaskGroup | None = None

    @property
    def unanswered(self) -> int:
        """Return of how many images the last look-up failed."""
        return len(self._failures)

    @property
    def collecting(self) -> int:
        """Return of how many images the evidence is being looked up."""
        return len(self._collecting)

    @property
    def changed_images(self) -> list[ImageInUse]:
        """Return the images of which reported changes have not been read yet."""
        return list(self._changed)

    @property
    def unread_registries(self) -> set[EcrRegistry]:
        """Return the registries of which reported changes have not been read yet."""
        return {one[0].registry for one in self._changed if isinstance(one[0], EcrRepository)}

    @property
    def registries(self) -> set[EcrRegistry]:
        """Return the registries whose changes are of use: of images whose evidence is held or is looked up."""
        missing = {one[0].registry for one in self._missing if isinstance(one[0], EcrRepository)}
        return missing | self._evidence.in_ecr().keys()

    def clear(self) -> None:
        """Begin anew. What changed and has not been read stays."""
        # Another leader may have seen changes since this process led last: they are in what is stored.
        self._evidence.clear()
        for each in (self._collecting, self._missing, self._failures):
            each.clear()

    def changed(self, changes: Iterable[Change]) -> None:
        """Look up again what may have changed at AWS: images, images that an index lists, or all of a repository."""
        reported, now = list(changes), self._clock.monotonic()
        for image in self._evidence.possibly_affected(reported, self._missing):
            # Its look-up is repeated when the one under way ends, or begins later anyway: a wait after a failure stays.
            self._changed[image] = now
            self._only_scans.discard(image)
        wholly = self._evidence.affected(one for one in reported if not isinstance(one, ScanChange))
        scans = self._evidence.affected(one for one in reported if isinstance(one, ScanChange)) - wholly
        for image in wholly | scans:
            if image in wholly:
                self._only_scans.discard(image)
            elif image not in self._changed:
                self._only_scans.add(image)
            self._evidence.expire(image, scans_only=image in self._only_scans)
            self._changed[image] = now
            self._failures.pop(image, None)
            self._schedule.add(image)

    def distrust(self, image: ImageInUse) -> None:
        """Look up all of an image whose changes were not followed for a while."""
        self._changed.setdefault(image, self._clock.monotonic())
        self._only_scans.discard(image)

    def unwanted(self, image: ImageInUse) -> None:
        """Look up nothing about an image of which no policy wants to know anything: if it changed, anew when one does again.

        Until then its object has no facts.
        """
        if image in self._changed:
            self._evidence.forget(image)
            self._settled(image)

    def forget(self, image: ImageInUse) -> None:
        """Drop all that is known of an image that does not run any more."""
        self._evidence.forget(image)
        self._missing.discard(image)
        self._failures.pop(image, None)
        self._settled(image)

    def known(self, image: ImageInUse, wanted: Iterable[Needs]) -> dict[Needs, ImageEvidence]:
        """Return what is wanted and needs no look-up. What is stored does not count of an image that has changed."""
        uses_stored = image not in self._changed
        found = ((needs, self._evidence.known(image, needs, uses_stored=uses_stored)) for needs in wanted)
        return {needs: evidence for needs, evidence in found if evidence is not None}

    def begin(
        self,
        image: ImageInUse,
        *,
        unread: list[tuple[str, OwningWorkload]],
        wanted: list[Needs],
        known: frozenset[Needs],
        tags: Sequence[str],
    ) -> bool:
        """Read the owners in ``unread``, and the evidence that is not ``known`` or has changed.

        Return whether the image has to wait for it: not for what changed only, nor after a failure a moment ago.
        """
        is_missing = len(known) < len(wanted)
        (self._missing.add if is_missing else self._missing.discard)(image)
        if not (unread or is_missing or (image in self._changed and wanted)):
            return False
        if image not in self._collecting:
            _, not_before = self._failures.get(image, (0, 0.0))
            if self.group is None or self._clock.monotonic() < not_before:
                return False
            self._collecting.add(image)
            self.group.create_task(self._collect(image, unread, wanted, known, tags))
        return bool(unread) or is_missing

    async def _collect(
        self,
        image: ImageInUse,
        unread: list[tuple[str, OwningWorkload]],
        wanted: list[Needs],
        known: frozenset[Needs],
        tags: Sequence[str],
    ) -> None:
        """Read owners and evidence, then have the image judged. What is known is read again only if it has changed."""
        try:
            if unread:
                await self._owners.read(unread)
            async with self._places:
                since, answer = self._changed.get(image, 0.0), None
                if since:
                    # Again: a look-up that was under way when the change came may have stored older facts since.
                    self._evidence.expire(image, scans_only=True)
                    if image in self._only_scans:
                        answer = await self._evidence.collect_scans(image, wanted, since=since)
                    if answer is None:
                        self._only_scans.discard(image)
                        self._evidence.expire(image)
                else:
                    wanted = [needs for needs in wanted if needs not in known]
                if answer is None:
                    answer = await self._collect_all(image, wanted, tags, since)
            if wanted:
                self._note(image, since, is_answered=answer)
        except Exception:  # noqa: BLE001 - one image must not end the work on all others
            _log.exception("reading about a running image failed unexpectedly", image=str(reference_to(image)))
            self._note(image, 0.0, is_answered=False)
        finally:
            self._collecting.discard(image)
        self._schedule.add(image)

    async def _collect_all(self, image: ImageInUse, wanted: list[Needs], tags: Sequence[str], since: float) -> bool:
        named = [(image[0], tag) for tag in tags[:MAX_TAGS_OF_AN_IMAGE] if isinstance(image[0], EcrRepository)]
        asked = [self._evidence.collect(image, needs, since=since) for needs in wanted]
        answers, *_ = await asyncio.gather(
            asyncio.gather(*asked), *(self._evidence.tag(one) for one in named if wanted)
        )
        return all(answers)

    def _settled(self, image: ImageInUse) -> None:
        """Take note that what changed of an image is read, or not wanted any more."""
        self._changed.pop(image, None)
        self._only_scans.discard(image)

    def _note(self, image: ImageInUse, since: float, *, is_answered: bool) -> None:
        self._counts.collected.add("answered" if is_answered else "failed")
        if is_answered:
            self._failures.pop(image, None)
            if self._changed.get(image, 0.0) <= since:
                self._settled(image)
            return
        count = self._failures.get(image, (0, 0.0))[0] + 1
        wait = retry_seconds(count, first=FIRST_RETRY_SECONDS, last=LAST_RETRY_SECONDS)
        self._failures[image] = count, self._clock.monotonic() + wait
        self._schedule.add_later(image, wait)
