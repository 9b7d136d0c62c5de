"""How many large manifests of registries are in memory at once: whoever may push one chooses its size, up to 4 MiB."""

import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from tidegate.egress.wire import SecondsLeft
from tidegate.evidence.content import StoredManifest
from tidegate.evidence.fact import Cause
from tidegate.evidence.share import SHARE
from tidegate.evidence.source_unavailable import SourceUnavailableError

SMALL_MANIFEST_BYTES: Final = 64 * 1024
"""Bytes of a manifest of which any number may be read at once; those of images have 1 to 10 KB."""
LARGE_MANIFESTS: Final = 6
"""Larger manifests that are read, or were read and are not judged yet."""
LARGE_MANIFESTS_OF_A_SHARE: Final = 4
"""As LARGE_MANIFESTS, for one namespace."""
WAIT_SECONDS: Final = 5.0
"""How long a large manifest waits for its place, if its call has so much time left."""


class Place:
    """Room for one manifest, taken when it turns out to be large."""

    def __init__(self, room: "LargeManifests", seconds_left: SecondsLeft) -> None:
        self._room = room
        self._seconds_left = seconds_left
        self._is_taken = False

    def check(self, size: int) -> None:
        """Wait for room if the manifest has so many bytes; raise SourceUnavailableError where there is none."""
        if size > SMALL_MANIFEST_BYTES and not self._is_taken:
            self._room.take(self, min(WAIT_SECONDS, self._seconds_left()))
            self._is_taken = True

    def hold(self, stored: StoredManifest) -> None:
        """Keep the room, if any was taken, for as long as the manifest is in memory."""
        if self._is_taken:
            weakref.finalize(stored, self._room.give_back, self).atexit = False
            self._is_taken = False

    def leave(self) -> None:
        """Give back the room, if any was taken and is not kept."""
        if self._is_taken:
            self._room.give_back(self)
            self._is_taken = False


class LargeManifests:
    """Counts them. Safe to share between threads."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._shares: dict[Place, str] = {}
        # Reentrant: a manifest may be freed while this thread has the lock.
        self._freed = threading.Condition(threading.RLock())

    @contextmanager
    def place(self, seconds_left: SecondsLeft) -> Iterator[Place]:
        """Give a place for the manifest that is read in this context, within ``seconds_left``."""
        place = Place(self, seconds_left)
        try:
            yield place
        finally:
            place.leave()

    def take(self, place: Place, seconds: float) -> None:
        """Wait so long for room; raise SourceUnavailableError where there is none."""
        share = SHARE.get()
        with self._freed:
            if not self._freed.wait_for(lambda: self._has_room(share), seconds):
                raise SourceUnavailableError(
                    Cause.OVERLOADED, self._source, "too many large manifests at the same time"
                )
            self._shares[place] = share

    def give_back(self, place: Place) -> None:
        """Give back what was taken."""
        with self._freed:
            self._shares.pop(place, None)
            self._freed.notify_all()

    def _has_room(self, share: str) -> bool:
        taken = list(self._shares.values())
        return len(taken) < LARGE_MANIFESTS and taken.count(share) < LARGE_MANIFESTS_OF_A_SHARE
