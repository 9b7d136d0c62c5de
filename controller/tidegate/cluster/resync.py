"""Resync with the API server: lists at start, shortly after a trigger, and at regular intervals.

A watch can lose events, and an index keeps deleted objects; a list does neither. So a watch event only triggers a list.
"""

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from tidegate.trust.refresh import retry_seconds, shortened

RESYNC_SECONDS: Final = 60.0
DEBOUNCE_SECONDS: Final = 0.1
"""Wait from a trigger to the list, so that a burst of events makes one list."""
FIRST_RETRY_SECONDS: Final = 0.5
LAST_RETRY_SECONDS: Final = 15.0

_log = structlog.get_logger(__name__)


class Resync:
    """Repeats a refresh. A failed refresh is logged, counted and retried."""

    def __init__(
        self, what: str, refresh: Callable[[], Awaitable[None]], *, every_seconds: float = RESYNC_SECONDS
    ) -> None:
        self._what = what
        self._refresh = refresh
        self._every_seconds = every_seconds
        self._wanted = asyncio.Event()
        self._succeeded_at: float | None = None
        self.failures = 0
        """Failed refreshes since the last success."""
        self.problem = ""
        """Why the last refresh failed; empty after a success."""

    @property
    def age_seconds(self) -> float:
        """Seconds since the last success; infinite before the first."""
        return float("inf") if self._succeeded_at is None else time.monotonic() - self._succeeded_at

    def trigger(self) -> None:
        """Refresh soon. A trigger during a refresh causes another one."""
        self._wanted.set()

    async def run(self) -> None:
        """Refresh until cancelled."""
        while True:
            self._wanted.clear()
            await self.refresh_once()
            await self._wait()

    async def refresh_once(self) -> bool:
        """Refresh now and return whether it worked."""
        started = time.monotonic()
        try:
            await self._refresh()
        except Exception as error:  # noqa: BLE001 - the next refresh may succeed
            self._note_failure(error)
            return False
        if self.failures:
            _log.info("reads from the API server work again", what=self._what, after_failures=self.failures)
        self._succeeded_at, self.failures, self.problem = started, 0, ""
        return True

    def _note_failure(self, error: Exception) -> None:
        self.failures += 1
        said_before, self.problem = self.problem, str(error) or type(error).__name__
        if self.problem != said_before or self.failures & (self.failures - 1) == 0:
            _log.warning("cannot read from the API server", what=self._what, error=self.problem, failures=self.failures)

    async def _wait(self) -> None:
        """Wait for a trigger or the next interval; after a failure, for the retry."""
        if self.failures:
            seconds = retry_seconds(self.failures, first=FIRST_RETRY_SECONDS, last=LAST_RETRY_SECONDS)
            await asyncio.sleep(shortened(seconds))
            return
        try:
            async with asyncio.timeout(shortened(self._every_seconds)):
                await self._wanted.wait()
        except TimeoutError:
            return
        await asyncio.sleep(DEBOUNCE_SECONDS)


class Resynced(ABC):
    """State that a resync keeps fresh. ``what`` names the objects in logs."""

    def __init__(self, what: str, *, every_seconds: float) -> None:
        self.resync = Resync(what, self._refresh, every_seconds=every_seconds)

    @abstractmethod
    async def _refresh(self) -> None:
        """List the objects and store them."""

    @property
    def age_seconds(self) -> float:
        """Seconds since the last successful list; infinite before the first."""
        return self.resync.age_seconds

    def mark_dirty(self) -> None:
        """List again soon."""
        self.resync.trigger()

    async def run(self) -> None:
        """Resync until cancelled."""
        await self.resync.run()
