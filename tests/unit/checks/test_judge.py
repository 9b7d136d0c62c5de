"""Each demanded check has exactly one result; a check that breaks is undetermined; a refused registry ends the matter."""

from typing import Any

import pytest

from tests.unit.builders import (
    DAY,
    HOUR,
    IMAGE,
    broken,
    ecr,
    evidence,
    full_policy,
    known,
    missing,
    policy,
    settings,
    subject,
)
from tidegate.checks import judge as module
from tidegate.checks.existence import MAX_PROBLEM
from tidegate.checks.judge import judge, required_checks
from tidegate.checks.result import Check, CheckResult, Outcome, Reason
from tidegate.evidence.fact import Cause
from tidegate.evidence.image_evidence import nothing_asked
from tidegate.evidence.repository import TagMutability
from tidegate.evidence.scan import Severity
from tidegate.policy.model import ScanRules, TagRules, VulnerabilityRules

SECTIONS: dict[Check, dict[str, Any]] = {
    Check.REGISTRY: {"registries": (ecr(),)},
    Check.TAG: {"tags": TagRules(immutable=True)},
    Check.SCAN: {"scan": ScanRules()},
    Check.VULNERABILITIES: {"vulnerabilities": VulnerabilityRules(max_counts={Severity.CRITICAL: 0})},
}
SECTION_CHECKS = tuple(SECTIONS)


@pytest.mark.parametrize("check", SECTION_CHECKS)
def test_each_section_demands_its_check_and_no_other(check):
    demanding = policy(**SECTIONS[check])
    assert required_checks(demanding) == (check,)
    assert [(one.check, one.outcome) for one in judge(demanding, subject())] == [(check, Outcome.PASS)]


def test_all_sections_demand_all_checks_in_one_order():
    assert required_checks(full_policy()) == SECTION_CHECKS
    results = judge(full_policy(), subject())
    assert [(one.check, one.outcome) for one in results] == [(check, Outcome.PASS) for check in SECTION_CHECKS]


def test_an_empty_list_of_registries_is_a_demand_that_nothing_meets():
    assert required_checks(policy(registries=())) == (Check.REGISTRY,)
    assert judge(policy(registries=()), subject())[0].reason is Reason.REGISTRY_NOT_ALLOWED


BROKEN = "the policy is invalid"


@pytest.mark.parametrize(
    ("unusable", "found", "cause"),
    [
        pytest.param(policy(), "the policy requires nothing", "", id="a policy that demands nothing"),
        pytest.param(broken(problems=("spec.tags: got 1",)), BROKEN, "spec.tags: got 1", id="broken"),
        pytest.param(broken(problems=()), BROKEN, "", id="broken without a word"),
        pytest.param(broken(problems=("a\x1bb",)), BROKEN, "a?b", id="broken with a control character"),
    ],
)
def test_a_policy_that_cannot_be_judged_by_is_undetermined(unusable, found, cause):
    assert required_checks(unusable) == (Check.POLICY,)
    (result,) = judge(unusable, subject())
    assert (result.check, result.outcome, result.reason) == (Check.POLICY, Outcome.UNDETERMINED, Reason.POLICY_INVALID)
    assert (result.found, result.cause) == (found, cause)
    assert result.remedy == "ask the platform team to correct the policy; its status lists the problems"


def test_a_broken_policy_names_a_problem_only_so_far():
    (result,) = judge(broken(problems=("x" * 10_000,)), subject())
    assert len(result.cause) < 400


def test_a_registry_that_is_refused_is_the_only_answer():
    results = judge(full_policy(registries=(ecr(account="999999999999"),)), subject(IMAGE, nothing_asked()))
    assert [(one.check, one.reason) for one in results] == [(Check.REGISTRY, Reason.REGISTRY_NOT_ALLOWED)]


def test_a_registry_check_that_breaks_hides_nothing_that_the_others_refuse(monkeypatch):
    monkeypatch.setitem(module._CHECKS, Check.REGISTRY, _raise)
    results = judge(full_policy(scan=ScanRules(max_age=DAY / 2)), subject())
    assert [one.outcome for one in results] == [Outcome.UNDETERMINED, Outcome.PASS, Outcome.FAIL, Outcome.FAIL]


def _raise(_policy, _subject):
    raise RuntimeError("a secret of the inside")


def _passed(check):
    return CheckResult(check=check, outcome=Outcome.PASS, reason=Reason.OK)


@pytest.mark.parametrize("check", SECTION_CHECKS)
@pytest.mark.parametrize(
    "broken_check",
    [
        pytest.param(_raise, id="raises"),
        pytest.param(lambda *_: None, id="gives no result"),
        pytest.param(lambda *_: True, id="gives something else than a result"),
        pytest.param(lambda *_: _passed(Check.POLICY), id="gives the pass of another check"),
    ],
)
def test_a_check_that_breaks_is_undetermined_and_the_others_stand(check, broken_check, monkeypatch):
    monkeypatch.setitem(module._CHECKS, check, broken_check)
    results = {one.check: one for one in judge(full_policy(), subject())}
    assert tuple(results) == SECTION_CHECKS
    assert results[check].outcome is Outcome.UNDETERMINED
    assert results[check].reason is Reason.INTERNAL_ERROR
    assert "secret" not in results[check].found
    if broken_check is not _raise:
        assert (results[check].found, results[check].cause) == ("an error inside tidegate (wrong result)", "")
    assert all(one.outcome is Outcome.PASS for name, one in results.items() if name is not check)


def test_every_check_but_that_of_the_reference_can_be_made():
    assert set(module._CHECKS) == set(Check) - {Check.REFERENCE}


def test_what_could_not_be_looked_up_is_undetermined_in_every_check_that_needs_it():
    lost = missing(Cause.ACCESS_DENIED)
    results = judge(full_policy(), subject(collected=evidence(detail=lost, settings=lost, runnable=lost, scans={})))
    assert [one.outcome for one in results] == [Outcome.PASS] + [Outcome.UNDETERMINED] * 3


@pytest.mark.parametrize("outcome", Outcome)
def test_only_pass_and_exempt_let_through(outcome):
    result = CheckResult(check=Check.TAG, outcome=outcome, reason=Reason.OK)
    assert result.lets_through is (outcome in (Outcome.PASS, Outcome.EXEMPT))


def test_an_error_of_ours_is_told_as_one_and_its_cause_to_operators_alone(monkeypatch):
    monkeypatch.setitem(module._CHECKS, Check.REGISTRY, _raise)
    (result,) = judge(policy(registries=(ecr(),)), subject())
    assert result.found == "an error inside tidegate"
    assert result.remedy == "retry, and tell the platform team if it persists"
    assert result.cause == "RuntimeError('a secret of the inside')"


def test_of_a_broken_policy_the_first_problem_is_told():
    (result,) = judge(broken(problems=("first", "second")), subject())
    assert result.cause == "first"
    (result,) = judge(broken(problems=("x" * 10_000,)), subject())
    assert len(result.cause) == MAX_PROBLEM


def test_each_policy_s_own_max_stale_bounds_its_check_of_tags():
    old = evidence(settings=known(settings(TagMutability.IMMUTABLE), stale=Cause.THROTTLED, old=HOUR))
    for max_stale, outcome in ((2 * HOUR, Outcome.PASS), (HOUR / 2, Outcome.UNDETERMINED)):
        (result,) = judge(policy(tags=TagRules(immutable=True), max_stale=max_stale), subject(IMAGE, old))
        assert result.outcome is outcome
