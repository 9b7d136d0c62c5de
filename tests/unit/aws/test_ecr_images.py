"""ECR's answers about images and repositories: what they do not say for certain is never taken for said."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from tidegate.aws.ecr_images import can_exist, read_images, read_manifests, read_repositories
from tidegate.evidence.content import StoredManifest
from tidegate.evidence.fact import Cause
from tidegate.evidence.image import Absence, ImageDetail, ImageStatus
from tidegate.evidence.repository import TagMutability
from tidegate.evidence.source_unavailable import SourceUnavailableError
from tidegate.images.digest import digest_of
from tidegate.images.image_id import ImageId
from tidegate.images.repository import EcrRegistry, EcrRepository

REGISTRY = EcrRegistry("aws", "111122223333", "eu-west-1")
REPOSITORY = EcrRepository(REGISTRY, "team/app")
MANIFEST_A, MANIFEST_B = "{}", '{"é":1}'
A, B = (digest_of(each.encode()) for each in (MANIFEST_A, MANIFEST_B))
SOURCE = "ecr:Operation"
PUSHED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def described(digest=A, tags=("v1",), **members):
    return {
        "registryId": "111122223333",
        "repositoryName": "team/app",
        "imageDigest": digest,
        "imageTags": list(tags),
        "imageManifestMediaType": "application/vnd.oci.image.manifest.v1+json",
        "imagePushedAt": PUSHED.astimezone(timezone(timedelta(hours=2))),
        "imageStatus": "ACTIVE",
        **members,
    }


def images(*details, ids):
    return read_images({"imageDetails": list(details)}, REPOSITORY, ids, SOURCE)


def unanswered(value):
    return isinstance(value, SourceUnavailableError) and value.cause is Cause.UNEXPECTED_ANSWER


TAG = ImageId.of_tag("v1")
APP_IDS = (TAG, ImageId.of_digest(A))


def test_media_types_that_are_known_are_one_object_for_all_images():
    kinds = [
        images(described(imageManifestMediaType=f"application/vnd.{rest}"), ids=[TAG])[TAG].media_type
        for rest in ("oci.image.manifest.v1+json", "oci.image.manifest.v1+json", "new", "new")
    ]
    assert kinds[0] is kinds[1]
    assert kinds[2] == kinds[3]
    assert kinds[2] is not kinds[3]


def test_images_are_told_apart_by_tag_and_digest_in_any_order():
    other, by_digest = ImageId.of_tag("v2"), ImageId.of_digest(A)
    answers = images(described(B, ["v2", "latest"]), described(A, ["v1"]), ids=[TAG, other, by_digest])
    assert answers[TAG] == ImageDetail(
        digest=A,
        media_type="application/vnd.oci.image.manifest.v1+json",
        status=ImageStatus.ACTIVE,
        pushed_at=PUSHED,
    )
    assert answers[other].digest == B
    assert answers[by_digest] == answers[TAG]


def test_two_tags_of_one_image_are_both_answered():
    both = [TAG, ImageId.of_tag("v2")]
    assert {each.digest for each in images(described(A, ["v1", "v2"]), ids=both).values()} == {A}


def test_the_same_image_described_twice_is_one_answer():
    assert images(described(), described(), ids=[TAG])[TAG].digest == A


UNCLEAR = [
    pytest.param([], id="nothing was described"),
    pytest.param([described(A, ["v2"])], id="another tag was described"),
    pytest.param([described(A, [])], id="an image without a tag was described"),
    pytest.param([described(A), described(B)], id="two images bear the tag"),
]


@pytest.mark.parametrize("details", UNCLEAR)
def test_an_id_that_was_not_clearly_answered_is_not_answered(details):
    assert unanswered(images(*details, ids=[TAG])[TAG])


@pytest.mark.parametrize(
    "details",
    [
        pytest.param([described("sha256:" + "g" * 64)], id="a digest that is none"),
        pytest.param([described("sha512:" + "a" * 128)], id="a digest of another kind"),
        pytest.param([described(None)], id="no digest"),
        pytest.param([described(imageStatus=7)], id="a status that is no text"),
        pytest.param([described(imageManifestMediaType=["x"])], id="a media type that is no text"),
        pytest.param([described(imagePushedAt="yesterday")], id="a time that is none"),
        pytest.param([described(imagePushedAt=datetime(2026, 1, 1))], id="a time without a zone"),  # noqa: DTZ001
        pytest.param([described(imageManifestMediaType=None)], id="no media type"),
        pytest.param([described(repositoryName="team/other")], id="another repository"),
        pytest.param([described(repositoryName=None)], id="no repository"),
        pytest.param([described(registryId="999999999999")], id="another registry"),
        pytest.param([described(registryId=None)], id="no registry"),
        pytest.param(["x"], id="an image that is no object"),
        pytest.param("x", id="images that are no list"),
    ],
)
def test_an_answer_that_is_not_as_promised_is_no_answer(details):
    with pytest.raises(SourceUnavailableError) as raised:
        read_images({"imageDetails": details}, REPOSITORY, [TAG], SOURCE)
    assert raised.value.cause is Cause.UNEXPECTED_ANSWER


@pytest.mark.parametrize("status", [each for each in ImageStatus if each is not ImageStatus.UNKNOWN])
def test_every_status_is_known(status):
    assert images(described(imageStatus=status.value), ids=[TAG])[TAG].status is status


@pytest.mark.parametrize("status", ["FROZEN", "UNKNOWN"])
def test_a_status_that_is_new_is_no_answer(status):
    """UNKNOWN is a word of this program, and none of ECR's."""
    with pytest.raises(SourceUnavailableError):
        images(described(imageStatus=status), ids=[TAG])


