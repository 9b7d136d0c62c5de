"""What other replicas and an earlier process knew: it decides while AWS cannot be reached, and never saves a look-up."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.integration.gather.gate import NO_CRITICAL, Gate, image
from tests.simulator import Simulator, World
from tests.stored_verdicts import clean, stored_verdict
from tidegate.evidence.repository import ScanType
from tidegate.evidence.scan import ScanReport
from tidegate.gather.stored_verdicts import Confirmation
from tidegate.images.repository import EcrRepository, parse_ecr_host
from tidegate.verdicts.decode import decode

SPEC: dict[str, Any] = {
    "tags": {"immutable": True},
    "vulnerabilities": {"maxCounts": {"CRITICAL": 0}},
}
GOOD, BAD, UNKNOWN, INDEX = image("team/good"), image("team/bad"), image("team/unknown"), image("team/index")
HOUR = timedelta(hours=1)


@pytest.fixture
def aws(sim: Simulator, world: World) -> Simulator:
    for name in ("good", "bad", "unknown"):
        world.add_image(f"team/{name}", "v1", pushed_at="-10d")
    world.add_finding("team/bad", "v1", severity="CRITICAL", at="-5d")
    world.add_index("team/index", "v1", pushed_at="-10d")
    return sim


def offer(gate: Gate, obj: dict[str, Any]) -> bool:
    """Hand over an object as the watch does."""
    expired = gate.engine.facts.offer(decode(obj))
    if expired:
        gate.reviewer.forget()
    return expired


async def restarted(aws: Simulator, *images: str, spec: dict[str, Any] | None = None, **more: Any) -> Gate:
    """A controller that was just started, with the objects of these images, while AWS cannot be reached."""
    writer = Gate(aws, spec or SPEC)
    objects = [await stored_verdict(writer, one, **more) for one in images]
    writer.engine.close()
    aws.inject("down")
    gate = Gate(aws, spec or SPEC)
    for obj in objects:
        offer(gate, obj)
    return gate


async def test_a_restarted_controller_decides_about_known_images_while_aws_is_unreachable(aws):
    gate = await restarted(aws, GOOD, BAD)
    gate.clock.advance(20 * 60)
    good = await gate.review(GOOD)
    assert good.allowed
    assert "judged by evidence 20 min old: AWS could not be reached" in good.warnings
    bad = await gate.review(BAD)
    assert not bad.allowed
    assert "VulnerabilitiesFound" in bad.message
    unknown = await gate.review(UNKNOWN)
    assert not unknown.allowed
    assert "CouldNotCheck" in unknown.message


async def test_an_image_by_digest_and_an_index_are_known_too(aws):
    digest = aws.world.image("team/good", "v1").digest
    gate = await restarted(aws, GOOD, INDEX, spec={"vulnerabilities": {"maxCounts": {"CRITICAL": 0}}})
    assert (await gate.review(image("team/good", digest))).allowed
    assert (await gate.review(INDEX)).allowed


async def test_evidence_beyond_max_stale_does_not_count(aws):
    gate = await restarted(aws, GOOD)
    gate.clock.advance(61 * 60)
    answer = await gate.review(GOOD)
    assert not answer.allowed
    assert "EvidenceTooOld" in answer.message


async def test_a_registry_that_was_followed_since_makes_evidence_about_digests_younger(aws):
    """What the change feed confirms of a registry holds for digests; tags and settings it does not follow."""
    by_digest = image("team/good", aws.world.image("team/good", "v1").digest)
    gate = await restarted(aws, by_digest)
    gate.clock.advance(5 * 3600)
    assert not (await gate.review(by_digest)).allowed
    now = gate.clock.now()
    confirm(gate, since=now - 6 * HOUR, confirmed_at=now - HOUR / 2)
    gate.clock.advance(2)
    answer = await gate.review(by_digest)
    assert answer.allowed
    assert "judged by evidence 30 min old" in answer.warnings
    confirm(gate, since=now - 4 * HOUR, confirmed_at=now)
    gate.clock.advance(2)
    gate.reviewer.forget()
    gate.engine.facts.details._entries.drop(next(iter(gate.engine.facts.details._entries._entries)))
    assert not (await gate.review(by_digest)).allowed


def confirm(gate: Gate, *, since: datetime, confirmed_at: datetime) -> None:
    registry = parse_ecr_host("111122223333.dkr.ecr.eu-west-1.amazonaws.com")
    assert registry is not None
    gate.engine.facts.stored.confirm({registry: Confirmation(since=since, confirmed_at=confirmed_at)})


async def test_aws_that_hangs_until_the_deadline_is_not_reached(aws):
    writer = Gate(aws, SPEC)
    obj = await stored_verdict(writer, GOOD)
    aws.inject("hang", seconds=30)
    gate = Gate(aws, SPEC)
    offer(gate, obj)
    answer = await gate.review(GOOD, seconds=3)
    assert answer.allowed
    assert "AWS did not answer in time" in answer.warnings


@pytest.mark.parametrize("is_newer_first", [False, True])
async def test_of_two_objects_with_the_scan_of_one_image_the_newer_counts(aws, is_newer_first):
    """An index and an image of it run: the object of each has the scan of the image."""
    _, children = aws.world.add_index("team/pair", "v1", pushed_at="-10d")
    child = children["linux/amd64"]
    aws.world.add_finding("team/pair", child, severity="CRITICAL", at="-5d")
    writer = Gate(aws, NO_CRITICAL)
    old = await stored_verdict(writer, image("team/pair"), change=clean, observed_at=writer.clock.now() - HOUR / 2)
    new = await stored_verdict(writer, image("team/pair", child))
    aws.inject("down")
    gate = Gate(aws, NO_CRITICAL)
    for obj in (new, old) if is_newer_first else (old, new):
        offer(gate, obj)
    for one in (image("team/pair"), image("team/pair", child)):
        answer = await gate.review(one)
        assert not answer.allowed
        assert "VulnerabilitiesFound" in answer.message


async def test_what_does_not_run_any_more_is_as_old_as_its_look_up(aws):
    """The change feed is about images that run: a finding that came later is not in the object."""
    by_digest = image("team/good", aws.world.image("team/good", "v1").digest)
    gate = await restarted(aws, by_digest, namespaces={})
    gate.clock.advance(20 * 3600)
    now = gate.clock.now()
    confirm(gate, since=now - 24 * HOUR, confirmed_at=now)
    answer = await gate.review(by_digest)
    assert not answer.allowed
    assert "EvidenceTooOld" in answer.message


def dirty(report: ScanReport) -> ScanReport:
    return ScanReport(scanner=report.scanner, coverage=report.coverage, complete=False)


@pytest.mark.parametrize("latency", [0.0, 1.0])
@pytest.mark.parametrize("ahead", [timedelta(0), timedelta(minutes=4)])
async def test_a_forged_object_never_allows_while_aws_answers(aws, latency, ahead):
    """Neither at first, nor when the own evidence is past its time to live and AWS is slower than usual."""
    writer = Gate(aws, SPEC)
    forged = await stored_verdict(writer, BAD, change=clean, observed_at=writer.clock.now() + ahead)
    gate = Gate(aws, SPEC)
    offer(gate, forged)
    if latency:
        aws.inject("latency", seconds=latency)
    assert not (await gate.review(BAD)).allowed
    for _ in range(2):
        gate.clock.advance(301)
        offer(gate, await stored_verdict(writer, BAD, change=clean, observed_at=gate.clock.now() + ahead))
        assert not (await gate.review(BAD)).allowed


async def test_a_forged_object_after_an_outage_does_not_allow_when_aws_is_slow_again(aws):
    writer = Gate(aws, SPEC)
    forged = await stored_verdict(writer, BAD, change=clean)
    gate = Gate(aws, SPEC)
    offer(gate, forged)
    aws.inject("down")
    assert (await gate.review(BAD)).allowed
    aws.clear()
    aws.inject("latency", seconds=1.0)
    gate.clock.advance(10)
    assert not (await gate.review(BAD)).allowed


async def test_facts_from_the_future_are_not_used(aws):
    gate = await restarted(aws, GOOD, observed_at=Gate(aws, SPEC).clock.now() + timedelta(minutes=6))
    assert len(gate.engine.facts.stored) == 0
    assert gate.engine.facts.stored.refused == 1
    assert not (await gate.review(GOOD)).allowed


async def test_facts_of_a_clock_that_is_ahead_are_as_old_as_their_arrival(aws):
    gate = await restarted(aws, GOOD, observed_at=Gate(aws, SPEC).clock.now() + timedelta(minutes=4))
    assert (await gate.review(GOOD)).allowed
    gate.clock.advance(61 * 60)
    assert not (await gate.review(GOOD)).allowed


async def test_a_newer_object_that_says_something_else_makes_the_next_request_ask_aws(aws):
    gate, writer = Gate(aws, SPEC), Gate(aws, SPEC)
    assert (await gate.review(GOOD)).allowed
    gate.clock.advance(1)
    aws.world.add_finding("team/good", "v1", severity="CRITICAL")
    assert gate.warm(GOOD).allowed
    assert offer(gate, await stored_verdict(writer, GOOD))
    before = aws.calls("inspector2")
    assert not (await gate.review(GOOD)).allowed
    assert aws.calls("inspector2") > before
    assert not offer(gate, await stored_verdict(writer, GOOD))


async def test_a_newer_object_that_says_the_same_changes_nothing(aws):
    aws.world.clock.freeze()
    gate, writer = Gate(aws, SPEC), Gate(aws, SPEC)
    assert (await gate.review(GOOD)).allowed
    gate.clock.advance(2)
    assert not offer(gate, await stored_verdict(writer, GOOD))
    assert gate.warm(GOOD).allowed


async def test_an_older_object_changes_nothing(aws):
    gate, writer = Gate(aws, SPEC), Gate(aws, SPEC)
    old = await stored_verdict(writer, GOOD, change=dirty)
    gate.clock.advance(2)
    assert (await gate.review(GOOD)).allowed
    assert not offer(gate, old)
    assert gate.warm(GOOD).allowed


async def test_a_newer_object_is_what_counts_if_aws_cannot_be_reached_then(aws):
    """Evidence that is known to be out of date does not allow, however slow AWS is."""
    gate, writer = Gate(aws, SPEC), Gate(aws, SPEC)
    assert (await gate.review(GOOD)).allowed
    gate.clock.advance(1)
    aws.world.add_finding("team/good", "v1", severity="CRITICAL")
    offer(gate, await stored_verdict(writer, GOOD))
    aws.inject("down")
    answer = await gate.review(GOOD)
    assert not answer.allowed
    assert "VulnerabilitiesFound" in answer.message


async def test_what_this_process_looked_up_later_outweighs_an_object(aws):
    gate, writer = Gate(aws, SPEC), Gate(aws, SPEC)
    old = await stored_verdict(writer, BAD, change=clean)
    gate.clock.advance(10)
    assert not (await gate.review(BAD)).allowed
    offer(gate, old)
    aws.inject("down")
    gate.clock.advance(600)
    assert not (await gate.review(BAD)).allowed


async def test_an_image_whose_object_is_gone_is_not_known(aws):
    gate = await restarted(aws, GOOD)
    stored = gate.engine.facts.stored
    for repository, digest in list(stored._kept):
        stored.drop(repository, digest)
    assert (len(stored), stored.size, stored._tags, stored._holders) == (0, 0, {}, {})
    assert not (await gate.review(GOOD)).allowed


async def test_a_tag_that_an_object_of_another_digest_names_later_is_asked_for_again(aws):
    """Pods of a moved tag: the other digest's object is newer."""
    spec = {"vulnerabilities": {"maxCounts": {"CRITICAL": 0}}}
    gate, writer = Gate(aws, spec), Gate(aws, spec)
    aws.world.set_mutability("team/good", "MUTABLE")
    aws.world.add_image("team/good", "v2", pushed_at="-9d")
    aws.world.add_finding("team/good", "v2", severity="CRITICAL", at="-5d")
    assert (await gate.review(GOOD)).allowed
    gate.clock.advance(1)
    aws.world.move_tag("team/good", "v1", aws.world.image("team/good", "v2").digest)
    assert offer(gate, await stored_verdict(writer, GOOD))
    assert not (await gate.review(GOOD)).allowed


async def test_the_scan_of_another_scanner_and_another_media_type_are_other_facts(aws):
    gate = await restarted(aws, GOOD)
    stored = gate.engine.facts.stored
    ((repository, digest),) = stored._kept
    assert isinstance(repository, EcrRepository)
    assert stored.scan(repository, digest, ScanType.ENHANCED) is not None
    assert stored.scan(repository, digest, ScanType.BASIC) is None
    assert stored.runnable((repository, digest, "application/other")) is None


async def test_more_than_may_be_kept_are_refused(aws, monkeypatch):
    monkeypatch.setattr("tidegate.gather.stored_verdicts.MAX_STORED", 1)
    gate = await restarted(aws, GOOD, BAD)
    assert (len(gate.engine.facts.stored), gate.engine.facts.stored.refused) == (1, 1)
    monkeypatch.setattr("tidegate.gather.stored_verdicts.MAX_STORED_BYTES", 10)
    gate = await restarted(aws)
    assert len(gate.engine.facts.stored) == 0
