"""How long a request for an image with cached evidence waits for a renewal, before the last good evidence is used.

As long as collecting evidence usually takes, and a little more: while AWS is well its answers are waited for, so that a
moved tag and a new finding count; while AWS hangs or is slow, requests with cached evidence do not wait for it.
"""

from tidegate.evidence.clock import Clock

GRACE_SECONDS = 0.075
"""How much longer than usual is waited."""
MIN_USUAL_SECONDS = 0.001
"""A collection that took less looked nothing up."""
MAX_USUAL_SECONDS = 0.5
"""The most that counts as usual."""
FALL = 0.2
"""The part of the difference by which a quicker collection lowers what is usual."""
RISE = 0.0005
"""Seconds by which slower ones may raise what is usual, in each second: trouble of some minutes does not become usual."""


class Patience:
    """Learns what is usual; see the module."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._usual: float | None = None
        self._at = 0.0

    @property
    def seconds(self) -> float:
        """Return the longest wait."""
        return GRACE_SECONDS + (MAX_USUAL_SECONDS if self._usual is None else self._usual)

    def learn(self, seconds: float) -> None:
        """Record how long a collection took."""
        if seconds < MIN_USUAL_SECONDS:
            return
        now, seconds = self._clock.monotonic(), min(seconds, MAX_USUAL_SECONDS)
        usual = self._usual
        if usual is None:
            self._usual = seconds
        elif seconds < usual:
            self._usual = usual - (usual - seconds) * FALL
        else:
            self._usual = min(seconds, usual + (now - self._at) * RISE)
        self._at = now
