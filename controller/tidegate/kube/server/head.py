"""The head of a request, judged before its body is read: framing, route, size, media type. Pure: it reads no socket.

The parser (llhttp, in its strict mode) already refuses malformed lines. What is repeated here is what two HTTP
implementations may read differently, since such a difference smuggles requests (RFC 9112, section 11.2).
"""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Final

import msgspec

from tidegate.kube.server.duration import timeout_of
from tidegate.kube.server.limits import ServerLimits
from tidegate.kube.server.reply import refuse
from tidegate.kube.server.route import Route, RouteTable

_ONCE: Final = frozenset({b"host", b"content-length", b"content-type", b"transfer-encoding", b"expect"})
_MAX_LENGTH_DIGITS: Final = 19


class Head(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A head that was accepted."""

    route: Route
    query: bytes
    headers: dict[bytes, bytes]
    timeout_seconds: float | None
    has_body: bool
    expects_continue: bool
    keep_alive: bool


def accept_head(
    *,
    method: str,
    version: str,
    target: bytes,
    header_lines: Sequence[tuple[bytes, bytes]],
    routes: RouteTable,
    limits: ServerLimits,
) -> Head:
    """Judge a head in numbered steps; raise Refused with the reply of the first step that fails.

    `keep_alive` here says what the protocol version allows; the parser knows the Connection header.
    """
    # 1. The version: what is not HTTP/1.x was not meant for us.
    if version not in ("1.1", "1.0"):
        raise refuse(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED, f"got HTTP/{version}, expected HTTP/1.1")
    # 2. Headers that decide something may be given once.
    headers = _index(header_lines)
    # 3. Exactly one Host (RFC 9112, section 3.2).
    if version == "1.1" and b"host" not in headers:
        raise refuse(HTTPStatus.BAD_REQUEST, "got no Host header")
    # 4. One way to tell the length.
    length = _length(headers, version)
    # 5. The path and the method.
    path, _, query = target.partition(b"?")
    route = routes.find(method, path)
    # 6. The body that this route takes.
    _check_body(route, headers, length, limits)
    # 7. The deadline.
    try:
        timeout_seconds = timeout_of(query, limits.max_timeout_seconds) if query else None
    except ValueError as error:
        raise refuse(HTTPStatus.BAD_REQUEST, str(error)) from error
    # 8. Expectations.
    expects_continue = _expects_continue(headers, version)
    return Head(
        route=route,
        query=query,
        headers=headers,
        timeout_seconds=timeout_seconds,
        has_body=length != 0,
        expects_continue=expects_continue,
        keep_alive=version == "1.1",
    )


def _index(header_lines: Sequence[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    headers: dict[bytes, bytes] = {}
    for raw_name, value in header_lines:
        name = raw_name.lower()
        if name in _ONCE and name in headers:
            raise refuse(HTTPStatus.BAD_REQUEST, f"got {name.decode('ascii')} more than once")
        headers[name] = value
    return headers


def _length(headers: dict[bytes, bytes], version: str) -> int | None:
    """Return the body's length, None for a chunked body, 0 where there is none."""
    coding, length = headers.get(b"transfer-encoding"), headers.get(b"content-length")
    if coding is not None:
        if length is not None:
            raise refuse(HTTPStatus.BAD_REQUEST, "got both transfer-encoding and content-length")
        if version != "1.1" or coding.strip().lower() != b"chunked":
            raise refuse(HTTPStatus.BAD_REQUEST, "got a transfer-encoding other than chunked")
        return None
    if length is None:
        return 0
    digits = length.strip(b" \t")
    if not digits.isdigit() or len(digits) > _MAX_LENGTH_DIGITS:
        raise refuse(HTTPStatus.BAD_REQUEST, "got a content-length that is no number")
    return int(digits)


def _check_body(route: Route, headers: dict[bytes, bytes], length: int | None, limits: ServerLimits) -> None:
    if route.media_type is None:
        if length != 0:
            raise refuse(HTTPStatus.BAD_REQUEST, "this path takes no body")
        return
    if length == 0 and b"content-length" not in headers:
        raise refuse(HTTPStatus.LENGTH_REQUIRED, "got no content-length")
    if length is not None and length > limits.max_body_bytes:
        raise too_large(limits)
    media_type = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
    if media_type != route.media_type.encode("ascii"):
        raise refuse(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"expected content-type {route.media_type}")


def _expects_continue(headers: dict[bytes, bytes], version: str) -> bool:
    expectation = headers.get(b"expect")
    if expectation is None or version != "1.1":
        return False
    if expectation.strip().lower() != b"100-continue":
        raise refuse(HTTPStatus.EXPECTATION_FAILED, "got an expectation other than 100-continue")
    return True


def too_large(limits: ServerLimits) -> Exception:
    """Return the refusal of a body above the limit."""
    return refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"expected a body of at most {limits.max_body_bytes} bytes")
