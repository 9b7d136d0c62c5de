"""Limits of size and count, at both sides of each boundary, and what could smuggle a request."""

import asyncio
import http.client
import json
import ssl
import tracemalloc
from contextlib import closing

import pytest

from tests.integration.server.peer import first_answer, get, post
from tidegate.webhook.server.ended import Ended

EIGHT_MIB = 8 * 1024 * 1024


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


def raw(*lines: str, body: bytes = b"") -> bytes:
    return "\r\n".join([*lines, "", ""]).encode() + body


SMUGGLED = b"0\r\n\r\nGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
JSON = "Content-Type: application/json"


@pytest.mark.parametrize(
    ("data", "status"),
    [
        pytest.param(raw("POST /validate HTTP/1.1", "Host: x", JSON), 411, id="no length"),
        pytest.param(raw("POST /validate HTTP/1.1", "Host: x", JSON, "Content-Length: x"), 400, id="length is a word"),
        pytest.param(raw("POST /validate HTTP/1.1", "Host: x", JSON, "Content-Length: -1"), 400, id="negative length"),
        pytest.param(raw("POST /validate HTTP/1.1", "Host: x", JSON, "Content-Length: +1"), 400, id="signed length"),
        pytest.param(
            raw("POST /validate HTTP/1.1", "Host: x", JSON, "Content-Length: 1, 1"), 400, id="list of lengths"
        ),
        pytest.param(
            raw("POST /validate HTTP/1.1", "Host: x", JSON, "Content-Length: 9" + "9" * 30), 400, id="length overflows"
        ),
        pytest.param(
            raw("POST /validate HTTP/1.1", "Host: x", JSON, "Content-Length: 1", "Content-Length: 2", body=b"{}"),
            400,
            id="two different lengths",
        ),
        pytest.param(
            raw("POST /validate HTTP/1.1", "Host: x", JSON, "Content-Length: 2", "Content-Length: 2", body=b"{}"),
            400,
            id="two equal lengths",
        ),
        pytest.param(
            raw(
                "POST /validate HTTP/1.1",
                "Host: x",
                JSON,
                "Content-Length: 5",
                "Transfer-Encoding: chunked",
                body=SMUGGLED,
            ),
            400,
            id="length and chunked",
        ),
        pytest.param(
            raw(
                "POST /validate HTTP/1.1",
                "Host: x",
                JSON,
                "Transfer-Encoding: chunked",
                "Content-Length: 5",
                body=SMUGGLED,
            ),
            400,
            id="chunked and length",
        ),
        pytest.param(
            raw("POST /validate HTTP/1.1", "Host: x", JSON, "Transfer-Encoding: gzip, chunked", body=SMUGGLED),
            400,
            id="two codings",
        ),
        pytest.param(
            raw("POST /validate HTTP/1.1", "Host: x", JSON, "Transfer-Encoding: chunked, identity", body=SMUGGLED),
            400,
            id="chunked is not last",
        ),
        pytest.param(
            raw("POST /validate HTTP/1.1", "Host: x", JSON, "Transfer-Encoding : chunked", body=SMUGGLED),
            400,
            id="space before the colon",
        ),
        pytest.param(
            raw("POST /validate HTTP/1.0", "Host: x", JSON, "Transfer-Encoding: chunked", body=SMUGGLED),
            400,
            id="chunked in HTTP/1.0",
        ),
        pytest.param(
            raw("POST /validate HTTP/1.1", "Host: x", JSON, "X: a\r\n folded", "Content-Length: 0"),
            400,
            id="folded line",
        ),
        pytest.param(b"GET /healthz HTTP/1.1\nHost: x\n\n", 400, id="lines end with LF only"),
        pytest.param(raw("GET /healthz HTTP/1.1"), 400, id="no host"),
        pytest.param(raw("GET /healthz HTTP/1.1", "Host: a", "Host: b"), 400, id="two hosts"),
        pytest.param(
            raw("GET /healthz HTTP/1.1", "Host: x", "Content-Length: 2", body=b"{}"), 400, id="GET with a body"
        ),
        pytest.param(
            raw("GET /healthz HTTP/1.1", "Host: x", "Transfer-Encoding: chunked", body=SMUGGLED), 400, id="chunked GET"
        ),
        pytest.param(raw("GET /healthz HTTP/1.1", "Host: x", "Upgrade: h2c", "Connection: Upgrade"), 400, id="upgrade"),
        pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, id="HTTP/2 preface"),
        pytest.param(
            raw("POST /validate HTTP/1.1", "Host: x", JSON, "Expect: gold", "Content-Length: 2"), 417, id="expects gold"
        ),
        pytest.param(b"\x16\x03\x01\x00\xa5\x01\x00", 400, id="TLS in TLS"),
        pytest.param(b"\x00" * 64, 400, id="zeros"),
    ],
)
async def test_what_could_be_read_in_two_ways_is_refused_and_ends_the_connection(site, data, status):
    peer = await site.peer()
    answer = await peer.ask(data)
    assert (answer.status, answer.closes) == (status, True)
    assert b"ok\n" not in await peer.rest(), "nothing after the refused request was taken for a request"
    assert site.script.calls == []


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(raw("GET /healthz HTTP/1.1"), id="no host"),
        pytest.param(raw("GET /healthz HTTP/1.1", "Host: a", "Host: b"), id="two hosts"),
        pytest.param(raw("POST /validate HTTP/1.1", "Host: x", JSON, JSON, "Content-Length: 2"), id="two media types"),
        *(
            pytest.param(
                raw("POST /validate HTTP/1.1", "Host: x", JSON, f"Content-Length: {length}"), id=f"length {length!r}"
            )
            for length in ("x", "-1", "+1", "1, 1", "1 2", "", "0x2", "9" * 30)
        ),
        pytest.param(
            raw("POST /validate HTTP/1.1", "Host: x", JSON, "Content-Length: 2", "Content-Length: 2"), id="two lengths"
        ),
        *(
            pytest.param(raw("POST /validate HTTP/1.1", "Host: x", JSON, *lines), id=" and ".join(lines))
            for lines in (
                ("Content-Length: 5", "Transfer-Encoding: chunked"),
                ("Transfer-Encoding: chunked", "Content-Length: 5"),
                ("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"),
                ("Transfer-Encoding: identity", "Transfer-Encoding: chunked"),
                ("Transfer-Encoding: chunked, identity",),
                ("Transfer-Encoding: ",),
            )
        ),
        pytest.param(
            raw("POST /validate HTTP/1.0", "Host: x", JSON, "Transfer-Encoding: chunked"), id="chunked in HTTP/1.0"
        ),
    ],
)
async def test_aiohttp_refuses_these_by_itself(site, data, monkeypatch):
    """head.py relies on it: should a new version let one through, this is where it is seen."""
    judged = []
    monkeypatch.setattr("tidegate.webhook.server.dispatch.accept_head", lambda *head: judged.append(head))
    peer = await site.peer()
    await peer.send(data + SMUGGLED)
    answer = await peer.answer()
    assert (answer.status, answer.closes) == (400, True)
    assert judged == []


