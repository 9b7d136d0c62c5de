"""The limits of one API of one account and region: it is called in threads, within its rate, and not while it fails.

Every exception of a call becomes Missing; its cause is logged once for the operator.
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
from tidegate.evidence.source_unavailable import SourceUnavailableError, UnknownRegionError, cause_of
from tidegate.gather.call_accounting import CallAccounting, MadeCall
from tidegate.gather.recent import Recent
from tidegate.gather.shares import Claim, Given, Lanes, Room, current
from tidegate.gather.throttle import CircuitBreaker, TokenBucket
from tidegate.images.repository import Registry

R = TypeVar("R")

COSTLY_SECONDS = 60.0
"""How long the ids of a share go alone after one of its look-ups took more than one call."""
MAX_OWING = 256
"""Shares that may owe tokens to one limiter."""


class CallObserver(Protocol):
    """Records every call to AWS, and the ids that a call left unanswered, for logs and metrics."""

    def called(
        self, source: str, registry: Registry, seconds: float, problem: Exception | None, *, found: bool
    ) -> None:
        """Record one call: its problem, if any, and whether AWS found what was asked for."""
        ...

    def unanswered(self, source: str, registry: Registry, ids: int, problem: SourceUnavailableError) -> None:
        """Record how many ids of a batch have no answer. It is no further call."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimit:
    """Calls a second and burst allowed for one API of one account and region."""

    per_second: float = 20.0
    burst: int = 40


class ApiLimiter:
    """One API of one registry.

    ``rooms`` bound the calls under way: to the registry, and to all. Without ``accounting`` every look-up counts as one call.
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
        accounting: CallAccounting | None = None,
    ) -> None:
        self.source = source
        self.registry = registry
        self._refused = Missing(Cause.CIRCUIT_OPEN, source)
        self._executor = executor
        self._rooms = rooms
        self._clock = clock
        self._observer = observer
        self._accounting = accounting
        self._bucket = TokenBucket(rate=rate.per_second, burst=rate.burst, clock=clock)
        self._breaker = CircuitBreaker(clock)
        self._waiting = Lanes()
        self._given = Given()
        self._owed = Recent[str, float](MAX_OWING)
        self._costly = Recent[str, float](MAX_OWING)
        self._timer: asyncio.TimerHandle | None = None

    async def ask(self, function: Callable[[], R]) -> R | Missing | UnknownRegionError:
        """Wait for a token and call."""
        claim = current()
        missing = await self.turn(claim)
        return await self.call(function, claim) if missing is None else missing

    async def turn(self, claim: Claim | None = None) -> Missing | None:
        """Wait for a token; return None when a call may be made now, or at once why none is made."""
        if self._breaker.is_open:
            return self._refused
        waiter = self._waiting.wait(claim or current())
        self._hand_out()
        answer = await waiter
        return answer if isinstance(answer, Missing) else None

    async def call(self, function: Callable[[], R], claim: Claim) -> R | Missing | UnknownRegionError:
        """Run the blocking function in a thread and return its result, or Missing with the cause.

        The first share of the claim pays for calls beyond the one of its turn.
        """
        async with AsyncExitStack() as places:
            for room in self._rooms:
                await places.enter_async_context(room.place(claim))
            started, made = self._clock.monotonic(), list[MadeCall]()
            run = function if self._accounting is None else partial(self._accounting.run, function, made)
            try:
                context = copy_context()
                context.run(SHARE.set, next(iter(claim.shares)))
                result = await asyncio.get_running_loop().run_in_executor(self._executor, context.run, run)
            except UnknownRegionError as unknown:
                return unknown  # No host was contacted: there is no call to record.
            except SourceUnavailableError as unavailable:
                self._note(made, self._clock.monotonic() - started, unavailable, claim)
                return unavailable.missing()
            except Exception as unexpected:  # noqa: BLE001 - an unforeseen error is one more way of not knowing
                self._note(made, self._clock.monotonic() - started, unexpected, claim)
                return Missing(Cause.INTERNAL, self.source)
            self._note(made, self._clock.monotonic() - started, None, claim)
            return result

    def unanswered(self, problems: Iterable[SourceUnavailableError]) -> None:
        """Report the ids that a look-up did not answer to the operator, once for each cause."""
        found = list(problems)
        counts = Counter(each.cause for each in found)
        for problem in {each.cause: each for each in reversed(found)}.values():
            self._observer.unanswered(self.source, self.registry, counts[problem.cause], problem)

    def _hand_out(self) -> None:
        """Give the available tokens to the shares whose turn it is; continue when the next token is available.

        A share whose look-ups took more calls than it had tokens pays for them in its next turn.
        """
        while (share := self._waiting.next(self._given.rank)) is not None:
            answer: Missing | None = self._refused
            if not self._breaker.is_open:
                if (wait := self._bucket.wait_seconds(1.0 + self._owed.get(share, 0.0))) > 0:
                    self._come_back(wait)
                    return
                self._owed.pop(share, None)
                answer = None if self._breaker.admits() else answer
            self._given.give(share)
            self._waiting.take(share).set_result(answer)

    def is_costly(self, share: str) -> bool:
        """Return whether look-ups of a share took more than one call each in the last COSTLY_SECONDS."""
        return self._clock.monotonic() < self._costly.get(share, 0.0)

    def _charge(self, share: str, calls: int) -> None:
        """Count calls beyond the one of a turn."""
        self._costly[share] = self._clock.monotonic() + COSTLY_SECONDS
        self._given.charge(share, calls)
        if (missing := self._bucket.charge(calls)) > 0:
            self._owed[share] = self._owed.get(share, 0.0) + missing

    def _come_back(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(seconds, self._hand_out)

    def _note(self, made: list[MadeCall], seconds: float, problem: Exception | None, claim: Claim) -> None:
        """Update bucket and breaker by the calls that a look-up made, and report them; the problem is the last call's."""
        if self._accounting is None or (problem is not None and not made):
            cause = cause_of(problem)
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
        cause = cause_of(problem)
        if cause is None:
            self._breaker.succeeded()
        else:
            self._breaker.failed(cause)
