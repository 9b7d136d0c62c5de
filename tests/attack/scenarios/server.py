"""Attacks on the server of the webhook: bodies, connections and handshakes. Each has good Pods beside it.

Attackers and API server come from loopback addresses: the same one where the table says so, as behind a NAT.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine, Sequence
from typing import Any

import uvloop

from tests.attack.crowd import (
    HOME,
    REVIEW,
    Answers,
    ask,
    ask_at_once,
    ask_in_turn,
    ask_once,
    connect,
    connect_plain,
    review_body,
)
from tests.attack.scenario import Outcome, Scenario
from tests.attack.serving import MIB, Serving
from tests.integration.server.peer import client_context, get, post
from tidegate.app.fatal import OUT_OF_MEMORY
from tidegate.webhook.server import ServerLimits

GOOD_PODS = 39
STRANGER = "127.0.0.2"
MAX_BODY = 8 * MIB
CONNECTION_KIB = 128
"""What a connection may take, at the worst moment of its TLS handshake, of the server's memory."""
MALICIOUS_KIB = 170
"""What a connection may take with headers, chunks or trailers that do not end, as docs/concepts/limits.md states it."""
QUIET_KIB = 80
"""What a connection takes, as docs/concepts/limits.md states it."""
CROWD = [f"127.0.{net}.{host}" for net in range(1, 7) for host in range(1, 251)]
"""As many addresses as connections."""


def _run(attack: Coroutine[Any, Any, Answers]) -> Answers:
    """Run in an event loop whose TLS takes little memory for each connection."""
    return uvloop.run(attack)


