"""Fair shares: for which namespaces something is looked up, and whose turn it is. A share is a namespace of the cluster.

Scarce things are given out here or by these rules: places among threads, tokens of AWS calls, ids of a batch. Within a
share, first come is first served. Among shares the next is the one that holds or was given the least.
A tenant with many namespaces has as many shares.
"""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from functools import partial
from typing import Any

RESERVED = 4
"""Of every so many places one is kept from a share that holds all others, so that the next share need not wait."""
MAX_REMEMBERED = 1_024
"""Shares of which it is remembered what they were given."""


class Claim:
    """The shares on whose behalf something is looked up. A share that joins later counts for all that still waits."""

    __slots__ = ("_listeners", "shares")

    def __init__(self, *shares: str) -> None:
        self.shares: dict[str, None] = dict.fromkeys(shares)
        self._listeners: list[Callable[[str], None]] = []

    def join(self, share: str) -> None:
        """Add a share, and notify the listeners."""
        if share not in self.shares:
            self.shares[share] = None
            for listener in self._listeners:
                listener(share)

    def listen(self, listener: Callable[[str], None], *, until: asyncio.Future[Any]) -> None:
        """Call the listener with each share, and with each one that joins before ``until`` is done.

        Then the listener is dropped, with all that it holds.
        """
        for share in self.shares:
            listener(share)
        self._listeners.append(listener)
        until.add_done_callback(lambda _: self._listeners.remove(listener))


_CURRENT: ContextVar[Claim | None] = ContextVar("claim", default=None)


def current() -> Claim:
    """Return the claim of the running task; one of no namespace where there is none."""
    return _CURRENT.get() or Claim("")


@contextmanager
def on_behalf_of(claim: Claim) -> Iterator[None]:
    """Have the tasks that are made in this context work under the claim."""
    token = _CURRENT.set(claim)
    try:
        yield
    finally:
        _CURRENT.reset(token)


class Lanes:
    """Waiters, in one lane for each share. A waiter of several shares stands in the lane of each."""

    def __init__(self) -> None:
        self._lanes: dict[str, deque[asyncio.Future[object]]] = {}

    def wait(self, claim: Claim) -> asyncio.Future[object]:
        """Return what is set when it is the turn of one of the claim's shares."""
        waiter: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        claim.listen(partial(self._line_up, waiter), until=waiter)
        return waiter

    def next(self, rank: Callable[[str], float | None]) -> str | None:
        """Return the share with the lowest rank of those that wait, the one that waits longest among equals.

        A share whose rank is None has no turn now.
        """
        best: tuple[float, str] | None = None
        for share, lane in list(self._lanes.items()):
            while lane and lane[0].done():
                lane.popleft()
            if not lane:
                del self._lanes[share]
            elif (its := rank(share)) is not None and (best is None or its < best[0]):
                best = its, share
        return None if best is None else best[1]

    def take(self, share: str) -> asyncio.Future[object]:
        """Take out the first waiter of the share that is next."""
        # The share goes to the end, so that among equals the others are next.
        lane = self._lanes[share] = self._lanes.pop(share)
        return lane.popleft()

    def _line_up(self, waiter: asyncio.Future[object], share: str) -> None:
        if not waiter.done():
            self._lanes.setdefault(share, deque()).append(waiter)


class Given:
    """Counts what each share was given, by start-time fair queueing: one that comes back starts level with the others."""

    def __init__(self) -> None:
        self._level = 0.0
        self._given: dict[str, float] = {}

    def rank(self, share: str) -> float:
        """Return what the share was given, never less than where the one served last stood."""
        return max(self._level, self._given.get(share, 0.0))

    def give(self, share: str, amount: float = 1.0) -> None:
        """Count what a share is given in its turn."""
        self._level = self.rank(share)
        self.charge(share, amount)

    def charge(self, share: str, amount: float) -> None:
        """Count what a share took beyond its turn."""
        self._given[share] = self.rank(share) + amount
        if len(self._given) > MAX_REMEMBERED:
            # Those that were given less than most start level with these from now on.
            self._level = max(self._level, sorted(self._given.values())[MAX_REMEMBERED // 2])
            self._given = {name: given for name, given in self._given.items() if given > self._level}


class Room:
    """So many places for work at the same time. One share holds three quarters of them at most."""

    def __init__(self, places: int) -> None:
        self._free = places
        self._most = max(1, places - places // RESERVED)
        self._held: Counter[str] = Counter()
        self._waiting = Lanes()

    @asynccontextmanager
    async def place(self, claim: Claim) -> AsyncIterator[None]:
        """Wait for a place and hold it."""
        waiter = self._waiting.wait(claim)
        self._admit()
        try:
            share = str(await waiter)
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                self._leave(str(waiter.result()))
            raise
        try:
            yield
        finally:
            self._leave(share)

    def _admit(self) -> None:
        while self._free and (share := self._waiting.next(self._rank)) is not None:
            self._free -= 1
            self._held[share] += 1
            self._waiting.take(share).set_result(share)

    def _rank(self, share: str) -> float | None:
        held = self._held.get(share, 0)
        return held if held < self._most else None

    def _leave(self, share: str) -> None:
        self._free += 1
        self._held[share] -= 1
        if not self._held[share]:
            del self._held[share]
        self._admit()