def test_an_image_without_a_status_is_active_since_regions_without_archiving_say_none():
    assert images(described(imageStatus=None), ids=[TAG])[TAG].status is ImageStatus.ACTIVE


def test_an_image_that_was_restored_from_the_archive_says_when():
    assert images(described(lastActivatedAt=PUSHED), ids=[TAG])[TAG].restored_at == PUSHED
    assert images(described(), ids=[TAG])[TAG].restored_at is None


def test_a_time_of_push_that_is_not_said_stays_unsaid():
    assert images(described(imagePushedAt=None), ids=[TAG])[TAG].pushed_at is None


def test_tags_that_are_no_texts_are_nobodys():
    assert unanswered(images(described(A, [7, None]), ids=[TAG])[TAG])


# Manifests


def image(digest=A, content=MANIFEST_A, **members):
    return {
        "registryId": "111122223333",
        "repositoryName": "team/app",
        "imageId": {"imageDigest": digest},
        "imageManifest": content,
        "imageManifestMediaType": "type",
        **members,
    }


def failure(code, digest=A):
    return {"imageId": {"imageDigest": digest}, "failureCode": code, "failureReason": "because"}


def manifests(*found, failures=(), ids=(A,), absent=Absence.IMAGE):
    answer = {"images": list(found), "failures": list(failures)}
    return read_manifests(answer, REPOSITORY, list(ids), SOURCE, absent=absent)


def test_manifests_are_given_by_digest_as_bytes():
    answers = manifests(image(B, MANIFEST_B), image(A), ids=[A, B])
    assert answers == {
        A: StoredManifest(content=b"{}", media_type="type"),
        B: StoredManifest(content=MANIFEST_B.encode(), media_type="type"),
    }


def test_bytes_of_another_digest_are_no_answer():
    assert unanswered(manifests(image(B, MANIFEST_A), ids=[B])[B])


def test_bytes_that_are_no_text_are_for_who_pushed_them_to_answer_for():
    """What stands in their place is given on, to be refused by its digest."""
    assert manifests(image(A, "{\ufffd}"))[A] == StoredManifest(content="{\ufffd}".encode(), media_type="type")


