"""One connection of a listener: its phases, its time limits, and its end.

aiohttp parses requests, answers them, bounds lines and headers, and closes idle connections. `RequestReader` reads the requests and
bounds their bytes. This class bounds slow headers, peers that do not read their answers, and the age of the connection. It answers
in aiohttp's place when a request has to end before its handler has begun.
"""

import asyncio
import random
from collections.abc import Callable
from http import HTTPStatus
from math import inf
from typing import TYPE_CHECKING, Final, cast

from aiohttp.web import RequestHandler

from tidegate.webhook.server.ended import Ended
from tidegate.webhook.server.phase import Phase
from tidegate.webhook.server.reply import ServerResponse, refusal, render_head
from tidegate.webhook.server.request_reader import RequestReader

if TYPE_CHECKING:
    from tidegate.webhook.server.connection_table import ConnectionTable

_SLOW_HEAD: Final = refusal(HTTPStatus.REQUEST_TIMEOUT, "the request headers did not arrive in time")
_NO_ROOM: Final = refusal(HTTPStatus.SERVICE_UNAVAILABLE, "too many connections, and this one was too slow")
_NO_BYTES: Final = refusal(HTTPStatus.SERVICE_UNAVAILABLE, "too many bytes of requests, and this one came too slowly")
_MAX_RECORD_BYTES: Final = 18 * 1024 + 512
"""More than a TLS record takes: with less of it the rest must still be read."""
OVERDUE: Final = refusal(HTTPStatus.SERVICE_UNAVAILABLE, "the request took too long")


