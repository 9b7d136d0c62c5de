"""Check ``signatures``: one of the policy's authorities signed the image and, if required, each of its children.

``tidegate.verify`` has verified the signatures before; this check applies the policy.
A signature of an index covers its children, because the index names their digests. ``children: All`` also requires a
signature of each child.
"""

from dataclasses import replace

from tidegate.checks.existence import existing_image, runnable_images
from tidegate.checks.image_subject import ImageSubject
from tidegate.checks.result import Check, CheckResult, Outcome, Reason, Shortfall
from tidegate.checks.scan import worst
from tidegate.checks.staleness import resting_on
from tidegate.checks.verification import VerificationMessages, judge_verification
from tidegate.images.platform import Platform
from tidegate.policy.model import ImagePolicy
from tidegate.policy.signatures import Children, SignatureRules
from tidegate.signing.requirements import requirements_of

NOT_SUPPORTED = Shortfall(
    outcome=Outcome.FAIL,
    reason=Reason.REGISTRY_NOT_SUPPORTED,
    found="the image is not in Amazon ECR, and other registries are asked only where a policy's registries list them",
    remedy="copy the image into Amazon ECR, or have the platform team list its registry",
)

_WORDS = VerificationMessages(
    check=Check.SIGNATURES,
    noun="signature",
    missing=Reason.SIGNATURE_MISSING,
    invalid=Reason.SIGNATURE_INVALID,
    undecided=Reason.SIGNATURE_UNDECIDED,
    revoked=Reason.SIGNATURE_REVOKED,
    remedy="have one of the authorities sign {image}",
)


def check_signatures(rules: SignatureRules, policy: ImagePolicy, subject: ImageSubject) -> CheckResult:
    """Judge the image, then each child that may run if that is required; the worst decides."""
    if not may_be_asked(policy, subject):
        return NOT_SUPPORTED.of(Check.SIGNATURES)
    detail = existing_image(subject, policy)
    if isinstance(detail, Shortfall):
        return detail.of(Check.SIGNATURES)
    requirements = requirements_of(policy, subject.trust).signatures
    result = judge_verification(_WORDS, requirements, detail.digest, policy, subject)
    result = resting_on(result, subject.evidence.detail, policy=policy, subject=subject)
    if not result.lets_through or rules.children is not Children.ALL:
        return result
    children = runnable_images(subject, policy)
    if isinstance(children, Shortfall):
        return children.of(Check.SIGNATURES)
    judged = [
        (child.platform, judge_verification(_WORDS, requirements, child.digest, policy, subject)) for child in children
    ]
    return worst([result, *(_at(platform, one) for platform, one in judged)])


def may_be_asked(policy: ImagePolicy, subject: ImageSubject) -> bool:
    """Tell whether tidegate contacts the image's registry for this policy: Amazon ECR, or one that it lists."""
    return subject.reference.ecr is not None or policy.registries is not None


def _at(platform: Platform | None, result: CheckResult) -> CheckResult:
    """Return a child's result; one that refuses names the child's platform."""
    if platform is None or result.lets_through:
        return result
    return replace(result, found=f"{platform}: {result.found}")
