"""What is remembered of earlier requests: the same answer with another uid, for exactly as long as every verdict holds."""

import gc
import json
import tracemalloc
from typing import Any
from unittest import mock

import pytest

from tests.unit.admission.fakes import UID, World, body
from tests.unit.builders import (
    IMAGE,
    MOMENT,
    NOW,
    PINNED,
    child,
    digest,
    evidence,
    finding,
    full_policy,
    globs,
    platforms,
    report,
)
from tidegate.admission import remembered
from tidegate.admission.decision import decide
from tidegate.admission.plan import judge_plan, make_plan
from tidegate.images import reference
from tidegate.policy.model import Match, TagRules
from tidegate.policy.snapshot import PolicySet, PolicySnapshot

BAD = evidence(report(finding()), valid_until=float("inf"))
OTHER_UID = "11111111-0000-0000-0000-000000000000"


@pytest.fixture
def composed():
    """How often an answer was composed rather than remembered."""
    with mock.patch("tidegate.admission.reviewer.decide", wraps=decide) as composing:
        yield lambda: composing.call_count


async def warm(world: World, *images: str) -> None:
    """Have the images judged, and the answer about them composed once from what is remembered of them."""
    await world.review(body(*images))
    world.at_once(body(*images))


@pytest.mark.parametrize("found", [evidence(valid_until=float("inf")), BAD], ids=["allowed", "refused"])
async def test_an_answer_is_composed_once_and_then_addressed_to_each_request(found, composed):
    world = World(full_policy())
    world.evidence.otherwise = found
    await warm(world, IMAGE, PINNED)
    before = composed()
    first = world.at_once(body(IMAGE, PINNED))
    answer = world.reviewer.review(body(IMAGE, PINNED, uid=OTHER_UID), 10.0)
    assert isinstance(answer, bytes)
    assert composed() == before
    assert json.loads(answer)["response"] == first | {"uid": OTHER_UID}
    assert first["uid"] == UID
    assert len(world.observer.seen) == 4


async def test_other_images_places_or_orders_are_answered_for_themselves():
    world = World(full_policy())
    world.evidence.answers = {PINNED: BAD}
    await warm(world, IMAGE, PINNED)
    assert world.at_once(body(IMAGE))["allowed"] is True
    assert world.at_once(body(IMAGE, PINNED))["allowed"] is False
    swapped = world.at_once(body(PINNED, IMAGE))["status"]["message"]
    assert "spec.containers[0].image: " + PINNED in swapped


async def test_an_answer_ends_with_the_first_of_its_verdicts(composed):
    world = World(full_policy())
    world.evidence.answers = {IMAGE: evidence(valid_until=1030.0), PINNED: evidence(valid_until=1500.0)}
    await warm(world, IMAGE, PINNED)
    world.clock.seconds = 1030.0
    world.evidence.answers = {IMAGE: BAD}
    assert (await world.review(body(IMAGE, PINNED)))["allowed"] is False
    assert world.evidence.looked_up == [IMAGE, PINNED, IMAGE]


async def test_an_answer_that_is_remembered_does_not_keep_evidence_from_being_renewed():
    world = World(full_policy())
    world.evidence.answers = {IMAGE: evidence(valid_until=1100.0), PINNED: evidence(valid_until=1500.0)}
    await warm(world, PINNED, IMAGE)
    world.clock.seconds = 1080.0
    world.at_once(body(PINNED, IMAGE))
    world.at_once(body(PINNED, IMAGE))
    assert world.evidence.renewed == [IMAGE]
    world.clock.seconds = 1100.0
    await world.review(body(PINNED, IMAGE))
    assert world.evidence.looked_up == [PINNED, IMAGE, IMAGE]


async def test_other_policies_answer_anew():
    world = World(full_policy())
    await warm(world, IMAGE)
    world.policies.snapshot = PolicySnapshot.of([full_policy(tags=TagRules(digest_required=True))])
    assert (await world.review(body(IMAGE)))["allowed"] is False


async def test_a_namespace_under_other_policies_is_answered_by_them():
    other = full_policy("b", match=Match(namespaces=globs("b")), tags=TagRules(digest_required=True))
    world = World(full_policy(), other)
    await warm(world, IMAGE)
    assert (await world.review(body(IMAGE, namespace="b")))["allowed"] is False
    assert world.at_once(body(IMAGE))["allowed"] is True


