"""A new tag costs one round trip where Inspector's answer by tag counts; everywhere else Inspector is asked by digest."""

import asyncio
from datetime import timedelta

import pytest

from tests.unit.gather.fakes import APP, IMAGE, REGISTRY, SCANNED, detail, finding, unavailable
from tests.unit.gather.virtual_time import EPOCH
from tidegate.evidence.fact import Cause, Known
from tidegate.evidence.inspection import FoundFindings
from tidegate.evidence.needs import needs
from tidegate.evidence.repository import ScanType
from tidegate.evidence.scan import Coverage, ScanState
from tidegate.gather import lifetimes
from tidegate.gather.recent import Recent
from tidegate.gather.scans import WAIT_SECONDS
from tidegate.images.digest import digest_of
from tidegate.images.image_id import ImageId
from tidegate.images.manifest import OCI_INDEX
from tidegate.images.reference import parse_reference
from tidegate.images.repository import EcrRepository

HOST = "111122223333.dkr.ecr.eu-west-1.amazonaws.com"
SCAN = needs(settings=False, scan=True, platforms=())
DETAIL, COVERAGE, FINDINGS = "ecr:DescribeImages", "inspector2:ListCoverage", "inspector2:ListFindings"
MOVED = digest_of(b"moved")
BY_TAG, BY_DIGEST = ("team/app", "v1"), ("team/app", IMAGE)
CALL = 0.1


@pytest.fixture(autouse=True)
async def inspected(aws, facts):
    """An image with a finding, in a registry of which it is known that Inspector scans it."""
    await facts.scan_types.get(REGISTRY)
    aws.found[IMAGE] = FoundFindings(findings=(finding("CVE-1"),))
    aws.asked.clear()


@pytest.fixture
def collect(collector, clock):
    async def run(tag="v1", repository="team/app"):
        reference = parse_reference(f"{HOST}/{repository}:{tag}")
        return await collector.collect(reference, SCAN, deadline=clock.monotonic() + 60)

    return run


def asked(aws, source=FINDINGS):
    return [ids for name, ids in aws.asked if name == source]


def found(evidence):
    """The findings of each digest that was scanned."""
    return {digest: [each.id for each in fact.value.findings] for digest, fact in evidence.scans.items()}


async def rounds(clock, work):
    """How many calls followed each other."""
    began = clock.monotonic()
    evidence = await work
    return evidence, round((clock.monotonic() - began) / CALL)


class TestOneRoundTrip:
    async def test_a_new_tag_takes_one(self, aws, collect, clock):
        evidence, trips = await rounds(clock, collect())
        assert found(evidence) == {IMAGE: ["CVE-1"]}
        assert trips == 1
        assert asked(aws, COVERAGE) == asked(aws, FINDINGS) == [(BY_TAG,)]

    async def test_the_answer_is_remembered_for_the_digest(self, aws, collect, facts):
        await collect()
        aws.asked.clear()
        aws.images[ImageId.of_tag("v2")] = detail()
        assert found(await collect("v2")) == {IMAGE: ["CVE-1"]}
        fact, _ = facts.scans.peek((APP, IMAGE, ScanType.ENHANCED))
        assert fact.value.coverage == SCANNED
        assert asked(aws, COVERAGE) == [(("team/app", "v2"),)]

    async def test_it_is_asked_for_by_digest_soon_where_it_is_used_for_longer(self, aws, collect):
        await collect()
        await asyncio.sleep(lifetimes.BY_TAG_SECONDS + 1)
        assert found(await collect()) == {IMAGE: ["CVE-1"]}
        assert asked(aws) == [(BY_TAG,), (BY_DIGEST,)]

    async def test_a_tag_that_is_known_is_not_asked_for_again(self, aws, collect):
        await collect()
        aws.asked.clear()
        await asyncio.sleep(lifetimes.MOVABLE_TAG_SECONDS + 1)
        await collect()
        assert [name for name, _ in aws.asked] == [DETAIL]

    async def test_ten_tags_of_one_registry_share_a_call(self, aws, collect, clock):
        for number in range(25):
            aws.images[ImageId.of_tag(f"t{number}")] = detail(digest_of(bytes([number])))
            aws.found[digest_of(bytes([number]))] = FoundFindings(findings=(finding(f"CVE-{number}"),))
        everything = asyncio.gather(*(collect(f"t{number}", f"team/app{number % 5}") for number in range(25)))
        evidence, _ = await rounds(clock, everything)
        assert [found(each) for each in evidence] == [{digest_of(bytes([n])): [f"CVE-{n}"]} for n in range(25)]
        assert aws.ids(COVERAGE) == aws.ids(FINDINGS) == [10, 10, 5]

    async def test_an_earlier_scan_is_remembered_as_by_digest(self, aws, collect, clock):
        await collect()
        aws.images[ImageId.of_tag("v2")] = detail()
        await asyncio.sleep(lifetimes.SCANNED_SECONDS + 1)
        evidence = await collect("v2")
        assert evidence.scans[IMAGE].value.scanned_since == SCANNED.last_scanned_at
        assert evidence.scans[IMAGE].observed_at > EPOCH + timedelta(seconds=lifetimes.SCANNED_SECONDS)
        assert asked(aws, FINDINGS) == [(BY_TAG,), (("team/app", "v2"),)]


