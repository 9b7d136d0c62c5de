"""The check ``tags``: what is named by digest passes; else digest required, forbidden tags, and whether ECR lets it move."""

import pytest

from tests.unit.builders import (
    DIGEST,
    HOST,
    HOUR,
    IMAGE,
    INSTANT,
    MINUTE,
    NOW,
    PINNED,
    detail,
    evidence,
    globs,
    known,
    missing,
    policy,
    settings,
    subject,
)
from tidegate.checks.result import Check, CheckResult, Outcome, Reason
from tidegate.checks.tag import check_tag
from tidegate.evidence.fact import Cause
from tidegate.evidence.image import Absence, ImageStatus
from tidegate.evidence.image_evidence import nothing_asked
from tidegate.evidence.repository import TagMutability as Mode
from tidegate.policy.model import TagRules

BESIDE = f"{IMAGE}@{DIGEST}"
IMMUTABLE = TagRules(immutable=True)


def check(rules, image=IMAGE, collected=None, **of_policy):
    return check_tag(rules, policy(tags=rules, **of_policy), subject(image, collected))


def test_every_result_is_of_the_check_tags():
    assert check(IMMUTABLE).check is check(TagRules(digest_required=True)).check is Check.TAG


@pytest.mark.parametrize("image", [PINNED, BESIDE], ids=["a digest alone", "a digest beside a tag"])
@pytest.mark.parametrize(
    "rules",
    [
        pytest.param(IMMUTABLE, id="immutable"),
        pytest.param(TagRules(digest_required=True), id="digest required"),
        pytest.param(TagRules(forbidden=globs("**")), id="every tag forbidden"),
    ],
)
def test_an_image_named_by_digest_passes_without_any_fact(rules, image):
    assert check(rules, image, nothing_asked()).outcome is Outcome.PASS


def test_a_required_digest_that_lacks_is_refused_with_the_digest_to_use():
    result = check(TagRules(digest_required=True))
    assert (result.outcome, result.reason) == (Outcome.FAIL, Reason.DIGEST_REQUIRED)
    assert result.remedy == f"use {HOST}/team/app@{DIGEST}"


def test_a_required_digest_that_nobody_looked_up_is_asked_for_in_words():
    result = check(TagRules(digest_required=True), IMAGE, nothing_asked())
    assert result.remedy == "name the image by its digest"


def test_a_required_digest_is_not_guessed_from_an_image_that_is_not_there():
    result = check(TagRules(digest_required=True), IMAGE, evidence(detail=Absence.IMAGE))
    assert result.remedy == "name the image by its digest"


FORBIDDEN = [
    pytest.param(("latest",), f"{HOST}/team/app:latest", True, id="the very tag"),
    pytest.param(("latest",), f"{HOST}/team/app", True, id="no tag is latest"),
    pytest.param(("latest",), f"{HOST}/team/app:latest-1", False, id="a tag that begins alike"),
    pytest.param(("latest",), f"{HOST}/team/app:Latest", False, id="the case counts"),
    pytest.param(("*-snapshot",), f"{HOST}/team/app:v1-snapshot", True, id="a glob"),
    pytest.param(("*-snapshot",), f"{HOST}/team/app:v1-snapshot.2", False, id="a glob is anchored"),
    pytest.param(("dev", "v*"), IMAGE, True, id="the second of two"),
    pytest.param(("latest",), "ghcr.io/team/app:latest", True, id="of another registry too"),
    pytest.param((), f"{HOST}/team/app:latest", False, id="none forbidden"),
]


@pytest.mark.parametrize(("patterns", "image", "forbidden"), FORBIDDEN)
def test_forbidden_tags_are_refused_without_any_fact(patterns, image, forbidden):
    result = check(TagRules(forbidden=globs(*patterns)), image, nothing_asked())
    assert (result.outcome, result.reason) == (
        (Outcome.FAIL, Reason.TAG_FORBIDDEN) if forbidden else (Outcome.PASS, Reason.OK)
    )


def test_a_forbidden_tag_is_named_and_forbidden_before_it_is_looked_up():
    result = check(TagRules(immutable=True, forbidden=globs("v1")), IMAGE, nothing_asked())
    assert result.found == "the policy forbids the tag v1"


