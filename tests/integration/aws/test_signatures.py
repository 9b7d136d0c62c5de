"""Signatures that Amazon ECR keeps beside an image, found through the real SDK: every layout, and every lie about one."""

import pytest

from tests.integration.aws.conftest import APP, ENVELOPE, JUST_NOTATION, OTHER, OWN, TAG_KINDS, Aws, add_others, reasons
from tests.simulator import artifacts
from tests.simulator.manifests import OCI_MANIFEST
from tidegate.aws.accounts import RegistryAccount
from tidegate.aws.ecr_signatures import EcrSignatures
from tidegate.evidence.fact import Cause
from tidegate.evidence.signature_artifacts import ALL_KINDS, ArtifactKind, Descriptor, SkipReason, WantedArtifacts
from tidegate.images.digest import Digest, digest_of
from tidegate.images.repository import EcrRepository

LISTED_KINDS = [ArtifactKind.NOTATION, ArtifactKind.SIGSTORE_BUNDLE, ArtifactKind.COSIGN_SIGNATURE]


# What is there
@pytest.mark.parametrize("kind", LISTED_KINDS)
@pytest.mark.parametrize("layout", ["referrer", "fallback"])
def test_a_signature_is_found_as_it_was_pushed(find, sim, world, image, kind, layout):
    notes, parts = {"a": "manifest's"}, {"b": "layer's"}
    pushed = world.add_signature(
        "team/app", "v1", ENVELOPE, kind=kind, layout=layout, annotations=notes, layer_annotations=parts
    )
    found = find(image)
    (artifact,) = found.artifacts
    size = len(world.image("team/app", image).manifest.data)
    assert (artifact.kind, artifact.envelope) == (kind, ENVELOPE)
    assert artifact.envelope_media_type == artifacts.LAYER_TYPES[kind]
    assert (artifact.envelope_digest, artifact.manifest_digest) == (digest_of(ENVELOPE), pushed)
    assert artifact.subject == Descriptor(media_type=OCI_MANIFEST, digest=image, size=size)
    assert (artifact.manifest_annotations, artifact.layer_annotations) == (notes, parts)
    assert (found.complete, found.outage, found.skipped) == (True, None, ())
    fetches = 1 if layout == "referrer" else 2
    assert [sim.calls("ecr", name) for name in ("ListImageReferrers", "BatchGetImage")] == [1, fetches]
    assert [sim.calls("ecr", "GetDownloadUrlForLayer"), sim.calls("s3", "GetObject")] == [1, 1]


@pytest.mark.parametrize("kind", TAG_KINDS)
def test_each_layer_under_a_tag_of_cosign_is_a_signature(find, world, image, kind):
    envelopes = [ENVELOPE, ENVELOPE + b" "]
    for number, envelope in enumerate(envelopes):
        tagged = world.add_signature(
            "team/app", "v1", envelope, kind=kind, layer_annotations={"dev.cosignproject.cosign/signature": f"{number}"}
        )
    found = find(image)
    assert [(each.kind, each.envelope, each.subject) for each in found.artifacts] == [
        (kind, envelope, None) for envelope in envelopes
    ]
    assert {each.manifest_digest for each in found.artifacts} == {tagged}
    assert [each.layer_annotations["dev.cosignproject.cosign/signature"] for each in found.artifacts] == ["0", "1"]
    assert found.complete


def test_notations_first_layout_is_found(find, world, image):
    world.add_signature("team/app", "v1", ENVELOPE, old_notation=True)
    (artifact,) = find(image).artifacts
    assert artifact.kind is ArtifactKind.NOTATION


def test_every_kind_is_found_beside_the_others(find, world, image):
    for kind in ALL_KINDS:
        world.add_signature("team/app", "v1", ENVELOPE + kind.encode(), kind=kind)
    found = find(image)
    assert {each.kind for each in found.artifacts} == ALL_KINDS
    assert found.complete


def test_a_signature_of_an_index_is_found(find, world):
    index, _ = world.add_index("team/app", "multi")
    world.add_signature("team/app", "multi", ENVELOPE)
    (artifact,) = find(Digest(index)).artifacts
    assert artifact.envelope == ENVELOPE


def test_what_is_listed_twice_is_fetched_once(find, sim, world, image):
    world.add_signature("team/app", "v1", ENVELOPE, layout="fallback")
    for each in world.repository("team/app").images.values():
        each.listed = True
    assert len(find(image).artifacts) == 1
    assert sim.calls("s3", "GetObject") == 1


@pytest.mark.parametrize("kinds", [JUST_NOTATION, frozenset(TAG_KINDS)])
def test_what_is_not_wanted_is_not_fetched(find, sim, world, image, kinds):
    for kind in ALL_KINDS:
        world.add_signature("team/app", "v1", ENVELOPE + kind.encode(), kind=kind)
    assert {each.kind for each in find(image, kinds=kinds).artifacts} == kinds
    assert sim.calls("s3", "GetObject") == len(kinds)


def test_tags_alone_need_no_list_of_referrers(find, sim, world, image):
    world.add_signature("team/app", "v1", ENVELOPE, kind=ArtifactKind.COSIGN_ATTESTATION)
    assert len(find(image, kinds=frozenset({ArtifactKind.COSIGN_ATTESTATION})).artifacts) == 1
    assert sim.calls("ecr", "ListImageReferrers") == 0