class Connection(asyncio.BufferedProtocol):
    """Stand between a transport and aiohttp's protocol. Times are those of the event loop; inf means no limit."""

    def __init__(self, table: "ConnectionTable", peer: str, make_inner: Callable[[], RequestHandler]) -> None:
        self._table = table
        self._limits = table.limits
        self._loop = table.loop
        self._make_inner = make_inner
        self._transport: asyncio.Transport | None = None
        self._write_by = inf
        """When the peer must have read its answers."""
        self._expires = inf
        """When the connection has reached its age."""
        self._timeout_reply: ServerResponse | None = None
        self.peer = peer
        """The peer's address."""
        self.phase = Phase.HANDSHAKE
        self.act_by = inf
        """When the quiet, the headers or the closing must have ended."""
        self.since = self._loop.time()
        """When the handshake, the quiet or the closing began, or when the first byte of the current request arrived."""
        self.was_answered = False
        """Whether a request of it was answered and not refused."""
        self.held_bytes = 0
        """Memory that the current request takes while it arrives; the table counts it."""
        self.full_service = True
        """Whether all routes are served, or only the essential ones."""
        self.timeout: asyncio.Timeout | None = None
        """The time limit of the body or the handler that is awaited, if one is."""
        self.handshake: asyncio.Task[None] | None = None
        """The task of the TLS handshake."""

    # -- transport events ---------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start quiet: a client may connect before it has a request."""
        # uvloop's transports are no subclasses of asyncio's.
        self._transport = cast("asyncio.Transport", transport)
        self._inner = self._make_inner()
        self.reader = RequestReader(self, self._table, self._transport, self._inner)
        self._table.by_handler[self._inner] = self
        age = self._limits.max_age_seconds
        now = self._loop.time()
        self._expires = now + age - random.uniform(0, age * self._limits.age_jitter)  # noqa: S311 - spreads load only
        if hasattr(transport, "set_read_buffer_limits"):
            # TLS would else read 256 KiB while nothing is taken from it.
            transport.set_read_buffer_limits(_MAX_RECORD_BYTES, _MAX_RECORD_BYTES)
        self._rest(now)
        self._inner.connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Pass on; aiohttp cancels the handler, whose answer could not be sent."""
        self.phase = Phase.CLOSING
        self.act_by = self._write_by = inf
        self._transport = None
        self.reader.lose_transport()
        self._table.by_handler.pop(self._inner, None)
        self._table.leave(self)
        self._inner.connection_lost(exc)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - asyncio's signature
        """Return the room for what arrives next, which all connections share: `buffer_updated` copies it at once.

        uvloop would else take 256 KiB for each read, and the allocator maps and unmaps as much memory each time.
        """
        return self._table.read_buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Take what has arrived."""
        assert self._transport is not None
        if self.phase is not Phase.CLOSING and not self._transport.is_closing():
            self.reader.receive(bytes(self._table.read_buffer[:nbytes]))

    def eof_received(self) -> None:
        """Pass on, and let the transport close: half-closed connections are not supported."""
        self._inner.eof_received()

    def pause_writing(self) -> None:
        """Pass on, and start the time limit of a peer that does not read its answers."""
        now = self._loop.time()
        self._write_by = now + self._limits.write_seconds
        if self.phase is Phase.WORK:
            self.phase, self.since = Phase.ANSWER, now
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        """Pass on, and stop that time limit."""
        self._write_by = inf
        self._inner.resume_writing()

    # -- request events -----------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Note that the headers were read and the request is dispatched."""
        self.act_by = inf
        self.phase = Phase.WORK
        if self.held_bytes or not self.reader.has_head:
            self.reader.end_head()

    def end(self, *, status: int, keep_alive: bool) -> None:
        """Note that an answer was written."""
        now = self._loop.time()
        if self._transport is None:
            return
        self.was_answered = self.was_answered or status == HTTPStatus.OK
        if keep_alive:
            self._rest(now)
        else:
            # aiohttp closes, after discarding what still arrives of a body for `linger_seconds`.
            self.phase, self.since = Phase.CLOSING, now
            self.act_by = now + self._limits.linger_seconds + self._limits.close_seconds
            self.reader.discard()

    # -- limits and the end -------------------------------------------------------------------------------------------

    @property
    def is_old(self) -> bool:
        """Whether the connection has reached its age and should end with the next answer."""
        return self._loop.time() >= self._expires

    def sweep(self, now: float) -> None:
        """Act on the limits that have passed."""
        if now >= self._write_by:
            self._table.ended[Ended.TIME] += 1
            self.abort()
        elif now >= self.act_by:
            self._expire()

    def _expire(self) -> None:
        if self.phase is Phase.QUIET:
            self.close()
            return
        self._table.ended[Ended.TIME] += 1
        if self.phase is Phase.HEAD:
            self.refuse(_SLOW_HEAD)
        else:
            self.abort()

    def evict(self) -> None:
        """End to make room for another connection; answer a request that has begun."""
        if self.phase is Phase.HEAD:
            self.refuse(_NO_ROOM)
        elif self.timeout is not None:
            self.give_up(_NO_ROOM)
        else:
            self.abort()

    def refuse_bytes(self) -> None:
        """End the request that arrives, to make room for the bytes of others. One that has arrived goes on if it is all that did."""
        if self.phase in {Phase.HEAD, Phase.BODY}:
            self.refuse(_NO_BYTES)
        elif self.reader.behind:
            self.abort()

    def give_up(self, reply: ServerResponse = OVERDUE) -> None:
        """End the wait for a body or for a handler now; it is answered with the reply, unless its own time is over already."""
        if self.timeout is not None and not self.timeout.expired():
            self._timeout_reply = reply
            self.timeout.reschedule(self._loop.time())

    def timeout_reply(self, reply: ServerResponse) -> ServerResponse:
        """Return what `give_up` gave as the answer to a wait that has timed out, else the reply."""
        return self._timeout_reply or reply

    def close(self) -> None:
        """Close when everything written was sent; abort after `close_seconds`."""
        if self._transport is None:
            return
        self.phase, self.since = Phase.CLOSING, self._loop.time()
        self.act_by = self.since + self._limits.close_seconds
        self.reader.drop()
        self._transport.close()

    def abort(self) -> None:
        """Close at once, losing what was not sent."""
        if self.phase is Phase.HANDSHAKE and self.handshake is not None:
            self.handshake.cancel()
        elif self._transport is not None:
            self.phase = Phase.CLOSING
            self.act_by = inf
            self.reader.drop()
            # Not now: asyncio fails if TLS is aborted while it reads what a peer left that has closed.
            self._loop.call_soon(self._transport.abort)

    def refuse(self, reply: ServerResponse) -> None:
        """Answer in aiohttp's place. Only while no answer to the current request can have begun: HEAD and BODY."""
        assert self._transport is not None
        self._table.answers[reply.status] += 1
        self._transport.write(render_head(reply, keep_alive=False) + reply.body)
        self.close()
        # aiohttp frees what it has parsed; the peer may take its time to close.
        self._inner.connection_lost(None)

    def _rest(self, now: float) -> None:
        """Wait for the next request. aiohttp closes what is idle for too long; while draining that is much sooner."""
        self.phase, self.since = Phase.QUIET, now
        self._table.used(self)
        self.act_by = now + self._limits.linger_seconds if self._table.draining else inf
        if self.reader.behind:
            self.reader.receive_behind()
