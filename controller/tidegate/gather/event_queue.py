"""Receives AWS's events from a queue and has what they are about asked for again. Everything works without the queue, later.

A message is deleted after its changes were passed on, so that none is lost: Amazon SQS gives it again otherwise, and a repeat
costs nothing. A message that is no event is left to the queue's redrive policy, which moves it to the dead-letter queue: only
there can someone look at it. Where a queue has no such policy, the message is deleted when it was received MAX_RECEIVES times.

Only the leader receives: each message reaches one receiver, and what it finds reaches the replicas through verdict objects.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

import structlog

from tidegate.errors import InvalidEventError
from tidegate.evidence.change import Change
from tidegate.evidence.fact import Cause
from tidegate.evidence.message import AwsEvent, QueuedMessage
from tidegate.evidence.ports import MAX_MESSAGES, MessageQueue
from tidegate.evidence.source_unavailable import SourceUnavailableError
from tidegate.images.repository import EcrRegistry
from tidegate.trust.refresh import retry_seconds, shortened

MAX_RECEIVES: Final = 20
"""Receives after which a message that is no event is deleted. Redrive policies move it long before: AWS suggests 5."""
FIRST_RETRY_SECONDS: Final = 1.0
LAST_RETRY_SECONDS: Final = 300.0
SINGLE_SECONDS: Final = 300.0
"""How long messages are received one by one after an answer that could not be read: ten of the longest messages are too long
for one answer, and one that is broken must not keep the others back."""
LOG_SECONDS: Final = 10.0
"""The least time between two lines about messages that are no events."""
IN_USE_SECONDS: Final = 1.0
"""How long the list of registries in use is reused for events about these: a flood of events has hundreds of batches a second."""
USED, IGNORED, MALFORMED = "used", "ignored", "malformed"
UNKNOWN: Final = "unknown"

T = TypeVar("T")

_log = structlog.get_logger(__name__)


class EventObserver(Protocol):
    """Counts events."""

    def event(self, kind: str, outcome: str) -> None:
        """Count an event: ``used``, ``ignored`` if it is about nothing in use, or ``malformed``."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class _Received:
    message: QueuedMessage
    event: AwsEvent | None
    problem: str = ""


class EventReceiver:
    """Receives from one queue.

    ``read`` reads a body. ``in_use`` gives the registries in use: events about others are ignored. ``changed`` gets the changes
    of a batch; it must not wait.
    """

    def __init__(
        self,
        queue: MessageQueue,
        *,
        read: Callable[[str], AwsEvent],
        in_use: Callable[[], Collection[EcrRegistry]],
        changed: Callable[[Iterable[Change]], None],
        observer: EventObserver,
    ) -> None:
        self._queue = queue
        self._read = read
        self._in_use = in_use
        self._changed = changed
        self._observer = observer
        self._answered_at = time.monotonic()
        self._single_until = 0.0
        self._known: Collection[EcrRegistry] = ()
        self._looked_at = float("-inf")
        self._logged_at = float("-inf")
        self._cause: Cause | None = None
        self.failures = 0
        """Failed calls since the last one that was answered."""

    @property
    def lag_seconds(self) -> float:
        """Seconds since the queue answered, for a metric."""
        return time.monotonic() - self._answered_at

    async def run(self) -> None:
        """Receive until cancelled. A failure is logged once, and its repeats wait longer and longer."""
        while True:
            try:
                await self.receive_once()
            except SourceUnavailableError as problem:
                self._failed(problem)
            except Exception:  # noqa: BLE001 - the messages come again
                _log.exception("events could not be passed on")
                self.failures += 1
            if self.failures:
                seconds = retry_seconds(self.failures, first=FIRST_RETRY_SECONDS, last=LAST_RETRY_SECONDS)
                await asyncio.sleep(shortened(seconds))

    async def receive_once(self) -> int:
        """Wait for messages, pass their changes on, and delete them; return how many there were."""
        received = await _in_thread(self._receive)
        self._answered()
        registries = self._registries({one.registry for each in received if each.event for one in each.event.changes})
        changes: set[Change] = set()
        for each in received:
            of_use = {one for one in each.event.changes if one.registry in registries} if each.event else set()
            changes |= of_use
            self._observer.event(
                each.event.kind if each.event else UNKNOWN,
                MALFORMED if each.event is None else USED if of_use else IGNORED,
            )
        if changes:
            self._changed(changes)
        done = [each.message.receipt for each in received if self._is_done(each)]
        if done:
            await _in_thread(lambda: self._queue.delete(done))
        return len(received)

    def _registries(self, changed: set[EcrRegistry]) -> Collection[EcrRegistry]:
        """Return the registries in use. A list younger than IN_USE_SECONDS is used again if it has all of ``changed``."""
        now = time.monotonic()
        if not changed.issubset(self._known) or now >= self._looked_at + IN_USE_SECONDS:
            self._known, self._looked_at = self._in_use(), now
        return self._known

    def _receive(self) -> list[_Received]:
        """Receive and read, in a thread: a message may have a megabyte."""
        most = 1 if time.monotonic() < self._single_until else MAX_MESSAGES
        return [self._reading(message) for message in self._queue.receive(most)]

    def _reading(self, message: QueuedMessage) -> _Received:
        try:
            return _Received(message=message, event=self._read(message.body))
        except InvalidEventError as problem:
            return _Received(message=message, event=None, problem=str(problem))
        except Exception as problem:  # noqa: BLE001 - no body may keep the others back
            return _Received(message=message, event=None, problem=repr(problem)[:200])

    def _is_done(self, received: _Received) -> bool:
        """Tell whether to delete a message, and log one that is no event."""
        if received.event is not None:
            return True
        last, now = received.message.receives >= MAX_RECEIVES, time.monotonic()
        if last or now - self._logged_at >= LOG_SECONDS:
            self._logged_at = now
            _log.warning(
                "a message of the event queue is no event of AWS",
                message=received.message.id[:100],
                problem=received.problem[:300],
                receives=received.message.receives,
                deleted=last,
            )
        return last

    def _answered(self) -> None:
        if self.failures:
            _log.info("the event queue answers again", after_failures=self.failures)
        self._answered_at, self.failures, self._cause = time.monotonic(), 0, None

    def _failed(self, problem: SourceUnavailableError) -> None:
        self.failures += 1
        if problem.cause is Cause.UNEXPECTED_ANSWER:
            self._single_until = time.monotonic() + SINGLE_SECONDS
        if problem.cause is not self._cause:
            self._cause = problem.cause
            _log.warning(
                "the event queue cannot be read; changes are found by polling until it can",
                api=problem.source,
                cause=problem.cause.value,
                detail=problem.detail[:1_000],
            )


async def _in_thread(function: Callable[[], T]) -> T:
    """Run a function that may wait for 20 seconds in a thread of its own, for which the end of the process does not wait."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[T] = loop.create_future()

    def end(result: T | None, problem: Exception | None) -> None:
        if answer.done():
            return
        if problem is not None:
            answer.set_exception(problem)
        else:
            answer.set_result(result)  # type: ignore[arg-type]  # without a problem there is a result

    def run() -> None:
        result: T | None = None
        problem: Exception | None = None
        try:
            result = function()
        except Exception as raised:  # noqa: BLE001 - raised where it is waited for
            problem = raised
        with suppress(RuntimeError):  # The loop may have ended meanwhile.
            loop.call_soon_threadsafe(end, result, problem)

    threading.Thread(target=run, name="events", daemon=True).start()
    return await answer
