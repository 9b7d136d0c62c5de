"""Bursts: many new TLS connections at once, each with one review of known images. `... bursts PORT COUNT` is the client.

An API server opens a connection for each request that it has no idle one for, so that a large rollout arrives like this.
The client is a process of its own on the other core. Times count from the beginning of the burst, when all connections
are begun, so that they include the handshakes and the wait for all before.
"""

from __future__ import annotations

import asyncio
import json
import resource
import statistics
import subprocess
import sys
import time
from typing import Any

import uvloop

from tests.attack.crowd import ask, connect
from tests.bench.reviews import ECR, review_of
from tests.integration.server.peer import client_context, post

COUNTS = (200, 1_000, 2_000)
SECONDS = 30.0
"""How long an answer is waited for: the longest timeout that a webhook may have."""
PAUSE_SECONDS = 2.0
"""Between bursts, so that the connections of one have ended before the next."""


def run(*, rounds: int) -> dict[str, dict[str, float]]:
    """Return the medians of the rounds by the number of connections."""
    from tests.bench.serving import POLICY, gate_on_one_core
    from tests.simulator import World

    world = World()
    world.add_scanned_images("bench/app", 1)
    samples: dict[str, list[dict[str, float]]] = {}
    with gate_on_one_core(world) as gate:
        gate.apply_policy("bench", POLICY)
        for number in range(rounds):
            for count in COUNTS:
                print(f"  round {number + 1}/{rounds}: {count} connections", file=sys.stderr, flush=True)
                samples.setdefault(str(count), []).append(burst(gate.port, count))
    return {
        count: {name: statistics.median(one[name] for one in rows) for name in rows[0]}
        for count, rows in samples.items()
    }


def burst(port: int, count: int) -> dict[str, float]:
    """Return what came of one burst, after the image was made known."""
    command = [sys.executable, "-m", "tests.bench.bursts", str(port)]
    for connections in (2, count):
        done = subprocess.run(
            ["taskset", "-c", "1", *command, str(connections)], check=True, capture_output=True, text=True
        )
        time.sleep(PAUSE_SECONDS)
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


async def _burst(port: int, count: int) -> dict[str, Any]:
    data = post(review_of(f"{ECR}/bench/app:v0"), target="/validate?timeout=30s")
    context = client_context()
    seconds: list[float] = []
    began = time.perf_counter()

    async def once() -> None:
        try:
            async with asyncio.timeout(SECONDS):
                reader, writer = await connect(port, context=context)
                if await ask(reader, writer, data) == 200:
                    seconds.append(time.perf_counter() - began)
                writer.transport.abort()
        except (OSError, EOFError, TimeoutError, IndexError):
            return

    await asyncio.gather(*(once() for _ in range(count)))
    seconds.sort()
    if not seconds:
        raise SystemExit("no connection was answered")
    return {
        "answered": len(seconds),
        "median_ms": statistics.median(seconds) * 1e3,
        "p99_ms": seconds[int(len(seconds) * 0.99)] * 1e3,
        "slowest_ms": seconds[-1] * 1e3,
    }


if __name__ == "__main__":
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    print(json.dumps(uvloop.run(_burst(int(sys.argv[1]), int(sys.argv[2])))))
