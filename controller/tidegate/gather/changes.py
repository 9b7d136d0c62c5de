"""Collects changes from all sources and passes them on: each at once, and again only after a pause.

A registry that scans, or a tenant who pushes, may report the same change a hundred thousand times. Repeats cost nothing: a
change that was passed on is passed on again after REPEAT_SECONDS, once for all reports until then. Where more changes wait
than are kept, one of their repository or registry takes their place. A child of an index in use changes the index.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Final

import structlog

from tidegate.evidence.change import Change, ImageChange, RegistryChange, RepositoryChange, ScanChange, TagChange
from tidegate.evidence.clock import Clock
from tidegate.gather.recent import Recent
from tidegate.images.digest import Digest
from tidegate.images.repository import EcrRegistry, EcrRepository

REPEAT_SECONDS: Final = {
    ImageChange: 15.0,
    ScanChange: 15.0,
    TagChange: 15.0,
    RepositoryChange: 300.0,
    RegistryChange: 900.0,
}
"""The time from one report of the same change to the next: the more it has looked up again, the longer."""
LOOK_SECONDS: Final = 1.0
"""How often waiting changes are looked at."""
MAX_REMEMBERED: Final = 50_000
"""Changes of which the last report is remembered."""
MAX_WAITING: Final = 10_000
"""Changes that wait. Beyond that, those of the same repository become one, and then those of the same registry."""

_log = structlog.get_logger(__name__)

Indexes = Callable[[EcrRepository, Digest], Iterable[Digest]]
"""Returns the indexes in use that hold a digest."""


class Changes:
    """Passes changes on to ``changed``, which must not wait."""

    def __init__(self, *, clock: Clock, indexes: Indexes, changed: Callable[[frozenset[Change]], None]) -> None:
        self._clock = clock
        self._indexes = indexes
        self._changed = changed
        self._passed = Recent[Change, float](MAX_REMEMBERED)
        self._waiting: dict[Change, float] = {}
        self._wake = asyncio.Event()

    def add(self, changes: Iterable[Change]) -> None:
        """Pass the changes on, those that were passed on a moment ago later."""
        now, new = self._clock.monotonic(), set[Change]()
        for change in self._with_indexes(changes):
            due = self._passed.get(change, float("-inf")) + REPEAT_SECONDS[type(change)]
            if due <= now:
                new.add(change)
            else:
                self._wait(change, due)
        self._pass_on(new, now)

    async def run(self) -> None:
        """Pass on what waits, when its time has come, until cancelled."""
        while True:
            if not self._waiting:
                self._wake.clear()
                await self._wake.wait()
            await asyncio.sleep(LOOK_SECONDS)
            now = self._clock.monotonic()
            try:
                self._pass_on({change for change, due in self._waiting.items() if due <= now}, now)
            except Exception:  # noqa: BLE001 - later changes are passed on all the same
                _log.exception("changes could not be passed on")

    def __len__(self) -> int:
        """Return the number of changes that wait."""
        return len(self._waiting)

    def _with_indexes(self, changes: Iterable[Change]) -> Iterable[Change]:
        for change in changes:
            yield change
            if isinstance(change, ImageChange):
                for index in self._indexes(change.repository, change.digest):
                    yield type(change)(change.repository, index)

    def _pass_on(self, changes: set[Change], now: float) -> None:
        if not changes:
            return
        for change in changes:
            self._waiting.pop(change, None)
            self._passed[change] = now
        self._changed(frozenset(changes))

    def _wait(self, change: Change, due: float) -> None:
        if change in self._waiting:
            return
        self._waiting[change] = due
        self._wake.set()
        if len(self._waiting) > MAX_WAITING:
            self._widen()

    def _widen(self) -> None:
        """Replace the changes of each repository by one, and if that is not enough, those of each registry."""
        for wider in (_repository, _registry):
            widened: dict[Change, float] = {}
            for change, due in self._waiting.items():
                wide = wider(change)
                widened[wide] = min(due, widened.get(wide, due))
            self._waiting = widened
            if len(widened) <= MAX_WAITING // 2:
                return


def _repository(change: Change) -> Change:
    return change if isinstance(change, RegistryChange) else RepositoryChange(change.repository)


def _registry(change: Change) -> Change:
    registry: EcrRegistry = change.registry
    return RegistryChange(registry)
