"""Signatures that Amazon ECR keeps beside an image, found through the real SDK: every layout, and every lie about one."""

import msgspec
import pytest

from tests.integration.aws.conftest import APP, OTHER, OWN, Aws
from tests.simulator import artifacts
from tests.simulator.manifests import OCI_INDEX, OCI_MANIFEST
from tidegate.aws.accounts import RegistryAccount
from tidegate.aws.ecr_signatures import EcrSignatures
from tidegate.evidence.fact import Cause
from tidegate.evidence.signature_artifacts import (
    ALL_KINDS,
    MAX_ENVELOPE_BYTES,
    MAX_EVALUATED,
    MAX_LISTED,
    PREDICATE,
    THUMBPRINTS,
    ArtifactKind,
    Descriptor,
    SkipReason,
    WantedArtifacts,
)
from tidegate.evidence.source_unavailable import UnknownRegionError
from tidegate.images.digest import Digest, digest_of
from tidegate.images.repository import EcrRegistry, EcrRepository
from tidegate.referrers import search

ENVELOPE = b'{"payload":"e30","signature":"c2ln"}'
LISTED_KINDS = [ArtifactKind.NOTATION, ArtifactKind.SIGSTORE_BUNDLE, ArtifactKind.COSIGN_SIGNATURE]
TAG_KINDS = [ArtifactKind.COSIGN_SIGNATURE, ArtifactKind.COSIGN_ATTESTATION]
JUST_NOTATION = frozenset({ArtifactKind.NOTATION})


@pytest.fixture
def find(aws):
    source = EcrSignatures(aws.clients)

    def ask(digest, *, repository=APP, kinds=ALL_KINDS, thumbprints=frozenset(), predicates=frozenset(), seconds=30.0):
        wanted = WantedArtifacts(kinds=kinds, thumbprints=thumbprints, predicates=predicates)
        return source.find_artifacts(repository, digest, wanted=wanted, seconds=seconds)

    return ask


@pytest.fixture
def image(world):
    return Digest(world.add_image("team/app", "v1"))


def add_others(world, image, number):
    """Push artifacts that are no signatures, such as software bills of materials."""
    for each in range(number):
        world.add_referrer("team/app", image, artifact_type="application/spdx+json", layers=[("a/b", b"%d" % each)])


def reasons(found):
    return [each.reason for each in found.skipped]


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


# Lies


def test_an_index_entry_about_another_image_is_left_aside(find, world, image):
    other = world.image("team/app", world.add_image("team/app", "v2")).manifest
    world.add_signature("team/app", "v1", ENVELOPE, layout="fallback", change={"subject": artifacts.descriptor(other)})
    found = find(image)
    assert (found.artifacts, reasons(found), found.complete) == ((), [SkipReason.WRONG_SUBJECT], True)


def test_a_referrer_without_a_subject_is_left_aside(find, world, image):
    world.add_signature("team/app", "v1", ENVELOPE, layout="fallback", change={"subject": None})
    assert reasons(find(image)) == [SkipReason.WRONG_SUBJECT]


def test_a_tag_of_cosign_that_names_another_image_is_left_aside(find, world, image):
    other = world.image("team/app", world.add_image("team/app", "v2")).manifest
    layer = artifacts.LayerPart(data=ENVELOPE, media_type=artifacts.LAYER_TYPES[artifacts.COSIGN_SIGNATURE])
    body = artifacts.artifact([layer], subject=other, config_type=artifacts.IMAGE_CONFIG)
    world.push("team/app", body, artifacts.fallback_tag(image, ".sig"))
    found = find(image)
    assert (found.artifacts, reasons(found)) == ((), [SkipReason.WRONG_SUBJECT])


def test_a_manifest_with_other_bytes_is_an_outage(find, world, image):
    """Who may push has no way to that."""
    pushed = world.add_signature("team/app", "v1", ENVELOPE)
    world.set_manifest_bytes("team/app", pushed, world.image("team/app", pushed).manifest.data + b" ")
    found = find(image)
    assert (found.artifacts, reasons(found), found.complete) == ((), [SkipReason.UNAVAILABLE], False)


