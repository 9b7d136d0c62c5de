"""Order, reuse, age and number of connections, and peers that leave."""

import asyncio

import pytest

from tests.integration.server.peer import Peer, first_answer, get, post
from tidegate.webhook.server import Listener, Route, ServerResponse
from tidegate.webhook.server.ended import Ended
from tidegate.webhook.server.phase import Phase


def phases(site):
    return [connection.phase for connection in site.table.connections]


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
    site = await start(max_age_seconds=0.2, age_jitter=0.0)
    peer = await site.peer()
    assert not (await peer.ask(post())).closes
    await asyncio.sleep(0.25)
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


async def test_a_listener_of_its_own_serves_other_routes_without_tls():
    """The metrics port: routes are data, and there is no TLS."""
    table = [
        Route(
            method="GET",
            path="/metrics",
            handler=lambda _body, _deadline: ServerResponse(body=b"up 1\n", content_type="text/plain"),
        )
    ]
    listener = Listener(name="metrics", routes=table, tls=None)
    await listener.start("127.0.0.1", 0)
    peer = await Peer.connect(listener.port, tls=False)
    answer = await peer.ask(get("/metrics"))
    assert (answer.status, answer.body, answer.headers["content-type"]) == (200, b"up 1\n", "text/plain")
    assert (await peer.ask(get("/healthz"))).status == 404
    peer.close()
    await listener.drain(0.1)


async def test_two_routes_for_one_path_and_method_are_a_mistake():
    route = Route(method="GET", path="/metrics", handler=lambda _body, _deadline: b"")
    with pytest.raises(ValueError, match="two routes"):
        Listener(name="metrics", routes=[route, route], tls=None)


async def test_a_listener_on_every_interface_is_reached_by_ipv4_and_ipv6():
    listener = Listener(
        name="all", routes=[Route(method="GET", path="/", handler=lambda _body, _deadline: b"{}")], tls=None
    )
    await listener.start(None, 0)
    for host in ("127.0.0.1", "::1"):
        try:
            reader, writer = await asyncio.open_connection(host, listener.port)
        except OSError:
            assert host == "::1", "a machine without IPv6"
            continue
        writer.write(get("/", "Connection: close"))
        assert b" 200 " in await reader.read()
        writer.close()
    await listener.drain(0.1)


async def test_refusals_are_counted_by_status(site):
    await site.ask(post())
    await site.ask(get("/nope"))
    await site.ask(b"nonsense\r\n\r\n")
    assert dict(site.table.answers) == {200: 1, 404: 1, 400: 1}
