"""How long each fact may be used again, on both sides of what decides it."""

import re
from datetime import timedelta
from pathlib import Path

import pytest

from tests.unit.gather.fakes import detail
from tests.unit.gather.virtual_time import EPOCH
from tidegate.evidence.image import Absence, BadContent
from tidegate.evidence.scan import Coverage, Scanner, ScanReport, ScanState
from tidegate.gather import lifetimes
from tidegate.gather.lifetimes import detail_seconds, kept_seconds, scan_seconds

SECONDS = {
    ScanState.SCANNED: 240,
    ScanState.SCANNED_AGAIN: 30,
    ScanState.SCANNED_ONCE: 240,
    ScanState.PENDING: 10,
    ScanState.EXPIRED: 300,
    ScanState.UNSUPPORTED: 300,
    ScanState.NOT_SCANNED: 15,
    ScanState.BLOCKED: 60,
    ScanState.FAILED: 60,
    ScanState.LIMITED: 600,
    ScanState.ARCHIVED: 300,
    ScanState.UNKNOWN: 1,
}
FINISHED = [ScanState.SCANNED, ScanState.SCANNED_ONCE]
INSTANT = timedelta(microseconds=1)
ROW = re.compile(r"^\|[^|]*\| ([\d,]+) \| `([^`]+)` \|$", re.MULTILINE)


LONG_AGO = EPOCH - timedelta(days=1)


def report(state, scanned_at=LONG_AGO):
    return ScanReport(scanner=Scanner.INSPECTOR, coverage=Coverage(state=state, last_scanned_at=scanned_at))


@pytest.mark.parametrize("state", ScanState)
def test_every_state_has_its_own(state):
    assert scan_seconds(report(state), now=EPOCH) == SECONDS[state]


@pytest.mark.parametrize("state", FINISHED)
def test_a_scan_without_a_time_is_looked_at_again_as_soon_as_one_that_is_pending(state):
    assert scan_seconds(report(state, None), now=EPOCH) == SECONDS[ScanState.PENDING]


@pytest.mark.parametrize("state", FINISHED)
@pytest.mark.parametrize(
    ("old", "seconds"),
    [
        pytest.param(timedelta(0), 30, id="just now: findings may still be arriving"),
        pytest.param(timedelta(minutes=5) - INSTANT, 30, id="almost five minutes ago"),
        pytest.param(timedelta(minutes=5), 240, id="five minutes ago"),
        pytest.param(timedelta(minutes=-5), 30, id="in the future, by a clock that is wrong"),
    ],
)
def test_a_fresh_scan_is_looked_at_again_soon(state, old, seconds):
    assert scan_seconds(report(state, EPOCH - old), now=EPOCH) == seconds


@pytest.mark.parametrize("state", [state for state in ScanState if state not in {*FINISHED, ScanState.SCANNED_AGAIN}])
def test_bad_news_is_not_kept_longer_or_shorter_for_being_fresh(state):
    assert scan_seconds(report(state, EPOCH), now=EPOCH) == SECONDS[state]


@pytest.mark.parametrize(
    ("found", "by_digest", "fixed", "seconds"),
    [
        pytest.param(detail(), False, False, 5, id="a tag that can move"),
        pytest.param(detail(), False, True, 60, id="a tag that cannot"),
        pytest.param(detail(), True, False, 300, id="a digest"),
        pytest.param(Absence.IMAGE, False, True, 5, id="no such tag"),
        pytest.param(Absence.IMAGE, True, False, 5, id="no such digest"),
        pytest.param(Absence.REPOSITORY, False, False, 5, id="no such repository"),
        pytest.param(Absence.CACHE_MISS, False, False, 5, id="not in the cache yet"),
        pytest.param(Absence.REGION, False, False, 5, id="no such region"),
    ],
)
def test_images(found, by_digest, fixed, seconds):
    assert detail_seconds(found, by_digest=by_digest, tag_is_fixed=fixed) == seconds


@pytest.mark.parametrize("absence", Absence)
def test_that_something_was_missing_is_of_no_use_once_it_is_old(absence):
    assert kept_seconds(absence) == 0


@pytest.mark.parametrize("value", [detail(), report(ScanState.SCANNED), BadContent("odd"), ()], ids=type)
def test_what_was_there_is_kept_for_as_long_as_a_policy_may_ask(value):
    from tidegate.policy.sections import MAX_STALENESS

    assert kept_seconds(value) == lifetimes.KEPT_SECONDS == MAX_STALENESS.total_seconds()


def test_the_reference_page_lists_every_lifetime():
    page = (Path(__file__).parents[3] / "docs/reference/lifetimes.md").read_text()
    listed = {name: float(seconds.replace(",", "")) for seconds, name in ROW.findall(page)}
    kept = {f"SCAN_SECONDS[{state.name}]": seconds for state, seconds in lifetimes.SCAN_SECONDS.items()}
    for name, value in vars(lifetimes).items():
        if name.isupper() and name != "SCAN_SECONDS":
            kept[name] = value.total_seconds() if isinstance(value, timedelta) else value
    assert listed == kept
