"""Allowed only if every image has PASS or EXEMPT for every demanded check: held against a model of its own.

Random policies, evidence and faults; the oracle derives what may be allowed from the reference page alone.
"""

import dataclasses
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit import strategies as some
from tests.unit.admission import oracle
from tests.unit.builders import (
    DAY,
    IMAGE,
    MINUTE,
    MOMENT,
    NOW,
    detail,
    evidence,
    finding,
    full_policy,
    known,
    moment,
    report,
)
from tidegate.admission import plan as planning
from tidegate.admission.decision import decide
from tidegate.admission.plan import judge_plan, make_plan
from tidegate.admission.verdict import ImageVerdict, Judgement, conclude
from tidegate.checks import judge as judging
from tidegate.checks.result import Check, CheckResult, Outcome, Reason
from tidegate.evidence.fact import Cause, Known
from tidegate.evidence.image_evidence import ImageEvidence
from tidegate.evidence.scan import Severity
from tidegate.images.platform import Platform
from tidegate.policy.model import ScanRules, Tolerance
from tidegate.policy.snapshot import PolicySet

EXAMPLES = settings(max_examples=150, deadline=None, derandomize=True)
"""The same examples in every run; ``--hypothesis-seed`` has no say in them."""
SECTIONS = (Check.REGISTRY, Check.TAG, Check.SCAN, Check.VULNERABILITIES)

Images = Mapping[str, ImageEvidence]
some_policies = st.lists(some.any_policies, min_size=1, max_size=4)
some_images: st.SearchStrategy[Images] = st.dictionaries(
    some.mostly(IMAGE, st.sampled_from(some.TEXTS), weight=2), some.collected(), min_size=1, max_size=3
)


def verdict_on(
    text: str, collected: ImageEvidence, policies: Any, nodes: tuple[Platform, ...] = (), now: datetime = NOW
) -> ImageVerdict:
    made = make_plan(text, PolicySet.of(policies), nodes)
    return judge_plan(made, collected, now=now, monotonic=moment(now), audit_only=False)


def decided(policies: Any, images: Images, nodes: tuple[Platform, ...] = (), now: datetime = NOW) -> bool:
    """Whether the whole way from policies and evidence to the answer allows an object of these images."""
    used = [(text, verdict_on(text, collected, policies, nodes, now)) for text, collected in images.items()]
    return decide(used, expected=len(images)).response.allowed


def expected(
    policies: Any, images: Images, nodes: tuple[Platform, ...] = (), faults: Mapping[Check, str] | None = None
) -> bool:
    """Whether the model allows it: a broken check is unknown, a result that is missing is bad."""
    for text, collected in images.items():
        for policy in policies:
            if not oracle.is_about(policy, text):
                continue
            words = oracle.words_for(policy, text, collected, nodes, NOW)
            for check, fault in (faults or {}).items():
                if check.value in words:
                    words[check.value] = oracle.BAD if fault == "drop" else oracle.UNKNOWN
            if not oracle.may_run(policy, words):
                return False
    return True


@EXAMPLES
@given(some_policies, some_images, some.NODES)
def test_the_decision_is_the_models(policies, images, nodes):
    assert decided(policies, images, nodes) is expected(policies, images, nodes)


@pytest.mark.parametrize("read", [timedelta(0), timedelta(seconds=90)], ids=["read just now", "read a while ago"])
@pytest.mark.parametrize("settling", [timedelta(0), timedelta(minutes=2)], ids=["not settling", "settling"])
@pytest.mark.parametrize("scanned", [-MINUTE, timedelta(0), MINUTE, 2 * MINUTE, DAY])
def test_without_a_push_time_an_older_finding_proves_no_earlier_scan(scanned, settling, read):
    """It may be older than the push: then the findings of the scan after the push may still be arriving."""
    scan = report(finding(severity=Severity.LOW), last_scanned_at=NOW - scanned)
    images = {IMAGE: evidence(known(scan, old=read), detail=detail(pushed_at=None))}
    wanted = [full_policy(scan=ScanRules(settling_period=settling))]
    assert decided(wanted, images) is expected(wanted, images) is (scanned - read >= settling or not settling)


def _wrong(_policy: Any, _subject: Any) -> CheckResult:
    return CheckResult(check=Check.REFERENCE, outcome=Outcome.PASS, reason=Reason.OK)


