"""Durations as policies write them: days alone (``7d``), or hours, minutes and seconds (``1h30m``), down to ``0s``.

The hours, minutes and seconds are a subset of Go's durations, so that the API server's rules can compute with them.
No signs, no fractions, no weeks or months.
"""

import re
from datetime import timedelta

from tidegate.policy.shape import Text

DURATION_PATTERN = r"^([0-9]{1,4}d|([0-9]{1,5}h)?([0-9]{1,5}m)?([0-9]{1,5}s)?)$"
"""What the CRD's rules check too; the empty text, which it lets through, is refused by length."""

_PARTS = re.compile(
    r"(?:(?P<days>[0-9]{1,4})d|(?:(?P<hours>[0-9]{1,5})h)?(?:(?P<minutes>[0-9]{1,5})m)?(?:(?P<seconds>[0-9]{1,5})s)?)"
)


def parse_duration(text: str) -> timedelta | None:
    """Return the duration that the text is, or None when it is none."""
    found = _PARTS.fullmatch(text)
    if found is None or not text:
        return None
    return timedelta(**{unit: int(count) for unit, count in found.groupdict().items() if count is not None})


def format_duration(duration: timedelta) -> str:
    """Return the shortest text that parses to the duration, in whole seconds: ``7d``, ``1h30m``, ``0s``."""
    seconds = int(duration.total_seconds())
    if seconds and seconds % 86400 == 0:
        return f"{seconds // 86400}d"
    parts = ((seconds // 3600, "h"), (seconds % 3600 // 60, "m"), (seconds % 60, "s"))
    return "".join(f"{count}{unit}" for count, unit in parts if count) or "0s"


def duration(minimum: timedelta, maximum: timedelta) -> Text[timedelta]:
    """Return the shape of a duration within bounds, both included."""

    def make(text: str) -> timedelta | None:
        found = parse_duration(text)
        return found if found is not None and minimum <= found <= maximum else None

    days, exact = "int(self.substring(0, self.size() - 1))", "duration(self)"
    in_days, in_time = f"{days} <= {maximum.days}", f"{exact} <= duration('{maximum // timedelta(hours=1)}h')"
    if minimum:
        in_days = f"{days} >= {-(-minimum // timedelta(days=1))} && {in_days}"
        in_time = f"{exact} >= duration('{minimum // timedelta(seconds=1)}s') && {in_time}"
    return Text(
        expected=f"a duration from {format_duration(minimum)} to {format_duration(maximum)}",
        do="write days alone such as 7d, or hours, minutes and seconds such as 1h30m",
        make=make,
        maximum=16,
        rule=f"self.matches(r'{DURATION_PATTERN}') && (self.endsWith('d') ? {in_days} : {in_time})",
    )
