"""A request under exceptions: how long a decision is kept, and for which images and namespaces."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from tests.unit.admission.fakes import BAD, TICK, World, body
from tests.unit.builders import DAY, IMAGE, NOW, ecr, evidence, exception, finding, full_policy, report
from tidegate.policy.exceptions import ImagePolicyException
from tidegate.policy.model import ExceptableCheck, TagRules
from tidegate.policy.snapshot import PolicySnapshot
from tidegate.policy.trust_stores import NO_TRUST

EXCEPTED = exception(expires_at=NOW + timedelta(seconds=30))


def excepting(*exceptions: ImagePolicyException, policies: Sequence[Any] = ()) -> World:
    """Return a world in which every image is bad, with exceptions."""
    world = World()
    world.policies.snapshot = PolicySnapshot.of(policies or [full_policy()], NO_TRUST, exceptions)
    world.evidence.otherwise = BAD
    return world


async def test_a_decision_that_rests_on_an_exception_is_kept_until_it_ends_and_no_longer():
    world = excepting(EXCEPTED)
    assert (await world.review(body(IMAGE)))["allowed"] is True
    world.clock.seconds += 30.0 - TICK
    assert world.at_once(body(IMAGE))["allowed"] is True
    world.clock.seconds += TICK
    assert (await world.review(body(IMAGE)))["allowed"] is False


async def test_so_is_one_that_rests_on_no_evidence():
    pinned = full_policy(tags=TagRules(digest_required=True), scan=None, vulnerabilities=None)
    world = excepting(replace(EXCEPTED, checks=(ExceptableCheck.TAGS,)), policies=[pinned])
    assert world.at_once(body(IMAGE))["allowed"] is True
    world.clock.seconds += 30.0
    assert world.at_once(body(IMAGE))["allowed"] is False


async def test_one_by_id_is_kept_no_longer_than_the_first_exception_that_it_needs():
    later = exception("later", expires_at=NOW + DAY, vulnerabilities=("CVE-2026-0002",))
    world = excepting(replace(EXCEPTED, checks=(), vulnerabilities=("CVE-2026-0001",)), later)
    world.evidence.otherwise = evidence(report(finding(), finding("CVE-2026-0002")), valid_until=float("inf"))
    assert (await world.review(body(IMAGE)))["allowed"] is True
    world.clock.seconds += 30.0
    assert (await world.review(body(IMAGE)))["allowed"] is False


async def test_a_removed_exception_ends_at_once_and_a_new_one_counts_at_once():
    world = excepting()
    assert (await world.review(body(IMAGE)))["allowed"] is False
    world.policies.snapshot = PolicySnapshot.of([full_policy()], NO_TRUST, [EXCEPTED])
    assert (await world.review(body(IMAGE)))["allowed"] is True
    world.policies.snapshot = PolicySnapshot.of([full_policy()])
    assert (await world.review(body(IMAGE)))["allowed"] is False


async def test_an_exception_of_one_namespace_or_image_is_remembered_for_no_other():
    world = excepting(replace(EXCEPTED, images=(ecr("team/app"),)))
    other = IMAGE.replace("team/app", "team/other")
    assert (await world.review(body(IMAGE)))["allowed"] is True
    assert (await world.review(body(IMAGE, namespace="bank")))["allowed"] is False
    assert (await world.review(body(other)))["allowed"] is False
    assert (await world.review(body(IMAGE, other)))["allowed"] is False
    assert world.at_once(body(IMAGE))["allowed"] is True


async def test_the_warning_and_the_audit_log_name_the_exception():
    world = excepting(EXCEPTED)
    response = await world.review(body(IMAGE))
    assert "exception allowed until 2026-06-01 12:00 UTC" in response["warnings"][0]
    assert response["auditAnnotations"]["decision"] == "allowed-with-warnings"
    assert response["auditAnnotations"]["exceptions"].startswith(
        f"{IMAGE}: vulnerabilities: excepted by exception allowed"
    )
    assert "findings" not in response["auditAnnotations"]


async def test_the_wall_clock_set_back_gives_an_exception_no_second_life_in_memory():
    """The end is computed from the wall clock when the image is judged; the reviewer forgets its verdicts after a jump."""
    world = excepting(EXCEPTED)
    assert (await world.review(body(IMAGE)))["allowed"] is True
    world.reviewer.forget()
    world.clock.seconds += 31.0
    assert (await world.review(body(IMAGE)))["allowed"] is False
