"""Requests and other bytes that a peer sends before it has the answer to its request."""

import asyncio

import pytest

from tests.integration.server.peer import get, post
from tidegate.webhook.server.ended import Ended


async def test_pipelined_requests_are_answered_in_order(site):
    """The first is slow and the others are ready at once: they wait for it."""
    release = asyncio.Event()

    async def first(body, _deadline):
        await release.wait()
        return body

    site.script.reply = lambda body, deadline: first(body, deadline) if body == b"0" else body
    peer = await site.peer()
    await peer.send(b"".join(post(b"%d" % number) for number in range(10)) + get("/healthz"))
    await site.until(lambda: site.script.calls)
    await asyncio.sleep(0.05)
    assert len(site.script.calls) == 1
    release.set()
    assert [(await peer.answer()).body for _ in range(11)] == [*(b"%d" % number for number in range(10)), b"ok\n"]


async def test_pipelined_requests_that_wait_are_not_parsed(site):
    """Some hundred requests behind a slow one: the server keeps and counts their bytes, and answers all of them later."""
    release = asyncio.Event()

    async def slow(_body, _deadline):
        await release.wait()
        return b"{}"

    site.script.reply = slow
    peer = await site.peer()
    await peer.send(post())
    await site.until(lambda: site.script.calls)
    sending = asyncio.create_task(peer.send(get("/healthz") * 300))
    await asyncio.sleep(0.1)
    inner = next(iter(site.table.by_handler))
    assert not inner._messages, "what is parsed takes many times as much memory"
    assert site.table.buffered_bytes == len(get("/healthz") * 300)
    release.set()
    assert (await peer.answer()).body == b"{}"
    for _ in range(300):
        assert (await peer.answer()).body == b"ok\n"
    await sending
    assert site.table.buffered_bytes == 0


async def test_a_peer_that_sends_requests_without_pause_is_not_read_ahead(site):
    """All are answered in turn, and no more of them wait here than one may send ahead, and one read."""
    limits, most = site.table.limits, 0

    def respond(body, _deadline):
        nonlocal most
        most = max(most, site.table.buffered_bytes)
        return body

    site.script.reply = respond
    peer = await site.peer()
    sending = asyncio.create_task(peer.send(b"".join(post(b"%d" % number) for number in range(2_000))))
    for number in range(2_000):
        assert (await peer.answer()).body == b"%d" % number
    await sending
    assert most <= 2 * limits.max_ahead_bytes + limits.receive_buffer_bytes


async def test_what_comes_behind_a_request_makes_room_for_others(start):
    """It is counted with the bodies, and its connection ends if it is the largest."""
    site = await start(max_buffered_bytes=3_000)
    site.script.reply = lambda body, _: forever() if body == b"slow" else body

    async def forever():
        await asyncio.Event().wait()
        return b"{}"

    peer = await site.peer()
    await peer.send(post(b"slow") + get("/healthz") * 40)
    await site.until(lambda: site.table.buffered_bytes == len(get("/healthz") * 40))
    await asyncio.sleep(0.05)
    assert (await site.ask(post(b"x" * 2_000))).status == 200
    assert await peer.rest() == b""
    assert site.table.ended == {Ended.BYTES: 1}


@pytest.mark.parametrize(("excess", "ended"), [(0, {}), (1, {Ended.AHEAD: 1})], ids=["at the limit", "one byte more"])
async def test_what_is_sent_behind_a_request_is_bounded(start, excess, ended):
    """Each connection could else hold hundreds of KiB that no limit of bodies counts."""
    site = await start(max_ahead_bytes=2_000)
    release = asyncio.Event()

    async def slow(_body, _deadline):
        await release.wait()
        return b"{}"

    site.script.reply = slow
    peer = await site.peer()
    await peer.send(post())
    await site.until(lambda: site.script.calls)
    head, _, _ = post(b"x" * 10_000).partition(b"x")
    await peer.send(head + b"x" * (2_000 + excess - len(head)))
    await asyncio.sleep(0.1)
    assert site.table.ended == ended
    release.set()
    if not ended:
        assert (await peer.answer()).status == 200
    peer.abort()


async def test_headers_that_begin_behind_a_request_are_read_to_their_end(start):
    """So many of them came ahead that the connection was not read meanwhile."""
    site = await start(max_ahead_bytes=200, head_seconds=30)
    peer = await site.peer()
    request = get("/healthz", "X: " + "x" * 1_000)
    assert (await peer.ask(get("/healthz") + request[:500])).status == 200
    assert (await peer.ask(request[500:])).status == 200


async def test_a_peer_that_sent_too_much_and_left_while_it_was_not_read_ends_without_an_error(start):
    """asyncio reads what is left of a TLS connection in one go, and may not be aborted meanwhile."""
    site = await start(max_ahead_bytes=2_000)
    release = {b"1": asyncio.Event(), b"2": asyncio.Event()}

    async def slow(body):
        await release[body[:1]].wait()
        return b"{}"

    site.script.reply = lambda body, _: slow(body)
    peer = await site.peer()
    await peer.send(post(b"1") + post(b"2" * 1_900) + get("/healthz"))
    await site.until(lambda: site.script.calls and site.table.buffered_bytes > 2_000)
    await peer.send(get("/healthz") * 100)
    await asyncio.sleep(0.05)
    peer.abort()
    await asyncio.sleep(0.05)
    release[b"1"].set()
    await site.until(lambda: not site.table.connections)


async def test_a_refusal_waits_for_the_answers_before_it(site):
    async def slow(_body, _deadline):
        await asyncio.sleep(0.1)
        return b"{}"

    site.script.reply = slow
    peer = await site.peer()
    await peer.send(post())
    await site.until(lambda: site.script.calls)
    await peer.send(b"nonsense\r\n\r\n")
    assert [(await peer.answer()).status, (await peer.answer()).status] == [200, 400]
    assert await peer.rest() == b""
