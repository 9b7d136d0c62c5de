"""What AWS says decides, as of when it says so; what it says oddly, or lies about, is never an allow."""

import pytest

from tests.integration.gather.gate import IMMUTABLE, NO_CRITICAL, OTHER, image
from tests.simulator import World
from tests.simulator.scans import BasicScan, Coverage, ScanState
from tidegate.images.platform import parse_platform

AMD64 = (parse_platform("linux/amd64"),)
BOTH = NO_CRITICAL | IMMUTABLE
LISTED = {"registries": [{"account": "111122223333", "region": "eu-west-1", "repositories": ["team/**"]}]}


class TestTags:
    async def test_a_tag_that_moved_is_judged_by_its_new_digest_once_its_time_is_over(self, world, bad, start):
        good = world.add_image("team/bad", "fixed")
        evil = world.image("team/bad", "v1").digest
        world.move_tag("team/bad", "v1", good)
        gate = start()
        assert (await gate.review(bad)).allowed
        world.move_tag("team/bad", "v1", evil)
        gate.clock.advance(5.1)
        answer = await gate.review(bad)
        assert not answer.allowed
        assert "CVE-2099-0001" in answer.message

    async def test_a_tag_that_moved_away_from_a_bad_image_is_allowed_then(self, world, bad, start):
        gate = start()
        assert not (await gate.review(bad)).allowed
        world.move_tag("team/bad", "v1", world.add_image("team/bad", "fixed"))
        gate.clock.advance(5.1)
        assert (await gate.review(bad)).allowed

    async def test_a_tag_that_was_removed_is_missing_once_its_time_is_over(self, world, app, start):
        gate = start()
        assert (await gate.review(app)).allowed
        world.remove_image("team/app", "v1")
        gate.clock.advance(5.1)
        assert "ImageNotFound" in (await gate.review(app)).message

    async def test_an_image_that_is_pushed_after_it_was_missed_is_found_soon(self, world, start):
        gate = start()
        world.add_repository("team/app")
        assert "ImageNotFound" in (await gate.review(image())).message
        world.add_image("team/app", "v1")
        gate.clock.advance(5.1)
        assert (await gate.review(image())).allowed

    async def test_a_repository_that_was_made_mutable_is_refused_once_its_time_is_over(self, world, app, start):
        gate = start(IMMUTABLE)
        assert (await gate.review(app)).allowed
        world.set_mutability("team/app", "MUTABLE")
        gate.clock.advance(301)
        assert "TagMutable" in (await gate.review(app)).message

    async def test_a_digest_is_judged_without_its_tag(self, sim, world, app, start):
        digest = world.image("team/app", "v1").digest
        assert (await start(BOTH).review(image(tag=digest))).allowed
        assert sim.calls("ecr", "DescribeRepositories") == 0


