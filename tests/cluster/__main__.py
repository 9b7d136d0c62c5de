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
from tests.cluster.toolchain.build import ToolchainError, program


def _platform(text: str) -> tuple[str, str]:
    operating_system, slash, architecture = text.partition("/")
    if not (operating_system and slash and architecture) or "/" in architecture:
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form OS/ARCH, for example linux/arm64")
    return operating_system, architecture


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.cluster", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="start a control plane and keep it until Ctrl-C")
    up.add_argument("--folder", type=Path, help="keep logs and kubeconfigs here (default: a temporary folder)")
    up.add_argument(
        "--node",
        action="append",
        default=[],
        type=_platform,
        metavar="OS/ARCH",
        help="register a node of this platform, for example linux/arm64; may be given several times",
    )
    return parser.parse_args()


def _up(*, folder: Path | None, platforms: list[tuple[str, str]]) -> None:
    asked_to_end = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        asked_to_end.set()

    started = time.monotonic()
    with ControlPlane(folder=folder) as cluster:
        # Only from here on; an earlier signal ends the start at once.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, end)
        for operating_system, architecture in platforms:
            cluster.add_node(operating_system, architecture)
        print(f"Kubernetes is ready at {cluster.server} after {time.monotonic() - started:.1f} s")
        print(f"logs and the audit log: {cluster.folder}\n")
        print(f"  export KUBECONFIG={shlex.quote(str(cluster.admin_kubeconfig))}")
        print(f"  alias kubectl={shlex.quote(str(program('kubectl')))}\n")
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
