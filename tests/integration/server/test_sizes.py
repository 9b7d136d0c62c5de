"""Limits of bodies, at both sides of each boundary."""

import asyncio
import http.client
import json
import ssl
import tracemalloc
from contextlib import closing

import pytest

from tests.integration.server.peer import first_answer, get, post
from tidegate.webhook.server.ended import Ended
from tidegate.webhook.server.framing import MAX_EMPTY_LINES
from tidegate.webhook.server.phase import Phase

EIGHT_MIB = 8 * 1024 * 1024


def phases(site):
    return [connection.phase for connection in site.table.connections]


def chunked(*chunks: bytes, lines: tuple[str, ...] = ()) -> bytes:
    head = [
        "POST /validate HTTP/1.1",
        "Host: x",
        "Content-Type: application/json",
        "Transfer-Encoding: chunked",
        *lines,
    ]
    body = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
    return "\r\n".join([*head, "", ""]).encode() + body


@pytest.mark.parametrize(
    "size", [0, 1, 7_000, 3_000_000, EIGHT_MIB], ids=["empty", "1 byte", "7 KB", "3 MB", "exactly 8 MiB"]
)
async def test_bodies_up_to_the_default_limit_reach_the_responder(site, size):
    answer = await site.ask(post(b"x" * size))
    assert (answer.status, json.loads(answer.body)) == (200, {"size": size})


async def test_reading_a_request_takes_about_as_much_memory_as_the_request(site):
    """An event loop with a buffer of its own takes 256 KiB for each read, which the allocator maps and unmaps."""
    port, context = site.server.port, ssl._create_unverified_context()
    with closing(http.client.HTTPSConnection("127.0.0.1", port, context=context)) as connection:

        def ask():
            connection.request("POST", "/validate", b"x" * 5_000, {"Content-Type": "application/json"})
            return connection.getresponse().read()

        await asyncio.to_thread(ask)
        tracemalloc.start()
        try:
            assert json.loads(await asyncio.to_thread(ask)) == {"size": 5_000}
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert most < 128 * 1024


async def test_requests_that_arrive_by_turns_are_not_mixed(start):
    """All connections are read through one buffer, here a small one."""
    site = await start(receive_buffer_bytes=4 * 1024)
    site.script.reply = lambda body, _: body
    requests = {mark: post(mark * 20_000) for mark in (b"1", b"2", b"3")}
    peers = {mark: await site.peer() for mark in requests}
    for at in range(0, 30_000, 1_000):
        for mark, peer in peers.items():
            await peer.send(requests[mark][at : at + 1_000])
    for mark, peer in peers.items():
        assert (await peer.answer()).body == mark * 20_000


async def test_one_byte_more_than_8_mib_is_413_before_the_body_is_read(site):
    peer = await site.peer()
    head, _, _ = post(b"").partition(b"\r\n\r\n")
    await peer.send(head.replace(b"Content-Length: 0", b"Content-Length: %d" % (EIGHT_MIB + 1)) + b"\r\n\r\n")
    answer = await peer.answer()
    assert (answer.status, answer.closes) == (413, True)
    assert site.script.calls == []


async def test_a_refused_body_that_is_sent_anyway_does_not_hide_the_refusal(site):
    answer = await site.ask(post(b"x" * (EIGHT_MIB + 1)))
    assert answer.status == 413


@pytest.mark.parametrize(
    ("chunks", "status"),
    [
        pytest.param([b"x" * 50, b"y" * 50], 200, id="at the limit"),
        pytest.param([b"x" * 50, b"y" * 51], 413, id="one byte above"),
        pytest.param([b"x"] * 100, 200, id="at the limit in small chunks"),
        pytest.param([b"x"] * 101, 413, id="one byte above in small chunks"),
        pytest.param([], 200, id="no chunk"),
    ],
)
async def test_chunked_bodies_are_bounded(start, chunks, status):
    site = await start(max_body_bytes=100, max_wire_factor=100)
    answer = await site.ask(chunked(*chunks))
    assert answer.status == status
    assert [body for body, _ in site.script.calls] == ([b"".join(chunks)] if status == 200 else [])