async def test_other_platforms_of_the_nodes_answer_anew():
    world = World(full_policy())
    world.evidence.otherwise = evidence(
        runnable=(child("amd", "linux/amd64"), child("arm", "linux/arm64")),
        scans={digest("amd"): report(), digest("arm"): report(finding())},
        valid_until=float("inf"),
    )
    world.platforms.these = platforms("linux/amd64")
    await warm(world, IMAGE)
    world.platforms.these = platforms("linux/arm64")
    assert (await world.review(body(IMAGE)))["allowed"] is False


async def test_plans_and_decisions_are_bounded_and_the_oldest_goes_first(monkeypatch, composed):
    monkeypatch.setattr(remembered, "MAX_DECISIONS", 2)
    world = World(full_policy())
    await warm(world, f"{IMAGE}-a")
    kept = world.reviewer._remembered
    monkeypatch.setattr(remembered, "MAX_PLAN_BYTES", 2 * kept._plans.bytes)
    for image in ("b", "c"):
        await warm(world, f"{IMAGE}-{image}")
    assert (len(kept._plans), len(kept._decisions)) == (2, 2)
    before = composed()
    world.at_once(body(f"{IMAGE}-c"))
    assert composed() == before
    with pytest.raises(AssertionError, match="waited for"):
        world.at_once(body(f"{IMAGE}-a"))


async def test_many_images_in_turn_do_not_replace_the_decisions_that_are_asked_for_again(monkeypatch, composed):
    """More than are remembered, and again and again: each is composed each time, for less than remembering it costs."""
    monkeypatch.setattr(remembered, "MAX_DECISIONS", 3)
    world = World(full_policy())
    await warm(world, IMAGE)
    many = [f"{IMAGE}-{number}" for number in range(5)]
    for image in many:
        await world.review(body(image))
    for image in many * 2:
        world.at_once(body(image))
    kept = world.reviewer._remembered
    before = composed()
    world.at_once(body(IMAGE))
    assert (composed(), len(kept._decisions), len(kept._missed)) == (before, 1, 3)


async def test_a_decision_is_remembered_when_it_is_asked_for_twice_in_a_short_time(monkeypatch, composed):
    monkeypatch.setattr(remembered, "MAX_DECISIONS", 3)
    world = World(full_policy())
    for number in range(3):
        await world.review(body(f"{IMAGE}-{number}"))
    await world.review(body(f"{IMAGE}-0"))
    before = composed()
    assert world.at_once(body(f"{IMAGE}-0"))["allowed"] is True
    assert composed() == before


async def test_a_decision_that_is_composed_anew_takes_the_place_of_the_old_one(monkeypatch):
    monkeypatch.setattr(remembered, "MAX_DECISIONS", 2)
    world = World(full_policy())
    world.evidence.answers = {PINNED: evidence(valid_until=1030.0)}
    await warm(world, IMAGE)
    await warm(world, PINNED)
    world.clock.seconds = 1030.0
    world.evidence.answers = {}
    await warm(world, PINNED)
    assert len(world.reviewer._remembered._decisions) == 2


TOO_LONG = "x" * (remembered.MAX_TEXT_CHARACTERS + 1)
NOT_KEPT = [
    pytest.param([TOO_LONG], 0, 0, id="a text longer than any reference"),
    pytest.param([IMAGE, TOO_LONG], 1, 0, id="such a text beside another"),
    pytest.param([IMAGE] * (remembered.MAX_USES + 1), 1, 0, id="more images than are remembered"),
    pytest.param([IMAGE] * remembered.MAX_USES, 1, 1, id="as many images as are remembered"),
]


@pytest.mark.parametrize(("images", "plans", "decisions"), NOT_KEPT)
async def test_what_could_fill_the_memory_is_answered_without_being_remembered(images, plans, decisions):
    world = World(full_policy())
    first: Any = await world.review(body(*images))
    assert await world.review(body(*images)) == first
    kept = world.reviewer._remembered
    assert (len(kept._plans), len(kept._decisions)) == (plans, decisions)


async def test_decisions_are_bounded_in_bytes(monkeypatch):
    """Thousands of Pods of many images, with long messages and warnings, take no more than their share of memory."""
    monkeypatch.setattr(remembered, "MAX_DECISION_BYTES", 400_000)
    world = World(full_policy())
    world.evidence.otherwise = BAD
    for number in range(20):
        await warm(world, *[f"{IMAGE}-{number}-{one}" for one in range(remembered.MAX_USES)])
    kept = world.reviewer._remembered._decisions
    assert 0 < len(kept) < 10
    assert kept.bytes <= 400_000


