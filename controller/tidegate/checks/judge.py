"""The results of one image under one policy: exactly one for each required check, or the image is not allowed.

Pure: the same policy, evidence and time give the same results. An unexpected exception in a check is UNDETERMINED.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

from tidegate.checks.attestation import check_attestations
from tidegate.checks.exemption import except_results
from tidegate.checks.existence import MAX_PROBLEM
from tidegate.checks.image_subject import ImageSubject
from tidegate.checks.messages import harmless
from tidegate.checks.registry import check_registry
from tidegate.checks.repository import check_repository
from tidegate.checks.result import Check, CheckResult, Outcome, Reason, undetermined
from tidegate.checks.scan import check_scan
from tidegate.checks.signature import check_signatures
from tidegate.checks.tag import check_tag
from tidegate.checks.vulnerabilities import check_vulnerabilities
from tidegate.policy.exceptions import ImagePolicyException
from tidegate.policy.model import BrokenPolicy, ImagePolicy


def required_checks(policy: ImagePolicy | BrokenPolicy) -> tuple[Check, ...]:
    """Return the checks that a policy requires of each image it applies to; never empty."""
    if isinstance(policy, BrokenPolicy):
        return (Check.POLICY,)
    return tuple(check for name, check in _SECTIONS if getattr(policy, name, None) is not None) or (Check.POLICY,)


def judge(
    policy: ImagePolicy | BrokenPolicy, subject: ImageSubject, exceptions: Sequence[ImagePolicyException] = ()
) -> tuple[CheckResult, ...]:
    """Return one result for each required check, in their order; that of ``registries`` alone where it fails.

    ``exceptions`` are those that apply in the namespace. Those from this policy and for this image are looked for only
    where a result refuses the image.
    """
    results = tuple(_run(check, policy, subject) for check in required_checks(policy))
    if exceptions and not all(one.lets_through for one in results):
        results = _excepted(policy, subject, results, exceptions)
    refused = next((one for one in results if one.check is Check.REGISTRY and one.outcome is Outcome.FAIL), None)
    return results if refused is None else (refused,)


def _run(check: Check, policy: ImagePolicy | BrokenPolicy, subject: ImageSubject) -> CheckResult:
    try:
        result = _CHECKS[check](policy, subject)
    except Exception as problem:  # noqa: BLE001 - an error in a check must not become an allow
        return undetermined(check, Reason.INTERNAL_ERROR, "an error inside tidegate", cause=harmless(repr(problem)))
    if not isinstance(result, CheckResult) or result.check is not check:
        return undetermined(check, Reason.INTERNAL_ERROR, "an error inside tidegate (wrong result)")
    return result


def _excepted(
    policy: ImagePolicy | BrokenPolicy,
    subject: ImageSubject,
    results: tuple[CheckResult, ...],
    exceptions: Sequence[ImagePolicyException],
) -> tuple[CheckResult, ...]:
    """Return the results with what is excepted; a policy that cannot be read has no exceptions."""
    if isinstance(policy, BrokenPolicy):
        return results
    try:
        return except_results(policy, subject, results, exceptions)
    except Exception:  # noqa: BLE001 - an error in an exception must not become an allow
        return results


def _policy(policy: ImagePolicy | BrokenPolicy) -> CheckResult:
    found, cause = "the policy requires nothing", ""
    if isinstance(policy, BrokenPolicy):
        found, cause = "the policy is invalid", harmless("; ".join(policy.problems[:1]), MAX_PROBLEM)
    remedy = "ask the platform team to correct the policy; its status lists the problems"
    return undetermined(Check.POLICY, Reason.POLICY_INVALID, found, remedy, cause=cause)


_CHECKS: dict[Check, Callable[[Any, ImageSubject], CheckResult]] = {
    Check.POLICY: lambda policy, _: _policy(policy),
    Check.REGISTRY: lambda policy, subject: check_registry(policy.registries, subject.reference),
    Check.TAG: lambda policy, subject: check_tag(policy.tags, policy, subject),
    Check.SCAN: lambda policy, subject: check_scan(policy.scan, policy, subject),
    Check.VULNERABILITIES: lambda policy, subject: check_vulnerabilities(policy.vulnerabilities, policy, subject),
    Check.SIGNATURES: lambda policy, subject: check_signatures(policy.signatures, policy, subject),
    Check.ATTESTATIONS: check_attestations,
    Check.REPOSITORY: lambda policy, subject: check_repository(policy.repository, policy, subject),
}
"""Every check in its order. A check other than ``policy`` is required by a policy that has the section of its name."""
_SECTIONS: Final = tuple((check.value, check) for check in _CHECKS)
