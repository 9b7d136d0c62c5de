"""Ends process groups when the process that started them dies, however it dies.

A test run that is killed can't clean up after itself, so a small program does: it holds the reading end of a pipe whose
writing end only the test process has. When the pipe closes, it kills every group it was told about.
Chosen over PR_SET_PDEATHSIG, which needs Linux and fires when the *thread* that started the child ends.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time

GRACE_SECONDS = 2.0
STOP_TIMEOUT_SECONDS = 10


class Lifeline:
    """The test process's side: tell it which process groups hang on this process's life."""

    def __init__(self) -> None:
        # -I and -S keep the program's start to some 10 ms and free of this environment's import hooks.
        command = [sys.executable, "-I", "-S", __file__]
        self._program = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)

    def hold(self, group: int) -> None:
        """Have the group killed when this process dies."""
        self._tell(f"+{group}\n")

    def release(self, group: int) -> None:
        """Forget the group: it has ended, and its number may come to be someone else's."""
        # The end of a run must go on even where someone killed this program.
        with contextlib.suppress(BrokenPipeError):
            self._tell(f"-{group}\n")

    def close(self) -> None:
        """Let go of the pipe: groups still held are killed now."""
        assert self._program.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._program.stdin.close()
        self._program.wait(STOP_TIMEOUT_SECONDS)

    def _tell(self, line: str) -> None:
        assert self._program.stdin is not None
        self._program.stdin.write(line.encode())
        self._program.stdin.flush()


def _signal_all(groups: set[int], number: signal.Signals) -> None:
    for group in groups:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, number)


def main() -> None:
    """Read ``+GROUP`` and ``-GROUP`` lines until the pipe closes, then end what is held."""
    # Ctrl-C and a closing terminal reach the test process, which then stops its children in order.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    held: set[int] = set()
    for line in sys.stdin:
        group = int(line[1:])
        (held.add if line.startswith("+") else held.discard)(group)
    if held:
        _signal_all(held, signal.SIGTERM)
        time.sleep(GRACE_SECONDS)
        _signal_all(held, signal.SIGKILL)


if __name__ == "__main__":
    main()
