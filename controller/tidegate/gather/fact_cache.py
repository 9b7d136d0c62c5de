"""A bounded cache of one kind of fact, least recently used first out, with one look-up for all who wait for a fact.

The look-up is owned by the cache and not by the request that started it: a request that is cancelled or out of time
leaves it running for the others, and its answer is kept for the retry. What could not be looked up is never kept; the
last good fact is given in its place, marked stale.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import structlog

from tidegate.evidence.fact import Cause, Fact, Known, Missing
from tidegate.gather.clock import Clock
from tidegate.gather.lifetimes import KEPT_SECONDS, RETRY_SECONDS

_log = structlog.get_logger(__name__)

K = TypeVar("K")
V = TypeVar("V")


@dataclass(slots=True)
class Entry(Generic[V]):
    """A fact with the monotonic second until which it is fresh, and until which a failed renewal is not repeated."""

    fact: Known[V]
    fresh_until: float
    retry_at: float = 0.0
    cause: Cause | None = None


class FactCache(Generic[K, V]):
    """Facts of one kind. ``look_up`` gives the value or Missing; ``seconds`` gives a value's time to live."""

    def __init__(
        self,
        *,
        source: str,
        limit: int,
        clock: Clock,
        look_up: Callable[[K], Awaitable[V | Missing]],
        seconds: Callable[[K, V], float],
    ) -> None:
        self.source = source
        self._limit = limit
        self._clock = clock
        self._look_up = look_up
        self._seconds = seconds
        self._entries: dict[K, Entry[V]] = {}
        self._flights: dict[K, asyncio.Task[Fact[V]]] = {}

    def __len__(self) -> int:
        """Return the number of facts kept."""
        return len(self._entries)

    def peek(self, key: K) -> tuple[Fact[V], float]:
        """Return what is known now and until when, without any look-up; unknown is Missing, good until 0."""
        entry = self._entries.get(key)
        if entry is None:
            return Missing(Cause.NOT_ASKED, self.source), 0.0
        now = self._clock.monotonic()
        if now < entry.fresh_until:
            return entry.fact, entry.fresh_until
        if now > entry.fresh_until + KEPT_SECONDS:
            return Missing(Cause.NOT_ASKED, self.source), 0.0
        cause = entry.cause or Cause.DEADLINE
        return Known(entry.fact.value, entry.fact.observed_at, cause), entry.retry_at

    async def get(self, key: K) -> tuple[Fact[V], float]:
        """Return the fact, looked up when it is not fresh, and the monotonic second until which it may be reused."""
        fact, until = self.peek(key)
        if self._clock.monotonic() < until:
            self._touch(key)
            return fact, until
        flight = self._flights.get(key)
        if flight is None:
            flight = asyncio.get_running_loop().create_task(self._fly(key))
            self._flights[key] = flight
        answer = await asyncio.shield(flight)
        if isinstance(answer, Missing):
            return answer, 0.0
        entry = self._entries.get(key)
        return answer, (0.0 if entry is None else max(entry.fresh_until, entry.retry_at))

    async def _fly(self, key: K) -> Fact[V]:
        try:
            answer: V | Missing = await self._look_up(key)
        except Exception:  # noqa: BLE001 - an unforeseen error is one more way of not knowing
            _log.exception("look-up failed unexpectedly", source=self.source)
            answer = Missing(Cause.INTERNAL, self.source)
        finally:
            self._flights.pop(key, None)
        if isinstance(answer, Missing):
            return self._stale(key, answer)
        fact = Known(answer, self._clock.now())
        self._entries.pop(key, None)
        self._entries[key] = Entry(fact, self._clock.monotonic() + self._seconds(key, answer))
        while len(self._entries) > self._limit:
            del self._entries[next(iter(self._entries))]
        return fact

    def _stale(self, key: K, missing: Missing) -> Fact[V]:
        """Return the last good fact marked stale, or what is missing where there is none."""
        entry = self._entries.get(key)
        now = self._clock.monotonic()
        if entry is None or now > entry.fresh_until + KEPT_SECONDS:
            self._entries.pop(key, None)
            return missing
        entry.cause, entry.retry_at = missing.cause, now + RETRY_SECONDS
        return Known(entry.fact.value, entry.fact.observed_at, missing.cause)

    def _touch(self, key: K) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._entries[key] = entry
