"""The connections of one listener, and counters of what was accepted, answered, held in memory and ended."""

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

import structlog

from tidegate.webhook.server.ended import Ended
from tidegate.webhook.server.eviction import connections_to_end, holder_to_end
from tidegate.webhook.server.limits import ServerLimits
from tidegate.webhook.server.route import RouteTable

if TYPE_CHECKING:
    from aiohttp.web import RequestHandler

    from tidegate.webhook.server.connection import Connection

_log = structlog.get_logger(__name__)


class ConnectionTable:
    """Knows every connection of a listener. Used from one event loop only, so nothing is locked.

    Metrics are made of the counters: `answers` by status, `accepted` and `closed` connections, `ended` ones by reason, and `waits`:
    how often connections had to wait in the kernel's queue for room.
    """

    def __init__(self, *, name: str, routes: RouteTable, limits: ServerLimits, loop: asyncio.AbstractEventLoop) -> None:
        self.name = name
        self.routes = routes
        self.limits = limits
        self.loop = loop
        self.draining = False
        self.connections: dict[Connection, None] = {}
        """Every connection that was accepted, also during its TLS handshake; the last used is the last."""
        self.by_handler: dict[RequestHandler, Connection] = {}
        """The connections by aiohttp's protocol of each."""
        self.read_buffer = memoryview(bytearray(limits.receive_buffer_bytes))
        """What has arrived on one connection, until that connection copies it in the same turn of the loop."""
        self.buffered_bytes = 0
        self.answers: Counter[int] = Counter()
        self.ended: Counter[Ended] = Counter()
        self.accepted = 0
        self.closed = 0
        self.waits = 0
        self.left = asyncio.Event()
        """Set when a connection has ended."""
        self.empty = asyncio.Event()
        self.empty.set()
        self._ended_before: Counter[Ended] = Counter()
        self.expected: Counter[int] = Counter()
        """Refusals that this process itself provokes, by status: they are counted, and not logged."""
        self._summarized: Counter[int] = Counter()
        self._summarized_at = 0.0
        self._failure_logged_at = float("-inf")

    def enter(self, connection: "Connection") -> bool:
        """Add a new connection; return whether it is served in full (else only essential routes)."""
        full_service = len(self.connections) < self.limits.max_connections or self.make_room(connection.peer)
        self.accepted += 1
        self.connections[connection] = None
        self.empty.clear()
        return full_service

    def has_room(self, connection: "Connection") -> bool:
        """Tell whether there is room now for a connection that had none."""
        return len(self.connections) <= self.limits.max_connections or self.make_room(connection.peer)

    def used(self, connection: "Connection") -> None:
        """Note that a connection has become quiet; the order of `connections` tells which was used last."""
        self.connections.pop(connection, None)
        self.connections[connection] = None

    def leave(self, connection: "Connection") -> None:
        """Remove a connection that has ended."""
        self.connections.pop(connection, None)
        self.release(connection)
        self.closed += 1
        self.left.set()
        if not self.connections:
            self.empty.set()

    def make_room(self, newcomer: str | None) -> bool:
        """End connections to make room for one from the newcomer's address; return whether there were any."""
        ending = connections_to_end(self.connections, newcomer, limits=self.limits, now=self.loop.time())
        for connection in ending:
            self.ended[Ended.ROOM] += 1
            connection.evict()
        return bool(ending)

    def hold(self, connection: "Connection", size: int) -> None:
        """Count memory of what has arrived. Where it is too much, end the request that has held the most for the longest."""
        connection.held_bytes += size
        self.buffered_bytes += size
        while self.buffered_bytes > self.limits.max_buffered_bytes:
            holder = holder_to_end(self.connections, limits=self.limits, now=self.loop.time())
            self.ended[Ended.BYTES] += 1
            self.release(holder)
            holder.refuse_bytes()

    def release(self, connection: "Connection", size: int | None = None) -> None:
        """Stop counting bytes that a connection holds: at most as many as are counted, or all of them."""
        freed = connection.held_bytes if size is None else min(size, connection.held_bytes)
        self.buffered_bytes -= freed
        connection.held_bytes -= freed

    def log_failure(self, error: BaseException, path: str) -> None:
        """Log a failing handler with its traceback, at most once per `summary_seconds`."""
        now = self.loop.time()
        if now - self._failure_logged_at >= self.limits.summary_seconds:
            self._failure_logged_at = now
            _log.error("request handler failed", listener=self.name, path=path, exc_info=error)

    def summarize(self) -> None:
        """Log the numbers of refusals and ended connections since the last summary."""
        now = self.loop.time()
        if now - self._summarized_at < self.limits.summary_seconds:
            return
        self._summarized_at = now
        refused = Counter({status: count for status, count in self.answers.items() if status >= 400})  # noqa: PLR2004
        refused.subtract(self.expected)
        ended = self.ended.copy()
        statuses, reasons = refused - self._summarized, ended - self._ended_before
        self._summarized |= refused
        self._ended_before = ended
        if statuses:
            _log.warning("requests refused", listener=self.name, by_status=dict(sorted(statuses.items())))
        if reasons:
            # A failed handshake is the peer's problem: a port scan, or a probe that only connects.
            say = _log.info if set(reasons) == {Ended.HANDSHAKE} else _log.warning
            by_reason = {reason.value: count for reason, count in sorted(reasons.items())}
            say("connections ended", listener=self.name, by_reason=by_reason, open=len(self.connections))
