"""The program that holds a node's namespaces, and removes all that the node left when its owner lets go.

    python -E -s -S -m tests.namespaces.keeper FOLDER

It makes control groups, starts process 1 of the new namespaces (first_process.py) and prints a line of JSON: the PID of
process 1 and the control groups that the node's programs have to enter, or what went wrong. Then it waits. When standard
input closes, because its owner closed it or died however it did, it kills process 1, with which the kernel ends every
other process, mount, address and file of the namespaces; it removes the control groups, and prints what is left, if
anything. What a killed keeper left is removed by the next one.

Standard library only, started without site packages.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.namespaces import cgroups

ROOT = Path(__file__).resolve().parents[2]
NAME = "tests.namespaces.keeper"
PYTHON = (sys.executable, "-E", "-s", "-S", "-m")
"""Starts a module of this package within 20 ms: without site packages and what the environment says of Python."""
DATA = "node"
"""The folder within the cluster's on which the node mounts what its programs write; from outside it is empty."""
START_TIMEOUT_SECONDS = 30
END_TIMEOUT_SECONDS = 30
# It dies with this program, and process 1 with it.
UNSHARE = (
    "setpriv",
    "--pdeathsig=KILL",
    "unshare",
    "--net",
    "--mount",
    "--pid",
    "--ipc",
    "--uts",
    "--fork",
    "--kill-child",
    "--mount-proc",
)


def _first_child(parent: int) -> int:
    """Return the PID of a process's only child."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # The name before it, in parentheses, may hold anything.
            if int(stat.read_text().rpartition(")")[2].split()[1]) == parent:
                return int(stat.parent.name)
    raise OSError(f"process {parent} has no child")


def _keeper_lives(name: str) -> bool:
    try:
        command = Path(f"/proc/{name.removeprefix(cgroups.PREFIX)}/cmdline").read_bytes()
    except OSError:
        return False
    return NAME.encode() in command


def _start(folder: Path, name: str) -> tuple[subprocess.Popen[bytes], int]:
    reading, writing = os.pipe()
    command = [*UNSHARE, *PYTHON, "tests.namespaces.first_process", str(folder / DATA), name, str(writing)]
    with (folder / "namespaces.log").open("ab") as log:
        holder = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=(writing,), cwd=ROOT
        )
    os.close(writing)
    # Nothing comes where process 1 has ended.
    ready = os.read(reading, 1)
    os.close(reading)
    if not ready:
        holder.wait(START_TIMEOUT_SECONDS)
        raise OSError(f"process 1 of the namespaces ended: {(folder / 'namespaces.log').read_text().strip()}")
    return holder, _first_child(holder.pid)


def _end(holder: subprocess.Popen[bytes], first: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(first, signal.SIGKILL)
    # It ends when process 1 has, which ends when every other process of the namespace has.
    try:
        holder.wait(END_TIMEOUT_SECONDS)
    except subprocess.TimeoutExpired:
        holder.kill()


def _say(**answer: object) -> None:
    # The owner may be gone.
    with contextlib.suppress(BrokenPipeError):
        print(json.dumps(answer), flush=True)


def main() -> int:
    """Hold a node's namespaces until standard input closes; 1 where they can't be made or something is left."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    folder, name = Path(sys.argv[1]), f"{cgroups.PREFIX}{os.getpid()}"
    for other in cgroups.names():
        if not _keeper_lives(other):
            cgroups.remove(other)
    try:
        (folder / DATA).mkdir()
        cgroups.create(name)
        holder, first = _start(folder, name)
    except (OSError, subprocess.SubprocessError) as problem:
        cgroups.remove(name)
        _say(error=str(problem))
        return 1
    _say(pid=first, cgroup=name, entrances=[str(place) for place in cgroups.entrances(name)])
    sys.stdin.buffer.read()
    _end(holder, first)
    left = cgroups.remove(name)
    try:
        (folder / DATA).rmdir()
    except OSError as problem:
        left.append(str(problem))
    _say(left=left)
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())
