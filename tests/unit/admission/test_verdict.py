"""The verdict on one image: every policy must be met; each has its own actions; a missing result is never allowed."""

import dataclasses
from typing import Any

import pytest

from tests.unit.builders import DIGEST, HOUR, IMAGE, MINUTE, NOW, broken, full_policy, policy
from tidegate.admission.verdict import (
    MAX_ALSO,
    MAX_FOUND,
    MAX_REMEDY,
    Judgement,
    conclude,
    describe,
    effective_actions,
)
from tidegate.checks.judge import required_checks
from tidegate.checks.result import Check, CheckResult, Outcome, Reason
from tidegate.policy.model import Action, ScanRules, Tolerance

DENY, WARN, AUDIT = Action.DENY, Action.WARN, Action.AUDIT
FAIL, PASS, UNDETERMINED, EXEMPT = Outcome.FAIL, Outcome.PASS, Outcome.UNDETERMINED, Outcome.EXEMPT
SCAN_ONLY: dict[str, Any] = {"scan": ScanRules()}


def result(outcome=PASS, check=Check.SCAN, **changes: Any) -> CheckResult:
    words: dict[str, Any] = {"reason": Reason.OK if outcome is PASS else Reason.NOT_SCANNED}
    if outcome not in (PASS, EXEMPT):
        words |= {"found": f"{check.value} is bad", "remedy": "mend it"}
    return CheckResult(check=check, outcome=outcome, **(words | changes))


def judgement(*outcomes: Outcome, actions=(DENY,), name="rules", **of_policy: Any) -> Judgement:
    """A judgement of a policy that demands a scan; one result for each outcome."""
    judged = policy(name, **(SCAN_ONLY | {"actions": frozenset(actions)} | of_policy))
    return Judgement(policy=judged, results=tuple(result(outcome) for outcome in outcomes))


def verdict(*judgements: Judgement, audit_only=False):
    return conclude(IMAGE, DIGEST, judgements, audit_only=audit_only)


ALLOWED = [
    pytest.param((PASS,), True, id="a pass"),
    pytest.param((EXEMPT,), True, id="an exemption"),
    pytest.param((FAIL,), False, id="a failure"),
    pytest.param((UNDETERMINED,), False, id="undetermined"),
    pytest.param((), False, id="no result"),
    pytest.param((PASS, FAIL), False, id="a failure beside a pass of the same check"),
]


@pytest.mark.parametrize(("outcomes", "allowed"), ALLOWED)
def test_a_policy_is_met_only_by_results_that_let_through(outcomes, allowed):
    one = judgement(*outcomes)
    assert one.allowed is allowed
    assert verdict(one).denied is not allowed


@pytest.mark.parametrize("missing", required_checks(full_policy()))
@pytest.mark.parametrize("tolerance", Tolerance)
def test_a_demanded_check_without_a_result_is_never_allowed_nor_tolerated(missing, tolerance):
    rules = full_policy(on_undetermined=tolerance)
    results = tuple(result(check=check) for check in required_checks(rules))
    assert not verdict(Judgement(policy=rules, results=results)).denied
    fewer = tuple(one for one in results if one.check is not missing)
    assert verdict(Judgement(policy=rules, results=fewer)).denied
    unknown = tuple(dataclasses.replace(one, outcome=UNDETERMINED) for one in fewer)
    assert verdict(Judgement(policy=rules, results=unknown)).denied


def test_a_pass_of_another_check_is_not_the_demanded_one():
    swapped = Judgement(policy=policy(**SCAN_ONLY), results=(result(check=Check.TAG),))
    assert verdict(swapped).denied


POLICIES = [
    pytest.param((PASS,), (PASS,), False, id="both are met"),
    pytest.param((PASS,), (FAIL,), True, id="the second is not"),
    pytest.param((FAIL,), (PASS,), True, id="the first is not"),
    pytest.param((UNDETERMINED,), (PASS,), True, id="the first cannot be told"),
    pytest.param((PASS,), (), True, id="the second has no result"),
]


@pytest.mark.parametrize(("first", "second", "denied"), POLICIES)
def test_every_policy_must_be_met(first, second, denied):
    assert verdict(judgement(*first, name="a"), judgement(*second, name="b")).denied is denied


