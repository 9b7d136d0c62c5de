"""What the results of a policy come to: the worst decides, and what was not judged is never verified."""

from typing import Any

import pytest

from tests.objects import image_policy
from tidegate.admission.verdict import Judgement
from tidegate.checks.result import Check, CheckResult, Outcome, Reason
from tidegate.cli.verify.image import conclude
from tidegate.cli.verify.report import EXIT_CODES
from tidegate.policy.model import ImagePolicy
from tidegate.policy.parse import parse_policy
from tidegate.verify.step import Conclusion

CI = {"name": "ci", "notation": {"trustStores": ["own"], "trustedIdentities": ["*"]}}


def demanding(**spec: Any) -> ImagePolicy:
    whole = {"signatures": {"anyOf": [CI]}} | spec
    return parse_policy(image_policy("signed", whole, uid="1", generation=1))


def result(check: Check, outcome: Outcome, *, found: str = "", remedy: str = "") -> CheckResult:
    reason = Reason.OK if outcome is Outcome.PASS else Reason.SIGNATURE_INVALID
    return CheckResult(check=check, outcome=outcome, reason=reason, found=found, remedy=remedy)


@pytest.mark.parametrize(
    ("outcome", "verdict", "code"),
    [
        (Outcome.PASS, Conclusion.VERIFIED, 0),
        (Outcome.EXEMPT, Conclusion.LOGGED, 0),
        (Outcome.FAIL, Conclusion.FAILED, 1),
        (Outcome.UNDETERMINED, Conclusion.INCONCLUSIVE, 2),
    ],
)
def test_each_outcome_is_a_verdict(outcome, verdict, code):
    found = conclude(Judgement(policy=demanding(), results=(result(Check.SIGNATURES, outcome, found="x", remedy="y"),)))
    assert found[0] is verdict
    assert EXIT_CODES[found[0]] == code
    assert (found[2] == "y") is (outcome is not Outcome.PASS)


@pytest.mark.parametrize("worse", [Outcome.FAIL, Outcome.UNDETERMINED, Outcome.EXEMPT])
@pytest.mark.parametrize("first", [Check.REGISTRY, Check.SIGNATURES])
def test_the_worst_result_decides_wherever_it_stands(worse, first):
    second = Check.SIGNATURES if first is Check.REGISTRY else Check.REGISTRY
    results = (result(first, worse), result(second, Outcome.PASS))
    listing = demanding(registries=[{"account": "111122223333"}])
    assert conclude(Judgement(policy=listing, results=results))[0] is not Conclusion.VERIFIED
    assert conclude(Judgement(policy=listing, results=results[::-1]))[0] is not Conclusion.VERIFIED


def test_a_failure_comes_before_what_nobody_can_tell():
    results = (result(Check.SIGNATURES, Outcome.UNDETERMINED), result(Check.ATTESTATIONS, Outcome.FAIL))
    assert conclude(Judgement(policy=demanding(), results=results))[0] is Conclusion.FAILED


@pytest.mark.parametrize("results", [(), (result(Check.REGISTRY, Outcome.PASS),)], ids=["nothing", "something else"])
def test_what_was_not_judged_is_not_verified(results):
    """A missing result is a fault of the program, and must not look like a success."""
    verdict, reason, _ = conclude(Judgement(policy=demanding(), results=results))
    assert verdict is Conclusion.INCONCLUSIVE
    assert reason == "not every requirement of the policy was checked"


def test_the_reason_of_a_success_is_who_signed():
    results = (
        result(Check.REGISTRY, Outcome.PASS, found="listed"),
        result(Check.SIGNATURES, Outcome.PASS, found="signature by a"),
        result(Check.ATTESTATIONS, Outcome.PASS, found="attestation by b"),
    )
    assert conclude(Judgement(policy=demanding(), results=results))[1] == "signature by a; attestation by b"
