"""Exceptions as rows for people and programs. Field names of the JSON are stable; docs/reference/cli.md lists them."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from tidegate.checks.messages import age
from tidegate.checks.registry import describe_scope
from tidegate.policy.exception_object import KIND, NAMESPACED_KIND, compile_exception
from tidegate.policy.exceptions import BrokenException, ExceptionState
from tidegate.strict.quotation import TIME_FORMAT

LISTED_KINDS: Final = (KIND, NAMESPACED_KIND)
_COLUMNS: Final = {
    "NAME": "name",
    "NAMESPACES": "namespaces",
    "POLICIES": "policies",
    "EXCEPTS": "excepts",
    "IMAGES": "images",
    "ENDS": "ends",
    "STATE": "state",
    "REQUESTED BY": "requestedBy",
    "REASON": "reason",
}
_MAX_CELL = 60
_NO_MATCH = "no exceptions found"


def described(objects: Iterable[Mapping[str, Any]], now: datetime | None = None) -> list[dict[str, Any]]:
    """Return a row for each exception, the first to end first.

    The state is what tidegate wrote into the status, unless it ended since; without a status, what the object says.
    """
    moment = now or datetime.now(UTC)
    return sorted((_row(one, moment) for one in objects), key=lambda row: (row["expiresAt"] or "", row["name"]))


def _row(obj: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    found = compile_exception(obj, obj["kind"])
    row: dict[str, Any] = {"kind": obj["kind"], "name": found.name, "namespace": found.namespace}
    if isinstance(found, BrokenException):
        empty: dict[str, Any] = {name: [] for name in ("namespaces", "policies", "checks", "vulnerabilities", "images")}
        blank = dict.fromkeys(("expiresAt", "reason", "requestedBy"))
        return row | empty | blank | {"state": ExceptionState.INVALID.value, "problems": list(found.problems)}
    state = _told_state(obj) or ExceptionState.ACTIVE.value
    return row | {
        "namespaces": [found.namespace] if found.namespace else [glob.text for glob in found.namespaces],
        "policies": list(found.policies),
        "checks": [check.value for check in found.checks],
        "vulnerabilities": list(found.vulnerabilities),
        "images": [describe_scope(scope) for scope in found.images],
        "expiresAt": found.expires_at.strftime(TIME_FORMAT),
        "reason": found.reason,
        "requestedBy": found.requested_by,
        "state": state if found.is_active(now) else ExceptionState.EXPIRED.value,
        "problems": [],
    }


def _told_state(obj: Mapping[str, Any]) -> str | None:
    status = obj.get("status")
    conditions = status.get("conditions") if isinstance(status, Mapping) else None
    for one in conditions if isinstance(conditions, list) else ():
        if isinstance(one, Mapping) and one.get("type") == "Ready" and isinstance(one.get("reason"), str):
            return str(one["reason"])
    return None


def table(rows: Sequence[Mapping[str, Any]], now: datetime | None = None) -> list[str]:
    """Return the rows as lines with aligned columns."""
    if not rows:
        return [_NO_MATCH]
    moment = now or datetime.now(UTC)
    cells = [list(_COLUMNS), *(_cells(row, moment) for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(_COLUMNS))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in cells]


def _cells(row: Mapping[str, Any], now: datetime) -> list[str]:
    excepts = row["checks"] or row["vulnerabilities"]
    ends = ""
    if row["expiresAt"] is not None:
        left = datetime.strptime(row["expiresAt"], TIME_FORMAT).replace(tzinfo=UTC) - now
        ends = f"in {age(left)}" if left.total_seconds() > 0 else f"{age(-left)} ago"
    reason = "; ".join(row["problems"]) or row["reason"] or ""
    shown = dict(row) | {"excepts": excepts, "ends": ends, "reason": reason}
    return [_cell(shown[name]) for name in _COLUMNS.values()]


def _cell(value: object) -> str:
    text = ",".join(map(str, value)) if isinstance(value, list) else str(value or "")
    return text if len(text) <= _MAX_CELL else text[: _MAX_CELL - 1] + "…"
