"""Amazon ECR asked through the real SDK: what is there, what is not, and what could not be said."""

import hashlib

import pytest

from tests.integration.aws.conftest import APP, OWN, V1
from tidegate.aws.clients import Clients
from tidegate.aws.ecr_signatures import EcrSignatures
from tidegate.aws.errors import TOO_LONG
from tidegate.evidence.content import TOO_LARGE, StoredManifest
from tidegate.evidence.fact import Cause
from tidegate.evidence.image import Absence, ImageStatus
from tidegate.evidence.repository import RepositorySettings, TagMutability
from tidegate.evidence.signature_artifacts import SkipReason, WantedArtifacts
from tidegate.evidence.source_unavailable import SourceUnavailableError
from tidegate.images.digest import Digest, digest_of
from tidegate.images.image_id import ImageId
from tidegate.images.manifest import OCI_INDEX, OCI_MANIFEST
from tidegate.images.repository import EcrRepository

GONE = ImageId.of_tag("gone")


def test_tags_and_digests_are_described_in_one_call(aws, sim, world):
    digest = world.add_image("team/app", "v1", pushed_at="2026-01-02T03:04:05+00:00")
    index, _ = world.add_index("team/app", "multi")
    by_digest, multi = ImageId.of_digest(digest), ImageId.of_tag("multi")
    answers = aws.ecr.describe_images(APP, [V1, by_digest, multi])
    assert answers[V1] == answers[by_digest]
    assert (answers[V1].digest, answers[V1].media_type, answers[V1].status) == (
        digest,
        OCI_MANIFEST,
        ImageStatus.ACTIVE,
    )
    assert answers[V1].pushed_at.isoformat() == "2026-01-02T03:04:05+00:00"
    assert (answers[multi].digest, answers[multi].media_type) == (index, OCI_INDEX)
    assert sim.calls("ecr", "DescribeImages") == 1


def test_an_archived_image_is_described_as_such(aws, world):
    world.add_image("team/app", "v1")
    world.archive_image("team/app", "v1")
    assert aws.ecr.describe_images(APP, [V1])[V1].status is ImageStatus.ARCHIVED
    world.archive_image("team/app", "v1", status="ACTIVATING")
    assert aws.ecr.describe_images(APP, [V1])[V1].status is ImageStatus.ACTIVATING


def test_a_status_that_is_new_is_no_answer(aws, sim, world):
    world.add_image("team/app", "v1")
    sim.inject("unknown_enum", operation="DescribeImages", field="imageStatus")
    with pytest.raises(SourceUnavailableError, match="does not know 'SIMULATED_UNKNOWN'"):
        aws.ecr.describe_images(APP, [V1])


def test_a_missing_tag_does_not_fail_the_others(aws, sim, world):
    world.add_scanned_images("team/app", 99)
    ids = [ImageId.of_tag(f"v{number}") for number in range(99)]
    answers = aws.ecr.describe_images(APP, [*ids[:50], GONE, *ids[50:]])
    assert answers.pop(GONE) is Absence.IMAGE
    assert {tag.value: detail.digest for tag, detail in answers.items()} == {
        f"v{number}": world.image("team/app", f"v{number}").digest for number in range(99)
    }
    assert sim.calls("ecr", "DescribeImages") == 3
    assert sim.ids("ecr", "DescribeImages") == [100, 99, 1]


def test_a_missing_digest_is_missing(aws, world):
    world.add_image("team/app", "v1")
    missing = ImageId.of_digest(digest_of(b"never pushed"))
    assert aws.ecr.describe_images(APP, [missing, V1])[missing] is Absence.IMAGE


def test_a_missing_repository_is_missing_for_every_id(aws, sim):
    assert aws.ecr.describe_images(APP, [V1, GONE]) == dict.fromkeys([V1, GONE], Absence.REPOSITORY)
    assert sim.calls("ecr", "DescribeImages") == 1


@pytest.mark.parametrize("name", ["a", "Team/app", "team//app", "x" * 257])
def test_a_repository_that_ecr_cannot_have_is_missing_without_a_call(aws, sim, name):
    impossible = EcrRepository(OWN, name)
    digest = digest_of(b"x")
    assert aws.ecr.describe_images(impossible, [V1]) == {V1: Absence.REPOSITORY}
    assert aws.ecr.get_manifests(impossible, [digest]) == {digest: Absence.REPOSITORY}
    assert aws.ecr.describe_repositories(OWN, [name]) == {name: Absence.REPOSITORY}
    assert sim.calls() == 0


def test_no_ids_take_no_call(aws, sim):
    assert aws.ecr.describe_images(APP, []) == {}
    assert aws.ecr.get_manifests(APP, []) == {}
    assert aws.ecr.describe_repositories(OWN, []) == {}
    assert sim.calls() == 0


