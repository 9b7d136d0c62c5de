"""One connection: it passes bytes to aiohttp's protocol, with the limits of time, bytes and age that aiohttp does not have.

aiohttp parses requests, answers them, bounds lines and headers, and closes idle connections. It gets one request at a time, and
of a body no more than the handler takes: what is parsed takes up to twenty times as much memory, and if the process stood still
for a while, all peers together have sent it very much. The rest stays here as it came, is counted, and is read no further. This
class parses nothing but the end of headers and of bodies. It bounds headers that are slow or do not end, peers that do not read,
chunk framing, bytes sent ahead of an answer, and the age of a connection.
"""

import asyncio
import random
from collections.abc import Callable
from enum import Enum, auto
from http import HTTPStatus
from math import inf
from typing import TYPE_CHECKING, Final, cast

from aiohttp import StreamReader
from aiohttp.web import RequestHandler

from tidegate.webhook.server.ended import Ended
from tidegate.webhook.server.framing import (
    HTTP_2_PREFACE,
    Body,
    BodyInChunks,
    BodyOfLength,
    end_of_head,
    length_of_body,
)
from tidegate.webhook.server.reply import ServerResponse, refusal, render_closing

if TYPE_CHECKING:
    from tidegate.webhook.server.connection_table import ConnectionTable

_SLOW_HEAD: Final = refusal(HTTPStatus.REQUEST_TIMEOUT, "the request headers did not arrive in time")
_LONG_HEAD: Final = refusal(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "the request headers are too long")
_HTTP_2: Final = refusal(HTTPStatus.BAD_REQUEST, "this server speaks HTTP/1.1")
_LONG_FRAMING: Final = refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too many bytes for a body of this size")
_NO_ROOM: Final = refusal(HTTPStatus.SERVICE_UNAVAILABLE, "too many connections, and this one was too slow")
_NO_BYTES: Final = refusal(HTTPStatus.SERVICE_UNAVAILABLE, "too many bytes of requests, and this one came too slowly")
_MALFORMED: Final = refusal(HTTPStatus.BAD_REQUEST, "malformed body")
_MAX_RECORD_BYTES: Final = 18 * 1024 + 512
"""More than a TLS record takes: with less of it the rest must still be read."""
BESIDE_FACTOR: Final = 3
"""Bytes of memory for each byte of headers, chunk framing and trailers, which are kept as they came and as aiohttp parses them:
measured with 60 header lines and with 60 trailers."""
USUAL_HEAD_BYTES: Final = 1024
"""Headers of this size are in what any connection takes, and are not counted."""
OVERDUE: Final = refusal(HTTPStatus.SERVICE_UNAVAILABLE, "the request took too long")


class Phase(Enum):
    """What a connection is waiting for."""

    HANDSHAKE = auto()
    """The end of its TLS handshake."""
    QUIET = auto()
    """The first byte of a request."""
    HEAD = auto()
    """The end of the request headers."""
    BODY = auto()
    """The end of the request body."""
    WORK = auto()
    """A handler."""
    ANSWER = auto()
    """The peer, which has to read an answer."""
    CLOSING = auto()
    """The end of the connection."""


