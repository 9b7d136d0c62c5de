"""The check ``scan``: every image that a node may run was scanned and recently enough; not scanned is never clean."""

import pytest

from tests.unit.builders import (
    DAY,
    DIGEST,
    HOUR,
    INSTANT,
    MINUTE,
    NOW,
    PUSHED,
    child,
    detail,
    digest,
    evidence,
    finding,
    known,
    missing,
    platforms,
    policy,
    report,
    subject,
)
from tidegate.checks.result import Check, Outcome, Reason
from tidegate.checks.scan import check_scan
from tidegate.evidence.fact import Cause
from tidegate.evidence.image import Absence, BadContent
from tidegate.evidence.image_evidence import nothing_asked
from tidegate.evidence.repository import ScanType
from tidegate.evidence.scan import Scanner, ScanState
from tidegate.policy.model import ScanRules, Tolerance

FAIL, PASS, UNDETERMINED, EXEMPT = Outcome.FAIL, Outcome.PASS, Outcome.UNDETERMINED, Outcome.EXEMPT
LENIENT = ScanRules(when_pending=Tolerance.ALLOW, when_expired=Tolerance.ALLOW, when_unsupported=Tolerance.ALLOW)


def check(collected=None, rules=None, *, image=None, cluster=(), now=NOW, **of_policy):
    rules = rules or ScanRules()
    judged = subject(collected=collected, cluster=cluster, now=now, **({"image": image} if image else {}))
    return check_scan(rules, policy(scan=rules, **of_policy), judged)


STATES = {
    ScanState.SCANNED: (PASS, Reason.OK, PASS),
    ScanState.SCANNED_AGAIN: (FAIL, Reason.SCAN_PENDING, EXEMPT),
    ScanState.SCANNED_ONCE: (PASS, Reason.OK, PASS),
    ScanState.PENDING: (FAIL, Reason.SCAN_PENDING, EXEMPT),
    ScanState.EXPIRED: (FAIL, Reason.SCAN_EXPIRED, EXEMPT),
    ScanState.UNSUPPORTED: (FAIL, Reason.SCAN_UNSUPPORTED, EXEMPT),
    ScanState.NOT_SCANNED: (FAIL, Reason.NOT_SCANNED, FAIL),
    ScanState.BLOCKED: (FAIL, Reason.SCAN_BLOCKED, FAIL),
    ScanState.LIMITED: (FAIL, Reason.SCAN_LIMIT_EXCEEDED, FAIL),
    ScanState.ARCHIVED: (FAIL, Reason.IMAGE_ARCHIVED, FAIL),
    ScanState.FAILED: (UNDETERMINED, Reason.SCAN_FAILED, UNDETERMINED),
    ScanState.UNKNOWN: (UNDETERMINED, Reason.STATUS_UNKNOWN, UNDETERMINED),
}
"""Outcome and reason by default, and the outcome where all is tolerated that can be."""


@pytest.mark.parametrize("state", ScanState)
def test_each_state_has_its_own_answer(state):
    outcome, reason, _ = STATES[state]
    result = check(evidence(report(state=state)))
    assert (result.check, result.outcome, result.reason) == (Check.SCAN, outcome, reason)
    if outcome is not PASS:
        assert result.remedy
    if outcome is not PASS and state is not ScanState.SCANNED_AGAIN:
        assert "Amazon Inspector" in result.found
        assert "ACTIVE/SUCCESSFUL" in result.found


@pytest.mark.parametrize("state", ScanState)
def test_only_pending_expired_and_unsupported_can_be_tolerated_and_then_say_so(state):
    result = check(evidence(report(state=state)), LENIENT)
    assert result.outcome is STATES[state][2]
    if result.outcome is EXEMPT:
        assert (result.check, result.reason) == (Check.SCAN, STATES[state][1])
        assert result.notes == (f"tolerated: {result.found}",)


TOLERANCES = {
    ScanState.PENDING: ScanRules(when_pending=Tolerance.ALLOW),
    ScanState.EXPIRED: ScanRules(when_expired=Tolerance.ALLOW),
    ScanState.UNSUPPORTED: ScanRules(when_unsupported=Tolerance.ALLOW),
}


@pytest.mark.parametrize("state", TOLERANCES)
def test_each_tolerance_is_for_its_own_state(state):
    rules = TOLERANCES[state]
    for other in TOLERANCES:
        assert check(evidence(report(state=other)), rules).outcome is (EXEMPT if other is state else FAIL)


def test_without_words_of_the_scanner_the_answer_says_that_there_is_no_record():
    result = check(evidence(report(state=ScanState.NOT_SCANNED, code="", reason="", scanner=Scanner.ECR_BASIC)))
    assert result.found.startswith("the image was never scanned (ECR basic scanning")
    assert "no record" in result.found