async def test_plans_are_bounded_in_bytes_with_their_verdicts(monkeypatch):
    monkeypatch.setattr(remembered, "MAX_PLAN_BYTES", 60_000)
    world = World(*[full_policy(f"p{number}") for number in range(10)])
    world.evidence.otherwise = BAD
    for number in range(20):
        await world.review(body(f"{IMAGE}-{number}"))
    kept = world.reviewer._remembered._plans
    assert 0 < len(kept) < 10
    assert kept.bytes <= 60_000


async def test_another_verdict_on_an_image_takes_the_place_of_the_one_before():
    world = World(full_policy())
    world.evidence.otherwise = evidence(valid_until=1010.0)
    await world.review(body(IMAGE))
    kept = world.reviewer._remembered._plans
    good = kept.bytes
    world.clock.seconds = 1010.0
    world.evidence.otherwise = BAD
    await world.review(body(IMAGE))
    assert kept.bytes > good
    assert len(kept) == 1
    world.reviewer._remembered.clear()
    assert (kept.bytes, len(kept)) == (0, 0)


async def test_an_image_that_passes_is_remembered_in_little_so_that_those_of_a_large_cluster_are():
    world = World(full_policy())
    await world.review(body(f"{IMAGE}-{'x' * 100}"))
    assert world.reviewer._remembered._plans.bytes * 20_000 <= remembered.MAX_PLAN_BYTES


async def test_the_set_of_policies_with_the_most_images_forgets_first(monkeypatch):
    """The many images of one namespace leave those of others under policies of their own."""
    world = World(full_policy(), full_policy("b", match=Match(namespaces=globs("b"))))
    await world.review(body(IMAGE, namespace="b"))
    monkeypatch.setattr(remembered, "MAX_PLAN_BYTES", 6 * world.reviewer._remembered._plans.bytes)
    for number in range(20):
        await world.review(body(f"{IMAGE}-{number}"))
    assert world.at_once(body(IMAGE, namespace="b"))["allowed"] is True


def test_a_set_of_policies_without_images_is_forgotten(monkeypatch):
    """Labels of namespaces can make any number of sets."""
    plans = remembered.Plans()
    monkeypatch.setattr(remembered, "MAX_PLAN_BYTES", 5_000)
    for _ in range(100):
        plans.put(make_plan(IMAGE, PolicySet.of([full_policy()]), ()))
    assert len(plans._kept) == len(plans) < 10


PASSED, REFUSED = evidence(valid_until=2000.0), BAD
JUDGED = [
    pytest.param(PASSED, 1, id="passed by one policy"),
    pytest.param(PASSED, 20, id="passed by twenty"),
    pytest.param(REFUSED, 1, id="refused by one policy"),
    pytest.param(REFUSED, 20, id="refused by twenty"),
]


LONG = "/".join("a" * 60 for _ in range(3))
NAMES = [
    pytest.param(f"{IMAGE}-{{}}", id="short"),
    pytest.param(f"{IMAGE.partition('/')[0]}/{LONG}/{{}}:{'t' * 120}@sha256:{'a' * 64}", id="long, in Amazon ECR"),
    pytest.param(f"{'h' * 60}.{'h' * 60}.example.com/{LONG}/{{}}:{'t' * 120}", id="long, elsewhere"),
]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("room", [0, remembered.MAX_SHARED_BYTES], ids=["nothing is shared", "policies are shared"])
@pytest.mark.parametrize(("found", "policies"), JUDGED)
def test_plans_take_no_more_memory_than_is_counted(found, policies, room, name, monkeypatch):
    monkeypatch.setattr(remembered, "MAX_SHARED_BYTES", room)
    monkeypatch.setattr(reference, "_parse", reference._parse.__wrapped__)  # Its own memory is bounded by itself.
    every = PolicySet.of(full_policy(f"p{number}") for number in range(policies))
    plans = remembered.Plans()
    counted = 0
    for number in range(71):
        made = make_plan(name.format(number), every, ())
        plans.put(made)
        made.verdict = judge_plan(made, found, now=NOW, monotonic=MOMENT, audit_only=False)
        made.until, made.renew_at = MOMENT + number, MOMENT + number / 2
        plans.put(made)
        if number == 20:
            # What all plans share, and what else is made once, was made with the first ones.
            counted = plans.bytes
            tracemalloc.start()
    gc.collect()
    taken = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert taken <= plans.bytes - counted
