"""The caches of the reviewer: plans with the last verdicts, and the decisions that rest on these verdicts.

Nothing is judged here. A decision is composed anew as soon as the first of its verdicts ends or is due for renewal. Both
caches are cleared when the policies or the platforms of the cluster change, and are bounded in entries and in bytes.
"""

from collections.abc import Hashable, Iterable, Sequence
from typing import Generic, TypeAlias, TypeVar

from tidegate.admission.decision import Decision
from tidegate.admission.plan import MatchingPolicies, Plan, make_plan
from tidegate.admission.verdict import AnyPolicy
from tidegate.admission.workload import ImageUse
from tidegate.checks.judge import required_checks
from tidegate.checks.result import CheckResult
from tidegate.evidence.needs import Needs
from tidegate.images.platform import Platform
from tidegate.policy.snapshot import PolicySet

MAX_PLAN_BYTES = 16 * 1024 * 1024
"""What the plans of images take together, with their last verdicts: 25,000 images that pass, fewer with long messages. An
image whose evidence alone is still remembered is judged anew at once."""
MAX_SHARED_BYTES = 1024 * 1024
"""What plans share takes together. A plan that shares with none counts for it itself."""
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

PLAN_BYTES, USE_BYTES, DECISION_BYTES, VERDICT_BYTES = 420, 300, 1_000, 120
JUDGEMENT_BYTES, RESULT_BYTES, TEXT_BYTES, MATCHING_BYTES, POLICY_BYTES = 120, 200, 50, 250, 10
"""About what each takes in memory beside its texts."""
SHORT_CHARACTERS = 130
"""An image's name of so many characters is in PLAN_BYTES with the parts that it is parsed into; a longer one takes twice as
many bytes more."""

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


class Plans:
    """Plans by set of policies and image, bounded in bytes. The set with the most forgets first, its oldest."""

    def __init__(self) -> None:
        self._kept: dict[PolicySet, dict[str, Plan]] = {}
        self._shared: dict[tuple[PolicySet, tuple[AnyPolicy, ...], Needs | None], MatchingPolicies] = {}
        self._shared_bytes = 0
        self.bytes = 0

    def __len__(self) -> int:
        """Return how many are kept."""
        return sum(map(len, self._kept.values()))

    def clear(self) -> None:
        """Forget everything."""
        self._kept.clear()
        self._shared.clear()
        self.bytes = self._shared_bytes = 0

    def get(self, text: str, policies: PolicySet) -> Plan | None:
        """Return the plan, or None."""
        of_set = self._kept.get(policies)
        return None if of_set is None else of_set.get(text)

    def put(self, plan: Plan) -> None:
        """Keep a plan, or take note that it has another verdict; forget the oldest for it."""
        plan.matching, own_bytes = self._share(plan.matching)
        size = _plan_size(plan) + own_bytes
        self.bytes += size - plan.size
        plan.size = size
        of_set = self._kept.setdefault(plan.matching.policy_set, {})
        of_set.pop(plan.text, None)
        of_set[plan.text] = plan
        while self.bytes > MAX_PLAN_BYTES:
            self._forget_oldest()

    def _forget_oldest(self) -> None:
        of_set = max(self._kept.values(), key=len)
        plan = of_set.pop(next(iter(of_set)))
        self.bytes -= plan.size
        plan.size = 0
        if not of_set:
            del self._kept[plan.matching.policy_set]

    def _share(self, matching: MatchingPolicies) -> tuple[MatchingPolicies, int]:
        """Return the one that plans share with these values, and 0; without room for another, this one and its bytes."""
        key = matching.policy_set, matching.policies, matching.wanted
        shared = self._shared.get(key)
        if shared is None:
            size = _matching_size(matching)
            if self._shared_bytes + size > MAX_SHARED_BYTES:
                return matching, size
            shared = self._shared[key] = matching
            self._shared_bytes += size
        return shared, 0


