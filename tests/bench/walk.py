"""The walk of one cold request: how many functions of tidegate it enters. `python -m tests.bench.walk` lists them.

One AdmissionReview of a new image by tag goes through the webhook's server, the reviewer and the engine as in the
controller, without TLS, to a simulated AWS in a process of its own. A profiler notes the functions of tidegate in the order
of entry, in all threads. What is made once a process, such as the clients of AWS, was made for another image before.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import sys
import threading
from collections import Counter
from itertools import pairwise
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import tidegate
from tests.bench.cold import reviewer, simulated_aws
from tests.bench.reviews import ECR, review_of
from tidegate.app.admission import responder
from tidegate.webhook.server import Listener, Route, ServerLimits

PACKAGE = Path(tidegate.__file__).parent
COMPREHENSIONS = ("<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>")
"""No functions: Python 3.12 runs most of them in place."""


class Walk:
    """Notes functions while it is ``on``; a coroutine that goes on is entered again."""

    def __init__(self) -> None:
        self.on = False
        self.entered: list[CodeType] = []

    def note(self, frame: FrameType, event: str, _argument: Any) -> None:
        """Take an event of the profiler."""
        code = frame.f_code
        if self.on and event == "call" and code.co_name not in COMPREHENSIONS:
            module = frame.f_globals.get("__name__", "")
            if module.partition(".")[0] == "tidegate" and code.co_filename.startswith(str(PACKAGE)):
                self.entered.append(code)

    def figures(self) -> dict[str, float]:
        """Return the figures by name."""
        files = Counter(code.co_filename for code in dict.fromkeys(self.entered))
        packages = [_place(code).parts[0] for code in self.entered]
        return {
            "functions that a cold request enters": sum(files.values()),
            "of these in gather": sum(count for name, count in files.items() if f"{PACKAGE}/gather/" in name),
            "files that they are in": len(files),
            "changes of package": sum(one != other for one, other in pairwise(packages)),
        }


def walk() -> Walk:
    """Walk once."""
    noted = Walk()
    threading.setprofile(noted.note)
    sys.setprofile(noted.note)
    try:
        with simulated_aws() as aws, reviewer(aws.url) as (gate, _engine):
            route = Route(method="POST", path="/validate", handler=responder(gate), media_type="application/json")
            asyncio.run(_serve(route, noted))
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    return noted


async def _serve(route: Route, noted: Walk) -> None:
    listener = Listener(name="walk", routes=[route], limits=ServerLimits(sweep_seconds=60), tls=None)
    await listener.start("127.0.0.1", 0)
    try:
        await asyncio.to_thread(_ask, listener.port, noted)
    finally:
        await listener.drain(0)


def _ask(port: int, noted: Walk) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    for tag in ("v0", "v1"):
        noted.on = tag == "v1"
        body = review_of(f"{ECR}/bench/app:{tag}")
        connection.request("POST", "/validate?timeout=30s", body, {"Content-Type": "application/json"})
        answer = json.loads(connection.getresponse().read())["response"]
        noted.on = False
        if not answer["allowed"]:
            raise SystemExit(f"expected the image to be allowed, got {answer}")
    connection.close()


def _place(code: CodeType) -> Path:
    return Path(code.co_filename).relative_to(PACKAGE)


def run() -> dict[str, float]:
    """Return the figures by name."""
    return walk().figures()


if __name__ == "__main__":
    taken = walk()
    for function, times in Counter(taken.entered).items():
        print(f"{times:4} {_place(function)} {function.co_qualname}")
    print(json.dumps(taken.figures(), indent=1))