def test_a_manifest_with_bytes_that_are_no_text_is_left_aside(find, world, image):
    """Who may push may push such bytes, and ECR answers with what stands for them."""
    pushed = world.add_signature("team/app", "v1", ENVELOPE)
    world.set_manifest_bytes("team/app", pushed, world.image("team/app", pushed).manifest.data + b"\xff")
    found = find(image)
    assert (found.artifacts, reasons(found), found.complete) == ((), [SkipReason.BAD_CONTENT], True)


@pytest.mark.parametrize("kind", TAG_KINDS)
def test_a_tag_whose_manifest_has_other_bytes_is_left_aside(find, world, image, kind):
    pushed = world.add_signature("team/app", "v1", ENVELOPE, kind=kind)
    world.set_manifest_bytes("team/app", pushed, world.image("team/app", pushed).manifest.data + b" ")
    found = find(image)
    assert (found.artifacts, reasons(found), found.outage) == ((), [SkipReason.BAD_CONTENT], None)


def test_a_blob_with_other_bytes_is_an_outage(find, sim, world, image):
    world.add_signature("team/app", "v1", ENVELOPE)
    sim.inject("wrong_bytes", service="s3")
    found = find(image)
    assert (found.artifacts, reasons(found), found.outage) == ((), [SkipReason.UNAVAILABLE], Cause.UNEXPECTED_ANSWER)


@pytest.mark.parametrize("size", [0, len(ENVELOPE) - 1, len(ENVELOPE) + 1])
def test_a_blob_of_another_size_is_left_aside(find, world, image, size):
    layer = {"mediaType": "application/jose+json", "digest": digest_of(ENVELOPE), "size": size}
    world.add_signature("team/app", "v1", ENVELOPE, change={"layers": [layer]})
    found = find(image)
    assert (found.artifacts, reasons(found), found.complete) == ((), [SkipReason.BAD_CONTENT], True)


def test_a_blob_that_is_too_large_is_not_fetched(find, sim, world, image):
    world.add_signature("team/app", "v1", bytes(MAX_ENVELOPE_BYTES + 1))
    world.add_signature("team/app", "v1", bytes(MAX_ENVELOPE_BYTES))
    found = find(image)
    assert [len(each.envelope) for each in found.artifacts] == [MAX_ENVELOPE_BYTES]
    assert (reasons(found), found.complete) == ([SkipReason.TOO_LARGE], True)
    assert sim.calls("s3", "GetObject") == 1


def test_an_index_entry_of_another_size_is_left_aside(find, world, image):
    world.add_signature("team/app", "v1", ENVELOPE, layout="fallback")
    index = msgspec.json.decode(world.image("team/app", artifacts.fallback_tag(image)).manifest.data)
    index["manifests"][0]["size"] += 1
    world.add_manifest("team/app", msgspec.json.encode(index), artifacts.fallback_tag(image), media_type=OCI_INDEX)
    assert reasons(find(image)) == [SkipReason.BAD_CONTENT]


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"schemaVersion":2}', b'{"schemaVersion":1,"manifests":[]}'])
def test_a_fallback_index_that_is_none_is_left_aside(find, world, image, body):
    world.add_signature("team/app", "v1", ENVELOPE)
    world.add_manifest("team/app", body, artifacts.fallback_tag(image))
    found = find(image)
    assert (len(found.artifacts), reasons(found), found.complete) == (1, [SkipReason.BAD_CONTENT], True)


def test_a_signature_in_no_known_format_is_left_aside(find, world, image):
    world.add_signature("team/app", "v1", ENVELOPE, media_type="application/pgp-signature")
    assert reasons(find(image)) == [SkipReason.UNSUPPORTED]


# Very many


def test_a_list_is_read_to_its_end(find, sim, world, image):
    add_others(world, image, 60)
    world.add_signature("team/app", "v1", ENVELOPE)
    found = find(image)
    assert ([each.envelope for each in found.artifacts], found.complete) == ([ENVELOPE], True)
    assert sim.calls("ecr", "ListImageReferrers") == 2


def test_ecr_is_asked_for_the_wanted_types_where_it_takes_that_many(find, sim, world, image):
    add_others(world, image, 60)
    world.add_signature("team/app", "v1", ENVELOPE)
    assert len(find(image, kinds=JUST_NOTATION).artifacts) == 1
    assert sim.calls("ecr", "ListImageReferrers") == 1


