"""The admission server in a process of its own, with a responder that reads reviews and looks nothing up.

`python -m tests.attack.serving` is the process that is attacked; `Serving` starts and asks it. What is measured is the
server and the decoding: the whole product's memory is that of tests.bench.memory beside it.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import json
import resource
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Awaitable, Iterator
from pathlib import Path
from typing import Any, Self

import structlog
import uvloop

from tests.integration.server import certificates
from tidegate.admission.decision import Mark, pass_without_work, refuse_unreadable
from tidegate.admission.request import BadReviewError, decode_review
from tidegate.app.allocator import give_memory_back, set_up_allocator
from tidegate.app.fatal import clear_end
from tidegate.webhook.server import (
    AdmissionServer,
    BadRequest,
    Listener,
    Route,
    ServerLimits,
    ServerResponse,
    ServerTLS,
)

START_SECONDS = 30.0
MIB = 1024 * 1024


class Responder:
    """Allow what can be read, after some time; keep how long the reading took."""

    def __init__(self, answer_seconds: float) -> None:
        self._answer_seconds = answer_seconds
        self.longest = 0.0
        """The most CPU seconds that one review took on the event loop."""

    def __call__(self, body: bytes, _deadline: float | None, /) -> bytes | Awaitable[bytes]:
        """Read the review, and answer at once or later."""
        started = time.thread_time()
        try:
            uid = decode_review(body).uid
        except BadReviewError as problem:
            if problem.uid is None:
                raise BadRequest(str(problem)) from problem
            return refuse_unreadable(str(problem), audit_only=False).encode(problem.uid)
        finally:
            self.longest = max(self.longest, time.thread_time() - started)
        answer = pass_without_work(Mark.ALLOWED).encode(uid)
        return self._later(answer) if self._answer_seconds else answer

    async def _later(self, answer: bytes) -> bytes:
        await asyncio.sleep(self._answer_seconds)
        return answer


async def _run(options: argparse.Namespace) -> None:
    with clear_end():
        await _serve(options)


async def _serve(options: argparse.Namespace) -> None:
    responder = Responder(options.answer_seconds)
    limits = ServerLimits(
        max_connections=options.max_connections,
        grace_seconds=options.grace_seconds,
        # The clients are slow where they share two cores with much else; none of the attacks is about this limit.
        handshake_seconds=START_SECONDS,
    )
    server = AdmissionServer(
        responder=responder, readiness=lambda: (), tls=ServerTLS(*certificates.pair()), limits=limits
    )

    def figures(_body: bytes, _deadline_seconds: float | None) -> ServerResponse:
        table = server.table
        status = Path("/proc/self/status").read_text()
        fields = {line.split(":")[0]: line.split()[1] for line in status.splitlines() if line.startswith("Vm")}
        said = {
            "resident_mib": int(fields["VmRSS"]) / 1024,
            "peak_mib": int(fields["VmHWM"]) / 1024,
            "longest_seconds": responder.longest,
            "connections": len(table.connections),
            "accepted": table.accepted,
        }
        return ServerResponse(body=json.dumps(said).encode())

    def fresh(_body: bytes, _deadline_seconds: float | None) -> ServerResponse:
        """Begin the peak anew."""
        Path("/proc/self/clear_refs").write_text("5")
        return ServerResponse(body=b"{}")

    routes = (
        Route(method="GET", path="/figures", handler=figures),
        Route(method="GET", path="/fresh", handler=fresh),
    )
    control = Listener(name="control", routes=routes, tls=None)
    await server.start("127.0.0.1", 0)
    await control.start("127.0.0.1", 0)
    gc.collect()
    gc.freeze()
    print(json.dumps({"port": server.port, "control": control.port}), flush=True)
    async with asyncio.TaskGroup() as group:
        group.create_task(give_memory_back(lambda: server.table.closed))
        group.create_task(server.serve())


class Serving:
    """A running server process."""

    def __init__(self, **options: float) -> None:
        """Start with options of the process, such as ``answer_seconds``."""
        said = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
        command = [sys.executable, "-m", "tests.attack.serving", *said]
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed at the end
        self._child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self._log, text=True)
        assert self._child.stdout is not None
        ports = json.loads(self._child.stdout.readline() or "{}")
        if not ports:
            raise RuntimeError(f"the server did not start: {self.log()}")
        self.port: int = ports["port"]
        self._control: int = ports["control"]
        self._ask("/fresh")
        self.before = self.figures()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._child.kill()
        self._child.wait()
        assert self._child.stdout is not None
        self._child.stdout.close()
        self._log.close()

    @contextlib.contextmanager
    def standing_still(self) -> Iterator[None]:
        """Stop the process meanwhile, as a Pod is that gets no processor time."""
        self._child.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._child.send_signal(signal.SIGCONT)

    def wait(self) -> None:
        """Wait until it answers again: with two cores and much else on them that takes a while after a burst."""
        for tries_left in reversed(range(3)):
            try:
                self.figures()
            except RuntimeError:
                if self.returncode is not None or not tries_left:
                    raise
            else:
                return

    @property
    def returncode(self) -> int | None:
        """How it ended, None while it runs."""
        return self._child.poll()

    def log(self) -> str:
        """Return what it wrote to stderr."""
        self._log.seek(0)
        return self._log.read()

    def figures(self) -> dict[str, float]:
        """Return what it says of itself."""
        said: dict[str, float] = json.loads(self._ask("/figures"))
        return said

    @property
    def grown_mib(self) -> float:
        """How much more than at start was resident at the worst moment."""
        return self.figures()["peak_mib"] - self.before["resident_mib"]

    def _ask(self, path: str) -> Any:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._control}{path}", timeout=30) as answer:
                return answer.read()
        except OSError as problem:
            raise RuntimeError(
                f"the server does not answer ({problem}), status {self.returncode}: {self.log()}"
            ) from problem


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--answer-seconds", type=float, default=0.0)
    parser.add_argument("--max-connections", type=int, default=ServerLimits().max_connections)
    parser.add_argument("--grace-seconds", type=float, default=ServerLimits().grace_seconds)
    parser.add_argument("--address-space-mib", type=int)
    options = parser.parse_args()
    if options.address_space_mib:
        limit = options.address_space_mib * MIB
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    set_up_allocator()
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    uvloop.run(_run(options))


if __name__ == "__main__":
    main()
