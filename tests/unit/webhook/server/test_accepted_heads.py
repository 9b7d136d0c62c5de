"""A head that is remembered is judged as it was the first time, and what is remembered is bounded."""

import sys
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from tidegate.webhook.server import ServerLimits
from tidegate.webhook.server.head import (
    MAX_REMEMBERED_BYTES,
    MAX_REMEMBERED_HEADS,
    MAX_REMEMBERED_LINES,
    AcceptedHeads,
    accept_head,
)
from tidegate.webhook.server.reply import Refused
from tidegate.webhook.server.route import Route, RouteTable

LIMITS = ServerLimits(max_body_bytes=1_000, max_head_bytes=500)
ROUTES = RouteTable(
    [
        Route(method="POST", path="/validate", handler=lambda _body, _left: b"", media_type="application/json"),
        Route(method="GET", path="/healthz", handler=lambda _body, _left: b"", hosts=frozenset({"localhost"})),
    ]
)
LINES = ((b"Host", b"localhost"), (b"Content-Length", b"2"), (b"Content-Type", b"application/json"))


def request(
    lines: Any = LINES, *, method: str = "POST", version: tuple[int, int] = (1, 1), target: str = "/validate"
) -> web.BaseRequest:
    made = SimpleNamespace(method=method, version=version, raw_path=target, raw_headers=tuple(lines))
    return cast("web.BaseRequest", made)


def judge(one: web.BaseRequest) -> Any:
    return accept_head(one, ROUTES, LIMITS)


def outcome(accept: Any, one: web.BaseRequest) -> Any:
    try:
        return accept(one)
    except Refused as refused:
        return refused.reply
    except ValueError:  # aiohttp lets no such length through.
        return ValueError


NAMES = (
    b"Host",
    b"host",
    b"Content-Length",
    b"content-length",
    b"Content-Type",
    b"Content-Encoding",
    b"Expect",
    b"Upgrade",
)
VALUES = (
    b"localhost",
    b"evil",
    b"2",
    b" 2 ",
    b"02",
    b"0",
    b"2000",
    b"application/json",
    b"APPLICATION/JSON",
    b"100-continue",
)
HEADER = st.tuples(
    st.sampled_from((*NAMES, b"Transfer-Encoding", b"X")), st.sampled_from((*VALUES, b"chunked", b"gzip", b"x" * 400))
)
REQUESTS = st.builds(
    request,
    st.one_of(st.just(LINES), HEADER.map(lambda one: (*LINES, one)), st.lists(HEADER, max_size=6)),
    method=st.sampled_from(["POST", "GET", "HEAD", "post"]),
    version=st.sampled_from([(1, 1), (1, 0), (0, 9), (2, 0)]),
    target=st.sampled_from(
        ["/validate", "/validate?timeout=5s", "/validate?timeout=0s", "/healthz", "/healthz?", "//validate"]
    ),
)


@given(st.lists(REQUESTS, min_size=2, max_size=12))
def test_every_head_is_judged_as_if_none_were_remembered(requests):
    heads = AcceptedHeads(judge)
    assert [outcome(heads.accept, one) for one in requests * 2] == [outcome(judge, one) for one in requests * 2]


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(request(method="GET"), id="another method"),
        pytest.param(request(version=(2, 0)), id="another version"),
        pytest.param(request(target="/validate?timeout=0s"), id="another target"),
        pytest.param(request((*LINES, (b"Upgrade", b"h2c"))), id="one more header"),
        pytest.param(request(LINES[:2]), id="one header less"),
        pytest.param(request((*LINES[:2], (b"Content-Type", b"text/plain"))), id="another value"),
        pytest.param(request((LINES[0], (b"X", b"2"), LINES[2])), id="another name"),
    ],
)
def test_a_head_that_differs_from_a_remembered_one_is_judged_itself(other):
    heads = AcceptedHeads(judge)
    assert heads.accept(request()) is heads.accept(request())
    with pytest.raises(Refused):
        heads.accept(other)


def test_a_refusal_is_not_remembered():
    heads = AcceptedHeads(judge)
    assert outcome(heads.accept, request(LINES[:1])).status == 411
    assert len(heads) == 0


def test_the_oldest_of_too_many_is_forgotten():
    judged = []
    heads = AcceptedHeads(lambda one: judged.append(one) or judge(one))  # type: ignore[func-returns-value]
    every = [request((*LINES, (b"X", b"%d" % number))) for number in range(MAX_REMEMBERED_HEADS + 1)]
    for one in (*every, every[-1], every[0]):
        heads.accept(one)
    assert len(heads) == MAX_REMEMBERED_HEADS
    assert judged == [*every, every[0]]


def padded(size: int) -> web.BaseRequest:
    """Return a request whose head takes so many bytes, its target four a character."""
    used = 4 * len("/validate") + sum(len(name) + len(value) for name, value in LINES)
    return request((*LINES, (b"X", b"x" * (size - used - 1))))


@pytest.mark.parametrize(
    ("one", "count"),
    [
        pytest.param(padded(MAX_REMEMBERED_BYTES), 1, id="the most bytes"),
        pytest.param(padded(MAX_REMEMBERED_BYTES + 1), 0, id="one byte more"),
        pytest.param(request(target="/validate?" + "\U0001f30a" * 250), 0, id="a long target"),
        pytest.param(request((*LINES, *[(b"X", b"")] * (MAX_REMEMBERED_LINES - 3))), 1, id="the most lines"),
        pytest.param(request((*LINES, *[(b"X", b"")] * (MAX_REMEMBERED_LINES - 2))), 0, id="one line more"),
    ],
)
def test_long_heads_are_not_remembered(one, count):
    heads = AcceptedHeads(lambda one: accept_head(one, ROUTES, ServerLimits()))
    assert heads.accept(one) == heads.accept(one)
    assert len(heads) == count


def test_a_remembered_head_takes_less_than_four_kilobytes():
    """The largest: as many lines and bytes as are remembered, each of its objects with a size of its own."""
    room = MAX_REMEMBERED_BYTES - 4 * len("/validate")
    lines = [(b"X" * (room // MAX_REMEMBERED_LINES - 1), b"Y") for _ in range(MAX_REMEMBERED_LINES)]
    key = ("POST", (1, 1), "/validate", tuple(lines))
    objects = [key, *key, *lines, *(part for line in lines for part in line)]
    assert sum(map(sys.getsizeof, objects)) + 200 < 4 * 1024
