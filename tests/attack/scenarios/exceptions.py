"""What a team that may write exceptions in its own namespace can do to everyone else with many, large or slow ones."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.attack.product import EXCEPTIONS, Answer, Product, product
from tests.attack.scenario import Outcome, Scenario
from tests.cluster import wait_for
from tests.cluster.kubeconfig import client_tls
from tests.objects import ECR, policy_exception
from tests.simulator import Simulator, World

DEMANDS = {
    "vulnerabilities": {"maxCounts": {"CRITICAL": 0}},
    "namespacedExceptions": {"checks": ["vulnerabilities"], "vulnerabilities": True},
}
WRITERS = 8
MANY = 2_000
LARGE = 48
IMAGES = 200
BAD = "team/bad"


def _world() -> World:
    world = World()
    world.add_image("team/app", "v1")
    world.add_image(BAD, "v1")
    world.add_finding(BAD, "v1", severity="CRITICAL")
    return world


def _write(tidegate: Product, objects: Sequence[Mapping[str, Any]]) -> int:
    """Create the objects with several connections; return how many the API server took."""
    host, context = client_tls(tidegate.gate.cluster.admin_kubeconfig)

    def write(some: Sequence[Mapping[str, Any]]) -> int:
        connection = http.client.HTTPSConnection(host, context=context, timeout=60)
        taken = 0
        for one in some:
            path = EXCEPTIONS.format(one["metadata"]["namespace"])
            connection.request("POST", path, json.dumps(one), {"Content-Type": "application/json"})
            answer = connection.getresponse()
            answer.read()
            taken += answer.status == http.client.CREATED
        connection.close()
        return taken

    with ThreadPoolExecutor(WRITERS) as pool:
        return sum(pool.map(write, [objects[start::WRITERS] for start in range(WRITERS)]))


def _exception(name: str, namespace: str, **changes: Any) -> dict[str, Any]:
    ends = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 86_400))
    return policy_exception(name, namespace=namespace, policies=["attacked"], expiresAt=ends, **changes)


def _own(tidegate: Product) -> None:
    """Write the one exception of an innocent team, and wait until it is in force."""
    images = [{"account": "111122223333", "repositories": [BAD]}]
    _write(tidegate, [_exception("own", "other", images=images)])
    wait_for(
        lambda: tidegate.create_pod(f"{ECR}/{BAD}:v1", namespace="other").allowed,
        what="the exception of the other namespace",
        timeout_seconds=120,
    )


def _answers(tidegate: Product, rounds: int = 20) -> list[Answer]:
    return [tidegate.create_pod(f"{ECR}/team/app:v1", namespace="other") for _ in range(rounds)]


def _many() -> Outcome:
    """More than a namespace may have in force, in names that come before all others, while another namespace deploys."""
    with Simulator(_world()) as aws, product(aws, requirements=DEMANDS, namespaces=("evil", "other")) as tidegate:
        _answers(tidegate, 3)
        before = tidegate.resident_mib
        with ThreadPoolExecutor(1) as pool:
            flood = pool.submit(_write, tidegate, [_exception(f"a{number:05}", "evil") for number in range(MANY)])
            answers = _answers(tidegate, 100)
            taken = flood.result()
        _own(tidegate)
        answers += _answers(tidegate)
        slowest, grown = max(one.seconds for one in answers), tidegate.resident_mib - before
        refused = sum(not one.allowed for one in answers)
        active = tidegate.gate.metric("tidegate_policy_exceptions")
    return Outcome(
        measured=f"{taken:,} written, {active:,.0f} kept or counted; {refused} of {len(answers)} of the other namespace"
        f" refused, slowest {slowest:.2f} s; {grown:.0f} MiB more memory; its own exception is in force",
        bound="0 refused, slowest 2 s, 64 MiB",
        held=taken == MANY and not refused and grown <= 64,
        in_time=slowest <= 2,
    )


def _large() -> Outcome:
    """Objects of a MiB: labels, which no schema bounds, and specs as large as the schema takes."""
    labels = {f"l{number:05}": "v" * 60 for number in range(10_000)}
    repositories = ["r" * 250] * 10
    with Simulator(_world()) as aws, product(aws, requirements=DEMANDS, namespaces=("evil", "other")) as tidegate:
        before = tidegate.resident_mib
        images = [{"account": "111122223333", "repositories": repositories}] * 10
        objects = [_exception(f"a{number:03}", "evil", images=images) for number in range(LARGE)]
        for one in objects:
            one["metadata"]["labels"] = labels
        taken = _write(tidegate, objects)
        _own(tidegate)
        tidegate.gate.stop()
        tidegate.gate.start()
        wait_for(lambda: tidegate.create_pod(f"{ECR}/{BAD}:v1", namespace="other").allowed, what="the next start")
        most = tidegate.most_resident_mib
    size = len(json.dumps(objects[0])) / 2**20
    return Outcome(
        measured=f"{taken} objects of {size:.1f} MiB; most memory {most:.0f} MiB after a start ({before:.0f} before)",
        bound=f"{LARGE} taken, 300 MiB",
        held=taken == LARGE and most <= 300,
    )


def _slow() -> Outcome:
    """As many patterns as a namespace may have, hard to match, and a Pod of many images that each has to be compared."""
    hard = {"both": "/".join(["**a*"] * 50)[:240], "one": "**a" * 80}
    with Simulator(_world()) as aws, product(aws, requirements=DEMANDS, namespaces=("evil", "other")) as tidegate:
        for name, pattern in hard.items():
            images = [{"account": "111122223333", "repositories": [f"{pattern}{number}" for number in range(5)]}]
            _write(tidegate, [_exception(f"{name}{number:03}", "evil", images=images) for number in range(20)])
        _own(tidegate)
        _answers(tidegate, 3)
        path = "/".join(["a" * 25] * 9)
        names = [f"{ECR}/{path}{number}:v1" for number in range(IMAGES)]
        with ThreadPoolExecutor(4) as pool:
            hostile = [pool.submit(tidegate.create_pod, *names, namespace="evil") for _ in range(4)]
            answers = _answers(tidegate, 60)
            refused = sum(not one.result().allowed for one in hostile)
        slowest = max(one.seconds for one in answers)
        let_in = sum(one.allowed for one in answers)
    return Outcome(
        measured=f"{refused} of 4 Pods of {IMAGES} images refused; {let_in} of {len(answers)} of the other namespace"
        f" admitted, slowest {slowest:.2f} s",
        bound="4 refused, all admitted, slowest 2 s",
        held=refused == 4 and let_in == len(answers),
        in_time=slowest <= 2,
    )


SCENARIOS = (
    Scenario(name="many-exceptions", attack=f"{MANY:,} exceptions in one namespace", run=_many),
    Scenario(name="large-exceptions", attack=f"{LARGE} exceptions of a MiB in one namespace", run=_large),
    Scenario(name="slow-exceptions", attack="patterns that are slow to compare, in 20 exceptions", run=_slow),
)
