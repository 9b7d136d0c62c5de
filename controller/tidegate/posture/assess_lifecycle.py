"""The posture check on a repository's lifecycle policy: that it is there, and that it keeps the images that run."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from tidegate.errors import VerificationError
from tidegate.evidence.registry_configuration import RepositoryConfiguration, StoredImage
from tidegate.evidence.source_unavailable import SourceUnavailableError
from tidegate.images.digest import Digest, short
from tidegate.policy.model import RequiredLifecycle
from tidegate.posture import remedies
from tidegate.posture.lifecycle import KEPT_FOR, KEPT_IMAGES, Fate, ImageFate, fates, is_soon
from tidegate.posture.lifecycle_policy import LifecycleRule, UnreadableRule, parse_lifecycle_text
from tidegate.posture.result import (
    PostureCheck,
    PostureReason,
    PostureResult,
    PostureStatus,
    passed,
    unavailable,
    undecided,
)
from tidegate.strict.quotation import day

MAX_NAMED = 5
"""Images that a result names one by one."""

Rules = tuple[LifecycleRule | UnreadableRule, ...]


def lifecycle_rules(repository: RepositoryConfiguration, required: RequiredLifecycle) -> Rules | PostureResult:
    """Return the rules of the lifecycle policy, or the result where there is none or it cannot be read.

    Without a policy nothing is lost: then only a policy that is required as such is missing.
    """
    written = repository.lifecycle
    if isinstance(written, SourceUnavailableError):
        return unavailable(PostureCheck.LIFECYCLE, "the repository's lifecycle policy could not be read", written)
    if written is None:
        if required is RequiredLifecycle.KEEPS_RUNNING_IMAGES:
            return passed(PostureCheck.LIFECYCLE, "the repository has no lifecycle policy, so it keeps every image")
        return PostureResult(
            check=PostureCheck.LIFECYCLE,
            status=PostureStatus.FAIL,
            reason=PostureReason.LIFECYCLE_POLICY_MISSING,
            message="the repository has no lifecycle policy",
            aws_cli=remedies.of_repository(
                "put-lifecycle-policy",
                repository.repository,
                "--lifecycle-policy-text",
                '{"rules":[{"rulePriority":1,"description":"Expire untagged images","selection":{"tagStatus":"untagged",'
                '"countType":"sinceImagePushed","countUnit":"days","countNumber":90},"action":{"type":"expire"}}]}',
            ),
            terraform=remedies.TERRAFORM_LIFECYCLE,
        )
    try:
        return parse_lifecycle_text(written)
    except VerificationError as problem:
        return undecided(
            PostureCheck.LIFECYCLE, "the repository's lifecycle policy is not understood", cause=str(problem)
        )


def assess_lifecycle(
    repository: RepositoryConfiguration,
    required: RequiredLifecycle,
    *,
    images: Sequence[StoredImage] | SourceUnavailableError,
    running: Iterable[Digest],
    children: Mapping[Digest, frozenset[Digest]] | None,
    now: datetime,
) -> PostureResult:
    """Return PASS where the lifecycle policy meets what is required and loses no running image soon."""
    rules = lifecycle_rules(repository, required)
    if isinstance(rules, PostureResult):
        return rules
    if isinstance(images, SourceUnavailableError):
        return unavailable(PostureCheck.LIFECYCLE, "the images of the repository could not be listed", images)
    return judge_fates(repository, fates(rules, images, running, now=now, children=children), now=now)


def judge_fates(repository: RepositoryConfiguration, found: Sequence[ImageFate], *, now: datetime) -> PostureResult:
    """Return FAIL where an image is lost soon, UNDETERMINED where it is unknown of one, else PASS."""
    lost = sorted((one for one in found if is_soon(one, now=now)), key=lambda one: (one.at is None, one.at or now))
    if lost:
        return PostureResult(
            check=PostureCheck.LIFECYCLE,
            status=PostureStatus.FAIL,
            reason=PostureReason.IMAGE_EXPIRES,
            message=f"the lifecycle policy {describe(lost[0], now=now)}"
            + (f", and {len(lost) - 1} more running images" if len(lost) > 1 else ""),
            cause="; ".join(f"{short(one.digest)}: rule {one.rule} {_when(one, now)}" for one in lost[:MAX_NAMED]),
            aws_cli=remedies.of_repository("get-lifecycle-policy", repository.repository),
            terraform=remedies.TERRAFORM_LIFECYCLE,
        )
    unknown = next((one for one in found if one.fate is Fate.UNKNOWN), None)
    if unknown is not None:
        return undecided(
            PostureCheck.LIFECYCLE,
            "it cannot be decided whether the lifecycle policy keeps the image",
            cause=unknown.problem,
        )
    text = f"the lifecycle policy keeps the running images for {KEPT_FOR.days} days or {KEPT_IMAGES} newer images"
    return passed(PostureCheck.LIFECYCLE, text)


def describe(fate: ImageFate, *, now: datetime) -> str:
    """Return what a lifecycle policy does to an image and when: ``expires the image on 2026-12-01 (rule 2)``."""
    verb = "expires" if fate.fate is Fate.EXPIRES else "archives"
    return f"{verb} the image {_when(fate, now)} (rule {fate.rule})"


def _when(fate: ImageFate, now: datetime) -> str:
    if fate.at is None:
        return f"once {fate.newer_images} newer images are pushed"
    return "now" if fate.at <= now else f"on {day(fate.at)}"
