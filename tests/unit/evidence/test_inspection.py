"""Coverage and findings made into reports: a missing half is never clean, and a scan just finished is not settled."""

from datetime import UTC, datetime, timedelta

import pytest

from tidegate.evidence.fact import Cause
from tidegate.evidence.inspection import FIRST_SCAN_WITHIN, SETTLE, FoundFindings, combine, is_settling
from tidegate.evidence.scan import Coverage, Finding, Scanner, ScanReport, ScanState, Severity
from tidegate.evidence.unavailable import AwsUnavailableError
from tidegate.images.digest import digest_of

NOW = datetime(2026, 1, 2, tzinfo=UTC)
IMAGE = ("team/app", digest_of(b"a"))
OTHER = ("team/web", digest_of(b"b"))
SCANNED = Coverage(state=ScanState.SCANNED, last_scanned_at=NOW - timedelta(days=1))
LOST = AwsUnavailableError(Cause.THROTTLED, "inspector2:ListFindings")


def one(coverage, found, **more):
    return combine({IMAGE: coverage}, found, now=NOW, **more)[IMAGE]


def test_both_halves_make_a_report():
    finding = Finding(id="CVE-1", severity=Severity.HIGH)
    report = one(SCANNED, {IMAGE: FoundFindings(findings=(finding,), complete=False)})
    assert report == ScanReport(
        scanner=Scanner.INSPECTOR, coverage=SCANNED, findings=(finding,), complete=False, settling=False
    )


@pytest.mark.parametrize(
    ("coverage", "found", "cause"),
    [
        pytest.param(LOST, {IMAGE: FoundFindings()}, Cause.THROTTLED, id="coverage could not be had"),
        pytest.param(SCANNED, {IMAGE: LOST}, Cause.THROTTLED, id="findings could not be had"),
        pytest.param(SCANNED, {}, Cause.UNEXPECTED_ANSWER, id="findings were not asked for"),
    ],
)
def test_a_missing_half_makes_no_report(coverage, found, cause):
    assert one(coverage, found).cause is cause


def test_a_missing_half_of_one_image_is_not_that_of_another():
    both = combine({IMAGE: SCANNED, OTHER: SCANNED}, {IMAGE: LOST, OTHER: FoundFindings()}, now=NOW)
    assert isinstance(both[IMAGE], AwsUnavailableError)
    assert both[OTHER] == ScanReport(scanner=Scanner.INSPECTOR, coverage=SCANNED)


S = SETTLE
DAY = timedelta(days=1)
INSTANT = timedelta(microseconds=1)
SETTLING = [
    pytest.param(S - INSTANT, None, None, True, id="pushed just now, whatever the scan says"),
    pytest.param(S - INSTANT, DAY, None, True, id="pushed just now, with an older scan of the same content"),
    pytest.param(S, S, None, False, id="pushed and scanned two minutes ago"),
    pytest.param(S, S - INSTANT, None, True, id="scanned just now, for the first time after the push"),
    pytest.param(FIRST_SCAN_WITHIN, timedelta(0), None, False, id="scanned an hour after the push: a re-scan"),
    pytest.param(FIRST_SCAN_WITHIN - INSTANT, timedelta(0), None, True, id="scanned within the hour after the push"),
    pytest.param(DAY, timedelta(0), None, False, id="an old image scanned again"),
    pytest.param(DAY, None, None, False, id="an old image whose scan has no date"),
    pytest.param(None, S - INSTANT, None, True, id="scanned just now, push unknown"),
    pytest.param(None, S, None, False, id="scanned two minutes ago, push unknown"),
    pytest.param(None, None, None, True, id="nothing is known"),
    pytest.param(None, timedelta(0), S + INSTANT, False, id="a finding older than this scan proves an earlier one"),
    pytest.param(None, timedelta(0), S, True, id="a finding as old as a first scan may be proves nothing"),
    pytest.param(None, -DAY, None, True, id="scanned in the future: the clocks differ"),
]


@pytest.mark.parametrize(("pushed", "scanned", "observed", "expected"), SETTLING)
def test_findings_may_still_be_arriving_after_the_first_scan(pushed, scanned, observed, expected):
    ago = lambda age: None if age is None else NOW - age  # noqa: E731
    assert (
        is_settling(now=NOW, pushed_at=ago(pushed), last_scanned_at=ago(scanned), first_observed_at=ago(observed))
        is expected
    )


def test_a_report_uses_push_time_and_the_oldest_finding():
    fresh = Coverage(state=ScanState.SCANNED, last_scanned_at=NOW)
    assert one(fresh, {IMAGE: FoundFindings()}).settling
    assert not one(fresh, {IMAGE: FoundFindings()}, pushed_at={IMAGE: NOW - DAY}).settling
    assert one(fresh, {IMAGE: FoundFindings()}, pushed_at={IMAGE: None}).settling
    old = Finding(id="CVE-1", severity=Severity.LOW, first_observed_at=NOW - DAY)
    new = Finding(id="CVE-2", severity=Severity.LOW, first_observed_at=NOW)
    assert not one(fresh, {IMAGE: FoundFindings(findings=(new, old))}).settling
    assert one(fresh, {IMAGE: FoundFindings(findings=(new,))}).settling


def test_an_image_that_is_not_scanned_is_not_settling():
    pending = Coverage(state=ScanState.PENDING, last_scanned_at=NOW)
    assert not one(pending, {IMAGE: FoundFindings()}).settling


def test_an_image_scanned_once_may_be_settling():
    once = Coverage(state=ScanState.SCANNED_ONCE, last_scanned_at=NOW)
    assert one(once, {IMAGE: FoundFindings()}).settling
