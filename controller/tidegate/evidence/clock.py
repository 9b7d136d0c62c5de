"""The port to the machine's clocks: wall time for what others date, and seconds that never go back for ages."""

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """Tells both times."""

    def now(self) -> datetime:
        """Return the wall time, UTC."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        ...
