"""Digest pinning: an image gets the digest that was judged, and only where no policy refuses it by tag or digest."""

from unittest import mock

import pytest

from tests.unit.admission.fakes import (
    BAD,
    UNKNOWN,
    body,
)
from tests.unit.admission.pinned import ANY, PINNED_TAG, WARNING, world
from tests.unit.builders import (
    HOUR,
    IMAGE,
    MINUTE,
    detail,
    digest,
    ecr,
    evidence,
    full_policy,
    globs,
    known,
    missing,
    policy,
    settings,
)
from tidegate.admission.plan import judge_plan
from tidegate.admission.reviewer import ANSWER_MARGIN_SECONDS
from tidegate.evidence.fact import Cause
from tidegate.evidence.image import Absence
from tidegate.evidence.repository import TagMutability
from tidegate.policy.model import Match, ScanRules, SelectorOperator, SelectorRequirement, TagRules
from tidegate.policy.snapshot import PolicySnapshot

MUTABLE = evidence(settings=settings(TagMutability.MUTABLE), valid_until=float("inf"))


@pytest.mark.parametrize(
    "found",
    [
        pytest.param(UNKNOWN, id="AWS does not answer"),
        pytest.param(evidence(detail=Absence.IMAGE), id="no such image"),
        pytest.param(evidence(detail=missing()), id="unreachable"),
    ],
)
@pytest.mark.parametrize("rules", [ANY, WARNING], ids=["deny", "warn"])
async def test_an_image_that_cannot_be_resolved_is_left(found, rules):
    one = world(rules)
    one.evidence.otherwise = found
    assert await one.patch(body(IMAGE)) == []


@pytest.mark.parametrize(
    "rules",
    [
        pytest.param(policy(tags=TagRules(immutable=True)), id="immutable"),
        pytest.param(policy(tags=TagRules(digest_required=True), scan=ScanRules()), id="digest required"),
        pytest.param(policy(tags=TagRules(forbidden=globs("v*")), scan=ScanRules()), id="forbidden tag"),
    ],
)
async def test_what_a_policy_refuses_by_its_tag_stays_refused(rules):
    """The validating webhook lets every tag pass that has a digest, so a digest must not be added to such a tag."""
    one = world(rules)
    one.evidence.otherwise = MUTABLE
    assert await one.patch(body(IMAGE)) == []


async def test_a_policy_that_only_warns_about_a_mutable_tag_does_not_prevent_its_pinning():
    one = world(WARNING)
    one.evidence.otherwise = MUTABLE
    assert await one.mutated({"spec": {"containers": [{"image": IMAGE}]}}) == {
        "spec": {"containers": [{"image": PINNED_TAG}]}
    }


async def test_an_image_that_is_refused_is_left_so_that_the_refusal_names_what_the_user_wrote():
    one = world(full_policy())
    one.evidence.answers[IMAGE] = BAD
    assert await one.patch(body(IMAGE)) == []


async def test_an_image_that_is_admitted_by_its_tag_is_not_pinned_to_be_refused_by_its_digest():
    """During an outage the evidence of the tag may be remembered, and nothing of the digest."""
    one = world()
    one.evidence.answers[PINNED_TAG] = UNKNOWN
    assert await one.patch(body(IMAGE)) == []
    assert one.evidence.looked_up == [IMAGE, PINNED_TAG]


async def test_a_digest_that_the_registry_answers_with_another_one_is_not_used():
    one = world(WARNING)
    one.evidence.answers[PINNED_TAG] = evidence(detail=detail(digest=digest("another")))
    assert await one.patch(body(IMAGE)) == []


@pytest.mark.parametrize(("old", "is_pinned"), [(HOUR, True), (HOUR + 2 * MINUTE, False)], ids=["within", "beyond"])
@pytest.mark.parametrize("rules", [ANY, WARNING], ids=["deny", "warn"])
async def test_the_last_known_digest_is_used_within_max_stale_and_no_longer(old, is_pinned, rules):
    one = world(rules)
    stale = known(detail(), old=old, stale=Cause.UNREACHABLE)
    one.evidence.answers[IMAGE] = evidence(detail=stale, valid_until=1.0)
    assert bool(await one.patch(body(IMAGE))) is is_pinned


