"""Batches: ids that several requests need within a few milliseconds go to AWS in one call.

Ids wait in a queue for each group (a repository or a registry) and share (a namespace). The first ones of a quiet group
go at once; while calls are under way, a worker lets ids gather for a moment. It waits for a token of its share, and
only then takes as many ids as one call carries, its own before those of others: calls are fullest when tokens are scarce.
An id that two kinds of facts need at the same time is in a call once: the same manifest may be read for its children and
for its descriptor. Where a call does not answer for an id because of those beside it, the id is asked for again in a
smaller one.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Generic, TypeAlias, TypeVar

from tidegate.evidence.fact import Cause, Missing
from tidegate.evidence.source_unavailable import NotAskedError, SourceUnavailableError, UnknownRegionError
from tidegate.gather.api_limiter import ApiLimiter
from tidegate.gather.shares import Claim, current

G = TypeVar("G", bound=Hashable)
I = TypeVar("I", bound=Hashable)  # noqa: E741 - the id of one thing that is looked up
V = TypeVar("V")

WINDOW_SECONDS = 0.002
"""How long ids gather before a call beside others; measured by tests/bench against the share of calls it saves."""
MAX_QUEUED = 5_000
"""Ids that may wait in one group for one share; more are OVERLOADED."""

Answer: TypeAlias = V | Missing | UnknownRegionError

_OF_THE_BATCH = frozenset({Cause.UNEXPECTED_ANSWER, Cause.INTERNAL})
"""Why a whole call fails, where that may be the fault of one of its ids; an outage is no id's."""


@dataclass(slots=True, eq=False, kw_only=True)
class _Wanted(Generic[V]):
    """One id that is waited for. ``beside`` bounds the ids of the call that it may go in; a smaller call is of one share."""

    future: asyncio.Future[Answer[V]]
    beside: int
    shares: dict[str, None] = field(default_factory=dict)
    is_taken: bool = False


_Queue: TypeAlias = dict[I, _Wanted[V]]


