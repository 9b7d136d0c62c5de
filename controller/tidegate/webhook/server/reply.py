"""Responses as values, and the refusals that the server gives by itself."""

import json
from http import HTTPStatus
from typing import Final

import msgspec

JSON: Final = "application/json"
TEXT: Final = "text/plain; charset=utf-8"
CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
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


def render_closing(reply: ServerResponse) -> bytes:
    """Return the bytes of a refusal that ends its connection, for where aiohttp cannot answer."""
    phrase = HTTPStatus(reply.status).phrase
    head = (
        f"HTTP/1.1 {reply.status} {phrase}\r\nContent-Type: {reply.content_type}\r\n"
        f"Content-Length: {len(reply.body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode("ascii") + reply.body
