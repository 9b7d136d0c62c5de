"""The results of one image under one policy: exactly one for each required check, or the image is not allowed.

Pure: the same policy, evidence and time give the same results. An unexpected exception in a check is UNDETERMINED.
"""

from collections.abc import Callable

from tidegate.checks.attestation import check_attestations
from tidegate.checks.existence import MAX_PROBLEM
from tidegate.checks.image_subject import ImageSubject
from tidegate.checks.messages import harmless
from tidegate.checks.registry import check_registry
from tidegate.checks.result import Check, CheckResult, Outcome, Reason
from tidegate.checks.scan import check_scan
from tidegate.checks.signature import check_signatures
from tidegate.checks.tag import check_tag
from tidegate.checks.vulnerabilities import check_vulnerabilities
from tidegate.policy.model import BrokenPolicy, ImagePolicy


def required_checks(policy: ImagePolicy | BrokenPolicy) -> tuple[Check, ...]:
    """Return the checks that a policy requires of each image it applies to; never empty."""
    if isinstance(policy, BrokenPolicy):
        return (Check.POLICY,)
    sections = (
        (Check.REGISTRY, policy.registries),
        (Check.TAG, policy.tags),
        (Check.SCAN, policy.scan),
        (Check.VULNERABILITIES, policy.vulnerabilities),
        (Check.SIGNATURES, policy.signatures),
        (Check.ATTESTATIONS, policy.attestations),
    )
    return tuple(check for check, section in sections if section is not None) or (Check.POLICY,)


def judge(policy: ImagePolicy | BrokenPolicy, subject: ImageSubject) -> tuple[CheckResult, ...]:
    """Return one result for each required check, in their order; that of ``registries`` alone where it fails."""
    results = tuple(_run(check, policy, subject) for check in required_checks(policy))
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


def undetermined(check: Check, reason: Reason, found: str, *, cause: str = "") -> CheckResult:
    """Return the result of a check that could not be made."""
    return CheckResult(
        check=check,
        outcome=Outcome.UNDETERMINED,
        reason=reason,
        found=found,
        remedy="retry, and tell the platform team if it persists",
        cause=cause,
    )


def _policy(policy: ImagePolicy | BrokenPolicy, _subject: ImageSubject) -> CheckResult:
    found, cause = "the policy requires nothing", ""
    if isinstance(policy, BrokenPolicy):
        found, cause = "the policy is invalid", harmless("; ".join(policy.problems[:1]), MAX_PROBLEM)
    return CheckResult(
        check=Check.POLICY,
        outcome=Outcome.UNDETERMINED,
        reason=Reason.POLICY_INVALID,
        found=found,
        remedy="ask the platform team to correct the policy; its status lists the problems",
        cause=cause,
    )


def _registry(policy: ImagePolicy | BrokenPolicy, subject: ImageSubject) -> CheckResult:
    assert isinstance(policy, ImagePolicy)
    return check_registry(policy.registries or (), subject.reference)


def _tag(policy: ImagePolicy | BrokenPolicy, subject: ImageSubject) -> CheckResult:
    assert isinstance(policy, ImagePolicy)
    assert policy.tags is not None
    return check_tag(policy.tags, policy, subject)


def _scan(policy: ImagePolicy | BrokenPolicy, subject: ImageSubject) -> CheckResult:
    assert isinstance(policy, ImagePolicy)
    assert policy.scan is not None
    return check_scan(policy.scan, policy, subject)


def _vulnerabilities(policy: ImagePolicy | BrokenPolicy, subject: ImageSubject) -> CheckResult:
    assert isinstance(policy, ImagePolicy)
    assert policy.vulnerabilities is not None
    return check_vulnerabilities(policy.vulnerabilities, policy, subject)


def _signatures(policy: ImagePolicy | BrokenPolicy, subject: ImageSubject) -> CheckResult:
    assert isinstance(policy, ImagePolicy)
    assert policy.signatures is not None
    return check_signatures(policy.signatures, policy, subject)


def _attestations(policy: ImagePolicy | BrokenPolicy, subject: ImageSubject) -> CheckResult:
    assert isinstance(policy, ImagePolicy)
    return check_attestations(policy, subject)


_CHECKS: dict[Check, Callable[[ImagePolicy | BrokenPolicy, ImageSubject], CheckResult]] = {
    Check.POLICY: _policy,
    Check.REGISTRY: _registry,
    Check.TAG: _tag,
    Check.SCAN: _scan,
    Check.VULNERABILITIES: _vulnerabilities,
    Check.SIGNATURES: _signatures,
    Check.ATTESTATIONS: _attestations,
}
