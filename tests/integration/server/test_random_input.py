"""Random bytes and random pieces of requests: the server lives, allows nothing, and keeps no connection and no task."""

import asyncio
import contextlib

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.integration.server import certificates
from tests.integration.server.conftest import FAST, Script
from tests.integration.server.peer import Answer, Peer, get
from tests.waiting import until
from tidegate.webhook.server import AdmissionServer, Listener, Route, ServerLimits, ServerResponse, ServerTLS

LIMITS = ServerLimits(
    **{**FAST, "sweep_seconds": 0.01, "linger_seconds": 0.02, "close_seconds": 0.1},
    head_seconds=0.05,
    body_seconds=0.05,
    idle_seconds=0.1,
    max_body_bytes=1_000,
    max_buffered_bytes=3_000,
    max_headers=16,
    max_head_bytes=1_000,
)
PAIR = certificates.pair()
HEALTH_TRIES = 20
ALLOWED = b'{"response":{"allowed":true}}'

REQUEST_LINES = st.builds(
    b"%b %b%b%b\r\n".__mod__,
    st.tuples(
        st.sampled_from([b"POST", b"GET", b"HEAD", b"PUT", b"OPTIONS", b"CONNECT", b"PRI", b"post", b"", b"\x00"]),
        st.sampled_from(
            [b"/validate", b"/validate?timeout=1s", b"/healthz", b"*", b"/", b"http://x/validate", b"//", b""]
        ),
        st.sampled_from([b" ", b"  ", b"\t", b""]),
        st.sampled_from([b"HTTP/1.1", b"HTTP/1.0", b"HTTP/2.0", b"HTTP/0.9", b"HTTP/1.1 ", b"ICE/1.0", b""]),
    ),
)
HEADERS = st.sampled_from(
    [
        b"Host: x\r\n",
        b"Host: y\r\n",
        b"Content-Type: application/json\r\n",
        b"Content-Length: 2\r\n",
        b"Content-Length: 0\r\n",
        b"Content-Length: 1001\r\n",
        b"Content-Length: 99999999999999999999999\r\n",
        b"Content-Length: -1\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: identity\r\n",
        b"Transfer-Encoding: gzip, chunked\r\n",
        b"Transfer-Encoding:\x0bchunked\r\n",
        b"Expect: 100-continue\r\n",
        b"Connection: close\r\n",
        b"Connection: Upgrade\r\nUpgrade: websocket\r\n",
        b"Connection: keep-alive, Content-Length\r\n",
        b"Content-Encoding: gzip\r\n",
        b" folded\r\n",
        b": no name\r\n",
        b"no colon\r\n",
        b"X: \x00\r\n",
        b"X: \xff\r\n",
        b"X: " + b"a" * 900 + b"\r\n",
        b"X: 1\n",
        b"X: 1\r",
    ]
)
BODIES = st.sampled_from(
    [b"{}", b"2\r\n{}\r\n", b"0\r\n\r\n", b"2;x=y\r\n{}\r\n0\r\n\r\n", b"ffffffffffffffff\r\n", b"-1\r\n", b"{" * 999]
)
PIECES = st.one_of(REQUEST_LINES, HEADERS, HEADERS, st.just(b"\r\n"), BODIES, st.binary(max_size=40))
REQUEST = st.builds(
    lambda line, headers, end, body: line + b"".join(headers) + end + body,
    REQUEST_LINES,
    st.lists(HEADERS, max_size=6),
    st.sampled_from([b"\r\n", b"\r\n", b"\r\n", b"\n", b""]),
    st.one_of(st.just(b""), BODIES),
)
STREAMS = st.one_of(
    st.lists(REQUEST, min_size=1, max_size=4),
    st.lists(PIECES, min_size=1, max_size=12),
    st.lists(st.binary(max_size=200), min_size=1, max_size=4),
)
QUIET_EXAMPLES = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)


async def ask_for_health(port: int, *, tls: bool) -> Answer:
    """Ask on a new connection, and on further ones if each was idle for too long before its request arrived."""
    loop = asyncio.get_running_loop()
    for _ in range(HEALTH_TRIES):
        began = loop.time()
        peer = await Peer.connect(port, tls=tls)
        try:
            return await peer.ask(get("/healthz"))
        except (ConnectionError, asyncio.IncompleteReadError):
            if loop.time() - began < LIMITS.idle_seconds:
                raise
        finally:
            peer.close()
    raise TimeoutError(f"no answer on {HEALTH_TRIES} connections")


async def survive(stream: list[bytes], *, tls: bool) -> None:
    """Send a stream in its pieces; read all that comes; then ask for health and end with nothing left."""
    before = asyncio.all_tasks()
    script = Script(reply=lambda _body, _deadline: b'{"response":{"allowed":false}}')
    if tls:
        server = AdmissionServer(responder=script, readiness=list, tls=ServerTLS(*PAIR), limits=LIMITS)
        listener: Listener = server
    else:
        routes = [
            Route(method="POST", path="/validate", handler=script, media_type="application/json"),
            Route(method="GET", path="/healthz", handler=lambda _body, _deadline: ServerResponse(body=b"ok\n")),
        ]
        listener = Listener(name="plain", routes=routes, tls=None, limits=LIMITS)
    await listener.start("127.0.0.1", 0)
    peer = await Peer.connect(listener.port, tls=tls)
    with contextlib.suppress(ConnectionError):
        for piece in stream:
            await peer.send(piece)
            await asyncio.sleep(0)
    received = await peer.rest()
    peer.abort()
    assert ALLOWED not in received
    for line in received.split(b"\r\n"):
        if line.startswith(b"HTTP/1."):
            assert line[8:9] == b" "
            assert int(line.split()[1]) in {100, 200, 400, 404, 405, 408, 411, 413, 415, 417, 431, 503, 505}
    for body, _ in script.calls:
        assert len(body) <= LIMITS.max_body_bytes
    assert (await ask_for_health(listener.port, tls=tls)).status == 200
    await until(lambda: not listener.table.by_handler)
    assert listener.table.buffered_bytes == 0
    assert 500 not in listener.table.answers
    await listener.drain(0.01)
    await until(lambda: not asyncio.all_tasks() - before - {asyncio.current_task()})


@QUIET_EXAMPLES
@given(stream=STREAMS)
async def test_random_requests_over_tls(stream):
    await survive(stream, tls=True)


@QUIET_EXAMPLES
@given(stream=STREAMS)
async def test_random_requests_without_tls(stream):
    await survive(stream, tls=False)


GOOD = (
    b"POST /validate?timeout=1s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 20\r\n\r\n"
    + b"{" * 20
)


@QUIET_EXAMPLES
@given(
    position=st.integers(min_value=0, max_value=len(GOOD) - 1),
    byte=st.integers(min_value=0, max_value=255),
    cut=st.integers(min_value=0, max_value=len(GOOD)),
)
async def test_a_right_request_with_one_wrong_byte_in_two_packets(position, byte, cut):
    mutant = GOOD[:position] + bytes([byte]) + GOOD[position + 1 :]
    await survive([mutant[:cut], mutant[cut:]], tls=False)