class TestByDigest:
    """Where the answer by tag does not count, the one by digest decides, and nothing of the other is kept."""

    @pytest.mark.parametrize("late", [MOVED, None], ids=["another digest", "nothing"])
    async def test_a_tag_that_inspector_lists_late(self, aws, collect, facts, clock, late):
        aws.late_tags["v1"] = late
        aws.found[MOVED] = FoundFindings(findings=(finding("CVE-moved"),))
        evidence, trips = await rounds(clock, collect())
        assert (found(evidence), trips) == ({IMAGE: ["CVE-1"]}, 2)
        assert asked(aws) == [(BY_TAG,), (BY_DIGEST,)]
        assert not isinstance(facts.scans.peek((APP, MOVED, ScanType.ENHANCED))[0], Known)

    async def test_an_empty_list_by_tag_is_never_no_findings(self, aws, collect):
        """Inspector lists the coverage under the tag, and its findings not yet."""
        hidden, aws.found = aws.found, {}
        aws.during[FINDINGS] = lambda: aws.found.update(hidden)
        assert found(await collect()) == {IMAGE: ["CVE-1"]}
        assert asked(aws) == [(BY_TAG,), (BY_DIGEST,)]

    @pytest.mark.parametrize(
        "coverage",
        [
            pytest.param(Coverage(state=ScanState.PENDING), id="pending"),
            pytest.param(Coverage(state=ScanState.SCANNED), id="without a time"),
            pytest.param(Coverage(state=ScanState.UNKNOWN, last_scanned_at=SCANNED.last_scanned_at), id="not known"),
            pytest.param(Coverage(state=ScanState.SCANNED, last_scanned_at=EPOCH), id="of just now"),
        ],
    )
    async def test_a_scan_that_is_not_over(self, aws, collect, coverage):
        aws.coverages[IMAGE] = coverage
        evidence = await collect()
        assert evidence.scans[IMAGE].value.coverage == coverage
        assert asked(aws)[:2] == [(BY_TAG,), (BY_DIGEST,)]

    @pytest.mark.parametrize("source", [COVERAGE, FINDINGS])
    @pytest.mark.parametrize("cause", [Cause.UNEXPECTED_ANSWER, Cause.THROTTLED, Cause.ACCESS_DENIED, Cause.INTERNAL])
    async def test_an_error_by_tag(self, aws, collect, source, cause):
        aws.failing[source] = unavailable(cause, source)
        aws.during = {}
        fail_once(aws, source)
        assert found(await collect()) == {IMAGE: ["CVE-1"]}
        assert asked(aws, source) == [(BY_TAG,), (BY_DIGEST,)]

    async def test_an_error_both_times_is_why_there_is_no_scan(self, aws, collect):
        aws.failing[FINDINGS] = unavailable(Cause.SERVER_ERROR, FINDINGS)
        evidence = await collect()
        assert evidence.scans[IMAGE].cause is Cause.SERVER_ERROR
        assert evidence.valid_until == 0

    async def test_a_batch_that_failed_by_tag_is_not_asked_for_by_tag_in_parts(self, aws, collect):
        for tag in ("v2", "v3"):
            aws.images[ImageId.of_tag(tag)] = detail()
        aws.failing[COVERAGE] = unavailable(Cause.UNEXPECTED_ANSWER, COVERAGE)
        await asyncio.gather(*(collect(tag) for tag in ("v1", "v2", "v3")))
        assert [ids for ids in asked(aws, COVERAGE) if isinstance(ids[0][1], str) and "v1" in ids[0][1]] == [
            (("team/app", "v1"), ("team/app", "v2"), ("team/app", "v3"))
        ]

    async def test_inspector_that_takes_long_by_tag(self, aws, collect, executor, clock):
        executor.delays = [CALL, 30.0, 30.0]
        began = clock.monotonic()
        assert found(await collect()) == {IMAGE: ["CVE-1"]}
        assert clock.monotonic() - began == pytest.approx(2 * CALL + WAIT_SECONDS, abs=0.02)

    async def test_an_index_is_judged_by_its_children(self, aws, collect):
        aws.images[ImageId.of_tag("v1")] = detail(media_type=OCI_INDEX)
        evidence = await collect()
        assert evidence.scans == {}
        assert asked(aws) == [(BY_TAG,)]