class Batcher(Generic[G, I, V]):
    """Looks up ids in batches. ``call`` blocks: it is run in a thread of the group's limiter."""

    def __init__(
        self,
        *,
        size: int,
        limiter: Callable[[G], ApiLimiter],
        call: Callable[[G, Sequence[I]], Mapping[I, V | SourceUnavailableError]],
    ) -> None:
        self._size = size
        self._limiter = limiter
        self._call = call
        self._queues: dict[G, dict[str, _Queue[I, V]]] = {}
        self._under_way: Counter[G] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()

    async def get(self, group: G, one: I) -> Answer[V]:
        """Return what the next batch says of the id. Cancelling the wait does not cancel the call."""
        limiter, claim = self._limiter(group), current()
        queues = self._queues.get(group, {})
        wanted = next((found for queue in queues.values() if (found := queue.get(one)) and not found.is_taken), None)
        if wanted is None:
            if all(len(queues.get(share, ())) >= MAX_QUEUED for share in claim.shares):
                return Missing(Cause.OVERLOADED, limiter.source)
            wanted = _Wanted(future=asyncio.get_running_loop().create_future(), beside=self._size)
        claim.listen(partial(self._line_up, limiter, group, one, wanted), until=wanted.future)
        return await asyncio.shield(wanted.future)

    def _line_up(self, limiter: ApiLimiter, group: G, one: I, wanted: _Wanted[V], share: str) -> None:
        """Put an id into the queue of a share that waits for it, unless it was taken meanwhile."""
        wanted.shares[share] = None
        if wanted.is_taken:
            return
        queues = self._queues.setdefault(group, {})
        queue = queues.get(share)
        if queue is None:
            queue = queues[share] = {}
            self._start(self._work(limiter, group, share, queue))
        queue[one] = wanted

    async def _work(self, limiter: ApiLimiter, group: G, share: str, queue: _Queue[I, V]) -> None:
        """Send the share's ids of a group until none is left. Calls run side by side, as fast as the limiter allows."""
        claim = Claim(share)
        try:
            while queue:
                if len(queue) < self._size:
                    # Even a quiet group waits for one turn of the loop, for the other ids of the same request.
                    await asyncio.sleep(WINDOW_SECONDS if group in self._under_way else 0)
                if not queue:
                    break
                missing = await limiter.turn(claim)
                batch = self._take(limiter, group, share, queue)
                if not batch:
                    continue
                if missing is None:
                    self._under_way[group] += 1
                    self._start(self._send(group, limiter, batch, claim)).add_done_callback(lambda _: self._end(group))
                else:
                    _settle(batch, dict.fromkeys(batch, missing), limiter.source)
        finally:
            self._drop(group, share)
            _settle(queue, {}, limiter.source)

    def _take(self, limiter: ApiLimiter, group: G, share: str, own: _Queue[I, V]) -> _Queue[I, V]:
        """Take ids for one call out of the queues: the share's own, and one in turn of each other share that waits.

        Ids of a share that made calls costly a while ago go alone, so that no other waits and pays for them.
        """
        batch: _Queue[I, V] = {}
        room = self._size
        for one, wanted in own.items():
            if len(batch) >= min(room, wanted.beside):
                break
            batch[one], room = wanted, min(room, wanted.beside)
        if room == self._size and not limiter.is_costly(share):
            queues = [
                queue for name, queue in self._queues[group].items() if name != share and not limiter.is_costly(name)
            ]
            others = [[item for item in queue.items() if item[1].beside == self._size] for queue in queues]
            for at in range(max(map(len, others), default=0)):
                batch |= dict([ids[at] for ids in others if at < len(ids)][: max(0, room - len(batch))])
        for one, wanted in batch.items():
            wanted.is_taken = True
            for name in wanted.shares:
                if (queue := self._queues[group].get(name)) is not None:
                    queue.pop(one, None)
        return batch

    async def _send(self, group: G, limiter: ApiLimiter, batch: _Queue[I, V], claim: Claim) -> None:
        answers: Mapping[I, Answer[V]] = {}
        try:
            result = await limiter.call(partial(self._call, group, list(batch)), claim)
            if isinstance(result, (Missing, UnknownRegionError)):
                answers = dict.fromkeys(batch, result)
                again = batch.copy() if isinstance(result, Missing) and result.cause in _OF_THE_BATCH else {}
            else:
                problems = {one: value for one, value in result.items() if isinstance(value, SourceUnavailableError)}
                left = {one for one, problem in problems.items() if isinstance(problem, NotAskedError)}
                again = {one: wanted for one, wanted in batch.items() if one in left}
                answers = {
                    one: value.missing() if isinstance(value, SourceUnavailableError) else value
                    for one, value in result.items()
                }
                again = again if len(batch) > 1 else {}
                limiter.unanswered(problem for one, problem in problems.items() if one not in again)
            if len(batch) > 1:
                self._ask_again(group, limiter, batch, again)
        finally:
            _settle(batch, answers, limiter.source)

    def _ask_again(self, group: G, limiter: ApiLimiter, batch: _Queue[I, V], again: _Queue[I, V]) -> None:
        """Put ids of a batch back into the queues, to go in calls of half its size, of one share each."""
        beside = len(batch) // 2
        for one, wanted in again.items():
            del batch[one]
            wanted.is_taken, wanted.beside = False, beside
            for share in list(wanted.shares):
                self._line_up(limiter, group, one, wanted, share)

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

    def _drop(self, group: G, share: str) -> None:
        """Forget the queue of a share, and a group without queues."""
        queues = self._queues[group]
        del queues[share]
        if not queues:
            del self._queues[group]


def _settle(batch: Mapping[I, _Wanted[V]], answers: Mapping[I, Answer[V]], source: str) -> None:
    """Give each waiter its answer; an id without one is an answer that cannot be relied on."""
    for one, wanted in batch.items():
        if not wanted.future.done():
            wanted.future.set_result(answers.get(one, Missing(Cause.UNEXPECTED_ANSWER, source)))
