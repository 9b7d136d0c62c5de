"""The end: load balancers get time to notice, work in flight is not lost, and nothing hangs."""

import asyncio
import socket

import pytest

from tests.integration.server.peer import client_context, get, post
from tidegate.webhook.server import listener
from tidegate.webhook.server.phase import Phase


async def test_draining_is_not_ready_and_answers_close_their_connections(start):
    site = await start(notice_seconds=2.0)
    peer, probe = await site.peer(), await site.peer()
    assert (await peer.ask(post())).closes is False
    drain = asyncio.create_task(site.server.drain(5))
    await site.until(lambda: site.table.draining)
    ready = await probe.ask(get("/readyz"))
    assert (ready.status, ready.body) == (503, b"the server is draining\n")
    answer = await peer.ask(post())
    assert (answer.status, answer.closes) == (200, True)
    assert (await site.ask(post())).status == 200, "new connections are still taken"
    assert (await site.ask(get("/healthz"))).status == 200
    await drain
    with pytest.raises(OSError, match=r"."):
        socket.create_connection(("127.0.0.1", site.server.port))


async def test_work_in_flight_is_answered(site):
    release = asyncio.Event()

    async def work(body, _deadline):
        await release.wait()
        return body

    site.script.reply = work
    peers = [await site.peer() for _ in range(20)]
    for number, peer in enumerate(peers):
        await peer.send(post(b"%d" % number))
    await site.until(lambda: len(site.script.calls) == 20)
    drain = asyncio.create_task(site.server.drain(10))
    await site.until(lambda: site.server._socket.fileno() < 0)
    release.set()
    answers = [await peer.answer() for peer in peers]
    assert [answer.body for answer in answers] == [b"%d" % number for number in range(20)]
    assert all(answer.closes for answer in answers)
    await drain


async def test_a_request_that_is_being_sent_is_answered(site):
    peer = await site.peer()
    data = post(b"x" * 1_000)
    await peer.send(data[:500])
    await site.until(lambda: [connection.phase for connection in site.table.by_handler.values()] == [Phase.BODY])
    drain = asyncio.create_task(site.server.drain(10))
    await site.until(lambda: site.server._socket.fileno() < 0)
    await peer.send(data[500:])
    answer = await peer.answer()
    assert (answer.status, answer.closes) == (200, True)
    await drain


async def test_idle_connections_do_not_hold_it_up(site):
    peers = [await site.peer() for _ in range(3)]
    await peers[0].ask(post())
    async with asyncio.timeout(5):
        await site.server.drain(60)
    assert [await peer.rest() for peer in peers] == [b"", b"", b""]


async def test_a_handshake_that_ends_in_the_drain_is_not_waited_for_long(start):
    """Its connection may still bring a request, but not for as long as an idle one in normal times."""
    site = await start(linger_seconds=0.1)
    _, writer = await asyncio.open_connection("127.0.0.1", site.server.port)
    await site.until(lambda: [connection.phase for connection in site.table.connections] == [Phase.HANDSHAKE])
    drain = asyncio.create_task(site.server.drain(60))
    await site.until(lambda: site.server._socket.fileno() < 0)
    await writer.start_tls(client_context())
    await site.until(lambda: site.table.by_handler)
    async with asyncio.timeout(10):
        await drain
    writer.close()


async def test_work_beyond_the_limit_is_answered_with_503(site):
    cancelled = asyncio.Event()

    async def forever(_body, _deadline):
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    site.script.reply = forever
    peer = await site.peer()
    await peer.send(post())
    await site.until(lambda: site.script.calls)
    await site.server.drain(0.2)
    answer = await peer.answer()
    assert (answer.status, answer.closes) == (503, True)
    assert cancelled.is_set()


async def test_a_half_sent_request_does_not_hold_it_up_beyond_the_limit(site):
    peer = await site.peer()
    await peer.send(post()[:20])
    await site.until(lambda: [connection.phase for connection in site.table.by_handler.values()] == [Phase.HEAD])
    async with asyncio.timeout(5):
        await site.server.drain(0.2)
    assert await peer.rest() == b""


async def test_draining_twice_is_draining_once(site):
    async with asyncio.timeout(5):
        await asyncio.gather(site.server.drain(0.3), site.server.drain(0.3))
        await site.server.drain(0.3)


async def test_a_cancelled_drain_ends_at_once(start):
    site = await start(notice_seconds=30)
    peer = await site.peer()
    drain = asyncio.create_task(site.server.drain(60))
    await site.until(lambda: site.table.draining)
    drain.cancel()
    with pytest.raises(asyncio.CancelledError):
        await drain
    assert await peer.rest() == b""


async def test_serving_ends_with_the_drain(site):
    serving = asyncio.create_task(site.server.serve())
    await asyncio.sleep(0)
    await site.server.drain(0.1)
    async with asyncio.timeout(5):
        await serving


async def test_serving_fails_when_the_port_is_lost(site):
    serving = asyncio.create_task(site.server.serve())
    await asyncio.sleep(0)
    site.server._tasks[0].cancel()
    with pytest.raises((RuntimeError, asyncio.CancelledError)):
        await serving


async def test_an_exhausted_address_space_is_reported_at_once(site, monkeypatch):
    """The serving need not be awaited: that of the metrics never is, and the webhook drains before."""
    counts = []

    def check(connections):
        counts.append(len(connections))
        raise MemoryError

    monkeypatch.setattr(listener, "check_address_space", check)
    reported = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))
    with socket.create_connection(("127.0.0.1", site.server.port)):
        await site.until(lambda: reported)
    asyncio.get_running_loop().set_exception_handler(None)
    assert counts == [1]
    assert [type(one["exception"]) for one in reported] == [MemoryError]
    with pytest.raises(MemoryError):
        await site.server.serve()


async def test_running_out_of_descriptors_pauses_the_accepting(site, monkeypatch):
    """accept() fails for a while; afterwards connections are taken again."""
    loop = asyncio.get_running_loop()
    failures = iter([OSError(24, "Too many open files"), OSError(103, "Software caused connection abort")])
    accept = type(loop).sock_accept

    async def failing_accept(self, sock):
        failure = next(failures, None)
        if failure is not None:
            raise failure
        return await accept(self, sock)

    try:
        monkeypatch.setattr(type(loop), "sock_accept", failing_accept)
    except TypeError:
        pytest.skip("uvloop's loop cannot be patched")
    assert (await site.ask(get("/healthz"))).status == 200
    assert (await site.ask(get("/healthz"))).status == 200
    assert next(failures, None) is None
