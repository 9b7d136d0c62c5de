"""One line to AWS: an API of one account and region, called in threads, within its rate, and left alone when it fails.

Turns every exception of a call into Missing, told to the operator once with its cause; nothing else escapes.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeVar

from tidegate.evidence.fact import Cause, Missing
from tidegate.evidence.unavailable import AwsUnavailableError, UnknownRegionError
from tidegate.gather.clock import Clock
from tidegate.gather.meter import MadeCall, Meter
from tidegate.gather.throttle import CircuitBreaker, TokenBucket
from tidegate.images.repository import Registry

R = TypeVar("R")


class CallObserver(Protocol):
    """Is told of every call to AWS, and of what a call left open; for logs and metrics."""

    def called(
        self, source: str, registry: Registry, seconds: float, problem: Exception | None, *, found: bool
    ) -> None:
        """Take note of one call, of what went wrong, if anything, and of whether there was what was asked for."""
        ...

    def unanswered(self, source: str, registry: Registry, ids: int, problem: AwsUnavailableError) -> None:
        """Take note of so many ids that a look-up did not answer, though it answered for others; no further call."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimit:
    """Calls a second and burst allowed for one API of one account and region."""

    per_second: float = 20.0
    burst: int = 40


class Line:
    """One API of one registry.

    ``room`` bounds the calls under way to the registry. Without a ``meter`` every look-up counts as one call.
    """

    def __init__(
        self,
        *,
        source: str,
        registry: Registry,
        executor: Executor,
        room: asyncio.Semaphore,
        clock: Clock,
        rate: RateLimit,
        observer: CallObserver,
        meter: Meter | None = None,
    ) -> None:
        self.source = source
        self.registry = registry
        self._executor = executor
        self._room = room
        self._clock = clock
        self._observer = observer
        self._meter = meter
        self._bucket = TokenBucket(rate=rate.per_second, burst=rate.burst, clock=clock)
        self._breaker = CircuitBreaker(clock)

    async def ask(self, function: Callable[[], R]) -> R | Missing | UnknownRegionError:
        """Wait for the line's turn and call."""
        missing = await self.turn()
        return await self.call(function) if missing is None else missing

    async def turn(self) -> Missing | None:
        """Wait for a token; return None when a call may be made now, or at once why none is made."""
        while not self._breaker.is_open:
            wait = self._bucket.wait_seconds()
            if wait <= 0:
                return None if self._breaker.admits() else self._refused()
            await asyncio.sleep(wait)
        return self._refused()

    async def call(self, function: Callable[[], R]) -> R | Missing | UnknownRegionError:
        """Run the blocking function in a thread and return its result, or what is missing for want of it."""
        async with self._room:
            started, made = self._clock.monotonic(), list[MadeCall]()
            run = function if self._meter is None else partial(self._meter.run, function, made)
            try:
                result = await asyncio.get_running_loop().run_in_executor(self._executor, run)
            except UnknownRegionError as unknown:
                return unknown  # Nothing was contacted, so there is nothing to note.
            except AwsUnavailableError as unavailable:
                self._note(made, self._clock.monotonic() - started, unavailable)
                return unavailable.missing()
            except Exception as unexpected:  # noqa: BLE001 - an unforeseen error is one more way of not knowing
                self._note(made, self._clock.monotonic() - started, unexpected)
                return Missing(Cause.INTERNAL, self.source)
            self._note(made, self._clock.monotonic() - started, None)
            return result

    def unanswered(self, problems: Iterable[AwsUnavailableError]) -> None:
        """Tell the operator of ids that a look-up left open, once a cause."""
        found = list(problems)
        counts = Counter(each.cause for each in found)
        for problem in {each.cause: each for each in reversed(found)}.values():
            self._observer.unanswered(self.source, self.registry, counts[problem.cause], problem)

    def _note(self, made: list[MadeCall], seconds: float, problem: Exception | None) -> None:
        """Let bucket, breaker and operator learn from the calls that a look-up made; the problem is the last one's."""
        if self._meter is None or (problem is not None and not made):
            cause = _cause(problem)
            made = [MadeCall(source=self.source, registry=self.registry, seconds=seconds, cause=cause)]
        self._bucket.charge(max(0, sum(call.source == self.source for call in made) - 1))
        self._pace(made, problem)
        for at, call in enumerate(made):
            last = problem if at == len(made) - 1 else None
            earlier = None if call.cause is None else AwsUnavailableError(call.cause, call.source)
            self._observer.called(call.source, call.registry, call.seconds, last or earlier, found=call.found)

    def _pace(self, made: list[MadeCall], problem: Exception | None) -> None:
        if any(call.cause is Cause.THROTTLED for call in made):
            self._bucket.throttled(problem.retry_after_seconds if isinstance(problem, AwsUnavailableError) else None)
        elif problem is None:
            self._bucket.succeeded()
        cause = _cause(problem)
        if cause is None:
            self._breaker.succeeded()
        else:
            self._breaker.failed(cause)

    def _refused(self) -> Missing:
        return Missing(Cause.CIRCUIT_OPEN, self.source)


def _cause(problem: Exception | None) -> Cause | None:
    if problem is None:
        return None
    return problem.cause if isinstance(problem, AwsUnavailableError) else Cause.INTERNAL
