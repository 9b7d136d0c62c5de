"""Programs that run beside the tests: started in a process group of their own, logged to a file, stopped in order.

Knows nothing of Kubernetes; the control plane's programs and the controller under test are started the same way.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.cluster.lifeline import Lifeline

POLL_SECONDS = 0.05
OF_GO = {"GOGC": "400"}
"""For programs in Go: they take more memory, and a tenth to a fifth less processor time."""
STOP_GRACE_SECONDS = 5.0
LOG_TAIL_LINES = 20
LOG_TAIL_BYTES = 64 * 1024


class ProcessError(RuntimeError):
    """A program ended or didn't become ready; the text carries the tail of its log."""


class Process:
    """One running program; use `Processes.start` to make one."""

    def __init__(
        self, *, name: str, command: Sequence[str], log: Path, environment: Mapping[str, str], folder: Path
    ) -> None:
        self.name = name
        self.log = log
        self._stopped = False
        with log.open("ab") as stream:
            self._child = subprocess.Popen(
                list(command),
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                env=dict(environment),
                cwd=folder,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The program's process id, which is also its group's."""
        return self._child.pid

    @property
    def returncode(self) -> int | None:
        """The exit status (negative: the signal that ended it), None while it runs."""
        return self._child.poll()

    def log_tail(self) -> str:
        """Return the last lines of the log, for an error's text."""
        with self.log.open("rb") as stream:
            stream.seek(max(0, self.log.stat().st_size - LOG_TAIL_BYTES))
            lines = stream.read().decode(errors="replace").splitlines()
        return "\n".join(f"  {line}" for line in lines[-LOG_TAIL_LINES:])

    def wait_until(self, ready: Callable[[], bool], *, timeout_seconds: float) -> None:
        """Ask ``ready`` until it says True; raise ProcessError if the program ends or the time is over first."""
        deadline = time.monotonic() + timeout_seconds
        while not ready():
            if self.returncode is not None:
                raise ProcessError(f"{self.name} ended with status {self.returncode}; {self._log_words()}")
            if time.monotonic() > deadline:
                raise ProcessError(f"{self.name} was not ready after {timeout_seconds:.0f} s; {self._log_words()}")
            time.sleep(POLL_SECONDS)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the program's whole group."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def stop(self, *, grace_seconds: float = STOP_GRACE_SECONDS) -> int:
        """End the program and all of its group (SIGTERM, then SIGKILL) and return its exit status.

        Where the program has ended already, its group is still waited for: a killed program holds its ports until the
        kernel has taken its memory back. A second call does nothing.
        """
        if not self._stopped:
            if self._child.poll() is None:
                self.signal(signal.SIGTERM)
            deadline = time.monotonic() + grace_seconds
            while self._group_lives():
                if time.monotonic() > deadline:
                    self.signal(signal.SIGKILL)
                    break
                time.sleep(POLL_SECONDS)
            self._stopped = True
        return self._child.wait()

    def _group_lives(self) -> bool:
        """Say whether a process of the group runs: one that enters a namespace is the child of one outside."""
        self._child.poll()
        try:
            os.killpg(self.pid, 0)
        except ProcessLookupError:
            return False
        return True

    def _log_words(self) -> str:
        return f"the end of its log ({self.log}):\n{self.log_tail()}"


class Processes:
    """The programs of one run: they all end when this is stopped, and when this process dies."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lifeline = Lifeline()
        self._running: list[Process] = []

    def start(self, name: str, command: Sequence[str], *, environment: Mapping[str, str] | None = None) -> Process:
        """Start a program whose output goes to ``NAME.log``; its environment is this process's plus ``environment``."""
        process = Process(
            name=name,
            command=command,
            log=self._folder / f"{name}.log",
            environment=os.environ | OF_GO | dict(environment or {}),
            folder=self._folder,
        )
        self._lifeline.hold(process.pid)
        self._running.append(process)
        return process

    def find(self, name: str) -> Process:
        """Return the running program of this name; raise LookupError where none runs."""
        found = [one for one in self._running if one.name == name]
        if not found:
            raise LookupError(f"no program {name} runs")
        return found[0]

    def end(self, process: Process) -> None:
        """Stop one program."""
        process.stop()
        self._running.remove(process)
        self._lifeline.release(process.pid)

    def stop(self) -> None:
        """Stop every program, the last started first; a second call does nothing."""
        while self._running:
            self.end(self._running[-1])
        self._lifeline.close()
