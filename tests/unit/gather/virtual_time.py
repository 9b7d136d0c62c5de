"""An event loop whose time jumps to the next thing that is due, so that hours of waiting take no time and never vary.

Both of the controller's clocks are read off the loop. Nothing may wait for the outside: a loop with nothing due fails.
"""

import asyncio
import selectors
from collections.abc import Callable
from concurrent.futures import Executor, Future
from datetime import UTC, datetime, timedelta
from typing import Any

EPOCH = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
START_SECONDS = 1_000.0


class VirtualClock:
    """Both times of a virtual loop, or of a test without one."""

    def __init__(self) -> None:
        self.seconds = START_SECONDS

    def monotonic(self) -> float:
        return self.seconds

    def now(self) -> datetime:
        return EPOCH + timedelta(seconds=self.seconds - START_SECONDS)

    def advance(self, seconds: float) -> None:
        self.seconds += seconds


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop with a clock of its own."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        super().__init__(_JumpingSelector(self.clock))

    def time(self) -> float:
        return self.clock.seconds


class _JumpingSelector(selectors.SelectSelector):
    def __init__(self, clock: VirtualClock) -> None:
        super().__init__()
        self._clock = clock

    def select(self, timeout: float | None = None) -> list[Any]:
        ready = super().select(0)
        if not ready:
            if timeout is None:
                raise AssertionError("everything waits, and nothing will ever happen")
            if timeout > 0:
                # A hair more than asked for, or a sum of floats may leave the timer in the future for ever.
                self._clock.advance(timeout + 1e-9)
        return ready


class LateExecutor(Executor):
    """Runs functions in the loop's own thread, ``seconds`` after they were handed over; counts those under way.

    ``delays`` are for the next functions, one each.
    """

    def __init__(self, seconds: float = 0.1) -> None:
        self.seconds = seconds
        self.delays: list[float] = []
        self.running = 0
        self.most = 0

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self.running += 1
        self.most = max(self.most, self.running)

        def run() -> None:
            self.running -= 1
            try:
                future.set_result(function(*args, **kwargs))
            except Exception as problem:  # noqa: BLE001 - an executor hands every exception to who waits
                future.set_exception(problem)

        asyncio.get_running_loop().call_later(self.delays.pop(0) if self.delays else self.seconds, run)
        return future