@pytest.mark.parametrize(("code", "reason"), [("INACTIVE", ""), ("", "INACTIVE")])
def test_one_word_of_the_scanner_is_a_record(code, reason):
    result = check(evidence(report(state=ScanState.FAILED, code=code, reason=reason)))
    assert result.found == "the scan failed (Amazon Inspector: INACTIVE)"


def test_the_words_of_the_scanner_reach_nobody_unescaped():
    result = check(evidence(report(state=ScanState.FAILED, code="A\x1b[31m\n", reason="B")))
    assert result.found == "the scan failed (Amazon Inspector)"
    assert result.cause == "A?[31m?/B"


def test_the_scanner_s_documented_words_are_told_to_users():
    result = check(evidence(report(state=ScanState.UNSUPPORTED, code="INACTIVE", reason="UNSUPPORTED_OS")))
    assert "(Amazon Inspector: INACTIVE/UNSUPPORTED_OS)" in result.found
    assert result.cause == ""


def test_findings_do_not_matter_to_the_scan():
    assert check(evidence(report(finding()))).outcome is PASS


LACKING = [
    pytest.param(
        evidence(scan_type=missing(source="ecr:GetRegistryScanningConfiguration")),
        UNDETERMINED,
        Reason.COULD_NOT_CHECK,
        id="who scans could not be had",
    ),
    pytest.param(
        evidence(scan_type=known(ScanType.ENHANCED, old=HOUR + INSTANT, stale=Cause.ACCESS_DENIED)),
        UNDETERMINED,
        Reason.STALE,
        id="who scans was not to be had for too long",
    ),
    pytest.param(nothing_asked(), UNDETERMINED, Reason.COULD_NOT_CHECK, id="nothing looked up"),
    pytest.param(evidence(detail=missing()), UNDETERMINED, Reason.COULD_NOT_CHECK, id="the image could not be had"),
    pytest.param(evidence(detail=Absence.IMAGE), FAIL, Reason.IMAGE_NOT_FOUND, id="no such image"),
    pytest.param(evidence(runnable=missing()), UNDETERMINED, Reason.COULD_NOT_CHECK, id="no children to be had"),
    pytest.param(evidence(runnable=known(BadContent("it lies"))), FAIL, Reason.CONTENT_INVALID, id="bad content"),
    pytest.param(evidence(runnable=()), FAIL, Reason.PLATFORM_MISSING, id="an index of nothing"),
    pytest.param(evidence(missing(Cause.DEADLINE)), UNDETERMINED, Reason.COULD_NOT_CHECK, id="the scan was too slow"),
    pytest.param(evidence(scans={}), UNDETERMINED, Reason.COULD_NOT_CHECK, id="the scan is left out of the evidence"),
    pytest.param(
        evidence(scans={digest("other"): report()}), UNDETERMINED, Reason.COULD_NOT_CHECK, id="a scan of another image"
    ),
]


@pytest.mark.parametrize(("collected", "outcome", "reason"), LACKING)
def test_what_lacks_is_never_a_pass(collected, outcome, reason):
    result = check(collected, LENIENT)
    assert (result.check, result.outcome, result.reason) == (Check.SCAN, outcome, reason)


def test_an_image_outside_of_ecr_is_refused_without_any_fact():
    result = check(nothing_asked(), image="ghcr.io/team/app:v1")
    assert (result.outcome, result.reason) == (FAIL, Reason.REGISTRY_NOT_SUPPORTED)


AGES = [
    pytest.param(7 * DAY, PASS, NOW, id="as old as allowed: until this very moment"),
    pytest.param(7 * DAY - INSTANT, PASS, NOW + INSTANT, id="just younger"),
    pytest.param(7 * DAY + INSTANT, FAIL, None, id="just older"),
    pytest.param(0 * DAY, PASS, NOW + 7 * DAY, id="scanned now"),
    pytest.param(-MINUTE, PASS, NOW + 7 * DAY + MINUTE, id="scanned in the future: the clocks differ"),
]


@pytest.mark.parametrize(("old", "outcome", "holds_until"), AGES)
def test_the_last_scan_may_be_as_old_as_max_age_and_no_older(old, outcome, holds_until):
    collected = evidence(report(last_scanned_at=NOW - old), detail=detail(pushed_at=NOW - 100 * DAY))
    result = check(collected, ScanRules(max_age=7 * DAY, settling_period=0 * DAY))
    assert (result.outcome, result.holds_until) == (outcome, holds_until)
    if outcome is FAIL:
        assert (result.reason, result.found) == (
            Reason.SCAN_TOO_OLD,
            "the last scan is 7 d old (maxAge: 7 d)",
        )
        assert result.remedy == "scan or push the image again, or turn on continuous scanning"