@pytest.mark.parametrize("piece", [1, 7, 100_000], ids=["byte by byte", "in pieces", "at once"])
@pytest.mark.parametrize("empty_lines", [3, 150])
async def test_a_chunked_body_with_empty_lines_ends_where_it_ends(site, piece, empty_lines):
    """They look like the end of the body; the requests behind it are answered in turn."""
    site.script.reply = lambda body, _: body
    text = b"a\r\n\r\n" * empty_lines + b"\r\n\r\n0\r\n\r\n"
    trailers = chunked(text).removesuffix(b"\r\n") + b"X: y\r\n\r\n"
    stream = trailers + post(b"second") + chunked(text, b"third") + post(b"last")
    peer = await site.peer()
    for at in range(0, len(stream), piece):
        peer.writer.write(stream[at : at + piece])
        await asyncio.sleep(0)
    assert [(await peer.answer()).body for _ in range(4)] == [text, b"second", text + b"third", b"last"]


async def test_a_chunked_body_that_comes_in_pieces_is_bounded(start):
    site = await start(max_body_bytes=1000)
    peer = await site.peer()
    head, _, _ = chunked().rpartition(b"0\r\n\r\n")
    await peer.send(head)
    for size in (600, 400, 1):
        await peer.send(b"%x\r\n%b\r\n" % (size, b"x" * size))
        await asyncio.sleep(0.05)
    assert (await peer.answer()).status == 413
    assert site.script.calls == []


async def test_chunk_framing_may_not_be_larger_than_bodies(start):
    """Chunk extensions carry no byte of body and would otherwise be read for ever."""
    site = await start(max_body_bytes=2_000)
    peer = await site.peer()
    head, _, _ = chunked().rpartition(b"0\r\n\r\n")
    await peer.send(head + b"1")
    await asyncio.sleep(0.05)
    await peer.send(b";" + b"a" * 3_000)
    await asyncio.sleep(0.05)
    assert len(site.table.by_handler) == 1, "within twice the limit it goes on reading"
    await peer.send(b"a" * 2_000)
    assert b" 413 " in await peer.rest()
    assert site.script.calls == []


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(b"X: " + b"x" * 995 + b"\r\n", id="trailers"),
        pytest.param(b"1\r\nx\r\n" * 100, id="chunks of a byte"),
    ],
)
async def test_what_comes_beside_a_body_is_bounded(start, line):
    """aiohttp keeps trailers until they end, and small chunks take the event loop's time."""
    site = await start(max_framing_bytes=5_000)
    peer = await site.peer()
    head, _, _ = chunked().rpartition(b"0\r\n\r\n")
    await peer.send(head + b"1\r\nx\r\n")
    await asyncio.sleep(0.05)
    await peer.send(b"0\r\n" if line.startswith(b"X") else line)
    for _ in range(20):
        await asyncio.sleep(0.01)
        if not site.table.by_handler:
            break
        peer.writer.write(line)
    assert b" 413 " in await peer.rest()
    assert site.script.calls == []


async def test_a_large_body_in_usual_chunks_has_little_beside_it(site):
    body = [b"x" * 4_096] * 1_500
    assert (await site.ask(chunked(*body))).status == 200


def but_for_the_end(size: int) -> bytes:
    """Return a POST without the last byte of its body."""
    return post(b"x" * (size + 1))[:-1]


async def test_all_bodies_together_are_bounded_and_the_slowest_and_largest_ends_first(start):
    """An attacker that withholds the last byte is what makes room; the newcomer is served."""
    site = await start(max_buffered_bytes=1_000)
    peers = {}
    for size in (300, 600, 99):
        peers[size] = await site.peer()
        await peers[size].send(but_for_the_end(size))
        await site.until(lambda size=size: size in [connection.held_bytes for connection in site.table.connections])
        await asyncio.sleep(0.05)
    assert site.table.buffered_bytes == 999
    assert (await site.ask(post(b"x" * 1))).status == 200
    assert not site.table.ended, "exactly as many bytes as there may be"
    assert (await site.ask(post(b"x" * 2))).status == 200
    answer = await peers[600].answer()
    assert (answer.status, answer.closes) == (503, True)
    assert b"too many bytes" in answer.body
    assert site.table.ended == {Ended.BYTES: 1}
    await peers[300].send(b"x")
    await peers[99].send(b"x")
    assert [(await peers[size].answer()).status for size in (300, 99)] == [200, 200]
    await site.until(lambda: site.table.buffered_bytes == 0)


