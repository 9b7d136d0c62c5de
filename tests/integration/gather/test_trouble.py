"""AWS in trouble: nothing is allowed for want of an answer, old evidence stands in for a bounded time, and it passes."""

import asyncio
from typing import Any

import pytest

from tests.integration.gather.gate import IMMUTABLE, NO_CRITICAL, OTHER, READER, image, make_impatient
from tests.waiting import until
from tidegate.aws import role as role_module
from tidegate.gather import fact_cache, throttle
from tidegate.gather.api_limiters import REGISTRY_CALLS, THREADS
from tidegate.gather.shares import RESERVED
from tidegate.gather.throttle import FAILURES_TO_OPEN, OPEN_SECONDS
from tidegate.settings import RegistryAccountSettings

BOTH = NO_CRITICAL | IMMUTABLE
HOUR = 3_600.0
KINDS = {
    "throttle": "AWS is throttling requests",
    "server_error": "AWS answered with a server error",
    "access_denied": "tidegate lacks the permission ",
    "expired_token": "credentials for AWS are missing, expired or not valid",
    "malformed_json": "an answer that tidegate does not understand",
    "drop": "AWS could not be reached",
    "down": "AWS could not be reached",
    "hang": "AWS could not be reached",
}
CALLS = [
    "ecr:DescribeImages",
    "ecr:DescribeRepositories",
    "ecr:GetRegistryScanningConfiguration",
    "inspector2:ListCoverage",
    "inspector2:ListFindings",
]
THEIRS = (RegistryAccountSettings(account=OTHER, role_arn=READER),)


@pytest.mark.parametrize("source", CALLS)
@pytest.mark.parametrize("kind", KINDS)
async def test_nothing_is_allowed_for_want_of_an_answer_and_it_passes(sim, app, start, kind, source, monkeypatch):
    make_impatient(monkeypatch, hangs=kind == "hang")
    service, operation = source.split(":")
    gate = start(BOTH)
    fault = sim.inject(kind, service=service, operation=operation, seconds=30.0)
    answer = await gate.review(app)
    assert not answer.allowed
    assert "CouldNotCheck" in answer.message
    assert KINDS[kind] in answer.message
    assert "VulnerabilitiesFound" not in answer.message
    told = gate.metric("tidegate_source_calls_total", api=source)
    assert told - gate.metric("tidegate_source_calls_total", api=source, cause="ok") == 1
    sim.clear(fault)
    gate.clock.advance(OPEN_SECONDS)
    assert (await gate.review(app)).allowed


@pytest.mark.parametrize("source", ["ecr:DescribeImages", "inspector2:ListFindings"])
@pytest.mark.parametrize("kind", KINDS)
async def test_a_bad_image_is_not_let_through_by_trouble(sim, bad, start, kind, source, monkeypatch):
    make_impatient(monkeypatch, hangs=kind == "hang")
    service, operation = source.split(":")
    sim.inject(kind, service=service, operation=operation, seconds=30.0)
    assert not (await start().review(bad)).allowed


@pytest.mark.usefixtures("impatient")
async def test_a_policy_may_tolerate_it_and_the_person_is_warned(sim, app, start):
    sim.inject("down", service="inspector2")
    answer = await start(NO_CRITICAL | {"onUndetermined": "Allow"}).review(app)
    assert answer.allowed
    assert "CouldNotCheck" in answer.warnings


async def test_trouble_is_tried_once_more_within_the_request(sim, app, start):
    fault = sim.inject("server_error", service="inspector2", times=1)
    assert (await start().review(app)).allowed
    assert fault.hits == 1


# Old evidence


@pytest.mark.usefixtures("impatient")
async def test_old_evidence_stands_in_within_max_stale_with_a_warning_and_no_longer(sim, app, start):
    gate = start(NO_CRITICAL)
    assert (await gate.review(app)).warnings == ""
    down = sim.inject("down")
    gate.clock.advance(HOUR / 2)
    for _ in range(2 * FAILURES_TO_OPEN):
        answer = await gate.review(app)
        assert answer.allowed
        assert "judged by evidence 30 min old: AWS could not be reached" in answer.warnings
    gate.clock.advance(HOUR / 2 - 60)
    assert (await gate.review(app)).allowed
    gate.clock.advance(61)
    answer = await gate.review(app)
    assert not answer.allowed
    assert "EvidenceTooOld" in answer.message
    assert "AWS could not be reached" in answer.message
    sim.clear(down)
    gate.clock.advance(OPEN_SECONDS + 1)
    answer = await gate.review(app)
    assert (answer.allowed, answer.warnings) == (True, "")