async def test_only_images_that_a_policy_looks_up_are_resolved():
    one = world(policy(registries=(ecr(),), scan=ScanRules()))
    assert await one.patch(body("nginx", "ghcr.io/team/app:v1", "localhost:5000/app")) == []
    assert one.evidence.looked_up == []


async def test_without_a_policy_nothing_is_pinned():
    one = world(policy(scan=ScanRules(), match=Match(namespaces=globs("elsewhere"))))
    assert await one.patch(body(IMAGE)) == []
    assert one.evidence.looked_up == []


async def test_before_the_policies_are_read_nothing_is_pinned():
    one = world()
    one.policies.snapshot = PolicySnapshot.unsynced()
    assert await one.patch(body(IMAGE)) == []


async def test_the_look_ups_count_for_the_namespace_and_end_at_the_deadline_of_the_request():
    one = world()
    await one.patch(body(IMAGE, namespace="shop"))
    assert set(one.evidence.shares) == {"shop"}
    assert {deadline for _, deadline in one.evidence.asked} == {one.clock.seconds + 10.0 - ANSWER_MARGIN_SECONDS}


async def test_remembered_evidence_is_used_and_renewed_without_a_look_up():
    one = world()
    fresh = evidence(valid_until=float("inf"))
    one.evidence.remembered = {IMAGE: fresh, PINNED_TAG: fresh}
    assert await one.patch(body(IMAGE))
    assert one.evidence.looked_up == []
    assert one.evidence.renewed == [IMAGE, PINNED_TAG]


@pytest.mark.parametrize("is_known", [True, False])
async def test_aws_is_waited_for_as_long_as_usual_only_where_old_evidence_is_remembered(is_known):
    one = world()
    if is_known:
        old = evidence(valid_until=1.0)
        one.evidence.remembered = {IMAGE: old, PINNED_TAG: old}
    await one.patch(body(IMAGE))
    assert one.evidence.patience == [not is_known] * 2


@pytest.mark.parametrize(("labels", "is_pinned"), [({"team": "a"}, True), ({}, False), (None, True)])
async def test_the_labels_of_a_new_namespace_are_fetched_and_unknown_ones_are_selected(labels, is_pinned):
    selector = SelectorRequirement(key="team", operator=SelectorOperator.EXISTS)
    one = world(policy(match=Match(namespace_selector=(selector,)), scan=ScanRules()))
    one.namespaces.fetched = {} if labels is None else {"shop": labels}
    assert bool(await one.patch(body(IMAGE))) is is_pinned
    assert one.namespaces.deadlines == [one.clock.seconds + 10.0 - ANSWER_MARGIN_SECONDS]


async def test_what_pinning_judged_is_not_judged_again_by_the_validating_webhook():
    one = world()
    with mock.patch("tidegate.admission.verdicts.judge_plan", wraps=judge_plan) as judging:
        for _ in range(3):
            assert await one.patch(body(IMAGE))
            assert await one.reviewed(body(PINNED_TAG))
    assert [call.args[0].text for call in judging.call_args_list] == [IMAGE, PINNED_TAG]


async def test_what_a_policy_refuses_is_left_where_nothing_is_enforced():
    """There, the verdicts that pinning shares deny nothing."""
    one = world(full_policy(), audit_only=True)
    one.evidence.answers[IMAGE] = BAD
    assert await one.reviewed(body(IMAGE))
    assert await one.patch(body(IMAGE)) == []


async def test_other_policies_are_judged_at_once():
    one = world()
    assert await one.patch(body(IMAGE))
    one.policies.snapshot = PolicySnapshot.of((policy(tags=TagRules(forbidden=globs("v*")), scan=ScanRules()),))
    assert await one.patch(body(IMAGE)) == []
