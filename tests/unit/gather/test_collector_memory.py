"""What a collection remembers, renews, and shares with others of the same time."""

import asyncio

import pytest

from tests.unit.gather.collected import (
    ALL,
    AMD64,
    CALL,
    COVERAGE,
    DETAIL,
    FINDINGS,
    HOST,
    MANIFEST,
    SCAN,
    SETTINGS,
    TAG,
    TAGS,
    TYPE,
    V1,
    asked,
    entry,
    push_index,
)
from tests.unit.gather.fakes import APP, IMAGE, REGISTRY, detail, unavailable
from tests.unit.gather.virtual_time import START_SECONDS
from tidegate.evidence.fact import Cause, Known
from tidegate.evidence.image import Absence
from tidegate.evidence.image_evidence import RENEWED_SHARE
from tidegate.evidence.repository import RepositorySettings, ScanType, TagMutability
from tidegate.gather.lifetimes import CONTENT_SECONDS
from tidegate.gather.lookups import DetailKey
from tidegate.gather.scans import ScanKey
from tidegate.images.digest import digest_of
from tidegate.images.image_id import ImageId
from tidegate.images.reference import parse_reference
from tidegate.images.repository import EcrRepository

NOWHERE = EcrRepository(REGISTRY, "team/nowhere")


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
            facts.details.peek(DetailKey(APP, V1))[1],
            facts.settings.peek(APP)[1],
            facts.scans.peek(ScanKey(APP, IMAGE, ScanType.ENHANCED))[1],
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
        assert facts.details.peek(DetailKey(APP, V1))[1] - clock.monotonic() == pytest.approx(seconds)

    @pytest.mark.parametrize(
        ("ask", "seconds"),
        [
            pytest.param(lambda facts: facts.scan_types.get(REGISTRY), 300, id="how a registry scans"),
            pytest.param(lambda facts: facts.settings.get(APP), 300, id="how a repository is set up"),
            pytest.param(lambda facts: facts.settings.get(NOWHERE), 5, id="that a repository is missing"),
            pytest.param(
                lambda facts: facts.details.get(DetailKey(APP, ImageId.of_digest(IMAGE))), 300, id="an image by digest"
            ),
            pytest.param(
                lambda facts: facts.details.get(DetailKey(APP, ImageId.of_tag("no"))), 5, id="that a tag is missing"
            ),
            pytest.param(lambda facts: facts.scans.get(ScanKey(APP, IMAGE, ScanType.ENHANCED)), 240, id="a scan"),
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
        assert facts.details.peek(DetailKey(APP, V1))[1] - clock.monotonic() == pytest.approx(5)

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
            "registry_configurations",
            "repository_configurations",
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
            "scans": facts.scans.peek(ScanKey(APP, digest_of(b"arm"), ScanType.ENHANCED))[1],
        }
        for _ in range(599 - int(clock.monotonic() - START_SECONDS)):
            await asyncio.sleep(1)
            collector.renew(TAG, ALL)
        await self.settle()
        assert facts.settings.peek(APP)[1] > kept["settings"]
        assert facts.scans.peek(ScanKey(APP, digest_of(b"arm"), ScanType.ENHANCED))[1] > kept["scans"]

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
