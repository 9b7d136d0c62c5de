"""What exceptions do to the results of one image under one policy: the only place where EXEMPT is constructed.

Only a result that refuses the image is looked at, so an exception that is not needed changes nothing. Each check is
excepted on its own, by exceptions that name this policy, this check and this image. All other results stay as they are.
An exception never makes tidegate look anything up.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from tidegate.checks.image_subject import ImageSubject
from tidegate.checks.messages import harmless
from tidegate.checks.result import Check, CheckResult, Outcome, Reason, failed
from tidegate.checks.staleness import earliest
from tidegate.checks.vulnerabilities import check_vulnerabilities, counting_ids
from tidegate.evidence.fact import Known
from tidegate.policy.exceptions import ImagePolicyException
from tidegate.policy.model import IgnoredVulnerability, ImagePolicy

MAX_LABELS = 16
"""Exceptions from one check that a result names for programs."""
MAX_NAMED = 3
"""Exceptions from one check that a message names."""
_MAX_WORDS = 160


def except_results(
    policy: ImagePolicy,
    subject: ImageSubject,
    results: Sequence[CheckResult],
    exceptions: Iterable[ImagePolicyException],
) -> tuple[CheckResult, ...]:
    """Return the results with those that are excepted as EXEMPT until the exceptions end."""
    about = tuple(one for one in exceptions if one.applies_to(policy, subject.reference, subject.now))
    if not about:
        return tuple(results)
    excepted = tuple(_except(policy, subject, result, about) for result in results)
    if any(one.check is Check.REGISTRY and one.outcome is Outcome.EXEMPT for one in excepted):
        return tuple(_not_looked_up(one) for one in excepted)
    return excepted


def _except(
    policy: ImagePolicy, subject: ImageSubject, result: CheckResult, about: Sequence[ImagePolicyException]
) -> CheckResult:
    if result.lets_through:
        return result
    whole = [one for one in about if result.check.value in one.checks]
    if whole:
        return _exempt(result, [max(whole, key=_end)])
    if result.check is Check.VULNERABILITIES:
        return _without_vulnerabilities(policy, subject, result, about)
    return result


def _without_vulnerabilities(
    policy: ImagePolicy, subject: ImageSubject, result: CheckResult, about: Sequence[ImagePolicyException]
) -> CheckResult:
    """Judge the findings without those that exceptions name by id: each by the one that names it and ends last."""
    left = _counting(policy, subject)
    used: list[ImagePolicyException] = []
    for one in sorted(about, key=_end, reverse=True):
        if not left.isdisjoint(one.vulnerabilities):
            used.append(one)
            left.difference_update(one.vulnerabilities)
    if not used:
        return result
    judged = _judge_without(policy, subject, used)
    if not judged.lets_through:
        return replace(judged, exceptions=tuple(one.label for one in used[:MAX_LABELS]))
    what = replace(
        judged,
        reason=result.reason,
        found=result.found,
        details=result.details,
        holds_until=earliest(result.holds_until, judged.holds_until),
    )
    return _exempt(what, used)


def _judge_without(policy: ImagePolicy, subject: ImageSubject, used: Iterable[ImagePolicyException]) -> CheckResult:
    rules = policy.vulnerabilities
    assert rules is not None
    until = {name: one.expires_at for one in used for name in one.vulnerabilities}
    ignored = (IgnoredVulnerability(id=name, until=end, reason="") for name, end in until.items())
    return check_vulnerabilities(replace(rules, ignore=(*rules.ignore, *ignored)), policy, subject)


def _counting(policy: ImagePolicy, subject: ImageSubject) -> set[str]:
    rules = policy.vulnerabilities
    assert rules is not None
    reports = (fact.value for fact in subject.evidence.scans.values() if isinstance(fact, Known))
    return {name for report in reports for name in counting_ids(rules, report, subject)}


def _end(exception: ImagePolicyException) -> tuple[datetime, str]:
    return exception.expires_at, exception.label


def _exempt(result: CheckResult, used: Sequence[ImagePolicyException]) -> CheckResult:
    """Return the result as EXEMPT until the first of the exceptions ends; it names them, and what they except."""
    what = f"{result.check.value} {result.reason.value}: {harmless(result.found, _MAX_WORDS)}"
    named = "; ".join(_describe(one) for one in used[:MAX_NAMED])
    more = f"; and {len(used) - MAX_NAMED} more exceptions" if len(used) > MAX_NAMED else ""
    found = f"excepted by {named}{more}"
    return CheckResult(
        check=result.check,
        outcome=Outcome.EXEMPT,
        reason=Reason.EXCEPTED,
        found=found,
        details=result.details,
        cause=result.cause,
        holds_until=earliest(result.holds_until, *(one.expires_at for one in used)),
        notes=(*result.notes, f"{what}; {found}"),
        exceptions=tuple(one.label for one in used[:MAX_LABELS]),
    )


def _describe(exception: ImagePolicyException) -> str:
    """Return ``exception payments-curl until 2027-01-31 18:00 UTC, requested by ann: the fix is due on Monday``."""
    words = f"requested by {harmless(exception.requested_by, _MAX_WORDS)}: {harmless(exception.reason, _MAX_WORDS)}"
    return f"exception {exception.label} until {exception.expires_at:%Y-%m-%d %H:%M} UTC, {words}"


def _not_looked_up(result: CheckResult) -> CheckResult:
    """Return FAIL for a check that needs evidence of an image whose registry is not listed: it is never looked up."""
    if result.outcome is not Outcome.UNDETERMINED:
        return result
    found = "the policy does not list the registry, so tidegate does not look the image up"
    remedy = "have the platform team list the registry in the policy, or except this check too"
    return replace(failed(result.check, Reason.REGISTRY_NOT_ALLOWED, found, remedy), holds_until=result.holds_until)