def test_only_so_many_signatures_are_looked_at_and_likely_ones_first(find, sim, world, image):
    """Anybody who may push can bring this about, so it is no outage; and the right one is found all the same."""
    mark = "ab" * 32
    for number in range(MAX_EVALUATED + 4):
        world.add_signature("team/app", "v1", b"%d" % number)
    world.add_signature("team/app", "v1", ENVELOPE, annotations={THUMBPRINTS: f'["{mark}"]'})
    found = find(image, thumbprints=frozenset({mark}))
    assert (len(found.artifacts), found.artifacts[0].envelope) == (MAX_EVALUATED, ENVELOPE)
    assert (reasons(found), found.complete, found.outage) == ([SkipReason.OVER_LIMIT], False, None)
    assert sim.calls("s3", "GetObject") == MAX_EVALUATED


@pytest.mark.parametrize("annotated", [True, False], ids=["that says so", "that says nothing"])
def test_attestations_of_many_nights_do_not_crowd_out_a_signature(find, world, image, annotated):
    """Each scan may leave one, of the same artifact type; what a bundle states is in an annotation."""
    for number in range(MAX_EVALUATED + 4):
        notes = {PREDICATE: "https://cosign.sigstore.dev/attestation/vuln/v1"}
        world.add_signature("team/app", "v1", b"%d" % number, kind=ArtifactKind.SIGSTORE_BUNDLE, annotations=notes)
    notes = {PREDICATE: "https://sigstore.dev/cosign/sign/v1"} if annotated else {}
    world.add_signature("team/app", "v1", ENVELOPE, kind=ArtifactKind.SIGSTORE_BUNDLE, annotations=notes)
    found = find(image, predicates=frozenset({"https://sigstore.dev/cosign/sign/v1"}))
    assert (len(found.artifacts), found.artifacts[0].envelope) == (MAX_EVALUATED, ENVELOPE)


def test_exactly_so_many_signatures_are_all_looked_at(find, world, image):
    for number in range(MAX_EVALUATED):
        world.add_signature("team/app", "v1", b"%d" % number)
    found = find(image)
    assert (len(found.artifacts), found.complete) == (MAX_EVALUATED, True)


def test_no_more_manifests_are_held_than_there_is_room_for_and_likely_ones_first(find, world, image, monkeypatch):
    """Each may be as long as a registry takes, and all of them stand in memory before the first is read."""
    mark = "ab" * 32
    for number in range(20):
        world.add_signature("team/app", "v1", b"%d" % number)
    digest = world.add_signature("team/app", "v1", ENVELOPE, annotations={THUMBPRINTS: f'["{mark}"]'})
    room = 3 * len(world.image("team/app", digest).manifest.data)
    monkeypatch.setattr(search, "MAX_FOUND_MANIFEST_BYTES", room)
    found = find(image, thumbprints=frozenset({mark}))
    assert found.artifacts[0].envelope == ENVELOPE
    assert len(found.artifacts) == 3
    assert set(reasons(found)) == {SkipReason.OVER_LIMIT}
    assert (found.complete, found.outage) == (False, None)


@pytest.mark.parametrize(("spare", "found"), [(0, 2), (-1, 1)], ids=["as much as there is room for", "one byte more"])
def test_annotations_take_room_too(find, world, image, monkeypatch, spare, found):
    notes = {"note": "x" * 1000}
    for number in range(2):
        world.add_signature("team/app", "v1", b"%d" % number, layer_annotations=notes)
    whole = find(image)
    monkeypatch.setattr(search, "MAX_FOUND_BYTES", whole.size + spare)
    assert len(find(image).artifacts) == found


def test_a_list_without_end_is_left(find, sim, world, image):
    add_others(world, image, MAX_LISTED + 60)
    found = find(image)
    assert (found.artifacts, reasons(found)) == ((), [SkipReason.OVER_LIMIT])
    assert (found.complete, found.outage) == (False, None)
    assert sim.calls("ecr", "ListImageReferrers") == 5


def test_a_region_that_does_not_exist_is_not_contacted(find, sim):
    nowhere = EcrRepository(EcrRegistry("aws", OWN.account, "eu-west-99"), "team/app")
    with pytest.raises(UnknownRegionError):
        find(digest_of(b"x"), repository=nowhere)
    assert sim.calls() == 0
