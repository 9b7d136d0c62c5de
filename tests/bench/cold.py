"""Cold requests: how long an image that nobody knows takes, and how many calls to AWS many of them make.

The engine and the reviewer run in this process, as in the controller; the simulated AWS is a process of its own.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.bench.reviews import ECR, review_of
from tests.cluster.ports import free_ports
from tidegate.admission.reviewer import Reviewer
from tidegate.app.engine import Engine, build_engine
from tidegate.images.repository import Registry
from tidegate.policy.parse import parse_policy
from tidegate.policy.snapshot import PolicySnapshot
from tidegate.settings import parse_settings

ROOT = Path(__file__).resolve().parents[2]
LATENCY_MS = 30
IMAGES = 3_000
SAMPLES = 21
DEADLINE_SECONDS = 30.0


class Fixed:
    """Policies, namespaces and platforms that never change."""

    def __init__(self) -> None:
        spec = {
            "validationActions": ["Deny"],
            "tags": {"immutable": True},
            "vulnerabilities": {"maxCounts": {"CRITICAL": 0}},
        }
        policy = {"apiVersion": "tidegate.dev/v1alpha1", "kind": "ImagePolicy", "metadata": {"name": "p"}, "spec": spec}
        self._snapshot = PolicySnapshot.of([parse_policy(policy)])
        self._labels = {"kubernetes.io/metadata.name": "bench"}

    def current(self) -> PolicySnapshot:
        return self._snapshot

    def labels(self, _name: str) -> dict[str, str]:
        return self._labels

    async def fetch_labels(self, _name: str, *, deadline: float) -> dict[str, str]:
        return self._labels

    def platforms(self) -> tuple[()]:
        return ()


class Aws:
    """The simulated AWS, controlled over HTTP."""

    def __init__(self, url: str) -> None:
        self.url = url

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(f"{self.url}/_control/{path}", timeout=10) as answer:
            return json.load(answer)

    def calls(self) -> int:
        """Return the calls that were made so far."""
        return sum(row["calls"] for row in self.get("counters")["calls"])


@contextmanager
def simulated_aws() -> Iterator[Aws]:
    """Run the simulator with many scanned images and a fixed latency."""
    (port,) = free_ports(1)
    command = [sys.executable, "-m", "tests.simulator", "--port", str(port), "--images", str(IMAGES)]
    command += ["--latency-ms", str(LATENCY_MS)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()
            yield Aws(f"http://127.0.0.1:{port}")
        finally:
            process.terminate()


@contextmanager
def reviewer(url: str, *, rate: int = 2000) -> Iterator[tuple[Reviewer, Engine]]:
    """Build the engine and a reviewer as the controller does."""
    os.environ |= {"AWS_ACCESS_KEY_ID": "AKIASIMULATOR0000001", "AWS_SECRET_ACCESS_KEY": "simulated"}
    endpoints = json.dumps(dict.fromkeys(("ecr", "inspector2", "sts"), url))
    engine = build_engine(
        parse_settings(
            f"aws: {{region: eu-west-1, endpoints: {endpoints}, ratePerSecond: {rate}, burst: {rate}}}\n"
            "cache: {images: 200000}"
        )
    )
    fixed = Fixed()
    try:
        yield (
            Reviewer(
                policies=fixed,
                namespaces=fixed,
                platforms=fixed,
                evidence=engine.collector,
                clock=engine.clock,
                observer=engine.observer,
            ),
            engine,
        )
    finally:
        engine.close()


class SlowestCall:
    """Stands where the engine reports its calls to AWS, and keeps the seconds of the slowest one."""

    def __init__(self, engine: Engine) -> None:
        self.seconds = 0.0
        self._report = engine.observer.called
        engine.observer.called = self._called  # type: ignore[method-assign]

    def _called(
        self, source: str, registry: Registry, seconds: float, problem: Exception | None, *, found: bool
    ) -> None:
        self.seconds = max(self.seconds, seconds)
        self._report(source, registry, seconds, problem, found=found)


async def _cold(gate: Reviewer, slowest: SlowestCall, images: Sequence[str]) -> dict[str, float]:
    """Return the median of one cold review after the other, and of how many times its slowest call each took."""
    seconds, times = [], []
    for image in images:
        slowest.seconds = 0.0
        seconds.append(await _ask(gate, image))
        times.append(seconds[-1] / slowest.seconds)
    return {"median ms": statistics.median(seconds) * 1000, "times its slowest call": statistics.median(times)}


async def _ask(gate: Reviewer, image: str) -> float:
    """Return the seconds that one review of the image took; it must be allowed."""
    body = review_of(image)
    started = time.perf_counter()
    answer = gate.review(body, DEADLINE_SECONDS)
    if not isinstance(answer, bytes):
        answer = await answer
    seconds = time.perf_counter() - started
    if not json.loads(answer)["response"]["allowed"]:
        raise SystemExit(f"expected the image to be allowed, got {answer!r}")
    return seconds


def run() -> dict[str, float]:
    """Return the figures by name."""
    with simulated_aws() as aws, reviewer(aws.url) as (gate, engine):
        return asyncio.run(_run(aws, gate, SlowestCall(engine)))


async def _run(aws: Aws, gate: Reviewer, slowest: SlowestCall) -> dict[str, float]:
    images = aws.get("images")
    tags = [(one["tags"][0], one["digest"]) for one in images if one["uri"].endswith("/bench/app")]
    await _ask(gate, f"{ECR}/bench/app:{tags.pop()[0]}")  # The first makes the clients and asks for the scan type.
    by_tag = await _cold(gate, slowest, [f"{ECR}/bench/app:{tags.pop()[0]}" for _ in range(SAMPLES)])
    by_digest = await _cold(gate, slowest, [f"{ECR}/bench/app@{tags.pop()[1]}" for _ in range(SAMPLES)])
    before = aws.calls()
    started = time.perf_counter()
    await asyncio.gather(*(_ask(gate, f"{ECR}/bench/app:{tags.pop()[0]}") for _ in range(1_000)))
    distinct_seconds = time.perf_counter() - started
    distinct_calls = aws.calls() - before
    one = f"{ECR}/bench/app:{tags.pop()[0]}"
    before = aws.calls()
    started = time.perf_counter()
    seconds = await asyncio.gather(*(_ask(gate, one) for _ in range(1_000)))
    return {
        **{f"cold by digest, {name}": value for name, value in by_digest.items()},
        **{f"cold by tag, {name}": value for name, value in by_tag.items()},
        "calls for 1,000 Pods of 1,000 new images": distinct_calls,
        "seconds for 1,000 Pods of 1,000 new images": distinct_seconds,
        "calls for 1,000 Pods of one new image": aws.calls() - before,
        "slowest of 1,000 Pods of one new image, s": max(seconds),
        "all of 1,000 Pods of one new image, s": time.perf_counter() - started,
    }


if __name__ == "__main__":
    print(json.dumps(run(), indent=1))
