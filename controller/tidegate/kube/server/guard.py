"""A guard around one of aiohttp's connections: what aiohttp leaves unbounded in time, count and age.

aiohttp parses, orders, applies backpressure and bounds lines, headers and waiting requests. The guard adds limits for
slow heads, stalled readers, endless chunk framing and old connections, and knows when a connection is quiet. It sees
bytes and the beginning and end of requests; it parses nothing.
"""

import asyncio
import random
from enum import Enum, auto
from http import HTTPStatus
from math import inf
from typing import TYPE_CHECKING, Final, cast

from aiohttp.web import RequestHandler

from tidegate.kube.server.reply import refusal, render_closing

if TYPE_CHECKING:
    from tidegate.kube.server.ledger import Ledger

_SLOW_HEAD: Final = refusal(HTTPStatus.REQUEST_TIMEOUT, "the head of the request did not arrive in time")
_WORDY_BODY: Final = refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too many bytes for a body of this size")


class Phase(Enum):
    """What a connection is waiting for."""

    QUIET = auto()
    """A request: nothing of it has arrived, as far as one can tell without parsing."""
    HEAD = auto()
    """The end of a head."""
    BODY = auto()
    """The end of a body."""
    WORK = auto()
    """A handler, or the peer's reading of the answer."""
    CLOSING = auto()
    """The end of the connection."""


class Guard(asyncio.Protocol):
    """Stand between a transport and aiohttp's protocol. Times are those of the event loop; inf waits for nothing."""

    def __init__(self, ledger: "Ledger", inner: RequestHandler) -> None:
        self._ledger = ledger
        self._limits = ledger.limits
        self._loop = ledger.loop
        self._inner = inner
        self._transport: asyncio.Transport | None = None
        self._phase = Phase.QUIET
        self._act_by = inf
        self._write_by = inf
        self._expires = inf
        self._wire_bytes = 0
        self.began = 0.0
        """When the first byte of the current request arrived."""
        self.full_service = True
        """Whether all routes are served, or only the essential ones."""
        self.work: asyncio.Timeout | None = None
        """The time limit of the handler that is awaited, if one is."""

    # -- transport events ---------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start quiet: a client may connect ahead of need."""
        # uvloop's transports are no subclasses of asyncio's.
        self._transport = cast("asyncio.Transport", transport)
        age = self._limits.max_age_seconds
        now = self._loop.time()
        self._expires = now + age - random.uniform(0, age * self._limits.age_jitter)  # noqa: S311 - spreads load only
        self.full_service = self._ledger.enter(self, self._inner)
        self._rest(now)
        self._inner.connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Pass on; aiohttp cancels the handler, since nobody will read its answer."""
        self._phase = Phase.CLOSING
        self._act_by = self._write_by = inf
        self._transport = None
        self._ledger.leave(self, self._inner)
        self._inner.connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Pass on, with an eye on the clock and on the size of a body's framing."""
        if self._phase is Phase.QUIET:
            self._phase = Phase.HEAD
            self._ledger.quiet.pop(self, None)
            self.began = self._loop.time()
            self._act_by = self.began + self._limits.head_seconds
        elif self._phase is Phase.BODY:
            self._wire_bytes += len(data)
            if self._wire_bytes > self._limits.max_wire_factor * self._limits.max_body_bytes:
                self._refuse(_WORDY_BODY.status, render_closing(_WORDY_BODY))
                return
        self._inner.data_received(data)

    def eof_received(self) -> None:
        """Pass on, and let the transport close: a half-closed peer is not waited for."""
        self._inner.eof_received()

    def pause_writing(self) -> None:
        """Pass on, and start the clock of a peer that does not read its answers."""
        self._write_by = self._loop.time() + self._limits.write_seconds
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        """Pass on, and stop that clock."""
        self._write_by = inf
        self._inner.resume_writing()

    # -- request events -----------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Note that a head was read and its request is dispatched."""
        if self._phase is Phase.QUIET:
            # The request was waiting behind another one; its time starts now.
            self.began = self._loop.time()
            self._ledger.quiet.pop(self, None)
        self._phase = Phase.WORK
        self._act_by = inf

    def expect_body(self) -> None:
        """Note that a handler waits for the rest of a body."""
        self._phase = Phase.BODY
        self._wire_bytes = 0

    def expect_work(self) -> None:
        """Note that the body was read."""
        self._phase = Phase.WORK

    def end(self, *, keep_alive: bool) -> None:
        """Note that an answer was written."""
        now = self._loop.time()
        if self._transport is None:
            return
        if keep_alive:
            self._rest(now)
        else:
            # aiohttp closes, after discarding what still arrives of a body for `linger_seconds`.
            self._phase = Phase.CLOSING
            self._act_by = now + self._limits.linger_seconds + self._limits.close_seconds

    # -- limits and the end -------------------------------------------------------------------------------------------

    @property
    def is_quiet(self) -> bool:
        """Whether no request is being read or worked on."""
        return self._phase is Phase.QUIET

    @property
    def is_old(self) -> bool:
        """Whether the connection has reached its age and should end with the next answer."""
        return self._loop.time() >= self._expires

    def sweep(self, now: float) -> None:
        """Act on the limits that have passed."""
        if now >= self._write_by:
            self._ledger.timed_out += 1
            self.abort()
        elif now >= self._act_by:
            self._expire()

    def _expire(self) -> None:
        if self._phase is Phase.QUIET:
            self.close()
            return
        self._ledger.timed_out += 1
        if self._phase is Phase.HEAD:
            self._refuse(_SLOW_HEAD.status, render_closing(_SLOW_HEAD))
        else:
            self.abort()

    def give_up(self) -> None:
        """End the work on a request now; its handler's caller answers with 503."""
        if self.work is not None:
            self.work.reschedule(self._loop.time())

    def close(self) -> None:
        """Close when everything written was sent; abort after `close_seconds`."""
        if self._transport is None:
            return
        self._phase = Phase.CLOSING
        self._ledger.quiet.pop(self, None)
        self._act_by = self._loop.time() + self._limits.close_seconds
        self._transport.close()

    def abort(self) -> None:
        """Close at once, losing what was not sent."""
        if self._transport is not None:
            self._phase = Phase.CLOSING
            self._act_by = inf
            self._ledger.quiet.pop(self, None)
            self._transport.abort()

    def _refuse(self, status: int, wire: bytes) -> None:
        """Answer in aiohttp's place. Only while no answer to the current request can have begun: HEAD and BODY."""
        assert self._transport is not None
        self._ledger.answers[status] += 1
        self._transport.write(wire)
        self.close()

    def _rest(self, now: float) -> None:
        self._phase = Phase.QUIET
        # While draining, a peer that has just connected is not waited for as long as one in normal times.
        quiet = self._limits.linger_seconds if self._ledger.draining else self._limits.idle_seconds
        self._act_by = now + quiet
        self._ledger.quiet[self] = None
