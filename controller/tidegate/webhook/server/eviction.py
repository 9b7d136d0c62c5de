"""Choose the connections that end when there are too many of them, or when they hold too many bytes. It ends none itself.

Slow connections without any answer so far go first, requests that are worked on last. While there is room, one address
may have all of it: all API servers can come from a single address.
"""

import heapq
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

from tidegate.webhook.server.connection import Connection
from tidegate.webhook.server.limits import ServerLimits
from tidegate.webhook.server.phase import Phase

MOST_SHARES: Final = 4
"""The room is shared by the addresses that hold some of it, but an address with a quarter of it is never over its share:
otherwise an attacker with many addresses could take the room of a few API servers."""
SLOW_AT_ONCE: Final = 32
"""Slow connections end by 1/32 of the room at once: searching for each one separately would cost too much."""


def connections_to_end(
    connections: Iterable[Connection], newcomer: str | None, *, limits: ServerLimits, now: float
) -> Sequence[Connection]:
    """Return the connections that end so that one from the newcomer's address is served; none if all are worth more.

    1. Slow ones: a handshake, an arriving request, an answer that is read, or a closing that takes `grace_seconds`; or
    as long a quiet without any request before it. 2. The one that is idle longest. 3. A request in progress for an
    address above its share, if the newcomer's address is within its own. Among equals, those without an answer so far
    go first, then those of an address above its share, then the oldest. The newcomer is None if its address is not
    known yet.
    """
    counts = Counter([one.peer for one in connections])
    if newcomer is not None:
        counts[newcomer] += 1
    share = limits.max_connections // min(len(counts), MOST_SHARES)
    slow, idle, working = [], [], []
    for one in connections:
        if one.phase is Phase.WORK:
            if newcomer is not None and counts[one.peer] > share >= counts[newcomer]:
                working.append(one)
        elif one.phase is Phase.QUIET and one.was_answered:
            idle.append(one)
        elif now - one.since >= limits.grace_seconds:
            slow.append(one)

    def worth(one: Connection) -> tuple[bool, bool, float]:
        return one.was_answered, counts[one.peer] <= share, one.since

    if slow:
        return heapq.nsmallest(max(1, limits.max_connections // SLOW_AT_ONCE), slow, key=worth)
    return [min(idle or working, key=worth)] if idle or working else []


def holder_to_end(connections: Iterable[Connection], *, limits: ServerLimits, now: float) -> Connection:
    """Return the connection whose request ends to make room for the bytes of others.

    It is the one that has held the most bytes for the longest time, among those of an address above its share if there
    are any. At least one connection must hold bytes.
    """
    holders = [one for one in connections if one.held_bytes]
    held: Counter[str] = Counter()
    for one in holders:
        held[one.peer] += one.held_bytes
    share = limits.max_buffered_bytes // min(len(held), MOST_SHARES)
    return max(holders, key=lambda one: (held[one.peer] > share, one.held_bytes * (now - one.since)))