def test_without_max_age_the_oldest_scan_will_do():
    assert check(evidence(report(last_scanned_at=PUSHED))).outcome is PASS


AMD, ARM = child("amd", "linux/amd64"), child("arm", "linux/arm64")
INDEX = (AMD, ARM)


def index(**states):
    reports = {"amd": report(), "arm": report()} | {name: value for name, value in states.items() if value is not None}
    reports = {name: value for name, value in reports.items() if states.get(name, value) is not None}
    return evidence(runnable=INDEX, scans={digest(name): value for name, value in reports.items()})


PENDING, FAILED = report(state=ScanState.PENDING), report(state=ScanState.FAILED)
CHILDREN = [
    pytest.param(index(), (), PASS, id="both are scanned"),
    pytest.param(index(arm=PENDING), (), FAIL, id="the second is not"),
    pytest.param(index(amd=PENDING), (), FAIL, id="the first is not"),
    pytest.param(index(arm=PENDING), ("linux/amd64",), PASS, id="the unscanned one is for no node here"),
    pytest.param(index(arm=PENDING), ("linux/arm64",), FAIL, id="the unscanned one is the nodes'"),
    pytest.param(index(arm=None), (), UNDETERMINED, id="the second was not looked up"),
    pytest.param(index(arm=missing()), (), UNDETERMINED, id="the second could not be had"),
    pytest.param(index(amd=FAILED, arm=PENDING), (), FAIL, id="a failed check is worse than an undetermined one"),
    pytest.param(index(amd=PENDING, arm=FAILED), (), FAIL, id="whatever their order"),
]


@pytest.mark.parametrize(("collected", "cluster", "outcome"), CHILDREN)
def test_the_worst_child_decides(collected, cluster, outcome):
    assert check(collected, cluster=platforms(*cluster)).outcome is outcome


def test_the_children_decide_and_not_the_index():
    collected = evidence(runnable=INDEX, scans={DIGEST: report()})
    assert check(collected).outcome is UNDETERMINED


def test_the_answer_names_the_platform_of_the_child():
    assert check(index(arm=PENDING)).found.startswith("linux/arm64: the scan is not finished")


def test_the_platforms_of_the_policy_take_the_place_of_the_nodes():
    result = check(index(arm=PENDING), cluster=platforms("linux/arm64"), platforms=platforms("linux/amd64"))
    assert result.outcome is PASS


def test_one_tolerated_child_makes_the_image_exempt_with_every_note():
    tolerated = index(arm=PENDING, amd=known(report(), old=30 * MINUTE, stale=Cause.THROTTLED))
    result = check(tolerated, LENIENT)
    assert result.outcome is EXEMPT
    assert len(result.notes) == 2


def test_an_image_passes_until_the_first_of_its_children_does_not():
    collected = index(amd=report(last_scanned_at=NOW - 2 * DAY), arm=report(last_scanned_at=NOW - 3 * DAY))
    assert check(collected, ScanRules(max_age=7 * DAY)).holds_until == NOW + 4 * DAY


def test_an_undetermined_image_is_judged_again_when_another_child_would_fail():
    collected = index(amd=FAILED, arm=report(last_scanned_at=NOW - 3 * DAY))
    result = check(collected, ScanRules(max_age=7 * DAY))
    assert (result.outcome, result.holds_until) == (UNDETERMINED, NOW + 4 * DAY)


STALE = [
    pytest.param({"detail": known(detail(), old=30 * MINUTE, stale=Cause.CIRCUIT_OPEN)}, id="the image"),
    pytest.param({"scan_type": known(ScanType.ENHANCED, old=30 * MINUTE, stale=Cause.CIRCUIT_OPEN)}, id="who scans"),
    pytest.param({"runnable": known((child("one"),), old=30 * MINUTE, stale=Cause.CIRCUIT_OPEN)}, id="its children"),
    pytest.param({"scans": {digest("one"): known(report(), old=30 * MINUTE, stale=Cause.CIRCUIT_OPEN)}}, id="its scan"),
]


@pytest.mark.parametrize("facts", STALE)
def test_a_pass_on_any_stale_fact_says_so_and_ends_with_max_stale(facts):
    fresh = {"runnable": (child("one"),), "scans": {digest("one"): report()}}
    result = check(evidence(**(fresh | facts)))
    assert result.outcome is PASS
    assert result.notes == ("judged by evidence 30 min old: AWS failed repeatedly; tidegate retries in a few seconds",)
    assert result.holds_until == NOW + 30 * MINUTE
    assert check(evidence(**(fresh | facts)), max_stale=30 * MINUTE).outcome is PASS
    assert check(evidence(**(fresh | facts)), max_stale=30 * MINUTE - INSTANT).reason is Reason.STALE
