"""What has to be judged, at once or at a moment: images by key, each once. Moments are monotonic seconds."""

import asyncio
import heapq
from collections.abc import Iterable
from typing import Final

from tidegate.background.running import ImageInUse
from tidegate.evidence.clock import Clock

MAX_WAIT_SECONDS: Final = 3_600.0
"""How long the wait for the next moment is, at most."""


class Schedule:
    """Images that are due, first in, first out; and images that will be, by the earliest of their moments."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._due: dict[ImageInUse, None] = {}
        self._moments: list[tuple[float, int, ImageInUse]] = []
        self._earliest: dict[ImageInUse, float] = {}
        self._number = 0
        self._wake = asyncio.Event()

    def __len__(self) -> int:
        """Return how many images are due."""
        return len(self._due)

    def add(self, image: ImageInUse) -> None:
        """Make an image due."""
        self._due[image] = None
        self._wake.set()

    def add_all(self, images: Iterable[ImageInUse]) -> None:
        """Make images due."""
        self._due.update(dict.fromkeys(images))
        self._wake.set()

    def add_later(self, image: ImageInUse, seconds: float) -> None:
        """Make an image due after so many seconds, unless it will be before."""
        at = self._clock.monotonic() + max(0.0, seconds)
        if at >= self._earliest.get(image, float("inf")):
            return
        self._earliest[image] = at
        self._number += 1
        heapq.heappush(self._moments, (at, self._number, image))
        self._wake.set()

    def clear(self) -> None:
        """Forget everything."""
        self._due.clear()
        self._moments.clear()
        self._earliest.clear()

    async def next(self) -> ImageInUse:
        """Wait for an image that is due and return it."""
        while True:
            self._take_moments()
            if self._due:
                image = next(iter(self._due))
                del self._due[image]
                return image
            self._wake.clear()
            seconds = self._moments[0][0] - self._clock.monotonic() if self._moments else MAX_WAIT_SECONDS
            try:
                async with asyncio.timeout(min(max(0.0, seconds), MAX_WAIT_SECONDS)):
                    await self._wake.wait()
            except TimeoutError:
                continue

    def _take_moments(self) -> None:
        now = self._clock.monotonic()
        while self._moments and self._moments[0][0] <= now:
            at, _, image = heapq.heappop(self._moments)
            if self._earliest.get(image) == at:
                del self._earliest[image]
                self._due[image] = None