async def test_an_address_above_its_share_of_bytes_makes_room_first(start):
    """Its many small bodies would else outlast a large one of another."""
    site = await start(max_buffered_bytes=1_000)
    large = await site.peer()
    await large.send(but_for_the_end(450))
    await site.until(lambda: site.table.buffered_bytes == 450)
    await asyncio.sleep(0.2)
    many = [await site.peer(source="127.0.0.2") for _ in range(6)]
    for peer in many:
        await peer.send(but_for_the_end(100))
    assert (await first_answer(many)).status == 503
    await large.send(b"x")
    assert (await large.answer()).status == 200


BESIDE = b"X: " + b"x" * 1_995 + b"\r\n"
UNENDING = {
    "headers": (b"POST /validate HTTP/1.1\r\nHost: x\r\n", BESIDE, BESIDE),
    "headers of a request without its body": (
        post(b"xx").removesuffix(b"\r\n\r\nxx") + b"\r\n",
        BESIDE,
        BESIDE + b"\r\n",
    ),
    "trailers": (chunked(b"x").removesuffix(b"\r\n"), BESIDE, BESIDE),
    "chunks of a byte": (chunked().removesuffix(b"0\r\n\r\n"), b"1;a=b\r\nx\r\n" * 300, b"1\r\nx\r\n" * 300),
}


@pytest.mark.parametrize("parts", UNENDING.values(), ids=UNENDING)
@pytest.mark.parametrize("pieces", [1, 3])
async def test_memory_for_what_is_no_body_is_counted_with_that_of_bodies(start, parts, pieces):
    """What is within the limits of one connection is too much on a thousand: the oldest of them make room."""
    site = await start(max_buffered_bytes=30_000, grace_seconds=30)
    peers = []
    for _ in range(4):
        peer = await site.peer()
        for part in parts if pieces > 1 else (b"".join(parts),):
            await peer.send(part)
            await asyncio.sleep(0.05)
        peers.append(peer)
    await site.until(lambda: site.table.ended[Ended.BYTES])
    assert 15_000 < site.table.buffered_bytes <= 30_000
    assert 1 <= site.table.ended[Ended.BYTES] <= 2
    answer = await peers[0].answer()
    assert (answer.status, answer.closes) == (503, True)
    assert b"too many bytes" in answer.body
    assert (await site.ask(post(b"x" * 7_000))).status == 200


async def test_what_was_counted_of_one_request_is_not_left_out_of_the_next(site):
    peer = await site.peer()
    for part in (chunked(b"x").removesuffix(b"\r\n"), BESIDE, BESIDE):
        await peer.send(part)
    await site.until(lambda: site.table.buffered_bytes > 2 * len(BESIDE))
    assert (await peer.ask(b"\r\n")).status == 200
    for part in UNENDING["headers"]:
        await peer.send(part)
    await site.until(lambda: site.table.buffered_bytes > 2 * len(BESIDE))


async def test_a_body_that_came_ahead_hides_no_trailers(site):
    """Its first bytes arrive with the end of the request before, and are no bytes of this one."""
    peer = await site.peer()
    await peer.send(but_for_the_end(1))
    await site.until(lambda: site.table.buffered_bytes == 1)
    await peer.send(b"x" + chunked(b"x" * 9_000).removesuffix(b"\r\n"))
    assert (await peer.answer()).status == 200
    await site.until(lambda: site.table.buffered_bytes == 9_000)
    await peer.send(BESIDE)
    await peer.send(BESIDE)
    await site.until(lambda: site.table.buffered_bytes > 9_000 + 2 * len(BESIDE))


async def test_a_request_that_makes_room_itself_reaches_no_handler(start):
    """Its last bytes are too many: it is refused, although it has arrived."""
    site = await start(max_buffered_bytes=1_000)
    peer = await site.peer()
    data = post(b"x" * 1_200)
    await peer.send(data[:-400])
    await site.until(lambda: site.table.buffered_bytes == 800)
    await peer.send(data[-400:])
    answer = await peer.answer()
    assert (answer.status, answer.closes) == (503, True)
    await site.until(lambda: not site.table.connections)
    assert site.script.calls == []
    assert site.table.answers == {503: 1}


async def test_headers_that_came_to_their_end_hold_no_bytes(start):
    """Only a request that lets the server wait is counted."""
    site = await start(max_buffered_bytes=1)
    site.script.reply = lambda _body, _: b"%d" % site.table.buffered_bytes
    answer = await site.ask(post(b"x", "X: " + "x" * 7_000))
    assert answer.body == b"1", "the body alone"


