"""The request headers, judged before the body is read: framing, route, host, size, media type. Pure: it reads no socket.

aiohttp's parser (llhttp, in its strict mode) already refuses malformed lines, too many headers and most of what two HTTP
implementations may read differently, since such a difference smuggles requests (RFC 9112, section 11.2): a missing Host,
repeated headers that may be given once, a length beside a transfer-encoding, a length that is no number. The tests in
tests/integration/server/test_strict_requests.py show each. Here is what it accepts and this server refuses.
"""

from collections.abc import Callable
from http import HTTPStatus
from typing import Final, TypeAlias

import msgspec
from aiohttp import web

from tidegate.webhook.server.duration import timeout_of
from tidegate.webhook.server.limits import ServerLimits
from tidegate.webhook.server.reply import refuse
from tidegate.webhook.server.route import Route, RouteTable

_HTTP_1_1: Final = (1, 1)
_VERSIONS: Final = frozenset({(1, 0), _HTTP_1_1})
_MAX_LENGTH_DIGITS: Final = 19
_LINE_BYTES: Final = 4
"""Colon, space, CR and LF of a header line."""
MAX_REMEMBERED_HEADS: Final = 512
"""Heads whose judgement is remembered. A client sends the same again and again, with the lengths of different bodies."""
MAX_REMEMBERED_LINES: Final = 16
MAX_REMEMBERED_BYTES: Final = 1024
"""Header lines, and memory of target, names and values, of a head that is remembered. The API server sends 6 lines, 300 bytes.
With its objects such a head takes less than 4 KiB, so that all take less than 2 MiB."""
_CHARACTER_BYTES: Final = 4
"""The memory of a character of the target at most."""


class Head(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Request headers that were accepted."""

    route: Route
    timeout_seconds: float | None
    has_body: bool
    expects_continue: bool


HeadKey: TypeAlias = tuple[str, tuple[int, int], str, tuple[tuple[bytes, bytes], ...]]
"""What the judgement of a head depends on within one listener: method, version, target and header lines."""


class AcceptedHeads:
    """Judge heads, and remember those that were accepted as aiohttp parsed them: an equal head is accepted too."""

    def __init__(self, judge: Callable[[web.BaseRequest], Head]) -> None:
        self._judge = judge
        self._accepted: dict[HeadKey, Head] = {}

    def __len__(self) -> int:
        """Return how many are remembered."""
        return len(self._accepted)

    def accept(self, request: web.BaseRequest) -> Head:
        """Return the judgement of the request's head; raise Refused as `accept_head` does, each time anew."""
        key = request.method, request.version, request.raw_path, request.raw_headers
        head = self._accepted.get(key)
        if head is None:
            head = self._judge(request)
            if _is_short(request):
                if len(self._accepted) >= MAX_REMEMBERED_HEADS:
                    del self._accepted[next(iter(self._accepted))]
                self._accepted[key] = head
        return head


def _is_short(request: web.BaseRequest) -> bool:
    lines = request.raw_headers
    size = _CHARACTER_BYTES * len(request.raw_path) + sum([len(name) + len(value) for name, value in lines])
    return size <= MAX_REMEMBERED_BYTES and len(lines) <= MAX_REMEMBERED_LINES


def accept_head(request: web.BaseRequest, routes: RouteTable, limits: ServerLimits) -> Head:
    """Judge a head in numbered steps; raise Refused with the response of the first step that fails."""
    version, target, header_lines = request.version, request.raw_path, request.raw_headers
    # 1. The version: aiohttp also takes HTTP/0.9 and HTTP/2.0.
    if version not in _VERSIONS:
        raise refuse(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED, f"got HTTP/{version[0]}.{version[1]}, expected HTTP/1.1")
    # 2. Bounded headers: aiohttp bounds each line and their number.
    size, headers = len(target), {}
    for name, value in header_lines:
        size += len(name) + len(value) + _LINE_BYTES
        headers[name.lower()] = value
    if size > limits.max_head_bytes:
        problem = f"expected a head of at most {limits.max_head_bytes} bytes"
        raise refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, problem)
    # 3. No other protocol.
    if b"upgrade" in headers:
        raise refuse(HTTPStatus.BAD_REQUEST, "this server does not upgrade connections")
    # 4. A length that can be read.
    length = _length(headers)
    if length is None and version != _HTTP_1_1:
        # RFC 9112, section 6.1: its framing is faulty.
        raise refuse(HTTPStatus.BAD_REQUEST, "got a transfer-encoding in HTTP/1.0")
    # 5. The path and the method.
    path, _, query = target.partition("?")
    route = routes.find(request.method, path)
    if route.hosts is not None and _host(headers) not in route.hosts:
        raise refuse(HTTPStatus.MISDIRECTED_REQUEST, f"expected one of the hosts {', '.join(sorted(route.hosts))}")
    # 6. The body that this route takes.
    _check_body(route, headers, length, limits)
    # 7. The deadline.
    try:
        timeout_seconds = timeout_of(query, limits.max_timeout_seconds) if query else None
    except ValueError as error:
        raise refuse(HTTPStatus.BAD_REQUEST, str(error)) from error
    # 8. Expectations.
    return Head(
        route=route,
        timeout_seconds=timeout_seconds,
        has_body=length != 0,
        expects_continue=_expects_continue(headers, version),
    )


def _length(headers: dict[bytes, bytes]) -> int | None:
    """Return the body's length, None for a chunked body, 0 where there is none."""
    coding, length = headers.get(b"transfer-encoding"), headers.get(b"content-length")
    if coding is not None:
        if coding.strip().lower() != b"chunked":
            raise refuse(HTTPStatus.BAD_REQUEST, "got a transfer-encoding other than chunked")
        return None
    if length is None:
        return 0
    if len(length) > _MAX_LENGTH_DIGITS:
        raise refuse(HTTPStatus.BAD_REQUEST, f"got a content-length of more than {_MAX_LENGTH_DIGITS} digits")
    return int(length)


def _host(headers: dict[bytes, bytes]) -> str:
    """Return the host of the request without its port, lower-cased; an IPv6 address keeps its brackets."""
    text = headers.get(b"host", b"").decode("latin-1").strip().lower()
    name, _, port = text.rpartition(":")
    return name if name and port.isdecimal() and (name.endswith("]") or ":" not in name) else text


def _check_body(route: Route, headers: dict[bytes, bytes], length: int | None, limits: ServerLimits) -> None:
    if route.media_type is None:
        if length != 0:
            raise refuse(HTTPStatus.BAD_REQUEST, "this path takes no body")
        return
    if length == 0 and b"content-length" not in headers:
        raise refuse(HTTPStatus.LENGTH_REQUIRED, "got no content-length")
    if length is not None and length > limits.max_body_bytes:
        raise too_large(limits)
    if b"content-encoding" in headers:
        raise refuse(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "expected no content-encoding")
    media_type = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
    if media_type != route.media_type.encode("ascii"):
        raise refuse(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"expected content-type {route.media_type}")


def _expects_continue(headers: dict[bytes, bytes], version: tuple[int, int]) -> bool:
    expectation = headers.get(b"expect")
    if expectation is None or version != _HTTP_1_1:
        return False
    if expectation.strip().lower() != b"100-continue":
        raise refuse(HTTPStatus.EXPECTATION_FAILED, "got an expectation other than 100-continue")
    return True


def too_large(limits: ServerLimits) -> Exception:
    """Return the refusal of a body above the limit."""
    return refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"expected a body of at most {limits.max_body_bytes} bytes")