def test_another_account_is_read_with_its_role(sim, world):
    world.add_account(OTHER.account)
    where = {"account": OTHER.account}
    digest = Digest(world.add_image("team/app", "v1", **where))
    world.add_signature("team/app", "v1", ENVELOPE, **where)
    reader = RegistryAccount(account=OTHER.account, role_arn=f"arn:aws:iam::{OTHER.account}:role/tidegate-reader")
    source = EcrSignatures(Aws(sim, accounts=(reader,)).clients)
    found = source.find_artifacts(EcrRepository(OTHER, "team/app"), digest, wanted=WantedArtifacts(), seconds=30.0)
    assert [each.envelope for each in found.artifacts] == [ENVELOPE]
    assert sim.calls("sts", "AssumeRole") == 1


def test_an_endpoint_of_the_environment_may_serve_the_blobs_too(sim, world, image, environment):
    world.add_signature("team/app", "v1", ENVELOPE)
    environment.setenv("AWS_ENDPOINT_URL", sim.url)
    source = EcrSignatures(Aws(sim, endpoint_urls={}).clients)
    found = source.find_artifacts(APP, image, wanted=WantedArtifacts(), seconds=30.0)
    assert [each.envelope for each in found.artifacts] == [ENVELOPE]


# What is not there
def test_an_image_without_signatures_has_none(find, sim, image):
    found = find(image)
    assert (found.artifacts, found.skipped, found.complete) == ((), (), True)
    assert [sim.calls("ecr", name) for name in ("ListImageReferrers", "BatchGetImage")] == [1, 1]
    assert sim.ids("ecr", "BatchGetImage") == [3]


def test_a_missing_image_or_repository_has_none(find, world):
    missing = digest_of(b"never pushed")
    assert (find(missing).artifacts, find(missing).complete) == ((), True)
    world.add_image("team/app", "v1")
    assert (find(missing).artifacts, find(missing).complete) == ((), True)


def test_a_repository_that_ecr_cannot_have_has_none_without_a_call(find, sim):
    found = find(digest_of(b"x"), repository=EcrRepository(OWN, "Team//App"))
    assert (found.artifacts, found.complete) == ((), True)
    assert sim.calls() == 0


def test_other_artifacts_are_no_signatures(find, sim, world, image):
    add_others(world, image, 3)
    found = find(image)
    assert (found.artifacts, found.complete) == ((), True)
    assert sim.ids("ecr", "BatchGetImage") == [3]


def test_a_signature_of_another_image_is_not_found(find, world, image):
    world.add_image("team/app", "v2")
    world.add_signature("team/app", "v2", ENVELOPE)
    assert find(image).artifacts == ()


@pytest.mark.parametrize("status", ["ARCHIVED", "ACTIVATING"])
def test_an_archived_signature_is_none(find, world, image, status):
    """Nobody can pull it, and asking again does not help: that is no outage."""
    listed = world.add_signature("team/app", "v1", ENVELOPE)
    tagged = world.add_signature("team/app", "v1", ENVELOPE, kind=ArtifactKind.COSIGN_SIGNATURE)
    for each in (listed, tagged):
        world.archive_image("team/app", each, status=status)
    found = find(image)
    assert (found.artifacts, found.complete, found.outage) == ((), True, None)


def test_a_referrer_with_a_status_that_is_new_may_be_a_signature(find, sim, world, image):
    pushed = world.add_signature("team/app", "v1", ENVELOPE)
    sim.inject("unknown_enum", operation="ListImageReferrers", field="artifactStatus")
    found = find(image)
    assert [(each.what, each.reason) for each in found.skipped] == [(pushed, SkipReason.UNAVAILABLE)]
    assert (found.artifacts, found.outage) == ((), Cause.UNEXPECTED_ANSWER)


def test_a_signature_that_is_gone_from_the_list_it_stands_in_is_gone(find, world, image):
    pushed = world.add_signature("team/app", "v1", ENVELOPE, layout="fallback")
    world.remove_image("team/app", pushed)
    found = find(image)
    assert (reasons(found), found.complete, found.outage) == ([SkipReason.GONE], True, None)


def test_a_blob_that_ecr_does_not_have_is_gone(find, world, image):
    world.add_signature("team/app", "v1", ENVELOPE)
    good = world.add_signature("team/app", "v1", ENVELOPE + b" ")
    del world.repository("team/app").blobs[digest_of(ENVELOPE)]
    found = find(image)
    assert [each.manifest_digest for each in found.artifacts] == [good]
    assert (reasons(found), found.complete) == ([SkipReason.GONE], True)


# Pull-through caches
def test_a_signature_that_is_only_upstream_is_none_until_it_is_cached(find, world):
    """To fetch it would import it, and whoever may push to the upstream may list anything."""
    world.add_pull_through_rule("docker-hub")
    cached = EcrRepository(OWN, "docker-hub/library/app")
    digest = Digest(world.add_image(cached.name, "v1"))
    pushed = world.add_signature(cached.name, "v1", ENVELOPE)
    world.set_cached(cached.name, pushed, cached=False)
    found = find(digest, repository=cached)
    assert (found.artifacts, found.complete, found.outage) == ((), True, None)
    assert [(one.reason, one.detail) for one in found.skipped] == [
        (SkipReason.GONE, "listed upstream, but not in the pull-through cache")
    ]
    world.set_cached(cached.name, pushed, cached=True)
    found = find(digest, repository=cached)
    assert (len(found.artifacts), found.complete) == (1, True)


def test_an_upstream_that_does_not_list_is_an_outage(find, sim, world, image):
    sim.inject(
        "error", operation="ListImageReferrers", code="UnableToListUpstreamImageReferrersException", message="upstream"
    )
    found = find(image)
    assert (found.complete, found.outage) == (False, Cause.SERVER_ERROR)
