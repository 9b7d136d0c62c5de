"""Images that do not run any more: kept for a while as they are, then written as not running, and deleted a day later."""

from collections.abc import Callable
from datetime import timedelta
from typing import Final

from tidegate.background.running import ImageInUse
from tidegate.background.schedule import Schedule
from tidegate.background.stored import VerdictHeads
from tidegate.background.writer import VerdictWriter
from tidegate.evidence.clock import Clock
from tidegate.evidence.image_evidence import nothing_asked
from tidegate.verdicts.shape import object_name
from tidegate.verdicts.usage import Usage
from tidegate.verdicts.verdict_input import VerdictInput

LINGER_SECONDS: Final = 300.0
"""How long an image without Pods still counts as running where it last ran, so that a rollout or a CronJob is no change."""
KEPT: Final = timedelta(hours=24)
"""How long the object of an image that does not run any more stays."""


class EndedImages:
    """Puts images away. ``forget`` is called with each that counts as not running any more."""

    def __init__(
        self,
        *,
        stored: VerdictHeads,
        writer: VerdictWriter,
        schedule: Schedule,
        clock: Clock,
        forget: Callable[[ImageInUse], None],
    ) -> None:
        self._stored = stored
        self._writer = writer
        self._schedule = schedule
        self._clock = clock
        self._forget = forget
        self._ended: dict[ImageInUse, float] = {}

    def clear(self) -> None:
        """Begin anew."""
        self._ended.clear()

    def runs_again(self, image: ImageInUse) -> float | None:
        """Take note that an image runs, and return when it was seen to have ended (monotonic), if it was."""
        return self._ended.pop(image, None)

    def was_away(self, image: ImageInUse, ended_at: float | None) -> bool:
        """Tell whether facts are stored from before a time in which the image did not run: its changes were not followed."""
        head = self._stored.head(object_name(*image))
        if head is None or head.verdict is None or head.verdict.status.evidence is None:
            return False
        has_ended = ended_at is not None and ended_at + LINGER_SECONDS <= self._clock.monotonic()
        return has_ended or head.verdict.status.runs.last_seen is not None

    def put_away(self, image: ImageInUse) -> None:
        """1. Wait whether the image runs again soon. 2. Write that it does not run. 3. Delete its object a day later."""
        began = self._ended.setdefault(image, self._clock.monotonic())
        if (left := began + LINGER_SECONDS - self._clock.monotonic()) > 0:
            self._schedule.add_later(image, left)
            return
        self._forget(image)
        head = self._stored.head(object_name(*image))
        if head is None or head.verdict is None:
            self._ended.pop(image, None)
            return
        seen = head.verdict.status.runs.last_seen
        if seen is None:
            self._writer.offer(
                VerdictInput(repository=image[0], digest=image[1], evidence=nothing_asked(), judged=(), usage=Usage())
            )
            self._schedule.add_later(image, KEPT.total_seconds())
        elif (rest := seen + KEPT - self._clock.now()) > timedelta(0):
            self._schedule.add_later(image, rest.total_seconds())
        else:
            self._ended.pop(image, None)
            self._writer.remove(head)
