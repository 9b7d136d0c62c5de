"""``python -m tests.cluster up``: a control plane for a person, until Ctrl-C."""

from __future__ import annotations

import argparse
import shlex
import signal
import sys
import threading
import time
from pathlib import Path
from types import FrameType

from tests.cluster.control_plane import ControlPlane
from tests.cluster.processes import ProcessError
from tests.cluster.toolchain.build import ToolchainError


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.cluster", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="start a control plane and keep it until Ctrl-C")
    up.add_argument("--folder", type=Path, help="keep logs and kubeconfigs here (default: a temporary folder)")
    up.add_argument(
        "--node", action="append", default=[], metavar="OS/ARCH", help="register a node, for example linux/arm64"
    )
    return parser.parse_args()


def _up(*, folder: Path | None, platforms: list[str]) -> None:
    # The handlers stand before the first program runs, so that an early Ctrl-C also ends in order.
    asked_to_end = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        asked_to_end.set()

    signal.signal(signal.SIGTERM, end)
    started = time.monotonic()
    with ControlPlane(folder=folder) as cluster:
        for platform in platforms:
            operating_system, _, architecture = platform.partition("/")
            cluster.add_node(operating_system, architecture)
        signal.signal(signal.SIGINT, end)
        print(f"Kubernetes is ready at {cluster.server} after {time.monotonic() - started:.1f} s")
        print(f"logs and the audit log: {cluster.folder}\n")
        print(f"  export KUBECONFIG={shlex.quote(str(cluster.admin_kubeconfig))}")
        print(f"  alias kubectl={shlex.quote(str(cluster.kubectl_program))}\n")
        print("Ctrl-C ends it.", flush=True)
        asked_to_end.wait()
        print("ending", flush=True)


def main() -> int:
    """Run the command; 0 when it was ended by a signal, 1 when something is missing or failed."""
    arguments = _arguments()
    try:
        _up(folder=arguments.folder, platforms=arguments.node)
    except (ToolchainError, ProcessError) as problem:
        print(problem, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
