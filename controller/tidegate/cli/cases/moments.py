"""Moments of test cases: a time with its zone, or a span from ``now``, such as ``-3d`` or ``-90m``."""

import re
from datetime import UTC, date, datetime, timedelta
from typing import Final

from tidegate.cli.argument_files import ArgumentError

_SPAN: Final = re.compile(r"([+-])(\d{1,6})(s|m|h|d)")
_UNITS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_EXPECTED: Final = "expected a time such as 2026-11-28T12:00:00Z, or a span from now such as -3d (units s, m, h, d)"


def parse_moment(value: object, where: str, now: datetime | None) -> datetime | None:
    """Return the moment in UTC, None for None; raise ArgumentError that names the field for anything else."""
    if value is None:
        return None
    if isinstance(value, str) and (span := _SPAN.fullmatch(value)) is not None and now is not None:
        seconds = int(span[2]) * _UNITS[span[3]]
        return now + timedelta(seconds=seconds if span[1] == "+" else -seconds)
    moment = _parsed(value)
    if moment is None:
        raise ArgumentError(f"{where}: {_EXPECTED if now is not None else _EXPECTED.partition(',')[0]}")
    return moment


def _parsed(value: object) -> datetime | None:
    """Return a time that YAML has read, or that is a text; one without a zone is none, since it could mean any."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if isinstance(value, datetime):
        return None if value.tzinfo is None else value.astimezone(UTC)
    return datetime(value.year, value.month, value.day, tzinfo=UTC) if isinstance(value, date) else None


def moment_text(moment: datetime | None) -> str | None:
    """Return the moment as it is written in a case, exactly."""
    return None if moment is None else moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
