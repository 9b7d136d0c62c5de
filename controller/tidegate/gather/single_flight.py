"""One piece of work for all requests that wait for the same key.

The work belongs to the controller and not to the request that started it: a request that is cancelled or out of time
leaves it running for the others. It is done on behalf of every namespace that waits for it.
"""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from tidegate.evidence.clock import Clock
from tidegate.gather.shares import Claim, current, on_behalf_of

K = TypeVar("K")
V = TypeVar("V")


@dataclass(frozen=True, slots=True, eq=False)
class Flight(Generic[V]):
    """Work under way: its task, for whom it is done, and since when (monotonic)."""

    task: asyncio.Task[V]
    claim: Claim
    began: float


class SingleFlight(Generic[K, V]):
    """The work under way, by key."""

    def __init__(self, clock: Clock, work: Callable[[K], Coroutine[Any, Any, V]]) -> None:
        self._clock = clock
        self._work = work
        self._flights: dict[K, Flight[V]] = {}

    def __len__(self) -> int:
        """Return the number of keys that are worked on."""
        return len(self._flights)

    def __contains__(self, key: K) -> bool:
        """Return whether a key is worked on."""
        return key in self._flights

    def join(self, key: K) -> Flight[V]:
        """Return the work for the key, started unless it is under way; the current namespaces are added to it.

        Wait for its task with ``asyncio.shield`` or ``asyncio.wait``, which leave it running for the others.
        """
        flight = self._flights.get(key)
        if flight is None:
            claim = Claim()
            with on_behalf_of(claim):
                task = asyncio.get_running_loop().create_task(self._work(key))
            flight = self._flights[key] = Flight(task, claim, self._clock.monotonic())
            task.add_done_callback(lambda _: self._flights.pop(key))
        current().listen(flight.claim.join, until=flight.task)
        return flight
