"""One admission request from bytes to bytes: what is answered at once, what waits, and how long a verdict is kept."""

from datetime import timedelta
from typing import Any
from unittest import mock

import pytest

from tests.unit.admission.fakes import BAD, COUNTS, TICK, UID, World, body
from tests.unit.builders import (
    DAY,
    IMAGE,
    MINUTE,
    NOW,
    PINNED,
    broken,
    child,
    digest,
    evidence,
    finding,
    full_policy,
    globs,
    known,
    missing,
    platforms,
    policy,
    report,
)
from tidegate.admission.decision import Mark
from tidegate.admission.plan import judge_plan
from tidegate.admission.request import MAX_IMAGES, BadReviewError
from tidegate.admission.verdicts import NO_EVIDENCE_SECONDS
from tidegate.evidence.fact import Cause
from tidegate.evidence.scan import ScanState, Severity
from tidegate.policy.model import Action, Match, ScanRules, TagRules, Tolerance, VulnerabilityRules
from tidegate.policy.snapshot import PolicySnapshot


async def test_an_image_not_known_is_looked_up_once_and_then_answered_at_once():
    world = World(full_policy())
    first = await world.review(body(IMAGE))
    assert first["allowed"] is True
    assert world.at_once(body(IMAGE)) == first
    assert world.evidence.looked_up == [IMAGE]
    assert [(one.mark, waited) for _, one, _, waited in world.observer.seen] == [
        (Mark.ALLOWED, True),
        (Mark.ALLOWED, False),
    ]


async def test_a_refusal_is_kept_too():
    world = World(full_policy())
    world.evidence.otherwise = BAD
    first = await world.review(body(IMAGE))
    assert first["allowed"] is False
    assert world.at_once(body(IMAGE)) == first
    assert world.evidence.looked_up == [IMAGE]


async def test_only_the_images_not_known_are_looked_up_each_once():
    world = World(full_policy())
    await world.review(body(IMAGE))
    response = await world.review(body(IMAGE, PINNED, PINNED, "ghcr.io/team/app:v1"))
    assert world.evidence.looked_up == [IMAGE, PINNED]
    assert response["status"]["message"].splitlines()[0] == "1 of 4 images refused by tidegate"


async def test_the_observer_is_told_how_long_a_request_took():
    world = World(full_policy())
    world.evidence.meanwhile = lambda: setattr(world.clock, "seconds", 1000.25)
    await world.review(body(IMAGE))
    assert [seconds for _, _, seconds, _ in world.observer.seen] == [0.25]


async def test_nothing_is_looked_up_where_no_policy_wants_it():
    world = World(policy(tags=TagRules(forbidden=globs("latest"))))
    assert (await world.review(body(IMAGE, "ghcr.io/team/app:latest")))["allowed"] is False
    assert world.evidence.looked_up == []
    assert [waited for *_, waited in world.observer.seen] == [False]


KEPT = [
    pytest.param(evidence(valid_until=1030.0), 30.0, id="until the evidence ends"),
    pytest.param(
        evidence(known(report(), old=59 * MINUTE, stale=Cause.THROTTLED), valid_until=float("inf")),
        60.0,
        id="staleness",
    ),
    pytest.param(
        evidence(report(finding(first_observed_at=NOW - DAY + timedelta(seconds=20))), valid_until=1030.0),
        20.0,
        id="until a grace ends before the evidence",
    ),
]


@pytest.mark.parametrize(("collected", "seconds"), KEPT)
async def test_a_verdict_is_kept_exactly_as_long_as_evidence_and_time_allow(collected, seconds):
    rules = VulnerabilityRules(max_counts={Severity.CRITICAL: 0}, grace_period=DAY)
    world = World(policy(vulnerabilities=rules))
    world.evidence.otherwise = collected
    await world.review(body(IMAGE))
    world.clock.seconds += seconds - TICK
    assert world.at_once(body(IMAGE))["allowed"] is True
    world.clock.seconds += TICK
    await world.review(body(IMAGE))
    assert world.evidence.looked_up == [IMAGE, IMAGE]


async def test_what_could_not_be_looked_up_is_never_kept():
    world = World(full_policy())
    world.evidence.otherwise = evidence(missing())
    assert (await world.review(body(IMAGE)))["allowed"] is False
    world.evidence.otherwise = evidence()
    assert (await world.review(body(IMAGE)))["allowed"] is True
    assert world.evidence.looked_up == [IMAGE, IMAGE]


def test_a_verdict_that_rests_on_no_evidence_is_given_at_once_and_kept_for_its_time():
    world = World(policy(tags=TagRules(digest_required=True)))
    with mock.patch("tidegate.admission.verdicts.judge_plan", wraps=judge_plan) as judging:
        first = world.at_once(body(IMAGE))
        world.clock.seconds += NO_EVIDENCE_SECONDS - TICK
        assert world.at_once(body(IMAGE)) == first
        assert judging.call_count == 1
        world.clock.seconds += 2 * TICK
        assert world.at_once(body(IMAGE)) == first
        assert judging.call_count == 2