class TestNotByTag:
    """Inspector is not asked by tag where that is of no use."""

    async def test_a_registry_of_which_the_scanner_is_not_known_or_another(self, aws, collect, facts):
        aws.type = ScanType.BASIC
        facts.scan_types.shorten(REGISTRY, 0)
        await collect()
        await collect("v2")
        assert asked(aws) == asked(aws, COVERAGE) == []

    async def test_a_digest(self, aws, collector, clock):
        reference = parse_reference(f"{HOST}/team/app@{IMAGE}")
        await collector.collect(reference, SCAN, deadline=clock.monotonic() + 60)
        assert asked(aws) == [(BY_DIGEST,)]

    async def test_an_image_of_which_no_scan_is_wanted(self, aws, collector, clock):
        wanted = needs(settings=True, scan=False, platforms=())
        await collector.collect(parse_reference(f"{HOST}/team/app:v1"), wanted, deadline=clock.monotonic() + 60)
        assert asked(aws) == []

    async def test_a_repository_whose_last_answer_did_not_count_until_a_while_later(self, aws, collect, facts):
        for tag in ("v2", "v3"):
            aws.images[ImageId.of_tag(tag)] = detail()
        aws.late_tags["v1"] = None
        await collect()
        await collect("v2")
        assert asked(aws) == [(BY_TAG,), (BY_DIGEST,)]
        await asyncio.sleep(lifetimes.NOT_BY_TAG_SECONDS - 1)
        await collect("no")
        assert len(asked(aws)) == 2
        await asyncio.sleep(2)
        await facts.scan_types.get(REGISTRY)
        await collect("v3")
        assert asked(aws)[2] == (("team/app", "v3"),)

    async def test_it_is_remembered_of_a_bounded_number_of_repositories(self, aws, collect, facts, monkeypatch):
        monkeypatch.setattr(facts._scans, "_not_by_tag", Recent(3))
        aws.late_tags["v1"] = None
        for number in range(5):
            await collect("v1", f"team/app{number}")
        assert [each.name for each in facts._scans._not_by_tag] == [f"team/app{number}" for number in (2, 3, 4)]
        assert EcrRepository(REGISTRY, "team/app4") in facts._scans._not_by_tag


def fail_once(aws, source):
    """Have the next call of an API alone fail."""
    problem = aws.failing.pop(source)
    ask = aws._ask

    def once(name, registry, ids):
        if name == source:
            aws.failing[source] = problem
            aws._ask = ask
        try:
            ask(name, registry, ids)
        finally:
            aws.failing.pop(source, None)

    aws._ask = once
