"""Namespaces whose labels are not known yet are asked for where a policy selects by labels; unknown ones are selected."""

import pytest

from tests.unit.admission.fakes import World, body
from tests.unit.builders import IMAGE, evidence, finding, full_policy, globs, policy, report
from tidegate.policy.model import Match, ScanRules, SelectorOperator, SelectorRequirement, TagRules
from tidegate.policy.snapshot import PolicySnapshot

TEAM = SelectorRequirement(key="team", operator=SelectorOperator.EXISTS)
BY_LABEL = policy("by-label", match=Match(namespace_selector=(TEAM,)), tags=TagRules(digest_required=True))
BY_NAME = full_policy("by-name", match=Match(namespaces=globs("shop")))

FETCHED = [
    pytest.param({"team": "a"}, False, id="selected by its labels"),
    pytest.param({"stage": "test"}, True, id="not selected"),
    pytest.param({}, True, id="no labels at all"),
    pytest.param(None, False, id="the API server does not say"),
]


@pytest.mark.parametrize(("labels", "allowed"), FETCHED)
async def test_a_namespace_not_known_is_asked_for_before_the_deadline(labels, allowed):
    world = World(BY_LABEL)
    if labels is not None:
        world.namespaces.fetched = {"shop": labels}
    assert (await world.review(body(IMAGE), 5.0))["allowed"] is allowed
    assert world.namespaces.deadlines == [1003.75]


@pytest.mark.parametrize(("labels", "allowed"), [case.values for case in FETCHED[:3]], ids=["selected", "not", "none"])
async def test_labels_that_are_known_are_not_asked_for(labels, allowed):
    world = World(BY_LABEL)
    world.namespaces.known = {"shop": labels}
    assert (await world.review(body(IMAGE)))["allowed"] is allowed
    assert world.namespaces.deadlines == []


async def test_labels_that_no_policy_needs_are_not_asked_for():
    world = World(BY_NAME)
    assert (await world.review(body(IMAGE)))["allowed"] is True
    assert world.namespaces.deadlines == []


async def test_waiting_for_labels_and_for_evidence_is_one_wait():
    world = World(full_policy(match=Match(namespace_selector=(TEAM,))))
    world.namespaces.fetched = {"shop": {"team": "a"}}
    world.namespaces.meanwhile = lambda: setattr(world.clock, "seconds", 1003.0)
    assert (await world.review(body(IMAGE), 5.0))["allowed"] is True
    assert world.evidence.asked == [([IMAGE], 1003.75)]
    assert [seconds for _, _, seconds, _ in world.observer.seen] == [3.0]


async def test_a_verdict_that_ended_while_the_labels_were_asked_for_is_not_used():
    world = World(policy(match=Match(namespace_selector=(TEAM,)), scan=ScanRules()))
    world.evidence.otherwise = evidence(valid_until=1002.0)
    world.namespaces.fetched = {"shop": {"team": "a"}}
    assert (await world.review(body(IMAGE)))["allowed"] is True
    world.evidence.otherwise = evidence(report(finding(), last_scanned_at=None), runnable=(), valid_until=1002.0)
    world.namespaces.meanwhile = lambda: setattr(world.clock, "seconds", 1002.0)
    assert (await world.review(body(IMAGE)))["allowed"] is False


async def test_a_request_is_judged_by_the_policies_that_were_in_force_when_it_came():
    world = World(BY_LABEL)
    world.namespaces.fetched = {"shop": {"team": "a"}}

    def change() -> None:
        world.policies.snapshot = PolicySnapshot.of([])

    world.namespaces.meanwhile = change
    assert (await world.review(body(IMAGE)))["allowed"] is False
    assert (await world.review(body(IMAGE)))["allowed"] is True