def _complex_body() -> Outcome:
    """8 MiB of empty containers, while good Pods are asked about."""
    body = review_body(0)
    empty = b"{}," * ((MAX_BODY - len(body)) // 3 - 10)
    data = post(body.replace(b'"containers": [', b'"containers": [' + empty))

    async def attack(serving: Serving) -> Answers:
        reader, writer = await connect(serving.port)
        good = asyncio.create_task(ask_in_turn(serving.port, GOOD_PODS))
        for _ in range(3):
            assert await ask(reader, writer, data) == 200
        writer.transport.abort()
        return await good

    with Serving() as serving:
        good = _run(attack(serving))
        milliseconds = 1_000 * serving.figures()["longest_seconds"]
        grown = serving.grown_mib
    return Outcome(
        measured=f"{milliseconds:.0f} ms of the event loop, {grown:.0f} MiB more; good Pods: {good}",
        bound=f"50 ms of the event loop, 64 MiB more, {GOOD_PODS} of {GOOD_PODS} good Pods",
        held=milliseconds < 50 and grown < 64 and good.good == GOOD_PODS,
    )


@contextlib.asynccontextmanager
async def _held(
    port: int, count: int, data: bytes, *, sources: Sequence[str], first: bytes = b""
) -> AsyncIterator[None]:
    """Hold connections that have sent some bytes, after a request that is answered if ``first`` is one."""
    context = client_context()
    limit = asyncio.Semaphore(100)
    writers = []

    async def hold(source: str) -> None:
        with contextlib.suppress(OSError, EOFError):
            async with limit:
                reader, writer = await connect(port, source=source, context=context)
                writers.append(writer)
                if first:
                    await ask(reader, writer, first)
            writer.write(data)
            await writer.drain()

    holding = [asyncio.create_task(hold(sources[number % len(sources)])) for number in range(count)]
    await asyncio.wait(holding, timeout=30)
    try:
        yield
    finally:
        for task in holding:
            task.cancel()
        for writer in writers:
            writer.transport.abort()
        await asyncio.gather(*holding, return_exceptions=True)


def _holding(
    count: int, data: bytes, *, sources: Sequence[str] = (HOME,), first: bytes = b"", most_mib: int
) -> Outcome:
    """Ask about good Pods while connections are held."""

    async def attack(serving: Serving) -> Answers:
        async with _held(serving.port, count, data, sources=sources, first=first):
            return await ask_in_turn(serving.port, GOOD_PODS)

    with Serving() as serving:
        good = _run(attack(serving))
        grown = serving.grown_mib
    return Outcome(
        measured=f"good Pods: {good}; {grown:.0f} MiB more",
        bound=f"{GOOD_PODS} of {GOOD_PODS} good Pods answered, {most_mib} MiB more",
        held=good.good == GOOD_PODS and grown < most_mib,
    )


def _withheld_bodies() -> Outcome:
    return _holding(9, post(b" " * MAX_BODY)[:-1], most_mib=64)


def _withheld_bodies_of_a_stranger() -> Outcome:
    """Many small ones, on connections that were answered before."""
    return _holding(700, post(b" " * 64 * 1024)[:-1], sources=(STRANGER,), first=get("/healthz"), most_mib=192)


def _slow_connections() -> Outcome:
    return _holding(560, REVIEW[:40], most_mib=560 * CONNECTION_KIB // 1024)


def _more_slow_connections_than_there_is_room_for() -> Outcome:
    return _holding(2_100, REVIEW[:40], first=get("/healthz"), most_mib=2_100 * CONNECTION_KIB // 1024)


def _lines(count: int, size: int) -> bytes:
    return b"".join(b"X-%d: %b\r\n" % (number, b"x" * size) for number in range(count))


def _long_heads(before: bytes = b"") -> Outcome:
    """Half a megabyte of header lines on each connection, and never the end of them."""
    data = before + b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + _lines(60, 8_000)
    return _holding(200, data, most_mib=200 * MALICIOUS_KIB // 1024)


CHUNKED = b"POST /validate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"


def _trailers() -> Outcome:
    """Half a megabyte of lines behind a small body on each connection, and never the end of them."""
    return _holding(200, CHUNKED + b"2\r\n{}\r\n0\r\n" + _lines(60, 8_000), most_mib=200 * MALICIOUS_KIB // 1024)


def _chunks_of_a_byte() -> Outcome:
    return _holding(200, CHUNKED + b"1;a=b\r\nx\r\n" * 40_000, most_mib=200 * MALICIOUS_KIB // 1024)


def _from_everywhere(data: bytes) -> Outcome:
    """Each connection within its own limits, each from an address of its own: together they take the room of bodies."""
    most_mib = (len(CROWD) * QUIET_KIB * 1024 + ServerLimits().max_buffered_bytes) // MIB
    return _holding(len(CROWD), data, sources=CROWD, first=get("/healthz"), most_mib=most_mib)


def _silent_connections() -> Outcome:
    """Nothing but TCP, and more of it than there is room for."""

    async def attack(serving: Serving) -> Answers:
        plain = [await connect_plain(serving.port) for _ in range(2_200)]
        try:
            return await ask_in_turn(serving.port, GOOD_PODS)
        finally:
            for one in plain:
                one.close()

    with Serving() as serving:
        good = _run(attack(serving))
    return Outcome(
        measured=f"good Pods: {good}",
        bound=f"{GOOD_PODS} of {GOOD_PODS} good Pods answered",
        held=good.good == GOOD_PODS,
    )


def _at_once(count: int, *, seconds: float) -> Outcome:
    """All honest, each on a connection of its own, and each to be looked up."""
    with Serving(answer_seconds=seconds) as serving:
        answers = _run(ask_at_once(serving.port, count))
        grown = serving.grown_mib
    most_mib = count * CONNECTION_KIB // 1024
    return Outcome(
        measured=f"{answers}; {grown:.0f} MiB more",
        bound=f"{count} of {count} answered, {most_mib} MiB more",
        held=answers.good == count and grown < most_mib,
    )


def _handshakes_at_once() -> Outcome:
    """As when an API server stalled: the connections are there, and all say hello in the same moment."""

    async def attack(serving: Serving) -> Answers:
        answers, context = Answers(), client_context()
        plain = [await connect_plain(serving.port) for _ in range(500)]
        await asyncio.sleep(0.5)
        await asyncio.gather(*(ask_once(serving.port, answers, context=context, plain=one) for one in plain))
        return answers

    with Serving() as serving:
        answers = _run(attack(serving))
    return Outcome(measured=str(answers), bound="500 of 500 answered", held=answers.good == 500)


def _more_at_once_than_there_is_room_for() -> Outcome:
    """Honest requests above the limit wait, or get a 503; none is reset."""
    count = 400
    with Serving(answer_seconds=0.5, max_connections=100, grace_seconds=30) as serving:
        answers = _run(ask_at_once(serving.port, count))
    clear = answers.good + answers.statuses[503]
    return Outcome(
        measured=str(answers), bound=f"{count} of {count} answered, some perhaps with 503", held=clear == count
    )


def _little_address_space() -> Outcome:
    """The process may map less than the connections need: it goes on, or ends and says why, but does not crash."""
    with Serving(answer_seconds=0.3, address_space_mib=400) as serving:
        answers = _run(ask_at_once(serving.port, 1_500))
        ended = serving.returncode
        said = serving.log().strip().splitlines()[-1]
    return Outcome(
        measured=f"{answers}; " + ("still running" if ended is None else f"ended with {ended}: {said[-130:]}"),
        bound="still running, or ended with a reason and by no signal",
        held=ended is None or (ended == OUT_OF_MEMORY and "out of memory" in said),
    )


SCENARIOS = (
    Scenario(name="complex-body", attack="one 8 MiB body with 2.7 million {} containers", run=_complex_body),
    Scenario(name="withheld-bodies", attack="9 connections that withhold the last byte of 8 MiB", run=_withheld_bodies),
    Scenario(
        name="withheld-small-bodies",
        attack="700 connections of one address that were answered, and withhold the last byte of 64 KiB",
        run=_withheld_bodies_of_a_stranger,
    ),
    Scenario(name="slow-connections", attack="560 connections that do not end their request", run=_slow_connections),
    Scenario(
        name="slow-connections-without-room",
        attack="2,100 connections that were answered, and do not end their next request",
        run=_more_slow_connections_than_there_is_room_for,
    ),
    Scenario(
        name="long-heads",
        attack="200 connections that send 480 KB of header lines each, and do not end them",
        run=_long_heads,
    ),
    Scenario(
        name="long-heads-behind-empty-lines",
        attack="200 connections that send empty lines, then 480 KB of header lines each, and do not end them",
        run=lambda: _long_heads(b"\r\n\r\n"),
    ),
    Scenario(
        name="trailers",
        attack="200 connections that send 480 KB of trailers behind a chunked body, and do not end them",
        run=_trailers,
    ),
    Scenario(
        name="chunks-of-a-byte",
        attack="200 connections that send 40,000 chunks of one byte each",
        run=_chunks_of_a_byte,
    ),
    Scenario(
        name="trailers-from-everywhere",
        attack="1,500 connections from as many addresses that send 30 KB of trailers each, and do not end them",
        run=lambda: _from_everywhere(CHUNKED + b"2\r\n{}\r\n0\r\n" + _lines(60, 500)),
    ),
    Scenario(
        name="heads-from-everywhere",
        attack="1,500 connections from as many addresses that send 15 KB of headers each, and no body",
        run=lambda: _from_everywhere(CHUNKED[:-2] + _lines(55, 260) + b"\r\n"),
    ),
    Scenario(name="silent-connections", attack="2,200 connections that say nothing", run=_silent_connections),
    Scenario(
        name="a-thousand-at-once",
        attack="1,000 Pods at once through 1,000 connections",
        run=lambda: _at_once(1_000, seconds=0.3),
    ),
    Scenario(
        name="two-thousand-at-once",
        attack="2,000 Pods at once through 2,000 connections, each waiting 2 s for AWS",
        run=lambda: _at_once(2_000, seconds=2.0),
    ),
    Scenario(name="handshakes-at-once", attack="500 TLS handshakes that begin together", run=_handshakes_at_once),
    Scenario(
        name="more-at-once-than-room",
        attack="400 Pods at once through 400 connections where there is room for 100",
        run=_more_at_once_than_there_is_room_for,
    ),
    Scenario(
        name="little-address-space",
        attack="1,500 connections while the address space is limited to 400 MiB",
        run=_little_address_space,
    ),
)
