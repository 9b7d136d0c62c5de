"""One HTTP/1.1 connection: bytes in, requests to handlers, replies out in the order of the requests.

Parsing is llhttp's (through httptools). What stands here is what a parser does not do: limits, order, backpressure,
time and the end of a connection. It knows no TLS, no accept queue and nothing of admission.
"""

import asyncio
import random
from collections import deque
from collections.abc import Awaitable
from http import HTTPStatus
from math import inf
from typing import Final, cast

import httptools
import msgspec

from tidegate.kube.server.head import Head, accept_head, too_large
from tidegate.kube.server.ledger import Ledger
from tidegate.kube.server.reply import CONTINUE, BadRequest, Refused, Reply, refusal, refuse, render
from tidegate.kube.server.route import Request

_FAILED: Final = refusal(
    HTTPStatus.INTERNAL_SERVER_ERROR, "the request could not be handled; the server's log says why"
)
_OVERDUE: Final = refusal(HTTPStatus.SERVICE_UNAVAILABLE, "the request took too long")
_FULL: Final = refusal(HTTPStatus.SERVICE_UNAVAILABLE, "too many connections")
_SLOW: Final = refusal(HTTPStatus.REQUEST_TIMEOUT, "the request did not arrive in time")
_MALFORMED: Final = refusal(HTTPStatus.BAD_REQUEST, "malformed HTTP request")


