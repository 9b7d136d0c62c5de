"""Images that are absent, cannot be pulled, or have nothing for a platform fail, each with its reason."""

import pytest

from tests.unit.builders import (
    DIGEST,
    HOUR,
    IMAGE,
    PINNED,
    child,
    detail,
    digest,
    evidence,
    known,
    missing,
    platforms,
    policy,
    reference,
    short,
    subject,
)
from tidegate.checks.existence import MAX_PROBLEM, absent, existing_image, runnable_images
from tidegate.checks.result import Check, CheckResult, Outcome, Reason
from tidegate.evidence.fact import Cause
from tidegate.evidence.image import Absence, BadContent, ImageStatus

RULES = policy()


ABSENCES = {
    Absence.IMAGE: Reason.IMAGE_NOT_FOUND,
    Absence.REPOSITORY: Reason.REPOSITORY_NOT_FOUND,
    Absence.CACHE_MISS: Reason.PULL_THROUGH_CACHE_MISS,
    Absence.REGION: Reason.REGION_NOT_FOUND,
}


@pytest.mark.parametrize("absence", Absence)
def test_each_absence_fails_with_a_reason_and_a_remedy_of_its_own(absence):
    lacking = short(existing_image(subject(collected=evidence(detail=absence)), RULES))
    assert (lacking.outcome, lacking.reason) == (Outcome.FAIL, ABSENCES[absence])
    assert lacking.remedy
    assert lacking == absent(absence, reference(IMAGE))


def test_an_absent_image_names_its_repository():
    assert "team/app" in absent(Absence.IMAGE, reference(IMAGE)).found


@pytest.mark.parametrize("absence", [Absence.IMAGE, Absence.REPOSITORY])
def test_an_absence_names_the_registry_that_was_asked(absence):
    assert absent(absence, reference(IMAGE)).found.startswith("Amazon ECR has no ")
    assert absent(absence, reference("ghcr.io/acme/app:v1")).found.startswith("ghcr.io has no ")


def test_an_absence_that_is_too_stale_is_not_an_answer():
    gone = known(Absence.IMAGE, old=2 * HOUR, stale=Cause.THROTTLED)
    assert short(existing_image(subject(collected=evidence(detail=gone)), RULES)).reason is Reason.STALE


STATUSES = {
    ImageStatus.ARCHIVED: (Outcome.FAIL, Reason.IMAGE_ARCHIVED),
    ImageStatus.ACTIVATING: (Outcome.FAIL, Reason.IMAGE_NOT_PULLABLE),
    ImageStatus.UNKNOWN: (Outcome.UNDETERMINED, Reason.STATUS_UNKNOWN),
}


@pytest.mark.parametrize("status", ImageStatus)
def test_only_an_active_image_can_be_pulled(status):
    image = existing_image(subject(collected=evidence(detail=detail(status=status))), RULES)
    if status is ImageStatus.ACTIVE:
        assert image == detail()
    else:
        assert (short(image).outcome, short(image).reason) == STATUSES[status]
        assert short(image).found
        assert short(image).remedy


def test_the_image_must_be_the_one_that_was_asked_for():
    other = evidence(detail=detail(digest=digest("other")))
    lacking = short(existing_image(subject(PINNED, other), RULES))
    assert (lacking.outcome, lacking.reason) == (Outcome.UNDETERMINED, Reason.CONTENT_INVALID)
    assert existing_image(subject(IMAGE, other), RULES) == detail(digest=digest("other"))
    assert existing_image(subject(PINNED), RULES) == detail(digest=DIGEST)


def test_what_is_wrong_with_a_manifest_is_said_without_control_characters_and_cut():
    bad = evidence(runnable=known(BadContent("no\x1b[2J\n" + "x" * 1000)))
    lacking = short(runnable_images(subject(collected=bad), RULES))
    assert (lacking.outcome, lacking.reason) == (Outcome.FAIL, Reason.CONTENT_INVALID)
    assert "no?[2J?xxx" in lacking.cause
    assert lacking.cause.isprintable()
    assert len(lacking.cause) == MAX_PROBLEM
    assert lacking.found == "the manifest is not a valid image manifest or image index"
    assert lacking.remedy == "rebuild and push the image"
    assert lacking.of(Check.SCAN) == CheckResult(
        check=Check.SCAN,
        outcome=lacking.outcome,
        reason=lacking.reason,
        found=lacking.found,
        remedy=lacking.remedy,
        cause=lacking.cause,
    )


def test_children_that_are_too_stale_or_missing_are_no_children():
    for fact in (missing(), known((AMD,), stale=Cause.THROTTLED, old=2 * HOUR)):
        lacking = short(runnable_images(subject(collected=evidence(runnable=fact)), policy(max_stale=HOUR)))
        assert lacking.outcome is Outcome.UNDETERMINED


AMD, ARM64 = child("b", "linux/amd64"), child("c", "linux/arm64")


def test_an_image_with_nothing_for_the_nodes_fails_and_names_them():
    judged = subject(collected=evidence(runnable=(AMD,)), cluster=platforms("linux/arm64", "linux/s390x"))
    lacking = short(runnable_images(judged, RULES))
    assert (lacking.outcome, lacking.reason) == (Outcome.FAIL, Reason.PLATFORM_MISSING)
    assert lacking.found == "the image has no manifest for linux/arm64, linux/s390x"
    assert lacking.remedy == "build it for that platform, or set platforms in the policy"
    nothing = runnable_images(subject(collected=evidence(runnable=())), RULES)
    assert short(nothing).found == "the image has no manifest for any platform"


def test_the_policys_platforms_come_before_the_nodes():
    judged = subject(collected=evidence(runnable=(AMD, ARM64)), cluster=platforms("linux/arm64"))
    assert runnable_images(judged, policy(platforms=platforms("linux/amd64"))) == (AMD,)
    assert runnable_images(judged, RULES) == (ARM64,)
