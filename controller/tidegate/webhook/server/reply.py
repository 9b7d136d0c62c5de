"""Responses as values and as bytes, and the refusals that the server gives by itself."""

import functools
import json
import time
from email.utils import formatdate
from http import HTTPStatus
from typing import Final

import msgspec

JSON: Final = "application/json"
TEXT: Final = "text/plain; charset=utf-8"
CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
HTTP_1_1: Final = (1, 1)
_SERVER_NAME: Final = "tidegate"
_MAX_REASON: Final = 512


class BadRequest(Exception):  # noqa: N818 - named for the status that it becomes
    """Refuse the request with 400 and this text, which is sent to the peer and must hold no secrets."""


class ServerResponse(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """An answer: status, body and media type; `allow` fills the Allow header of a 405; `headers` are further ones."""

    status: int = 200
    body: bytes
    content_type: str = JSON
    allow: str = ""
    headers: tuple[tuple[str, str], ...] = ()


class Refused(Exception):  # noqa: N818 - an event on the way to a handler, not a failure
    """Carry the response of a request that is refused before it reaches a handler."""

    def __init__(self, reply: ServerResponse) -> None:
        super().__init__(reply.status)
        self.reply = reply


def refusal(status: HTTPStatus, reason: str, *, allow: str = "") -> ServerResponse:
    """Return the JSON response of a refused request. It is no AdmissionReview, so no client can read it as an allow."""
    body = json.dumps({"code": int(status), "error": status.phrase, "reason": reason[:_MAX_REASON]}).encode()
    return ServerResponse(status=int(status), body=body, allow=allow)


def refuse(status: HTTPStatus, reason: str, *, allow: str = "") -> Refused:
    """Return the exception that carries `refusal(...)`."""
    return Refused(refusal(status, reason, allow=allow))


def render_head(reply: ServerResponse, *, version: tuple[int, int] = HTTP_1_1, keep_alive: bool) -> bytes:
    """Return the status line and the headers of a response, with the empty line behind them."""
    connection = (
        "" if keep_alive and version == HTTP_1_1 else f"Connection: {'keep-alive' if keep_alive else 'close'}\r\n"
    )
    return (
        f"HTTP/{version[0]}.{version[1]} {_fixed_lines(reply.status, reply.content_type, reply.allow, reply.headers)}"
        f"Content-Length: {len(reply.body)}\r\nDate: {_date(int(time.time()))}\r\n{connection}\r\n"
    ).encode("latin-1")


@functools.lru_cache(maxsize=64)
def _fixed_lines(status: int, content_type: str, allow: str, headers: tuple[tuple[str, str], ...]) -> str:
    """Return the lines that are the same each time. Routes and handlers choose them, never a peer."""
    fields = [
        ("Content-Type", content_type),
        ("Server", _SERVER_NAME),
        *headers,
        *([("Allow", allow)] if allow else ()),
    ]
    lines = [f"{status} {HTTPStatus(status).phrase}", *(f"{name}: {value}" for name, value in fields)]
    if not all(line.isprintable() for line in lines):
        raise ValueError("got a control character in a header of a response")
    return "".join(f"{line}\r\n" for line in lines)


@functools.lru_cache(maxsize=1)
def _date(seconds: int) -> str:
    """Return a Date header's value (RFC 9110, section 5.6.7)."""
    return formatdate(seconds, usegmt=True)
