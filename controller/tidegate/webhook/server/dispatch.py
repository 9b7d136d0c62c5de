"""From aiohttp's request to a handler and back: headers, body, handler, answer, with the limits of each step."""

import asyncio
import functools
import logging
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Final, cast

from aiohttp import web
from aiohttp.abc import AbstractAccessLogger
from aiohttp.http_exceptions import HttpProcessingError

from tidegate.webhook.server.connection import OVERDUE, Connection
from tidegate.webhook.server.connection_table import ConnectionTable
from tidegate.webhook.server.head import AcceptedHeads, Head, accept_head, too_large
from tidegate.webhook.server.rendered_response import RenderedResponse
from tidegate.webhook.server.reply import CONTINUE, BadRequest, Refused, ServerResponse, refusal, refuse
from tidegate.webhook.server.route import Route

ROOM_POLL_SECONDS: Final = 0.05
"""How often a request that waits for room looks for it."""
MAX_ROOM_SECONDS: Final = 3.0
"""How long a request waits for room at most, whatever `grace_seconds` is."""
_MAX_LINE_BYTES: Final = 8 * 1024
_READ_AHEAD_BYTES: Final = 64 * 1024
"""What aiohttp may buffer of a body that is not read yet."""
_FAILED: Final = refusal(
    HTTPStatus.INTERNAL_SERVER_ERROR, "the request could not be handled; the server's log says why"
)
_LATE_BODY: Final = refusal(HTTPStatus.REQUEST_TIMEOUT, "the body of the request did not arrive in time")
_aiohttp_log = logging.getLogger(f"{__name__}.aiohttp")


def protocol_factory(table: ConnectionTable) -> Callable[[], web.RequestHandler]:
    """Return what makes aiohttp's protocol of each connection, with the limits that it enforces itself."""
    limits = table.limits
    # aiohttp wants its own kind of response, and uses of it what RenderedResponse has.
    handler = cast("Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]", Dispatcher(table))
    return functools.partial(
        _Protocol,
        web.Server(handler, handler_cancellation=True),
        loop=table.loop,
        keepalive_timeout=limits.idle_seconds,
        lingering_time=limits.linger_seconds,
        # A compressed body could grow without bound while it is read.
        auto_decompress=False,
        max_line_size=_MAX_LINE_BYTES,
        max_field_size=_MAX_LINE_BYTES,
        read_bufsize=_READ_AHEAD_BYTES,
        max_headers=limits.max_headers,
        logger=_aiohttp_log,
        access_log=_aiohttp_log,
        access_log_class=cast("type[AbstractAccessLogger]", functools.partial(_EndOfAnswer, table)),
    )


class _Protocol(web.RequestHandler):
    """aiohttp's protocol, which resumes reading twice for each body, also where it has not paused: it would parse nothing."""

    __slots__ = ()

    def resume_reading(self, resume_parser: bool = True) -> None:
        """Resume reading if it is paused."""
        if self._reading_paused:
            super().resume_reading(resume_parser)


class _EndOfAnswer(AbstractAccessLogger):
    """aiohttp's hook after each answer, its own error answers included. It logs nothing: the table counts."""

    def __init__(self, table: ConnectionTable, logger: logging.Logger, log_format: str) -> None:
        super().__init__(logger, log_format)
        self._table = table

    def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:  # noqa: ARG002 - aiohttp's signature
        self._table.answers[response.status] += 1
        connection = self._table.by_handler.get(request.protocol)
        if connection is not None:
            connection.end(status=response.status, keep_alive=bool(response.keep_alive))


def _is_news(record: logging.LogRecord) -> bool:
    """Tell whether to keep aiohttp's log line: a peer's malformed request is counted, not logged."""
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


_aiohttp_log.addFilter(_is_news)


