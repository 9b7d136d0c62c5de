"""What is judged: one image of a request with its evidence, and the ways in which evidence can fall short.

The functions here return either the wanted value or a Shortfall, so that a check cannot go on without one of the two.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeVar

from tidegate.checks.messages import age, cause_words, harmless
from tidegate.checks.result import Check, CheckResult, Outcome, Reason
from tidegate.evidence.fact import Fact, Known, Missing
from tidegate.evidence.image import Absence, BadContent, ImageDetail, ImageStatus, PlatformImage
from tidegate.evidence.image_evidence import ImageEvidence
from tidegate.evidence.index_children import select_platforms
from tidegate.images.platform import Platform
from tidegate.images.reference import ImageReference
from tidegate.policy.model import ImagePolicy
from tidegate.policy.trust_stores import NO_TRUST, TrustSnapshot

T = TypeVar("T")

_MOST_SECONDS = 1e9
"""An age that is beyond every bound."""
MAX_PROBLEM = 300
"""Characters kept of what is wrong with a manifest or a policy; parts of it may be quoted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """One image to judge at one time. ``cluster_platforms`` are those of the nodes; empty means not known: all count.

    ``now`` is the wall time, for what is about times that others tell; ``monotonic`` is the second, by the clock that never
    jumps, that ages of evidence are measured by. ``trust`` is what the policies' signatures rely on.
    """

    reference: ImageReference
    evidence: ImageEvidence
    cluster_platforms: tuple[Platform, ...]
    now: datetime
    monotonic: float
    trust: TrustSnapshot = NO_TRUST

    def age(self, fact: Known[object]) -> timedelta:
        """Return how long ago a fact was looked up, however the wall clock was set since."""
        return timedelta(seconds=min(max(0.0, self.monotonic - fact.monotonic), _MOST_SECONDS))


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortfall:
    """Why a check cannot pass for want of a fact: a result without the name of the check. ``cause`` is for operators."""

    outcome: Outcome
    reason: Reason
    found: str
    remedy: str
    cause: str = ""

    def of(self, check: Check) -> CheckResult:
        """Return this as the result of the check."""
        return CheckResult(
            check=check,
            outcome=self.outcome,
            reason=self.reason,
            found=self.found,
            remedy=self.remedy,
            cause=self.cause,
        )


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
    found="Amazon ECR reports a status of the image that this version does not know",
    remedy="tell the platform team; a newer tidegate may know it",
)
_OTHER_DIGEST = Shortfall(
    outcome=Outcome.UNDETERMINED,
    reason=Reason.CONTENT_INVALID,
    found="the registry described another digest than the one that was asked for",
    remedy="retry, and tell the platform team if it persists",
)


def usable(fact: Fact[T], *, policy: ImagePolicy, subject: Subject) -> T | Shortfall:
    """Return the fact's value when it is fresh, or stale within the policy's ``maxStale``; else the shortfall."""
    if isinstance(fact, Missing):
        return Shortfall(
            outcome=Outcome.UNDETERMINED,
            reason=Reason.COULD_NOT_CHECK,
            found=f"could not check: {cause_words(fact.cause, fact.source)}",
            remedy="retry, and tell the platform team if it persists; this says nothing about the image itself",
        )
    if fact.stale is None:
        return fact.value
    old = subject.age(fact)
    if old <= policy.max_stale:
        return fact.value
    return Shortfall(
        outcome=Outcome.UNDETERMINED,
        reason=Reason.STALE,
        found=f"could not check again: {cause_words(fact.stale, fact.source)}; the last result is {age(old)} old "
        f"(maxStale: {age(policy.max_stale)})",
        remedy="retry, and tell the platform team if it persists",
    )


def existing_image(subject: Subject, policy: ImagePolicy) -> ImageDetail | Shortfall:
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
    """Return the shortfall for a registry's definite answer that there is nothing."""
    reason, found, remedy = _ABSENCES[absence]
    registry = reference.domain if reference.ecr is None else "Amazon ECR"
    text = found.format(registry=registry, repository=reference.path)
    return Shortfall(outcome=Outcome.FAIL, reason=reason, found=text, remedy=remedy)


def runnable_images(subject: Subject, policy: ImagePolicy) -> tuple[PlatformImage, ...] | Shortfall:
    """Return the images that nodes may run: the image, or the children of an index on the wanted platforms."""
    children = usable(subject.evidence.runnable, policy=policy, subject=subject)
    if isinstance(children, Shortfall):
        return children
    if isinstance(children, BadContent):
        return Shortfall(
            outcome=Outcome.FAIL,
            reason=Reason.CONTENT_INVALID,
            found="what is stored is not an image, or not an index of images, that can be judged",
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


def resting_on(result: CheckResult, *facts: Fact[object], policy: ImagePolicy, subject: Subject) -> CheckResult:
    """Return the result with what follows from stale facts below it: how long it holds, and a note beside a pass."""
    stale = [fact for fact in facts if isinstance(fact, Known) and fact.stale and subject.age(fact) <= policy.max_stale]
    if not stale:
        return result
    limits = [subject.now - subject.age(fact) + policy.max_stale for fact in stale]
    notes = [
        f"judged by evidence {age(subject.age(fact))} old: {cause_words(fact.stale, fact.source)}"
        for fact in stale
        if fact.stale
    ]
    return replace(
        result,
        holds_until=earliest(result.holds_until, *limits),
        notes=tuple(dict.fromkeys((*notes, *result.notes))) if result.lets_through else result.notes,
    )


def earliest(*times: datetime | None) -> datetime | None:
    """Return the earliest of the times that there are, or None."""
    return min((time for time in times if time is not None), default=None)