class TestFindingsThatAreStillToCome:
    """A scan that says it is done before its findings are there: between the two nothing may be allowed."""

    @pytest.fixture(autouse=True)
    def _stopped_clock(self, world: World) -> None:
        """However long the machine takes for a step."""
        world.clock.freeze()

    @pytest.mark.parametrize("step", [1.0, 5.0, 7.0])
    async def test_a_bad_image_is_never_allowed_in_between(self, world: World, start, step):
        world.add_image("team/app", "v1", pushed_at=0, scanned=False)
        world.set_coverage("team/app", "v1", "ACTIVE", "PENDING_INITIAL_SCAN", at=1)
        world.set_coverage("team/app", "v1", "ACTIVE", "SUCCESSFUL", at=60)
        world.add_finding("team/app", "v1", severity="CRITICAL", id="CVE-2099-0001", at=150)
        gate, reasons = start(), []
        for _ in range(int(400 / step)):
            answer = await gate.review(image())
            assert not answer.allowed
            reasons.append(next(each for each in ("NotScanned", "ScanPending", "Vulnerab") if each in answer.message))
            gate.clock.advance(step)
        assert list(dict.fromkeys(reasons)) in (
            ["NotScanned", "ScanPending", "Vulnerab"],
            ["ScanPending", "Vulnerab"],
        )

    async def test_a_good_image_is_allowed_once_its_findings_would_have_come(self, world, start):
        world.add_image("team/app", "v1", pushed_at=0, scanned=False)
        world.set_coverage("team/app", "v1", "ACTIVE", "PENDING_INITIAL_SCAN", at=1)
        world.set_coverage("team/app", "v1", "ACTIVE", "SUCCESSFUL", at=60)
        gate, allowed = start(), []
        for _ in range(50):
            allowed.append((await gate.review(image())).allowed)
            gate.clock.advance(5.0)
        first = allowed.index(True)
        assert 60 + 120 <= first * 5.0 <= 60 + 120 + 35
        assert all(allowed[first:])

    @pytest.mark.parametrize("pushed", ["-2h", "-10d"])
    @pytest.mark.parametrize("first", [5, 30], ids=["the first findings at once", "the first findings later"])
    async def test_a_first_scan_long_after_the_push_settles_like_any_other(self, world, start, pushed, first):
        """Inspector was switched on, or the image came into its scope: findings arrive one by one after that scan."""
        world.add_image("team/app", "v1", pushed_at=pushed, scanned=False)
        world.set_coverage("team/app", "v1", "ACTIVE", "SUCCESSFUL", at=0)
        world.add_finding("team/app", "v1", severity="LOW", at=first)
        world.add_finding("team/app", "v1", severity="CRITICAL", id="CVE-2099-0001", at=110)
        gate, reasons = start(), []
        for _ in range(40):
            answer = await gate.review(image())
            assert not answer.allowed
            reasons.append(next(each for each in ("ScanPending", "CVE-2099-0001") if each in answer.message))
            gate.clock.advance(5.0)
        assert list(dict.fromkeys(reasons)) == ["ScanPending", "CVE-2099-0001"]

    async def test_a_clean_image_that_is_scanned_again_all_the_time_is_refused_once_at_most(self, world, start):
        """Without a finding only earlier look-ups prove an earlier scan; the first one finds a scan of just now."""
        world.add_image("team/app", "v1", pushed_at="-10d")
        for again in range(-5, 1_000, 40):
            world.set_coverage("team/app", "v1", "ACTIVE", "SUCCESSFUL", at=again)
        gate, allowed = start(), []
        for _ in range(95):
            allowed.append((await gate.review(image())).allowed)
            gate.clock.advance(10.0)
        first = allowed.index(True)
        assert first * 10.0 <= 120 + 35
        assert all(allowed[first:])

    @pytest.mark.parametrize(
        ("code", "reason"), [("ACTIVE", "SUCCESSFUL"), ("INACTIVE", "SCAN_FREQUENCY_SCAN_ON_PUSH")]
    )
    async def test_a_status_that_says_scanned_and_has_no_time_is_undetermined(self, world, start, code, reason):
        world.add_image("team/app", "v1", scanned=False)
        world.image("team/app", "v1").record(ScanState(at=0, coverage=Coverage(status=code, reason=reason)))
        answer = await start().review(image())
        assert not answer.allowed
        assert "EvidenceLacking" in answer.message
        tolerant = await start(NO_CRITICAL | {"onUndetermined": "Allow"}).review(image())
        assert tolerant.allowed

    async def test_a_basic_scan_that_is_complete_and_has_no_time_is_undetermined(self, world, start):
        world.set_scanning("BASIC")
        world.add_image("team/app", "v1", scanned=False)
        world.image("team/app", "v1").record(ScanState(at=0, basic=BasicScan(status="COMPLETE")))
        assert "EvidenceLacking" in (await start().review(image())).message

    async def test_a_new_finding_counts_within_the_time_that_a_scan_is_believed(self, world, app, start):
        gate = start()
        assert (await gate.review(app)).allowed
        world.add_finding("team/app", "v1", severity="CRITICAL", id="CVE-2099-0001")
        gate.clock.advance(601)
        assert "CVE-2099-0001" in (await gate.review(app)).message


class TestWhoScans:
    """Which scanner is asked is evidence with an age of its own."""

    async def test_a_scan_type_that_cannot_be_asked_for_again_serves_no_longer_than_max_stale(self, sim, app, start):
        gate = start(NO_CRITICAL | {"maxStale": "1h"})
        assert (await gate.review(app)).allowed
        sim.inject("access_denied", operation="GetRegistryScanningConfiguration", times=None)
        gate.clock.advance(601)
        answer = await gate.review(app)
        assert answer.allowed
        assert "judged by evidence" in answer.warnings
        gate.clock.advance(3600)
        assert "EvidenceTooOld" in (await gate.review(app)).message

    async def test_a_registry_whose_scanner_changed_is_judged_by_the_new_one(self, world, app, start):
        gate = start()
        assert (await gate.review(app)).allowed
        world.set_scanning("BASIC")
        gate.clock.advance(601)
        assert "NotScanned" in (await gate.review(app)).message