def test_a_missing_image_is_what_its_repository_makes_of_it():
    assert manifests(failures=[failure("ImageNotFound")])[A] is Absence.IMAGE
    assert manifests(failures=[failure("ImageNotFound")], absent=Absence.CACHE_MISS)[A] is Absence.CACHE_MISS


@pytest.mark.parametrize(
    ("code", "cause"),
    [
        ("KmsError", Cause.ACCESS_DENIED),
        ("ImageInaccessible", Cause.ACCESS_DENIED),
        ("UpstreamAccessDenied", Cause.ACCESS_DENIED),
        ("UpstreamTooManyRequests", Cause.THROTTLED),
        ("UpstreamUnavailable", Cause.UNREACHABLE),
        ("InvalidImageDigest", Cause.UNEXPECTED_ANSWER),
        ("ImageTagDoesNotMatchDigest", Cause.UNEXPECTED_ANSWER),
        ("MissingDigestAndTag", Cause.UNEXPECTED_ANSWER),
        ("ImageReferencedByManifestList", Cause.UNEXPECTED_ANSWER),
        ("SomethingNew", Cause.UNEXPECTED_ANSWER),
    ],
)
def test_any_other_failure_is_no_answer_for_its_image_alone(code, cause):
    answers = manifests(image(B, MANIFEST_B), failures=[failure(code)], ids=[A, B])
    assert isinstance(answers[A], SourceUnavailableError)
    assert (answers[A].cause, answers[A].source) == (cause, SOURCE)
    assert code in answers[A].detail
    assert answers[B] == StoredManifest(content=MANIFEST_B.encode(), media_type="type")


@pytest.mark.parametrize(
    ("found", "failures"),
    [
        pytest.param([], [], id="neither found nor failed"),
        pytest.param([], [failure("ImageNotFound"), failure("KmsError")], id="failed twice, differently"),
        pytest.param([image(A, "x"), image(A, "y")], [], id="found twice, differently"),
        pytest.param([image(A)], [failure("ImageNotFound")], id="found and failed"),
    ],
)
def test_a_manifest_that_was_not_clearly_answered_is_not_answered(found, failures):
    assert unanswered(manifests(*found, failures=failures)[A])


def test_a_manifest_that_is_no_text_is_an_answer_whose_digest_does_not_fit():
    """Who pushes chooses the bytes: it must not look as if ECR could not be asked."""
    stored = manifests(image(A, "\ud800"))[A]
    assert isinstance(stored, StoredManifest)
    assert digest_of(stored.content) != A


@pytest.mark.parametrize(
    ("found", "failures"),
    [
        pytest.param([image(content=None)], [], id="no manifest"),
        pytest.param([image(content=7)], [], id="a manifest that is no text"),
        pytest.param([image(imageManifestMediaType=None)], [], id="a manifest without its media type"),
        pytest.param([image(imageId={})], [], id="an image without a digest"),
        pytest.param([image(imageId=None)], [], id="an image without an id"),
        pytest.param([image(repositoryName="x")], [], id="another repository"),
        pytest.param([], [{"imageId": {"imageDigest": A}}], id="a failure without a code"),
        pytest.param([], [{"failureCode": "ImageNotFound"}], id="a failure of nothing"),
    ],
)
def test_manifests_that_are_not_as_promised_are_no_answer(found, failures):
    with pytest.raises(SourceUnavailableError) as raised:
        manifests(*found, failures=failures)
    assert raised.value.cause is Cause.UNEXPECTED_ANSWER


# Repositories


def repository(mutability="IMMUTABLE", filters=None, name="team/app", **members):
    return {
        "registryId": "111122223333",
        "repositoryName": name,
        "imageTagMutability": mutability,
        "imageTagMutabilityExclusionFilters": filters,
        **members,
    }


EXCLUDING = "IMMUTABLE_WITH_EXCLUSION"


def wildcard(text, kind="WILDCARD"):
    return {"filterType": kind, "filter": text}


