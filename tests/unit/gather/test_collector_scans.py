"""What is looked up of the scans of an image, in which order and at once with what."""

import asyncio
from datetime import timedelta

import pytest

from tests.unit.gather.collected import (
    BASIC,
    CALL,
    COVERAGE,
    DETAIL,
    FINDINGS,
    HOST,
    PINNED,
    SCAN,
    SETTINGS,
    TAG,
    TYPE,
    V1,
    asked,
    entry,
    push_index,
)
from tests.unit.gather.fakes import IMAGE, REGISTRY, SCANNED, finding, unavailable
from tests.unit.gather.virtual_time import EPOCH
from tidegate.evidence.fact import Cause, Known, Missing
from tidegate.evidence.inspection import FoundFindings
from tidegate.evidence.repository import ScanType
from tidegate.evidence.scan import Coverage, Scanner, ScanReport, ScanState
from tidegate.gather.lifetimes import FOLLOWING, JUST_SCANNED
from tidegate.images.digest import digest_of
from tidegate.images.reference import parse_reference


class TestScans:
    async def test_a_registry_that_scans_by_itself_is_asked_itself(self, aws, collect):
        aws.type = ScanType.BASIC
        aws.basic[IMAGE] = ScanReport(scanner=Scanner.ECR_BASIC, coverage=Coverage(state=ScanState.PENDING))
        assert (await collect()).scans[IMAGE].value == aws.basic[IMAGE]
        assert asked(aws) == [DETAIL, TYPE, BASIC]

    @pytest.mark.parametrize("reference", [TAG, PINNED], ids=["by tag", "by digest"])
    async def test_a_type_of_scan_that_cannot_be_had_is_no_reason_to_guess_one(self, aws, collect, reference):
        aws.failing[TYPE] = unavailable(Cause.ACCESS_DENIED, TYPE)
        evidence = await collect(reference)
        assert evidence.scan_type == evidence.scans[IMAGE] == Missing(Cause.ACCESS_DENIED, TYPE)
        assert sorted(asked(aws)) == [DETAIL, TYPE]
        assert evidence.valid_until == 0

    @pytest.mark.parametrize("reference", [TAG, PINNED], ids=["by tag", "by digest"])
    async def test_a_type_of_scan_that_cannot_be_had_again_is_stale_whatever_the_scans_say(
        self, aws, collect, collector, reference
    ):
        await collect(reference)
        aws.failing[TYPE] = unavailable(Cause.ACCESS_DENIED, TYPE)
        await asyncio.sleep(3 * 86_400)
        for evidence in (await collect(reference), collector.known(reference, SCAN)):
            assert evidence.scans[IMAGE].stale is None
            assert evidence.scan_type.value is ScanType.ENHANCED
            assert evidence.scan_type.stale is Cause.ACCESS_DENIED
            assert evidence.scan_type.observed_at < EPOCH + timedelta(seconds=1)

    async def test_a_registry_that_scans_otherwise_now_is_judged_by_its_new_scanner_at_once(self, aws, collect, facts):
        aws.found[IMAGE] = FoundFindings(findings=(finding("CVE-1"),))
        assert (await collect()).scans[IMAGE].value.findings
        aws.type = ScanType.BASIC
        facts.scan_types.shorten(REGISTRY, 0)
        evidence = await collect()
        assert evidence.scan_type.value is ScanType.BASIC
        assert evidence.scans[IMAGE].value.scanner is Scanner.ECR_BASIC

    async def test_what_chose_the_scanner_is_not_asked_for_where_nothing_is_scanned(self, aws, collect):
        assert (await collect(wanted=SETTINGS)).scan_type == Missing(Cause.NOT_ASKED, TYPE)
        del aws.images[V1]
        assert (await collect(parse_reference(f"{HOST}/team/app:gone"))).scan_type == Missing(Cause.NOT_ASKED, TYPE)
        assert aws.count(TYPE) == 0

    async def test_an_image_that_is_scanned_again_is_remembered_to_have_been_scanned_before(self, aws, collect, clock):
        """Else a clean image would count as pending after each of Inspector's own scans."""
        first = EPOCH - timedelta(seconds=5)
        for seconds in range(0, 200, 40):
            scanned_at = first + timedelta(seconds=seconds)
            aws.coverages[IMAGE] = Coverage(state=ScanState.SCANNED, last_scanned_at=scanned_at)
            report = (await collect()).scans[IMAGE].value
            assert report.coverage.last_scanned_at == scanned_at
            assert report.scanned_since == (first if seconds else None)
            await asyncio.sleep(40)

    @pytest.mark.parametrize(
        ("gap", "remembered"),
        [(FOLLOWING - timedelta(seconds=1), True), (FOLLOWING + timedelta(seconds=1), False)],
        ids=["within an hour", "after more than an hour"],
    )
    async def test_a_look_up_long_ago_says_nothing_of_what_was_in_between(self, aws, collect, gap, remembered):
        await collect()
        await asyncio.sleep(gap.total_seconds())
        aws.coverages[IMAGE] = Coverage(state=ScanState.SCANNED, last_scanned_at=EPOCH + gap)
        report = (await collect()).scans[IMAGE].value
        assert (report.scanned_since == SCANNED.last_scanned_at) is remembered

    async def test_a_scan_was_looked_up_when_it_was_asked_for_and_not_when_the_answer_came(
        self, aws, collect, executor
    ):
        """Findings that arrived while the answer was under way are not in it."""
        executor.delays = [CALL, CALL, 50.0, 50.0]
        assert (await collect()).scans[IMAGE].observed_at < EPOCH + timedelta(seconds=1)

    async def test_findings_that_were_read_long_before_the_coverage_are_read_again(self, aws, collect, executor):
        """A scan that ended while a slow answer was under way looks old by then."""
        aws.coverages[IMAGE] = Coverage(state=ScanState.SCANNED, last_scanned_at=EPOCH + timedelta(seconds=1))
        executor.delays = [CALL, CALL, 50_000.0, CALL]
        await collect(within=100_000)
        assert aws.count(FINDINGS) == 2

    @pytest.mark.parametrize("source", [COVERAGE, FINDINGS])
    async def test_half_a_report_is_none(self, aws, collect, source):
        aws.failing[source] = unavailable(Cause.SERVER_ERROR, source)
        evidence = await collect()
        assert evidence.scans[IMAGE] == Missing(Cause.SERVER_ERROR, source)
        assert evidence.valid_until == 0

    @pytest.mark.parametrize("half", ["coverages", "found"])
    async def test_half_a_report_of_one_image_of_a_batch_is_none_of_that_image_alone(self, aws, collect, half):
        push_index(aws, entry("amd", "linux/amd64"), entry("arm", "linux/arm64"))
        bad, good = digest_of(b"amd"), digest_of(b"arm")
        getattr(aws, half)[bad] = unavailable(Cause.UNEXPECTED_ANSWER, "inspector2")
        scans = (await collect()).scans
        assert scans[bad] == Missing(Cause.UNEXPECTED_ANSWER, "inspector2")
        assert isinstance(scans[good], Known)

    async def test_findings_come_with_whether_they_are_all(self, aws, collect):
        aws.found[IMAGE] = FoundFindings(findings=(finding("CVE-1"),), complete=False)
        report = (await collect()).scans[IMAGE].value
        assert report.findings == (finding("CVE-1"),)
        assert not report.complete

    async def test_findings_that_were_read_before_the_scan_ended_are_read_again(self, aws, collect, executor):
        """The two halves are asked side by side: a scan that ends in between would look finished and clean."""
        aws.coverages[IMAGE] = Coverage(state=ScanState.PENDING)

        def end_the_scan():
            aws.coverages[IMAGE] = Coverage(state=ScanState.SCANNED, last_scanned_at=EPOCH)
            aws.found[IMAGE] = FoundFindings(findings=(finding("CVE-1"),))

        aws.during[FINDINGS] = end_the_scan
        executor.delays = [CALL, CALL, 3 * CALL, CALL]
        report = (await collect()).scans[IMAGE].value
        assert report.coverage.state is ScanState.SCANNED
        assert report.findings == (finding("CVE-1"),)

    @pytest.mark.parametrize(
        ("old", "calls"),
        [
            pytest.param(JUST_SCANNED - timedelta(seconds=1), 2, id="a scan of just now: twice"),
            pytest.param(JUST_SCANNED + timedelta(seconds=1), 1, id="an older one: once"),
        ],
    )
    async def test_findings_are_read_again_after_a_scan_of_just_now_only(self, aws, collect, old, calls):
        aws.coverages[IMAGE] = Coverage(state=ScanState.SCANNED, last_scanned_at=EPOCH - old)
        await collect()
        assert aws.count(FINDINGS) == calls

    async def test_images_of_one_registry_are_asked_for_ten_at_a_time(self, aws, collect):
        push_index(aws, *(entry(f"child-{number}") for number in range(25)))
        await collect()
        assert aws.ids(COVERAGE) == aws.ids(FINDINGS) == [10, 10, 5]
