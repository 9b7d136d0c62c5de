"""Limits of request headers, at both sides of each boundary, and of headers that do not end."""

import asyncio

import pytest

from tests.integration.server.peer import get, post


@pytest.mark.parametrize(("excess", "refused"), [(0, False), (1, True)], ids=["at the limit", "one byte more"])
async def test_headers_that_do_not_end_are_refused_at_the_limit(start, excess, refused):
    """aiohttp keeps them until they end, up to 64 lines of 8 KiB for each connection."""
    site = await start(max_head_bytes=1_000)
    peer = await site.peer()
    await peer.send(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: ".ljust(500, b"x"))
    await asyncio.sleep(0.05)
    await peer.send(b"x" * (500 + excess))
    await asyncio.sleep(0.05)
    if refused:
        answer = await peer.answer()
        assert (answer.status, answer.closes) == (431, True)
    else:
        assert [connection.phase.name for connection in site.table.connections] == ["HEAD"]


@pytest.mark.parametrize("empty", [b"\r\n\r\n", b"\n\r\n\r\n", b"\r\n" * 400], ids=["two", "bare", "many"])
async def test_empty_lines_before_a_request_do_not_end_its_headers(start, empty):
    """aiohttp skips them, so that headers behind them would have no limit."""
    site = await start(max_head_bytes=1_000)
    peer = await site.peer()
    await peer.send(empty + b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: ")
    await asyncio.sleep(0.05)
    await peer.send(b"x" * 1_000)
    assert (await peer.answer()).status == 431


async def test_a_large_body_behind_empty_lines_is_read(start):
    site = await start(max_head_bytes=1_000)
    peer = await site.peer()
    await peer.send(b"\r\n\r\n")
    await asyncio.sleep(0.05)
    await peer.send(post(b"x" * 200_000))
    assert (await peer.answer()).body == b'{"size":200000}'


@pytest.mark.parametrize("split", range(1, 5))
async def test_a_large_body_behind_headers_that_end_in_two_pieces_is_read(start, split):
    """The end of the headers is found wherever the peer cuts it; the body does not count as headers."""
    site = await start(max_head_bytes=1_000)
    peer = await site.peer()
    data = post(b"x" * 20_000)
    at = data.index(b"\r\n\r\n") + split
    await peer.send(data[:at])
    await asyncio.sleep(0.05)
    await peer.send(data[at:])
    assert (await peer.answer()).body == b'{"size":20000}'


@pytest.mark.parametrize(("count", "status"), [(10, 200), (11, 400)], ids=["at the limit", "one more"])
async def test_header_lines_are_counted(start, count, status):
    site = await start(max_headers=10)
    lines = [f"X-{number}: 1" for number in range(count - 3)]
    assert (await site.ask(post(b"{}", *lines))).status == status


@pytest.mark.parametrize(("excess", "status"), [(0, 200), (1, 431)], ids=["at the limit", "one byte more"])
async def test_the_bytes_of_a_head_are_bounded(start, excess, status):
    site = await start(max_head_bytes=1_000)
    counted = len("/healthz") + len("Host: tidegate\r\n") + len("X: \r\n")
    assert (await site.ask(get("/healthz", "X: " + "a" * (1_000 - counted + excess)))).status == status


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"GET /" + b"a" * 100_000, id="endless target"),
        pytest.param(b"GET /healthz HTTP/1.1\r\nX: " + b"a" * 100_000, id="endless header value"),
        pytest.param(b"GET /healthz HTTP/1.1\r\n" + b"a" * 100_000, id="endless header name"),
        pytest.param(b"GET /healthz HTTP/1.1\r\n" + b"X: 1\r\n" * 10_000, id="endless headers"),
    ],
)
async def test_a_head_without_end_is_refused_while_it_comes(site, data):
    peer = await site.peer()
    await peer.send(data)
    answer = await peer.answer()
    assert answer.status in {400, 414, 431}
    assert answer.closes
    peer.close()
