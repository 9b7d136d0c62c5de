"""The two clocks: wall time for what AWS says, monotonic seconds for times to live, ages and deadlines. Replaced in tests.

The wall clock may jump, forward and back: when NTP or an administrator sets it. Nothing that is measured
by the monotonic clock notices, and ``ClockWatch`` notifies the code that compares with the wall clock.
"""

import asyncio
import math
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import msgspec
import structlog

from tidegate.evidence.clock import Clock

JUMP_SECONDS = 5.0
"""A difference that is a jump. NTP that slews a clock moves it by less than a tenth of the time that passes."""
LOOK_SECONDS = 1.0
"""How often the clocks are compared."""

STEP_SECONDS = 0.1
"""How much earlier than it was a fact may be said to have been looked up."""
_STEP = timedelta(seconds=STEP_SECONDS)

_log = structlog.get_logger(__name__)


class SystemClock:
    """The machine's clocks."""

    def now(self) -> datetime:
        """Return the wall time, UTC."""
        return datetime.now(UTC)

    monotonic = staticmethod(time.monotonic)
    """Return seconds that never go back. The function itself: it is called some times a request."""


class Moment(msgspec.Struct, frozen=True, gc=False):
    """One moment by either clock."""

    wall: datetime
    monotonic: float


_NEVER = Moment(datetime.min.replace(tzinfo=UTC), -math.inf)


class Moments:
    """The present moment in steps of STEP_SECONDS, never later than it is: facts of one step share it in memory."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last = _NEVER

    def now(self) -> Moment:
        """Return the last moment unless a step has passed, or the wall clock was set, since."""
        last, wall, monotonic = self._last, self._clock.now(), self._clock.monotonic()
        if monotonic - last.monotonic >= STEP_SECONDS or not timedelta(0) <= wall - last.wall < _STEP:
            self._last = last = Moment(wall, monotonic)
        return last

    def pass_over(self, monotonic: float) -> None:
        """Return no moment before this one, which has passed (monotonic seconds), from now on."""
        if self._last.monotonic < monotonic:
            self._last = _NEVER


class ClockWatch:
    """Detects jumps of the wall clock, logs each once, and calls ``jumped``. ``jumps`` counts them."""

    def __init__(self, clock: Clock, *, jumped: Callable[[], None]) -> None:
        self._clock = clock
        self._jumped = jumped
        self._before = self._look()
        self.jumps = 0

    async def run(self) -> None:
        """Compare the clocks until cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            self.compare()

    def compare(self) -> None:
        """Compare what passed on the two clocks since the last time; small differences are how clocks are set right."""
        before, self._before = self._before, self._look()
        wall, monotonic = self._before
        seconds = (wall - before[0]).total_seconds() - (monotonic - before[1])
        if abs(seconds) < JUMP_SECONDS:
            return
        self.jumps += 1
        _log.warning("the wall clock jumped", seconds=round(seconds, 3), now=wall.isoformat(timespec="seconds"))
        self._jumped()

    def _look(self) -> tuple[datetime, float]:
        return self._clock.now(), self._clock.monotonic()
