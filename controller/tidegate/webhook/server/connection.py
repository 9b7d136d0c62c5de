"""A guard around one of aiohttp's connections: what aiohttp leaves unbounded in time, count and age.

aiohttp parses, orders, applies backpressure and bounds lines, headers and waiting requests. The guard adds limits for
slow heads, stalled readers, endless chunk framing, much that is sent ahead, and old connections, and knows what a
connection is waiting for. It sees bytes and the beginning and end of requests; it parses nothing.
"""

import asyncio
import random
from collections.abc import Callable
from enum import Enum, auto
from http import HTTPStatus
from math import inf
from typing import TYPE_CHECKING, Final, cast

from aiohttp.web import RequestHandler

from tidegate.webhook.server.ended import Ended
from tidegate.webhook.server.reply import ServerResponse, refusal, render_closing

if TYPE_CHECKING:
    from tidegate.webhook.server.connection_table import ConnectionTable

_SLOW_HEAD: Final = refusal(HTTPStatus.REQUEST_TIMEOUT, "the head of the request did not arrive in time")
_WORDY_BODY: Final = refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too many bytes for a body of this size")
_NO_ROOM: Final = refusal(HTTPStatus.SERVICE_UNAVAILABLE, "too many connections, and this one was too slow")
_NO_BYTES: Final = refusal(HTTPStatus.SERVICE_UNAVAILABLE, "too many bytes of requests, and this body came too slowly")
OVERDUE: Final = refusal(HTTPStatus.SERVICE_UNAVAILABLE, "the request took too long")


class Phase(Enum):
    """What a connection is waiting for."""

    HANDSHAKE = auto()
    """The end of its TLS handshake."""
    QUIET = auto()
    """A request: nothing of it has arrived, as far as one can tell without parsing."""
    HEAD = auto()
    """The end of a head."""
    BODY = auto()
    """The end of a body."""
    WORK = auto()
    """A handler."""
    ANSWER = auto()
    """The peer's reading of an answer."""
    CLOSING = auto()
    """The end of the connection."""