@pytest.mark.usefixtures("impatient")
async def test_a_verdict_on_old_evidence_is_not_remembered_past_max_stale(sim, app, start, monkeypatch):
    monkeypatch.setattr(fact_cache, "RETRY_SECONDS", 60.0)
    gate = start(NO_CRITICAL | {"maxStale": "10m30s"})
    await gate.review(app)
    sim.inject("down")
    gate.clock.advance(600)
    assert (await gate.review(app)).allowed
    gate.clock.advance(31)
    assert "EvidenceTooOld" in (await gate.review(app)).message


@pytest.mark.usefixtures("impatient")
async def test_with_max_stale_of_nothing_no_old_evidence_stands_in(sim, app, start):
    gate = start(NO_CRITICAL | {"maxStale": "0s"})
    await gate.review(app)
    sim.inject("down")
    gate.clock.advance(5.5)
    assert "EvidenceTooOld" in (await gate.review(app)).message


@pytest.mark.usefixtures("impatient")
async def test_old_bad_news_refuses_too(sim, bad, start):
    gate = start(NO_CRITICAL | {"onUndetermined": "Allow"})
    await gate.review(bad)
    sim.inject("down")
    gate.clock.advance(HOUR / 2)
    answer = await gate.review(bad)
    assert not answer.allowed
    assert "CVE-2099-0001" in answer.message


@pytest.mark.usefixtures("impatient")
async def test_that_an_image_was_missing_is_not_said_once_it_is_old(sim, world, app, start):
    gate = start()
    assert "ImageNotFound" in (await gate.review(image(tag="v2"))).message
    world.add_image("team/app", "v2")
    sim.inject("down")
    gate.clock.advance(60)
    answer = await gate.review(image(tag="v2"))
    assert "CouldNotCheck" in answer.message
    assert "ImageNotFound" not in answer.message


@pytest.mark.usefixtures("impatient")
async def test_a_finding_that_came_during_the_outage_counts_when_it_is_over(sim, world, app, start):
    gate = start()
    await gate.review(app)
    down = sim.inject("down", service="inspector2")
    gate.clock.advance(700)
    world.add_finding("team/app", "v1", severity="CRITICAL", id="CVE-2099-0002", first_observed_at="-1m")
    assert (await gate.review(app)).allowed
    sim.clear(down)
    gate.clock.advance(OPEN_SECONDS)
    assert "CVE-2099-0002" in (await gate.review(app)).message


# Pace


@pytest.mark.usefixtures("impatient")
async def test_aws_is_left_alone_while_it_is_down(sim, app, start):
    gate = start()
    sim.inject("down", operation="DescribeImages")
    for _ in range(10 * FAILURES_TO_OPEN):
        await gate.review(app)
    assert sim.calls("ecr", "DescribeImages") == FAILURES_TO_OPEN
    answer = await gate.review(app)
    assert "AWS failed repeatedly; tidegate retries" in answer.message
    gate.clock.advance(OPEN_SECONDS)
    await gate.review_all([image(tag=f"v{number}") for number in range(10)])
    assert sim.calls("ecr", "DescribeImages") == FAILURES_TO_OPEN + 1


async def test_naming_images_that_may_not_be_read_does_not_lock_out_the_registry(sim, app, world, start):
    for number in range(2 * FAILURES_TO_OPEN):
        sim.inject("access_denied", about=f"team/secret-{number}")
    gate = start()
    for number in range(2 * FAILURES_TO_OPEN):
        answer = await gate.review(image(f"team/secret-{number}"))
        assert "lacks the permission" in answer.message
    assert (await gate.review(app)).allowed


async def test_calls_keep_to_the_rate(sim, world, start):
    names = [f"team/app-{number}" for number in range(30)]
    for name in names:
        world.add_image(name, "v1")
    gate = start(rate_per_second=100.0, burst=5)
    began = asyncio.get_running_loop().time()
    assert all(each.allowed for each in await gate.review_all([image(name) for name in names]))
    assert asyncio.get_running_loop().time() - began >= (30 - 5) / 100.0


@pytest.mark.usefixtures("impatient")
async def test_a_throttled_api_is_paused(sim, world, app, start, monkeypatch):
    monkeypatch.setattr(throttle, "PAUSE_SECONDS", 5.0)
    gate = start()
    fault = sim.inject("throttle", operation="DescribeImages", times=1)
    assert "AWS is throttling requests" in (await gate.review(app)).message
    answer = await gate.review(app, seconds=0.5)
    assert "AWS did not answer in time" in answer.message
    assert (fault.hits, sim.calls("ecr", "DescribeImages")) == (1, 1)
    gate.clock.advance(5.0)
    # The look-up of another image wakes the one that waits; its timer is set to real seconds.
    world.add_image("team/other", "v1")
    assert all(each.allowed for each in await gate.review_all([app, image("team/other")]))


