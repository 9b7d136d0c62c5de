"""Grace for what a namespace runs: a second judgement for that namespace alone, which nothing remembers."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.unit.admission.fakes import World, body
from tests.unit.builders import DAY, DIGEST, HOUR, IMAGE, NOW, PINNED, digest, evidence, finding, policy, report
from tidegate.admission.pinning import Pinner
from tidegate.evidence.image_evidence import ImageEvidence
from tidegate.evidence.scan import Answer, Severity
from tidegate.images.digest import Digest
from tidegate.images.repository import Repository
from tidegate.policy.model import Action, RunningImageRules, VulnerabilityRules

FOREVER = float("inf")
SEVENTY_TWO_HOURS = timedelta(hours=72)
OTHER = IMAGE.replace(":v1", ":v2")
YOUNG = evidence(report(finding(first_observed_at=NOW - HOUR)), valid_until=FOREVER)
OLD = evidence(report(finding()), valid_until=FOREVER)


def rules(*, grace: bool = True, name: str = "rules", **more: Any) -> Any:
    running = RunningImageRules(duration=SEVENTY_TWO_HOURS) if grace else None
    return policy(
        name, vulnerabilities=VulnerabilityRules(max_counts={Severity.CRITICAL: 0}, running_images=running), **more
    )


@dataclass
class FakeRunning:
    """Images that run since yesterday, by namespace and digest, and what was asked."""

    runs: set[tuple[str, Digest]] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        """As a source that is filled later: empty, but there."""
        return 0

    def since(self, namespace: str, repository: Repository, digest: Digest) -> datetime | None:
        self.asked.append(namespace)
        assert str(repository) == "123456789012/eu-west-1/team/app"
        return NOW - DAY if (namespace, digest) in self.runs else None


def world(*policies: Any, found: ImageEvidence = YOUNG, runs: set[tuple[str, Digest]] | None = None, **more: Any):
    running = FakeRunning({("shop", DIGEST)} if runs is None else runs)
    made = World(*(policies or (rules(),)), running=running, **more)
    made.evidence.otherwise = found
    made.evidence.remembered = {IMAGE: found, PINNED: found}
    return made, running


@pytest.mark.parametrize("text", [IMAGE, PINNED])
async def test_without_the_field_a_new_finding_stops_what_runs_and_with_it_there_is_a_warning(text):
    strict, running = world(rules(grace=False))
    assert (await strict.review(body(text)))["allowed"] is False
    assert running.asked == []
    kind, _ = world()
    answer = await kind.review(body(text))
    assert answer["allowed"] is True
    assert "counts from 2026-06-04 11:00 UTC" in answer["warnings"][0]
    assert answer["auditAnnotations"]["decision"] == "allowed-with-warnings"


async def test_what_is_not_known_to_run_here_has_no_grace():
    """Neither elsewhere, nor by another digest."""
    made, _ = world(runs={("blog", DIGEST), ("shop", digest("other"))})
    assert (await made.review(body(IMAGE)))["allowed"] is False
    assert (await made.review(body(IMAGE, namespace="blog")))["allowed"] is True


async def test_a_verdict_with_grace_is_never_used_for_another_namespace():
    """One set of policies, so that plans and decisions are shared; in any order, warm and cold."""
    made, _ = world(runs={("shop", DIGEST)})
    for _ in range(3):
        assert (await made.review(body(IMAGE, namespace="shop")))["allowed"] is True
        assert (await made.review(body(IMAGE, namespace="blog")))["allowed"] is False
    assert made.at_once(body(IMAGE, namespace="blog"))["allowed"] is False
    assert made.at_once(body(IMAGE, namespace="shop"))["allowed"] is True


async def test_nothing_is_judged_twice_where_the_request_is_allowed_or_no_policy_has_the_field():
    made, running = world(found=evidence(valid_until=FOREVER))
    assert (await made.review(body(IMAGE)))["allowed"] is True
    made, running_without = world(rules(grace=False))
    assert (await made.review(body(IMAGE)))["allowed"] is False
    made, running_warned = world(rules(actions=frozenset({Action.WARN})))
    assert (await made.review(body(IMAGE)))["allowed"] is True
    assert (running.asked, running_without.asked, running_warned.asked) == ([], [], [])


async def test_it_ends_while_the_pod_is_made_again_and_again():
    made, _ = world()
    assert (await made.review(body(IMAGE)))["allowed"] is True
    made.clock.seconds += (71 * HOUR).total_seconds() - 1
    assert (await made.review(body(IMAGE)))["allowed"] is True
    made.clock.seconds += 1
    refused = await made.review(body(IMAGE))
    assert refused["allowed"] is False
    assert "VulnerabilitiesFound" in refused["status"]["message"]


async def test_it_ends_when_the_image_does_not_run_any_more():
    made, running = world()
    assert (await made.review(body(IMAGE)))["allowed"] is True
    running.runs.clear()
    assert (await made.review(body(IMAGE)))["allowed"] is False


@pytest.mark.parametrize("found", [OLD, evidence(report(finding(first_observed_at=NOW - HOUR, exploit=Answer.YES)))])
async def test_older_and_exploitable_findings_refuse(found):
    made, _ = world(found=found)
    assert (await made.review(body(IMAGE)))["allowed"] is False


async def test_evidence_that_was_known_before_and_is_looked_up_again_gives_the_same_grace():
    made, _ = world(found=evidence(report(finding(first_observed_at=NOW - HOUR)), valid_until=1000.5))
    made.evidence.impatient = {IMAGE: made.evidence.otherwise}
    for seconds in (0.0, 1.0, 1.0):
        made.clock.seconds += seconds
        assert (await made.review(body(IMAGE)))["allowed"] is True
        assert (await made.review(body(IMAGE, namespace="blog")))["allowed"] is False


async def test_another_policy_that_refuses_still_refuses():
    made, _ = world(rules(), rules(grace=False, name="strict"))
    refused = await made.review(body(IMAGE))
    assert refused["allowed"] is False
    assert "[policies rules, strict]" in refused["status"]["message"]


async def test_every_image_of_the_request_counts():
    made, _ = world()
    made.evidence.answers = {OTHER: OLD}
    made.evidence.remembered[OTHER] = OLD
    refused = await made.review(body(IMAGE, OTHER))
    assert refused["allowed"] is False
    assert OTHER in refused["status"]["message"]


async def test_in_audit_mode_nothing_is_refused_and_so_nothing_has_grace():
    made, running = world(audit_only=True)
    assert (await made.review(body(IMAGE)))["allowed"] is True
    assert running.asked == []


async def test_an_image_that_could_not_be_looked_up_has_none():
    made, _ = world(found=evidence(valid_until=0.0, detail=YOUNG.detail, scans={}))
    assert (await made.review(body(IMAGE)))["allowed"] is False


async def test_an_image_in_its_grace_is_pinned_as_any_other_that_is_admitted():
    made, _ = world()
    pinner = Pinner(
        policies=made.policies, namespaces=made.namespaces, verdicts=made.reviewer.verdicts, clock=made.clock
    )
    for namespace, pinned in (("shop", True), ("blog", False)):
        answer = pinner.review(body(IMAGE, namespace=namespace), 10.0)
        response = json.loads(answer if isinstance(answer, bytes) else await answer)["response"]
        assert ("patch" in response) is pinned
        if pinned:
            assert DIGEST in base64.b64decode(response["patch"]).decode()
