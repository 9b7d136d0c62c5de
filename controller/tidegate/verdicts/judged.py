"""What the policies say of one image, for its ImageVerdict: the judgements of all namespaces, those that are equal together."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import msgspec

from tidegate.admission.verdict import Judgement, effective_actions, overall
from tidegate.checks.messages import harmless
from tidegate.checks.result import CheckResult, Outcome
from tidegate.policy.model import STRICTEST_ACTIONS, Action
from tidegate.policy.objects import MAX_NAME
from tidegate.verdicts.shape import MAX_MESSAGE, MAX_REASONS, MAX_REMEDY, StoredJudgement, StoredResult
from tidegate.verdicts.verdict_input import NamespaceVerdict

WORST_FIRST: Final = (Outcome.FAIL, Outcome.UNDETERMINED, Outcome.EXEMPT, Outcome.PASS)
_RANK: Final = {outcome: rank for rank, outcome in enumerate(WORST_FIRST)}
_ACTIONS: Final = tuple(Action)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """The judgements, the worst first, each with every namespace and result. ``message`` is the worst result."""

    policies: tuple[StoredJudgement, ...]
    outcome: Outcome
    refused: bool
    reasons: tuple[str, ...]
    message: str


def outcome_of(verdicts: Iterable[NamespaceVerdict]) -> tuple[Outcome, bool]:
    """Return the worst outcome, and whether a policy refuses the image where it is enforced."""
    each = {id(one.verdict): one.verdict for one in verdicts}.values()
    worst = min((one.outcome for one in each), key=_RANK.__getitem__, default=Outcome.PASS)
    return worst, any(one.denied for one in each)


def judged(verdicts: Iterable[NamespaceVerdict]) -> Judged:
    """Return what the verdicts of all namespaces come to."""
    # Namespaces share judgements: each is looked at once.
    places: dict[int, tuple[Judgement, set[str]]] = {}
    for one in verdicts:
        for judgement in one.verdict.judgements:
            places.setdefault(id(judgement), (judgement, set()))[1].add(one.namespace)
    namespaces: dict[StoredJudgement, set[str]] = {}
    for judgement, where in places.values():
        namespaces.setdefault(_stored(judgement), set()).update(where)
    policies = [msgspec.structs.replace(one, namespaces=tuple(sorted(where))) for one, where in namespaces.items()]
    policies.sort(key=lambda policy: (_RANK[policy.outcome], policy.name, policy.namespaces))
    results = [result for policy in policies for result in policy.results]
    results.sort(key=lambda result: _RANK[result.outcome])
    return Judged(
        policies=tuple(policies),
        outcome=policies[0].outcome if policies else Outcome.PASS,
        refused=any(is_refused(judgement) for judgement, _ in places.values()),
        reasons=tuple(dict.fromkeys(result.reason for result in results))[:MAX_REASONS],
        message=_message(results[0]) if results else "",
    )


def is_refused(judgement: Judgement) -> bool:
    """Tell whether the policy refuses the image where it is enforced."""
    return not judgement.allowed and Action.DENY in effective_actions(judgement, audit_only=False)


def _stored(judgement: Judgement) -> StoredJudgement:
    policy = judgement.policy
    actions = policy.actions or STRICTEST_ACTIONS
    return StoredJudgement(
        name=policy.name,
        generation=policy.generation,
        actions=tuple(action for action in _ACTIONS if action in actions),
        outcome=overall((judgement,)),
        results=tuple(_result(one) for one in judgement.results if one.outcome is not Outcome.PASS),
    )


def _result(result: CheckResult) -> StoredResult:
    return StoredResult(
        check=result.check.value,
        outcome=result.outcome,
        reason=result.reason.value,
        message=harmless(result.summary, MAX_MESSAGE),
        remedy=harmless(result.remedy, MAX_REMEDY),
        exception=harmless(", ".join(result.exceptions), MAX_NAME),
    )


def _message(result: StoredResult) -> str:
    return harmless(f"{result.check} {result.reason}: {result.message}", MAX_MESSAGE)
