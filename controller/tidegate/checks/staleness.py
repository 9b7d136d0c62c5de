"""Whether a fact is fresh enough for a policy, and what a stale one does to a result.

``usable`` returns either the fact's value or a Shortfall, so that a check has to handle both.
"""

from dataclasses import replace
from datetime import datetime
from typing import TypeVar

from tidegate.checks.image_subject import ImageSubject
from tidegate.checks.messages import age, cause_words
from tidegate.checks.result import RETRY, CheckResult, Outcome, Reason, Shortfall
from tidegate.evidence.fact import Fact, Known, Missing
from tidegate.policy.model import ImagePolicy

T = TypeVar("T")


def usable(fact: Fact[T], *, policy: ImagePolicy, subject: ImageSubject) -> T | Shortfall:
    """Return the fact's value when it is fresh, or stale within the policy's ``maxStale``; else the shortfall."""
    if isinstance(fact, Missing):
        return Shortfall(
            outcome=Outcome.UNDETERMINED,
            reason=Reason.COULD_NOT_CHECK,
            found=f"could not check: {cause_words(fact.cause, fact.source)}",
            remedy=f"{RETRY}; this says nothing about the image itself",
        )
    if fact.stale is None:
        return fact.value
    old = subject.age(fact)
    if old <= policy.max_stale:
        return fact.value
    return Shortfall(
        outcome=Outcome.UNDETERMINED,
        reason=Reason.STALE,
        found=f"could not check again: {cause_words(fact.stale, fact.source)}; the last result is {age(old)} old "
        f"(maxStale: {age(policy.max_stale)})",
        remedy=RETRY,
    )


def resting_on(result: CheckResult, *facts: Fact[object], policy: ImagePolicy, subject: ImageSubject) -> CheckResult:
    """Return the result with the effects of stale facts: how long it holds, and a note beside a pass."""
    stale = [fact for fact in facts if isinstance(fact, Known) and fact.stale and subject.age(fact) <= policy.max_stale]
    if not stale:
        return result
    limits = [subject.now - subject.age(fact) + policy.max_stale for fact in stale]
    notes = [
        f"judged by evidence {age(subject.age(fact))} old: {cause_words(fact.stale, fact.source)}"
        for fact in stale
        if fact.stale
    ]
    return replace(
        result,
        holds_until=earliest(result.holds_until, *limits),
        notes=tuple(dict.fromkeys((*notes, *result.notes))) if result.lets_through else result.notes,
    )


def earliest(*times: datetime | None) -> datetime | None:
    """Return the earliest time, ignoring None; None where there is none."""
    return min((time for time in times if time is not None), default=None)