def settings(*found, names=("team/app",)):
    return read_repositories({"repositories": list(found)}, REGISTRY, list(names), SOURCE)


@pytest.mark.parametrize("mode", [each for each in TagMutability if each is not TagMutability.UNKNOWN])
def test_every_mode_of_mutability_is_known(mode):
    filters = [wildcard("v*")] if mode.value.endswith("EXCLUSION") else None
    assert settings(repository(mode.value, filters))["team/app"].mutability is mode


@pytest.mark.parametrize(
    "found",
    [
        pytest.param(repository("FROZEN"), id="a mode that is new"),
        pytest.param(repository("UNKNOWN"), id="our own word for a mode that is new"),
        pytest.param(repository(None), id="no mode"),
        pytest.param(
            repository(EXCLUDING, [wildcard("v*"), wildcard("x", "REGEX")]), id="a kind of filter that is new"
        ),
        pytest.param(repository(EXCLUDING, [{"filter": "x"}]), id="a filter without a kind"),
        pytest.param(repository(EXCLUDING, [wildcard("a b")]), id="a filter that ECR does not allow"),
        pytest.param(repository(EXCLUDING, [wildcard("x" * 129)]), id="a filter that is too long"),
        pytest.param(repository(EXCLUDING, [wildcard("*a*b*")]), id="a filter with three wildcards"),
        pytest.param(repository(EXCLUDING, [wildcard(f"v{n}") for n in range(6)]), id="six filters"),
        pytest.param(repository(EXCLUDING), id="a mode with filters and none of them"),
        pytest.param(repository("MUTABLE_WITH_EXCLUSION", []), id="the other mode with filters and none of them"),
        pytest.param(repository("IMMUTABLE", [wildcard("v*")]), id="filters beside a mode without any"),
    ],
)
def test_settings_of_which_it_is_not_known_what_they_mean_are_no_answer_for_their_repository(found):
    answers = settings(found, repository(name="team/web"), names=["team/app", "team/web"])
    assert unanswered(answers["team/app"])
    assert answers["team/web"].mutability is TagMutability.IMMUTABLE


@pytest.mark.parametrize("modes", [("IMMUTABLE", "MUTABLE"), ("MUTABLE", "IMMUTABLE"), ("IMMUTABLE", "FROZEN")])
def test_two_answers_for_one_repository_that_differ_are_none(modes):
    assert unanswered(settings(*map(repository, modes))["team/app"])
    assert not unanswered(settings(repository(), repository())["team/app"])


def test_five_filters_of_two_wildcards_are_read():
    filters = [wildcard(f"*v{number}*") for number in range(5)]
    read = settings(repository("IMMUTABLE_WITH_EXCLUSION", filters))["team/app"]
    assert read.exclusion_filters == ("*v0*", "*v1*", "*v2*", "*v3*", "*v4*")


def test_repositories_are_told_apart_by_name():
    answers = settings(repository("MUTABLE", name="b"), repository("IMMUTABLE", name="a"), names=["a", "b", "c"])
    assert answers["a"].mutability is TagMutability.IMMUTABLE
    assert answers["b"].mutability is TagMutability.MUTABLE
    assert unanswered(answers["c"])


def test_a_repository_of_another_registry_is_no_answer():
    with pytest.raises(SourceUnavailableError):
        settings(repository(registryId="999999999999"))
    with pytest.raises(SourceUnavailableError):
        settings(repository(registryId=None))


@pytest.mark.parametrize(
    ("name", "possible"),
    [
        ("ab", True),
        ("a", False),
        ("a" * 256, True),
        ("a" * 257, False),
        ("team/app", True),
        ("team//app", False),
        ("Team/app", False),
        ("a__b/c-d.e", True),
        ("a___b", False),
        ("a--b", True),
        ("-ab", False),
        ("ab\n", False),
        ("", False),
    ],
)
def test_only_names_that_ecr_accepts_can_exist(name, possible):
    assert can_exist(name) is possible
