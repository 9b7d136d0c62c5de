"""What all connections of one listener share: who is connected, who is idle, what is held, what was answered."""

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

import structlog

from tidegate.kube.server.limits import ServerLimits
from tidegate.kube.server.route import RouteTable

if TYPE_CHECKING:
    from aiohttp.web import RequestHandler

    from tidegate.kube.server.guard import Guard

_log = structlog.get_logger(__name__)


class Ledger:
    """The books of a listener. Used from one event loop only, so nothing is locked.

    The counters are read by telemetry: `answers` by status, `accepted`, `evicted`, `overflowed` (closed unanswered),
    `failed_handshakes`, `timed_out`.
    """

    def __init__(self, *, name: str, routes: RouteTable, limits: ServerLimits, loop: asyncio.AbstractEventLoop) -> None:
        self.name = name
        self.routes = routes
        self.limits = limits
        self.loop = loop
        self.draining = False
        self.connections: dict[Guard, None] = {}
        self.quiet: dict[Guard, None] = {}
        self.guards: dict[RequestHandler, Guard] = {}
        self.buffered_bytes = 0
        self.answers: Counter[int] = Counter()
        self.accepted = 0
        self.evicted = 0
        self.overflowed = 0
        self.failed_handshakes = 0
        self.timed_out = 0
        self.empty = asyncio.Event()
        self.empty.set()
        self._summarized: Counter[int] = Counter()
        self._summarized_at = 0.0
        self._failure_logged_at = float("-inf")

    def enter(self, guard: "Guard", inner: "RequestHandler") -> bool:
        """Book a new connection; return whether it is served in full (else only essential routes)."""
        if len(self.connections) >= self.limits.max_connections and self.quiet:
            self._evict()
        self.accepted += 1
        self.connections[guard] = None
        self.guards[inner] = guard
        self.empty.clear()
        return len(self.connections) <= self.limits.max_connections

    def leave(self, guard: "Guard", inner: "RequestHandler") -> None:
        """Strike a lost connection."""
        self.quiet.pop(guard, None)
        self.connections.pop(guard, None)
        self.guards.pop(inner, None)
        if not self.guards:
            self.empty.set()

    def _evict(self) -> None:
        """End the connection that has been quiet longest."""
        guard = next(iter(self.quiet))
        self.connections.pop(guard, None)
        self.evicted += 1
        guard.abort()

    def log_failure(self, error: BaseException, path: str) -> None:
        """Log a failing handler with its traceback, at most once per `summary_seconds`: a broken handler fails often."""
        now = self.loop.time()
        if now - self._failure_logged_at >= self.limits.summary_seconds:
            self._failure_logged_at = now
            _log.error("request handler failed", listener=self.name, path=path, exc_info=error)

    def summarize(self) -> None:
        """Log what was refused since the last summary, in one line however many there were."""
        now = self.loop.time()
        if now - self._summarized_at < self.limits.summary_seconds:
            return
        self._summarized_at = now
        current = Counter({status: count for status, count in self.answers.items() if status >= 400})  # noqa: PLR2004
        news = current - self._summarized
        if news:
            _log.warning("requests refused", listener=self.name, by_status=dict(sorted(news.items())))
            self._summarized = current
