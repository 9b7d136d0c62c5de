"""Findings may still be arriving for the policy's settling period after the push or the first scan: pending until then."""

from datetime import timedelta

import pytest

from tests.unit.builders import (
    DAY,
    HOUR,
    INSTANT,
    MINUTE,
    NOW,
    SECOND,
    detail,
    evidence,
    finding,
    known,
    policy,
    report,
    subject,
)
from tidegate.checks.result import Check, Outcome, Reason
from tidegate.checks.scan import MAX_CLOCK_SKEW, check_scan
from tidegate.evidence.scan import Scanner, ScanState
from tidegate.policy.model import ScanRules, Tolerance

P = timedelta(minutes=2)
ZERO = timedelta(0)
INSPECTOR, BASIC = Scanner.INSPECTOR, Scanner.ECR_BASIC


def ago(old):
    return None if old is None else NOW - old


def check(
    pushed,
    scanned,
    first_seen=None,
    *,
    since=None,
    restored=None,
    scanner=INSPECTOR,
    state=ScanState.SCANNED,
    looked_up=ZERO,
    **rules,
):
    """Judge an image pushed, scanned and looked up so long ago, with a finding first seen so long ago.

    ``since`` is how long ago an earlier look-up saw it scanned, ``restored`` how long ago it left the archive.
    """
    found = () if first_seen is None else (finding(first_observed_at=NOW - first_seen),)
    scan = report(*found, last_scanned_at=ago(scanned), scanned_since=ago(since), scanner=scanner, state=state)
    collected = evidence(known(scan, old=looked_up), detail=detail(pushed_at=ago(pushed), restored_at=ago(restored)))
    required = ScanRules(**rules)
    return check_scan(required, policy(scan=required), subject(collected=collected))


SETTLING = [
    pytest.param(P - INSTANT, P - INSTANT, None, INSTANT, id="pushed and scanned just now"),
    pytest.param(P, P, None, None, id="the period is over to the instant"),
    pytest.param(2 * HOUR, 5 * SECOND, None, P - 5 * SECOND, id="pushed two hours ago, scanned first just now"),
    pytest.param(10 * DAY, 5 * SECOND, None, P - 5 * SECOND, id="pushed ten days ago, scanned first just now"),
    pytest.param(10 * DAY, 5 * SECOND, 3 * SECOND, P - 5 * SECOND, id="the same, and its findings are arriving"),
    pytest.param(10 * DAY, P - INSTANT, None, INSTANT, id="a late first scan almost a period ago"),
    pytest.param(10 * DAY, P, None, None, id="a late first scan a period ago"),
    pytest.param(P - INSTANT, DAY, None, INSTANT, id="pushed again just now, scanned before"),
    pytest.param(None, P - INSTANT, None, INSTANT, id="the push has no date, scanned just now"),
    pytest.param(None, P, None, None, id="the push has no date, scanned before the period"),
    pytest.param(None, ZERO, DAY, P, id="the push has no date: an older finding may be older than the push"),
    pytest.param(HOUR, ZERO, P, P, id="a finding as old as this scan may find proves no earlier one"),
    pytest.param(HOUR, ZERO, P + INSTANT, None, id="an older finding proves an earlier scan"),
    pytest.param(P + INSTANT, ZERO, P + INSTANT, None, id="a finding of the very moment of the push is since the push"),
    pytest.param(HOUR, ZERO, HOUR + INSTANT, P, id="a finding from before the push proves no scan since"),
    pytest.param(MINUTE, ZERO, DAY, P, id="pushed again just now, whatever was found before"),
    pytest.param(-MINUTE, -MINUTE, None, P + MINUTE, id="pushed in the future: the clocks differ"),
]


@pytest.mark.parametrize(("pushed", "scanned", "first_seen", "left"), SETTLING)
def test_an_image_counts_as_pending_until_its_findings_have_arrived(pushed, scanned, first_seen, left):
    result = check(pushed, scanned, first_seen)
    if left is None:
        assert (result.outcome, result.holds_until) == (Outcome.PASS, None)
    else:
        assert (result.outcome, result.reason) == (Outcome.FAIL, Reason.SCAN_PENDING)
        assert result.holds_until == NOW + left
        assert "findings may still be arriving" in result.found


