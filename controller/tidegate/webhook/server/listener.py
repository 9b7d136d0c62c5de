"""A listening port: it accepts, counts, checks time limits and drains. `connection.py` has the limits of one connection.

Connections are accepted here and not by `loop.create_server`, which shows a connection only after its TLS handshake:
half-open connections could then be neither counted nor bounded.
"""

import asyncio
import contextlib
import errno
import socket
import ssl
from collections.abc import Sequence
from typing import Final

import structlog

from tidegate.webhook.server.address_space import check_address_space
from tidegate.webhook.server.connection import Connection
from tidegate.webhook.server.connection_table import ConnectionTable
from tidegate.webhook.server.dispatch import protocol_factory
from tidegate.webhook.server.ended import Ended
from tidegate.webhook.server.limits import ServerLimits
from tidegate.webhook.server.phase import Phase
from tidegate.webhook.server.route import Route, RouteTable

_FATAL: Final = frozenset({errno.EBADF, errno.EINVAL, errno.ENOTSOCK})
_log = structlog.get_logger(__name__)


class Listener:
    """Serve routes on one port, with TLS when a context is given. Made and used in one running event loop."""

    def __init__(
        self, *, name: str, routes: Sequence[Route], limits: ServerLimits | None = None, tls: ssl.SSLContext | None
    ) -> None:
        self._name = name
        self._limits = limits if limits is not None else ServerLimits()
        self._tls = tls
        self._loop = asyncio.get_running_loop()
        self.table = ConnectionTable(name=name, routes=RouteTable(routes), limits=self._limits, loop=self._loop)
        """The connections, and the counters that metrics are made of."""
        self.port = 0
        """The port that is listened on; 0 before `start`."""
        self._make_protocol = protocol_factory(self.table)
        self._socket: socket.socket | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._stopped = asyncio.Event()

    async def start(self, host: str | None, port: int) -> None:
        """Listen on host and port; None means every interface, IPv4 and IPv6. Raises OSError."""
        self._socket = _listen(host, port, self._limits)
        self.port = self._socket.getsockname()[1]
        self._tasks = [self._loop.create_task(self._accept(self._socket)), self._loop.create_task(self._sweep())]
        for task in self._tasks:
            task.add_done_callback(self._report)
        _log.info("listening", listener=self._name, port=self.port, tls=self._tls is not None)

    async def serve(self) -> None:
        """Wait until drained; raise what ended the accepting or the sweeping before that."""
        stopped = asyncio.ensure_future(self._stopped.wait())
        try:
            done, _ = await asyncio.wait([stopped, *self._tasks], return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopped.cancel()
        if self.table.draining:
            await self._stopped.wait()
            return
        for task in done:
            task.result()
        raise RuntimeError(f"listener {self._name} stopped by itself")

    async def drain(self, seconds: float) -> None:
        """End in order within about `seconds`.

        1. Answers say `Connection: close`; new connections are still accepted for `notice_seconds`, at most half of the
           time. 2. The port is closed, and with it the connections that are quiet. 3. Requests in progress are awaited.
        4. What is left is answered with 503. Cancelling this call skips to the end.
        """
        if self._socket is None:
            return
        if self.table.draining:
            await self._stopped.wait()
            return
        deadline = self._loop.time() + seconds
        self.table.draining = True
        try:
            await asyncio.sleep(min(self._limits.notice_seconds, seconds / 2))
            self._tasks[0].cancel()
            await asyncio.wait(self._tasks[:1])
            self._socket.close()
            for connection in list(self.table.connections):
                if connection.phase is Phase.QUIET:
                    connection.close()
            await self._wait_empty(deadline)
            for connection in list(self.table.connections):
                connection.give_up()
            await self._wait_empty(self._loop.time() + min(self._limits.close_seconds, seconds))
        finally:
            for task in self._tasks:
                task.cancel()
            for connection in list(self.table.connections):
                connection.abort()
            self._socket.close()
            self._stopped.set()

    async def _wait_empty(self, deadline: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(deadline):
                await self.table.empty.wait()

    async def _accept(self, listening: socket.socket) -> None:
        while True:
            await self._wait_for_room()
            try:
                accepted, address = await self._loop.sock_accept(listening)
            except OSError as error:
                if error.errno in _FATAL:
                    raise
                _log.warning("cannot accept a connection", listener=self._name, error=str(error))
                await asyncio.sleep(self._limits.accept_pause_seconds)
            else:
                connection = Connection(self.table, address[0], self._make_protocol)
                connection.full_service = self.table.enter(connection)
                connection.handshake = self._loop.create_task(self._shake_hands(connection, accepted))
                check_address_space(self.table.connections)
                # A flood of connections must not keep the loop from those that are served.
                await asyncio.sleep(0)

    async def _wait_for_room(self) -> None:
        """Leave further connections in the kernel's queue while no connection may end for another."""
        table = self.table
        most = self._limits.max_connections + self._limits.spare_connections
        if len(table.connections) < most:
            return
        table.waits += 1
        while len(table.connections) >= most:
            table.left.clear()
            table.make_room(newcomer=None)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._limits.sweep_seconds):
                    await table.left.wait()

    async def _shake_hands(self, connection: Connection, accepted: socket.socket) -> None:
        tls, limits = self._tls, self._limits
        accepted.setblocking(False)
        try:
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await self._loop.connect_accepted_socket(
                lambda: connection,
                accepted,
                ssl=tls,
                ssl_handshake_timeout=limits.handshake_seconds if tls is not None else None,
                ssl_shutdown_timeout=limits.close_seconds if tls is not None else None,
            )
        except OSError:
            # Port scans, plain HTTP on a TLS port, clients that do not trust the certificate.
            self.table.ended[Ended.HANDSHAKE] += 1
        finally:
            connection.handshake = None
            if connection.phase is Phase.HANDSHAKE:
                self.table.leave(connection)

    def _report(self, task: asyncio.Task[None]) -> None:
        """Report at once what ended the accepting or the sweeping: `serve` may be awaited later, or not at all."""
        if not task.cancelled() and (error := task.exception()) is not None:
            message = f"listener {self._name} stopped"
            self._loop.call_exception_handler({"message": message, "exception": error, "task": task})

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(self._limits.sweep_seconds)
            now = self._loop.time()
            for connection in list(self.table.connections):
                connection.sweep(now)
            self.table.summarize()


def _listen(host: str | None, port: int, limits: ServerLimits) -> socket.socket:
    dual = host is None and socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if dual or ":" in (host or "") else socket.AF_INET
    sock = socket.create_server((host or "", port), family=family, backlog=limits.backlog, dualstack_ipv6=dual)
    # Accepted connections inherit these sizes. The kernel doubles them.
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, limits.receive_buffer_bytes // 2)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, limits.send_buffer_bytes // 2)
    sock.setblocking(False)
    return sock
