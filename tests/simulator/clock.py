"""The simulator's clock: real time with an offset, or frozen; tests move it, the world reads it.

It dates images, scans and findings only. Credentials expire by the real clock, because boto3 compares them with that.
"""

import re
import time
from datetime import UTC, datetime

Moment = datetime | str | float
"""A point in time: a datetime, an ISO string, seconds from now (`60`, `-3600`) or the same with a unit (`-3d`, `+2h`)."""

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_RELATIVE = re.compile(r"([+-]?\d+(?:\.\d+)?)([smhd]?)")


class Clock:
    """Tell the time of the simulated world, in seconds since the epoch."""

    def __init__(self, start: datetime | None = None) -> None:
        self._offset = 0.0
        self._frozen = start.timestamp() if start else None

    def now(self) -> float:
        return self._frozen if self._frozen is not None else time.time() + self._offset

    def advance(self, seconds: float) -> None:
        """Move the clock, frozen or not, by some seconds; negative ones move it back."""
        if self._frozen is not None:
            self._frozen += seconds
        else:
            self._offset += seconds

    def freeze(self, at: Moment | None = None) -> None:
        """Stop the clock now or at a moment, so that only `advance` moves it."""
        self._frozen = self.moment(at)

    def run(self) -> None:
        """Let a frozen clock run on from where it stands."""
        if self._frozen is not None:
            self._offset, self._frozen = self._frozen - time.time(), None

    def moment(self, value: Moment | None) -> float:
        """Give the epoch seconds that a `Moment` means now; None means now itself."""
        if value is None:
            return self.now()
        if isinstance(value, datetime):
            return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
        if isinstance(value, int | float):
            return self.now() + value
        if relative := _RELATIVE.fullmatch(value.strip()):
            return self.now() + float(relative[1]) * _UNITS[relative[2] or "s"]
        return self.moment(datetime.fromisoformat(value))
