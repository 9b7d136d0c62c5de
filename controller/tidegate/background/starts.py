"""The start of an image in a namespace: when its first Pod there started, also if that Pod has been replaced since.

The grace for running images depends on it: within the grace, a Pod that ran before the finding may be replaced, and so may the
Pod that replaced it. The start is kept in the ImageVerdict, from which the next leader reads it.
"""

from dataclasses import replace
from datetime import datetime

from tidegate.background.ended import LINGER_SECONDS
from tidegate.background.running import ImageInUse
from tidegate.background.schedule import Schedule
from tidegate.background.stored import VerdictHeads
from tidegate.evidence.clock import Clock
from tidegate.verdicts.shape import object_name
from tidegate.verdicts.usage import NamespaceUsage, Usage


class Starts:
    """Keeps the stored start of each namespace until no Pod there has run the image for LINGER_SECONDS."""

    def __init__(self, *, stored: VerdictHeads, schedule: Schedule, clock: Clock) -> None:
        self._stored = stored
        self._schedule = schedule
        self._clock = clock
        self._ended: dict[ImageInUse, dict[str, tuple[datetime, float]]] = {}
        """The namespaces where the image has ended: the start that was stored then, and when the end was seen (monotonic)."""

    def clear(self) -> None:
        """Begin anew."""
        self._ended.clear()

    def continued(self, image: ImageInUse, usage: Usage) -> Usage:
        """Return where an image runs by its Pods, with the stored start of each namespace where it has run since then.

        Call this for an image that has ended, too: the break is measured from that call.
        """
        head, now = self._stored.head(object_name(*image)), self._clock.monotonic()
        before, ended = self._ended.pop(image, {}), dict[str, tuple[datetime, float]]()
        namespaces = dict(usage.namespaces)
        for name, since in ({} if head is None else head.started).items():
            used = namespaces.get(name)
            runs = used is not None and used.since is not None
            stored_then, ended_at = before.get(name, (since, now))
            if stored_then != since:
                ended_at = now
            left = ended_at + LINGER_SECONDS - now
            if left > 0:
                namespaces[name] = _since(used, since)
                if not runs:
                    self._schedule.add_later(image, left)
            if left <= 0 or not runs:
                ended[name] = since, ended_at
        if ended:
            self._ended[image] = ended
        return replace(usage, namespaces=namespaces)


def _since(used: NamespaceUsage | None, since: datetime) -> NamespaceUsage:
    if used is None:
        return NamespaceUsage(pods=0, since=since)
    return replace(used, since=since if used.since is None else min(since, used.since))
