"""The events of AWS as a source of changes, built from the engine: a receiver, and what bounds its repeats."""

import asyncio
from collections.abc import Callable, Collection

from tidegate.app.engine import Engine
from tidegate.aws.events import parse_event
from tidegate.evidence.change import Change, RegistryChange
from tidegate.gather.changes import Changes, Indexes
from tidegate.gather.event_queue import EventReceiver
from tidegate.images.repository import EcrRegistry


class EventSource:
    """Receives events while it runs; only the leader may run it."""

    def __init__(self, receiver: EventReceiver, changes: Changes) -> None:
        self._receiver = receiver
        self._changes = changes

    async def run(self) -> None:
        """Receive until cancelled. It never ends by itself."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._changes.run())
            tasks.create_task(self._receiver.run())


def build_event_source(
    engine: Engine,
    *,
    registries: Callable[[], Collection[EcrRegistry]],
    changed: Callable[[frozenset[Change]], None],
    everything: Callable[[EcrRegistry], None],
    indexes: Indexes = lambda _repository, _digest: (),
) -> EventSource | None:
    """Return the source of events, or None without ``aws.eventQueueUrl``.

    ``registries`` gives those in use; events about others are ignored. ``changed`` gets what to ask for again, and
    ``everything`` a registry of which all images must be read again. ``indexes`` gives the indexes in use that hold a digest, for a
    ``changed`` that does not find them itself. None of them may wait.
    """
    if engine.event_queue is None:
        return None

    def apart(changes: frozenset[Change]) -> None:
        for each in changes:
            if isinstance(each, RegistryChange):
                everything(each.registry)
        if rest := frozenset(each for each in changes if not isinstance(each, RegistryChange)):
            changed(rest)

    changes = Changes(clock=engine.clock, indexes=indexes, changed=apart)
    receiver = EventReceiver(
        engine.event_queue,
        read=parse_event,
        in_use=registries,
        changed=changes.add,
        observer=engine.observer,
    )
    text = "Seconds since the queue with AWS's events last answered; on the leader, with `aws.eventQueueUrl`."
    engine.metrics.watch("tidegate_event_queue_age_seconds", text, lambda: receiver.lag_seconds)
    return EventSource(receiver, changes)
