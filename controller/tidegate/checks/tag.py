"""Check ``tags``: the tag is immutable and not forbidden, or the reference has a digest.

Tag mutability is read from the ECR repository: one of four modes with exclusion filters. A reference with a digest
always passes, whatever its tag. A push cannot move an immutable tag, but a user with the permissions to delete and to push
images can delete the tag and push it again; only a digest excludes that.
"""

from tidegate.checks.existence import absent, existing_image
from tidegate.checks.image_subject import ImageSubject
from tidegate.checks.messages import harmless
from tidegate.checks.result import Check, CheckResult, Reason, Shortfall, failed, passed
from tidegate.checks.staleness import resting_on, usable
from tidegate.evidence.image import Absence
from tidegate.policy.model import ImagePolicy, TagRules


def check_tag(rules: TagRules, policy: ImagePolicy, subject: ImageSubject) -> CheckResult:
    """Judge the tag: digest first, then forbidden patterns, then tag mutability."""
    reference = subject.reference
    if reference.digest is not None:
        return passed(Check.TAG)
    tag = reference.tag or ""
    if rules.digest_required:
        return failed(Check.TAG, Reason.DIGEST_REQUIRED, "the reference has no digest", _pin_remedy(subject))
    if any(pattern.matches(tag) for pattern in rules.forbidden):
        found = f"the policy forbids the tag {harmless(tag)}"
        return failed(Check.TAG, Reason.TAG_FORBIDDEN, found, "use a version tag or a digest")
    if not rules.immutable:
        return passed(Check.TAG)
    result = _immutable(policy, subject, tag)
    return resting_on(result, subject.evidence.settings, subject.evidence.detail, policy=policy, subject=subject)


def _immutable(policy: ImagePolicy, subject: ImageSubject, tag: str) -> CheckResult:
    if subject.reference.ecr is None:
        return failed(
            Check.TAG,
            Reason.REGISTRY_NOT_SUPPORTED,
            f"{harmless(subject.reference.domain)} is not Amazon ECR, so tag immutability is unknown",
            "name the image by its digest, or copy it into Amazon ECR",
        )
    settings = usable(subject.evidence.settings, policy=policy, subject=subject)
    if isinstance(settings, Absence):
        settings = absent(settings, subject.reference)
    if isinstance(settings, Shortfall):
        return settings.of(Check.TAG)
    if settings.can_move(tag):
        return failed(
            Check.TAG,
            Reason.TAG_MUTABLE,
            f"the tag {harmless(tag)} can be moved to another image (the repository is {settings.mutability.value})",
            _pin_remedy(subject) + ", or make the repository's tags immutable",
        )
    image = existing_image(subject, policy)
    if isinstance(image, Shortfall):
        return image.of(Check.TAG)
    return passed(Check.TAG)


def _pin_remedy(subject: ImageSubject) -> str:
    """Return how to pin the image, with its digest where it is known."""
    digest = getattr(getattr(subject.evidence.detail, "value", None), "digest", None)
    if digest is None:
        return "name the image by its digest"
    return f"use {subject.reference.domain}/{subject.reference.path}@{digest}"
