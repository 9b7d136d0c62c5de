"""A running tidegate under some load: known and new images, refused ones, and an AWS that throttles for a while. A replica of the background role runs beside it."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from tests.attack.product import Product, product
from tests.background import BackgroundReplica
from tests.monitoring.board import BACKGROUND_LABELS, LABELS, alerts
from tests.monitoring.prometheus import Prometheus
from tests.objects import ECR, policy_exception
from tests.simulator import Simulator, World

DEMANDS = {"tags": {"immutable": True}, "vulnerabilities": {"maxCounts": {"CRITICAL": 0}}}
KNOWN = 12
PAUSE_SECONDS = 0.05
THREADS = 3
NEW_EVERY = 20
"""One image in so many was never asked for before."""


def _world() -> World:
    world = World()
    for number in range(KNOWN):
        world.add_image(f"team/app{number}", "v1")
    world.add_repository("team/mutable", mutability="MUTABLE")
    world.add_image("team/mutable", "v1")
    world.add_image("team/critical", "v1")
    world.add_finding("team/critical", "v1", severity="CRITICAL", id="CVE-2099-0001", first_observed_at="-1d")
    return world


def _create_pods(tidegate: Product, aws: Simulator, stopped: threading.Event, start: int) -> None:
    usual = itertools.cycle([*(f"app{one}" for one in range(KNOWN)), "critical", "mutable", "none"])
    for number in itertools.count():
        if stopped.is_set():
            return
        name = next(usual)
        if number % NEW_EVERY == start:
            name = f"new-{start}-{number}"
            aws.world.add_image(f"team/{name}", "v1")
        tidegate.create_pod(f"{ECR}/team/{name}:v1")
        time.sleep(PAUSE_SECONDS)


@contextmanager
def scraped(seconds: float) -> Iterator[tuple[Prometheus, float]]:
    """Give a Prometheus that has scraped a tidegate for so long, and when it began; AWS throttled in the last third."""
    with (
        Simulator(_world(), latency_seconds=0.03) as aws,
        product(aws, requirements=DEMANDS) as tidegate,
        BackgroundReplica(tidegate.gate, "one", simulated=aws.environment()) as background,
        Prometheus(
            {
                f"127.0.0.1:{tidegate.gate.metrics_port}": LABELS,
                f"127.0.0.1:{background.port}": BACKGROUND_LABELS,
            },
            rules=alerts(),
        ) as prometheus,
        ThreadPoolExecutor(THREADS) as pool,
    ):
        ends = (datetime.now(UTC) + timedelta(hours=4)).strftime("%Y-%m-%dT%H:%M:%SZ")
        tidegate.gate.cluster.apply(
            policy_exception("incident", policies=["attacked"], namespaces=["shop"], expiresAt=ends)
        )
        tidegate.create_pod(f"{ECR}/team/app0:v1", dry_run=False)
        started, stopped = time.time(), threading.Event()
        running = [pool.submit(_create_pods, tidegate, aws, stopped, number) for number in range(THREADS)]
        try:
            time.sleep(seconds * 2 / 3)
            aws.inject("throttle", rate=0.5)
            time.sleep(seconds / 3)
        finally:
            stopped.set()
        for one in running:
            one.result()
        yield prometheus, started