def test_more_ids_than_ecr_takes_are_refused(aws):
    with pytest.raises(ValueError, match="100"):
        aws.ecr.describe_images(APP, [ImageId.of_tag(f"v{number}") for number in range(101)])
    with pytest.raises(ValueError, match="100"):
        aws.ecr.get_manifests(APP, [digest_of(b"x")] * 101)
    with pytest.raises(ValueError, match="100"):
        aws.ecr.describe_repositories(OWN, [f"team/app{number}" for number in range(101)])


def test_a_question_that_ecr_refuses_fails_for_its_id_alone(aws, sim, world):
    world.add_image("team/app", "v1")
    sim.inject("error", operation="DescribeImages", about="gone", code="InvalidParameterException", message="no")
    answers = aws.ecr.describe_images(APP, [V1, GONE])
    assert answers[GONE].cause is Cause.INTERNAL
    assert answers[V1].status is ImageStatus.ACTIVE


def test_a_failure_while_splitting_leaves_what_is_known(aws, sim, world):
    world.add_image("team/app", "v1")
    world.add_image("team/app", "v2")
    ids = [V1, ImageId.of_tag("v2"), GONE]
    sim.inject("access_denied", operation="DescribeImages", about='[{"imageTag": "gone"}]')
    answers = aws.ecr.describe_images(APP, ids)
    assert answers[V1].status is ImageStatus.ACTIVE
    assert answers[GONE].cause is Cause.ACCESS_DENIED


# Pull-through caches
@pytest.mark.parametrize("prefix", ["docker-hub", "ROOT"])
def test_what_is_missing_in_a_cache_of_an_upstream_is_not_cached_yet(aws, sim, world, prefix):
    world.add_pull_through_rule(prefix)
    cached = EcrRepository(OWN, "docker-hub/library/nginx")
    assert aws.ecr.describe_images(cached, [V1]) == {V1: Absence.CACHE_MISS}
    world.add_image(cached.name, "v2")
    missing = digest_of(b"x")
    assert aws.ecr.describe_images(cached, [V1]) == {V1: Absence.CACHE_MISS}
    assert aws.ecr.get_manifests(cached, [missing]) == {missing: Absence.CACHE_MISS}
    assert aws.ecr.describe_repositories(OWN, ["docker-hub/other"]) == {"docker-hub/other": Absence.CACHE_MISS}
    assert sim.calls("ecr", "DescribePullThroughCacheRules") == 1


def test_a_repository_that_only_looks_like_a_cache_is_missing(aws, world):
    world.add_pull_through_rule("docker-hub")
    alike = EcrRepository(OWN, "docker-hubs/nginx")
    assert aws.ecr.describe_images(alike, [V1]) == {V1: Absence.REPOSITORY}


def test_an_image_in_a_cache_is_described_like_any_other(aws, sim, world):
    world.add_pull_through_rule("docker-hub")
    digest = world.add_image("docker-hub/library/nginx", "v1")
    cached = EcrRepository(OWN, "docker-hub/library/nginx")
    assert aws.ecr.describe_images(cached, [V1])[V1].digest == digest
    assert sim.calls("ecr", "DescribePullThroughCacheRules") == 0


@pytest.mark.parametrize("kind", ["access_denied", "throttle", "malformed_json"])
def test_without_the_rules_it_is_missing_and_they_are_not_asked_for_again_and_again(aws, sim, world, kind):
    world.add_pull_through_rule("docker-hub")
    cached = EcrRepository(OWN, "docker-hub/library/nginx")
    fault = sim.inject(kind, operation="DescribePullThroughCacheRules")
    assert aws.ecr.describe_images(cached, [V1]) == {V1: Absence.REPOSITORY}
    asked = fault.hits
    assert aws.ecr.describe_images(cached, [V1]) == {V1: Absence.REPOSITORY}
    assert fault.hits == asked


# Manifests
def test_manifests_are_fetched_by_digest_with_the_bytes_that_were_pushed(aws, sim, world):
    digest = world.add_image("team/app", "v1")
    index, children = world.add_index("team/app", "multi")
    missing = digest_of(b"never pushed")
    answers = aws.ecr.get_manifests(APP, [digest, index, missing, *children.values()])
    assert answers.pop(missing) is Absence.IMAGE
    assert set(answers) == {digest, index, *children.values()}
    for asked, found in answers.items():
        assert isinstance(found, StoredManifest)
        assert f"sha256:{hashlib.sha256(found.content).hexdigest()}" == asked
    assert answers[index].media_type == OCI_INDEX
    assert sim.calls("ecr", "BatchGetImage") == 1


