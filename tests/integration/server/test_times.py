"""Limits of time: each ends what is slow and leaves alone what is not. Limits are small, and no test measures time."""

import asyncio
import socket

import pytest

from tests.integration.server.peer import client_context, get, post
from tidegate.webhook.server.ended import Ended
from tidegate.webhook.server.phase import Phase


async def test_a_head_that_does_not_end_is_408(start):
    site = await start(head_seconds=0.1)
    peer = await site.peer()
    await peer.send(b"POST /validate HTTP/1.1\r\nHost: x\r\n")
    answer = await peer.answer()
    assert (answer.status, answer.closes) == (408, True)
    assert site.table.ended == {Ended.TIME: 1}


async def test_a_head_that_trickles_is_408(start):
    """Each byte must not buy the peer more time."""
    site = await start(head_seconds=0.2)
    peer = await site.peer()
    slow = asyncio.create_task(trickle(peer, b"GET /healthz HTTP/1.1\r\nX: " + b"a" * 1_000))
    assert (await peer.answer()).status == 408
    slow.cancel()


async def trickle(peer, data):
    for byte in data:
        await peer.send(bytes([byte]))
        await asyncio.sleep(0.02)


async def test_a_head_in_pieces_is_read(site):
    peer = await site.peer()
    for byte in get("/healthz"):
        await peer.send(bytes([byte]))
    assert (await peer.answer()).status == 200


async def test_a_body_that_does_not_end_is_408(start):
    site = await start(head_seconds=0.05, body_seconds=0.05)
    peer = await site.peer()
    await peer.send(post(b"x" * 100)[:-1])
    answer = await peer.answer()
    assert (answer.status, answer.closes) == (408, True)
    assert site.script.calls == []
    await peer.rest()
    assert site.table.buffered_bytes == 0


async def test_a_body_that_trickles_is_408(start):
    site = await start(head_seconds=0.1, body_seconds=0.1)
    peer = await site.peer()
    head, _, _ = post(b"x" * 1_000).partition(b"x")
    await peer.send(head)
    slow = asyncio.create_task(trickle(peer, b"x" * 1_000))
    assert (await peer.answer()).status == 408
    slow.cancel()


async def test_the_body_of_a_chunked_request_is_timed_too(start):
    site = await start(head_seconds=0.05, body_seconds=0.05)
    peer = await site.peer()
    await peer.send(b"POST /validate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n")
    await peer.send(b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n")
    assert (await peer.answer()).status == 408


async def test_a_body_in_pieces_is_read(site):
    peer = await site.peer()
    head, _, _ = post(b"x" * 100).partition(b"x")
    await peer.send(head)
    for _ in range(100):
        await peer.send(b"x")
        await asyncio.sleep(0)
    assert (await peer.answer()).body == b'{"size":100}'


async def test_slow_work_is_not_a_slow_peer(start):
    site = await start(head_seconds=0.3, body_seconds=0.3, idle_seconds=0.4)

    async def slow(_body, _deadline):
        await asyncio.sleep(1)
        return b"{}"

    site.script.reply = slow
    assert (await site.ask(post())).status == 200


async def test_a_handler_without_end_is_503_at_last(start):
    site = await start(work_seconds=0.1)
    ended = asyncio.Event()

    async def forever(_body, _deadline):
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    site.script.reply = forever
    answer = await site.ask(post())
    assert (answer.status, answer.closes) == (503, True)
    assert ended.is_set()


@pytest.mark.parametrize(("used", "idle_seconds"), [(False, 0.2), (True, 1.0)], ids=["never used", "used"])
async def test_an_idle_connection_is_closed(start, used, idle_seconds):
    site = await start(idle_seconds=idle_seconds)
    peer = await site.peer()
    if used:
        assert (await peer.ask(post())).status == 200
    assert await peer.rest() == b""
    assert not site.table.ended


async def test_idle_connections_outlive_the_api_servers_own_limit(site):
    """Go closes idle connections after 90 s; if we did so first, a request could meet the closing connection."""
    assert site.table.limits.idle_seconds > 90


async def test_a_peer_that_does_not_read_is_cut_off(start):
    site = await start(write_seconds=0.2)
    site.script.reply = lambda _body, _deadline: b"x" * 4_000_000
    peer = await site.peer(receive_bytes=65_536)
    peer.writer.transport.pause_reading()
    for _ in range(4):
        await peer.send(post())
    await site.until(lambda: site.script.calls)
    await site.until(lambda: not site.table.by_handler)
    assert site.table.ended == {Ended.TIME: 1}
    assert len(site.script.calls) < 4, "while answers are not read, no further request is worked on"


async def test_a_tls_handshake_that_does_not_begin_is_cut_off(start):
    site = await start(handshake_seconds=0.2)
    reader, writer = await asyncio.open_connection("127.0.0.1", site.server.port)
    assert await reader.read() == b""
    writer.close()
    assert site.table.ended == {Ended.HANDSHAKE: 1}
    assert (await site.ask(get("/healthz"))).status == 200


async def test_handshakes_count_as_connections_and_the_slow_end_for_others(start):
    site = await start(max_connections=4, spare_connections=8, handshake_seconds=30, grace_seconds=0.0)
    silent = [await asyncio.open_connection("127.0.0.1", site.server.port) for _ in range(4)]
    await site.until(lambda: [connection.phase for connection in site.table.connections] == [Phase.HANDSHAKE] * 4)
    assert (await site.ask(get("/healthz"))).status == 200
    assert await silent[0][0].read() == b"", "the oldest"
    assert site.table.ended == {Ended.ROOM: 1}
    for _, writer in silent:
        writer.close()
    await site.until(lambda: not site.table.connections)


async def test_handshakes_that_begin_together_all_end_well(start):
    """As when an API server stalled, and sends all that has gathered."""
    site = await start()
    plain = [await asyncio.open_connection("127.0.0.1", site.server.port) for _ in range(300)]
    await site.until(lambda: len(site.table.connections) == 300)

    async def ask(reader, writer):
        await writer.start_tls(client_context(), server_hostname="127.0.0.1")
        writer.write(post(b"{}", "Connection: close"))
        answer = await reader.read()
        writer.close()
        return answer

    answers = await asyncio.gather(*(ask(*one) for one in plain))
    assert all(answer.startswith(b"HTTP/1.1 200 ") for answer in answers)
    assert not site.table.ended


async def test_plain_http_on_the_tls_port_is_closed(site):
    reader, writer = await asyncio.open_connection("127.0.0.1", site.server.port)
    writer.write(get("/healthz"))
    assert b"ok" not in await reader.read()
    writer.close()
    await site.until(lambda: site.table.ended == {Ended.HANDSHAKE: 1})


async def test_a_reset_in_the_handshake_harms_nobody(site):
    raw = socket.create_connection(("127.0.0.1", site.server.port))
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    raw.close()
    assert (await site.ask(get("/healthz"))).status == 200
