"""What all connections of one listener share: who is connected, what is held, what was answered and what was ended."""

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
    """The books of a listener. Used from one event loop only, so nothing is locked.

    Metrics are made of the counters: `answers` by status, `accepted` and `closed` connections, `ended` ones by reason, and `waits`:
    how often connections had to wait in the kernel's queue since there was no room.
    """

    def __init__(
        self,
        *,
        name: str,
        routes: RouteTable,
        limits: ServerLimits,
        loop: asyncio.AbstractEventLoop,
        expected: Counter[int],
    ) -> None:
        self.name = name
        self.routes = routes
        self.limits = limits
        self.loop = loop
        self.draining = False
        self.connections: dict[Connection, None] = {}
        """From the moment that they are accepted, so also those whose TLS handshake goes on; the last used is the last."""
        self.guards: dict[RequestHandler, Connection] = {}
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
        self.expected = expected
        self._summarized: Counter[int] = Counter()
        self._summarized_at = 0.0
        self._failure_logged_at = float("-inf")

    def enter(self, guard: "Connection") -> bool:
        """Book a new connection; return whether it is served in full (else only essential routes)."""
        full_service = len(self.connections) < self.limits.max_connections or self.make_room(guard.peer)
        self.accepted += 1
        self.connections[guard] = None
        self.empty.clear()
        return full_service

    def has_room(self, guard: "Connection") -> bool:
        """Tell whether a connection that had no room has it now."""
        return len(self.connections) <= self.limits.max_connections or self.make_room(guard.peer)

    def used(self, guard: "Connection") -> None:
        """Note that a connection has become quiet. The loop's time is too coarse to tell which was the last."""
        self.connections.pop(guard, None)
        self.connections[guard] = None

    def leave(self, guard: "Connection") -> None:
        """Strike a connection that has ended."""
        self.connections.pop(guard, None)
        self.closed += 1
        self.left.set()
        if not self.connections:
            self.empty.set()

    def make_room(self, newcomer: str | None) -> bool:
        """End connections that are worth less than one from the newcomer's address; return whether there were any."""
        ending = connections_to_end(self.connections, newcomer, limits=self.limits, now=self.loop.time())
        for guard in ending:
            self.ended[Ended.ROOM] += 1
            guard.evict()
        return bool(ending)

    def hold(self, guard: "Connection", size: int) -> None:
        """Book bytes of a request. Where they are too many, end the request that has held the most for the longest."""
        guard.held_bytes += size
        self.buffered_bytes += size
        while self.buffered_bytes > self.limits.max_buffered_bytes:
            holder = holder_to_end(self.connections, limits=self.limits, now=self.loop.time())
            self.ended[Ended.BYTES] += 1
            self.release(holder)
            holder.refuse_body()

    def release(self, guard: "Connection") -> None:
        """Strike the bytes that a connection holds."""
        self.buffered_bytes -= guard.held_bytes
        guard.held_bytes = 0

    def log_failure(self, error: BaseException, path: str) -> None:
        """Log a failing handler with its traceback, at most once per `summary_seconds`: a broken handler fails often."""
        now = self.loop.time()
        if now - self._failure_logged_at >= self.limits.summary_seconds:
            self._failure_logged_at = now
            _log.error("request handler failed", listener=self.name, path=path, exc_info=error)

    def summarize(self) -> None:
        """Log what was refused and ended since the last summary, in a line each however many there were."""
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
            # A handshake that fails is the peer's affair: a port scan, a probe that only connects.
            say = _log.info if set(reasons) == {Ended.HANDSHAKE} else _log.warning
            by_reason = {reason.value: count for reason, count in sorted(reasons.items())}
            say("connections ended", listener=self.name, by_reason=by_reason, open=len(self.connections))