@pytest.mark.parametrize(
    ("left", "words"), [(INSTANT, "retry in 1 s"), (SECOND, "retry in 2 s"), (P, "retry in 2 min")]
)
def test_the_answer_says_when_to_retry_and_not_too_early(left, words):
    assert check(P - left, P - left).remedy == words


SEEN_BEFORE = [
    pytest.param({}, None, id="scanned again just now, and seen scanned since the push"),
    pytest.param({"since": P - INSTANT}, INSTANT, id="the earlier scan is not settled itself"),
    pytest.param({"since": P}, None, id="the earlier scan is settled to the instant"),
    pytest.param({"pushed": MINUTE}, P, id="pushed again since that scan"),
    pytest.param({"pushed": DAY, "since": DAY}, None, id="seen scanned at the moment of the push"),
    pytest.param({"restored": MINUTE}, P, id="restored from the archive since that scan"),
    pytest.param({"restored": 2 * HOUR}, None, id="restored from the archive before that scan"),
    pytest.param({"pushed": None}, P, id="the push has no date"),
    pytest.param({"pushed": None, "scanned": DAY, "restored": MINUTE}, MINUTE, id="no date of the push, but restored"),
    pytest.param({"scanner": BASIC}, P, id="basic scanning makes all findings anew"),
]


@pytest.mark.parametrize(("changes", "left"), SEEN_BEFORE)
def test_an_image_that_was_seen_scanned_before_is_not_pending_when_it_is_scanned_again(changes, left):
    """Inspector moves the time of the last scan whenever it scans again: that must not refuse a clean image."""
    times = {"pushed": 10 * DAY, "scanned": ZERO, "since": HOUR} | changes
    result = check(times.pop("pushed"), times.pop("scanned"), **times)
    assert result.outcome is (Outcome.PASS if left is None else Outcome.FAIL)
    assert result.holds_until == (None if left is None else NOW + left)


AGAIN = [
    pytest.param({}, False, id="nothing proves an earlier scan, and the time may be that of the beginning"),
    pytest.param({"since": P}, True, id="seen scanned before"),
    pytest.param({"since": P - INSTANT}, False, id="seen scanned before, and not settled"),
    pytest.param({"first_seen": HOUR + P + INSTANT}, True, id="a finding of an earlier scan"),
    pytest.param({"first_seen": HOUR + P}, False, id="a finding that this scan may have found"),
    pytest.param({"since": 2 * DAY}, False, id="seen scanned before the push"),
    pytest.param({"pushed": None, "since": P}, False, id="the push has no date"),
    pytest.param({"settling_period": ZERO}, True, id="not settling"),
]


@pytest.mark.parametrize(("changes", "passes"), AGAIN)
def test_a_scan_that_is_under_way_counts_where_an_earlier_one_is_proved(changes, passes):
    times = {"pushed": DAY, "scanned": HOUR} | changes
    result = check(times.pop("pushed"), times.pop("scanned"), **times, state=ScanState.SCANNED_AGAIN)
    assert result.reason is (Reason.OK if passes else Reason.SCAN_PENDING)
    assert result.remedy == "" if passes else result.remedy


def test_a_finding_proves_nothing_to_basic_scanning():
    assert check(DAY, ZERO, HOUR, scanner=BASIC).reason is Reason.SCAN_PENDING


@pytest.mark.parametrize(
    ("restored", "left"), [(P - INSTANT, INSTANT), (P, None)], ids=["just within the period", "just over"]
)
def test_an_image_that_was_restored_from_the_archive_counts_like_a_pushed_one(restored, left):
    result = check(10 * DAY, 10 * DAY, 9 * DAY, restored=restored)
    assert result.holds_until == (None if left is None else NOW + left)
    assert result.outcome is (Outcome.PASS if left is None else Outcome.FAIL)


UNTIMED = {
    "no time": None,
    "a time that is further in the future than clocks differ": -MAX_CLOCK_SKEW - INSTANT,
}


