"""Run the simulator as a process: `python -m tests.simulator --scenario FILE.yaml [--port N] [--latency-ms 30]`.

It prints one line, `listening on http://ADDRESS:PORT`, and serves until SIGTERM or SIGINT.
"""

import argparse
import signal
import sys
import threading
from pathlib import Path

from tests.simulator import scenario
from tests.simulator.server import Simulator


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="tests.simulator", description="Simulate ECR, Inspector2 and STS.")
    parser.add_argument(
        "--scenario", type=Path, default=scenario.DEMO, help="YAML file of the world (default: the demo's)"
    )
    parser.add_argument("--address", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    parser.add_argument("--port", type=int, default=0, help="port to listen on (default: a free one)")
    parser.add_argument("--latency-ms", type=float, default=0.0, help="added to every AWS call")
    parser.add_argument("--images", type=int, default=0, help="add N clean scanned images bench/app:v0, v1, ...")
    options = parser.parse_args(arguments)
    try:
        world = scenario.load(options.scenario)
    except (OSError, scenario.ScenarioError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if options.images:
        world.add_scanned_images("bench/app", options.images)
    return _serve(
        Simulator(world, latency_seconds=options.latency_ms / 1000, address=options.address, port=options.port)
    )


def _serve(simulator: Simulator) -> int:
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    with simulator:
        print(f"listening on {simulator.url}", flush=True)
        stopped.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