class Dispatcher:
    """aiohttp's request handler."""

    def __init__(self, table: ConnectionTable) -> None:
        self._table = table
        self._limits = table.limits
        self._heads = AcceptedHeads(lambda request: accept_head(request, table.routes, table.limits))

    async def __call__(self, request: web.BaseRequest) -> RenderedResponse:
        """Answer one request; every failure of a handler becomes a response here."""
        connection = self._table.by_handler[request.protocol]
        connection.begin()
        close = False
        try:
            reply = await self._reply(request, connection)
        except Refused as refused:
            reply, close = refused.reply, True
        return RenderedResponse(reply, request, keep_alive=not (close or self._table.draining or connection.is_old))

    async def _reply(self, request: web.BaseRequest, connection: Connection) -> ServerResponse:
        # 1. The headers.
        head = self._heads.accept(request)
        # 2. Beyond the connections that are served in full, only essential routes.
        if not (connection.full_service or head.route.essential or await self._has_room(connection)):
            raise refuse(HTTPStatus.SERVICE_UNAVAILABLE, "too many connections")
        try:
            # 3. The body, counted while it is held, and 4. the handler.
            return await self._work(await self._body(request, head, connection), head, connection)
        finally:
            connection.reader.release()

    async def _has_room(self, connection: Connection) -> bool:
        """Tell whether a connection is served in full; wait until other connections can have become slow ones."""
        wait = min(self._limits.grace_seconds + ROOM_POLL_SECONDS, MAX_ROOM_SECONDS)
        until = self._table.loop.time() + wait
        while not connection.full_service and self._table.loop.time() < until:
            await asyncio.sleep(ROOM_POLL_SECONDS)
            connection.full_service = self._table.has_room(connection)
        return connection.full_service

    async def _body(self, request: web.BaseRequest, head: Head, connection: Connection) -> bytes:
        if not head.has_body:
            return b""
        content = request.content
        try:
            if content.is_eof():
                body = content.read_nowait()
                self._table.hold(connection, len(body))
            else:
                deadline = connection.since + self._limits.head_seconds + self._limits.body_seconds
                async with asyncio.timeout_at(deadline) as connection.timeout:
                    if head.expects_continue and request.transport is not None:
                        request.transport.write(CONTINUE)
                    body = await connection.reader.read_body(content)
        except TimeoutError as error:
            raise Refused(connection.timeout_reply(_LATE_BODY)) from error
        except web.RequestPayloadError as error:
            raise refuse(HTTPStatus.BAD_REQUEST, "malformed body") from error
        finally:
            connection.timeout = None
        if len(body) > self._limits.max_body_bytes:
            raise too_large(self._limits)
        return body

    async def _work(self, body: bytes, head: Head, connection: Connection) -> ServerResponse:
        connection.reader.expect_work()
        left = head.timeout_seconds
        if left is not None:
            left = max(0.0, left - (self._table.loop.time() - connection.since))
        try:
            result = head.route.handler(body, left)
            if not isinstance(result, (bytes, ServerResponse)):
                # The body was read: a request that waits does not keep it.
                del body
                connection.reader.release()
                async with asyncio.timeout(self._limits.work_seconds) as connection.timeout:
                    result = await result
            return _reply_of(result)
        except BadRequest as error:
            return refusal(HTTPStatus.BAD_REQUEST, str(error))
        except TimeoutError as error:
            if connection.timeout is not None and connection.timeout.expired():
                raise Refused(connection.timeout_reply(OVERDUE)) from error
            return self._failed(error, head.route)
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            # Shared work that this request waited for was cancelled by its owner; the peer is still connected.
            return self._failed(error, head.route)
        except Exception as error:  # noqa: BLE001 - a broken handler is a 500, never the end of the server
            return self._failed(error, head.route)
        finally:
            connection.timeout = None

    def _failed(self, error: BaseException, route: Route) -> ServerResponse:
        self._table.log_failure(error, route.path)
        return _FAILED


def _reply_of(result: object) -> ServerResponse:
    if isinstance(result, bytes):
        return ServerResponse(body=result)
    if isinstance(result, ServerResponse):
        return result
    raise TypeError(f"got {type(result).__name__} from a handler, expected bytes or ServerResponse")
