"""The product of one revision, kept running for ``against``: ``PYTHONPATH=CHECKOUT python -P product.py``.

It runs with the harness and the environment of that revision, so it uses nothing but what both have. It writes one line
of JSON when it is ready and one for each ``restart`` line on its input, and ends with its input.
"""

from __future__ import annotations

import json
import sys
import time
from inspect import signature
from pathlib import Path
from typing import Any

from tests.cluster import ControlPlane
from tests.gate import Gate
from tests.simulator import Simulator, World

LATENCY_SECONDS = 0.03
RATE = 2000
POLICY: dict[str, Any] = {
    "registries": [{"account": "111122223333", "region": "eu-west-1"}],
    "tags": {"immutable": True},
    "vulnerabilities": {"maxCounts": {"CRITICAL": 0}},
}


def main(images: int) -> None:
    """Run it with so many images in the simulated registry, until the input ends."""
    world = World()
    world.add_scanned_images("bench/app", images)
    world.add_image("bench/bad", "v1")
    world.add_finding("bench/bad", "v1", severity="CRITICAL", package="openssl", installed="3.0.1", fixed="3.0.2")
    arguments = {"kube-apiserver": ["--audit-log-path="]}
    with ControlPlane(extra_arguments=arguments) as cluster, Simulator(world, latency_seconds=LATENCY_SECONDS) as aws:
        values = {
            "region": "eu-west-1",
            "endpoints": dict.fromkeys(("ecr", "inspector2", "sts"), aws.url),
            "ratePerSecond": RATE,
            "burst": RATE,
        }
        simulated: dict[str, Any] = {"aws": aws}
        if "aws_url" in signature(Gate).parameters:  # Revisions of old take it apart.
            simulated = {"aws_url": aws.url, "aws_environment": aws.environment()}
        with Gate(cluster, values={"aws": values}, command_prefix=("taskset", "-c", "0"), **simulated) as gate:
            cluster.kubectl("create", "namespace", "bench")
            gate.apply_policy("bench", POLICY)
            seconds = 0.0
            while True:
                assert gate.process is not None
                ready = {"port": gate.port, "pid": gate.process.pid, "seconds": seconds}
                print(json.dumps(ready), flush=True)
                if not sys.stdin.readline():
                    return
                gate.stop()
                began = time.monotonic()
                gate.start()
                seconds = time.monotonic() - began


if __name__ == "__main__":
    if not (Path(sys.path[0]) / "tests").is_dir():
        raise SystemExit("PYTHONPATH has to name the checkout first, and python has to be run with -P")
    main(int(sys.argv[1]))