class TestNames:
    async def test_accounts_that_a_pod_makes_up_are_not_named_in_metrics(self, start):
        gate = start()
        for number in range(30):
            host = f"{number:012}.dkr.ecr.eu-west-1.amazonaws.com"
            assert not (await gate.review(f"{host}/team/app:v1")).allowed
        assert gate.metric("tidegate_source_calls_total") >= 30
        assert gate.metric("tidegate_source_calls_total", registry="other") == gate.metric(
            "tidegate_source_calls_total"
        )

    async def test_a_registry_that_answered_is(self, app, start):
        gate = start()
        assert (await gate.review(app)).allowed
        assert gate.metric("tidegate_source_calls_total", registry="111122223333/eu-west-1") >= 3


class TestContent:
    @pytest.fixture
    def index(self, world):
        """An index, its children by platform."""
        return world.add_index("team/multi", "v1")[1]

    async def test_an_index_is_judged_by_its_children(self, world, index, start):
        world.add_finding("team/multi", index["linux/arm64"], severity="CRITICAL", first_observed_at="-1d")
        answer = await start().review(image("team/multi"))
        assert not answer.allowed
        assert "linux/arm64" in answer.message
        assert (await start(platforms=AMD64).review(image("team/multi"))).allowed

    async def test_attestations_are_no_children(self, sim, index, start):
        assert (await start().review(image("team/multi"))).allowed
        assert sim.ids("inspector2", "ListCoverage") == [2]

    @pytest.mark.parametrize("kind", ["wrong_bytes", "huge_index"])
    async def test_other_bytes_than_those_of_the_digest_are_no_answer_and_nothing_is_scanned(
        self, sim, index, start, kind
    ):
        sim.inject(kind, service="ecr", operation="BatchGetImage")
        answer = await start().review(image("team/multi"))
        assert not answer.allowed
        assert "CouldNotCheck" in answer.message
        assert sim.calls("inspector2") == 0

    async def test_bytes_that_are_no_text_are_refused_and_not_scanned(self, sim, world, index, start):
        """Who may push may push such, so that it is no outage."""
        pushed = world.image("team/multi", "v1").manifest.data
        world.set_manifest_bytes("team/multi", "v1", pushed + b"\xff")
        answer = await start().review(image("team/multi"))
        assert not answer.allowed
        assert "ContentInvalid" in answer.message
        assert sim.calls("inspector2") == 0

    async def test_an_index_of_ten_thousand_children_is_refused_and_not_scanned(self, sim, world, start):
        world.add_huge_index("team/huge", "v1", children=10_000)
        answer = await start().review(image("team/huge"))
        assert not answer.allowed
        assert "ContentInvalid" in answer.message
        assert sim.calls("inspector2") == 0

    async def test_a_child_that_is_not_scanned_refuses_its_index(self, world, index, start):
        world.remove_coverage("team/multi", index["linux/amd64"])
        answer = await start().review(image("team/multi"))
        assert not answer.allowed
        assert "NotScanned" in answer.message

    @pytest.mark.parametrize("status", ["ARCHIVED", "ACTIVATING", "SIMULATED_UNKNOWN"])
    async def test_what_cannot_be_pulled_is_refused_and_not_scanned(self, sim, world, app, start, status):
        world.archive_image("team/app", "v1", status=status)
        answer = await start().review(app)
        assert not answer.allowed
        assert ("ImageArchived" in answer.message) == (status == "ARCHIVED")
        assert sim.calls("inspector2") == 0

    async def test_what_a_cache_does_not_hold_yet_is_said_to_be_that(self, sim, world, start):
        world.add_pull_through_rule("docker-hub")
        answer = await start(BOTH).review(image("docker-hub/library/redis"))
        assert not answer.allowed
        assert "PullThroughCacheMiss" in answer.message


