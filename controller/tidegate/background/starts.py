"""Since when an image has run in a namespace without a break, which is older than its Pods where these were replaced.

The grace for running images depends on it: each Pod that ran before a finding may be replaced within the grace, and its
successors after it. The stored object is the memory of it, also for the next leader.
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
    """Carries on the start that is stored of each namespace, for LINGER_SECONDS also while no Pod there runs the image."""

    def __init__(self, *, stored: VerdictHeads, schedule: Schedule, clock: Clock) -> None:
        self._stored = stored
        self._schedule = schedule
        self._clock = clock
        self._ended: dict[ImageInUse, dict[str, tuple[datetime, float]]] = {}
        """The namespaces where the image was seen to have ended: the start that was stored then, and that moment (monotonic)."""

    def clear(self) -> None:
        """Begin anew."""
        self._ended.clear()

    def continued(self, image: ImageInUse, usage: Usage) -> Usage:
        """Return where an image runs by its Pods, with the start that is stored where it has run since without a break.

        Call this also where it does not run any more, so that the moment is known.
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
