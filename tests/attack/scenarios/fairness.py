"""What a tenant, or an AWS in trouble, can do to the requests of others."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.attack.product import Answer, Product, product
from tests.attack.scenario import Outcome, Scenario
from tests.objects import ECR
from tests.simulator import Simulator, World

DEMANDS = {"vulnerabilities": {"maxCounts": {"CRITICAL": 0}}}
KNOWN = 20
TIMEOUT_SECONDS = 10.0
"""The chart's webhook timeout."""
LEFT_SECONDS = 1.0


def _world() -> World:
    world = World()
    for number in range(KNOWN):
        world.add_image(f"team/app{number}", "v1")
    world.add_image("team/new", "v1")
    return world


def _known(tidegate: Product, namespace: str, *, rounds: int, pause: float) -> list[Answer]:
    """Create Pods of images that are known, again and again."""
    answers: list[Answer] = []
    for _ in range(rounds):
        answers += [tidegate.create_pod(f"{ECR}/team/app{one}:v1", namespace=namespace) for one in range(KNOWN)]
        time.sleep(pause)
    return answers


def _trouble(kind: str, **order: Any) -> Outcome:
    with (
        Simulator(_world(), latency_seconds=0.02) as aws,
        product(aws, requirements=DEMANDS) as tidegate,
    ):
        _known(tidegate, "default", rounds=2, pause=0.0)
        time.sleep(6)  # Tags that can move are known for 5 seconds.
        usual = max(answer.seconds for answer in _known(tidegate, "default", rounds=1, pause=0.0))
        time.sleep(6)
        aws.inject(kind, **order)
        with ThreadPoolExecutor(1) as pool:
            new = pool.submit(tidegate.create_pod, f"{ECR}/team/new:v1", f"{ECR}/team/none:v1")
            answers = _known(tidegate, "default", rounds=5, pause=2.0)
            cold = new.result()
    refused = sum(not answer.allowed for answer in answers)
    slowest = max(answer.seconds for answer in answers)
    left = TIMEOUT_SECONDS - cold.seconds
    return Outcome(
        measured=f"{refused} of {len(answers)} refused, slowest {slowest:.2f} s (else {usual:.2f} s);"
        f" a new image left {left:.1f} s of the timeout",
        bound="0 refused, slowest 0.5 s; 1 s left",
        held=not refused,
        in_time=slowest <= 0.5 and left >= LEFT_SECONDS,
    )


def _flood() -> Outcome:
    """28 Pods of 256 images that don't exist, from one namespace; new and known images in another, during and after."""
    with (
        Simulator(_world(), latency_seconds=0.02) as aws,
        product(aws, requirements=DEMANDS, namespaces=("flood", "other")) as tidegate,
    ):
        _known(tidegate, "other", rounds=1, pause=0.0)
        with ThreadPoolExecutor(30) as pool:
            flood = [
                pool.submit(
                    tidegate.create_pod,
                    *(f"{ECR}/team/app{one % KNOWN}:none-{pod}-{one}" for one in range(256)),
                    namespace="flood",
                )
                for pod in range(28)
            ]
            time.sleep(1)
            fresh: list[Answer] = []
            known: list[Answer] = []
            for number in range(8):
                aws.world.add_image(f"team/fresh{number}", "v1")
                fresh.append(tidegate.create_pod(f"{ECR}/team/fresh{number}:v1", namespace="other"))
                known += _known(tidegate, "other", rounds=1, pause=0.5)
            flooded = [one.result() for one in flood]
    refused = sum(not one.allowed for one in fresh)
    slowest_new, slowest_known = max(one.seconds for one in fresh), max(one.seconds for one in known)
    through = sum(one.allowed for one in flooded)
    return Outcome(
        measured=f"{refused} of {len(fresh)} new images refused, slowest {slowest_new:.1f} s; known images up to"
        f" {slowest_known:.2f} s; {through} Pods of the flood allowed",
        bound="0 refused, slowest 9 s; known images up to 1 s; 0 allowed",
        held=not refused and not through,
        in_time=slowest_new <= 9 and slowest_known <= 1,
    )


SCENARIOS = (
    Scenario(
        name="aws-hangs",
        attack="AWS hangs while good evidence is there: images that are known",
        run=lambda: _trouble("hang", seconds=30.0),
    ),
    Scenario(
        name="aws-is-late",
        attack="AWS answers after 1.8 s while good evidence is there: images that are known",
        run=lambda: _trouble("latency", seconds=1.8),
    ),
    Scenario(
        name="images-that-do-not-exist",
        attack="28 Pods of 256 images that don't exist, from one namespace: images of another",
        run=_flood,
    ),
)