class TestWordsOfTheFuture:
    @pytest.mark.parametrize(
        ("operation", "field"),
        [
            ("ListCoverage", "reason"),
            ("ListCoverage", "statusCode"),
            ("ListFindings", "status"),
            ("ListFindings", "severity"),
            ("GetRegistryScanningConfiguration", "scanType"),
            ("DescribeImages", "imageStatus"),
            ("DescribeImages", "imageManifestMediaType"),
            ("DescribeRepositories", "imageTagMutability"),
        ],
    )
    async def test_a_word_that_is_not_known_is_never_an_allow(self, sim, world, app, start, operation, field):
        world.add_finding("team/app", "v1", severity="LOW", first_observed_at="-1d")
        gate = start(BOTH)
        fault = sim.inject("unknown_enum", operation=operation, field=field)
        answer = await gate.review(app)
        assert fault.hits
        assert not answer.allowed
        sim.clear()
        gate.clock.advance(3_601)
        assert (await gate.review(app)).allowed

    async def test_a_row_of_another_type_of_scan_is_no_answer(self, sim, app, start):
        sim.inject("unknown_enum", operation="ListCoverage", field="scanType")
        assert "CouldNotCheck" in (await start().review(app)).message


class TestBasicScanning:
    @pytest.fixture(autouse=True)
    def basic(self, world):
        world.set_scanning("BASIC")

    async def test_ecr_is_asked_and_not_inspector(self, sim, world, start):
        world.add_image("team/app", "v1")
        world.add_image("team/bad", "v1")
        world.add_finding("team/bad", "v1", severity="CRITICAL", id="CVE-2099-0001", first_observed_at="-1d")
        fine, refused = await start().review_all([image(), image("team/bad")])
        assert fine.allowed
        assert "CVE-2099-0001" in refused.message
        assert sim.calls("inspector2") == 0

    @pytest.mark.parametrize("status", ["IN_PROGRESS", "FAILED", "UNSUPPORTED_IMAGE", "LIMIT_EXCEEDED", "NEW", None])
    async def test_a_scan_that_is_not_complete_is_refused(self, world, start, status):
        world.add_image("team/app", "v1")
        world.set_basic_scan("team/app", "v1", status)
        assert not (await start().review(image())).allowed

    @pytest.mark.usefixtures("impatient")
    @pytest.mark.parametrize("kind", ["throttle", "drop", "malformed_json"])
    async def test_trouble_is_no_answer(self, sim, world, start, kind):
        world.add_image("team/app", "v1")
        sim.inject(kind, operation="DescribeImageScanFindings")
        assert "CouldNotCheck" in (await start().review(image())).message


class TestNothingContacted:
    @pytest.fixture
    def silent(self, sim, monkeypatch):
        yield
        assert sim.log() == []

    @pytest.mark.usefixtures("silent")
    @pytest.mark.parametrize("region", ["xx-nowhere-1", "eu-west-1-evil", "cn-north-1"])
    @pytest.mark.parametrize("tag", ["v1", f"sha256:{'0' * 64}"])
    async def test_for_a_region_that_does_not_exist(self, start, region, tag):
        gate = start(BOTH)
        answer = await gate.review(image(tag=tag, region=region))
        assert not answer.allowed
        assert "RegionNotFound" in answer.message
        assert gate.metric("tidegate_source_calls_total") == 0

    @pytest.mark.usefixtures("silent")
    @pytest.mark.parametrize(
        "text",
        [
            image(account=OTHER),
            image(region="us-east-1"),
            image("other/app"),
            "docker.io/library/nginx:1",
            "registry.example.com/team/app:v1",
            "111122223333.dkr.ecr.eu-west-1.amazonaws.com.evil.example/team/app:v1",
        ],
    )
    async def test_for_a_registry_that_is_not_listed(self, start, text):
        answer = await start(BOTH | LISTED).review(text)
        assert not answer.allowed
        assert "RegistryNotAllowed" in answer.message

    async def test_but_for_one_that_is(self, sim, app, start):
        assert (await start(BOTH | LISTED).review(app)).allowed
        assert sim.log()

    @pytest.mark.usefixtures("silent")
    async def test_for_a_policy_that_needs_no_evidence(self, app, start):
        assert (await start(LISTED).review(app)).allowed
