"""Check ``attestations``: the image has each required attestation, signed by an authority, and its conditions are true.

The attestations of an image are those of the digest that the reference means.
"""

from tidegate.checks.existence import existing_image
from tidegate.checks.image_subject import ImageSubject
from tidegate.checks.result import Check, CheckResult, Outcome, Reason, Shortfall
from tidegate.checks.scan import worst
from tidegate.checks.signature import NOT_SUPPORTED, may_be_asked
from tidegate.checks.staleness import earliest, resting_on
from tidegate.checks.verification import VerificationMessages, judge_verification
from tidegate.policy.model import ImagePolicy
from tidegate.policy.signatures import AttestationRules
from tidegate.signing.requirements import requirements_of


def check_attestations(policy: ImagePolicy, subject: ImageSubject) -> CheckResult:
    """Judge each required attestation; if not all are verified, the worst decides."""
    if not may_be_asked(policy, subject):
        return NOT_SUPPORTED.of(Check.ATTESTATIONS)
    detail = existing_image(subject, policy)
    if isinstance(detail, Shortfall):
        return detail.of(Check.ATTESTATIONS)
    results: list[CheckResult] = []
    for rules, requirements in requirements_of(policy, subject.trust).attestations:
        result = judge_verification(_messages(rules), requirements, detail.digest, policy, subject)
        results.append(resting_on(result, subject.evidence.detail, policy=policy, subject=subject))
    if not all(one.lets_through for one in results):
        return worst(results)
    return CheckResult(
        check=Check.ATTESTATIONS,
        outcome=Outcome.PASS if results else Outcome.UNDETERMINED,
        reason=Reason.OK if results else Reason.POLICY_INVALID,
        found="; ".join(one.found for one in results),
        holds_until=earliest(*(one.holds_until for one in results)),
        notes=tuple(dict.fromkeys(note for one in results for note in one.notes)),
    )


def _messages(rules: AttestationRules) -> VerificationMessages:
    return VerificationMessages(
        check=Check.ATTESTATIONS,
        noun=f"attestation {rules.name} ({rules.predicate_type})",
        missing=Reason.ATTESTATION_MISSING,
        invalid=Reason.ATTESTATION_INVALID,
        undecided=Reason.ATTESTATION_UNDECIDED,
        remedy="have one of the authorities attest {image}",
    )
