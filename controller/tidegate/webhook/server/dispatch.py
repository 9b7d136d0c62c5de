"""From aiohttp's request to a handler and back: head, body, work, answer, with the limits of each step."""

import asyncio
import functools
import logging
from http import HTTPStatus
from typing import Final

from aiohttp import web
from aiohttp.abc import AbstractAccessLogger
from aiohttp.http_exceptions import HttpProcessingError
from multidict import CIMultiDict

from tidegate.webhook.server.connection import OVERDUE, Connection
from tidegate.webhook.server.connection_table import ConnectionTable
from tidegate.webhook.server.head import Head, accept_head, too_large
from tidegate.webhook.server.reply import CONTINUE, BadRequest, Refused, ServerResponse, refusal, refuse
from tidegate.webhook.server.route import ServerRequest

ROOM_POLL_SECONDS: Final = 0.05
"""How often a request that has no room looks for it."""
MAX_ROOM_SECONDS: Final = 3.0
"""How long a request waits for room at most, whatever the grace of slow connections is."""
_SERVER_NAME: Final = "tidegate"
_MAX_LINE_BYTES: Final = 8 * 1024
_READ_AHEAD_BYTES: Final = 64 * 1024
"""What aiohttp may buffer of a body that nobody reads yet."""
_FAILED: Final = refusal(
    HTTPStatus.INTERNAL_SERVER_ERROR, "the request could not be handled; the server's log says why"
)
_LATE_BODY: Final = refusal(HTTPStatus.REQUEST_TIMEOUT, "the body of the request did not arrive in time")
_aiohttp_log = logging.getLogger(f"{__name__}.aiohttp")


def make_server(ledger: ConnectionTable) -> web.Server:
    """Return aiohttp's low-level server, the factory of its connections, set up for this listener."""
    limits = ledger.limits
    return web.Server(
        Dispatcher(ledger),
        handler_cancellation=True,
        # The guard closes quiet connections; aiohttp's own limit is only a second line.
        keepalive_timeout=2 * limits.idle_seconds,
        lingering_time=limits.linger_seconds,
        # A compressed body could grow without bound while it is read.
        auto_decompress=False,
        max_line_size=_MAX_LINE_BYTES,
        max_field_size=_MAX_LINE_BYTES,
        read_bufsize=_READ_AHEAD_BYTES,
        # Above ours, so that ours answers first and says 431.
        max_headers=2 * limits.max_headers,
        logger=_aiohttp_log,
        access_log=_aiohttp_log,
        access_log_class=functools.partial(_EndOfAnswer, ledger),
    )


class _EndOfAnswer(AbstractAccessLogger):
    """aiohttp's hook after each answer, its own error answers included. It logs nothing: the ledger counts."""

    def __init__(self, ledger: ConnectionTable, logger: logging.Logger, log_format: str) -> None:
        super().__init__(logger, log_format)
        self._ledger = ledger

    def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:  # noqa: ARG002 - aiohttp's signature
        self._ledger.answers[response.status] += 1
        guard = self._ledger.guards.get(request.protocol)
        if guard is not None:
            guard.end(status=response.status, keep_alive=bool(response.keep_alive))


def _is_news(record: logging.LogRecord) -> bool:
    """Tell whether aiohttp's log line is worth keeping: a peer's malformed request is counted, not logged."""
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


_aiohttp_log.addFilter(_is_news)


