"""The report as a page for `kubectl port-forward`: read-only, made from the cluster's verdicts at a request.

It listens on the loopback address of the Pod alone. So only who may forward a port of the Pod can read it, and no other
Pod can. Nothing is stored by browsers, and a page of another site cannot read it, frame it or call it by its own name.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import datetime
from http import HTTPStatus
from typing import Final

import structlog

from tidegate.errors import UndeterminedError
from tidegate.reports.as_json import report_as_json
from tidegate.reports.html_page import content_security_policy, render_page
from tidegate.reports.model import Inventory
from tidegate.reports.summary import summarize
from tidegate.webhook.server.limits import ServerLimits
from tidegate.webhook.server.listener import Listener
from tidegate.webhook.server.reply import JSON, TEXT, ServerResponse
from tidegate.webhook.server.route import Route

ADDRESS: Final = "127.0.0.1"
HOSTS: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})
PAGE_PATH, JSON_PATH = "/", "/report.json"
KEPT_SECONDS: Final = 15.0
"""How long a page is reused before the verdicts are read again."""
MAX_CONNECTIONS: Final = 16
HTML: Final = "text/html; charset=utf-8"

_SAFE: Final = (
    ("Cache-Control", "no-store"),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
)
_UNREAD: Final = ServerResponse(
    status=HTTPStatus.SERVICE_UNAVAILABLE,
    body=b"the verdicts cannot be read; the log of tidegate says why\n",
    content_type=TEXT,
    headers=_SAFE,
)
_log = structlog.get_logger(__name__)


class ReportPage:
    """Answers with the page or its JSON. Requests that come together share one reading of the verdicts.

    ``read`` returns the inventory; it may raise UndeterminedError, which becomes 503.
    """

    def __init__(self, read: Callable[[], Awaitable[Inventory]], *, now: Callable[[], datetime]) -> None:
        self._read = read
        self._now = now
        self._lock = asyncio.Lock()
        self._pages: dict[str, ServerResponse] = {}
        self._until = 0.0

    def routes(self) -> tuple[Route, ...]:
        """Return the routes of the page."""
        return tuple(
            Route(method="GET", path=path, handler=handler, hosts=HOSTS)
            for path, handler in ((PAGE_PATH, self._page), (JSON_PATH, self._json))
        )

    async def _page(self, _body: bytes, _deadline_seconds: float | None) -> ServerResponse:
        return await self._answer(PAGE_PATH)

    async def _json(self, _body: bytes, _deadline_seconds: float | None) -> ServerResponse:
        return await self._answer(JSON_PATH)

    async def _answer(self, path: str) -> ServerResponse:
        loop = asyncio.get_running_loop()
        async with self._lock:
            if loop.time() >= self._until:
                try:
                    inventory = await self._read()
                except UndeterminedError as problem:
                    _log.warning("cannot read the verdicts for the report", error=str(problem))
                    return _UNREAD
                # In a thread: a large page takes seconds, and the event loop renews the Lease.
                self._pages = await asyncio.to_thread(_render, inventory, self._now())
                self._until = loop.time() + KEPT_SECONDS
            return self._pages[path]


def report_listener(read: Callable[[], Awaitable[Inventory]], *, now: Callable[[], datetime]) -> Listener:
    """Return the listener of the page, to be started on ADDRESS."""
    limits = ServerLimits(max_connections=MAX_CONNECTIONS)
    return Listener(name="report", routes=ReportPage(read, now=now).routes(), limits=limits, tls=None)


def _render(inventory: Inventory, now: datetime) -> dict[str, ServerResponse]:
    summary = summarize(inventory)
    policy = f"{content_security_policy()}; frame-ancestors 'none'; sandbox"
    html = ServerResponse(
        body=render_page(summary, inventory, now=now).encode(),
        content_type=HTML,
        headers=(("Content-Security-Policy", policy), *_SAFE),
    )
    found = json.dumps(report_as_json(summary, inventory, now=now)).encode()
    data = ServerResponse(
        body=found, content_type=JSON, headers=(("Content-Security-Policy", "default-src 'none'; sandbox"), *_SAFE)
    )
    return {PAGE_PATH: html, JSON_PATH: data}
