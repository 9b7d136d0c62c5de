"""Warm requests: the whole product on one core, beside a constant answer on the same stack and kopf's stock server.

All in one run, in interleaved rounds; wrk on the other core. What is compared is the same 7 KB Pod over TLS.
"""

from __future__ import annotations

import http.client
import json
import ssl
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from tests.bench.http_layer import CONNECTIONS, Server, make_certificate, medians, wrk
from tests.bench.reviews import ECR, review_of, write_wrk_script
from tests.cluster import ControlPlane
from tests.gate import Gate
from tests.simulator import Simulator, World

DISTINCT = 1_000
POLICIES = 100
WARM_UP_SECONDS = 1
POLICY: dict[str, Any] = {
    "registries": [{"account": "111122223333", "region": "eu-west-1"}],
    "tags": {"immutable": True},
    "vulnerabilities": {"maxCounts": {"CRITICAL": 0}},
}


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the table: what answers, the reviews it gets, and whether it has to allow them (None: it may say anything)."""

    name: str
    bodies: tuple[bytes, ...]
    server: Any
    allowed: bool | None


def run(*, rounds: int, seconds: int) -> dict[str, dict[str, float]]:
    """Return the medians of each row and number of connections, as ``NAME CONNECTIONS``."""
    world = World()
    clean = world.add_scanned_images("bench/app", DISTINCT)
    world.add_image("bench/bad", "v1")
    world.add_finding("bench/bad", "v1", severity="CRITICAL", package="openssl", installed="3.0.1", fixed="3.0.2")
    one = (review_of(f"{ECR}/bench/app:{clean[0][0]}", f"{ECR}/bench/app:{clean[1][0]}"),)
    many = tuple(review_of(f"{ECR}/bench/app:{tag}") for tag, _ in clean)
    bad = (review_of(f"{ECR}/bench/bad:v1", f"{ECR}/bench/bad:v1"),)
    samples: dict[str, list[dict[str, float]]] = {}
    with tempfile.TemporaryDirectory() as name, gate_on_one_core(world) as gate:
        folder = Path(name)
        product = SimpleNamespace(port=gate.port, process=gate.process)
        stock = [
            _stock(stack, logic, folder, one[0]) for stack, logic in (("tidegate", "constant"), ("kopf", "decode"))
        ]
        try:
            rows = [
                Row(name="a constant answer on the same stack", bodies=one, server=stock[0], allowed=None),
                Row(name="kopf's stock server, images read only", bodies=one, server=stock[1], allowed=None),
                Row(name="tidegate, allowed", bodies=one, server=product, allowed=True),
                Row(name="tidegate, refused", bodies=bad, server=product, allowed=False),
                Row(name=f"tidegate, {DISTINCT} distinct images", bodies=many, server=product, allowed=True),
            ]
            gate.apply_policy("bench", POLICY)
            _measure(rows, rounds, seconds, folder, samples)
            _apply_many(gate)
            hundred = Row(name=f"tidegate, {POLICIES} policies", bodies=one, server=product, allowed=True)
            _measure([hundred], rounds, seconds, folder, samples)
        finally:
            for server in stock:
                server.stop()
    return {name: medians(values) for name, values in samples.items()}


@contextmanager
def gate_on_one_core(world: World, *, latency_seconds: float = 0.0, **values: Any) -> Iterator[Gate]:
    """Run the product pinned to CPU 0, on a control plane without an audit log."""
    arguments = {"kube-apiserver": ["--audit-log-path="]}
    with ControlPlane(extra_arguments=arguments) as cluster, Simulator(world, latency_seconds=latency_seconds) as aws:
        aws_values = {"region": "eu-west-1", "endpoints": dict.fromkeys(("ecr", "inspector2", "sts"), aws.url)}
        with Gate(
            cluster,
            aws,
            values={"aws": aws_values | values},
            command_prefix=("taskset", "-c", "0"),
        ) as gate:
            cluster.kubectl("create", "namespace", "bench")
            yield gate


def _stock(stack: str, logic: str, folder: Path, body: bytes) -> Server:
    server = Server(python=sys.executable, stack=stack, logic=logic, certificate=make_certificate(folder))
    server.wait_ready(body)
    return server


def _measure(
    rows: list[Row], rounds: int, seconds: int, folder: Path, samples: dict[str, list[dict[str, float]]]
) -> None:
    """Warm every row up, each of its reviews once and then all for a while; then measure in turn, round after round."""
    scripts: dict[str, Path] = {}
    for row in rows:
        own = folder / row.name.replace(" ", "-").replace("'", "")
        own.mkdir()
        scripts[row.name] = write_wrk_script(own, row.bodies)
        _ask_each(row)
        wrk(row.server, scripts[row.name], 8, 1)
    _every(rounds, rows, lambda row: _sample(row, scripts[row.name], seconds, samples))


def _ask_each(row: Row) -> None:
    """Have every image of a row looked up before it is measured, and see that the answers are those that are meant."""
    connection = http.client.HTTPSConnection(
        "127.0.0.1", row.server.port, context=ssl._create_unverified_context(), timeout=30
    )
    try:
        # The first answer looks the images up, the second one is composed from what is remembered of them.
        for body in row.bodies * 2:
            connection.request("POST", "/validate?timeout=10s", body, {"Content-Type": "application/json"})
            answer = json.loads(connection.getresponse().read())
            if row.allowed is not None and answer["response"]["allowed"] is not row.allowed:
                raise SystemExit(f"{row.name}: expected allowed to be {row.allowed}, got {answer}")
    finally:
        connection.close()


def _every(rounds: int, rows: list[Row], measure: Callable[[Row], None]) -> None:
    for number in range(rounds):
        for row in rows:
            print(f"  round {number + 1}/{rounds}: {row.name}", file=sys.stderr, flush=True)
            measure(row)


def _sample(row: Row, script: Path, seconds: int, samples: dict[str, list[dict[str, float]]]) -> None:
    # What was known of a row's images has grown old while the others were measured.
    wrk(row.server, script, max(CONNECTIONS), WARM_UP_SECONDS)
    for connections in CONNECTIONS:
        sample = wrk(row.server, script, connections, seconds)
        samples.setdefault(f"{row.name}|{connections}", []).append(sample)


def _apply_many(gate: Gate) -> None:
    """Apply policies until there are POLICIES; the last one's coming into force tells that all are."""
    spec = {"validationActions": ["Deny"], **POLICY}
    policies = [
        {
            "apiVersion": "tidegate.dev/v1alpha1",
            "kind": "ImagePolicy",
            "metadata": {"name": f"bench-{index}"},
            "spec": spec,
        }
        for index in range(POLICIES - 2)
    ]
    gate.cluster.apply(policies)
    gate.apply_policy("bench-last", POLICY)
