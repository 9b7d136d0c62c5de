"""Check ``signatures``: the image, and where the policy says so each of its children, is signed by an authority of it.

What a signature proves was found out before, bytes by bytes, in ``tidegate.verify``; here is what a policy makes of it.
An index image is signed as one: its digest fixes its children. ``children: All`` demands a signature of each child too.
"""

from tidegate.checks.proof import ProofWords, judge_proofs
from tidegate.checks.result import Check, CheckResult, Outcome, Reason
from tidegate.checks.subject import Shortfall, Subject, earliest, existing_image, resting_on, runnable_images
from tidegate.checks.words import harmless
from tidegate.policy.model import ImagePolicy
from tidegate.policy.signatures import Children, SignatureRules
from tidegate.verify.demands import demands_of

NOT_SUPPORTED = Shortfall(
    outcome=Outcome.FAIL,
    reason=Reason.REGISTRY_NOT_SUPPORTED,
    found="the image is not in Amazon ECR, and other registries are asked only where a policy's registries list them",
    remedy="copy the image into Amazon ECR, or have the platform team list its registry",
)

_WORDS = ProofWords(
    check=Check.SIGNATURES,
    noun="signature",
    missing=Reason.SIGNATURE_MISSING,
    invalid=Reason.SIGNATURE_INVALID,
    undecided=Reason.SIGNATURE_UNDECIDED,
    revoked=Reason.SIGNATURE_REVOKED,
    remedy="have one of the authorities sign {image}",
)


def check_signatures(rules: SignatureRules, policy: ImagePolicy, subject: Subject) -> CheckResult:
    """Judge the image that the reference means, then each child that may run where that is demanded; the worst decides."""
    if not may_be_asked(policy, subject):
        return NOT_SUPPORTED.of(Check.SIGNATURES)
    detail = existing_image(subject, policy)
    if isinstance(detail, Shortfall):
        return detail.of(Check.SIGNATURES)
    demands = demands_of(policy, subject.trust).signatures
    result = judge_proofs(_WORDS, demands, detail.digest, policy, subject)
    result = resting_on(result, subject.evidence.detail, policy=policy, now=subject.now)
    if not result.lets_through or rules.children is not Children.ALL:
        return result
    children = runnable_images(subject, policy)
    if isinstance(children, Shortfall):
        return children.of(Check.SIGNATURES)
    results = [result]
    for child in children:
        one = judge_proofs(_WORDS, demands, child.digest, policy, subject)
        if not one.lets_through:
            place = f"{child.platform}: " if child.platform is not None else ""
            return _with_found(one, place + one.found)
        results.append(one)
    return _merged(results)


def may_be_asked(policy: ImagePolicy, subject: Subject) -> bool:
    """Tell whether the image's registry is one that is asked for this policy: Amazon ECR, or one that it lists."""
    return subject.reference.ecr is not None or policy.registries is not None


def _with_found(result: CheckResult, found: str) -> CheckResult:
    return CheckResult(
        check=result.check,
        outcome=result.outcome,
        reason=result.reason,
        found=harmless(found, len(found) + 1),
        remedy=result.remedy,
        holds_until=result.holds_until,
    )


def _merged(results: list[CheckResult]) -> CheckResult:
    """Return one result for several that let through: an exemption among them stays one."""
    first = next((one for one in results if one.outcome is Outcome.EXEMPT), results[0])
    return CheckResult(
        check=first.check,
        outcome=first.outcome,
        reason=first.reason,
        found=first.found,
        remedy=first.remedy,
        holds_until=earliest(*(one.holds_until for one in results)),
        notes=tuple(dict.fromkeys(note for one in results for note in one.notes)),
    )
