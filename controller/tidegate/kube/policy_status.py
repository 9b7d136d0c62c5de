"""What a policy's status says: whether it was read and applies, and if not, every problem. It asks nobody.

The content is the same whichever replica writes it, so that replicas agree instead of overwriting each other.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from tidegate.policy.model import BrokenPolicy
from tidegate.policy.snapshot import Policy

READY: Final = "Ready"
MAX_MESSAGE_CHARACTERS: Final = 8_000
"""The schema allows 32,768; a person does not read more than this."""


def status_patch(obj: Mapping[str, Any], policy: Policy, now: datetime) -> dict[str, Any] | None:
    """Return the JSON merge patch that makes an object's status true, None where it is.

    The patch holds only for the object as it was read: the API server refuses it with 409 after any other write.
    ``lastTransitionTime`` moves only with the condition's status. Conditions of others are kept.
    """
    status = _mapping(obj.get("status"))
    stored = status.get("conditions")
    conditions = [one for one in stored if isinstance(one, Mapping)] if isinstance(stored, list) else []
    before = next((one for one in conditions if one.get("type") == READY), {})
    ready = _ready(policy)
    if status.get("observedGeneration") == policy.generation and ready.items() <= dict(before).items():
        return None
    moved = before.get("status") != ready["status"] or not before.get("lastTransitionTime")
    ready["lastTransitionTime"] = now.strftime("%Y-%m-%dT%H:%M:%SZ") if moved else before["lastTransitionTime"]
    others = [one for one in conditions if one.get("type") != READY]
    return {
        "metadata": {"resourceVersion": _mapping(obj.get("metadata")).get("resourceVersion")},
        "status": {"observedGeneration": policy.generation, "conditions": [*others, ready]},
    }


def _ready(policy: Policy) -> dict[str, Any]:
    """Return the condition but for its time."""
    if isinstance(policy, BrokenPolicy):
        message = "; ".join(policy.problems)
        status, reason = "False", "Broken"
    else:
        message = "the policy was read and applies"
        status, reason = "True", "Applied"
    return {
        "type": READY,
        "status": status,
        "reason": reason,
        "message": message if len(message) <= MAX_MESSAGE_CHARACTERS else message[: MAX_MESSAGE_CHARACTERS - 1] + "…",
        "observedGeneration": policy.generation,
    }


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
