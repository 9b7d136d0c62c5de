"""The caches of the reviewer: plans with the last verdicts, and the decisions that rest on these verdicts.

Nothing is judged here. A decision is composed anew as soon as the first of its verdicts ends or is due for renewal. Both
caches are cleared when the policies or the platforms of the cluster change, and are bounded in entries and in bytes.
"""

from collections.abc import Hashable, Iterable, Sequence
from typing import Generic, TypeAlias, TypeVar

from tidegate.admission.decision import Decision
from tidegate.admission.plan import Plan, make_plan
from tidegate.admission.verdict import ImageVerdict
from tidegate.admission.workload import ImageUse
from tidegate.checks.result import CheckResult
from tidegate.images.platform import Platform
from tidegate.policy.snapshot import PolicySet

MAX_PLANS = 10_000
"""Images whose last verdict is remembered, about 2 KB each: as many as are in use. An image whose evidence alone is still
remembered is judged anew at once."""
MAX_PLAN_BYTES = 16 * 1024 * 1024
"""What they take together, with their verdicts."""
MAX_DECISIONS = 4_096
"""Decisions remembered: as many different Pods as are made over and over again."""
MAX_DECISION_BYTES = 8 * 1024 * 1024
"""What they take together."""
MAX_TEXT_CHARACTERS = 1_024
"""An image that is written longer than any reference is not remembered: its text is all that it could fill memory with."""
MAX_NAME_CHARACTERS = 63
"""As MAX_TEXT_CHARACTERS, for the name of a container or volume."""
MAX_USES = 32
"""Decisions about more images than that are composed each time."""

PLAN_BYTES, USE_BYTES, DECISION_BYTES, VERDICT_BYTES, RESULT_BYTES, TEXT_BYTES = 800, 300, 1_000, 400, 250, 50
"""About what each takes in memory beside its texts."""

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
Uses: TypeAlias = tuple[ImageUse, ...]


class Bounded(Generic[K, V]):
    """Values by key, the oldest forgotten first, bounded in number and in bytes."""

    def __init__(self) -> None:
        self._kept: dict[K, tuple[V, int]] = {}
        self.bytes = 0

    def __len__(self) -> int:
        """Return how many are kept."""
        return len(self._kept)

    def clear(self) -> None:
        """Forget everything."""
        self._kept.clear()
        self.bytes = 0

    def get(self, key: K) -> V | None:
        """Return the value, or None."""
        found = self._kept.get(key)
        return None if found is None else found[0]

    def put(self, key: K, value: V, size: int, *, most: int, most_bytes: int) -> None:
        """Keep a value of so many bytes in place of the one before, and forget the oldest for it."""
        self._forget(key)
        self._kept[key] = value, size
        self.bytes += size
        while len(self._kept) > most or self.bytes > most_bytes:
            self._forget(next(iter(self._kept)))

    def _forget(self, key: K) -> None:
        found = self._kept.pop(key, None)
        if found is not None:
            self.bytes -= found[1]


class Remembered:
    """Plans and decisions, each bounded; the oldest is forgotten first."""

    def __init__(self) -> None:
        self._plans = Bounded[tuple[str, PolicySet], Plan]()
        self._decisions = Bounded[tuple[Uses, PolicySet], tuple[Decision, float]]()

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
                self._keep_plan(plan, policies)
        return plan

    def judged(self, plan: Plan) -> None:
        """Take note that a plan has another verdict, which may take more bytes than the one before."""
        policies = plan.policy_set
        if policies is not None and self._plans.get((plan.text, policies)) is plan:
            self._keep_plan(plan, policies)

    def _keep_plan(self, plan: Plan, policies: PolicySet) -> None:
        size = PLAN_BYTES + 4 * len(plan.text) + (0 if plan.verdict is None else _verdict_size(plan.verdict))
        self._plans.put((plan.text, policies), plan, size, most=MAX_PLANS, most_bytes=MAX_PLAN_BYTES)

    def decision(self, uses: Uses, policies: PolicySet, now: float) -> Decision | None:
        """Return the decision on these uses of images, where one holds at the monotonic second."""
        found = self._decisions.get((uses, policies))
        return found[0] if found is not None and now < found[1] else None

    def keep(self, decision: Decision, uses: Uses, policies: PolicySet, plans: Sequence[Plan]) -> None:
        """Remember a decision on verdicts of these plans until the first of them ends or is due for renewal."""
        if len(uses) > MAX_USES or not all(map(_is_short, uses)):
            return
        until = min(min(plan.until, plan.renew_at) for plan in plans)
        size = _decision_size(decision, uses)
        self._decisions.put(
            (uses, policies), (decision, until), size, most=MAX_DECISIONS, most_bytes=MAX_DECISION_BYTES
        )


def _is_short(use: ImageUse) -> bool:
    return len(use.text) <= MAX_TEXT_CHARACTERS and len(use.name) <= MAX_NAME_CHARACTERS


def _decision_size(decision: Decision, uses: Uses) -> int:
    """Return about how many bytes a decision takes with its key, and with verdicts that nothing else may keep."""
    said = decision.response
    texts = [*said.warnings, *said.audit_annotations.values(), said.status.message if said.status else ""]
    return (
        DECISION_BYTES
        + sum(map(_text_size, texts))
        + sum(USE_BYTES + len(use.path) + len(use.name) + len(use.text) for use in uses)
        + sum(map(_verdict_size, dict.fromkeys(decision.verdicts)))
    )


def _texts(result: CheckResult) -> Iterable[str]:
    return result.found, *result.details, result.remedy, result.cause, *result.notes


def _verdict_size(verdict: ImageVerdict) -> int:
    """Return about how many bytes a verdict takes."""
    texts = sum(map(_text_size, (verdict.text, *verdict.denial, *verdict.warnings, *verdict.records)))
    results = (result for one in verdict.judgements for result in one.results)
    return VERDICT_BYTES + texts + sum(RESULT_BYTES + sum(map(_text_size, _texts(result))) for result in results)


def _text_size(text: str) -> int:
    """Return about how many bytes a text takes: up to four a character where one is outside ASCII."""
    return TEXT_BYTES + len(text) * (1 if text.isascii() else 4) if text else 0
