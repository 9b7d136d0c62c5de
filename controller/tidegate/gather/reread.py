"""Reads every image in use again within a day, at a bounded rate, to find what no list of changes shows.

An image's place in the day is the first digits of its digest, so that the order is the same after a restart, and images of
one moment share batches. Where everything of a registry must be read sooner, all its images are overdue: they are read in the
same order, as many a minute as are read at most.

Basic scanning lists no changes. Images of registries that use it are read in turn all the time: every hour if there are up to
1,800, and less often for more, since each takes a call of its own.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog

from tidegate.evidence.change import Change, ImageChange
from tidegate.evidence.clock import Clock
from tidegate.evidence.inspection import ImageKey
from tidegate.images.digest import Digest
from tidegate.images.repository import EcrRegistry, EcrRepository, parse_ecr_host

TICK_SECONDS: Final = 60.0
IMAGES_OF_A_TICK: Final = 150
"""Images of a registry a minute. Ten of them take about seven calls, so that 150 take the 2 calls a second that a registry is
asked at most."""
BASIC_IMAGES_OF_A_TICK: Final = 60
"""The same with basic scanning, where each image takes one call."""
PERIOD: Final = timedelta(days=1)
BASIC_PERIOD: Final = timedelta(hours=1)
BASIC_IMAGES_OF_A_PERIOD: Final = 1_800
"""Images that are read within BASIC_PERIOD: one call in two seconds."""

_log = structlog.get_logger(__name__)

_NANOSECOND: Final = 1_000_000_000
_DIGITS: Final = slice(len("sha256:"), len("sha256:") + 12)
_PLACES: Final = 16**12


class Reread:
    """Has images read again. ``images`` gives those of a registry that are in use, ``basic`` whether it uses basic scanning.

    ``changed`` gets the images whose turn it is; it must not wait.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        registries: Callable[[], Iterable[EcrRegistry]],
        images: Callable[[EcrRegistry], Collection[ImageKey]],
        basic: Callable[[EcrRegistry], bool],
        changed: Callable[[frozenset[Change]], None],
    ) -> None:
        self._clock = clock
        self._registries = registries
        self._images = images
        self._basic = basic
        self._changed = changed
        self._reached: dict[EcrRegistry, int] = {}
        """The moment in nanoseconds until which each registry's images were read."""

    async def run(self) -> None:
        """Read images in their turn until cancelled."""
        while True:
            try:
                self.tick()
            except Exception:  # noqa: BLE001 - what is due is due the next time too
                _log.exception("images could not be read again")
            await asyncio.sleep(TICK_SECONDS)

    def tick(self) -> None:
        """Report the images whose turn has come since the last time. A registry without images in use is forgotten."""
        now, registries = self._now(), dict.fromkeys(self._registries())
        self._reached = {each: self._reached.get(each, now) for each in registries}
        for registry in registries:
            self._turn(registry, now)

    def everything(self, registry: EcrRegistry) -> None:
        """Have all images of a registry read as soon as the rate allows, each at least once from now on."""
        now, period = self._now(), self._period(registry, self._images(registry))
        reached = self._reached.get(registry, now)
        late = reached - (now - period)
        # Going back by whole periods keeps the place, so that asking again and again does not begin again each time.
        self._reached[registry] = reached - max(0, -(-late // period)) * period

    def state(self) -> dict[str, str]:
        """Return, by the registry's host, until when the images were read."""
        return {registry.host: _moment(reached).isoformat() for registry, reached in self._reached.items()}

    def restore(self, state: object) -> None:
        """Go on from a state that ``state`` gave: what was missed is made up for. What is not valid in it is left out."""
        for host, text in state.items() if isinstance(state, Mapping) else ():
            registry = parse_ecr_host(host) if isinstance(host, str) else None
            try:
                moment = datetime.fromisoformat(str(text))
            except ValueError:
                continue
            if registry is not None and moment.tzinfo is not None:
                now, reached = self._now(), int(moment.timestamp()) * _NANOSECOND
                self._reached[registry] = min(now, max(reached, now - _nanoseconds(PERIOD)))

    def _turn(self, registry: EcrRegistry, now: int) -> None:
        images = self._images(registry)
        period = self._period(registry, images)
        reached = min(now, max(self._reached[registry], now - 2 * period))
        due = sorted(
            (moment, name, digest) for name, digest in images if (moment := _next(digest, reached, period)) <= now
        )
        most = BASIC_IMAGES_OF_A_TICK if self._basic(registry) else IMAGES_OF_A_TICK
        if len(due) > most:
            # Copies of one digest have one moment: the next turn begins after it.
            reached = due[most - 1][0]
            due = [each for each in due if each[0] <= reached]
        else:
            reached = now
        self._reached[registry] = reached
        if due:
            self._changed(frozenset(ImageChange(EcrRepository(registry, name), digest) for _, name, digest in due))

    def _period(self, registry: EcrRegistry, in_use: Collection[ImageKey]) -> int:
        """Return the time in which all images are read. With basic scanning it doubles until the rate fits."""
        if not self._basic(registry):
            return _nanoseconds(PERIOD)
        period, images = BASIC_PERIOD, BASIC_IMAGES_OF_A_PERIOD
        while len(in_use) > images and period < PERIOD:
            period, images = period * 2, images * 2
        return _nanoseconds(min(period, PERIOD))

    def _now(self) -> int:
        return int(self._clock.now().timestamp()) * _NANOSECOND


def _next(digest: Digest, after: int, period: int) -> int:
    """Return the first moment of a digest after a moment."""
    place = int(digest[_DIGITS], 16) * period // _PLACES
    return after + ((place - after - 1) % period) + 1


def _nanoseconds(span: timedelta) -> int:
    return span // timedelta(microseconds=1) * 1_000


def _moment(nanoseconds: int) -> datetime:
    return datetime.fromtimestamp(nanoseconds // _NANOSECOND, UTC)
