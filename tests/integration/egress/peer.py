"""An HTTP server that answers as a test says, and remembers what it was asked."""

import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from tests.simulator.http_faults import HttpFault, play
from tests.simulator.http_thread import HttpThread


@dataclass(frozen=True, kw_only=True)
class Asked:
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    peer: Any


class Peer(HttpThread):
    """Serve while used as a context manager; paths without an answer are 404."""

    def __init__(self, *, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(tls=tls)
        self.asked: list[Asked] = []
        self.answers: dict[str, HttpFault | Callable[[Asked], HttpFault]] = {}

    def answer(self, path: str, body: bytes = b"", *, status: int = 200, **more: Any) -> None:
        """Answer so at a path from now on; or with the ``raw`` bytes of a fault, or its silence."""
        if more.keys() & {"raw", "hang", "cut"}:
            self.answers[path] = HttpFault(**more)
        else:
            self.answers[path] = HttpFault(status=status, body=body, **more)

    def url(self, path: str = "/", host: str = "127.0.0.1") -> str:
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}{path}"

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        assert request.transport is not None
        asked = Asked(
            method=request.method,
            path=request.raw_path,
            headers=request.headers.copy(),
            body=await request.content.read(),
            peer=request.transport.get_extra_info("peername"),
        )
        self.asked.append(asked)
        found = self.answers.get(request.path)
        if found is None:
            return web.Response(status=404)
        return await play(found if isinstance(found, HttpFault) else found(asked), request, self.stopping)
