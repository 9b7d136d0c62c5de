"""What was made of images before: their plans with the last verdicts, and the decisions that rest on these.

Nothing is judged here. A decision is composed anew as soon as the first of its verdicts ends or is due for renewal; all
is forgotten together when the policies or the platforms of the cluster change.
"""

from collections.abc import Sequence
from typing import TypeAlias, TypeVar

from tidegate.admission.decision import Decision
from tidegate.admission.plan import Plan, make_plan
from tidegate.admission.request import ImageUse
from tidegate.images.platform import Platform
from tidegate.policy.snapshot import PolicySet

MAX_PLANS = 10_000
"""Images whose last verdict is remembered, about 1 KB each: as many as are in use. An image whose evidence alone is still
remembered is judged anew at once."""
MAX_DECISIONS = 4_096
"""Decisions remembered: as many different Pods as are made over and over again."""
MAX_TEXT_CHARACTERS = 1_024
"""An image that is written longer than any reference is not remembered: its text is all that it could fill memory with."""
MAX_USES = 32
"""Decisions about more images than that are composed each time."""

K = TypeVar("K")
V = TypeVar("V")
Uses: TypeAlias = tuple[ImageUse, ...]


class Remembered:
    """Plans and decisions, each bounded; the oldest is forgotten first."""

    def __init__(self) -> None:
        self._plans: dict[tuple[str, PolicySet], Plan] = {}
        self._decisions: dict[tuple[Uses, PolicySet], tuple[Decision, float]] = {}

    def clear(self) -> None:
        """Forget everything."""
        self._plans.clear()
        self._decisions.clear()

    def plan(self, text: str, policies: PolicySet, platforms: tuple[Platform, ...]) -> Plan:
        """Return the plan of an image under a set of policies, made where there is none.

        ``platforms`` are those of the cluster, the same for all that is remembered.
        """
        plan = self._plans.get((text, policies))
        if plan is None:
            plan = make_plan(text, policies, platforms)
            if len(text) <= MAX_TEXT_CHARACTERS:
                _make_room(self._plans, MAX_PLANS)
                self._plans[text, policies] = plan
        return plan

    def decision(self, uses: Uses, policies: PolicySet, now: float) -> Decision | None:
        """Return the decision on these uses of images, where one holds at the monotonic second."""
        found = self._decisions.get((uses, policies))
        return found[0] if found is not None and now < found[1] else None

    def keep(self, decision: Decision, uses: Uses, policies: PolicySet, plans: Sequence[Plan]) -> None:
        """Remember a decision on verdicts of these plans until the first of them ends or is due for renewal."""
        if len(uses) > MAX_USES or any(len(use.text) > MAX_TEXT_CHARACTERS for use in uses):
            return
        self._decisions.pop((uses, policies), None)
        _make_room(self._decisions, MAX_DECISIONS)
        until = min(min(plan.until, plan.renew_at) for plan in plans)
        self._decisions[uses, policies] = decision, until


def _make_room(kept: dict[K, V], limit: int) -> None:
    while len(kept) >= limit:
        del kept[next(iter(kept))]
