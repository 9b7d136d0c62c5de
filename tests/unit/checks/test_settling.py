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
from tidegate.checks.result import Outcome, Reason
from tidegate.checks.scan import FIRST_SCAN_WINDOW, check_scan
from tidegate.policy.model import ScanRules, Tolerance

P = timedelta(minutes=2)
W = FIRST_SCAN_WINDOW
ZERO = timedelta(0)


def check(pushed, scanned, first_seen=None, *, looked_up=ZERO, **rules):
    """Judge an image pushed and scanned so long ago, with a finding first seen so long ago, as looked up so long ago."""
    found = () if first_seen is None else (finding(first_observed_at=NOW - first_seen),)
    scan = report(*found, last_scanned_at=None if scanned is None else NOW - scanned)
    collected = evidence(
        known(scan, old=looked_up),
        detail=detail(pushed_at=None if pushed is None else NOW - pushed),
    )
    demanded = ScanRules(**rules)
    return check_scan(demanded, policy(scan=demanded), subject(collected=collected))


SETTLING = [
    pytest.param(P - INSTANT, P - INSTANT, None, INSTANT, id="pushed and scanned just now"),
    pytest.param(P, P, None, None, id="the period is over to the instant"),
    pytest.param(HOUR, P - INSTANT, None, INSTANT, id="pushed an hour ago, scanned first just now"),
    pytest.param(W + P - INSTANT, P - INSTANT, None, INSTANT, id="a scan as late as a first one may be"),
    pytest.param(W + P, P - INSTANT, None, None, id="a later scan is a re-scan"),
    pytest.param(DAY, ZERO, None, None, id="an old image scanned again now"),
    pytest.param(P - INSTANT, None, None, INSTANT, id="pushed just now, the scan has no date"),
    pytest.param(P, None, None, None, id="pushed before the period, the scan has no date"),
    pytest.param(P - INSTANT, DAY, None, INSTANT, id="pushed again just now, scanned before"),
    pytest.param(None, P - INSTANT, None, INSTANT, id="the push has no date, scanned just now"),
    pytest.param(None, P, None, None, id="the push has no date, scanned before the period"),
    pytest.param(None, ZERO, P + INSTANT, None, id="an older finding proves an earlier scan"),
    pytest.param(None, ZERO, P, P, id="a finding as old as this scan may find proves none"),
    pytest.param(HOUR, ZERO, P + INSTANT, None, id="an older finding proves an earlier scan of a pushed image"),
    pytest.param(MINUTE, ZERO, DAY, MINUTE, id="pushed again just now, whatever was found before"),
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


def test_nothing_says_that_findings_have_arrived_where_no_time_is_known():
    result = check(None, None)
    assert (result.outcome, result.reason) == (Outcome.UNDETERMINED, Reason.EVIDENCE_LACKING)
    assert result.remedy


@pytest.mark.parametrize(
    ("pushed", "scanned"), [(ZERO, ZERO), (None, None), (-MINUTE, None)], ids=["now", "no times", "in the future"]
)
def test_a_period_of_zero_switches_settling_off(pushed, scanned):
    assert check(pushed, scanned, settling_period=ZERO).outcome is Outcome.PASS


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


def test_a_look_up_in_the_future_counts_as_one_of_now():
    """The clock was set back since: what is not settled by now was not settled then."""
    assert check(MINUTE, MINUTE, looked_up=-HOUR).outcome is Outcome.FAIL