class Connection(asyncio.BufferedProtocol):
    """Stand between a transport and aiohttp's protocol. Times are those of the event loop; inf means no limit."""

    def __init__(self, table: "ConnectionTable", peer: str, make_inner: Callable[[], RequestHandler]) -> None:
        self._table = table
        self._limits = table.limits
        self._loop = table.loop
        self._make_inner = make_inner
        self._transport: asyncio.Transport | None = None
        self._act_by = inf
        self._write_by = inf
        self._expires = inf
        self._head = b""
        """What has arrived of headers that have not ended."""
        self._has_head = False
        """Whether aiohttp has all headers of the current request."""
        self._has_all = False
        """Whether aiohttp has all of the current request."""
        self._framing: Body = BodyOfLength(0)
        """Where the body of the current request ends."""
        self._behind = bytearray()
        """What arrived after the headers and was not given to aiohttp yet: of the body, or behind the request. It is counted."""
        self._ahead_bytes = 0
        """What has arrived behind a request that is worked on."""
        self._given_bytes = 0
        """What aiohttp got of the current request: its headers, its body, and the framing of the body."""
        self._body: StreamReader | None = None
        """The body that arrives: without the framing of chunks and the trailers, which aiohttp keeps until they end."""
        self._arrived = bytearray()
        """The body so far, in one piece: bytes that come one by one would each take dozens."""
        self._untaken_bytes = 0
        """What is still counted of `_behind`, although aiohttp has it: the handler has not taken it yet."""
        self._reading = True
        """Whether the transport reads."""
        self._counted_beside = 0
        """The part of `held_bytes` that is for what arrives beside a body."""
        self._timeout_reply: ServerResponse | None = None
        self.peer = peer
        """The peer's address."""
        self.phase = Phase.HANDSHAKE
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
        self._act_by = self._write_by = inf
        self._transport = None
        self._behind, self._arrived = bytearray(), bytearray()
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
            self._receive(bytes(self._table.read_buffer[:nbytes]))

    def _receive(self, data: bytes) -> None:
        """Pass on what is within the limits of the phase, and keep what comes behind that."""
        if self.phase is Phase.QUIET:
            self.phase, self.since = Phase.HEAD, self._loop.time()
            self._act_by = self.since + self._limits.head_seconds
        if self._has_head:
            self._receive_more(data)
            return
        self._head += data
        end = end_of_head(self._head)
        if not end:
            # aiohttp keeps headers until they end, and their size is checked only then.
            if len(self._head) > self._limits.max_head_bytes:
                self._refuse(_LONG_HEAD)
            elif self._count_beside(len(self._head)):
                self._pass_on(data)
            return
        length = length_of_body(self._head, end)
        behind = len(self._head) - end
        preface = length is None and self._head.endswith(HTTP_2_PREFACE, 0, end)
        self._given_bytes, self._head, self._has_head = end, b"", True
        if behind == length:
            self._pass_on(data)
            return
        if preface:
            self._refuse(_HTTP_2)
            return
        self._framing = BodyInChunks() if length is None else BodyOfLength(length)
        self._pass_on(data[:-behind] if behind else data)
        if behind:
            self._keep(data[-behind:])

    def _keep(self, data: bytes) -> None:
        """Keep bytes until aiohttp may have them, and read no further until then."""
        self._pause()
        self._behind += data
        self._table.hold(self, len(data))

    def _receive_more(self, data: bytes) -> None:
        """Keep bytes of a body, or behind a request; end the connection if they are too many."""
        if not self._has_all:
            self._keep(data)
            if self.phase is Phase.BODY:
                # Not now: handlers take nothing before all that has arrived on other connections was read, too.
                self._loop.call_soon(self._give)
            return
        self._ahead_bytes += len(data)
        if self._ahead_bytes <= self._limits.max_ahead_bytes:
            self._behind += data
            self._table.hold(self, len(data))
        else:
            self._table.ended[Ended.AHEAD] += 1
            self.abort()

    def _give(self) -> None:
        """Give aiohttp bytes of the body until a handler can take some of it; read on if there are none left."""
        body, limits = self._body, self._limits
        if body is None or self.phase is not Phase.BODY:
            return
        while self._behind and body.total_bytes == len(self._arrived) and not body.is_eof():
            size = self._framing.take(self._behind)
            if not size:
                self._refuse(_LONG_FRAMING)
                return
            piece = bytes(self._behind[:size])
            del self._behind[:size]
            self._given_bytes += size
            self._untaken_bytes += size
            if self._given_bytes > limits.max_wire_factor * limits.max_body_bytes:
                self._refuse(_LONG_FRAMING)
                return
            self._pass_on(piece)
            if self._inner._messages and not body.is_eof():  # noqa: SLF001 - aiohttp tells a waiting handler nothing
                # Not a request but an error: aiohttp would keep one for each further piece.
                self._refuse(_MALFORMED)
                return
            if not self._bound_framing():
                return
        if body.total_bytes == len(self._arrived) and not body.is_eof():
            self._resume()

    async def read_body(self, body: StreamReader) -> bytes:
        """Return the rest of the body, which is counted as it arrives, or no more of it than shows that it is too large."""
        self.phase, self._body = Phase.BODY, body
        self._bound_framing()
        while part := await self._next_part():
            self._arrived += part
            self._table.hold(self, len(part))
            if len(self._arrived) > self._limits.max_body_bytes:
                break
        arrived, self._arrived = self._arrived, bytearray()
        return bytes(arrived)

    async def _next_part(self) -> bytes:
        """Return the next bytes of the body, none at its end."""
        assert self._body is not None
        self._give()
        self._stop_if_refused()
        part = await self._body.readany()
        self._stop_if_refused()
        self._stay()
        self._table.release(self, self._untaken_bytes)
        self._untaken_bytes = 0
        return part

    def _stop_if_refused(self) -> None:
        """End the request in its task if `_refuse` has answered it: no handler may see it, and no second answer is written."""
        if self.phase is Phase.CLOSING:
            raise asyncio.CancelledError

    def _pass_on(self, data: bytes) -> None:
        """Give bytes to aiohttp."""
        self._inner.data_received(data)
        self._stay()

    def _stay(self) -> None:
        """Do not read if that was paused: aiohttp reads on at the end of each body, and when some of it is taken."""
        if not self._reading and self._transport is not None:
            self._transport.pause_reading()

    def _pause(self) -> None:
        if self._reading and self._transport is not None:
            self._reading = False
            self._transport.pause_reading()

    def _resume(self) -> None:
        if not self._reading and self._transport is not None and not self._transport.is_closing():
            self._reading = True
            self._transport.resume_reading()

    def _drop_behind(self) -> None:
        """Forget what was kept, and read on: the peer sees an answer, and TLS a farewell, only behind what was sent."""
        self._table.release(self, len(self._behind))
        self._behind, self._arrived = bytearray(), bytearray()
        self._resume()

    def _bound_framing(self) -> bool:
        """Bound and count what has arrived of a request and is not its body; return whether the connection goes on."""
        beside = self._given_bytes - (self._body.total_bytes if self._body is not None else 0)
        if beside > self._limits.max_framing_bytes:
            self._refuse(_LONG_FRAMING)
            return False
        return self._count_beside(beside)

    def _count_beside(self, size: int) -> bool:
        """Count the memory for bytes that are not of a body; return whether the connection goes on."""
        more = BESIDE_FACTOR * max(0, size - USUAL_HEAD_BYTES) - self._counted_beside
        if more > 0:
            self._counted_beside += more
            self._table.hold(self, more)
        return self.phase is not Phase.CLOSING

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
        self._act_by = inf
        self._head, self._has_head = b"", True
        self.phase = Phase.WORK
        if self._counted_beside:
            self.release_body()

    def expect_work(self) -> None:
        """Note that the request has arrived and waits for its handler."""
        self.phase, self._has_all, self._ahead_bytes, self._body = Phase.WORK, True, 0, None
        if len(self._behind) < self._limits.max_ahead_bytes:
            self._resume()
        else:
            self._stay()

    def release_body(self) -> None:
        """Stop counting the request; what came behind it is still kept."""
        self._counted_beside = self._untaken_bytes = 0
        self._table.release(self, max(0, self.held_bytes - len(self._behind)))

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
            self._act_by = now + self._limits.linger_seconds + self._limits.close_seconds
            if self._behind and not self._has_all:
                # If that is the end of the body, there is nothing to wait for.
                self._pass_on(bytes(self._behind[: self._framing.take(self._behind)]))
            self._drop_behind()

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
        elif now >= self._act_by:
            self._expire()

    def _expire(self) -> None:
        if self.phase is Phase.QUIET:
            self.close()
            return
        self._table.ended[Ended.TIME] += 1
        if self.phase is Phase.HEAD:
            self._refuse(_SLOW_HEAD)
        else:
            self.abort()

    def evict(self) -> None:
        """End to make room for another connection; answer a request that has begun."""
        if self.phase is Phase.HEAD:
            self._refuse(_NO_ROOM)
        elif self.timeout is not None:
            self.give_up(_NO_ROOM)
        else:
            self.abort()

    def refuse_bytes(self) -> None:
        """End the request that arrives, to make room for the bytes of others. One that has arrived goes on if it is all that did."""
        if self.phase in {Phase.HEAD, Phase.BODY}:
            self._refuse(_NO_BYTES)
        elif self._behind:
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
        self._act_by = self.since + self._limits.close_seconds
        self._drop_behind()
        self._transport.close()

    def abort(self) -> None:
        """Close at once, losing what was not sent."""
        if self.phase is Phase.HANDSHAKE and self.handshake is not None:
            self.handshake.cancel()
        elif self._transport is not None:
            self.phase = Phase.CLOSING
            self._act_by = inf
            self._drop_behind()
            # Not now: asyncio fails if TLS is aborted while it reads what a peer left that has closed.
            self._loop.call_soon(self._transport.abort)

    def _refuse(self, reply: ServerResponse) -> None:
        """Answer in aiohttp's place. Only while no answer to the current request can have begun: HEAD and BODY."""
        assert self._transport is not None
        self._table.answers[reply.status] += 1
        self._transport.write(render_closing(reply))
        self.close()
        # aiohttp frees what it has parsed; the peer may take its time to close.
        self._head = b""
        self._inner.connection_lost(None)

    def _rest(self, now: float) -> None:
        """Wait for the next request. aiohttp closes what is idle for too long; while draining that is much sooner."""
        self.phase, self.since = Phase.QUIET, now
        self._has_head = self._has_all = False
        self._table.used(self)
        self._act_by = now + self._limits.linger_seconds if self._table.draining else inf
        if self._behind:
            data, self._behind = bytes(self._behind), bytearray()
            self._table.release(self, len(data))
            self._receive(data)
            if not self._behind:
                self._resume()
