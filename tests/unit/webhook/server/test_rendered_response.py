"""A RenderedResponse is byte for byte the one that aiohttp's own Response sends."""

import asyncio
from http import HTTPStatus
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import StreamReader, web
from aiohttp.http import HttpVersion, RawRequestMessage, StreamWriter
from hypothesis import assume, given
from hypothesis import strategies as st
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from tidegate.webhook.server.rendered_response import RenderedResponse
from tidegate.webhook.server.reply import ServerResponse, refusal, render_head


class Transport:
    """Keeps what is written."""

    def __init__(self) -> None:
        self.written = b""

    def is_closing(self) -> bool:
        return False

    def write(self, data: bytes) -> None:
        self.written += data

    def writelines(self, parts: Any) -> None:
        self.written += b"".join(parts)


def request(transport: Transport | None, *, method: str, version: tuple[int, int], goes_on: bool) -> web.BaseRequest:
    loop: Any = asyncio.get_running_loop()
    protocol: Any = SimpleNamespace(transport=transport, _paused=False, ssl_context=None, peername=None, sockname=None)
    headers: Any = CIMultiDictProxy(CIMultiDict({"Host": "x"}))
    message = RawRequestMessage(
        method, "/", HttpVersion(*version), headers, ((b"Host", b"x"),), not goes_on, None, False, False, URL("/")
    )
    reader = StreamReader(protocol, 2**16, loop=loop)
    task: Any = None
    return web.BaseRequest(message, reader, protocol, StreamWriter(protocol, loop), task, loop)


async def written(response: Any, asked: web.BaseRequest, transport: Transport) -> bytes:
    await response.prepare(asked)
    await response.write_eof()
    return transport.written


async def both(reply: ServerResponse, *, keep_alive: bool, **head: Any) -> tuple[bytes, bytes]:
    """Return what RenderedResponse and what aiohttp's Response write."""
    one, other = Transport(), Transport()
    asked = request(one, **head)
    answer = RenderedResponse(reply, asked, keep_alive=keep_alive)
    headers = CIMultiDict({"Content-Type": reply.content_type, "Server": "tidegate", **dict(reply.headers)})
    if reply.allow:
        headers["Allow"] = reply.allow
    response = web.Response(status=reply.status, body=reply.body, headers=headers)
    if not keep_alive:
        response.force_close()
    found = await written(answer, asked, one), await written(response, request(other, **head), other)
    assert (answer.status, answer.keep_alive) == (response.status, response.keep_alive)
    return found


REPLIES = st.builds(
    ServerResponse,
    status=st.sampled_from([int(one) for one in HTTPStatus if one >= 200 and one not in {204, 304}]),
    body=st.binary(max_size=3_000),
    content_type=st.sampled_from(["application/json", "text/plain; charset=utf-8"]),
    allow=st.sampled_from(["", "GET", "GET, POST"]),
    headers=st.sampled_from([(), (("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff"))]),
)


@pytest.fixture(autouse=True)
def at_one_second(monkeypatch):
    """Date is the same for both."""
    for module in ("tidegate.webhook.server.reply", "aiohttp.helpers"):
        monkeypatch.setattr(f"{module}.time.time", lambda: 1_790_000_000.5)


@given(REPLIES, st.sampled_from(["GET", "POST", "HEAD", "PUT"]), st.booleans(), st.booleans())
def test_it_is_what_aiohttp_writes(reply, method, keep_alive, goes_on):
    assume(reply.body or method != "HEAD")  # There aiohttp leaves Content-Length out.
    ours, theirs = asyncio.run(both(reply, keep_alive=keep_alive, method=method, version=(1, 1), goes_on=goes_on))
    assert ours == theirs


@given(REPLIES, st.booleans(), st.booleans())
def test_to_http_1_0_it_says_in_any_case_whether_the_connection_goes_on(reply, keep_alive, goes_on):
    ours, theirs = asyncio.run(both(reply, keep_alive=keep_alive, method="POST", version=(1, 0), goes_on=goes_on))
    if not (keep_alive and goes_on):
        ours = ours.replace(b"Connection: close\r\n", b"", 1)
    assert ours == theirs


async def test_it_is_not_written_to_a_lost_connection():
    asked = request(None, method="POST", version=(1, 1), goes_on=True)
    with pytest.raises(ConnectionError):
        await RenderedResponse(refusal(HTTPStatus.BAD_REQUEST, "no"), asked, keep_alive=True).write_eof()


@pytest.mark.parametrize("text", ["a\r\nSet-Cookie: b", "a\n", "a\x00"])
def test_a_control_character_in_a_header_is_an_error(text):
    for reply in (ServerResponse(body=b"", content_type=text), ServerResponse(body=b"", headers=(("X", text),))):
        with pytest.raises(ValueError, match="control character"):
            render_head(reply, keep_alive=True)
