"""The status of a policy: whether it is in force, and every problem. Pure: it makes no calls."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from tidegate.cluster.status import ready_patch
from tidegate.policy.model import BrokenPolicy
from tidegate.policy.snapshot import Policy
from tidegate.policy.trust_problems import trust_problems
from tidegate.policy.trust_stores import NO_TRUST, TrustSnapshot


def status_patch(
    obj: Mapping[str, Any], policy: Policy, now: datetime, trust: TrustSnapshot = NO_TRUST
) -> dict[str, Any] | None:
    """Return the JSON merge patch that makes a policy's status true, or None if it is true already.

    A policy with unusable trust stores or keys stays in force but is not Ready: signatures by these authorities are
    undetermined.
    """
    applies, reason, message = True, "Applied", "the policy is in force"
    if isinstance(policy, BrokenPolicy):
        applies, reason, message = False, "Broken", "; ".join(policy.problems)
    elif problems := trust_problems(policy, trust):
        applies, reason = False, "TrustIncomplete"
        message = f"the policy is in force, but some signature authorities are unusable: {'; '.join(problems)}"
    return ready_patch(obj, now, generation=policy.generation, status=applies, reason=reason, message=message)