class Dispatcher:
    """aiohttp's request handler."""

    def __init__(self, ledger: ConnectionTable) -> None:
        self._ledger = ledger
        self._limits = ledger.limits

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request; whatever goes wrong in a handler becomes a reply here."""
        guard = self._ledger.guards[request.protocol]
        guard.begin()
        close = False
        try:
            reply = await self._reply(request, guard)
        except Refused as refused:
            reply, close = refused.reply, True
        # aiohttp takes a CIMultiDict as it is and adds to it, hence the copy.
        headers = CIMultiDict(_headers(reply.content_type, reply.allow))
        response = web.Response(status=reply.status, body=reply.body, headers=headers)
        if close or self._ledger.draining or guard.is_old:
            response.force_close()
        return response

    async def _reply(self, request: web.BaseRequest, guard: Connection) -> ServerResponse:
        # 1. The head.
        head = accept_head(
            method=request.method,
            version=request.version,
            target=request.raw_path,
            header_lines=request.raw_headers,
            routes=self._ledger.routes,
            limits=self._limits,
        )
        # 2. Beyond the connections that are served in full, only what is essential.
        if not head.route.essential and not await self._has_room(guard):
            raise refuse(HTTPStatus.SERVICE_UNAVAILABLE, "too many connections")
        try:
            # 3. The body, booked while it is held, and 4. the handler.
            return await self._work(self._request(head, await self._body(request, head, guard), guard), head, guard)
        finally:
            self._ledger.release(guard)

    async def _has_room(self, guard: Connection) -> bool:
        """Tell whether a connection is served in full; wait for as long as it takes until slow ones are known as slow."""
        wait = min(self._limits.grace_seconds + ROOM_POLL_SECONDS, MAX_ROOM_SECONDS)
        until = self._ledger.loop.time() + wait
        while not guard.full_service and self._ledger.loop.time() < until:
            await asyncio.sleep(ROOM_POLL_SECONDS)
            guard.full_service = self._ledger.has_room(guard)
        return guard.full_service

    async def _body(self, request: web.BaseRequest, head: Head, guard: Connection) -> bytes:
        if not head.has_body:
            return b""
        content = request.content
        size, parts = 0, []
        deadline = guard.since + self._limits.head_seconds + self._limits.body_seconds
        try:
            if content.is_eof():
                body = content.read_nowait()
                self._ledger.hold(guard, len(body))
                if len(body) > self._limits.max_body_bytes:
                    raise too_large(self._limits)
                return body
            guard.expect_body()
            async with asyncio.timeout_at(deadline) as guard.timeout:
                if head.expects_continue and request.transport is not None:
                    request.transport.write(CONTINUE)
                while not content.at_eof():
                    part = await content.readany()
                    size += len(part)
                    if size > self._limits.max_body_bytes:
                        raise too_large(self._limits)
                    parts.append(part)
                    self._ledger.hold(guard, len(part))
        except TimeoutError as error:
            raise Refused(guard.said(_LATE_BODY)) from error
        except web.RequestPayloadError as error:
            raise refuse(HTTPStatus.BAD_REQUEST, "malformed body") from error
        finally:
            guard.timeout = None
        guard.expect_work()
        return b"".join(parts)

    def _request(self, head: Head, body: bytes, guard: Connection) -> ServerRequest:
        left = head.timeout_seconds
        if left is not None:
            left = max(0.0, left - (self._ledger.loop.time() - guard.since))
        route = head.route
        return ServerRequest(
            method=route.method,
            path=route.path,
            query=head.query,
            headers=head.headers,
            body=body,
            deadline_seconds=left,
        )

    async def _work(self, request: ServerRequest, head: Head, guard: Connection) -> ServerResponse:
        try:
            result = head.route.handler(request)
            if not isinstance(result, (bytes, ServerResponse)):
                # The body was read: no request that waits holds one.
                del request
                self._ledger.release(guard)
                async with asyncio.timeout(self._limits.work_seconds) as guard.timeout:
                    result = await result
            return _reply_of(result)
        except BadRequest as error:
            return refusal(HTTPStatus.BAD_REQUEST, str(error))
        except TimeoutError as error:
            if guard.timeout is not None and guard.timeout.expired():
                raise Refused(guard.said(OVERDUE)) from error
            return self._failed(error, head)
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            # Shared work that this request waited for was cancelled by its owner; the peer is still there.
            return self._failed(error, head)
        except Exception as error:  # noqa: BLE001 - a broken handler is a 500, never the end of the server
            return self._failed(error, head)
        finally:
            guard.timeout = None

    def _failed(self, error: BaseException, head: Head) -> ServerResponse:
        self._ledger.log_failure(error, head.route.path)
        return _FAILED


@functools.cache
def _headers(content_type: str, allow: str) -> CIMultiDict[str]:
    headers = CIMultiDict({"Content-Type": content_type, "Server": _SERVER_NAME})
    if allow:
        headers["Allow"] = allow
    return headers


def _reply_of(result: object) -> ServerResponse:
    if isinstance(result, bytes):
        return ServerResponse(body=result)
    if isinstance(result, ServerResponse):
        return result
    raise TypeError(f"got {type(result).__name__} from a handler, expected bytes or Reply")
