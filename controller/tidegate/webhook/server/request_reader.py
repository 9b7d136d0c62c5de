"""Read the requests of one connection: keep and count the bytes that arrive, and give aiohttp one request at a time.

aiohttp gets the headers, and then no more of the body than the handler takes. A parsed request takes up to twenty times as much
memory as its bytes, and after a pause of the process all peers together may have sent very much. The reader keeps the other bytes
unparsed, counts them, and pauses the transport. It finds the end of headers and bodies and parses nothing else. It bounds headers
that do not end, the bytes of chunk framing, and the bytes that arrive behind a request. It knows no time limits.
"""

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

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
from tidegate.webhook.server.phase import Phase
from tidegate.webhook.server.reply import refusal

if TYPE_CHECKING:
    from tidegate.webhook.server.connection import Connection
    from tidegate.webhook.server.connection_table import ConnectionTable

_LONG_HEAD: Final = refusal(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "the request headers are too long")
_HTTP_2: Final = refusal(HTTPStatus.BAD_REQUEST, "this server speaks HTTP/1.1")
_LONG_FRAMING: Final = refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too many bytes for a body of this size")
_MALFORMED: Final = refusal(HTTPStatus.BAD_REQUEST, "malformed body")
BESIDE_FACTOR: Final = 3
"""Bytes of memory for each byte of headers, chunk framing and trailers: the reader keeps the bytes, and aiohttp keeps what it
parses from them. Measured with 60 header lines and with 60 trailers."""
USUAL_HEAD_BYTES: Final = 1024
"""The reader does not count this many bytes of headers: every connection takes that much memory."""