MODES = [
    pytest.param(Mode.IMMUTABLE, (), False, id="immutable"),
    pytest.param(Mode.IMMUTABLE, ("v*",), False, id="immutable, with a filter that the mode does not heed"),
    pytest.param(Mode.MUTABLE, (), True, id="mutable"),
    pytest.param(Mode.MUTABLE, ("v*",), True, id="mutable, with a filter that the mode does not heed"),
    pytest.param(Mode.IMMUTABLE_WITH_EXCLUSION, ("v*",), True, id="immutable, but excluded"),
    pytest.param(Mode.IMMUTABLE_WITH_EXCLUSION, ("dev*",), False, id="immutable and not excluded"),
    pytest.param(Mode.IMMUTABLE_WITH_EXCLUSION, (), False, id="immutable without any filter"),
    pytest.param(Mode.IMMUTABLE_WITH_EXCLUSION, ("dev*", "*1"), True, id="immutable, excluded by the second filter"),
    pytest.param(Mode.MUTABLE_WITH_EXCLUSION, ("v*",), False, id="mutable, but excluded"),
    pytest.param(Mode.MUTABLE_WITH_EXCLUSION, ("v",), True, id="mutable, the filter fits only a part of the tag"),
    pytest.param(Mode.MUTABLE_WITH_EXCLUSION, ("V*",), True, id="mutable, the filter is of another case"),
    pytest.param(Mode.MUTABLE_WITH_EXCLUSION, (), True, id="mutable without any filter"),
    pytest.param(Mode.UNKNOWN, (), True, id="a mode not known"),
    pytest.param(Mode.UNKNOWN, ("v*",), True, id="a mode not known, with a filter"),
]


@pytest.mark.parametrize(("mode", "filters", "can_move"), MODES)
def test_a_tag_passes_only_where_the_repository_keeps_it_in_place(mode, filters, can_move):
    result = check(IMMUTABLE, collected=evidence(settings=settings(mode, filters)))
    if can_move:
        assert (result.outcome, result.reason) == (Outcome.FAIL, Reason.TAG_MUTABLE)
        assert result.found == f"the tag v1 can be moved to another image (the repository is {mode.value})"
        assert result.remedy == f"use {HOST}/team/app@{DIGEST}, or make the repository's tags immutable"
    else:
        assert (result.outcome, result.notes, result.holds_until) == (Outcome.PASS, (), None)


def test_a_movable_tag_passes_where_it_need_not_be_immutable():
    mutable = evidence(settings=settings(Mode.MUTABLE))
    assert check(TagRules(forbidden=globs("latest")), collected=mutable).outcome is Outcome.PASS


def test_nobody_vouches_for_a_tag_of_another_registry():
    result = check(IMMUTABLE, "ghcr.io/team/app:v1", nothing_asked())
    assert (result.outcome, result.reason) == (Outcome.FAIL, Reason.REGISTRY_NOT_SUPPORTED)
    assert "ghcr.io" in result.found


LACKING = [
    pytest.param({"settings": missing(Cause.THROTTLED)}, Outcome.UNDETERMINED, Reason.COULD_NOT_CHECK, id="settings"),
    pytest.param({"settings": Absence.REPOSITORY}, Outcome.FAIL, Reason.REPOSITORY_NOT_FOUND, id="no repository"),
    pytest.param({"settings": Absence.CACHE_MISS}, Outcome.FAIL, Reason.PULL_THROUGH_CACHE_MISS, id="not yet cached"),
    pytest.param({"settings": Absence.REGION}, Outcome.FAIL, Reason.REGION_NOT_FOUND, id="no such region"),
    pytest.param({"detail": missing()}, Outcome.UNDETERMINED, Reason.COULD_NOT_CHECK, id="the image"),
    pytest.param({"detail": Absence.IMAGE}, Outcome.FAIL, Reason.IMAGE_NOT_FOUND, id="no such tag"),
    pytest.param(
        {"detail": detail(status=ImageStatus.ARCHIVED)}, Outcome.FAIL, Reason.IMAGE_ARCHIVED, id="an archived image"
    ),
]


