"""Whether an image exists, can be pulled, and has a manifest for the platforms of the nodes.

The functions return either the value or a Shortfall, so that a check has to handle both.
"""

from tidegate.checks.image_subject import ImageSubject
from tidegate.checks.messages import harmless
from tidegate.checks.result import RETRY, Outcome, Reason, Shortfall
from tidegate.checks.staleness import usable
from tidegate.evidence.image import Absence, BadContent, ImageDetail, ImageStatus, PlatformImage
from tidegate.evidence.index_children import select_platforms
from tidegate.images.reference import ImageReference
from tidegate.policy.model import ImagePolicy

MAX_PROBLEM = 300
"""Characters of the problem with a manifest or a policy; it may quote foreign text."""

_ABSENCES = {
    Absence.IMAGE: (
        Reason.IMAGE_NOT_FOUND,
        "{registry} has no such image in repository {repository}",
        "check the tag or digest, or push the image",
    ),
    Absence.REPOSITORY: (
        Reason.REPOSITORY_NOT_FOUND,
        "{registry} has no repository {repository}",
        "check the registry's host and the repository's name",
    ),
    Absence.CACHE_MISS: (
        Reason.PULL_THROUGH_CACHE_MISS,
        "the pull-through cache {repository} does not hold this image yet, so it cannot be judged",
        "pull it once (for example in CI) and retry",
    ),
    Absence.REGION: (
        Reason.REGION_NOT_FOUND,
        "the registry's host names a region that AWS does not have",
        "check the region in the image's registry host",
    ),
}

_NOT_ACTIVE = {
    ImageStatus.ARCHIVED: Shortfall(
        outcome=Outcome.FAIL,
        reason=Reason.IMAGE_ARCHIVED,
        found="the image is archived in Amazon ECR and cannot be pulled",
        remedy="restore it or deploy another version",
    ),
    ImageStatus.ACTIVATING: Shortfall(
        outcome=Outcome.FAIL,
        reason=Reason.IMAGE_NOT_PULLABLE,
        found="the image is being restored from Amazon ECR's archive and cannot be pulled yet",
        remedy="wait until it is active and retry",
    ),
}
_UNKNOWN_STATUS = Shortfall(
    outcome=Outcome.UNDETERMINED,
    reason=Reason.STATUS_UNKNOWN,
    found="Amazon ECR reports an image status that this version of tidegate does not know",
    remedy="ask the platform team to upgrade tidegate",
)
_OTHER_DIGEST = Shortfall(
    outcome=Outcome.UNDETERMINED,
    reason=Reason.CONTENT_INVALID,
    found="the registry returned another digest than the one requested",
    remedy=RETRY,
)


def existing_image(subject: ImageSubject, policy: ImagePolicy) -> ImageDetail | Shortfall:
    """Return the detail of an image that exists and can be pulled; else the shortfall."""
    detail = usable(subject.evidence.detail, policy=policy, subject=subject)
    if isinstance(detail, Absence):
        return absent(detail, subject.reference)
    if isinstance(detail, Shortfall):
        return detail
    if subject.reference.digest not in (None, detail.digest):
        return _OTHER_DIGEST
    return detail if detail.status is ImageStatus.ACTIVE else _NOT_ACTIVE.get(detail.status, _UNKNOWN_STATUS)


def absent(absence: Absence, reference: ImageReference) -> Shortfall:
    """Return the shortfall for an image or repository that does not exist."""
    reason, found, remedy = _ABSENCES[absence]
    registry = reference.domain if reference.ecr is None else "Amazon ECR"
    text = found.format(registry=registry, repository=reference.path)
    return Shortfall(outcome=Outcome.FAIL, reason=reason, found=text, remedy=remedy)


def runnable_images(subject: ImageSubject, policy: ImagePolicy) -> tuple[PlatformImage, ...] | Shortfall:
    """Return the images that nodes may run: the image, or the children of an index on the wanted platforms."""
    children = usable(subject.evidence.runnable, policy=policy, subject=subject)
    if isinstance(children, Shortfall):
        return children
    if isinstance(children, BadContent):
        return Shortfall(
            outcome=Outcome.FAIL,
            reason=Reason.CONTENT_INVALID,
            found="the manifest is not a valid image manifest or image index",
            remedy="rebuild and push the image",
            cause=harmless(children.problem, MAX_PROBLEM),
        )
    wanted = policy.platforms or subject.cluster_platforms
    chosen = select_platforms(children, wanted)
    if chosen:
        return chosen
    return Shortfall(
        outcome=Outcome.FAIL,
        reason=Reason.PLATFORM_MISSING,
        found=f"the image has no manifest for {', '.join(map(str, wanted)) or 'any platform'}",
        remedy="build it for that platform, or set platforms in the policy",
    )
