"""A listening port: it accepts, counts, checks time limits and drains. What a connection may do is in guard.py.

Connections are accepted here and not by `loop.create_server`, since that one hides a connection until its TLS
handshake is done: half-open ones could then be neither counted nor bounded.
"""

import asyncio
import contextlib
import errno
import socket
import ssl
from collections import Counter
from collections.abc import Sequence
from typing import Final

import structlog
from aiohttp import web

from tidegate.webhook.server.connection import Connection, Phase
from tidegate.webhook.server.connection_table import ConnectionTable
from tidegate.webhook.server.dispatch import make_server
from tidegate.webhook.server.ended import Ended
from tidegate.webhook.server.limits import ServerLimits
from tidegate.webhook.server.route import Route, RouteTable

_FATAL: Final = frozenset({errno.EBADF, errno.EINVAL, errno.ENOTSOCK})
_log = structlog.get_logger(__name__)


class Listener:
    """Serve a route table on one port, with TLS when a context is given."""

    def __init__(
        self, *, name: str, routes: Sequence[Route], limits: ServerLimits | None = None, tls: ssl.SSLContext | None
    ) -> None:
        self._name = name
        self._routes = RouteTable(routes)
        self._limits = limits if limits is not None else ServerLimits()
        self._tls = tls
        self.expected: Counter[int] = Counter()
        """Refusals that this process itself provokes, by status: they are counted, and not logged."""
        self._ledger: ConnectionTable | None = None
        self._server: web.Server | None = None
        self._sockets: list[socket.socket] = []
        self._port = 0
        self._accepting: list[asyncio.Task[None]] = []
        self._sweeping: asyncio.Task[None] | None = None
        self._stopped = asyncio.Event()

    @property
    def ledger(self) -> ConnectionTable:
        """The books, for telemetry; there are none before `start`."""
        if self._ledger is None:
            raise RuntimeError(f"listener {self._name} was not started")
        return self._ledger

    @property
    def port(self) -> int:
        """The port that is listened on; of use when 0 was asked for."""
        return self._port

    @property
    def connections_closed(self) -> int:
        """How many connections have ended, 0 before `start`."""
        return 0 if self._ledger is None else self._ledger.closed

    @property
    def is_draining(self) -> bool:
        """Whether the end has begun."""
        return self._ledger is not None and self._ledger.draining

    async def start(self, host: str | None, port: int) -> None:
        """Listen on host and port; None means every interface, IPv4 and IPv6. Raises OSError."""
        loop = asyncio.get_running_loop()
        self._ledger = ConnectionTable(
            name=self._name, routes=self._routes, limits=self._limits, loop=loop, expected=self.expected
        )
        self._server = make_server(self._ledger)
        self._sockets = [_listen(host, port, self._limits)]
        self._port = self._sockets[0].getsockname()[1]
        self._accepting = [loop.create_task(self._accept(sock)) for sock in self._sockets]
        self._sweeping = loop.create_task(self._sweep())
        _log.info("listening", listener=self._name, port=self.port, tls=self._tls is not None)

    async def serve(self) -> None:
        """Wait until drained; raise what ended the accepting or the sweeping before that."""
        assert self._sweeping is not None
        stopped = asyncio.ensure_future(self._stopped.wait())
        try:
            done, _ = await asyncio.wait(
                [stopped, self._sweeping, *self._accepting], return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            stopped.cancel()
        if self.is_draining:
            await self._stopped.wait()
            return
        for task in done:
            task.result()
        raise RuntimeError(f"listener {self._name} stopped by itself")

    async def drain(self, seconds: float) -> None:
        """End in order within about `seconds`.

        1. Answers say `Connection: close`; new connections are still taken for `notice_seconds`, at most half of the
           time. 2. The port is closed, and with it the connections that are quiet. 3. Requests in work are awaited.
        4. What is left is answered with 503. Cancelling this call skips to the end.
        """
        if self._ledger is None:
            return
        if self._ledger.draining:
            await self._stopped.wait()
            return
        loop = self._ledger.loop
        deadline = loop.time() + seconds
        self._ledger.draining = True
        try:
            await asyncio.sleep(min(self._limits.notice_seconds, seconds / 2))
            await self._stop_accepting()
            for connection in list(self._ledger.connections):
                if connection.phase is Phase.QUIET:
                    connection.close()
            await self._wait_empty(deadline)
            for connection in list(self._ledger.connections):
                connection.give_up()
            await self._wait_empty(loop.time() + min(self._limits.close_seconds, seconds))
        finally:
            self._abandon()

    async def _wait_empty(self, deadline: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(deadline):
                await self.ledger.empty.wait()

    async def _stop_accepting(self) -> None:
        for task in self._accepting:
            task.cancel()
        await asyncio.gather(*self._accepting, return_exceptions=True)
        for sock in self._sockets:
            sock.close()

    def _abandon(self) -> None:
        for task in (*self._accepting, self._sweeping):
            if task is not None:
                task.cancel()
        for connection in list(self.ledger.connections):
            connection.abort()
        for sock in self._sockets:
            sock.close()
        self._stopped.set()

    async def _accept(self, sock: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._wait_for_room()
            try:
                peer, address = await loop.sock_accept(sock)
            except OSError as error:
                if error.errno in _FATAL:
                    raise
                _log.warning("cannot accept a connection", listener=self._name, error=str(error))
                await asyncio.sleep(self._limits.accept_pause_seconds)
            else:
                self._admit(peer, address[0])
                # A flood of connections must not keep the loop from those that are served.
                await asyncio.sleep(0)

    async def _wait_for_room(self) -> None:
        """Leave further connections in the kernel's queue while all that there are may stay."""
        ledger = self.ledger
        most = self._limits.max_connections + self._limits.spare_connections
        if len(ledger.connections) < most:
            return
        ledger.waits += 1
        while len(ledger.connections) >= most:
            ledger.left.clear()
            ledger.make_room(newcomer=None)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._limits.sweep_seconds):
                    await ledger.left.wait()

    def _admit(self, peer: socket.socket, address: str) -> None:
        ledger, make_inner = self.ledger, self._server
        assert make_inner is not None
        guard = Connection(ledger, address, make_inner)
        guard.full_service = ledger.enter(guard)
        guard.handshake = ledger.loop.create_task(self._shake_hands(guard, peer))

    async def _shake_hands(self, guard: Connection, peer: socket.socket) -> None:
        ledger, limits = self.ledger, self._limits
        peer.setblocking(False)
        tls_seconds = limits.handshake_seconds if self._tls is not None else None
        shutdown_seconds = limits.close_seconds if self._tls is not None else None
        try:
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await ledger.loop.connect_accepted_socket(
                lambda: guard,
                peer,
                ssl=self._tls,
                ssl_handshake_timeout=tls_seconds,
                ssl_shutdown_timeout=shutdown_seconds,
            )
        except OSError:
            # Port scans, plain HTTP on a TLS port, clients that do not trust the certificate.
            ledger.ended[Ended.HANDSHAKE] += 1
        finally:
            guard.handshake = None
            if guard.phase is Phase.HANDSHAKE:
                ledger.leave(guard)

    async def _sweep(self) -> None:
        ledger = self.ledger
        while True:
            await asyncio.sleep(self._limits.sweep_seconds)
            now = ledger.loop.time()
            for connection in list(ledger.connections):
                connection.sweep(now)
            ledger.summarize()


def _listen(host: str | None, port: int, limits: ServerLimits) -> socket.socket:
    if host is None:
        dual = socket.has_dualstack_ipv6()
        family = socket.AF_INET6 if dual else socket.AF_INET
        sock = socket.create_server(("", port), family=family, backlog=limits.backlog, dualstack_ipv6=dual)
    else:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        sock = socket.create_server((host, port), family=family, backlog=limits.backlog)
    # Accepted connections inherit it. The kernel doubles what it is given.
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, limits.receive_buffer_bytes // 2)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, limits.send_buffer_bytes // 2)
    sock.setblocking(False)
    return sock
