"""Batches: ids that several requests need within a few milliseconds go to AWS in one call.

Ids wait in a queue for each group (a repository or a registry). The first ones of a quiet group go at once; while calls
are under way, a worker lets ids gather for a moment. It waits its turn on the line, and only then takes as many as one
call carries, so that calls are fullest when the line is slowest.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Hashable, Mapping, Sequence
from typing import Any, Generic, TypeAlias, TypeVar

from tidegate.evidence.fact import Cause, Missing
from tidegate.evidence.unavailable import AwsUnavailableError, UnknownRegionError
from tidegate.gather.line import Line

G = TypeVar("G", bound=Hashable)
I = TypeVar("I", bound=Hashable)  # noqa: E741 - the id of one thing that is looked up
V = TypeVar("V")

WINDOW_SECONDS = 0.002
"""How long ids gather before a call beside others; measured by tests/bench against the share of calls it saves."""
MAX_QUEUED = 5_000
"""Ids that may wait in one group; more are told that too much is waiting."""

Answer: TypeAlias = V | Missing | UnknownRegionError


class Batcher(Generic[G, I, V]):
    """Looks up ids in batches. ``call`` blocks: it is run in a thread of the group's line."""

    def __init__(
        self,
        *,
        size: int,
        line: Callable[[G], Line],
        call: Callable[[G, Sequence[I]], Mapping[I, V | AwsUnavailableError]],
        window_seconds: float = WINDOW_SECONDS,
    ) -> None:
        self._size = size
        self._line = line
        self._call = call
        self._window_seconds = window_seconds
        self._queues: dict[G, dict[I, asyncio.Future[Answer[V]]]] = {}
        self._under_way: Counter[G] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()

    async def get(self, group: G, one: I) -> Answer[V]:
        """Return what the next batch says of the id. Cancelling the wait does not cancel the call."""
        queue = self._queues.get(group)
        if queue is None:
            line, queue = self._line(group), {}
            self._queues[group] = queue
            self._start(self._work(line, group, queue))
        future = queue.get(one)
        if future is None:
            if len(queue) >= MAX_QUEUED:
                return Missing(Cause.OVERLOADED, self._line(group).source)
            future = queue[one] = asyncio.get_running_loop().create_future()
        return await asyncio.shield(future)

    async def _work(self, line: Line, group: G, queue: dict[I, asyncio.Future[Answer[V]]]) -> None:
        """Send the group's ids until none is left. Calls run side by side; the line sets their pace."""
        try:
            while queue:
                if len(queue) < self._size:
                    # Even a quiet group waits for one turn of the loop, for the other ids of the same request.
                    await asyncio.sleep(self._window_seconds if group in self._under_way else 0)
                missing = await line.turn()
                batch = {one: queue.pop(one) for one in list(queue)[: self._size]}
                if missing is None:
                    self._under_way[group] += 1
                    self._start(self._send(group, line, batch)).add_done_callback(lambda _: self._end(group))
                else:
                    _settle(batch, dict.fromkeys(batch, missing), line.source)
        finally:
            del self._queues[group]
            _settle(queue, {}, line.source)

    async def _send(self, group: G, line: Line, batch: dict[I, asyncio.Future[Answer[V]]]) -> None:
        answers: Mapping[I, Answer[V]] = {}
        try:
            result = await line.call(lambda: self._call(group, list(batch)))
            if isinstance(result, (Missing, UnknownRegionError)):
                answers = dict.fromkeys(batch, result)
            else:
                line.unanswered(value for value in result.values() if isinstance(value, AwsUnavailableError))
                answers = {
                    one: value.missing() if isinstance(value, AwsUnavailableError) else value
                    for one, value in result.items()
                }
        finally:
            _settle(batch, answers, line.source)

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _end(self, group: G) -> None:
        """Count a call that is no longer under way; a group without any is quiet."""
        self._under_way[group] -= 1
        if not self._under_way[group]:
            del self._under_way[group]


def _settle(batch: Mapping[I, asyncio.Future[Answer[V]]], answers: Mapping[I, Answer[V]], source: str) -> None:
    """Give each waiter its answer; an id without one is an answer that cannot be relied on."""
    for one, future in batch.items():
        future.set_result(answers.get(one, Missing(Cause.UNEXPECTED_ANSWER, source)))