async def test_evidence_that_others_asked_for_is_judged_at_once_and_counts_as_used():
    world = World(full_policy())
    world.evidence.remembered = {IMAGE: evidence(valid_until=1000.0 + TICK)}
    assert world.at_once(body(IMAGE))["allowed"] is True
    assert (world.evidence.looked_up, world.evidence.renewed) == ([], [IMAGE])
    assert [waited for *_, waited in world.observer.seen] == [False]


async def test_evidence_that_is_no_longer_fresh_is_waited_for():
    world = World(full_policy())
    world.evidence.remembered = {IMAGE: evidence(valid_until=1000.0)}
    world.evidence.otherwise = BAD
    assert (await world.review(body(IMAGE)))["allowed"] is False
    assert (world.evidence.looked_up, world.evidence.renewed) == ([IMAGE], [])


async def test_beside_evidence_that_is_known_only_what_is_not_is_looked_up():
    world = World(full_policy())
    world.evidence.remembered = {IMAGE: evidence(valid_until=1060.0)}
    world.evidence.otherwise = BAD
    response = await world.review(body(IMAGE, PINNED))
    assert response["status"]["message"].splitlines()[0] == "1 of 2 images refused by tidegate"
    assert world.evidence.looked_up == [PINNED]


async def test_evidence_that_is_used_late_in_its_time_is_renewed_once_without_waiting():
    world = World(full_policy())
    world.evidence.otherwise = evidence(valid_until=1100.0)
    await world.review(body(IMAGE))
    world.clock.seconds = 1080.0 - TICK
    world.at_once(body(IMAGE))
    assert world.evidence.renewed == []
    world.clock.seconds = 1080.0 + TICK
    world.at_once(body(IMAGE, IMAGE))
    assert world.evidence.renewed == [IMAGE]
    assert world.evidence.wanted[0] is world.evidence.wanted[1]


async def test_nothing_is_renewed_for_a_verdict_without_evidence():
    world = World(policy(tags=TagRules(digest_required=True)))
    await world.review(body(IMAGE))
    world.clock.seconds += NO_EVIDENCE_SECONDS * 0.9
    world.at_once(body(IMAGE))
    assert world.evidence.renewed == []


async def test_another_snapshot_of_policies_judges_anew():
    world = World(full_policy())
    await world.review(body(IMAGE))
    world.policies.snapshot = PolicySnapshot.of([full_policy(tags=TagRules(digest_required=True))])
    assert (await world.review(body(IMAGE)))["allowed"] is False
    assert world.evidence.looked_up == [IMAGE, IMAGE]


async def test_other_platforms_of_the_nodes_judge_anew():
    world = World(policy(**COUNTS))
    world.evidence.otherwise = evidence(
        runnable=(child("amd", "linux/amd64"), child("arm", "linux/arm64")),
        scans={digest("amd"): report(), digest("arm"): report(finding())},
        valid_until=float("inf"),
    )
    world.platforms.these = platforms("linux/amd64")
    assert (await world.review(body(IMAGE)))["allowed"] is True
    world.platforms.these = platforms("linux/arm64")
    assert (await world.review(body(IMAGE)))["allowed"] is False
    assert [wanted.platforms for wanted in world.evidence.wanted] == [
        platforms("linux/amd64"),
        platforms("linux/arm64"),
    ]


async def test_nodes_that_change_while_evidence_is_waited_for_do_not_spoil_it():
    world = World(policy(**COUNTS))
    world.platforms.these = platforms("linux/amd64")
    world.evidence.otherwise = evidence(
        runnable=(child("amd", "linux/amd64"), child("arm", "linux/arm64")), scans={digest("amd"): report()}
    )

    def change() -> None:
        world.platforms.these = platforms("linux/arm64")
        world.at_once(body("ghcr.io/other:v1"))

    world.evidence.meanwhile = change
    assert (await world.review(body(IMAGE)))["allowed"] is True


async def test_namespaces_under_the_same_policies_share_a_verdict():
    world = World(full_policy())
    await world.review(body(IMAGE, namespace="a"))
    assert world.at_once(body(IMAGE, namespace="b"))["allowed"] is True


async def test_a_namespace_under_other_policies_has_its_own_verdict():
    world = World(
        policy(**COUNTS), policy("b", match=Match(namespaces=globs("b")), tags=TagRules(digest_required=True))
    )
    assert (await world.review(body(IMAGE, namespace="a")))["allowed"] is True
    assert (await world.review(body(IMAGE, namespace="b")))["allowed"] is False
    assert world.at_once(body(IMAGE, namespace="a"))["allowed"] is True


async def test_one_evaluation_serves_the_requests_that_waited_for_it():
    world = World(full_policy())
    first, second = (world.reviewer.review(body(IMAGE), 10.0) for _ in range(2))
    assert not isinstance(first, bytes)
    assert not isinstance(second, bytes)
    assert await first == await second
    (_, one, *_), (_, two, *_) = world.observer.seen
    assert one.verdicts[0] is two.verdicts[0]


