"""Bursts against the server of the webhook: all connections send while it stands still, as a Pod without processor time does."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import uvloop

from tests.attack.crowd import Answers, ask, ask_in_turn, connect
from tests.attack.scenario import Outcome, Scenario
from tests.attack.scenarios.server import CHUNKED, CROWD, MALICIOUS_KIB
from tests.attack.serving import MIB, Serving
from tests.integration.server.peer import client_context, get, post
from tidegate.webhook.server import ServerLimits

SENT_BYTES = 300_000
"""What each connection sends: more than a server may keep of it, on so many."""
GOOD_PODS = 5
STILL_SECONDS = 0.5
"""How long the server stands still: the kernel takes what its buffers hold."""
MOST_MIB = (len(CROWD) * MALICIOUS_KIB * 1024 + ServerLimits().max_buffered_bytes) // MIB
"""What docs/concepts/limits.md states, which fits into the chart's memory limit."""


def _run(attack: Coroutine[Any, Any, Answers]) -> Answers:
    return uvloop.run(attack)


async def _connected(port: int) -> list[asyncio.StreamWriter]:
    """Return connections from as many addresses, each of which was answered once."""
    context, limit = client_context(), asyncio.Semaphore(100)

    async def one(source: str) -> asyncio.StreamWriter:
        async with limit:
            reader, writer = await connect(port, source=source, context=context)
            await ask(reader, writer, get("/healthz"))
        return writer

    return await asyncio.gather(*(one(source) for source in CROWD))


def _burst(data: bytes) -> Outcome:
    """Send on all connections while the server stands still, and go on; then ask about good Pods."""

    async def attack(serving: Serving) -> Answers:
        writers = await _connected(serving.port)
        try:
            with serving.standing_still():
                for writer in writers:
                    writer.write(data)
                await asyncio.sleep(STILL_SECONDS)
            await asyncio.to_thread(serving.wait)
            return await ask_in_turn(serving.port, GOOD_PODS)
        finally:
            for writer in writers:
                writer.transport.abort()

    with Serving() as serving:
        good = _run(attack(serving))
        grown = serving.grown_mib
    return Outcome(
        measured=f"good Pods: {good}; {grown:.0f} MiB more",
        bound=f"{GOOD_PODS} of {GOOD_PODS} good Pods answered, {MOST_MIB} MiB more",
        held=good.good == GOOD_PODS and grown < MOST_MIB,
    )


def _times(data: bytes) -> bytes:
    return data * (SENT_BYTES // len(data))


_HEAD = b"GET /healthz HTTP/1.1\r\nHost:x\r\n"
_SHORT_LINES = b"".join(b"a%d:\r\n" % (number % 10) for number in range(60))

SCENARIOS = (
    Scenario(
        name="burst-of-bodies",
        attack="1,500 connections that send 300 kB of a body each while the server stands still",
        run=lambda: _burst(post(b" " * 2 * SENT_BYTES)[:SENT_BYTES]),
    ),
    Scenario(
        name="burst-of-chunks",
        attack="1,500 connections that send 50,000 chunks of one byte each while the server stands still",
        run=lambda: _burst(CHUNKED + _times(b"1\r\nx\r\n")),
    ),
    Scenario(
        name="burst-of-requests",
        attack="1,500 connections that send 9,000 requests each while the server stands still",
        run=lambda: _burst(_times(_HEAD + b"\r\n")),
    ),
    Scenario(
        name="burst-of-header-lines",
        attack="1,500 connections that send requests of 61 short header lines while the server stands still",
        run=lambda: _burst(_times(_HEAD + _SHORT_LINES + b"\r\n")),
    ),
)
