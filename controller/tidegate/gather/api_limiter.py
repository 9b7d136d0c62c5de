"""One line to AWS: an API of one account and region, called in threads, within its rate, and left alone when it fails.

Turns every exception of a call into Missing, told to the operator once with its cause; nothing else escapes.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from contextlib import AsyncExitStack
from contextvars import copy_context
from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeVar

from tidegate.evidence.clock import Clock
from tidegate.evidence.fact import Cause, Missing
from tidegate.evidence.share import SHARE
from tidegate.evidence.source_unavailable import SourceUnavailableError, UnknownRegionError
from tidegate.gather.call_accounting import CallAccounting, MadeCall
from tidegate.gather.shares import Claim, Given, Lanes, Room, current
from tidegate.gather.throttle import CircuitBreaker, TokenBucket
from tidegate.images.repository import Registry

R = TypeVar("R")

COSTLY_SECONDS = 60.0
"""How long a share whose look-ups took more than one call has batches of its own."""
MAX_OWING = 256
"""Shares of which it is remembered what they owe one line."""


class CallObserver(Protocol):
    """Records every call to AWS, and the ids that a call left unanswered, for logs and metrics."""

    def called(
        self, source: str, registry: Registry, seconds: float, problem: Exception | None, *, found: bool
    ) -> None:
        """Take note of one call, of what went wrong, if anything, and of whether there was what was asked for."""
        ...

    def unanswered(self, source: str, registry: Registry, ids: int, problem: SourceUnavailableError) -> None:
        """Take note of so many ids that a look-up did not answer, though it answered for others; no further call."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimit:
    """Calls a second and burst allowed for one API of one account and region."""

    per_second: float = 20.0
    burst: int = 40


class ApiLimiter:
    """One API of one registry.

    ``rooms`` bound the calls under way: to the registry, and to all. Without a ``meter`` every look-up counts as one call.
    Tokens and places are shared by namespace.
    """

    def __init__(
        self,
        *,
        source: str,
        registry: Registry,
        executor: Executor,
        rooms: Sequence[Room],
        clock: Clock,
        rate: RateLimit,
        observer: CallObserver,
        meter: CallAccounting | None = None,
    ) -> None:
        self.source = source
        self.registry = registry
        self._executor = executor
        self._rooms = rooms
        self._clock = clock
        self._observer = observer
        self._meter = meter
        self._bucket = TokenBucket(rate=rate.per_second, burst=rate.burst, clock=clock)
        self._breaker = CircuitBreaker(clock)
        self._waiting = Lanes()
        self._given = Given()
        self._owed: dict[str, float] = {}
        self._costly: dict[str, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    async def ask(self, function: Callable[[], R]) -> R | Missing | UnknownRegionError:
        """Wait for the line's turn and call."""
        claim = current()
        missing = await self.turn(claim)
        return await self.call(function, claim) if missing is None else missing

    async def turn(self, claim: Claim | None = None) -> Missing | None:
        """Wait for a token; return None when a call may be made now, or at once why none is made."""
        if self._breaker.is_open:
            return self._refused()
        waiter = self._waiting.wait(claim or current())
        self._hand_out()
        answer = await waiter
        return answer if isinstance(answer, Missing) else None

    async def call(self, function: Callable[[], R], claim: Claim) -> R | Missing | UnknownRegionError:
        """Run the blocking function in a thread and return its result, or what is missing for want of it.

        The first share of the claim pays for calls beyond the one of its turn.
        """
        async with AsyncExitStack() as places:
            for room in self._rooms:
                await places.enter_async_context(room.place(claim))
            started, made = self._clock.monotonic(), list[MadeCall]()
            run = function if self._meter is None else partial(self._meter.run, function, made)
            try:
                context = copy_context()
                context.run(SHARE.set, next(iter(claim.shares)))
                result = await asyncio.get_running_loop().run_in_executor(self._executor, context.run, run)
            except UnknownRegionError as unknown:
                return unknown  # Nothing was contacted, so there is nothing to note.
            except SourceUnavailableError as unavailable:
                self._note(made, self._clock.monotonic() - started, unavailable, claim)
                return unavailable.missing()
            except Exception as unexpected:  # noqa: BLE001 - an unforeseen error is one more way of not knowing
                self._note(made, self._clock.monotonic() - started, unexpected, claim)
                return Missing(Cause.INTERNAL, self.source)
            self._note(made, self._clock.monotonic() - started, None, claim)
            return result

    def unanswered(self, problems: Iterable[SourceUnavailableError]) -> None:
        """Tell the operator of ids that a look-up left open, once a cause."""
        found = list(problems)
        counts = Counter(each.cause for each in found)
        for problem in {each.cause: each for each in reversed(found)}.values():
            self._observer.unanswered(self.source, self.registry, counts[problem.cause], problem)

    def _hand_out(self) -> None:
        """Give the tokens that there are to those whose turn it is; come back when there is the next one.

        A share whose look-ups took more calls than it had tokens for pays for them in its own next turn.
        """
        while (share := self._waiting.next(self._given.rank)) is not None:
            answer: Missing | None = self._refused()
            if not self._breaker.is_open:
                if (wait := self._bucket.wait_seconds(1.0 + self._owed.get(share, 0.0))) > 0:
                    self._come_back(wait)
                    return
                self._owed.pop(share, None)
                answer = None if self._breaker.admits() else answer
            self._given.give(share)
            self._waiting.take(share).set_result(answer)

    def is_costly(self, share: str) -> bool:
        """Tell whether look-ups of a share took more than one call each a while ago."""
        return self._clock.monotonic() < self._costly.get(share, 0.0)

    def _charge(self, share: str, calls: int) -> None:
        """Count calls beyond the one of a turn."""
        self._costly.pop(share, None)
        self._costly[share] = self._clock.monotonic() + COSTLY_SECONDS
        if len(self._costly) > MAX_OWING:
            del self._costly[next(iter(self._costly))]
        self._given.charge(share, calls)
        if (missing := self._bucket.charge(calls)) > 0:
            if len(self._owed) >= MAX_OWING:
                del self._owed[next(iter(self._owed))]
            self._owed[share] = self._owed.get(share, 0.0) + missing

    def _come_back(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(seconds, self._hand_out)

    def _note(self, made: list[MadeCall], seconds: float, problem: Exception | None, claim: Claim) -> None:
        """Let bucket, breaker and operator learn from the calls that a look-up made; the problem is the last one's."""
        if self._meter is None or (problem is not None and not made):
            cause = _cause(problem)
            made = [MadeCall(source=self.source, registry=self.registry, seconds=seconds, cause=cause)]
        more = max(0, sum(call.source == self.source for call in made) - 1)
        if more:
            self._charge(next(iter(claim.shares)), more)
        self._pace(made, problem)
        if self._breaker.is_open:
            self._hand_out()
        for at, call in enumerate(made):
            last = problem if at == len(made) - 1 else None
            earlier = None if call.cause is None else SourceUnavailableError(call.cause, call.source)
            self._observer.called(call.source, call.registry, call.seconds, last or earlier, found=call.found)

    def _pace(self, made: list[MadeCall], problem: Exception | None) -> None:
        if any(call.cause is Cause.THROTTLED for call in made):
            self._bucket.throttled(problem.retry_after_seconds if isinstance(problem, SourceUnavailableError) else None)
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
    return problem.cause if isinstance(problem, SourceUnavailableError) else Cause.INTERNAL
