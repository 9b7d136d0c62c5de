"""Which connections end, and which wait, when the server has no room for another connection."""

import asyncio

import pytest

from tests.integration.server.peer import Peer, first_answer, get, post
from tidegate.webhook.server.ended import Ended
from tidegate.webhook.server.phase import Phase


def phases(site):
    return [connection.phase for connection in site.table.connections]


async def test_a_full_server_ends_the_longest_idle_connection(start):
    site = await start(max_connections=3)
    oldest, middle, newest = [await site.peer() for _ in range(3)]
    for peer in (oldest, middle, newest, oldest):
        assert (await peer.ask(post())).status == 200
    assert (await site.ask(post())).status == 200
    assert await middle.rest() == b"", "the one that was used longest ago"
    for peer in (oldest, newest):
        assert (await peer.ask(post())).status == 200
    assert site.table.ended == {Ended.ROOM: 1}


async def test_a_server_full_of_work_answers_health_and_refuses_the_rest(start):
    site = await start(max_connections=2, spare_connections=2)
    release = asyncio.Event()

    async def work(_body, _deadline):
        await release.wait()
        return b"{}"

    site.script.reply = work
    busy = [await site.peer() for _ in range(2)]
    for peer in busy:
        await peer.send(post())
    await site.until(lambda: len(site.script.calls) == 2)
    refused = await site.peer()
    answer = await refused.ask(post())
    assert (answer.status, answer.closes) == (503, True)
    await refused.rest()
    await site.until(lambda: len(site.table.by_handler) == 2)
    assert (await site.ask(get("/healthz"))).status == 200
    assert (await site.ask(get("/readyz"))).status == 200
    assert len(site.script.calls) == 2
    release.set()
    assert [(await peer.answer()).status for peer in busy] == [200, 200]


async def test_beyond_the_spare_connections_peers_wait_in_the_kernels_queue(start):
    """They are taken when there is room again, and not one of them is closed before."""
    site = await start(max_connections=1, spare_connections=1)
    holding = []
    for number in (1, 2):
        holding.append(await site.peer())
        await holding[-1].send(b"GET /healthz HTTP/1.1\r\n")
        await site.until(lambda number=number: phases(site) == [Phase.HEAD] * number)
    waiting = [asyncio.create_task(site.ask(get("/healthz", "Connection: close"))) for _ in range(5)]
    await site.until(lambda: site.table.waits)
    assert len(site.table.connections) == 2
    assert not any(task.done() for task in waiting)
    for peer in holding:
        await peer.send(b"Host: x\r\nConnection: close\r\n\r\n")
        assert (await peer.answer()).status == 200
    assert [(await task).status for task in waiting] == [200] * 5
    assert not site.table.ended


async def hold(site, count, *, source, data=b"GET /healthz HTTP/1.1\r\n", first=None):
    """Return connections from an address, each in the middle of a request, after one that was answered if there was a first."""
    peers: list[Peer] = []
    busy = {Phase.HEAD, Phase.BODY, Phase.WORK}
    before = sum(phase in busy for phase in phases(site))
    for _ in range(count):
        peers.append(await site.peer(source=source))
        if first:
            assert (await peers[-1].ask(first)).status == 200
        await peers[-1].send(data)
    await site.until(lambda: sum(phase in busy for phase in phases(site)) == before + count)
    return peers


async def test_a_slow_request_ends_for_another_connection_and_is_told_so(start):
    site = await start(max_connections=2, grace_seconds=0.0)
    slow = await hold(site, 2, source="127.0.0.1")
    assert (await site.ask(post())).status == 200
    answer = await first_answer(slow)
    assert (answer.status, answer.closes) == (503, True)
    assert b"too many connections" in answer.body
    assert site.table.ended == {Ended.ROOM: 1}


