"""Reuse, age and end of connections, and peers that leave."""

import asyncio

import pytest

from tests.integration.server.peer import get, post


async def test_a_connection_is_reused(site):
    peer = await site.peer()
    for _ in range(20):
        answer = await peer.ask(post())
        assert (answer.status, answer.closes) == (200, False)
    assert site.table.accepted == 1


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(post(b"{}", "Connection: close"), id="asked to close"),
        pytest.param(post().replace(b"HTTP/1.1", b"HTTP/1.0"), id="HTTP/1.0"),
    ],
)
async def test_a_connection_ends_when_the_peer_wants_it(site, data):
    peer = await site.peer()
    assert (await peer.ask(data)).status == 200
    assert await peer.rest() == b""


async def test_what_comes_after_a_refusal_is_not_kept(start):
    """The peer is read for a while, so that no reset overtakes the answer."""
    site = await start(linger_seconds=30)
    peer = await site.peer()
    head, _, _ = post(b"x" * 1_000_000).partition(b"\r\n\r\n")
    await peer.send(head.replace(b"/validate", b"/nowhere") + b"\r\n\r\n")
    assert (await peer.answer()).status == 404
    inner = next(iter(site.table.by_handler))
    await peer.send(b"x" * 900_000)
    await asyncio.sleep(0.05)
    assert inner in site.table.by_handler
    assert inner._current_request is None
    assert site.table.buffered_bytes == 0
    peer.abort()


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"Content-Length: 30000\r\n\r\n" + b"x" * 30_000, id="length"),
        pytest.param(b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", id="chunks"),
    ],
)
async def test_a_refused_request_that_has_arrived_ends_its_connection_at_once(start, body):
    site = await start(linger_seconds=30, receive_buffer_bytes=256 * 1024)
    peer = await site.peer()
    assert (await peer.ask(b"POST /nowhere HTTP/1.1\r\nHost: x\r\n" + body)).status == 404
    assert await peer.rest() == b""


async def test_a_peer_that_leaves_cancels_its_work(site):
    cancelled = asyncio.Event()

    async def wait(_body, _deadline):
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    site.script.reply = wait
    peer = await site.peer()
    await peer.send(post())
    await site.until(lambda: site.script.calls)
    peer.close()
    await site.until(cancelled.is_set)


async def test_a_peer_that_leaves_within_a_body_reaches_no_handler(site):
    peer = await site.peer()
    await peer.send(post(b"x" * 1_000)[:-1])
    await site.until(lambda: site.table.buffered_bytes == 999)
    peer.abort()
    await site.until(lambda: not site.table.by_handler)
    assert site.table.buffered_bytes == 0
    assert site.script.calls == []


async def test_an_old_connection_ends_with_an_answer(start):
    site = await start(max_age_seconds=600.0, age_jitter=0.0)
    peer = await site.peer()
    assert not (await peer.ask(post())).closes
    (connection,) = site.table.by_handler.values()
    connection._expires -= 600.0
    answer = await peer.ask(post())
    assert (answer.status, answer.closes) == (200, True)
    assert await peer.rest() == b""


async def test_ages_are_spread(start):
    site = await start(max_age_seconds=600.0, age_jitter=0.5)
    for _ in range(8):
        await site.peer()
    await site.until(lambda: len(site.table.by_handler) == 8)
    now = asyncio.get_running_loop().time()
    left = {connection._expires - now for connection in site.table.by_handler.values()}
    assert len(left) == 8
    assert all(290 < seconds <= 600 for seconds in left)


async def test_refusals_are_counted_by_status(site):
    await site.ask(post())
    await site.ask(get("/nope"))
    await site.ask(b"nonsense\r\n\r\n")
    assert dict(site.table.answers) == {200: 1, 404: 1, 400: 1}
