"""A reflector on an API server in memory; ``tests/e2e/kube/test_reflector.py`` has the rest, on a real one."""

import asyncio
from collections.abc import Iterator
from typing import Any, cast

import msgspec

from tests.waiting import until
from tidegate.cluster.api import KubernetesApi
from tidegate.cluster.reflector import Reflector


class EmptyWatch:
    """A response that ends at once."""

    def stream(self, _amount: int) -> Iterator[bytes]:
        return iter(())

    def close(self) -> None:
        """Release nothing."""


class ClosingApi:
    """An empty collection, whose watches all end at once: a proxy may do so."""

    def __init__(self) -> None:
        self.watches = 0

    def get_here(self, _path: str, *, answer: Any, **_: Any) -> Any:
        return msgspec.json.decode(b'{"items":[],"metadata":{"resourceVersion":"1"}}', type=answer)

    def open_stream(self, _path: str, **_: Any) -> EmptyWatch:
        self.watches += 1
        return EmptyWatch()


class NoSink:
    def put(self, key: str, obj: Any, /) -> None:
        raise AssertionError(key, obj)

    def drop(self, key: str, /) -> None:
        raise AssertionError(key)

    def listed(self) -> None:
        """Take nothing."""


async def test_a_watch_that_ends_at_once_is_not_opened_again_without_a_pause():
    api = ClosingApi()
    reflector = Reflector[Any]("Pods", cast("KubernetesApi", api), "/api/v1/pods", decode=bytes, sink=NoSink())
    task = asyncio.create_task(reflector.run())
    await until(lambda: api.watches >= 2, what="a second watch")
    assert reflector.failures >= 1
    assert reflector.problem.endswith("the watch ended at once")
    assert reflector.lists == 1
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
