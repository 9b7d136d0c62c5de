"""What ``check --wait`` waits for: what comes by itself, and nothing else."""

from datetime import timedelta
from typing import Any

import pytest

from tests.unit.builders import (
    DAY,
    IMAGE,
    MOMENT,
    NOW,
    detail,
    evidence,
    finding,
    full_policy,
    known,
    missing,
    policy,
    report,
    settings,
)
from tidegate.admission.plan import judge_plan, make_plan
from tidegate.cli.judging import JudgedImage
from tidegate.cli.manifests import FoundImage
from tidegate.cli.waiting import NEW_IMAGE, reason_to_wait
from tidegate.evidence.fact import Cause
from tidegate.evidence.image_evidence import ImageEvidence
from tidegate.evidence.repository import TagMutability
from tidegate.evidence.scan import ScanState
from tidegate.policy.model import Action, ScanRules, TagRules, Tolerance
from tidegate.policy.snapshot import PolicySnapshot
from tidegate.policy.trust_stores import NO_TRUST

SECOND = timedelta(seconds=1)


class Clock:
    """The moment at which everything is judged."""

    def now(self):
        return NOW

    def monotonic(self):
        return MOMENT


def why(collected: ImageEvidence, *policies: Any) -> str:
    snapshot = PolicySnapshot.of(policies or (full_policy(),), NO_TRUST, ())
    plan = make_plan(IMAGE, snapshot.for_namespace("default", None), ())
    verdict = judge_plan(plan, collected, now=NOW, monotonic=MOMENT, audit_only=False)
    image = FoundImage(place="argument", namespace="default", text=IMAGE)
    return reason_to_wait(JudgedImage(image=image, plan=plan, verdict=verdict, evidence=collected), Clock())


PENDING = report(state=ScanState.PENDING, last_scanned_at=None)
NO_RECORD = report(state=ScanState.NOT_SCANNED, code="", reason="", last_scanned_at=None)


def test_an_allowed_image_is_not_waited_for():
    assert why(evidence()) == ""


@pytest.mark.parametrize(
    "scan",
    [
        PENDING,
        report(last_scanned_at=NOW - 30 * SECOND),
        report(state=ScanState.SCANNED_ONCE, last_scanned_at=None),
        report(last_scanned_at=None),
    ],
    ids=["pending", "findings may still arrive", "scanned once without a time", "scanned without a time"],
)
def test_a_scan_that_is_not_finished_is_waited_for(scan: Any):
    assert why(evidence(scan)) == "scan pending"


@pytest.mark.parametrize(("old", "expected"), [(NEW_IMAGE - SECOND, "scan pending"), (NEW_IMAGE, ""), (DAY, "")])
def test_a_record_is_waited_for_only_after_a_push(old: timedelta, expected: str):
    assert why(evidence(NO_RECORD, detail=detail(pushed_at=NOW - old))) == expected


def test_a_record_is_not_waited_for_if_the_push_has_no_time():
    assert why(evidence(NO_RECORD, detail=detail(pushed_at=None))) == ""


@pytest.mark.parametrize("state", [one for one in ScanState if one not in {ScanState.SCANNED, ScanState.SCANNED_ONCE}])
def test_other_states_do_not_end_by_themselves(state: ScanState):
    expected = "scan pending" if state in {ScanState.PENDING, ScanState.SCANNED_AGAIN} else ""
    scan = report(state=state, code="INACTIVE", reason="X", last_scanned_at=NOW)
    assert why(evidence(scan, detail=detail(pushed_at=NOW - SECOND))) == expected


@pytest.mark.parametrize("cause", Cause)
def test_a_missing_fact_is_waited_for_if_its_cause_passes(cause: Cause):
    passing = {"DEADLINE", "THROTTLED", "UNREACHABLE", "SERVER_ERROR", "CIRCUIT_OPEN", "OVERLOADED"}
    expected = "not known yet" if cause.name in passing else ""
    assert why(evidence(missing(cause))) == expected
    assert why(evidence(known(report(), old=8 * DAY, stale=cause))) == expected


def test_a_tolerated_pending_scan_is_waited_for():
    tolerant = policy(scan=ScanRules(when_pending=Tolerance.ALLOW))
    assert why(evidence(PENDING), tolerant) == "scan pending"


def test_a_failure_that_denies_ends_the_wait():
    moving = evidence(PENDING, settings=settings(TagMutability.MUTABLE))
    assert why(moving) == ""
    assert why(evidence(PENDING), full_policy(), policy("tags", tags=TagRules(immutable=True))) == "scan pending"


def test_a_failure_that_does_not_deny_does_not_end_the_wait():
    moving = evidence(PENDING, settings=settings(TagMutability.MUTABLE))
    audited = policy("tags", tags=TagRules(immutable=True), actions=frozenset({Action.AUDIT}))
    assert why(moving, policy(scan=ScanRules()), audited) == "scan pending"
    assert why(evidence(settings=settings(TagMutability.MUTABLE)), audited) == ""


def test_findings_end_the_wait():
    assert why(evidence(report(finding(), state=ScanState.SCANNED, last_scanned_at=NOW))) == ""
