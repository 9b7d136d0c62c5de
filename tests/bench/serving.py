"""Warm requests: the whole product on one core, beside a constant answer on the same stack and kopf's stock server.

All in one run, in interleaved rounds; wrk on the other core. What is compared is the same 7 KB Pod over TLS. Images in
turn are measured after the others, once and for longer.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from tests.bench.asking import ask, fill
from tests.bench.http_layer import CONNECTIONS, Server, make_certificate, medians, wrk
from tests.bench.reviews import ECR, review_of, write_wrk_script, write_wrk_script_of_images
from tests.cluster import ControlPlane
from tests.gate import Gate
from tests.simulator import Simulator, World

DISTINCT = 1_000
MANY = 20_000
"""Images in turn: as many as a very large cluster runs."""
POLICIES = 100
RATE = 2_000
"""Calls a second to each API of the simulated AWS, so that 20,000 images are looked up in seconds."""
WARM_UP_SECONDS = 1
IN_TURN = 30
"""Samples of images in turn are this many times longer: a minute by default, in which each tag is looked up again."""
POLICY: dict[str, Any] = {
    "registries": [{"account": "111122223333", "region": "eu-west-1"}],
    "tags": {"immutable": True},
    "vulnerabilities": {"maxCounts": {"CRITICAL": 0}},
}


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the table: what answers, the reviews it gets, and whether it has to allow them (None: it may say anything).

    The reviews are ``bodies``, or one for each of so many ``images``.
    """

    name: str
    server: Any
    allowed: bool | None
    bodies: tuple[bytes, ...] = ()
    images: int = 0

    def script(self, folder: Path) -> Path:
        """Write and return the wrk script that posts them in turn."""
        return write_wrk_script_of_images(folder, self.images) if self.images else write_wrk_script(folder, self.bodies)


def run(*, rounds: int, seconds: int) -> dict[str, dict[str, float]]:
    """Return the medians of each row and number of connections, as ``NAME CONNECTIONS``."""
    world = World()
    clean = world.add_scanned_images("bench/app", MANY)
    world.add_image("bench/bad", "v1")
    world.add_finding("bench/bad", "v1", severity="CRITICAL", package="openssl", installed="3.0.1", fixed="3.0.2")
    one = (review_of(f"{ECR}/bench/app:{clean[0][0]}", f"{ECR}/bench/app:{clean[1][0]}"),)
    bad = (review_of(f"{ECR}/bench/bad:v1", f"{ECR}/bench/bad:v1"),)
    samples: dict[str, list[dict[str, float]]] = {}
    with tempfile.TemporaryDirectory() as name, gate_on_one_core(world, ratePerSecond=RATE, burst=RATE) as gate:
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
            ]
            in_turn = [
                Row(name=f"tidegate, {images} distinct images", images=images, server=product, allowed=True)
                for images in (DISTINCT, MANY)
            ]
            gate.apply_policy("bench", POLICY)
            _measure(rows, rounds, seconds, folder, samples)
            _measure(in_turn, 1, IN_TURN * seconds, folder, samples)
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
        scripts[row.name] = row.script(own)
        _ask_each(row)
        _warm_up(row, scripts[row.name])
    _every(rounds, rows, lambda row: _sample(row, scripts[row.name], seconds, samples))


def _ask_each(row: Row) -> None:
    """Have every image of a row looked up before it is measured, and see that the answers are those that are meant."""
    if row.images:
        fill(row.server.port, 0, row.images)
        return
    # The first answer looks the images up, the second one is composed from what is remembered of them.
    responses, _ = ask(row.server.port, row.bodies * 2)
    for response in responses:
        if row.allowed is not None and response["allowed"] is not row.allowed:
            raise SystemExit(f"{row.name}: expected allowed to be {row.allowed}, got {response}")


def _warm_up(row: Row, script: Path) -> None:
    wrk(row.server, script, max(CONNECTIONS), WARM_UP_SECONDS)


def _every(rounds: int, rows: list[Row], measure: Callable[[Row], None]) -> None:
    for number in range(rounds):
        for row in rows:
            print(f"  round {number + 1}/{rounds}: {row.name}", file=sys.stderr, flush=True)
            measure(row)


def _sample(row: Row, script: Path, seconds: int, samples: dict[str, list[dict[str, float]]]) -> None:
    # What was known of a row's images has grown old while the others were measured.
    _ask_each(row)
    _warm_up(row, script)
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