@pytest.mark.parametrize(("facts", "outcome", "reason"), LACKING)
def test_an_immutable_tag_needs_both_facts(facts, outcome, reason):
    result = check(IMMUTABLE, collected=evidence(**facts))
    assert (result.check, result.outcome, result.reason) == (Check.TAG, outcome, reason)


@pytest.mark.parametrize("fact", ["settings", "detail"])
def test_a_pass_on_a_stale_fact_says_so_and_ends_with_max_stale(fact):
    value = {"settings": settings(), "detail": detail()}[fact]
    result = check(IMMUTABLE, collected=evidence(**{fact: known(value, old=30 * MINUTE, stale=Cause.THROTTLED)}))
    assert result.outcome is Outcome.PASS
    assert result.notes == ("judged by evidence 30 min old: AWS is throttling requests",)
    assert result.holds_until == NOW + 30 * MINUTE


def test_one_note_stands_for_equal_staleness_and_the_older_fact_ends_it():
    facts = {
        "settings": known(settings(), old=30 * MINUTE, stale=Cause.THROTTLED),
        "detail": known(detail(), old=30 * MINUTE + INSTANT, stale=Cause.THROTTLED),
    }
    result = check(IMMUTABLE, collected=evidence(**facts))
    assert len(result.notes) == 1
    assert result.holds_until == NOW + 30 * MINUTE - INSTANT


@pytest.mark.parametrize("fact", ["settings", "detail"])
def test_a_fact_staler_than_max_stale_settles_nothing(fact):
    value = {"settings": settings(), "detail": detail()}[fact]
    stale = evidence(**{fact: known(value, old=HOUR + INSTANT, stale=Cause.UNREACHABLE)})
    result = check(IMMUTABLE, collected=stale)
    assert (result.outcome, result.reason, result.holds_until) == (Outcome.UNDETERMINED, Reason.STALE, None)
    assert check(IMMUTABLE, collected=stale, max_stale=2 * HOUR).outcome is Outcome.PASS


def test_a_refusal_on_a_stale_fact_holds_no_longer_than_the_fact():
    stale = known(settings(Mode.MUTABLE), old=10 * MINUTE, stale=Cause.THROTTLED)
    result = check(IMMUTABLE, collected=evidence(settings=stale))
    assert (result.outcome, result.notes, result.holds_until) == (Outcome.FAIL, (), NOW + 50 * MINUTE)


PASSES = [
    pytest.param(IMMUTABLE, PINNED, None, id="a digest"),
    pytest.param(TagRules(forbidden=globs("latest")), IMAGE, nothing_asked(), id="a tag that is not forbidden"),
    pytest.param(IMMUTABLE, IMAGE, evidence(settings=settings(Mode.IMMUTABLE)), id="a tag that stays"),
]


@pytest.mark.parametrize(("rules", "image", "collected"), PASSES)
def test_a_pass_is_one_of_this_check_and_says_nothing(rules, image, collected):
    assert check(rules, image, collected) == CheckResult(check=Check.TAG, outcome=Outcome.PASS, reason=Reason.OK)


REFUSED = [
    pytest.param(
        TagRules(digest_required=True),
        IMAGE,
        "the reference has no digest",
        "name the image by its digest",
        id="no digest",
    ),
    pytest.param(
        TagRules(forbidden=globs("v1")),
        IMAGE,
        "the policy forbids the tag v1",
        "use a version tag or a digest",
        id="a forbidden tag",
    ),
    pytest.param(
        IMMUTABLE,
        "ghcr.io/team/app:v1",
        "ghcr.io is not Amazon ECR, so tag immutability is unknown",
        "name the image by its digest, or copy it into Amazon ECR",
        id="another registry",
    ),
]


@pytest.mark.parametrize(("rules", "image", "found", "remedy"), REFUSED)
def test_a_refusal_says_what_is_wrong_and_what_to_do(rules, image, found, remedy):
    result = check(rules, image, nothing_asked())
    assert (result.found, result.remedy) == (found, remedy)
