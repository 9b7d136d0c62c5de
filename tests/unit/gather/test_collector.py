"""What is looked up for an image, in which order, what is not looked up, and what is known when time is up."""

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
    PINNED,
    SCAN,
    SETTINGS,
    TAG,
    TAGS,
    TYPE,
    V1,
    asked,
    entry,
    index,
    push_index,
)
from tests.unit.gather.fakes import IMAGE, REGISTRY, SCANNED, detail, unavailable
from tests.unit.gather.virtual_time import START_SECONDS
from tidegate.evidence.content import StoredManifest
from tidegate.evidence.fact import Cause, Missing
from tidegate.evidence.image import Absence, BadContent, ImageStatus, PlatformImage
from tidegate.evidence.repository import RepositorySettings, TagMutability
from tidegate.evidence.scan import Scanner, ScanReport
from tidegate.evidence.source_unavailable import UnknownRegionError
from tidegate.images.digest import digest_of
from tidegate.images.manifest import MAX_CHILDREN, OCI_INDEX, OCI_MANIFEST
from tidegate.images.reference import parse_reference


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
        assert "without a runnable image" in (await collect()).runnable.value.problem

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