@pytest.mark.parametrize(
    ("length", "status"),
    [("2", 200), (" 2 ", 200), ("0" * 18 + "2", 200), ("0" * 19 + "2", 400), ("9" * 19, 413), ("1" + "0" * 19, 400)],
)
async def test_a_length_is_a_number_of_at_most_19_digits(site, length, status):
    data = raw("POST /validate HTTP/1.1", "Host: x", JSON, f"Content-Length: {length}", body=b"{}")
    assert (await site.ask(data)).status == status


@pytest.mark.parametrize(
    "data",
    [raw("GET /healthz HTTP/1.9", "Host: x"), raw("GET /healthz HTTP/3.0", "Host: x"), raw("GET /healthz")],
    ids=["HTTP/1.9", "HTTP/3.0", "HTTP/0.9"],
)
async def test_other_versions_are_refused(site, data):
    assert (await site.ask(data)).status in {400, 505}


async def test_expect_continue_is_answered_before_the_body_is_sent(site):
    peer = await site.peer()
    head, _, _ = post(b"x" * 10, "Expect: 100-continue").partition(b"\r\n\r\n")
    await peer.send(head + b"\r\n\r\n")
    assert (await peer.answer()).status == 100
    await peer.send(b"x" * 10)
    assert (await peer.answer()).status == 200


async def test_expect_continue_of_a_refused_request_is_answered_with_the_refusal(start):
    site = await start(max_body_bytes=9)
    peer = await site.peer()
    head, _, _ = post(b"x" * 10, "Expect: 100-continue").partition(b"\r\n\r\n")
    await peer.send(head + b"\r\n\r\n")
    assert (await peer.answer()).status == 413


async def test_a_malformed_chunk_reaches_no_handler(start):
    """aiohttp tells a waiting handler nothing of it, so the limit of the body's time ends the request."""
    site = await start(head_seconds=0.1, body_seconds=0.1)
    peer = await site.peer()
    head, _, _ = chunked().rpartition(b"0\r\n\r\n")
    await peer.send(head + b"2\r\n{}\r\n")
    await site.until(lambda: site.table.buffered_bytes == 2)
    await peer.send(b"zz\r\n")
    assert (await peer.answer()).closes
    assert site.script.calls == []


async def test_garbage_behind_a_request_is_never_an_answer_to_it(site):
    """In one packet with garbage, aiohttp answers for the garbage alone: the request is lost, and not allowed."""
    answer = await site.ask(post() + b"nonsense\r\n\r\n")
    assert (answer.status, answer.closes) == (400, True)
