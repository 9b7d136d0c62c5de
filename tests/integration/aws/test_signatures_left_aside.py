"""Signatures that are left aside in Amazon ECR: what is altered, too large, of no known format, or one too many."""

import msgspec
import pytest

from tests.integration.aws.conftest import ENVELOPE, JUST_NOTATION, OWN, TAG_KINDS, add_others, reasons
from tests.simulator import artifacts
from tests.simulator.manifests import OCI_INDEX
from tidegate.evidence.fact import Cause
from tidegate.evidence.signature_artifacts import (
    MAX_ENVELOPE_BYTES,
    MAX_EVALUATED,
    MAX_LISTED,
    PREDICATE,
    THUMBPRINTS,
    ArtifactKind,
    SkipReason,
)
from tidegate.evidence.source_unavailable import UnknownRegionError
from tidegate.images.digest import digest_of
from tidegate.images.repository import EcrRegistry, EcrRepository
from tidegate.referrers import search


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
