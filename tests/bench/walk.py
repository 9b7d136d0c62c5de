"""The walk of one cold request: its functions, and its layers on the way to AWS. `python -m tests.bench.walk` lists them.

One AdmissionReview of a new image by tag goes through the webhook's server, the reviewer and the engine as in the
controller, without TLS, to a simulated AWS in a process of its own. A profiler notes the functions of tidegate in the order
of entry, in all threads. What is made once a process, such as the clients of AWS, was made for another image before.

The layers are the functions between the reviewer and boto3 that lead to one call: those that are entered and not left yet
in the thread that makes the call, and before them those that started its thread and its tasks.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import sys
import threading
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from types import CodeType, FrameType
from typing import Any
from unittest.mock import patch
from weakref import WeakKeyDictionary

from botocore.client import BaseClient

import tidegate
from tests.bench.cold import reviewer, simulated_aws
from tests.bench.reviews import ECR, review_of
from tidegate.admission.reviewer import Reviewer
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
        if self.on and event == "call" and _is_counted(frame):
            self.entered.append(frame.f_code)

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


class Layers:
    """Notes the functions that lead to each call of boto3, by the call's name, the first one first."""

    def __init__(self) -> None:
        self.of_calls: dict[str, list[CodeType]] = {}
        self._thread = threading.local()
        self._tasks: WeakKeyDictionary[asyncio.Task[Any], list[CodeType]] = WeakKeyDictionary()

    @contextmanager
    def noted(self) -> Iterator[None]:
        """Note the calls that are made, and who starts tasks and threads' work."""
        call, submit = BaseClient._make_api_call, ThreadPoolExecutor.submit  # type: ignore[attr-defined]

        def noting_call(client: BaseClient, name: str, parameters: Any) -> Any:
            self.of_calls[name] = list(dict.fromkeys(self._present()))
            return call(client, name, parameters)

        def noting_submit(pool: ThreadPoolExecutor, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
            before = self._present()

            def work() -> Any:
                self._thread.before = before
                return function(*arguments)

            return submit(pool, work)

        with (
            patch.object(BaseClient, "_make_api_call", noting_call),
            patch.object(ThreadPoolExecutor, "submit", noting_submit),
        ):
            yield

    def task(self, loop: asyncio.AbstractEventLoop, coroutine: Any) -> asyncio.Task[Any]:
        """Start a task; a task factory of asyncio."""
        task = asyncio.Task(coroutine, loop=loop)
        self._tasks[task] = self._present()
        return task

    def figures(self) -> dict[str, float]:
        """Return the figures by name."""
        return {f"layers between reviewer and boto3, {name}": len(codes) for name, codes in self.of_calls.items()}

    def _present(self) -> list[CodeType]:
        """Return the functions that lead here, from the reviewer's on."""
        here = [frame.f_code for frame, _ in traceback.walk_stack(None) if _is_counted(frame)][::-1]
        try:
            task = asyncio.current_task()
        except RuntimeError:
            before = getattr(self._thread, "before", [])
        else:
            before = [] if task is None else self._tasks.get(task, [])
        return [*before, *here]


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


def layers() -> Layers:
    """Walk once more, from the reviewer on."""
    found = Layers()
    with simulated_aws() as aws, reviewer(aws.url) as (gate, _engine), found.noted():
        asyncio.run(_review(gate, found))
    return found


async def _review(gate: Reviewer, found: Layers) -> None:
    asyncio.get_running_loop().set_task_factory(found.task)
    answer = gate.review(review_of(f"{ECR}/bench/app:v0"), None)
    assert not isinstance(answer, bytes)
    await answer


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


def _is_counted(frame: FrameType) -> bool:
    """Tell whether a frame is of a function in a file of tidegate. A method that a library generated is in no file."""
    code, module = frame.f_code, frame.f_globals.get("__name__", "")
    is_its_own = module.partition(".")[0] == "tidegate" and code.co_filename.startswith(str(PACKAGE))
    return is_its_own and code.co_name not in COMPREHENSIONS


def _place(code: CodeType) -> Path:
    return Path(code.co_filename).relative_to(PACKAGE)


def run() -> dict[str, float]:
    """Return the figures by name."""
    return walk().figures() | layers().figures()


if __name__ == "__main__":
    taken, way = walk(), layers()
    for function, times in Counter(taken.entered).items():
        print(f"{times:4} {_place(function)} {function.co_qualname}")
    for call, functions in way.of_calls.items():
        print(f"\nthe layers between the reviewer and {call}:")
        for function in functions:
            print(f"  {_place(function)} {function.co_qualname}")
    print(json.dumps(taken.figures() | way.figures(), indent=1))