class Remembered:
    """Plans and decisions, each bounded; the oldest is forgotten first."""

    def __init__(self) -> None:
        self._plans = Plans()
        self._decisions = Bounded[tuple[Uses, PolicySet], tuple[Decision, float]]()
        self._missed: dict[int, None] = {}
        """The hashes of the uses and policies without a remembered decision that were asked for last."""

    def clear(self) -> None:
        """Forget everything."""
        self._plans.clear()
        self._decisions.clear()
        self._missed.clear()

    def plan(self, text: str, policies: PolicySet, platforms: tuple[Platform, ...]) -> Plan:
        """Return the plan of an image under a set of policies, made where there is none.

        ``platforms`` are those of the cluster, the same for all that is remembered.
        """
        plan = self._plans.get(text, policies)
        if plan is None:
            plan = make_plan(text, policies, platforms)
            if len(text) <= MAX_TEXT_CHARACTERS:
                self._plans.put(plan)
        return plan

    def judged(self, plan: Plan) -> None:
        """Take note that a plan has another verdict, which may take more bytes than the one before."""
        if self._plans.get(plan.text, plan.matching.policy_set) is plan:
            self._plans.put(plan)

    def decision(self, uses: Uses, policies: PolicySet, now: float) -> Decision | None:
        """Return the decision on these uses of images, where one holds at the monotonic second."""
        found = self._decisions.get((uses, policies))
        return found[0] if found is not None and now < found[1] else None

    def is_repeated(self, uses: Uses, policies: PolicySet) -> bool:
        """Note that there was no decision on these uses of images; tell whether that was so a moment ago too.

        Only then it is remembered: many images in turn would only replace one another.
        """
        key = hash((uses, policies))
        if key in self._missed:
            return True
        self._missed[key] = None
        if len(self._missed) > MAX_DECISIONS:
            del self._missed[next(iter(self._missed))]
        return False

    def keep(self, decision: Decision, uses: Uses, policies: PolicySet, plans: Sequence[Plan]) -> None:
        """Remember a decision on verdicts of these plans until the first of them ends or is due for renewal."""
        if len(uses) > MAX_USES or not all(map(_is_short, uses)):
            return
        until = min(min(plan.until, plan.renew_at) for plan in plans)
        size = _decision_size(decision, uses, plans)
        self._decisions.put(
            (uses, policies), (decision, until), size, most=MAX_DECISIONS, most_bytes=MAX_DECISION_BYTES
        )


def _is_short(use: ImageUse) -> bool:
    return len(use.text) <= MAX_TEXT_CHARACTERS and len(use.name) <= MAX_NAME_CHARACTERS


def _decision_size(decision: Decision, uses: Uses, plans: Sequence[Plan]) -> int:
    """Return about how many bytes a decision takes with its key, and with verdicts that nothing else may keep."""
    said = decision.response
    texts = [*said.warnings, *said.audit_annotations.values(), said.status.message if said.status else ""]
    return (
        DECISION_BYTES
        + sum(map(_text_size, texts))
        + sum(USE_BYTES + len(use.path) + len(use.name) + len(use.text) for use in uses)
        + sum(map(_verdict_size, dict.fromkeys(plans)))
    )


def _plan_size(plan: Plan) -> int:
    """Return about how many bytes a plan takes with its verdict, but for what it shares with others."""
    return (
        PLAN_BYTES
        + _text_size(plan.text)
        + (0 if plan.reference is None else 2 * max(0, len(plan.text) - SHORT_CHARACTERS))
        + _text_size(plan.problem)
        + _verdict_size(plan)
    )


def _matching_size(matching: MatchingPolicies) -> int:
    """Return about how many bytes the policies that match an image take with the judgements of one that passes."""
    checks = sum(len(required_checks(policy)) for policy in matching.policies)
    return MATCHING_BYTES + len(matching.policies) * (POLICY_BYTES + JUDGEMENT_BYTES) + checks * RESULT_BYTES


def _texts(result: CheckResult) -> Iterable[str]:
    return result.found, *result.details, result.remedy, result.cause, *result.notes, *result.exceptions


def _verdict_size(plan: Plan) -> int:
    """Return about how many bytes the verdict of a plan takes, but for what it shares with those of others."""
    verdict = plan.verdict
    if verdict is None:
        return 0
    size = VERDICT_BYTES + sum(map(_text_size, (*verdict.denial, *verdict.warnings, *verdict.records)))
    if verdict.judgements is plan.matching.passed:
        return size
    results = [result for one in verdict.judgements for result in one.results]
    return (
        size
        + JUDGEMENT_BYTES * len(verdict.judgements)
        + sum(RESULT_BYTES + sum(map(_text_size, _texts(result))) for result in results)
    )


def _text_size(text: str) -> int:
    """Return about how many bytes a text takes: up to four a character where one is outside ASCII."""
    return TEXT_BYTES + len(text) * (1 if text.isascii() else 4) if text else 0