WITHOUT_WORK = [
    pytest.param(body(IMAGE, operation="UPDATE", old=[IMAGE]), Mark.UNCHANGED, id="an update of no image"),
    pytest.param(body(IMAGE, PINNED, operation="UPDATE", old=[PINNED, IMAGE]), Mark.UNCHANGED, id="images that moved"),
    pytest.param(body(operation="DELETE", old=[IMAGE]), Mark.NO_IMAGES, id="a deletion"),
    pytest.param(body(operation="CONNECT"), Mark.NO_IMAGES, id="a connection"),
]


@pytest.mark.parametrize(("request_body", "mark"), WITHOUT_WORK)
@pytest.mark.parametrize("synced", [True, False], ids=["policies read", "policies not read yet"])
def test_what_changes_no_image_passes_without_work(request_body, mark, synced):
    world = World(broken())
    if not synced:
        world.policies.snapshot = PolicySnapshot.unsynced()
    assert world.at_once(request_body)["allowed"] is True
    assert world.observer.seen[0][1].mark is mark


async def test_of_an_update_only_the_new_images_are_judged():
    world = World(full_policy())
    world.evidence.answers = {PINNED: BAD}
    assert (await world.review(body(PINNED, IMAGE, operation="UPDATE", old=[PINNED])))["allowed"] is True
    assert world.evidence.looked_up == [IMAGE]


def test_policies_not_read_yet_are_not_no_policy():
    world = World()
    world.policies.snapshot = PolicySnapshot.unsynced()
    response = world.at_once(body(IMAGE))
    assert (response["allowed"], response["status"]["code"]) == (False, 503)
    assert world.observer.seen[0][1].mark is Mark.UNSYNCED


def test_no_policy_about_the_namespace_is_an_allow_that_says_so():
    world = World(full_policy(match=Match(namespaces=globs("other"))))
    response = world.at_once(body(IMAGE))
    assert response["allowed"] is True
    assert response["auditAnnotations"] == {"decision": "allowed-no-policy"}


async def test_every_image_of_the_largest_object_is_judged():
    world = World(full_policy())
    images = [f"{IMAGE}-{number}" for number in range(MAX_IMAGES)]
    world.evidence.answers = {images[-1]: BAD}
    response = await world.review(body(*images))
    assert response["allowed"] is False
    assert f"spec.containers[{MAX_IMAGES - 1}].image" in response["status"]["message"]
    assert world.evidence.looked_up == images
    refused = world.at_once(body(*images, f"{IMAGE}-more"))
    assert (refused["allowed"], refused["status"]["code"]) == (False, 400)


def test_an_unreadable_request_is_refused_to_its_uid():
    world = World(full_policy())
    response = world.at_once(body(IMAGE, object={"spec": 1}))
    assert (response["uid"], response["allowed"], response["status"]["code"]) == (UID, False, 400)


@pytest.mark.parametrize("audit_only", [True, False], ids=["nothing enforced", "enforced"])
def test_a_request_without_a_uid_cannot_be_answered(audit_only):
    world = World(full_policy(), audit_only=audit_only)
    with pytest.raises(BadReviewError):
        world.reviewer.review(b"not json", 10.0)


AUDITED = [
    pytest.param(body(IMAGE), id="a vulnerable image"),
    pytest.param(body("Not A Reference"), id="no reference"),
    pytest.param(body(IMAGE, object={"spec": 1}), id="an unreadable object"),
]


@pytest.mark.parametrize("request_body", AUDITED)
@pytest.mark.parametrize("rules", [full_policy(), broken()], ids=["a policy", "a broken policy"])
async def test_where_nothing_is_enforced_nothing_is_refused_and_everything_is_said(rules, request_body):
    world = World(rules, audit_only=True)
    world.evidence.otherwise = BAD
    response = await world.review(request_body)
    assert response["allowed"] is True
    assert response["warnings"]
    world.policies.snapshot = PolicySnapshot.unsynced()
    assert (await world.review(request_body))["allowed"] is True


async def test_an_answer_too_few_is_never_an_allow():
    world = World(full_policy())

    async def too_few(*_: Any, **__: Any) -> list[Any]:
        return [evidence()]

    world.evidence.collect_all = too_few  # type: ignore[method-assign]
    with pytest.raises(ValueError, match="shorter"):
        await world.review(body(IMAGE, PINNED))


async def test_a_broken_policy_does_not_weaken_the_others():
    tolerant = broken(on_undetermined=Tolerance.ALLOW, actions=frozenset({Action.AUDIT}))
    world = World(tolerant, full_policy())
    world.evidence.answers = {PINNED: BAD}
    assert (await world.review(body(IMAGE)))["allowed"] is True
    assert (await world.review(body(PINNED)))["allowed"] is False


async def test_a_pending_scan_is_refused_and_asked_for_again_when_it_may_be_done():
    world = World(policy(scan=ScanRules()))
    world.evidence.otherwise = evidence(report(state=ScanState.PENDING), valid_until=1010.0)
    assert (await world.review(body(IMAGE)))["allowed"] is False
    world.clock.seconds = 1010.0
    world.evidence.otherwise = evidence()
    assert (await world.review(body(IMAGE)))["allowed"] is True
