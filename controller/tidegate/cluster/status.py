"""The status of tidegate's objects: the condition Ready, written only if it is not true yet.

Replicas with the same policies and trust write the same status, so that they do not overwrite each other.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from tidegate.strict.quotation import TIME_FORMAT

READY: Final = "Ready"
MAX_MESSAGE_CHARACTERS: Final = 8_000
"""The schema allows 32,768, which is more than people read."""


def ready_patch(
    obj: Mapping[str, Any],
    now: datetime,
    *,
    generation: int,
    status: bool,
    reason: str,
    message: str,
    fields: Mapping[str, Any] | None = None,
) -> dict[str, Any] | None:
    """Return the JSON merge patch that makes an object's status true, or None if it is true already.

    ``fields`` are further fields of the status; a field that is None is removed. The patch has the object's
    resourceVersion: the API server refuses it with 409 after any other write. ``lastTransitionTime`` changes only with the
    condition's status. Other conditions are kept.
    """
    stored = stored_status(obj)
    listed = stored.get("conditions")
    conditions = [one for one in listed if isinstance(one, Mapping)] if isinstance(listed, list) else []
    before = next((one for one in conditions if one.get("type") == READY), {})
    ready: dict[str, Any] = {
        "type": READY,
        "status": str(status),
        "reason": reason,
        "message": message if len(message) <= MAX_MESSAGE_CHARACTERS else message[: MAX_MESSAGE_CHARACTERS - 1] + "…",
        "observedGeneration": generation,
    }
    wanted = {"observedGeneration": generation, **(fields or {})}
    if all(stored.get(name) == value for name, value in wanted.items()) and ready.items() <= dict(before).items():
        return None
    moved = before.get("status") != ready["status"] or not before.get("lastTransitionTime")
    ready["lastTransitionTime"] = now.strftime(TIME_FORMAT) if moved else before["lastTransitionTime"]
    others = [one for one in conditions if one.get("type") != READY]
    return {
        "metadata": {"resourceVersion": _mapping(obj.get("metadata")).get("resourceVersion")},
        "status": {**wanted, "conditions": [*others, ready]},
    }


def content_of(patch: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the status of a patch of ``ready_patch``, without the transition time and the conditions of other clients."""
    status = dict(patch["status"])
    ready = dict(status.pop("conditions")[-1])
    del ready["lastTransitionTime"]
    return status | {READY: ready}


def stored_status(obj: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the status of an object, empty if it has none."""
    return _mapping(obj.get("status"))


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
