"""What falls short of a check: facts missing or too stale, images absent or not pullable, nothing for a platform."""

from dataclasses import replace

import pytest

from tests.unit.builders import (
    DIGEST,
    HOUR,
    IMAGE,
    INSTANT,
    MINUTE,
    NOW,
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
from tidegate.checks.messages import cause_words
from tidegate.checks.result import Check, CheckResult, Outcome, Reason
from tidegate.checks.subject import (
    Shortfall,
    absent,
    earliest,
    existing_image,
    resting_on,
    runnable_images,
    usable,
)
from tidegate.evidence.fact import Cause, Known
from tidegate.evidence.image import Absence, BadContent, ImageStatus

RULES = policy()


@pytest.mark.parametrize("cause", Cause)
def test_each_cause_of_a_missing_fact_is_undetermined_in_its_own_words(cause):
    lacking = short(usable(missing(cause), policy=RULES, subject=subject()))
    assert (lacking.outcome, lacking.reason) == (Outcome.UNDETERMINED, Reason.COULD_NOT_CHECK)
    assert lacking.found == f"could not check: {cause_words(cause, 'ecr:DescribeImages')}"
    assert "vulnerab" not in lacking.found + lacking.remedy


def test_each_cause_has_words_that_differ():
    assert len({cause_words(cause) for cause in Cause}) == len(Cause)


@pytest.mark.parametrize("old", [MINUTE, 1000 * HOUR], ids=["young", "old"])
def test_a_fresh_fact_is_usable_whatever_its_age(old):
    assert usable(known("x", old=old), policy=RULES, subject=subject()) == "x"


STALENESS = [
    pytest.param(HOUR - INSTANT, True, id="just younger than maxStale"),
    pytest.param(HOUR, True, id="exactly as old as maxStale"),
    pytest.param(HOUR + INSTANT, False, id="just older than maxStale"),
    pytest.param(-MINUTE, True, id="observed in the future: the clocks differ"),
]


@pytest.mark.parametrize(("old", "is_usable"), STALENESS)
@pytest.mark.parametrize("cause", [Cause.THROTTLED, Cause.DEADLINE], ids=str)
def test_a_stale_fact_is_usable_up_to_max_stale(old, is_usable, cause):
    used = usable(known("x", old=old, stale=cause), policy=RULES, subject=subject())
    if is_usable:
        assert used == "x"
    else:
        assert (short(used).outcome, short(used).reason) == (Outcome.UNDETERMINED, Reason.STALE)
        assert cause_words(cause) in short(used).found
        assert "the last result is 60 min old (maxStale: 60 min)" in short(used).found


def test_max_stale_is_the_policys_own_and_zero_allows_nothing_stale():
    fact = known("x", old=INSTANT, stale=Cause.THROTTLED)
    assert isinstance(usable(fact, policy=policy(max_stale=0 * HOUR), subject=subject()), Shortfall)
    assert usable(fact, policy=policy(max_stale=INSTANT), subject=subject()) == "x"


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
    assert len(lacking.cause) < 400
    assert lacking.found == "what is stored is not an image, or not an index of images, that can be judged"
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
    nothing = runnable_images(subject(collected=evidence(runnable=())), RULES)
    assert short(nothing).found == "the image has no manifest for any platform"


def test_the_policys_platforms_come_before_the_nodes():
    judged = subject(collected=evidence(runnable=(AMD, ARM64)), cluster=platforms("linux/arm64"))
    assert runnable_images(judged, policy(platforms=platforms("linux/amd64"))) == (AMD,)
    assert runnable_images(judged, RULES) == (ARM64,)


def _result(outcome=Outcome.PASS, **changes):
    return CheckResult(check=Check.SCAN, outcome=outcome, reason=Reason.OK, **changes)


def test_fresh_missing_and_unusable_facts_leave_a_result_as_it_is():
    facts = known(1), missing(), known(2, old=HOUR + INSTANT, stale=Cause.THROTTLED)
    result = _result(notes=("note",), holds_until=NOW + HOUR)
    assert resting_on(result, *facts, policy=RULES, subject=subject()) is result


@pytest.mark.parametrize(
    ("own", "holds_until"),
    [(None, NOW + 50 * MINUTE), (NOW + MINUTE, NOW + MINUTE), (NOW + HOUR, NOW + 50 * MINUTE)],
    ids=["no limit of its own", "an earlier one", "a later one"],
)
def test_a_stale_fact_bounds_a_result_by_the_earlier_limit(own, holds_until):
    fact = known(1, old=10 * MINUTE, stale=Cause.THROTTLED)
    assert resting_on(_result(holds_until=own), fact, policy=RULES, subject=subject()).holds_until == holds_until


def test_a_stale_fact_says_who_could_not_be_asked_again():
    fact = known(1, old=10 * MINUTE, stale=Cause.UNREACHABLE, source="oci:manifests")
    noted = resting_on(_result(), fact, policy=RULES, subject=subject())
    assert noted.notes == ("judged by evidence 10 min old: the registry could not be reached",)
    beyond = short(
        usable(known(1, old=2 * HOUR, stale=Cause.UNREACHABLE, source="oci:manifests"), policy=RULES, subject=subject())
    )
    assert beyond.found.startswith("could not check again: the registry could not be reached;")


@pytest.mark.parametrize("outcome", Outcome)
def test_only_what_lets_through_is_noted(outcome):
    fact = known(1, old=10 * MINUTE, stale=Cause.THROTTLED)
    noted = resting_on(_result(outcome, notes=("own",)), fact, policy=RULES, subject=subject())
    lets_through = outcome in (Outcome.PASS, Outcome.EXEMPT)
    assert noted.lets_through is lets_through
    assert noted.notes == (
        ("judged by evidence 10 min old: AWS is throttling requests", "own") if lets_through else ("own",)
    )


def test_the_earliest_of_no_times_is_none():
    assert earliest() is earliest(None, None) is None
    assert earliest(None, NOW, NOW - INSTANT) == NOW - INSTANT


@pytest.mark.parametrize("jump", [2 * HOUR, -48 * HOUR])
def test_ages_are_those_of_the_clock_that_never_jumps(jump):
    """Wall time says nothing of how old evidence is."""
    jumped = replace(subject(), now=NOW + jump)
    young, old = known("x", old=HOUR, stale=Cause.UNREACHABLE), known("x", old=HOUR + INSTANT, stale=Cause.UNREACHABLE)
    assert usable(young, policy=RULES, subject=jumped) == "x"
    assert short(usable(old, policy=RULES, subject=jumped)).reason is Reason.STALE
    assert resting_on(_result(), young, policy=RULES, subject=jumped).holds_until == NOW + jump


def test_a_fact_without_a_moment_is_too_old():
    fact = Known("x", NOW, Cause.UNREACHABLE)
    assert short(usable(fact, policy=RULES, subject=subject())).reason is Reason.STALE
