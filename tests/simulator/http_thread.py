"""An HTTP server of aiohttp in a thread of its own, on 127.0.0.1, while used as a context manager."""

import asyncio
import contextlib
import ssl
import threading
from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self

from aiohttp import web

START_SECONDS = 10.0
KEEP_ALIVE_SECONDS = 300.0
BACKLOG = 2048
TURNS = 10
"""Turns of the event loop at the end: a connection is accepted and closed in several."""


class HttpThread(ABC):
    """Serve what ``_handle`` answers over HTTP, or HTTPS with ``tls``.

    ``address`` is where it listens, such as that of a bridge for Pods to reach it. Port 0 takes a free one; ``origin`` and
    ``port`` are known once it serves.
    """

    def __init__(self, *, tls: ssl.SSLContext | None = None, address: str = "127.0.0.1", port: int = 0) -> None:
        self.origin = ""
        self.port = port
        self.tls = tls
        self.stopping = asyncio.Event()
        self._address = address
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ready = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=type(self).__name__, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._ready.wait(START_SECONDS):
            raise TimeoutError(f"{type(self).__name__} did not start within {START_SECONDS} s")
        if self._error is not None:
            raise self._error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self.stopping.set)
        self._thread.join(START_SECONDS)

    @property
    def host(self) -> str:
        """Give ``ADDRESS:PORT``."""
        return f"{self._address}:{self.port}"

    @abstractmethod
    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer a request."""

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:  # noqa: BLE001  # the starting thread raises it
            self._error = error
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        server = web.Server(self._handle, access_log=None, keepalive_timeout=KEEP_ALIVE_SECONDS)
        runner = web.ServerRunner(server, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, self._address, self.port, ssl_context=self.tls, backlog=BACKLOG)
        try:
            await site.start()
            self.port = runner.addresses[0][1]
            self.origin = f"{'https' if self.tls else 'http'}://{self.host}"
            self._ready.set()
            await self.stopping.wait()
            # asyncio leaves a connection half made that it accepts in the turn in which its server closes.
            for listening in site._server.sockets:  # type: ignore[union-attr]
                self._loop.remove_reader(listening)
            await asyncio.sleep(0)
        finally:
            await runner.cleanup()
            # aiohttp does not know connections yet that are still shaking hands or were just accepted.
            for _ in range(TURNS):
                for transport in list(getattr(self._loop, "_transports", {}).values()):
                    transport.abort()
                await asyncio.sleep(0)