ACTIONS = [
    pytest.param((DENY,), True, False, id="Deny"),
    pytest.param((WARN,), False, True, id="Warn"),
    pytest.param((AUDIT,), False, False, id="Audit"),
    pytest.param((DENY, AUDIT), True, False, id="Deny and Audit"),
    pytest.param((WARN, AUDIT), False, True, id="Warn and Audit"),
    pytest.param((DENY, WARN), True, False, id="Deny and Warn: a refusal says all that a warning would"),
    pytest.param((), True, False, id="none at all is the strictest"),
]


@pytest.mark.parametrize(("actions", "denied", "warned"), ACTIONS)
def test_the_actions_say_what_follows_and_the_audit_log_always_has_it(actions, denied, warned):
    line = "scan NotScanned: scan is bad. To fix: mend it. [policy rules]"
    found = verdict(judgement(FAIL, actions=actions))
    lines = ("  scan NotScanned: scan is bad [policy rules]", "    To fix: mend it")
    assert (found.denied, found.denial) == (denied, lines if denied else ())
    assert found.warnings == ((line,) if warned else ())
    assert found.records == (line,)


@pytest.mark.parametrize(("actions", "_denied", "_warned"), ACTIONS)
def test_the_audit_switch_turns_every_refusal_into_a_warning(actions, _denied, _warned):
    found = verdict(judgement(FAIL, actions=actions), audit_only=True)
    assert not found.denied
    assert bool(found.warnings) is (actions != (AUDIT,))
    assert found.records


TOLERATED = [
    pytest.param((UNDETERMINED,), True, id="all that refuses could not be told"),
    pytest.param((UNDETERMINED, UNDETERMINED), True, id="both could not be told"),
    pytest.param((UNDETERMINED, FAIL), False, id="a failure is among them"),
    pytest.param((FAIL,), False, id="a failure"),
    pytest.param((), False, id="no result"),
]


@pytest.mark.parametrize(("outcomes", "tolerated"), TOLERATED)
def test_what_could_not_be_told_is_tolerated_where_the_policy_says_so_and_never_silently(outcomes, tolerated):
    found = verdict(judgement(*outcomes, on_undetermined=Tolerance.ALLOW))
    assert found.denied is not tolerated
    assert bool(found.warnings) is tolerated
    assert found.records
    assert verdict(judgement(*outcomes)).denied


def test_a_tolerant_policy_does_not_weaken_another():
    tolerant = judgement(UNDETERMINED, name="a", on_undetermined=Tolerance.ALLOW)
    assert verdict(tolerant, judgement(UNDETERMINED, name="b")).denied


def test_a_tolerant_policy_that_only_audits_stays_as_it_is():
    one = judgement(UNDETERMINED, actions=(AUDIT,), on_undetermined=Tolerance.ALLOW)
    assert effective_actions(one, audit_only=False) == {AUDIT}
    assert verdict(one).warnings == ()


def _broken(**changes: Any) -> Judgement:
    results = (result(UNDETERMINED, Check.POLICY, reason=Reason.POLICY_INVALID),)
    return Judgement(policy=broken(**changes), results=results)


@pytest.mark.parametrize("outcome", Outcome)
def test_a_broken_policy_refuses_by_itself_and_changes_nothing_about_the_others(outcome):
    assert verdict(_broken(), judgement(outcome)).denied
    tolerant = _broken(on_undetermined=Tolerance.ALLOW)
    audited = _broken(actions=frozenset({AUDIT}))
    for harmless in (tolerant, audited):
        assert verdict(harmless, judgement(outcome)).denied is verdict(judgement(outcome)).denied


def test_notes_beside_a_pass_are_warnings_with_the_policys_name_unless_it_only_audits():
    noted = (result(notes=("old evidence", "grace")),)
    for actions, warned in (((DENY,), True), ((WARN,), True), ((AUDIT,), False)):
        judged = Judgement(policy=policy(**SCAN_ONLY, actions=frozenset(actions)), results=noted)
        found = verdict(judged)
        assert not found.denied
        assert found.warnings == (("old evidence [policy rules]", "grace [policy rules]") if warned else ())
        assert found.records == ()


def test_the_notes_of_every_policy_are_told():
    noted = (result(notes=("grace",)),)
    judged = [Judgement(policy=policy(name, **SCAN_ONLY), results=noted) for name in ("a", "b")]
    assert verdict(*judged).warnings == ("grace [policy a]", "grace [policy b]")


