"""What is looked up for an image, in which order, what is not looked up, and what is known when time is up."""

import asyncio
from datetime import timedelta
from typing import Any
from unittest.mock import Mock

import msgspec
import pytest

from tests.unit.gather.fakes import APP, IMAGE, REGISTRY, SCANNED, detail, finding, unavailable
from tests.unit.gather.virtual_time import EPOCH, START_SECONDS
from tidegate.evidence.content import StoredManifest
from tidegate.evidence.fact import Cause, Known, Missing
from tidegate.evidence.image import Absence, BadContent, ImageStatus, PlatformImage
from tidegate.evidence.image_evidence import RENEWED_SHARE
from tidegate.evidence.inspection import FoundFindings
from tidegate.evidence.needs import needs
from tidegate.evidence.repository import RepositorySettings, ScanType, TagMutability
from tidegate.evidence.scan import Coverage, Scanner, ScanReport, ScanState
from tidegate.evidence.source_unavailable import UnknownRegionError
from tidegate.gather import collector as collector_module
from tidegate.gather.ask import SuspendedError
from tidegate.gather.collector import Collector
from tidegate.gather.lifetimes import CONTENT_SECONDS, FOLLOWING, JUST_SCANNED
from tidegate.images.digest import digest_of
from tidegate.images.image_id import ImageId
from tidegate.images.manifest import MAX_CHILDREN, OCI_INDEX, OCI_MANIFEST
from tidegate.images.platform import parse_platform
from tidegate.images.reference import parse_reference
from tidegate.images.repository import EcrRepository

HOST = "111122223333.dkr.ecr.eu-west-1.amazonaws.com"
TAG = parse_reference(f"{HOST}/team/app:v1")
PINNED = parse_reference(f"{HOST}/team/app@{IMAGE}")
V1 = ImageId.of_tag("v1")
NOWHERE = EcrRepository(REGISTRY, "team/nowhere")

SCAN = needs(settings=False, scan=True, platforms=())
SETTINGS = needs(settings=True, scan=False, platforms=())
ALL = needs(settings=True, scan=True, platforms=())
AMD64 = needs(settings=False, scan=True, platforms=(parse_platform("linux/amd64"),))

DETAIL, TAGS, TYPE = "ecr:DescribeImages", "ecr:DescribeRepositories", "ecr:GetRegistryScanningConfiguration"
MANIFEST, BASIC = "ecr:BatchGetImage", "ecr:DescribeImageScanFindings"
COVERAGE, FINDINGS = "inspector2:ListCoverage", "inspector2:ListFindings"
CALL = 0.1


def entry(name, platform=None, *, media_type=OCI_MANIFEST, size=100):
    described = {"mediaType": media_type, "digest": digest_of(name.encode()), "size": size}
    if platform is not None:
        described["platform"] = dict(zip(("os", "architecture", "variant"), platform.split("/"), strict=False))
    return described