async def test_a_body_that_comes_in_small_pieces_takes_no_more_than_one_that_comes_at_once(site):
    """Each piece as an object of its own would take dozens of bytes."""
    peer = await site.peer()
    data = but_for_the_end(20_000)
    await peer.send(data[:-20_000])
    await asyncio.sleep(0.05)
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for at in range(len(data) - 20_000, len(data), 2):
            await peer.send(data[at : at + 2])
            await asyncio.sleep(0)
        await site.until(lambda: site.table.buffered_bytes == 20_000)
        taken = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert taken < 100_000


async def test_a_request_that_is_worked_on_holds_no_bytes(site):
    """The bodies of those that wait for AWS would else keep those of others out."""
    release = asyncio.Event()

    async def work(_deadline):
        await release.wait()
        return b"{}"

    site.script.reply = lambda _body, deadline: work(deadline)
    peer = await site.peer()
    await peer.send(post(b"x" * 600))
    await site.until(lambda: site.script.calls)
    assert site.table.buffered_bytes == 0
    release.set()
    assert (await peer.answer()).status == 200


async def test_the_bytes_of_a_lost_connection_are_given_back(site):
    peer = await site.peer()
    await peer.send(but_for_the_end(600))
    await site.until(lambda: site.table.buffered_bytes == 600)
    peer.abort()
    await site.until(lambda: not site.table.by_handler)
    assert site.table.buffered_bytes == 0


@pytest.mark.parametrize(
    "chunk", [b"zz\r\n", b"0x2\r\n{}\r\n", b"1_0\r\n", b"+2\r\n{}\r\n", b"2\n{}\r\n", b"2\r\n{}\n0\r\n"]
)
async def test_a_malformed_chunk_is_refused_and_reaches_no_handler(site, chunk):
    peer = await site.peer()
    head, _, _ = chunked().rpartition(b"0\r\n\r\n")
    await peer.send(head + b"2\r\n{}\r\n")
    await site.until(lambda: site.table.buffered_bytes == 2)
    await peer.send(chunk)
    answer = await peer.answer()
    assert (answer.status, answer.closes) == (400, True)
    assert b"malformed body" in answer.body
    assert site.script.calls == []


async def test_bytes_behind_a_malformed_chunk_take_no_memory(site):
    """aiohttp keeps an error of 2 KiB for each packet behind one."""
    peer = await site.peer()
    head, _, _ = chunked().rpartition(b"0\r\n\r\n")
    await peer.send(head)
    await site.until(lambda: phases(site) == [Phase.BODY])
    inner = next(iter(site.table.by_handler))
    for _ in range(200):
        peer.writer.write(b"z")
        await asyncio.sleep(0)
    assert (await peer.answer()).status == 400
    assert len(inner._messages) <= 1


@pytest.mark.parametrize("piece", [7, 100_000], ids=["in pieces", "at once"])
async def test_a_chunked_body_has_a_bounded_number_of_empty_lines(site, piece):
    """Behind each it is looked whether the body has ended; what comes behind the body is never given to aiohttp with it."""
    stream = chunked(b"\r\n\r\n" * (MAX_EMPTY_LINES + 1)) + get("/healthz") * 100
    peer = await site.peer()
    for at in range(0, len(stream), piece):
        peer.writer.write(stream[at : at + piece])
        await asyncio.sleep(0)
    answer = await peer.answer()
    assert (answer.status, answer.closes) == (413, True)
    assert await peer.rest() == b""
    assert site.script.calls == []


@pytest.mark.parametrize("limits", [{"max_framing_bytes": 5_000}, {"max_buffered_bytes": 5_000}], ids=["one", "all"])
async def test_a_refusal_while_a_body_is_taken_is_the_only_answer_and_no_failure(start, limits):
    """The handler waits for bytes of a connection that the server has just refused."""
    site = await start(**limits)
    peer = await site.peer()
    await peer.send(chunked().removesuffix(b"0\r\n\r\n") + b"1\r\nx\r\n" * 4_000)
    await site.until(lambda: site.table.answers)
    await peer.rest()
    await site.until(lambda: not site.table.connections)
    assert sum(site.table.answers.values()) == 1
    assert 500 not in site.table.answers
