"""One line of the result of ``tidegate preflight``."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class State(StrEnum):
    """The result of one check."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    UNKNOWN = "unknown"


class PreflightCheck(StrEnum):
    """The checks, in the order in which they are shown."""

    IDENTITY = "identity"
    CLOCK = "clock"
    POLICIES = "policies"
    ENDPOINTS = "endpoints"
    PERMISSIONS = "permissions"
    SCAN_TYPE = "scan-type"
    INSPECTOR = "inspector"
    EVENTS = "events"
    WEBHOOK = "webhook"


EXIT_FINE: Final = 0
EXIT_FAILED: Final = 1
EXIT_UNKNOWN: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What one check found about a subject. ``fix`` is what to do unless the state is OK."""

    check: PreflightCheck
    subject: str
    state: State
    found: str
    fix: str = ""


def exit_code(rows: Iterable[Row]) -> int:
    """Return 1 if a check failed, else 2 if one could not be made or none was made, else 0."""
    states = {row.state for row in rows}
    if State.FAILED in states:
        return EXIT_FAILED
    return EXIT_UNKNOWN if State.UNKNOWN in states or not states else EXIT_FINE