def test_a_verdict_is_not_stale_unless_that_is_said():
    assert not verdict(judgement(PASS)).stale
    assert conclude(IMAGE, DIGEST, [judgement(PASS)], audit_only=False, stale=True).stale


def test_finding_remedy_and_further_checks_are_cut_each_at_its_own_length():
    first = result(FAIL, found="f" * 1_000, remedy="r" * 1_000)
    other = result(FAIL, check=Check.TAG, found="a" * 1_000)
    line = describe(Judgement(policy=full_policy(), results=(first, other)))
    assert f": {'f' * (MAX_FOUND - 1)}…." in line
    assert f": {'r' * (MAX_REMEDY - 1)}…." in line
    assert f": {'a' * (MAX_ALSO - 1)}…." in line


def test_causes_are_told_with_check_reason_and_policy_and_are_no_part_of_what_users_read():
    caused = result(FAIL, cause="AWS said so")
    found = verdict(Judgement(policy=policy(**SCAN_ONLY, actions=frozenset({DENY})), results=(caused, result())))
    assert found.causes == ("scan NotScanned: AWS said so [policy rules]",)
    assert "AWS said so" not in "".join((*found.denial, *found.warnings, *found.records, found.label))


def test_the_same_line_twice_is_said_once():
    twice = judgement(FAIL, actions=(WARN,)), judgement(FAIL, actions=(WARN,))
    assert len(verdict(*twice).warnings) == 1
    assert "".join(verdict(judgement(FAIL), judgement(FAIL)).denial).count("scan is bad") == 1


def test_two_policies_that_refuse_are_both_named():
    found = verdict(judgement(FAIL, name="a"), judgement(FAIL, name="b"))
    assert found.denial == ("  scan NotScanned: scan is bad [policies a, b]", "    To fix: mend it")


def test_further_checks_are_named_after_the_first_and_the_same_finding_once():
    results = (
        result(FAIL, Check.TAG, reason=Reason.TAG_MUTABLE),
        result(UNDETERMINED, Check.SCAN, found="no answer", reason=Reason.COULD_NOT_CHECK),
        result(PASS, Check.REGISTRY),
        result(UNDETERMINED, Check.VULNERABILITIES, found="no answer", reason=Reason.COULD_NOT_CHECK),
    )
    assert describe(Judgement(policy=full_policy(), results=results)) == (
        "tags TagMutable: tags is bad. To fix: mend it. Also scan CouldNotCheck: no answer. [policy full]"
    )


def test_a_policy_without_the_result_it_demands_is_the_platform_teams():
    assert describe(judgement(PASS)).startswith("tidegate has no result for a check of the policy")


OUTCOMES = [
    pytest.param((judgement(PASS),), PASS, id="all pass"),
    pytest.param((judgement(PASS), judgement(EXEMPT)), EXEMPT, id="one is exempt"),
    pytest.param((judgement(EXEMPT), judgement(UNDETERMINED)), UNDETERMINED, id="one cannot be told"),
    pytest.param((judgement(UNDETERMINED), judgement(FAIL)), FAIL, id="one fails"),
    pytest.param((judgement(PASS), judgement()), UNDETERMINED, id="one has no result"),
    pytest.param((judgement(EXEMPT), judgement()), UNDETERMINED, id="one is exempt and one has no result"),
    pytest.param((), PASS, id="no policy is about the image"),
]


@pytest.mark.parametrize(("judgements", "outcome"), OUTCOMES)
def test_the_outcome_is_the_worst(judgements, outcome):
    found = verdict(*judgements)
    assert found.outcome is outcome
    assert found.label == f"{IMAGE} {DIGEST} {outcome.value}"


def test_the_label_of_an_image_that_was_not_resolved_says_so_without_control_characters():
    found = conclude("a\x1bb" + "c" * 300, None, [judgement(PASS)], audit_only=False)
    assert found.label.startswith("a?bccc")
    assert found.label.endswith("… unresolved Pass")
    assert len(found.label) < 250


def test_a_verdict_holds_as_long_as_the_first_of_its_results():
    results = tuple(result(holds_until=at) for at in (NOW + HOUR, None, NOW + MINUTE))
    judged = Judgement(policy=policy(**SCAN_ONLY), results=results)
    assert verdict(judged, judgement(FAIL)).holds_until == NOW + MINUTE
    assert verdict(judgement(FAIL)).holds_until is None
