"""What is sent back: the answer as a value, its bytes on the wire, and the refusals that the server gives by itself."""

import json
from functools import lru_cache
from http import HTTPStatus
from typing import Final

import msgspec

JSON: Final = "application/json"
TEXT: Final = "text/plain; charset=utf-8"
CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
_MAX_REASON: Final = 512


class BadRequest(Exception):  # noqa: N818 - named for the status that it becomes
    """Refuse the request with 400 and this text; the text is sent to the peer, so it must hold no secrets."""


class Reply(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """An answer: status, body and media type; `allow` fills the Allow header of a 405."""

    status: int = 200
    body: bytes
    content_type: str = JSON
    allow: str = ""


class Refused(Exception):  # noqa: N818 - an event between parser and connection, not a failure
    """Carry the reply of a request that is refused before it reaches a handler."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.status)
        self.reply = reply


def refusal(status: HTTPStatus, reason: str, *, allow: str = "") -> Reply:
    """Return the JSON reply of a refused request. It is no AdmissionReview, so no client can read it as an allow."""
    body = json.dumps({"code": int(status), "error": status.phrase, "reason": reason[:_MAX_REASON]}).encode()
    return Reply(status=int(status), body=body, allow=allow)


def refuse(status: HTTPStatus, reason: str, *, allow: str = "") -> Refused:
    """Return the exception that carries `refusal(...)`."""
    return Refused(refusal(status, reason, allow=allow))


@lru_cache(maxsize=256)
def _prefix(status: int, content_type: str, allow: str) -> bytes:
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", f"Content-Type: {content_type}"]
    if allow:
        lines.append(f"Allow: {allow}")
    return "\r\n".join([*lines, ""]).encode("ascii")


def render(reply: Reply, *, date: bytes, close: bool) -> bytes:
    """Return the wire bytes of a reply; `date` is a complete Date line."""
    return b"%b%bContent-Length: %d\r\n%b\r\n%b" % (
        _prefix(reply.status, reply.content_type, reply.allow),
        date,
        len(reply.body),
        b"Connection: close\r\n" if close else b"",
        reply.body,
    )
