"""A node's namespaces as the harness holds them: how programs and threads get into them, and their end.

The namespaces belong to a program beside (keeper.py), so that they end, and everything in them, however this process ends.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from tests.cluster.processes import ProcessError
from tests.namespaces.keeper import NAME, PYTHON, ROOT

CLOSE_TIMEOUT_SECONDS = 90
CLONE_NEWNET = 0x40000000
# Enters the control groups named before "--", then becomes the command after it.
JOIN = 'until [ "$1" = -- ]; do echo 0 > "$1/cgroup.procs" || exit 1; shift; done; shift; exec "$@"'


class Namespaces:
    """Namespaces of network, mounts, processes and control groups, with the bridge that Pods are on."""

    def __init__(self, folder: Path) -> None:
        """Make them; data of the node lies in the folder. Raise ProcessError where the machine doesn't let us."""
        # A session of its own, so that Ctrl-C doesn't reach it.
        self._keeper = subprocess.Popen(
            [*PYTHON, NAME, str(folder)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
            text=True,
        )
        assert self._keeper.stdin is not None
        assert self._keeper.stdout is not None
        self._input: IO[str] = self._keeper.stdin
        self._output: IO[str] = self._keeper.stdout
        answer = json.loads(self._output.readline() or '{"error": "its program ended without a word"}')
        if "error" in answer:
            self.close()
            raise ProcessError(f"the node's namespaces could not be made: {answer['error']}")
        self.pid: int = answer["pid"]
        """The PID of process 1 of the namespaces."""
        self.cgroup: str = answer["cgroup"]
        """The name of the node's control groups."""
        self._entrances: list[str] = answer["entrances"]

    def path(self, place: Path) -> Path:
        """Return the path by which a file that the node sees is found from outside."""
        return Path(f"/proc/{self.pid}/root") / place.relative_to("/")

    def command(self, command: Sequence[str]) -> list[str]:
        """Return the command line that runs a command as a process of the node."""
        enter = ("nsenter", f"--target={self.pid}", "--net", "--mount", "--pid", "--ipc", "--uts", "--cgroup")
        return ["sh", "-c", JOIN, "sh", *self._entrances, "--", *enter, *command]

    def network_command(self, command: Sequence[str]) -> list[str]:
        """Return the command line that runs a command on the node's network, and else on this machine."""
        return ["nsenter", f"--net={self._network}", *command]

    @contextlib.contextmanager
    def network(self) -> Iterator[None]:
        """Put this thread, and each that it starts, on the node's network for the length of a ``with`` block."""
        with Path("/proc/thread-self/ns/net").open() as own, Path(self._network).open() as others:
            _enter_network(others.fileno())
            try:
                yield
            finally:
                _enter_network(own.fileno())

    def close(self) -> list[str]:
        """End everything in the namespaces; return what could not be removed. A second call does nothing."""
        if self._input.closed:
            return []
        self._input.close()
        with self._output:
            said = self._output.readline()
        self._keeper.wait(CLOSE_TIMEOUT_SECONDS)
        left: list[str] = json.loads(said or "{}").get("left", [])
        return left

    @property
    def _network(self) -> str:
        return f"/proc/{self.pid}/ns/net"


def _enter_network(descriptor: int) -> None:
    library = ctypes.CDLL(None, use_errno=True)
    if library.setns(descriptor, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