class RequestReader:
    """Read the requests of one connection, one at a time."""

    def __init__(
        self, connection: "Connection", table: "ConnectionTable", transport: asyncio.Transport, inner: RequestHandler
    ) -> None:
        self._connection = connection
        self._table = table
        self._limits = table.limits
        self._loop = table.loop
        self._transport: asyncio.Transport | None = transport
        self._inner = inner
        self._head = b""
        """What has arrived of headers that have not ended."""
        self.has_head = False
        """Whether aiohttp has all headers of the current request."""
        self._has_all = False
        """Whether aiohttp has all of the current request."""
        self._framing: Body = BodyOfLength(0)
        """Where the body of the current request ends."""
        self.behind = bytearray()
        """What arrived after the headers and aiohttp does not have yet: bytes of the body, or behind the request. Counted."""
        self._ahead_bytes = 0
        """How many bytes arrived behind the request since its handler began."""
        self._given_bytes = 0
        """How many bytes of the current request aiohttp got: headers, body, and the framing of the body."""
        self._body: StreamReader | None = None
        """The body that arrives, without chunk framing and trailers. aiohttp keeps the trailers until they end."""
        self._arrived = bytearray()
        """What the handler took of the body, in one piece: separate objects for single bytes would take dozens of bytes each."""
        self._untaken_bytes = 0
        """How many bytes are counted that aiohttp has and the handler has not taken yet."""
        self._reading = True
        """Whether the transport reads."""
        self._counted_beside = 0
        """How much of the connection's `held_bytes` is for headers, chunk framing and trailers."""

    # -- bytes from the transport -------------------------------------------------------------------------------------

    def receive(self, data: bytes) -> None:
        """Give aiohttp the bytes of the headers, or all of a request that arrived at once; keep the other bytes."""
        connection = self._connection
        if connection.phase is Phase.QUIET:
            connection.phase, connection.since = Phase.HEAD, self._loop.time()
            connection.act_by = connection.since + self._limits.head_seconds
            self.has_head = self._has_all = False
        if self.has_head:
            self._receive_more(data)
            return
        self._head += data
        end = end_of_head(self._head)
        if not end:
            # aiohttp keeps headers until they end, and checks their size only then.
            if len(self._head) > self._limits.max_head_bytes:
                connection.refuse(_LONG_HEAD)
            elif self._count_beside(len(self._head)):
                self._pass_on(data)
            return
        length = length_of_body(self._head, end)
        behind = len(self._head) - end
        preface = length is None and self._head.endswith(HTTP_2_PREFACE, 0, end)
        self._given_bytes, self._head, self.has_head = end, b"", True
        if behind == length:
            self._pass_on(data)
            return
        if preface:
            connection.refuse(_HTTP_2)
            return
        self._framing = BodyInChunks() if length is None else BodyOfLength(length)
        self._pass_on(data[:-behind] if behind else data)
        if behind:
            self._keep(data[-behind:])

    def receive_behind(self) -> None:
        """Receive again what was kept behind the request that has just ended; read on if none of it is still kept."""
        data, self.behind = bytes(self.behind), bytearray()
        self._table.release(self._connection, len(data))
        self.receive(data)
        if not self.behind:
            self._resume()

    def _receive_more(self, data: bytes) -> None:
        """Keep bytes of a body, or behind a request; end the connection if too many are behind a request."""
        if not self._has_all:
            self._keep(data)
            if self._connection.phase is Phase.BODY:
                # Not now: the server first reads what has arrived on other connections, then handlers take bytes.
                self._loop.call_soon(self._give)
            return
        self._ahead_bytes += len(data)
        if self._ahead_bytes <= self._limits.max_ahead_bytes:
            self.behind += data
            self._table.hold(self._connection, len(data))
        else:
            self._table.ended[Ended.AHEAD] += 1
            self._connection.abort()

    def _keep(self, data: bytes) -> None:
        """Keep bytes until aiohttp may have them, and pause the transport until then."""
        self._pause()
        self.behind += data
        self._table.hold(self._connection, len(data))

    # -- the body -----------------------------------------------------------------------------------------------------

    async def read_body(self, body: StreamReader) -> bytes:
        """Return the whole body. Of a body that is too large, return only as much as shows that. Count it as it arrives."""
        self._connection.phase, self._body = Phase.BODY, body
        self._bound_framing()
        while part := await self._next_part():
            self._arrived += part
            self._table.hold(self._connection, len(part))
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
        self._stay_paused()
        self._table.release(self._connection, self._untaken_bytes)
        self._untaken_bytes = 0
        return part

    def _give(self) -> None:
        """Give aiohttp bytes of the body until the handler can take some; read on if no bytes are left to give."""
        body, limits, connection = self._body, self._limits, self._connection
        if body is None or connection.phase is not Phase.BODY:
            return
        while self.behind and body.total_bytes == len(self._arrived) and not body.is_eof():
            size = self._framing.take(self.behind)
            if not size:
                connection.refuse(_LONG_FRAMING)
                return
            piece = bytes(self.behind[:size])
            del self.behind[:size]
            self._given_bytes += size
            self._untaken_bytes += size
            if self._given_bytes > limits.max_wire_factor * limits.max_body_bytes:
                connection.refuse(_LONG_FRAMING)
                return
            self._pass_on(piece)
            if self._inner._messages and not body.is_eof():  # noqa: SLF001 - aiohttp tells a waiting handler nothing
                # This is an error and no further request. aiohttp would add one error for each further piece.
                connection.refuse(_MALFORMED)
                return
            if not self._bound_framing():
                return
        if body.total_bytes == len(self._arrived) and not body.is_eof():
            self._resume()

    def _stop_if_refused(self) -> None:
        """End the request's task if the connection was refused: no handler sees the request, and aiohttp writes no second answer."""
        if self._connection.phase is Phase.CLOSING:
            raise asyncio.CancelledError

    def _bound_framing(self) -> bool:
        """Bound and count the bytes of the request that are not its body; return whether the connection goes on."""
        beside = self._given_bytes - (self._body.total_bytes if self._body is not None else 0)
        if beside > self._limits.max_framing_bytes:
            self._connection.refuse(_LONG_FRAMING)
            return False
        return self._count_beside(beside)

    def _count_beside(self, size: int) -> bool:
        """Count the memory for bytes that are not of a body; return whether the connection goes on."""
        more = BESIDE_FACTOR * max(0, size - USUAL_HEAD_BYTES) - self._counted_beside
        if more > 0:
            self._counted_beside += more
            self._table.hold(self._connection, more)
        return self._connection.phase is not Phase.CLOSING

    # -- steps of a request -------------------------------------------------------------------------------------------

    def end_head(self) -> None:
        """Note that aiohttp has all headers, and stop counting them."""
        self._head, self.has_head = b"", True
        if self._counted_beside:
            self.release()

    def expect_work(self) -> None:
        """Note that the request has arrived and waits for its handler; read on if not too much is kept behind it."""
        self._connection.phase = Phase.WORK
        self._has_all, self._ahead_bytes, self._body = True, 0, None
        if len(self.behind) < self._limits.max_ahead_bytes:
            self._resume()
        else:
            self._stay_paused()

    def release(self) -> None:
        """Stop counting the request; keep counting what came behind it."""
        self._counted_beside = self._untaken_bytes = 0
        self._table.release(self._connection, max(0, self._connection.held_bytes - len(self.behind)))

    def discard(self) -> None:
        """Give aiohttp what was kept of the body of an answered request, and drop the other bytes."""
        if self.behind and not self._has_all:
            # aiohttp waits for the end of the body, and these bytes may hold it.
            self._pass_on(bytes(self.behind[: self._framing.take(self.behind)]))
        self.drop()

    def drop(self) -> None:
        """Drop what was kept, and read on: TLS finds the peer's close_notify only behind what the peer sent before."""
        self._table.release(self._connection, len(self.behind))
        self._head, self.behind, self._arrived = b"", bytearray(), bytearray()
        self._resume()

    def lose_transport(self) -> None:
        """Drop what was kept of a connection that has ended."""
        self._transport = None
        self._head, self.behind, self._arrived = b"", bytearray(), bytearray()

    # -- aiohttp and the transport ------------------------------------------------------------------------------------

    def _pass_on(self, data: bytes) -> None:
        """Give bytes to aiohttp."""
        self._inner.data_received(data)
        self._stay_paused()

    def _stay_paused(self) -> None:
        """Pause a paused transport again: aiohttp resumes it at the end of each body, and when the handler takes bytes."""
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
