"""Many requests at once cost AWS few calls, and none of them has a share in another's fate."""

import asyncio
import math

import pytest

from tests.integration.gather.gate import IMMUTABLE, NO_CRITICAL, image
from tests.waiting import until

PER_IMAGE = [("ecr", "DescribeImages"), ("inspector2", "ListCoverage"), ("inspector2", "ListFindings")]


def calls(sim):
    return {operation: sim.calls(service, operation) for service, operation in PER_IMAGE}


@pytest.mark.parametrize("name", ["app", "bad"])
async def test_a_thousand_requests_for_one_new_image_are_one_look_up(sim, start, request, name):
    text, gate = request.getfixturevalue(name), start()
    answers = await gate.review_all([text] * 1_000)
    assert {each.allowed for each in answers} == {name == "app"}
    assert calls(sim) == dict.fromkeys(("DescribeImages", "ListCoverage", "ListFindings"), 1)


async def test_requests_for_many_images_are_few_calls(sim, world, start):
    count = 200
    texts = [image("team/many", tag) for tag, _ in world.add_scanned_images("team/many", count)]
    answers = await start().review_all(texts)
    assert all(each.allowed for each in answers)
    slack = 2
    assert sim.calls("ecr", "DescribeImages") <= math.ceil(count / 100) + slack
    assert sim.calls("inspector2", "ListCoverage") <= math.ceil(count / 10) + slack
    assert sim.calls("inspector2", "ListFindings") <= math.ceil(count / 10) + slack
    assert sim.calls() <= 2 * math.ceil(count / 10) + math.ceil(count / 100) + 1 + 3 * slack


async def test_one_pod_of_many_images_is_few_calls_too(sim, world, start):
    texts = [image("team/many", tag) for tag, _ in world.add_scanned_images("team/many", 30)]
    assert (await start().review(*texts)).allowed
    assert calls(sim) == {"DescribeImages": 1, "ListCoverage": 3, "ListFindings": 3}


async def test_repositories_of_one_registry_are_described_together(sim, world, start):
    names = [f"team/app-{number}" for number in range(150)]
    for name in names:
        world.add_image(name, "v1")
    answers = await start(IMMUTABLE).review_all([image(name) for name in names])
    assert all(each.allowed for each in answers)
    assert sim.calls("ecr", "DescribeRepositories") <= 3


async def test_a_tag_that_is_missing_fails_its_own_request_alone(sim, world, start):
    texts = [image("team/many", tag) for tag, _ in world.add_scanned_images("team/many", 20)]
    missing = image("team/many", "gone")
    *others, answer = await start().review_all([*texts, missing])
    assert all(each.allowed for each in others)
    assert not answer.allowed
    assert "ImageNotFound" in answer.message


async def test_a_repository_that_is_missing_fails_its_own_request_alone(app, start):
    fine, gone = await start(NO_CRITICAL | IMMUTABLE).review_all([app, image("team/nobody")])
    assert fine.allowed
    assert "RepositoryNotFound" in gone.message


async def test_an_image_that_is_bad_refuses_its_own_pod_alone(app, bad, start):
    fine, refused, both = await asyncio.gather(*(start().review(*texts) for texts in ([app], [bad], [app, bad])))
    assert [fine.allowed, refused.allowed, both.allowed] == [True, False, False]
    assert "CVE-2099-0001" in refused.message
    assert "1 of 2 images" in both.message


async def test_a_request_that_is_cancelled_fails_nobody_else(sim, app, start):
    sim.latency_seconds = 0.05
    gate = start()
    tasks = [asyncio.create_task(gate.review(app)) for _ in range(20)]
    await until(sim.calls)
    for task in tasks[:19]:
        task.cancel()
    assert (await tasks[19]).allowed
    assert calls(sim)["ListFindings"] == 1


async def test_what_is_known_is_answered_without_a_call_or_a_wait(sim, app, bad, start):
    gate = start()
    await gate.review(app, bad)
    sim.reset_counters()
    assert gate.warm(app).allowed
    assert not gate.warm(app, bad).allowed
    assert sim.calls() == 0


async def test_a_hot_image_does_not_wait_when_times_to_live_end(sim, app, start):
    """Read for minutes, in which the tag's time to live ends again and again; AWS answers between the requests only."""
    gate = start()
    aws = gate.hold_aws()
    aws.release()
    await gate.review(app)
    sim.reset_counters()
    for _ in range(400):
        gate.clock.advance(0.4)
        aws.hold()
        async with asyncio.timeout(10):
            assert (await gate.review(app)).allowed
        aws.release()
        await until(gate.is_quiet)
    assert sim.calls("ecr", "DescribeImages") > 20


async def test_a_cold_image_costs_nothing(sim, app, start):
    gate = start()
    await gate.review(app)
    sim.reset_counters()
    for _ in range(100):
        gate.clock.advance(60.0)
        await asyncio.sleep(0)
    assert sim.calls() == 0


async def test_the_operator_sees_every_call_that_aws_saw(sim, world, app, bad, start):
    gate = start(NO_CRITICAL | IMMUTABLE)
    for number in range(250):
        world.add_finding("team/app", "v1", severity="LOW", id=f"CVE-2099-{number:04}", first_observed_at="-1d")
    await gate.review_all([app, bad, *(image(tag=f"gone-{number}") for number in range(5)), image("team/nobody")])
    assert sim.calls("inspector2", "ListFindings") >= 3
    for service, operation in (*PER_IMAGE, ("ecr", "DescribeRepositories"), ("ecr", "DescribePullThroughCacheRules")):
        counted = gate.metric("tidegate_source_calls_total", api=f"{service}:{operation}")
        assert counted == sim.calls(service, operation) > 0, operation


async def test_more_missing_tags_than_a_batch_has_calls_for_are_all_answered(sim, world, app, start):
    """Those left over are asked for again, in smaller batches; the operator sees every call."""
    gate = start()
    answers = await gate.review_all([app, *(image(tag=f"gone-{number}") for number in range(60))])
    assert [each.allowed for each in answers] == [True] + [False] * 60
    assert all("ImageNotFound" in each.message for each in answers[1:])
    assert gate.metric("tidegate_source_unanswered_ids_total") == 0
    assert gate.metric("tidegate_source_calls_total", api="ecr:DescribeImages") == sim.calls("ecr", "DescribeImages")
    assert gate.metric("tidegate_source_calls_total", api="ecr:DescribeImages", cause="ok") == sim.calls(
        "ecr", "DescribeImages"
    )
