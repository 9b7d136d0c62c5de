"""Values that are read by name in the background, when first wanted and then at intervals.

Callers get the last answer and do not wait. Each name has its own time for the next read, with growing pauses while reads
fail. The reader decides what an answer is, and whether an old answer stays after a failure.
"""

import asyncio
import random
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

FIRST_RETRY_SECONDS: Final = 5.0
LAST_RETRY_SECONDS: Final = 600.0
READS_AT_ONCE: Final = 8
"""Threads for reads; nothing else uses them."""
JITTER: Final = 0.1
"""Fraction by which an interval is shortened at random, so that replicas do not read at the same time."""

Name = TypeVar("Name")
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True, kw_only=True)
class Read(Generic[Answer]):
    """The result of a read. ``again_seconds`` is when to read again; None means that it failed and is retried soon."""

    answer: Answer
    again_seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known(Generic[Answer]):
    answer: Answer
    due: float
    """In seconds of the monotonic clock."""
    failures: int


def retry_seconds(failures: int, *, first: float, last: float) -> float:
    """Return the pause after so many failures in a row: twice the previous one, at most ``last``."""
    return min(first * 2.0 ** min(failures - 1, 10), last)


def shortened(seconds: float) -> float:
    """Return the interval, shortened at random by up to JITTER."""
    return seconds * (1 - JITTER * random.random())  # noqa: S311 - spreads load


class Refresh(Generic[Name, Answer]):
    """Keeps the answers for the wanted names.

    ``read`` gets a name and the previous answer or None; it runs in a thread and must not raise.
    """

    def __init__(
        self, read: Callable[[Name, Answer | None], Read[Answer]], *, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._read = read
        self._now = now
        self._wanted: tuple[Name, ...] = ()
        self._known: dict[Name, _Known[Answer]] = {}
        self._wake = asyncio.Event()
        self._answered = asyncio.Event()
        self._threads = ThreadPoolExecutor(READS_AT_ONCE, thread_name_prefix="trust-refresh")
        self._changed: Callable[[], None] = lambda: None

    def notify(self, changed: Callable[[], None]) -> None:
        """Call ``changed`` whenever an answer is new or different."""
        self._changed = changed

    def want(self, names: Iterable[Name]) -> None:
        """Keep these names, and forget all others."""
        wanted = tuple(dict.fromkeys(names))
        if wanted != self._wanted:
            self._wanted = wanted
            self._known = {name: known for name, known in self._known.items() if name in wanted}
            self._wake.set()

    def answer(self, name: Name) -> Answer | None:
        """Return the answer for a name, or None if there is none yet."""
        known = self._known.get(name)
        return None if known is None else known.answer

    def is_answered(self) -> bool:
        """Tell whether every wanted name has an answer."""
        return all(name in self._known for name in self._wanted)

    async def wait(self, seconds: float) -> None:
        """Wait until every wanted name has an answer, at most for so long."""
        try:
            async with asyncio.timeout(seconds):
                while not self.is_answered():
                    self._answered.clear()
                    await self._answered.wait()
        except TimeoutError:
            pass

    async def run(self) -> None:
        """Read what is due until cancelled. A slow read does not delay other names."""
        reading: dict[Name, asyncio.Task[None]] = {}
        try:
            while True:
                self._wake.clear()
                reading = {name: task for name, task in reading.items() if not task.done()}
                for name in self._due():
                    if name not in reading:
                        reading[name] = asyncio.create_task(self._read_one(name))
                await self._pause(set(reading))
        finally:
            for task in reading.values():
                task.cancel()
            self._threads.shutdown(wait=False, cancel_futures=True)

    def _due(self) -> list[Name]:
        """Return the names to read now, those without an answer first."""
        now = self._now()
        new = [name for name in self._wanted if name not in self._known]
        return new + [name for name in self._wanted if name in self._known and self._known[name].due <= now]

    async def _pause(self, reading: set[Name]) -> None:
        """Wait until the next name is due, or until something changes."""
        dues = [self._known[name].due for name in self._wanted if name in self._known and name not in reading]
        try:
            async with asyncio.timeout(max(0.0, min(dues) - self._now()) if dues else None):
                await self._wake.wait()
        except TimeoutError:
            pass

    async def _read_one(self, name: Name) -> None:
        before = self._known.get(name)
        loop, answer = asyncio.get_running_loop(), None if before is None else before.answer
        made = await loop.run_in_executor(self._threads, self._read, name, answer)
        self._wake.set()
        if name not in self._wanted:
            return
        failures = 0 if made.again_seconds is not None else (before.failures if before is not None else 0) + 1
        seconds = made.again_seconds
        if seconds is None:
            seconds = retry_seconds(failures, first=FIRST_RETRY_SECONDS, last=LAST_RETRY_SECONDS)
        self._known[name] = _Known(answer=made.answer, due=self._now() + shortened(seconds), failures=failures)
        self._answered.set()
        if before is None or before.answer != made.answer:
            self._changed()
