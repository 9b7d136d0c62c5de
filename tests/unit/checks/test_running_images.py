"""Grace for an image that the namespace runs since before a finding was observed; what is not known has none."""

from datetime import timedelta

import pytest

from tests.unit.builders import (
    DAY,
    HOUR,
    INSTANT,
    MINUTE,
    NOW,
    child,
    detail,
    digest,
    evidence,
    finding,
    policy,
    report,
    subject,
)
from tests.unit.checks.findings import FAIL, PASS
from tidegate.checks.image_subject import ImageSubject
from tidegate.checks.result import CheckResult, Outcome, Reason
from tidegate.checks.vulnerabilities import check_vulnerabilities
from tidegate.evidence.scan import Answer, Scanner, Severity
from tidegate.policy.model import GraceAction, RunningImageRules, Tolerance, VulnerabilityRules

YESTERDAY = NOW - DAY
GRACE = timedelta(hours=72)


def check(*found, since=YESTERDAY, collected=None, limits=(Severity.CRITICAL,), rules=None, **grace) -> CheckResult:
    required = VulnerabilityRules(
        max_counts=dict.fromkeys(limits, 0),
        running_images=RunningImageRules(**{"duration": GRACE, **grace}),
        **(rules or {}),
    )
    one = subject(collected=collected or evidence(report(*found)))
    judged = ImageSubject(
        reference=one.reference,
        evidence=one.evidence,
        cluster_platforms=(),
        now=NOW,
        monotonic=one.monotonic,
        running_since=since,
    )
    return check_vulnerabilities(required, policy(vulnerabilities=required), judged)


def young(*, observed=NOW - HOUR, **changes):
    return finding("CVE-2026-9", first_observed_at=observed, **changes)


def test_a_younger_finding_is_admitted_with_a_warning_that_names_the_day_and_the_fix():
    result = check(young())
    assert result.outcome is PASS
    assert "; ".join(result.notes) == (
        "1 finding younger than the Pods that run this image in the namespace; the first, CVE-2026-9 CRITICAL in"
        " openssl 3.0.1, fixed in 3.0.2, counts from 2026-06-04 11:00 UTC; to fix, update openssl to the fixed version,"
        " then rebuild and push the image"
    )
    assert result.holds_until == NOW - HOUR + GRACE


def test_allow_admits_it_without_a_warning():
    result = check(young(), action=GraceAction.ALLOW)
    assert (result.outcome, result.notes) == (PASS, ())


@pytest.mark.parametrize(
    ("observed", "outcome"),
    [
        (NOW - GRACE, FAIL),
        (NOW - GRACE + INSTANT, PASS),
        (NOW, PASS),
        (NOW + INSTANT, FAIL),
        (NOW + DAY, FAIL),
        (None, FAIL),
    ],
)
def test_it_is_counted_from_when_the_finding_was_first_observed(observed, outcome):
    """A time in the future, or none, gives no grace."""
    assert check(young(observed=observed), since=NOW - 9 * DAY).outcome is outcome


@pytest.mark.parametrize(
    ("since", "outcome"),
    [
        (NOW - HOUR - INSTANT, PASS),
        (NOW - HOUR, FAIL),
        (NOW - MINUTE, FAIL),
        (NOW + DAY, FAIL),
        (None, FAIL),
    ],
)
def test_it_has_to_run_since_before_the_finding(since, outcome):
    assert check(young(), since=since).outcome is outcome


@pytest.mark.parametrize("again", ["pushed_at", "restored_at"])
def test_a_push_or_restore_while_it_runs_does_not_begin_the_grace_anew(again):
    """Amazon Inspector scans the image anew then, and may observe old findings for the first time again."""

    def judged(moment, **more):
        return check(collected=evidence(report(young()), detail=detail(**{again: moment})), **more).outcome

    assert judged(NOW - 2 * HOUR) is FAIL
    assert judged(NOW - HOUR) is FAIL
    assert judged(NOW - HOUR + INSTANT) is PASS  # The finding was observed before: its time is an old one.
    assert judged(YESTERDAY) is PASS
    assert judged(NOW - 2 * HOUR, since=NOW - 2 * HOUR + INSTANT) is PASS


@pytest.mark.parametrize("exploit", [Answer.YES, Answer.UNKNOWN, Answer.PARTIAL])
def test_an_exploitable_finding_has_none(exploit):
    assert check(young(exploit=exploit)).outcome is FAIL
    assert check(young(exploit=exploit), except_exploitable=False).outcome is PASS


def test_a_policy_that_refuses_exploits_gives_them_no_grace():
    rules = {"exploit_available": Tolerance.DENY}
    assert check(young(exploit=Answer.YES), except_exploitable=False, rules=rules).outcome is FAIL


def test_basic_scanning_does_not_say_whether_there_is_an_exploit():
    scan = report(young(exploit=Answer.UNKNOWN), scanner=Scanner.ECR_BASIC)
    assert check(collected=evidence(scan)).outcome is FAIL


def test_an_older_finding_beside_it_still_refuses():
    result = check(young(), finding("CVE-OLD"))
    assert (result.outcome, result.reason) == (FAIL, Reason.VULNERABLE)
    assert "CVE-OLD" in result.summary
    assert "CVE-2026-9" not in result.summary


def test_a_score_above_the_threshold_has_grace_too():
    rules = {"epss_threshold": 0.5}
    assert check(young(severity=Severity.LOW, epss=0.9), rules=rules).outcome is PASS
    assert check(young(severity=Severity.LOW, epss=0.9), rules=rules, since=None).outcome is FAIL


def test_a_finding_that_refuses_no_image_is_not_warned_about():
    result = check(young(severity=Severity.LOW))
    assert (result.outcome, result.notes) == (PASS, ())


def test_the_first_end_of_several_is_named():
    result = check(young(), young(observed=NOW - 2 * HOUR))
    assert result.notes[0].startswith("2 findings younger")
    assert "counts from 2026-06-04 10:00 UTC" in result.notes[0]


def test_a_scan_that_is_not_complete_has_none():
    result = check(collected=evidence(report(young(), complete=False)))
    assert (result.outcome, result.reason) == (FAIL, Reason.EVIDENCE_LACKING)


def test_it_holds_for_every_image_of_an_index():
    children = (child("amd", "linux/amd64"), child("arm", "linux/arm64"))
    scans = {digest("amd"): report(young()), digest("arm"): report(young(exploit=Answer.YES))}
    assert check(collected=evidence(runnable=children, scans=scans)).outcome is FAIL
    scans[digest("arm")] = report(young())
    assert check(collected=evidence(runnable=children, scans=scans)).outcome is PASS


def test_a_severity_that_this_version_does_not_know_has_grace_and_then_is_undetermined():
    unknown = young(severity=Severity.UNKNOWN)
    assert check(unknown).outcome is PASS
    assert check(unknown, since=None).outcome is Outcome.UNDETERMINED
