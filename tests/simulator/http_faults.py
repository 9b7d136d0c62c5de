"""Bad answers of an HTTP server, ordered by tests: another status, other headers, silence, or any bytes at any pace."""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from aiohttp import web


@dataclass(kw_only=True)
class HttpFault:
    """What to answer instead of the truth, to requests whose ``METHOD /path?query`` holds ``about``.

    ``times`` is how often (None: always). ``status``, ``headers`` and ``body`` make an answer of their own. ``raw`` are
    pieces written to the connection just so, head included, with ``pause_seconds`` after each, the last one again and
    again where ``endless``; then the connection ends. ``hang`` never answers, ``cut`` ends the connection at once.
    """

    about: str = ""
    times: int | None = None
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    raw: Sequence[bytes] = ()
    pause_seconds: float = 0.0
    endless: bool = False
    hang: bool = False
    cut: bool = False
    hits: int = 0

    def strikes(self, line: str) -> bool:
        """Tell whether this request gets it, and count it."""
        if self.about not in line or (self.times is not None and self.hits >= self.times):
            return False
        self.hits += 1
        return True


async def play(fault: HttpFault, request: web.BaseRequest, stopping: asyncio.Event) -> web.StreamResponse:
    """Answer a request as the fault says."""
    transport = request.transport
    assert transport is not None
    if fault.status is not None:
        return web.Response(status=fault.status, headers=dict(fault.headers), body=fault.body)
    if fault.hang:
        await stopping.wait()
    for piece in fault.raw:
        transport.write(piece)
        await _pause(fault.pause_seconds, stopping)
    while fault.endless and not transport.is_closing() and not stopping.is_set():
        transport.write(fault.raw[-1])
        await _pause(fault.pause_seconds, stopping)
    if fault.cut or fault.hang:
        transport.abort()
    else:
        transport.close()
    return web.Response()


async def _pause(seconds: float, stopping: asyncio.Event) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stopping.wait(), seconds or 0.0001)