# The deadline


async def test_past_the_deadline_the_answer_says_what_was_not_known_and_the_retry_is_instant(sim, app, start):
    gate = start()
    aws = gate.hold_aws()
    answer = await gate.review(app, seconds=0.2)
    assert not answer.allowed
    assert "AWS did not answer in time" in answer.message
    aws.release()
    await until(lambda: sim.calls("inspector2", "ListFindings"))
    await until(gate.is_quiet)
    aws.hold()
    assert (await gate.review(app, seconds=10.0)).allowed
    assert sim.calls("inspector2", "ListFindings") == 1


async def test_what_is_known_allows_nothing_where_reading_it_would_have_to_wait(app, start, monkeypatch):
    """A fault of tidegate's own: the same evidence allows while it is read as it should be."""
    gate = start()
    aws = gate.hold_aws()
    aws.release()
    assert (await gate.review(app)).allowed
    gate.clock.advance(6)
    aws.hold()
    answer = await gate.review(app, seconds=0.5)
    assert answer.allowed
    assert answer.warnings
    collector = gate.engine.collector
    scans = collector._scans

    async def wait(*args: Any) -> Any:
        await asyncio.sleep(0)
        return await scans(*args)

    monkeypatch.setattr(collector, "_scans", wait)
    answer = await gate.review(app, seconds=0.5)
    assert not answer.allowed
    assert "an error inside tidegate" in answer.message
    aws.release()


async def test_a_registry_that_hangs_does_not_hold_up_another(sim, world, app, monkeypatch, start):
    """More calls hang than there are threads; the other registry still answers before any of them ends."""
    make_impatient(monkeypatch, read_timeout_seconds=30.0)
    hang = sim.inject("hang", account=OTHER, service="ecr", operation="DescribeImages", seconds=60.0)
    gate = start(accounts=THEIRS)
    names = [f"team/app-{number}" for number in range(2 * THREADS)]
    stuck = [asyncio.create_task(gate.review(image(name, account=OTHER), seconds=20.0)) for name in names]
    await until(lambda: hang.hits >= REGISTRY_CALLS - REGISTRY_CALLS // RESERVED)
    assert (await gate.review(app, seconds=10.0)).allowed
    assert not any(task.done() for task in stuck)
    for task in stuck:
        task.cancel()
    sim.clear()
    gate.engine.close()


# Other accounts


async def test_another_account_is_judged_through_its_role(sim, world, start):
    world.add_image("shared/base", "v1", account=OTHER)
    assert (await start(accounts=THEIRS).review(image("shared/base", account=OTHER))).allowed
    assert sim.calls("sts", "AssumeRole") == 1


async def test_another_account_without_a_role_could_not_be_checked(sim, world, start):
    world.add_image("shared/base", "v1", account=OTHER)
    answer = await start().review(image("shared/base", account=OTHER))
    assert not answer.allowed
    assert "tidegate lacks the permission " in answer.message


async def test_a_role_that_may_not_be_assumed_is_said_and_the_own_account_goes_on(sim, world, app, monkeypatch, start):
    world.add_account(OTHER, roles=())
    world.add_image("shared/base", "v1", account=OTHER)
    now = [100.0]
    monkeypatch.setattr(role_module, "monotonic", lambda: now[0])
    gate = start(accounts=THEIRS)
    theirs = image("shared/base", account=OTHER)
    for _ in range(2 * FAILURES_TO_OPEN):
        answer = await gate.review(theirs)
        assert not answer.allowed
        assert "CouldNotCheck" in answer.message
        assert READER not in answer.message
    assert (await gate.review(app)).allowed
    assert sim.calls("sts", "AssumeRole") == 1
    world.add_account(OTHER)
    now[0] += role_module.REFUSAL_SECONDS
    gate.clock.advance(OPEN_SECONDS)
    assert (await gate.review(theirs)).allowed


async def test_credentials_that_aws_calls_expired_are_renewed_within_the_request(sim, world, start):
    world.add_image("shared/base", "v1", account=OTHER)
    world.add_image("shared/base", "v2", account=OTHER)
    gate = start(accounts=THEIRS)
    assert (await gate.review(image("shared/base", account=OTHER))).allowed
    sim.expire_sessions()
    assert (await gate.review(image("shared/base", "v2", account=OTHER))).allowed
    assert sim.calls("sts", "AssumeRole") >= 2