def index(*entries):
    return msgspec.json.encode({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": list(entries)})


def push_index(aws, *entries, tag="v1"):
    """Push an index and give its digest; its tag is v1 unless it is an inner one."""
    content = index(*entries)
    digest = digest_of(content)
    aws.manifests[digest] = StoredManifest(content=content, media_type=OCI_INDEX)
    if tag is not None:
        aws.images[ImageId.of_tag(tag)] = detail(digest, media_type=OCI_INDEX)
    return digest, {"mediaType": OCI_INDEX, "digest": digest, "size": len(content)}


def asked(aws):
    return [source for source, _ in aws.asked]


@pytest.fixture
def collect(collector, clock):
    async def run(reference=TAG, wanted=SCAN, *, within=60.0):
        return await collector.collect(reference, wanted, deadline=clock.monotonic() + within)

    return run


class TestSteps:
    async def test_of_a_tag_first_its_digest_and_then_the_scan_of_that(self, aws, collect):
        evidence = await collect()
        assert asked(aws) == [DETAIL, TYPE, COVERAGE, FINDINGS]
        assert evidence.detail.value.digest == IMAGE
        assert evidence.runnable.value == (PlatformImage(digest=IMAGE, platform=None),)
        assert evidence.scans[IMAGE].value == ScanReport(scanner=Scanner.INSPECTOR, coverage=SCANNED)
        assert evidence.settings == Missing(Cause.NOT_ASKED, TAGS)

    async def test_settings_are_asked_for_beside_the_digest(self, aws, collect, clock):
        evidence = await collect(wanted=SETTINGS)
        assert sorted(asked(aws)) == sorted([DETAIL, TAGS])
        assert evidence.settings.value == RepositorySettings(mutability=TagMutability.MUTABLE)
        assert evidence.scans == {}
        assert clock.monotonic() - START_SECONDS < 2 * CALL

    async def test_a_digest_has_its_scan_started_at_once(self, facts, aws, collect, clock):
        await facts.scan_types.get(REGISTRY)
        began = clock.monotonic()
        evidence = await collect(PINNED)
        assert clock.monotonic() - began < 2 * CALL
        assert evidence.scans[IMAGE].value.coverage == SCANNED
        assert [aws.count(source) for source in (DETAIL, COVERAGE, FINDINGS)] == [1, 1, 1]

    async def test_a_scan_that_was_started_at_once_and_failed_is_not_asked_for_again(self, aws, collect):
        aws.failing[COVERAGE] = unavailable(Cause.SERVER_ERROR, COVERAGE)
        evidence = await collect(PINNED)
        assert evidence.scans[IMAGE] == Missing(Cause.SERVER_ERROR, COVERAGE)
        assert aws.count(COVERAGE) == 1

    async def test_a_scan_that_was_started_too_early_is_not_used(self, aws, collect):
        digest, _ = push_index(aws, entry("amd", "linux/amd64"))
        evidence = await collect(parse_reference(f"{HOST}/team/app@{digest}"))
        assert list(evidence.scans) == [digest_of(b"amd")]

    async def test_an_image_that_is_not_there_ends_the_matter(self, aws, collect):
        del aws.images[V1]
        evidence = await collect()
        assert evidence.detail.value is Absence.IMAGE
        assert evidence.runnable == Missing(Cause.NOT_ASKED, MANIFEST)
        assert evidence.scans == {}
        assert asked(aws) == [DETAIL]

    async def test_a_digest_that_cannot_be_had_leaves_the_scan_unasked(self, aws, collect):
        aws.failing[DETAIL] = unavailable(Cause.ACCESS_DENIED)
        evidence = await collect()
        assert evidence.detail == Missing(Cause.ACCESS_DENIED, DETAIL)
        assert asked(aws) == [DETAIL]

    @pytest.mark.parametrize("status", [each for each in ImageStatus if each is not ImageStatus.ACTIVE])
    async def test_what_cannot_be_pulled_is_not_scanned(self, aws, collect, collector, status):
        digest, _ = push_index(aws, entry("amd", "linux/amd64"))
        for media_type, of in ((OCI_MANIFEST, IMAGE), (OCI_INDEX, digest)):
            aws.images[V1] = detail(of, media_type=media_type, status=status)
            evidence = await collect()
            assert evidence.detail.value.status is status
            assert evidence.scans == collector.known(TAG, SCAN).scans == {}
            await asyncio.sleep(60)
        assert set(asked(aws)) == {DETAIL}

    async def test_what_is_no_image_is_bad_content_and_not_scanned(self, aws, collect):
        aws.images[V1] = detail(media_type="application/vnd.cncf.helm.config.v1+json")
        evidence = await collect()
        assert "application/vnd.cncf.helm" in evidence.runnable.value.problem
        assert asked(aws) == [DETAIL]

    async def test_each_region_that_does_not_exist_is_an_answer(self, aws, collect):
        aws.failing["*"] = UnknownRegionError("nowhere")
        for reference in (TAG, PINNED):
            evidence = await collect(reference, ALL)
            assert evidence.detail.value is Absence.REGION
            assert evidence.settings.value is Absence.REGION


class TestIndexes:
    CHILDREN = (entry("amd", "linux/amd64"), entry("arm", "linux/arm64"), entry("any"))

    async def test_every_child_is_scanned_where_no_platform_is_named(self, aws, collect):
        push_index(aws, *self.CHILDREN, entry("proof", "unknown/unknown"))
        evidence = await collect()
        assert set(evidence.scans) == {digest_of(name) for name in (b"amd", b"arm", b"any")}
        assert aws.ids(COVERAGE) == [3]

    async def test_only_children_that_a_wanted_platform_may_run_are_scanned(self, aws, collect):
        push_index(aws, *self.CHILDREN)
        evidence = await collect(wanted=AMD64)
        assert set(evidence.scans) == {digest_of(b"amd"), digest_of(b"any")}
        assert len(evidence.runnable.value) == 3

    async def test_an_index_is_not_opened_where_no_scan_is_wanted(self, aws, collect, collector):
        digest, _ = push_index(aws, *self.CHILDREN)
        evidence = await collect(wanted=SETTINGS)
        assert evidence.runnable.value == (PlatformImage(digest=digest, platform=None),)
        assert aws.count(MANIFEST) == 0
        assert collector.known(TAG, SETTINGS).runnable == evidence.runnable

    async def test_children_are_known_for_good(self, aws, collect):
        push_index(aws, *self.CHILDREN)
        await collect()
        await asyncio.sleep(3_600 * 12)
        await collect()
        assert aws.count(MANIFEST) == 1

    @pytest.mark.parametrize(
        ("stored", "problem"),
        [
            pytest.param(StoredManifest(content=b"{}", media_type=OCI_INDEX), "digest", id="other bytes"),
            pytest.param(Absence.IMAGE, "not stored", id="none"),
            pytest.param(None, "another media type", id="another media type"),
        ],
    )
    async def test_a_registry_that_lies_gives_bad_content_and_no_scan(self, aws, collect, stored, problem):
        digest, _ = push_index(aws, *self.CHILDREN)
        aws.manifests[digest] = stored or StoredManifest(content=index(*self.CHILDREN), media_type=OCI_MANIFEST)
        evidence = await collect()
        assert isinstance(evidence.runnable.value, BadContent)
        assert problem in evidence.runnable.value.problem
        assert evidence.scans == {}
        assert aws.count(COVERAGE) == 0

    async def test_bytes_that_cannot_be_had_are_missing(self, aws, collect):
        digest, _ = push_index(aws, *self.CHILDREN)
        aws.manifests[digest] = unavailable(Cause.ACCESS_DENIED, MANIFEST)
        evidence = await collect()
        assert evidence.runnable == Missing(Cause.ACCESS_DENIED, MANIFEST)
        assert evidence.valid_until == 0

    async def test_bytes_that_lie_are_asked_for_again_within_minutes(self, aws, collect):
        digest, _ = push_index(aws, *self.CHILDREN)
        good, aws.manifests[digest] = aws.manifests[digest], StoredManifest(content=b"{}", media_type=OCI_INDEX)
        await collect()
        aws.manifests[digest] = good
        await asyncio.sleep(61)
        assert len((await collect()).scans) == 3

    async def test_an_index_within_an_index_is_opened(self, aws, collect):
        _, inner = push_index(aws, *self.CHILDREN, tag=None)
        push_index(aws, inner, entry("more", "linux/s390x"))
        evidence = await collect()
        assert set(evidence.scans) == {digest_of(name) for name in (b"amd", b"arm", b"any", b"more")}
        assert aws.ids(MANIFEST) == [1, 1]

    async def test_an_index_within_that_is_not(self, aws, collect):
        _, third = push_index(aws, *self.CHILDREN, tag=None)
        _, second = push_index(aws, third, tag=None)
        push_index(aws, second)
        assert "nested deeper" in (await collect()).runnable.value.problem

    async def test_an_index_of_nothing_that_runs_is_bad_content(self, aws, collect):
        push_index(aws, entry("proof", "unknown/unknown"))
        assert "could run" in (await collect()).runnable.value.problem

    async def test_an_inner_index_that_cannot_be_had_makes_all_of_it_missing(self, aws, collect):
        digest, inner = push_index(aws, *self.CHILDREN, tag=None)
        aws.manifests[digest] = unavailable(Cause.THROTTLED, MANIFEST)
        push_index(aws, inner, entry("more", "linux/amd64"))
        evidence = await collect()
        assert evidence.runnable == Missing(Cause.THROTTLED, MANIFEST)
        assert evidence.scans == {}

    @pytest.mark.parametrize(("extra", "fits"), [(0, True), (1, False)])
    async def test_an_index_and_those_within_name_no_more_images_than_one_may(self, aws, collect, extra, fits):
        half = MAX_CHILDREN // 2
        inner = [
            push_index(aws, *(entry(f"{side}{number}") for number in range(half + side * extra)), tag=None)[1]
            for side in (0, 1)
        ]
        push_index(aws, *inner)
        evidence = await collect()
        assert isinstance(evidence.runnable.value, tuple) == fits
        assert len(evidence.scans) == (MAX_CHILDREN if fits else 0)

    async def test_a_lesser_image_is_scanned_where_some_node_may_run_it(self, aws, collect, collector):
        push_index(aws, entry("clean", "linux/amd64/v4"), entry("critical", "linux/386"), entry("arm", "linux/arm64"))
        evidence = await collect(wanted=AMD64)
        assert set(evidence.scans) == {digest_of(b"clean"), digest_of(b"critical")}
        assert set(collector.known(TAG, AMD64).scans) == set(evidence.scans)

    async def test_an_inner_index_is_entered_by_its_own_platform(self, aws, collect):
        """containerd does not look into it on amd64, and runs the lesser image beside it."""
        _, inner = push_index(aws, entry("clean", "linux/amd64"), tag=None)
        inner["platform"] = {"os": "linux", "architecture": "arm64"}
        push_index(aws, inner, entry("critical", "linux/386"))
        assert set((await collect(wanted=AMD64)).scans) == {digest_of(b"critical")}

    async def test_an_index_beside_one_that_holds_it_is_too_deep(self, aws, collect):
        _, third = push_index(aws, *self.CHILDREN, tag=None)
        _, second = push_index(aws, third, tag=None)
        push_index(aws, second, third)
        assert "nested deeper" in (await collect()).runnable.value.problem

    async def test_each_platform_of_an_image_counts(self, aws, collect):
        """Else inner indexes that list the same images again and again would be work without end."""
        inner = [
            push_index(aws, *(entry("same", f"linux/a{side}-{number}") for number in range(MAX_CHILDREN)), tag=None)[1]
            for side in (0, 1)
        ]
        push_index(aws, *inner)
        assert f"more than {MAX_CHILDREN} images" in (await collect()).runnable.value.problem

    @pytest.mark.parametrize("platforms", [("linux/amd64", "linux/s390x"), ("linux/s390x", "linux/amd64")])
    async def test_a_child_that_is_listed_for_two_platforms_may_run_anywhere(self, aws, collect, platforms):
        """Else an index could name its image for this cluster's platform first and hide it behind another one."""
        inner = [push_index(aws, entry("bad", platform), tag=None)[1] for platform in platforms]
        push_index(aws, *inner, entry("decoy", "linux/amd64"))
        assert digest_of(b"bad") in (await collect(wanted=AMD64)).scans


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


class TestMemory:
    async def test_what_is_fresh_is_not_asked_for_again(self, aws, collect, clock):
        first = await collect(wanted=ALL)
        before, began = asked(aws), clock.monotonic()
        second = await collect(wanted=ALL)
        assert (asked(aws), clock.monotonic()) == (before, began)
        assert second.scans == first.scans
        assert second.valid_until == first.valid_until

    async def test_it_may_be_used_for_as_long_as_its_first_fact_to_expire(self, aws, facts, collect):
        evidence = await collect(wanted=ALL)
        limits = [
            facts.details.peek((APP, V1))[1],
            facts.settings.peek(APP)[1],
            facts.scans.peek((APP, IMAGE, ScanType.ENHANCED))[1],
        ]
        assert evidence.valid_until == min(limits) > 0

    async def test_that_an_image_is_missing_may_not_be_used_again_where_another_fact_could_not_be_had(
        self, aws, collect
    ):
        del aws.images[V1]
        aws.failing[TAGS] = unavailable(Cause.THROTTLED, TAGS)
        assert (await collect(wanted=ALL)).valid_until == 0

    async def test_needs_that_differ_share_what_they_have_in_common(self, aws, collect):
        await asyncio.gather(collect(wanted=SCAN), collect(wanted=ALL), collect(wanted=SETTINGS), collect(wanted=AMD64))
        assert [aws.count(source) for source in (DETAIL, TAGS, COVERAGE, FINDINGS)] == [1, 1, 1, 1]

    @pytest.mark.parametrize(
        ("settings", "seconds"),
        [
            pytest.param(RepositorySettings(mutability=TagMutability.IMMUTABLE), 60, id="a tag that is fixed"),
            pytest.param(RepositorySettings(mutability=TagMutability.MUTABLE), 5, id="a tag that can move"),
            pytest.param(
                RepositorySettings(mutability=TagMutability.IMMUTABLE_WITH_EXCLUSION, exclusion_filters=("v*",)),
                5,
                id="a tag that is excluded",
            ),
            pytest.param(RepositorySettings(mutability=TagMutability.UNKNOWN), 5, id="of which that is not known"),
            pytest.param(Absence.REPOSITORY, 5, id="of no repository"),
            pytest.param(unavailable(Cause.ACCESS_DENIED), 5, id="of which that cannot be had"),
        ],
    )
    async def test_a_tag_is_believed(self, aws, facts, collect, clock, settings, seconds):
        aws.repositories[APP.name] = settings
        await facts.settings.get(APP)
        await collect(wanted=SETTINGS)
        assert facts.details.peek((APP, V1))[1] - clock.monotonic() == pytest.approx(seconds)

    @pytest.mark.parametrize(
        ("ask", "seconds"),
        [
            pytest.param(lambda facts: facts.scan_types.get(REGISTRY), 300, id="how a registry scans"),
            pytest.param(lambda facts: facts.settings.get(APP), 300, id="how a repository is set up"),
            pytest.param(lambda facts: facts.settings.get(NOWHERE), 5, id="that a repository is missing"),
            pytest.param(
                lambda facts: facts.details.get((APP, ImageId.of_digest(IMAGE))), 300, id="an image by digest"
            ),
            pytest.param(lambda facts: facts.details.get((APP, ImageId.of_tag("no"))), 5, id="that a tag is missing"),
            pytest.param(lambda facts: facts.scans.get((APP, IMAGE, ScanType.ENHANCED)), 240, id="a scan"),
        ],
    )
    async def test_each_kind_of_fact_has_its_own_life(self, facts, clock, ask, seconds):
        _, until = await ask(facts)
        assert until - clock.monotonic() == pytest.approx(seconds)

    async def test_settings_past_their_time_do_not_make_a_tag_fixed(self, aws, facts, collect, clock):
        aws.repositories[APP.name] = RepositorySettings(mutability=TagMutability.IMMUTABLE)
        await facts.settings.get(APP)
        aws.failing[TAGS] = unavailable(Cause.ACCESS_DENIED, TAGS)
        await asyncio.sleep(301)
        assert (await collect(wanted=SETTINGS)).settings.stale is Cause.ACCESS_DENIED
        assert facts.details.peek((APP, V1))[1] - clock.monotonic() == pytest.approx(5)

    async def test_a_tag_that_moved_is_judged_by_its_new_digest_once_its_time_is_over(self, aws, collect):
        await collect()
        moved = digest_of(b"moved")
        aws.images[V1] = detail(moved)
        assert list((await collect()).scans) == [IMAGE]
        await asyncio.sleep(5.1)
        assert list((await collect()).scans) == [moved]

    async def test_every_cache_is_shown_to_the_operator(self, aws, facts, collect):
        push_index(aws, entry("amd", "linux/amd64"))
        await collect(wanted=ALL)
        sizes = {name: len(cache) for name, cache in facts.caches().items()}
        without_signatures = ("details", "settings", "indexes", "scan_types", "scans")
        assert {name: size for name, size in sizes.items() if size} == dict.fromkeys(without_signatures, 1)
        assert set(sizes) - set(without_signatures) == {
            "descriptors",
            "signatures",
            "signing_statuses",
            "proofs",
            "revocations",
            "revocation_lists",
        }


class TestTogether:
    async def test_a_thousand_requests_for_one_new_image_ask_each_question_once(self, aws, collect):
        evidence = await asyncio.gather(*(collect(wanted=ALL) for _ in range(1_000)))
        assert len({id(each) for each in evidence}) == 1
        assert sorted(asked(aws)) == sorted([DETAIL, TAGS, TYPE, COVERAGE, FINDINGS])

    async def test_a_request_that_is_cancelled_fails_nobody_else(self, aws, collect):
        tasks = [asyncio.create_task(collect()) for _ in range(10)]
        await asyncio.sleep(CALL / 2)
        for task in tasks[:9]:
            task.cancel()
        assert isinstance((await tasks[9]).scans[IMAGE], Known)
        assert all(task.cancelled() for task in tasks[:9])

    async def test_when_all_are_cancelled_the_answer_is_still_found_and_kept(self, aws, collect, clock):
        task = asyncio.create_task(collect())
        await asyncio.sleep(CALL / 2)
        task.cancel()
        await asyncio.sleep(60)
        assert aws.count(FINDINGS) == 1

    async def test_images_of_one_request_are_collected_side_by_side_and_in_order(self, aws, collector, clock):
        aws.images[ImageId.of_tag("v2")] = detail(digest_of(b"two"))
        wanted = [(parse_reference(f"{HOST}/team/app:{tag}"), SCAN) for tag in ("v2", "v1", "gone")]
        found = await collector.collect_all(wanted, deadline=clock.monotonic() + 60)
        assert [getattr(each.detail.value, "digest", None) for each in found] == [digest_of(b"two"), IMAGE, None]
        assert aws.ids(DETAIL) == [3]
        assert aws.ids(COVERAGE) == [2]


class TestDeadline:
    async def test_what_is_not_known_in_time_is_missing_for_want_of_time(self, aws, collect, clock):
        evidence = await collect(wanted=ALL, within=CALL / 2)
        assert evidence.detail == Missing(Cause.DEADLINE, DETAIL)
        assert evidence.settings == Missing(Cause.DEADLINE, TAGS)
        assert evidence.valid_until == 0
        assert clock.monotonic() - START_SECONDS == pytest.approx(CALL / 2, abs=1e-3)

    async def test_what_is_known_in_time_is_given(self, aws, collect):
        evidence = await collect(wanted=ALL, within=1.5 * CALL)
        assert evidence.detail.value.digest == IMAGE
        assert isinstance(evidence.settings, Known)
        assert evidence.scans == {IMAGE: Missing(Cause.DEADLINE, TYPE)}
        assert evidence.valid_until == 0

    async def test_children_that_are_not_known_in_time(self, aws, collect):
        push_index(aws, entry("amd", "linux/amd64"))
        evidence = await collect(within=1.5 * CALL)
        assert evidence.runnable == Missing(Cause.DEADLINE, MANIFEST)
        assert evidence.scans == {}

    async def test_scans_of_children_that_are_not_known_in_time(self, aws, collect):
        push_index(aws, entry("amd", "linux/amd64"))
        evidence = await collect(within=2.5 * CALL)
        assert isinstance(evidence.runnable, Known)
        assert evidence.scans == {digest_of(b"amd"): Missing(Cause.DEADLINE, TYPE)}

    async def test_what_was_not_asked_for_is_not_said_to_be_late(self, collect):
        assert (await collect(wanted=SCAN, within=0)).settings == Missing(Cause.NOT_ASKED, TAGS)

    async def test_work_past_the_deadline_is_finished_and_kept_so_that_the_retry_is_instant(self, aws, collect, clock):
        await collect(within=CALL / 2)
        await asyncio.sleep(1)
        before, began = asked(aws), clock.monotonic()
        evidence = await collect(within=0.001)
        assert isinstance(evidence.scans[IMAGE], Known)
        assert (asked(aws), clock.monotonic()) == (before, began)

    async def test_a_retry_while_the_work_goes_on_joins_it(self, aws, collect):
        await collect(within=CALL / 2)
        assert isinstance((await collect()).scans[IMAGE], Known)
        assert [aws.count(source) for source in (DETAIL, TYPE, COVERAGE, FINDINGS)] == [1, 1, 1, 1]

    async def test_a_deadline_in_the_past_still_gives_what_is_known(self, collect):
        await collect()
        assert isinstance((await collect(within=-5)).scans[IMAGE], Known)

    async def test_what_was_known_before_is_given_stale(self, aws, collect):
        await collect()
        await asyncio.sleep(5.1)
        evidence = await collect(within=CALL / 2)
        assert evidence.detail.stale is Cause.DEADLINE
        assert evidence.detail.value.digest == IMAGE
        assert evidence.scans[IMAGE].stale is None

    async def test_known_looks_nothing_up(self, aws, collector, collect):
        assert collector.known(TAG, ALL).detail == Missing(Cause.DEADLINE, DETAIL)
        assert aws.asked == []
        evidence = await collect(wanted=ALL)
        known = collector.known(TAG, ALL)
        assert (known.detail, known.settings, known.runnable, known.scans, known.valid_until) == (
            evidence.detail,
            evidence.settings,
            evidence.runnable,
            evidence.scans,
            evidence.valid_until,
        )


class TestTrouble:
    async def test_too_many_collections_are_told_so_and_given_what_is_known(self, aws, collect, facts, monkeypatch):
        monkeypatch.setattr(collector_module, "MAX_COLLECTIONS", 1)
        await facts.details.get((APP, V1))
        other = asyncio.create_task(collect(parse_reference(f"{HOST}/team/app:other")))
        await asyncio.sleep(0)
        evidence = await collect(wanted=ALL)
        assert evidence.detail.value.digest == IMAGE
        assert evidence.settings == Missing(Cause.OVERLOADED, TAGS)
        assert evidence.scan_type == evidence.scans[IMAGE] == Missing(Cause.OVERLOADED, TYPE)
        assert evidence.valid_until == 0
        await other
        assert isinstance((await collect(wanted=ALL)).scans[IMAGE], Known)

    async def test_who_waits_for_a_collection_under_way_is_never_too_many(self, collect, monkeypatch):
        monkeypatch.setattr(collector_module, "MAX_COLLECTIONS", 1)
        evidence = await asyncio.gather(*(collect() for _ in range(10)))
        assert all(isinstance(each.scans[IMAGE], Known) for each in evidence)

    async def test_an_unforeseen_exception_is_logged_and_an_internal_error(self, facts, clock, monkeypatch):
        def broken(*_):
            raise RuntimeError("oh no")

        log = Mock()
        monkeypatch.setattr(collector_module, "_log", log)
        monkeypatch.setattr(collector_module, "_itself", broken)
        collector = Collector(facts, clock)
        found = await collector.collect(TAG, SCAN, deadline=clock.monotonic() + 60)
        assert found.detail == Missing(Cause.INTERNAL, DETAIL)
        assert not found.is_whole
        assert found.valid_until == 0
        assert [str(call.kwargs["exc_info"]) for call in log.error.call_args_list] == ["oh no", "oh no"]

    async def test_a_walk_over_what_is_known_that_waits_leaves_nothing_known(self, collector, collect, monkeypatch):
        """An answer that is not there yet must never read as one."""
        await collect(wanted=ALL)
        assert collector.known(TAG, ALL).is_whole
        settings, log = collector._settings, Mock()

        async def waits(*args: Any) -> Any:
            await asyncio.sleep(0)
            return await settings(*args)

        monkeypatch.setattr(collector_module, "_log", log)
        monkeypatch.setattr(collector, "_settings", waits)
        known = collector.known(TAG, ALL)
        collector.renew(TAG, ALL)
        assert {fact.cause for fact in known.facts if isinstance(fact, Missing)} == {Cause.INTERNAL}
        assert len(known.facts) == 4
        assert (known.is_whole, known.valid_until) == (False, 0)
        assert [type(call.kwargs["exc_info"]) for call in log.error.call_args_list] == [SuspendedError, SuspendedError]

    async def test_stale_evidence_says_why(self, aws, collect):
        await collect()
        aws.failing["*"] = unavailable(Cause.UNREACHABLE)
        await asyncio.sleep(700)
        evidence = await collect()
        assert evidence.detail.stale is Cause.UNREACHABLE
        assert evidence.scans[IMAGE].stale is Cause.UNREACHABLE
        assert evidence.scans[IMAGE].observed_at < EPOCH + timedelta(seconds=1)


class TestRenewal:
    """Remembered evidence that is used late has its facts renewed, each late in its own life and no other."""

    async def settle(self):
        await asyncio.sleep(4 * CALL)

    async def test_the_facts_that_are_late_are_renewed_and_the_others_left_alone(self, aws, collector, collect):
        await collect(wanted=ALL)
        await asyncio.sleep(4.5)
        aws.asked.clear()
        collector.renew(TAG, ALL)
        await self.settle()
        assert asked(aws) == [DETAIL]

    async def test_a_hot_image_never_waits(self, aws, collector, collect, clock):
        """Read ten times a second and remembered as the reviewer does: until its end, renewed once in the last fifth."""
        waits, until, renew_at = [], 0.0, 0.0
        for _ in range(15_000):
            began = clock.monotonic()
            if began >= until:
                until = (await collect(wanted=ALL)).valid_until
                waits.append(clock.monotonic() - began)
                renew_at = until - (until - clock.monotonic()) * RENEWED_SHARE
            elif began >= renew_at:
                collector.renew(TAG, ALL)
                renew_at = float("inf")
            await asyncio.sleep(0.1)
        assert len(waits) > 100
        assert waits[0] > 0
        assert max(waits[1:]) == 0

    async def test_scans_and_settings_are_renewed_too(self, aws, collector, collect, facts, clock):
        push_index(aws, entry("amd", "linux/amd64"), entry("arm", "linux/arm64"))
        await collect(wanted=ALL)
        kept = {
            "settings": facts.settings.peek(APP)[1],
            "scans": facts.scans.peek((APP, digest_of(b"arm"), ScanType.ENHANCED))[1],
        }
        for _ in range(599 - int(clock.monotonic() - START_SECONDS)):
            await asyncio.sleep(1)
            collector.renew(TAG, ALL)
        await self.settle()
        assert facts.settings.peek(APP)[1] > kept["settings"]
        assert facts.scans.peek((APP, digest_of(b"arm"), ScanType.ENHANCED))[1] > kept["scans"]

    async def test_children_are_renewed_too(self, aws, collector, collect):
        push_index(aws, entry("amd", "linux/amd64"))
        await collect()
        await asyncio.sleep(0.7 * CONTENT_SECONDS)
        collector.renew(TAG, SCAN)
        await self.settle()
        assert aws.count(MANIFEST) == 1
        await asyncio.sleep(0.2 * CONTENT_SECONDS)
        collector.renew(TAG, SCAN)
        await self.settle()
        assert aws.count(MANIFEST) == 2

    async def test_a_cold_image_is_left_alone(self, aws, collector, collect):
        await collect(wanted=ALL)
        await asyncio.sleep(4.5)
        collector.renew(TAG, ALL)
        await self.settle()
        aws.asked.clear()
        await asyncio.sleep(3_600)
        assert aws.asked == []

    async def test_nothing_is_looked_up_for_an_image_that_nobody_collected(self, aws, collector):
        collector.renew(TAG, ALL)
        await self.settle()
        assert aws.asked == []

    async def test_facts_that_are_not_wanted_are_not_renewed(self, aws, collector, collect):
        await collect(wanted=ALL)
        await asyncio.sleep(295)
        aws.asked.clear()
        collector.renew(TAG, SCAN)
        await self.settle()
        assert TAGS not in asked(aws)
