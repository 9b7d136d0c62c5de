"""Many TLS clients in one process: honest ones that ask and count what comes back, and others that hold connections."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.integration.server.peer import client_context, post

ASK_SECONDS = 30.0
HOME = "127.0.0.1"


def review_body(padding: int = 7_000) -> bytes:
    """Return the review of a Pod, as large as those of real Pods are."""
    review = {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "operation": "CREATE",
            "namespace": "default",
            "object": {
                "metadata": {"annotations": {"a": "x" * padding}},
                "spec": {"containers": [{"name": "app", "image": "example/app:1"}]},
            },
        },
    }
    return json.dumps(review).encode()


REVIEW = post(review_body(), target="/validate?timeout=10s")


@dataclass(slots=True, kw_only=True)
class Answers:
    """What came of many requests: ``statuses`` by number, ``failures`` by the error's name, and the slowest answer."""

    statuses: Counter[int] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    slowest_seconds: float = 0.0

    @property
    def good(self) -> int:
        """Reviews that were answered."""
        return self.statuses[200]

    def __str__(self) -> str:
        said = [f"{count}x {status}" for status, count in sorted(self.statuses.items())]
        said += [f"{count}x {name}" for name, count in sorted(self.failures.items())]
        return f"{', '.join(said)}, slowest {self.slowest_seconds:.1f} s"


async def connect_plain(port: int, *, source: str = HOME) -> socket.socket:
    """Connect by TCP alone, from a loopback address."""
    plain = socket.socket()
    try:
        plain.setblocking(False)
        plain.bind((source, 0))
        await asyncio.get_running_loop().sock_connect(plain, ("127.0.0.1", port))
    except BaseException:
        plain.close()
        raise
    return plain


async def connect(
    port: int, *, source: str = HOME, context: ssl.SSLContext | None = None, plain: socket.socket | None = None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect by TLS."""
    if plain is None:
        plain = await connect_plain(port, source=source)
    return await asyncio.open_connection(
        sock=plain, ssl=context or client_context(), server_hostname="127.0.0.1", ssl_handshake_timeout=ASK_SECONDS
    )


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, data: bytes = REVIEW) -> int:
    """Return the status of the answer."""
    writer.write(data)
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
    await reader.readexactly(length)
    return int(head.split()[1])


async def ask_once(
    port: int, answers: Answers, *, source: str = HOME, context: ssl.SSLContext, plain: socket.socket | None = None
) -> None:
    """Ask on a connection of its own, as an API server does when all that it has are busy."""
    started = time.monotonic()
    writer = None
    try:
        async with asyncio.timeout(ASK_SECONDS):
            reader, writer = await connect(port, source=source, context=context, plain=plain)
            answers.statuses[await ask(reader, writer)] += 1
    except (OSError, EOFError, TimeoutError, IndexError) as problem:
        answers.failures[type(problem).__name__] += 1
    finally:
        if writer is not None:
            writer.transport.abort()
    answers.slowest_seconds = max(answers.slowest_seconds, time.monotonic() - started)


async def ask_at_once(port: int, count: int, *, sources: Sequence[str] = (HOME,)) -> Answers:
    """Ask on many connections together."""
    answers, context = Answers(), client_context()
    await asyncio.gather(
        *(ask_once(port, answers, source=sources[number % len(sources)], context=context) for number in range(count))
    )
    return answers


async def ask_in_turn(port: int, count: int, *, pause_seconds: float = 0.02, source: str = HOME) -> Answers:
    """Ask again and again, each time on a connection of its own."""
    answers, context = Answers(), client_context()
    for _ in range(count):
        await ask_once(port, answers, source=source, context=context)
        await asyncio.sleep(pause_seconds)
    return answers
