"""Each word of AWS for a status means one state; a word that is new, or a pair that does not fit, is never clean.

That no word is missing is tested beside the table of ``tests.unit.checks.aws_words``.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tidegate.evidence.scan import Coverage, Scanner, ScanReport, ScanState, basic_state, inspector_state

SCANNED_AT = datetime(2026, 1, 1, tzinfo=UTC)
REASONS = {
    "SUCCESSFUL": ("ACTIVE", ScanState.SCANNED),
    "PENDING_INITIAL_SCAN": ("ACTIVE", ScanState.PENDING),
    "SCAN_IN_PROGRESS": ("ACTIVE", ScanState.PENDING),
    "PENDING_REVIVAL_SCAN": ("ACTIVE", ScanState.PENDING),
    "SCAN_FREQUENCY_SCAN_ON_PUSH": ("INACTIVE", ScanState.SCANNED_ONCE),
    "SCAN_ELIGIBILITY_EXPIRED": ("INACTIVE", ScanState.EXPIRED),
    "SCAN_FREQUENCY_MANUAL": ("INACTIVE", ScanState.NOT_SCANNED),
    "EXCLUDED_BY_TAG": ("INACTIVE", ScanState.NOT_SCANNED),
    "UNSUPPORTED_OS": ("INACTIVE", ScanState.UNSUPPORTED),
    "UNSUPPORTED_MEDIA_TYPE": ("INACTIVE", ScanState.UNSUPPORTED),
    "UNSUPPORTED_CONFIG_FILE": ("INACTIVE", ScanState.UNSUPPORTED),
    "IMAGE_SIZE_EXCEEDED": ("INACTIVE", ScanState.UNSUPPORTED),
    "ACCESS_DENIED": ("INACTIVE", ScanState.BLOCKED),
    "ACCESS_DENIED_TO_ENCRYPTION_KEY": ("INACTIVE", ScanState.BLOCKED),
    "INTERNAL_ERROR": ("INACTIVE", ScanState.FAILED),
    "RESOURCE_TERMINATED": ("INACTIVE", ScanState.NOT_SCANNED),
    "PENDING_DISABLE": ("INACTIVE", ScanState.NOT_SCANNED),
    "NO_RESOURCES_FOUND": ("INACTIVE", ScanState.NOT_SCANNED),
    "IMAGE_ARCHIVED": ("INACTIVE", ScanState.ARCHIVED),
}
BASIC = {
    "ACTIVE": ScanState.SCANNED,
    "COMPLETE": ScanState.SCANNED_ONCE,
    "IN_PROGRESS": ScanState.PENDING,
    "PENDING": ScanState.PENDING,
    "FAILED": ScanState.FAILED,
    "UNSUPPORTED_IMAGE": ScanState.UNSUPPORTED,
    "IMAGE_SIZE_EXCEEDED": ScanState.UNSUPPORTED,
    "SCAN_ELIGIBILITY_EXPIRED": ScanState.EXPIRED,
    "FINDINGS_UNAVAILABLE": ScanState.FAILED,
    "LIMIT_EXCEEDED": ScanState.LIMITED,
    "IMAGE_ARCHIVED": ScanState.ARCHIVED,
}


@pytest.mark.parametrize(("reason", "code", "state"), [(name, *pair) for name, pair in REASONS.items()])
def test_each_reason_of_inspector_means_one_state(reason, code, state):
    assert inspector_state(code, reason, last_scanned_at=None) is state


@pytest.mark.parametrize("reason", REASONS)
def test_a_reason_beside_the_code_that_does_not_fit_is_not_believed(reason):
    other = "INACTIVE" if REASONS[reason][0] == "ACTIVE" else "ACTIVE"
    expected = ScanState.SCANNED_ONCE if reason == "SCAN_FREQUENCY_SCAN_ON_PUSH" else ScanState.UNKNOWN
    assert inspector_state(other, reason, last_scanned_at=None) is expected


@pytest.mark.parametrize(("code", "reason"), [("ACTIVE", "NEW"), ("INACTIVE", "NEW"), ("NEW", "SUCCESSFUL"), ("", "")])
def test_a_word_of_inspector_that_is_new_is_unknown(code, reason):
    assert inspector_state(code, reason, last_scanned_at=SCANNED_AT) is ScanState.UNKNOWN


def test_an_image_that_is_being_scanned_again_keeps_its_findings():
    assert inspector_state("ACTIVE", "SCAN_IN_PROGRESS", last_scanned_at=SCANNED_AT) is ScanState.SCANNED_AGAIN
    assert inspector_state("ACTIVE", "PENDING_REVIVAL_SCAN", last_scanned_at=SCANNED_AT) is ScanState.PENDING


@pytest.mark.parametrize(("status", "state"), BASIC.items())
def test_each_status_of_a_basic_scan_means_one_state(status, state):
    assert basic_state(status) is state


def test_a_status_of_a_basic_scan_that_is_new_is_unknown():
    assert basic_state("NEW") is basic_state("") is ScanState.UNKNOWN


LATER = SCANNED_AT + timedelta(hours=1)


def seen(scanned_at: datetime | None, **changes: Any) -> ScanReport:
    of_report: dict[str, Any] = {"scanner": Scanner.INSPECTOR, "scanned_since": None}
    of_report |= {name: changes.pop(name) for name in of_report if name in changes}
    covered = Coverage(**{"state": ScanState.SCANNED, "last_scanned_at": scanned_at, **changes})
    return ScanReport(coverage=covered, **of_report)


KEPT = {ScanState.SCANNED, AGAIN := ScanState.SCANNED_AGAIN}


def test_the_time_of_a_scan_under_way_proves_no_scan_and_hides_none_before_it():
    assert seen(LATER).follow(seen(SCANNED_AT, state=AGAIN)).scanned_since is None
    between = seen(SCANNED_AT, state=AGAIN).follow(seen(SCANNED_AT))
    assert seen(LATER).follow(between).scanned_since == SCANNED_AT


def test_a_report_keeps_the_earliest_scan_that_was_seen_before_it():
    second = seen(LATER).follow(seen(SCANNED_AT))
    assert second == seen(LATER, scanned_since=SCANNED_AT)
    assert seen(LATER).follow(second).scanned_since == SCANNED_AT
    assert seen(SCANNED_AT).follow(seen(SCANNED_AT)).scanned_since == SCANNED_AT


@pytest.mark.parametrize(
    ("report", "before"),
    [
        *((seen(LATER), seen(SCANNED_AT, state=state)) for state in ScanState if state not in KEPT),
        *((seen(LATER, state=state), seen(SCANNED_AT)) for state in ScanState if state not in KEPT),
        (seen(LATER), seen(SCANNED_AT, scanner=Scanner.ECR_BASIC)),
        (seen(LATER, scanner=Scanner.ECR_BASIC), seen(SCANNED_AT, scanner=Scanner.ECR_BASIC)),
        (seen(LATER), seen(None)),
        (seen(None), seen(SCANNED_AT)),
        (seen(SCANNED_AT), seen(LATER)),
    ],
)
def test_what_is_not_an_unbroken_scan_by_inspector_proves_no_earlier_scan(report, before):
    assert report.follow(before) is report