class Connection(asyncio.Protocol):
    """Stand between a transport and aiohttp's protocol. Times are those of the event loop; inf waits for nothing."""

    def __init__(self, ledger: "ConnectionTable", peer: str, make_inner: Callable[[], RequestHandler]) -> None:
        self._ledger = ledger
        self._limits = ledger.limits
        self._loop = ledger.loop
        self._make_inner = make_inner
        self._transport: asyncio.Transport | None = None
        self._act_by = inf
        self._write_by = inf
        self._expires = inf
        self._wire_bytes = 0
        self._said: ServerResponse | None = None
        self.peer = peer
        """The peer's address."""
        self.phase = Phase.HANDSHAKE
        self.since = self._loop.time()
        """When the handshake, the quiet or the closing began, or when the first byte of the current request arrived."""
        self.was_answered = False
        """Whether a request of it was answered and not refused."""
        self.held_bytes = 0
        """Bytes of the current request's body that are held; the ledger books them."""
        self.full_service = True
        """Whether all routes are served, or only the essential ones."""
        self.timeout: asyncio.Timeout | None = None
        """The time limit of the body or the handler that is awaited, if one is."""
        self.handshake: asyncio.Task[None] | None = None
        """The task that makes the connection."""

    # -- transport events ---------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start quiet: a client may connect ahead of need."""
        # uvloop's transports are no subclasses of asyncio's.
        self._transport = cast("asyncio.Transport", transport)
        self._inner = self._make_inner()
        self._ledger.guards[self._inner] = self
        age = self._limits.max_age_seconds
        now = self._loop.time()
        self._expires = now + age - random.uniform(0, age * self._limits.age_jitter)  # noqa: S311 - spreads load only
        self._rest(now)
        self._inner.connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Pass on; aiohttp cancels the handler, since nobody will read its answer."""
        self.phase = Phase.CLOSING
        self._act_by = self._write_by = inf
        self._transport = None
        self._ledger.guards.pop(self._inner, None)
        self._ledger.leave(self)
        self._inner.connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Pass on, with an eye on the clock and on the size of a body's framing."""
        if self.phase is Phase.QUIET:
            self.phase = Phase.HEAD
            self.since = self._loop.time()
            self._act_by = self.since + self._limits.head_seconds
        elif self.phase is Phase.BODY:
            self._wire_bytes += len(data)
            if self._wire_bytes > self._limits.max_wire_factor * self._limits.max_body_bytes:
                self._refuse(_WORDY_BODY)
                return
        elif self.phase in {Phase.WORK, Phase.ANSWER}:
            self._wire_bytes += len(data)
            if self._wire_bytes > self._limits.max_ahead_bytes:
                self._ledger.ended[Ended.AHEAD] += 1
                self.abort()
                return
        self._inner.data_received(data)

    def eof_received(self) -> None:
        """Pass on, and let the transport close: a half-closed peer is not waited for."""
        self._inner.eof_received()

    def pause_writing(self) -> None:
        """Pass on, and start the clock of a peer that does not read its answers."""
        now = self._loop.time()
        self._write_by = now + self._limits.write_seconds
        if self.phase is Phase.WORK:
            self.phase, self.since = Phase.ANSWER, now
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        """Pass on, and stop that clock."""
        self._write_by = inf
        self._inner.resume_writing()

    # -- request events -----------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Note that a head was read and its request is dispatched."""
        if self.phase is Phase.QUIET:
            # The request was waiting behind another one; its time starts now.
            self.since = self._loop.time()
        self._act_by = inf
        self.expect_work()

    def expect_body(self) -> None:
        """Note that a handler waits for the rest of a body."""
        self.phase = Phase.BODY
        self._wire_bytes = 0

    def expect_work(self) -> None:
        """Note that the body was read."""
        self.phase = Phase.WORK
        self._wire_bytes = 0

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

    # -- limits and the end -------------------------------------------------------------------------------------------

    @property
    def is_old(self) -> bool:
        """Whether the connection has reached its age and should end with the next answer."""
        return self._loop.time() >= self._expires

    def sweep(self, now: float) -> None:
        """Act on the limits that have passed."""
        if now >= self._write_by:
            self._ledger.ended[Ended.TIME] += 1
            self.abort()
        elif now >= self._act_by:
            self._expire()

    def _expire(self) -> None:
        if self.phase is Phase.QUIET:
            self.close()
            return
        self._ledger.ended[Ended.TIME] += 1
        if self.phase is Phase.HEAD:
            self._refuse(_SLOW_HEAD)
        else:
            self.abort()

    def evict(self) -> None:
        """End for the sake of another connection, with a word where a request has begun."""
        if self.phase is Phase.HEAD:
            self._refuse(_NO_ROOM)
        elif self.timeout is not None:
            self.give_up(_NO_ROOM)
        else:
            self.abort()

    def refuse_body(self) -> None:
        """End the current request, whose body others' bytes have to take the place of."""
        self.give_up(_NO_BYTES)

    def give_up(self, reply: ServerResponse = OVERDUE) -> None:
        """End the wait for a body or for a handler now; it is answered with the reply."""
        if self.timeout is not None:
            self._said = reply
            self.timeout.reschedule(self._loop.time())

    def said(self, reply: ServerResponse) -> ServerResponse:
        """Return what `give_up` gave as the answer to a wait that has timed out, else the reply."""
        return self._said or reply

    def close(self) -> None:
        """Close when everything written was sent; abort after `close_seconds`."""
        if self._transport is None:
            return
        self.phase, self.since = Phase.CLOSING, self._loop.time()
        self._act_by = self.since + self._limits.close_seconds
        self._transport.close()

    def abort(self) -> None:
        """Close at once, losing what was not sent."""
        if self.phase is Phase.HANDSHAKE and self.handshake is not None:
            self.handshake.cancel()
        elif self._transport is not None:
            self.phase = Phase.CLOSING
            self._act_by = inf
            self._transport.abort()

    def _refuse(self, reply: ServerResponse) -> None:
        """Answer in aiohttp's place. Only while no answer to the current request can have begun: HEAD and BODY."""
        assert self._transport is not None
        self._ledger.answers[reply.status] += 1
        self._transport.write(render_closing(reply))
        self.close()

    def _rest(self, now: float) -> None:
        self.phase, self.since = Phase.QUIET, now
        self._ledger.used(self)
        # While draining, a peer that has just connected is not waited for as long as one in normal times.
        quiet = self._limits.linger_seconds if self._ledger.draining else self._limits.idle_seconds
        self._act_by = now + quiet