class _Work(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A request on its way to a reply, or a refusal that waits for its turn."""

    head: Head | None = None
    body: bytes = b""
    keep_alive: bool = False
    began: float = 0.0
    refusal: Reply | None = None


class Connection(asyncio.Protocol):
    """Serve one peer. Times are those of the event loop; `inf` means that nothing is awaited."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._limits = ledger.limits
        self._loop = ledger.loop
        self._transport: asyncio.Transport | None = None
        self._parser: httptools.HttpRequestParser | None = None
        self._full_service = True
        # The request being read.
        self._receiving = False
        self._began = 0.0
        self._target = b""
        self._header_lines: list[tuple[bytes, bytes]] = []
        self._head_bytes = 0
        self._wire_bytes = 0
        self._head: Head | None = None
        self._body: bytes | bytearray = b""
        self._keep_alive = False
        self._continue_due = False
        # The requests that were read.
        self._working: _Work | None = None
        self._task: asyncio.Task[Reply] | None = None
        self._waiting: deque[_Work] = deque()
        # The end.
        self._discarding = False
        self._closing = False
        self._write_paused = False
        self._reading_paused = False
        self._expires = inf
        self._read_by = inf
        self._work_by = inf
        self._write_by = inf

    # -- transport events ---------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start with an idle connection: a client may connect ahead of need."""
        now = self._loop.time()
        age = self._limits.max_age_seconds
        # uvloop's transports are no subclasses of asyncio's.
        self._transport = cast("asyncio.Transport", transport)
        self._parser = httptools.HttpRequestParser(self)
        self._expires = now + age - random.uniform(0, age * self._limits.age_jitter)  # noqa: S311 - spreads load only
        self._full_service = self._ledger.enter(self)
        self._rest(now)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the caller's signature
        """Forget everything: nobody will read the answer, so the awaiting task is cancelled."""
        self._closing = True
        self._parser = None
        self._transport = None
        if self._task is not None:
            self._task.cancel()
            self._task = None
        self._drop_partial()
        for work in (self._working, *self._waiting):
            if work is not None:
                self._ledger.buffered_bytes -= len(work.body)
        self._working = None
        self._waiting.clear()
        self._ledger.leave(self)

    def data_received(self, data: bytes) -> None:
        """Feed the parser; its callbacks below do the work."""
        if self._closing or self._discarding:
            self._discard(data)
            return
        if self._receiving:
            self._wire_bytes += len(data)
        parser = self._parser
        assert parser is not None
        try:
            parser.feed_data(data)
            if self._receiving:
                self._check_wire()
        except Refused as refused:
            self._refuse(refused.reply)
        except httptools.HttpParserCallbackError as error:
            cause = error.__context__
            self._refuse(cause.reply if isinstance(cause, Refused) else _MALFORMED)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._refuse(_MALFORMED)

    def eof_received(self) -> bool:
        """Close: a half-closed peer is not waited for."""
        return False

    def pause_writing(self) -> None:
        """Take no further request until the peer has read its answers."""
        self._write_paused = True
        self._write_by = self._loop.time() + self._limits.write_seconds
        self._pause_reading()

    def resume_writing(self) -> None:
        """Go on with what waited."""
        self._write_paused = False
        if not self._closing:
            self._write_by = inf
        self._pump()

    # -- parser events ------------------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """Start the clock of a request."""
        if self._closing or self._discarding:
            raise Refused(_MALFORMED)
        self._ledger.idle.pop(self, None)
        self._receiving = True
        self._began = now = self._loop.time()
        self._read_by = now + self._limits.head_seconds
        self._target = b""
        self._header_lines = []
        self._head_bytes = self._wire_bytes = 0
        self._head = None
        self._body = b""

    def on_url(self, part: bytes) -> None:
        """Collect the target; it comes in pieces when the packets do."""
        self._count_head(len(part))
        self._target += part

    def on_header(self, name: bytes, value: bytes) -> None:
        """Collect a header line, or drop a trailer."""
        self._count_head(len(name) + len(value) + 4)
        if len(self._header_lines) >= self._limits.max_headers:
            raise refuse(
                HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, f"expected at most {self._limits.max_headers} headers"
            )
        self._header_lines.append((name, value))

    def on_headers_complete(self) -> None:
        """Judge the head before any byte of the body is kept."""
        parser = self._parser
        assert parser is not None
        if parser.should_upgrade():
            raise refuse(HTTPStatus.BAD_REQUEST, "this server does not upgrade connections")
        head = accept_head(
            method=parser.get_method().decode("ascii"),
            version=parser.get_http_version(),
            target=self._target,
            header_lines=self._header_lines,
            routes=self._ledger.routes,
            limits=self._limits,
        )
        if not self._full_service and not head.route.essential:
            raise Refused(_FULL)
        self._head = head
        self._keep_alive = head.keep_alive and parser.should_keep_alive()
        self._wire_bytes = 0
        self._read_by = self._began + self._limits.head_seconds + self._limits.body_seconds
        if head.expects_continue:
            self._continue_due = True
            self._invite_body()

    def on_body(self, part: bytes) -> None:
        """Keep a part of the body within the limits of this request and of all requests together."""
        self._continue_due = False
        size = len(part)
        if len(self._body) + size > self._limits.max_body_bytes:
            raise too_large(self._limits)
        if self._ledger.buffered_bytes + size > self._limits.max_buffered_bytes:
            raise refuse(HTTPStatus.SERVICE_UNAVAILABLE, "too many bytes of requests are held")
        self._ledger.buffered_bytes += size
        if not self._body:
            self._body = part
        elif isinstance(self._body, bytearray):
            self._body += part
        else:
            self._body = bytearray(self._body) + part

    def on_message_complete(self) -> None:
        """Work on the request now, or let it wait for its turn."""
        body = self._body
        work = _Work(
            head=self._head,
            body=body if isinstance(body, bytes) else bytes(body),
            keep_alive=self._keep_alive,
            began=self._began,
        )
        self._receiving = self._continue_due = False
        self._body = b""
        self._read_by = inf
        if self._working is None and not self._waiting and not self._write_paused:
            self._begin(work)
            return
        self._waiting.append(work)
        if len(self._waiting) > self._limits.max_pipelined:
            raise refuse(
                HTTPStatus.TOO_MANY_REQUESTS, f"expected at most {self._limits.max_pipelined} waiting requests"
            )
        self._pause_reading()

    # -- work ---------------------------------------------------------------------------------------------------------

    def _begin(self, work: _Work) -> None:
        self._working = work
        if work.refusal is not None:
            self._answer(work.refusal)
            return
        assert work.head is not None
        try:
            outcome = work.head.route.handler(self._request(work, work.head))
        except BadRequest as error:
            self._answer(refusal(HTTPStatus.BAD_REQUEST, str(error)))
        except Exception as error:  # noqa: BLE001 - a broken handler is a 500, never the end of the server
            self._answer(self._failed(error))
        else:
            if isinstance(outcome, Reply):
                self._answer(outcome)
            elif isinstance(outcome, bytes):
                self._answer(Reply(body=outcome))
            else:
                self._wait(outcome)

    def _request(self, work: _Work, head: Head) -> Request:
        left = head.timeout_seconds
        if left is not None:
            left = max(0.0, left - (self._loop.time() - work.began))
        route = head.route
        return Request(
            method=route.method,
            path=route.path,
            query=head.query,
            headers=head.headers,
            body=work.body,
            deadline_seconds=left,
        )

    def _wait(self, outcome: Awaitable[bytes | Reply]) -> None:
        self._work_by = self._loop.time() + self._limits.work_seconds
        self._task = self._loop.create_task(_result(outcome))
        if asyncio.iscoroutine(outcome):
            # A task that is cancelled before its first step never awaits the coroutine; closing it ends it cleanly.
            self._task.add_done_callback(lambda _: outcome.close())
        self._task.add_done_callback(self._finish)

    def _finish(self, task: asyncio.Task[Reply]) -> None:
        error = None if task.cancelled() else task.exception()
        if self._task is not task:
            # The peer has gone or was answered by give_up: there is nobody to tell.
            return
        self._task = None
        if task.cancelled():
            # Shared work that this request waited for was cancelled by its owner; the peer is still there.
            self._answer(_FAILED)
        elif isinstance(error, BadRequest):
            self._answer(refusal(HTTPStatus.BAD_REQUEST, str(error)))
        elif error is not None:
            self._answer(self._failed(error))
        else:
            self._answer(task.result())
        self._pump()

    def _failed(self, error: BaseException) -> Reply:
        head = self._working.head if self._working is not None else None
        self._ledger.log_failure(error, head.route.path if head is not None else "")
        return _FAILED

    def _pump(self) -> None:
        """Work on what waits, one after the other, while there is nothing in the way."""
        while self._waiting and self._working is None and not self._write_paused and not self._closing:
            self._begin(self._waiting.popleft())
        if not self._waiting and not self._write_paused:
            self._resume_reading()
            self._invite_body()

    # -- answers ------------------------------------------------------------------------------------------------------

    def _answer(self, reply: Reply) -> None:
        """Write the reply to the request in work and settle what becomes of the connection."""
        work = self._working
        assert work is not None
        self._working = None
        self._work_by = inf
        self._ledger.buffered_bytes -= len(work.body)
        if self._transport is None:
            return
        now = self._loop.time()
        close = not work.keep_alive or (not self._waiting and (self._ledger.draining or now >= self._expires))
        self._write(reply, close=close)
        if work.refusal is not None:
            self._linger(now)
        elif close:
            self.close()
        elif self.is_quiet:
            self._rest(now)

    def _write(self, reply: Reply, *, close: bool) -> None:
        assert self._transport is not None
        ledger = self._ledger
        ledger.answers[reply.status] += 1
        self._transport.write(render(reply, date=ledger.date, close=close))

    def _refuse(self, reply: Reply) -> None:
        """Answer what cannot be read further, after the answers that are due before it, and then close."""
        if self._transport is None or self._closing:
            return
        if self._parser is not None and self._parser.get_method() == b"HEAD":
            # An answer to HEAD has no body, or the peer takes it for the next answer.
            reply = msgspec.structs.replace(reply, body=b"")
        self._drop_partial()
        self._discarding = True
        self._read_by = inf
        self._resume_reading()
        work = _Work(refusal=reply)
        if self._working is None and not self._waiting and not self._write_paused:
            self._begin(work)
        else:
            self._waiting.append(work)

    def _invite_body(self) -> None:
        if self._continue_due and self._working is None and self._transport is not None and not self._closing:
            self._continue_due = False
            self._transport.write(CONTINUE)

    # -- limits -------------------------------------------------------------------------------------------------------

    def _count_head(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > self._limits.max_head_bytes:
            raise _head_too_large()

    def _check_wire(self) -> None:
        """Bound what the parser swallows without a callback: an endless header line, chunk extensions."""
        if self._head is None:
            if self._wire_bytes > self._limits.max_head_bytes:
                raise _head_too_large()
        elif self._wire_bytes > self._limits.max_wire_factor * self._limits.max_body_bytes:
            raise too_large(self._limits)

    def _discard(self, data: bytes) -> None:
        self._wire_bytes += len(data)
        if self._wire_bytes > self._limits.max_wire_factor * self._limits.max_body_bytes:
            self.abort()

    def _drop_partial(self) -> None:
        self._ledger.buffered_bytes -= len(self._body)
        self._body = b""
        self._receiving = self._continue_due = False

    def sweep(self, now: float) -> None:
        """Act on the limits that have passed."""
        if now >= self._write_by:
            self._ledger.timed_out += 1
            self.abort()
        elif now >= self._work_by:
            self._ledger.timed_out += 1
            self.give_up()
        elif now >= self._read_by and not self._reading_paused:
            if self._receiving:
                self._ledger.timed_out += 1
                self._refuse(_SLOW)
            else:
                self.close()

    # -- the end ------------------------------------------------------------------------------------------------------

    @property
    def is_quiet(self) -> bool:
        """Whether no request is being read, waits or is worked on."""
        return not self._receiving and self._working is None and not self._waiting

    def give_up(self) -> None:
        """Answer the request in work with 503 and cancel its task."""
        task, self._task = self._task, None
        if task is None:
            return
        task.cancel()
        self._answer(_OVERDUE)
        self._pump()

    def close(self) -> None:
        """Close when everything written was sent; abort after `close_seconds`."""
        if self._transport is None or self._closing:
            return
        self._closing = True
        self._ledger.idle.pop(self, None)
        self._read_by = inf
        self._write_by = self._loop.time() + self._limits.close_seconds
        self._transport.close()

    def abort(self) -> None:
        """Close at once, losing what was not sent."""
        if self._transport is not None:
            self._closing = True
            self._transport.abort()

    def _rest(self, now: float) -> None:
        quiet = self._limits.linger_seconds if self._ledger.draining else self._limits.idle_seconds
        self._read_by = now + quiet
        self._ledger.idle[self] = None

    def _linger(self, now: float) -> None:
        self._wire_bytes = 0
        self._read_by = now + self._limits.linger_seconds

    def _pause_reading(self) -> None:
        if not self._reading_paused and self._transport is not None and not self._discarding:
            self._reading_paused = True
            self._transport.pause_reading()

    def _resume_reading(self) -> None:
        if self._reading_paused and self._transport is not None and not self._closing:
            self._reading_paused = False
            if self._receiving:
                # We were the slow side: the peer gets its time anew.
                self._read_by = self._loop.time() + self._limits.body_seconds
            self._transport.resume_reading()


async def _result(outcome: Awaitable[bytes | Reply]) -> Reply:
    result = await outcome
    if isinstance(result, bytes):
        return Reply(body=result)
    if isinstance(result, Reply):
        return result
    raise TypeError(f"got {type(result).__name__} from a handler, expected bytes or Reply")


def _head_too_large() -> Refused:
    return refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "the target and headers are too long")
