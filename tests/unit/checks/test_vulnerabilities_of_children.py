"""The check ``vulnerabilities`` without a finished scan, over the children of an index, and in time."""

import pytest

from tests.unit.builders import (
    DAY,
    HOUR,
    MINUTE,
    NOW,
    child,
    detail,
    digest,
    evidence,
    finding,
    findings,
    known,
    missing,
    platforms,
    report,
)
from tests.unit.checks.findings import ALLOW, EXEMPT, FAIL, NO_CRITICAL, PASS, UNDETERMINED, check
from tidegate.checks.result import Check, Reason
from tidegate.evidence.fact import Cause
from tidegate.evidence.image_evidence import nothing_asked
from tidegate.evidence.scan import ScanState, Severity
from tidegate.policy.model import ScanRules

SCAN_OUTCOMES = {
    ScanState.SCANNED: (PASS, PASS),
    ScanState.SCANNED_AGAIN: (FAIL, EXEMPT),
    ScanState.SCANNED_ONCE: (PASS, PASS),
    ScanState.PENDING: (FAIL, EXEMPT),
    ScanState.EXPIRED: (FAIL, EXEMPT),
    ScanState.UNSUPPORTED: (FAIL, EXEMPT),
    ScanState.FAILED: (UNDETERMINED, UNDETERMINED),
    ScanState.UNKNOWN: (UNDETERMINED, UNDETERMINED),
}
LENIENT = ScanRules(when_pending=ALLOW, when_expired=ALLOW, when_unsupported=ALLOW)


@pytest.mark.parametrize("state", ScanState)
def test_without_a_scan_no_findings_are_no_good_news(state):
    by_default, tolerated = SCAN_OUTCOMES.get(state, (FAIL, FAIL))
    assert check(report(state=state)).outcome is by_default
    assert check(report(state=state), scan=ScanRules()).outcome is by_default
    assert check(report(state=state), scan=LENIENT).outcome is tolerated


@pytest.mark.parametrize("state", ScanState)
def test_findings_that_are_known_refuse_whatever_the_scan(state):
    result = check(report(finding(), state=state), scan=LENIENT)
    assert (result.outcome, result.reason) == (FAIL, Reason.VULNERABLE)


@pytest.mark.parametrize(
    ("scanned", "outcome"),
    [
        pytest.param(nothing_asked(), UNDETERMINED, id="nothing looked up"),
        pytest.param(missing(Cause.THROTTLED), UNDETERMINED, id="the scan could not be had"),
        pytest.param(evidence(scans={}), UNDETERMINED, id="the scan is left out of the evidence"),
        pytest.param(evidence(runnable=()), FAIL, id="an index of nothing"),
        pytest.param(known(report(), old=2 * HOUR, stale=Cause.THROTTLED), UNDETERMINED, id="too stale"),
    ],
)
def test_what_lacks_is_never_a_pass(scanned, outcome):
    result = check(scanned, scan=LENIENT)
    assert (result.check, result.outcome) == (Check.VULNERABILITIES, outcome)


def test_a_pending_scan_still_counts_as_pending_for_its_findings():
    result = check(evidence(report(last_scanned_at=NOW), detail=detail(pushed_at=NOW)))
    assert (result.check, result.reason, result.holds_until) == (
        Check.VULNERABILITIES,
        Reason.SCAN_PENDING,
        NOW + 2 * MINUTE,
    )


AMD, ARM = child("amd", "linux/amd64"), child("arm", "linux/arm64")


def test_the_worst_child_on_a_wanted_platform_decides_and_is_named():
    scans = {AMD.digest: report(), ARM.digest: report(finding("CVE-arm"))}
    index = evidence(runnable=(AMD, ARM), scans=scans)
    assert check(index).summary.startswith("linux/arm64: 1 CRITICAL (allowed 0): CVE-arm")
    assert check(index, cluster=platforms("linux/amd64")).outcome is PASS


def test_findings_are_counted_per_child_and_not_over_the_index():
    scans = {name: report(*findings(HIGH=1)) for name in (AMD.digest, ARM.digest)}
    index = evidence(runnable=(AMD, ARM), scans=scans)
    assert check(index, max_counts={Severity.HIGH: 1}).outcome is PASS


STALE = [
    pytest.param({"detail": known(detail(), old=30 * MINUTE, stale=Cause.THROTTLED)}, id="the image"),
    pytest.param({"runnable": known((child("one"),), old=30 * MINUTE, stale=Cause.THROTTLED)}, id="its children"),
    pytest.param({"scans": {digest("one"): known(report(), old=30 * MINUTE, stale=Cause.THROTTLED)}}, id="its scan"),
]


@pytest.mark.parametrize("facts", STALE)
def test_a_pass_on_any_stale_fact_says_so_and_ends_with_max_stale(facts):
    fresh = {"runnable": (child("one"),), "scans": {digest("one"): report()}}
    result = check(evidence(**(fresh | facts)))
    assert (result.outcome, result.holds_until) == (PASS, NOW + 30 * MINUTE)
    assert result.notes == ("judged by evidence 30 min old: AWS is throttling requests",)


GRACED = finding(first_observed_at=NOW - 6 * DAY)
HELD = [
    pytest.param(report(GRACED), None, PASS, NOW + DAY, id="a pass"),
    pytest.param(report(GRACED, state=ScanState.PENDING), LENIENT, EXEMPT, NOW + DAY, id="a tolerated scan"),
    pytest.param(report(GRACED, state=ScanState.FAILED), None, UNDETERMINED, NOW + DAY, id="a failed scan"),
    pytest.param(report(GRACED, complete=False), None, FAIL, NOW + DAY, id="an incomplete report"),
    pytest.param(
        report(GRACED, last_scanned_at=NOW - 2 * DAY),
        ScanRules(max_age=2 * DAY),
        PASS,
        NOW,
        id="a scan that ages sooner",
    ),
]


@pytest.mark.parametrize(("scanned", "scan", "outcome", "holds_until"), HELD)
def test_every_result_holds_no_longer_than_the_grace_below_it(scanned, scan, outcome, holds_until):
    result = check(scanned, scan=scan, **NO_CRITICAL, grace_period=7 * DAY)
    assert (result.outcome, result.holds_until) == (outcome, holds_until)
