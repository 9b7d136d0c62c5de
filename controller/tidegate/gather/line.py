"""One line to AWS: an API of one account and region, called in threads, within its rate, and left alone when it fails.

Turns every exception of a call into Missing, told to the operator once with its cause; nothing else escapes.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Protocol, TypeVar

from tidegate.evidence.fact import Cause, Missing
from tidegate.evidence.unavailable import AwsUnavailableError, UnknownRegionError
from tidegate.gather.clock import Clock
from tidegate.gather.throttle import CircuitBreaker, TokenBucket
from tidegate.images.repository import EcrRegistry

R = TypeVar("R")


class CallObserver(Protocol):
    """Is told of every call to AWS; for logs and metrics."""

    def called(self, source: str, registry: EcrRegistry, seconds: float, problem: Exception | None) -> None:
        """Take note of one call and of what went wrong, if anything."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimit:
    """Calls a second and burst allowed for one API of one account and region."""

    per_second: float = 20.0
    burst: int = 40


class Line:
    """One API of one registry."""

    def __init__(
        self,
        *,
        source: str,
        registry: EcrRegistry,
        executor: Executor,
        clock: Clock,
        rate: RateLimit,
        observer: CallObserver,
    ) -> None:
        self.source = source
        self.registry = registry
        self._executor = executor
        self._clock = clock
        self._observer = observer
        self._bucket = TokenBucket(rate=rate.per_second, burst=rate.burst, clock=clock)
        self._breaker = CircuitBreaker(clock)

    async def ask(self, function: Callable[[], R]) -> R | Missing | UnknownRegionError:
        """Wait for the line's turn and call."""
        missing = await self.turn()
        return await self.call(function) if missing is None else missing

    async def turn(self) -> Missing | None:
        """Wait for a token; return None when a call may be made now, or why none is made."""
        while (wait := self._bucket.wait_seconds()) > 0:  # noqa: ASYNC110 - time passing is what is waited for
            await asyncio.sleep(wait)
        return None if self._breaker.admits() else Missing(Cause.CIRCUIT_OPEN, self.source)

    async def call(self, function: Callable[[], R]) -> R | Missing | UnknownRegionError:
        """Run the blocking function in a thread and return its result, or what is missing for want of it."""
        started = self._clock.monotonic()
        problem: Exception | None = None
        try:
            result = await asyncio.get_running_loop().run_in_executor(self._executor, function)
        except UnknownRegionError as unknown:
            return unknown
        except AwsUnavailableError as unavailable:
            problem = unavailable
            if unavailable.cause is Cause.THROTTLED:
                self._bucket.throttled(unavailable.retry_after_seconds)
            self._breaker.failed(unavailable.cause)
            return unavailable.missing()
        except Exception as unexpected:  # noqa: BLE001 - an unforeseen error is one more way of not knowing
            problem = unexpected
            self._breaker.failed(Cause.INTERNAL)
            return Missing(Cause.INTERNAL, self.source)
        else:
            self._bucket.succeeded()
            self._breaker.succeeded()
            return result
        finally:
            self._observer.called(self.source, self.registry, self._clock.monotonic() - started, problem)