def _raising(_policy: Any, _subject: Any) -> CheckResult:
    raise LookupError


FAULTS: dict[str, Any] = {"raise": _raising, "wrong": _wrong, "none": lambda *_: None}


@contextmanager
def faulty(faults: Mapping[Check, str]) -> Iterator[None]:
    """Break checks, and drop the results of others on their way to the verdict."""
    broken = {check: FAULTS[fault] for check, fault in faults.items() if fault in FAULTS}

    def dropping(policy: Any, subject: Any, exceptions: Any) -> tuple[CheckResult, ...]:
        return tuple(one for one in judging.judge(policy, subject, exceptions) if faults.get(one.check) != "drop")

    with mock.patch.dict(judging._CHECKS, broken), mock.patch.object(planning, "judge", dropping):
        yield


@EXAMPLES
@given(
    some_policies,
    some_images,
    st.dictionaries(st.sampled_from([*SECTIONS, Check.POLICY]), st.sampled_from([*FAULTS, "drop"]), min_size=1),
)
def test_no_fault_of_a_check_ever_allows(policies, images, faults):
    with faulty(faults):
        allowed = decided(policies, images)
    if allowed:
        assert expected(policies, images, (), faults)


def test_the_model_allows_what_is_good_so_that_it_says_something():
    assert decided([full_policy()], {IMAGE: evidence()})
    assert expected([full_policy()], {IMAGE: evidence()})
    for fault in [*FAULTS, "drop"]:
        for check in SECTIONS:
            with faulty({check: fault}):
                assert not decided([full_policy()], {IMAGE: evidence()})


def _without(judgement: Judgement, index: int) -> Judgement:
    return dataclasses.replace(judgement, results=judgement.results[:index] + judgement.results[index + 1 :])


@EXAMPLES
@given(some_policies, st.sampled_from(some.TEXTS), some.collected())
def test_deleting_any_one_result_from_an_allowed_verdict_makes_it_not_allowed(policies, text, collected):
    found = verdict_on(text, collected, policies)
    if found.denied:
        return
    for position, judgement in enumerate(found.judgements):
        if oracle.may_run(judgement.policy, {"any": oracle.BAD}):
            continue
        for index in range(len(judgement.results)):
            fewer = list(found.judgements)
            fewer[position] = _without(judgement, index)
            assert conclude(text, None, fewer, audit_only=False).denied


@EXAMPLES
@given(some_policies, some.any_policies, some_images, some.NODES)
def test_another_policy_never_turns_a_refusal_into_an_allow(policies, another, images, nodes):
    if not decided(policies, images, nodes):
        assert not decided([*policies, another], images, nodes)


@EXAMPLES
@given(some_policies, some_images, some.collected(), st.sampled_from(some.TEXTS))
def test_another_image_never_turns_a_refusal_into_an_allow(policies, images, collected, text):
    if not decided(policies, images):
        assert not decided(policies, {text: collected, **images})


@EXAMPLES
@given(
    some.policies.filter(lambda policy: policy.scan is not None or policy.vulnerabilities is not None),
    some.collected(),
    st.sampled_from(["detail", "runnable", "scans"]),
)
def test_stale_evidence_never_allows_beyond_max_stale(policy, collected, stale):
    strict = dataclasses.replace(policy, on_undetermined=Tolerance.DENY, actions=frozenset())
    too_old = NOW - strict.max_stale - timedelta(microseconds=1)

    def aged(fact: Any) -> Any:
        return Known(fact.value, too_old, Cause.UNREACHABLE) if isinstance(fact, Known) else fact

    values = getattr(collected, stale)
    facts = {digest: aged(fact) for digest, fact in values.items()} if stale == "scans" else aged(values)
    spoiled = dataclasses.replace(collected, **{stale: facts})
    if oracle.is_about(strict, IMAGE):
        assert not decided([strict], {IMAGE: spoiled})


@EXAMPLES
@given(some_policies, some_images, some.NODES)
def test_where_nothing_is_enforced_nothing_is_refused(policies, images, nodes):
    for text, collected in images.items():
        made = make_plan(text, PolicySet.of(policies), nodes)
        found = judge_plan(made, collected, now=NOW, monotonic=MOMENT, audit_only=True)
        assert not found.denied
        assert decide([("place", found)], expected=1).response.allowed
