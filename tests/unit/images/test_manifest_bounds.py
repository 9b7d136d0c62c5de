"""The bounds of manifests, what their bytes may be, and any value in any field."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.images.indexes import attestation, entry, image, index, parse
from tidegate.errors import InvalidManifestError
from tidegate.images.digest import digest_of, parse_digest, short
from tidegate.images.manifest import (
    INDEX_TYPES,
    MAX_CHILDREN,
    MAX_ENTRIES,
    MAX_MANIFEST_BYTES,
    OCI_INDEX,
    OCI_MANIFEST,
    parse_manifest,
)


def test_bytes_must_have_the_digest_they_were_asked_for_by():
    content = json.dumps(image()).encode()
    with pytest.raises(InvalidManifestError, match="bytes have the digest"):
        parse_manifest(content + b" ", digest=digest_of(content), media_type=OCI_MANIFEST)


def test_the_size_bound_is_exact():
    content = json.dumps(image()).encode()
    padded = content + b" " * (MAX_MANIFEST_BYTES - len(content))
    assert parse(padded).size == MAX_MANIFEST_BYTES
    with pytest.raises(InvalidManifestError, match="4194305 bytes"):
        parse(padded + b" ")


@pytest.mark.parametrize("size", [0, MAX_MANIFEST_BYTES])
def test_the_bounds_of_a_child_are_exact(size):
    assert parse(index(entry(size=size))).children[0].size == size


def test_runnable_children_are_bounded():
    children = [entry(number) for number in range(MAX_CHILDREN + 1)]
    attestations = [attestation(1000 + number) for number in range(MAX_CHILDREN)]
    assert len(parse(index(*children[:-1], *attestations)).children) == MAX_CHILDREN
    with pytest.raises(InvalidManifestError, match="65 runnable images"):
        parse(index(*children))
    with pytest.raises(InvalidManifestError, match="65 runnable images"):
        parse(index(*(entry(1, f"linux/a{number}") for number in range(MAX_CHILDREN + 1))))


@pytest.mark.parametrize("count", [MAX_ENTRIES + 1, 1_000])
def test_entries_are_bounded(count):
    attestations = [attestation(number) for number in range(count)]
    assert parse(index(entry(count), *attestations[: MAX_ENTRIES - 1])).children
    with pytest.raises(InvalidManifestError, match=f"lists {count} manifests"):
        parse(index(*attestations))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
MEMBERS = st.sampled_from(
    ["schemaVersion", "mediaType", "config", "layers", "manifests", "digest", "size", "platform", "os", "architecture"]
)


def sound_or_refused(content: bytes, media_type: str) -> None:
    try:
        manifest = parse_manifest(content, digest=digest_of(content), media_type=media_type)
    except InvalidManifestError:
        return
    assert (manifest.media_type in INDEX_TYPES) == bool(manifest.children)
    assert all(parse_digest(child.digest) and 0 <= child.size <= MAX_MANIFEST_BYTES for child in manifest.children)


@given(st.data())
def test_any_value_in_any_field_is_sound_or_refused(data):
    """One member of a sound manifest replaced by anything: a sound manifest, or InvalidManifestError; nothing else."""
    document = data.draw(st.sampled_from([image(), index(entry(1), attestation(2))]))
    media_type = document["mediaType"]
    document = json.loads(json.dumps(document))
    place = document
    if document.get("manifests") and data.draw(st.booleans()):
        place = document["manifests"][data.draw(st.integers(0, 1))]
        if data.draw(st.booleans()):
            place = place["platform"]
    place[data.draw(MEMBERS)] = data.draw(JSON)
    sound_or_refused(json.dumps(document).encode(), media_type)


@given(
    st.binary() | st.text().map(lambda text: text.encode("utf-8", "surrogatepass")), st.sampled_from([OCI_INDEX, ""])
)
def test_any_bytes_are_refused(content, media_type):
    sound_or_refused(content, media_type)


DIGESTS = {
    "as it must be": ("sha256:" + "0a" * 32, True),
    "a digit too few": ("sha256:" + "0" * 63, False),
    "a digit too many": ("sha256:" + "0" * 65, False),
    "upper case": ("sha256:" + "A" * 64, False),
    "a newline": ("sha256:" + "0" * 64 + "\n", False),
    "another algorithm": ("sha512:" + "0" * 128, False),
    "no algorithm": ("0" * 64, False),
}


@pytest.mark.parametrize("case", DIGESTS, ids=str)
def test_a_digest_is_sha256_and_64_digits(case):
    text, valid = DIGESTS[case]
    assert parse_digest(text) == (text if valid else None)


def test_a_digest_is_cut_for_the_eye():
    assert short(digest_of(b"")) == "sha256:e3b0c44298fc"