def test_an_archived_manifest_is_no_answer(aws, world):
    digest, other = world.add_image("team/app", "v1"), world.add_image("team/app", "v2")
    world.archive_image("team/app", "v1")
    answers = aws.ecr.get_manifests(APP, [digest, other])
    assert (answers[digest].cause, answers[digest].source) == (Cause.ACCESS_DENIED, "ecr:BatchGetImage")
    assert "ImageInaccessible" in answers[digest].detail
    assert isinstance(answers[other], StoredManifest)


@pytest.mark.parametrize(
    ("miss", "cause"),
    [
        ("KmsError", Cause.ACCESS_DENIED),
        ("UpstreamAccessDenied", Cause.ACCESS_DENIED),
        ("UpstreamTooManyRequests", Cause.THROTTLED),
        ("UpstreamUnavailable", Cause.UNREACHABLE),
    ],
)
def test_an_upstream_that_fails_is_no_answer(aws, world, miss, cause):
    world.add_pull_through_rule("docker-hub", miss=miss)
    world.add_image("docker-hub/nginx", "v1")
    digest = digest_of(b"x")
    answers = aws.ecr.get_manifests(EcrRepository(OWN, "docker-hub/nginx"), [digest])
    assert answers[digest].cause is cause


def test_manifests_of_a_missing_repository_are_missing(aws):
    digest = digest_of(b"x")
    assert aws.ecr.get_manifests(APP, [digest]) == {digest: Absence.REPOSITORY}


# Repositories
@pytest.mark.parametrize("mode", [each for each in TagMutability if each is not TagMutability.UNKNOWN])
def test_every_mode_of_mutability_is_read(aws, world, mode):
    filters = ("dev-*", "latest") if mode.value.endswith("EXCLUSION") else ()
    world.add_repository("team/app", mutability=mode.value, exclusions=filters)
    assert aws.ecr.describe_repositories(OWN, ["team/app"]) == {
        "team/app": RepositorySettings(mutability=mode, exclusion_filters=filters)
    }


@pytest.mark.parametrize("field", ["imageTagMutability", "filterType"])
def test_a_mode_or_kind_of_filter_that_is_new_is_no_answer(aws, sim, world, field):
    world.add_repository("team/app", mutability="IMMUTABLE_WITH_EXCLUSION", exclusions=["dev-*"])
    sim.inject("unknown_enum", operation="DescribeRepositories", field=field)
    assert aws.ecr.describe_repositories(OWN, ["team/app"])["team/app"].cause is Cause.UNEXPECTED_ANSWER


def test_a_missing_repository_does_not_fail_the_others(aws, sim, world):
    names = [f"team/app{number}" for number in range(20)]
    for name in names:
        world.add_repository(name)
    answers = aws.ecr.describe_repositories(OWN, [*names, "team/gone"])
    assert answers.pop("team/gone") is Absence.REPOSITORY
    assert {each.mutability for each in answers.values()} == {TagMutability.IMMUTABLE}
    assert set(answers) == set(names)
    assert sim.calls("ecr", "DescribeRepositories") == 3


# Answers with more bytes than are read
@pytest.fixture
def short_answers(monkeypatch):
    """Read no answer of BatchGetImage that holds the given text, as if it were too long."""

    def of(client: Clients, text: str) -> None:
        usual = client.call

        def call(api, registry, parameters, **more):
            answer = usual(api, registry, parameters, **more)
            if api.operation == "BatchGetImage" and text in str(answer):
                raise SourceUnavailableError(Cause.UNEXPECTED_ANSWER, api.source, f"{TOO_LONG} 5 bytes")
            return answer

        monkeypatch.setattr(client, "call", call)

    return of


def test_a_manifest_that_makes_the_answer_too_long_is_one_that_is_too_large(aws, world, short_answers):
    """Who pushes it must neither look like an outage nor cost the images beside it an answer."""
    digests = [Digest(world.add_image("team/app", f"v{number}", content=f"c{number}")) for number in range(5)]
    short_answers(aws.clients, digests[3])
    answers = aws.ecr.get_manifests(APP, digests)
    assert [answers[each] is TOO_LARGE for each in digests] == [False, False, False, True, False]
    assert all(isinstance(each, StoredManifest) for each in answers.values())


def test_a_signature_s_manifest_that_makes_the_answer_too_long_is_left_aside(aws, world, short_answers):
    image = Digest(world.add_image("team/app", "v1"))
    world.add_signature("team/app", "v1", b"good")
    world.add_signature("team/app", "v1", b"bad", change={"filling": "hostile"})
    short_answers(aws.clients, "hostile")
    found = EcrSignatures(aws.clients).find_artifacts(APP, image, wanted=WantedArtifacts(), seconds=8.0)
    assert [each.envelope for each in found.artifacts] == [b"good"]
    assert (found.complete, found.outage) == (True, None)
    assert [each.reason for each in found.skipped] == [SkipReason.TOO_LARGE]