@pytest.mark.parametrize("data", [post(b"x" * 1_000)[:-1], post()], ids=["body", "work"])
async def test_a_request_that_ends_for_another_can_be_chosen_again_before_it_has_ended(site, data):
    """Its task has not run yet. The listener would else stop accepting."""

    async def work(_body, _deadline):
        await asyncio.Event().wait()
        return b"{}"

    site.script.reply = work
    (peer,) = await hold(site, 1, source="127.0.0.1", data=data)
    await site.until(lambda: [connection.timeout for connection in site.table.connections] != [None])
    (connection,) = site.table.connections
    for _ in range(3):
        connection.evict()
        await asyncio.sleep(0)
    answer = await peer.answer()
    assert (answer.status, answer.closes) == (503, True)
    assert b"too many connections" in answer.body


async def test_a_request_that_has_just_begun_does_not_end_for_another(start):
    """The other one waits until there is room."""
    site = await start(max_connections=2, grace_seconds=5.0)
    peers = await hold(site, 2, source="127.0.0.1")
    waiting = asyncio.create_task(site.ask(post()))
    for peer in peers:
        await peer.send(b"Host: x\r\n\r\n")
        assert (await peer.answer()).status == 200
    assert (await waiting).status == 200
    assert site.table.ended[Ended.ROOM] <= 1, "an idle connection may end, a request does not"


async def test_a_request_waits_until_slow_ones_are_known_as_slow(start):
    """Requests that were begun together with it, and do not end, keep it out for no longer than the grace."""
    site = await start(max_connections=2, grace_seconds=0.3)
    await hold(site, 2, source="127.0.0.1", first=post())
    assert (await site.ask(post())).status == 200


async def test_a_connection_that_was_answered_is_worth_more_than_one_that_never_was(start):
    site = await start(max_connections=2, grace_seconds=0.0)
    (known,) = await hold(site, 1, source="127.0.0.1", first=post())
    (stranger,) = await hold(site, 1, source="127.0.0.1")
    assert (await site.ask(post())).status == 200
    assert (await stranger.answer()).status == 503
    await known.send(b"Host: x\r\n\r\n")
    assert (await known.answer()).status == 200


async def test_slow_connections_of_an_address_above_its_share_end_first(start):
    """The share counts only when there is no room: until then one address may have it all."""
    site = await start(max_connections=4, grace_seconds=0.0)
    (other,) = await hold(site, 1, source="127.0.0.3")
    many = await hold(site, 3, source="127.0.0.2")
    assert not site.table.ended
    assert (await site.ask(post())).status == 200
    assert (await first_answer(many)).status == 503
    await other.send(b"Host: x\r\n\r\n")
    assert (await other.answer()).status == 200


async def test_work_for_an_address_above_its_share_ends_for_an_address_within_its_own(start):
    """Who fills the server with requests that wait for AWS does not keep the API server out."""
    site = await start(max_connections=4)
    release = asyncio.Event()

    async def slow(body, _deadline):
        await release.wait()
        return body

    site.script.reply = lambda body, deadline: slow(body, deadline) if body == b"slow" else b"{}"
    flood = await hold(site, 4, source="127.0.0.2", data=post(b"slow"))
    assert (await (await site.peer(source="127.0.0.2")).ask(post())).status == 503, "no room for itself"
    assert (await site.ask(post())).status == 200
    assert site.table.ended == {Ended.ROOM: 1}
    release.set()
    answers = [await peer.answer() for peer in flood]
    assert sorted(answer.status for answer in answers) == [200, 200, 200, 503]


async def test_a_peer_that_does_not_read_its_answer_ends_for_another_connection(start):
    site = await start(max_connections=1, grace_seconds=0.0)
    site.script.reply = lambda _body, _deadline: b"x" * 4_000_000
    deaf = await site.peer(receive_bytes=65_536)
    deaf.writer.transport.pause_reading()
    for _ in range(4):
        await deaf.send(post())
    await site.until(lambda: phases(site) == [Phase.ANSWER])
    site.script.reply = None
    assert (await site.ask(post())).status == 200
    assert site.table.ended == {Ended.ROOM: 1}
    deaf.abort()