@pytest.mark.parametrize("scanned", UNTIMED.values(), ids=UNTIMED)
@pytest.mark.parametrize("pushed", [None, ZERO, DAY], ids=["no push time", "pushed now", "pushed a day ago"])
@pytest.mark.parametrize("state", [ScanState.SCANNED, ScanState.SCANNED_ONCE])
@pytest.mark.parametrize(
    "rules",
    [{}, {"settling_period": ZERO}, {"max_age": DAY}, {"when_pending": Tolerance.ALLOW}],
    ids=["default", "no settling", "an age", "pending tolerated"],
)
def test_a_scan_that_has_no_time_is_no_scan(scanned, pushed, state, rules):
    required = ScanRules(**rules)
    collected = evidence(
        report(state=state, last_scanned_at=ago(scanned), scanned_since=NOW - HOUR),
        detail=detail(pushed_at=ago(pushed)),
    )
    result = check_scan(required, policy(scan=required), subject(collected=collected))
    assert (result.outcome, result.reason) == (Outcome.UNDETERMINED, Reason.EVIDENCE_LACKING)
    seen = "without a time" if scanned is None else "with a time in the future"
    words = "Amazon Inspector: ACTIVE/SUCCESSFUL"
    assert (result.check, result.cause) == (Check.SCAN, "")
    assert result.found == f"the scanner reports a scan {seen} ({words})"
    assert result.remedy == "retry in a minute, and tell the platform team if it persists"
    assert result.holds_until == (None if scanned is None else NOW + INSTANT)


def test_of_a_scan_that_has_no_time_all_words_are_told_to_operators_alone():
    result = check_scan(ScanRules(), policy(), subject(collected=evidence(report(last_scanned_at=None, reason="odd"))))
    assert result.found.endswith("(Amazon Inspector: ACTIVE)")
    assert result.cause == "ACTIVE/odd"


def test_a_scan_in_the_future_by_no_more_than_clocks_differ_is_a_scan():
    assert check(DAY, -MAX_CLOCK_SKEW, settling_period=ZERO).outcome is Outcome.PASS


@pytest.mark.parametrize("pushed", [ZERO, -MINUTE], ids=["now", "in the future"])
def test_a_period_of_zero_switches_settling_off(pushed):
    assert check(pushed, pushed, settling_period=ZERO).outcome is Outcome.PASS


def test_the_period_is_the_policys_own():
    assert check(4 * MINUTE, 4 * MINUTE, settling_period=5 * MINUTE).outcome is Outcome.FAIL
    assert check(5 * MINUTE, 5 * MINUTE, settling_period=5 * MINUTE).outcome is Outcome.PASS
    assert check(SECOND, SECOND, settling_period=SECOND).outcome is Outcome.PASS


def test_where_pending_is_tolerated_settling_is_too_and_ends_at_the_same_moment():
    result = check(MINUTE, MINUTE, when_pending=Tolerance.ALLOW)
    assert (result.outcome, result.reason, result.holds_until) == (Outcome.EXEMPT, Reason.SCAN_PENDING, NOW + MINUTE)


def test_a_settled_scan_is_still_held_to_its_age():
    result = check(DAY, DAY, max_age=DAY - INSTANT)
    assert (result.outcome, result.reason) == (Outcome.FAIL, Reason.SCAN_TOO_OLD)


@pytest.mark.parametrize(
    ("looked_up", "outcome"),
    [
        pytest.param(MINUTE, Outcome.PASS, id="when the period was over to the instant"),
        pytest.param(MINUTE + INSTANT, Outcome.FAIL, id="an instant too early"),
    ],
)
def test_findings_that_were_read_too_early_do_not_become_complete_by_getting_old(looked_up, outcome):
    """The image has settled since, but what was read is from before; nothing but another look-up changes that."""
    result = check(P + MINUTE, P + MINUTE, looked_up=looked_up)
    assert (result.outcome, result.holds_until) == (outcome, None)
    assert result.remedy == ("retry in 1 s" if outcome is Outcome.FAIL else "")


@pytest.mark.parametrize(
    ("looked_up", "outcome"),
    [
        pytest.param(-5 * MINUTE, Outcome.FAIL, id="set back by no more than AWS tolerates of who asks"),
        pytest.param(-5 * MINUTE - INSTANT, Outcome.PASS, id="by more: it was right then and is wrong now"),
        pytest.param(-2 * DAY, Outcome.PASS, id="by two days"),
    ],
)
def test_a_look_up_in_the_future_was_before_the_clock_was_set_back(looked_up, outcome):
    assert check(MINUTE, MINUTE, looked_up=looked_up).outcome is outcome
