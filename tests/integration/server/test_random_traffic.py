"""Many peers at once, honest and not, in random order: answers stay in order, no byte stays counted, nothing stays paused."""

import asyncio
import contextlib
import random

import pytest

from tests.integration.server.conftest import Site
from tests.integration.server.peer import Peer, get, post
from tests.integration.server.test_sizes import chunked

LIMITS = {
    "max_body_bytes": 20_000,
    "max_framing_bytes": 4_000,
    "max_buffered_bytes": 50_000,
    "max_ahead_bytes": 3_000,
    "max_head_bytes": 4_000,
    "max_connections": 16,
    "receive_buffer_bytes": 8 * 1024,
    # A body has both together: time for honest peers on a busy machine, and less than peers wait for their end.
    "head_seconds": 3.0,
    "body_seconds": 2.0,
    "idle_seconds": 2.0,
    "grace_seconds": 0.05,
    "linger_seconds": 0.05,
    "close_seconds": 0.2,
}
HEAD, _, _ = chunked().rpartition(b"0\r\n\r\n")
BAD = (
    get("/nowhere"),
    get("/healthz", "Content-Length: 3") + b"abc",
    post(b"x" * 9_000, target="/nowhere"),
    post(b"x" * 20_001),
    post(b"x" * 5_000, media_type="text/plain"),
    post(b"x" * 100, "Expect: gold"),
    post(b"x" * 15_000)[:-1],
    post(b"xx")[:-30],
    chunked(b"x" * 21_000),
    chunked(b"x", b"\r\n\r\n" * 300),
    chunked(*[b"x"] * 1_500),
    chunked(b"x" * 9_000).removesuffix(b"\r\n") + b"X: " + b"x" * 2_000 + b"\r\n",
    HEAD + b"2\r\n{}\r\nzz\r\n" + b"x" * 500,
    HEAD + b"2;" + b"x" * 6_000,
    HEAD + b"fff\r\n" + b"x" * 999,
    b"GET /healthz HTTP/1.1\r\n" + b"X: x\r\n" * 900,
    b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 3_000,
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"POST /validate\n\r\nHost: x\r\n\r\n",
    b"nonsense\r\n\r\n",
    b"\r\n" * 50,
    get("/healthz") * 200,
)


def good(source: random.Random, mark: bytes) -> tuple[bytes, bytes]:
    """Return a right request, and the body of its answer."""
    body = mark + b"\r\n\r\n" * source.randrange(5) + b"x" * source.choice([0, 1, 100, 3_000, 15_000])
    at = source.randrange(len(body))
    trailers = chunked(body[:at] or b"y", body[at:]).removesuffix(b"\r\n") + b"X: y\r\n\r\n"
    return source.choice(
        [
            (get("/healthz"), b"ok\n"),
            (b"\r\n" + post(body), body),
            (post(body), body),
            (post(body, "X: " + "x" * 2_000), body),
            (chunked(body), body),
            (trailers, (body[:at] or b"y") + body[at:]),
        ]
    )


async def send(peer: Peer, stream: bytes, source: random.Random) -> None:
    piece = source.choice([37, 500, 5_000, len(stream)])
    with contextlib.suppress(ConnectionError):
        for at in range(0, len(stream), piece):
            await peer.send(stream[at : at + piece])
            await asyncio.sleep(source.choice([0, 0, 0, 0.002]))


async def connect(site: Site, source: str) -> Peer:
    """Connect; the server may end the handshake to make room."""
    while True:
        with contextlib.suppress(ConnectionError):
            return await site.peer(source=source)


async def misbehave(site: Site, source: random.Random) -> None:
    peer = await connect(site, f"127.0.0.{source.randrange(1, 4)}")
    stream = b"".join(source.choice([good(source, b"m")[0], source.choice(BAD)]) for _ in range(source.randrange(1, 5)))
    await send(peer, stream, source)
    await asyncio.sleep(source.choice([0, 0.05]))
    if source.random() < 0.5:
        peer.abort()
    elif source.random() < 0.5:
        peer.close()
    else:
        await peer.rest()


async def behave(site: Site, source: random.Random, number: int) -> Peer | None:
    """Send right requests, some behind one another; return the peer if the server did not end it to make room."""
    peer = await connect(site, "127.0.0.9")
    for turn in range(6):
        asked = [good(source, b"%d.%d.%d" % (number, turn, step)) for step in range(source.choice([1, 1, 2, 5]))]
        stream = b"".join(request for request, _ in asked)
        sending = asyncio.create_task(send(peer, stream, source))
        try:
            for _, body in asked:
                answer = await peer.answer()
                if answer.status == 503:
                    return None
                assert (answer.status, answer.body) == (200, body)
        except (ConnectionError, asyncio.IncompleteReadError):
            return None
        finally:
            await sending
    return peer


def check(site: Site) -> None:
    connections = list(site.table.connections)
    assert site.table.buffered_bytes == sum(one.held_bytes for one in connections)
    assert site.table.buffered_bytes <= site.table.limits.max_buffered_bytes


@pytest.mark.parametrize("seed", range(4))
async def test_no_bytes_stay_counted_and_no_connection_stays_paused(start, seed):
    site = await start(**LIMITS)

    async def later(body):
        await asyncio.sleep(0.01)
        return body

    site.script.reply = lambda body, _: later(body) if len(body) % 2 else body

    async def checks():
        while True:
            check(site)
            await asyncio.sleep(0.001)

    checking = asyncio.create_task(checks())
    try:
        async with asyncio.TaskGroup() as group:
            honest = [group.create_task(behave(site, random.Random(seed * 100 + at), at)) for at in range(5)]
            for at in range(40):
                group.create_task(misbehave(site, random.Random(seed * 1_000 + at)))
        assert not checking.done()
    finally:
        checking.cancel()
    await site.until(lambda: site.table.buffered_bytes == 0)
    assert 500 not in site.table.answers
    left = [peer for task in honest if (peer := task.result()) is not None]
    if not left:
        left = [await site.peer()]
    for peer in left:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            assert (await peer.ask(post(b"even"))).body == b"even"
    assert site.table.buffered_bytes == 0
    for connection in site.table.connections:
        assert connection.held_bytes == 0
        assert connection.reader._reading
