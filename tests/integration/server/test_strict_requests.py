"""What could smuggle a request: each is refused, and ends its connection."""

import pytest

from tests.integration.server.peer import post


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
            raw("POST /validate HTTP/1.0", "Host: x", JSON, "Transfer-Encoding: chunked"),
            400,
            id="chunked in HTTP/1.0, with nothing behind it",
        ),
        pytest.param(
            raw("POST /validate HTTP/1.1", "Host: x", JSON, "Transfer-Encoding: ", body=SMUGGLED),
            400,
            id="no coding",
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
        pytest.param(b"PRI * HTTP/2.0\r\n\r\n", 400, id="beginning of the HTTP/2 preface"),
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
            )
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


async def test_garbage_behind_a_request_is_never_an_answer_to_it(site):
    """Also where both come in one packet: the request has its own answer, and the garbage one behind it."""
    peer = await site.peer()
    answer = await peer.ask(post() + b"nonsense\r\n\r\n")
    assert (answer.status, answer.closes, answer.body) == (200, False, b'{"size":2}')
    refusal = await peer.answer()
    assert (refusal.status, refusal.closes) == (400, True)
    assert len(site.script.calls) == 1
