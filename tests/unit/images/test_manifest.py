"""Manifests are what their digest, size and media type promise, and say to every reader the same; or they are refused."""

import json

import pytest

from tests.unit.images.indexes import CONFIG, attestation, entry, image, index, parse
from tidegate.errors import InvalidManifestError
from tidegate.images.digest import digest_of
from tidegate.images.json_bounds import MAX_NAME_CHARACTERS
from tidegate.images.manifest import (
    DOCKER_INDEX,
    DOCKER_MANIFEST,
    DOCKER_SCHEMA1,
    DOCKER_SCHEMA1_SIGNED,
    MAX_MANIFEST_BYTES,
    MAX_VALUES,
    OCI_INDEX,
    OCI_MANIFEST,
)


@pytest.mark.parametrize("media_type", [OCI_MANIFEST, DOCKER_MANIFEST])
def test_an_image_has_no_children(media_type):
    document = image(media_type)
    manifest = parse(document)
    assert (manifest.media_type, manifest.children) == (media_type, ())
    assert manifest.size == len(json.dumps(document))
    assert manifest.digest == digest_of(json.dumps(document).encode())


@pytest.mark.parametrize("media_type", [OCI_INDEX, DOCKER_INDEX])
def test_an_index_has_its_children_in_order(media_type):
    manifest = parse(index(entry(1), entry(2, "linux/arm64/v8"), entry(3, None), mediaType=media_type))
    assert manifest.media_type == media_type
    assert [(child.digest[-1], str(child.platform)) for child in manifest.children] == [
        ("1", "linux/amd64"),
        ("2", "linux/arm64"),
        ("3", "None"),
    ]
    assert {(child.media_type, child.size) for child in manifest.children} == {(OCI_MANIFEST, 500)}


def test_an_index_may_hold_an_index():
    (child,) = parse(index(entry(1, None, mediaType=OCI_INDEX))).children
    assert child.media_type == OCI_INDEX


@pytest.mark.parametrize("document", [image(), index(entry())], ids=["image", "index"])
def test_a_document_need_not_name_its_media_type(document):
    media_type = document["mediaType"]
    without = {name: value for name, value in document.items() if name != "mediaType"}
    assert parse(without, media_type).media_type == media_type


ATTESTATIONS = {
    "an attestation": (attestation(9), ["1"]),
    "any manifest for no platform": (entry(9, "unknown/unknown"), ["1"]),
    "an attestation of a type that cannot run": (attestation(9) | {"mediaType": "application/x"}, ["1"]),
    "a runnable image that is called an attestation": (attestation(9, "linux/amd64"), ["1", "9"]),
    "an image for any platform that is called an attestation": (attestation(9, None), ["1", "9"]),
    "an unknown architecture of a known system": (entry(9, "linux/unknown"), ["1", "9"]),
}


@pytest.mark.parametrize("case", ATTESTATIONS, ids=str)
def test_only_what_no_node_can_run_is_left_out(case):
    """A runtime chooses by platform: an annotation must not hide an image that it would run."""
    other, kept = ATTESTATIONS[case]
    assert [child.digest[-1] for child in parse(index(entry(1), other)).children] == kept


def test_what_no_node_can_run_hides_nothing_behind_it():
    children = parse(index(attestation(8), entry(1), attestation(9), entry(2))).children
    assert [child.digest[-1] for child in children] == ["1", "2"]


def test_each_child_has_a_size_and_a_media_type_of_its_own():
    children = parse(index(entry(1), entry(2, size=501), entry(3, mediaType=DOCKER_MANIFEST))).children
    assert [(child.size, child.media_type) for child in children] == [
        (500, OCI_MANIFEST),
        (501, OCI_MANIFEST),
        (500, DOCKER_MANIFEST),
    ]


PLATFORMS = {
    "as written": ("linux/amd64", "linux/amd64"),
    "upper case": ("Linux/AMD64", "linux/amd64"),
    "x86_64": ("linux/x86_64", "linux/amd64"),
    "x86-64": ("linux/x86-64", "linux/amd64"),
    "i386 has no variant": ("linux/i386/sse2", "linux/386"),
    "aarch64": ("linux/aarch64", "linux/arm64"),
    "aarch64 with a variant": ("linux/aarch64/V8", "linux/arm64"),
    "a variant without its letter": ("linux/arm/8", "linux/arm/v8"),
    "the first variant of amd64": ("linux/amd64/v1", "linux/amd64"),
    "armhf": ("linux/armhf", "linux/arm/v7"),
    "armel": ("linux/armel", "linux/arm/v6"),
    "macos": ("macos/arm64", "darwin/arm64"),
    "no system is any platform": ("/amd64", "None"),
    "no architecture is any platform": ("linux/", "None"),
    "a variant without a system is any platform": ("/amd64/v2", "None"),
    "a variant without an architecture is any platform": ("linux//v8", "None"),
    "an odd name is any platform": ("linux/amd 64", "None"),
}


@pytest.mark.parametrize("case", PLATFORMS, ids=str)
def test_a_platform_is_read_as_the_runtime_reads_it(case):
    """Otherwise an image could be left out of judgement for a platform that the runtime takes it to be for."""
    written, expected = PLATFORMS[case]
    (child,) = parse(index(entry(1, written))).children
    assert str(child.platform) == expected


def test_the_same_child_again_counts_once():
    assert len(parse(index(entry(1), entry(2), entry(1))).children) == 2


def test_a_child_that_is_listed_for_two_platforms_is_a_child_for_each():
    """The second platform must not hide that the first would run it, nor the other way round."""
    children = parse(index(entry(1, "linux/amd64"), entry(2), entry(1, "plan9/386"), entry(1))).children
    assert [(child.digest[-1], str(child.platform)) for child in children] == [
        ("1", "linux/amd64"),
        ("2", "linux/amd64"),
        ("1", "plan9/386"),
    ]


RESTRICTIONS = {
    "none": ({}, False),
    "a version": ({"os.version": "10.0.20348"}, True),
    "an empty version": ({"os.version": ""}, False),
    "a feature": ({"os.features": ["win32k"]}, True),
    "an empty feature": ({"os.features": [""]}, True),
    "no features": ({"os.features": []}, False),
    "null for features": ({"os.features": None}, False),
    "Docker's features, which nothing reads": ({"features": ["sse4"]}, False),
}


@pytest.mark.parametrize("case", RESTRICTIONS, ids=str)
def test_a_platform_that_some_nodes_lack_is_restricted(case):
    members, restricted = RESTRICTIONS[case]
    described = entry(1)
    described["platform"] |= members
    (child,) = parse(index(described)).children
    assert child.restricted is restricted


@pytest.mark.parametrize("name", ["Variant", "VARIANT", "OS.Features", "os.Version", "o\u017f.features"])
def test_a_platform_in_other_letters_is_refused(name):
    """Go's reader takes these for the names of the specification: the runtime would see a lesser platform than we do."""
    described = entry(1)
    described["platform"][name] = "v4"
    with pytest.raises(InvalidManifestError, match="differs in case"):
        parse(index(described))


@pytest.mark.parametrize("name", ["OS", "Architecture"])
def test_a_platform_that_is_named_in_other_letters_is_any(name):
    described = entry(1)
    described["platform"][name] = described["platform"].pop(name.lower())
    assert parse(index(described)).children[0].platform is None


def test_annotations_may_have_the_names_of_a_platform_in_any_letters():
    assert parse(index(entry(1, annotations={"Variant": "v8", "OS.Version": "1"}))).children


REFUSED = {
    "schema 1": ({"schemaVersion": 1, "mediaType": DOCKER_SCHEMA1}, "schema 1"),
    "schema 1, signed": ({"schemaVersion": 1, "mediaType": DOCKER_SCHEMA1_SIGNED}, "schema 1"),
    "another media type": (image("application/vnd.cncf.helm.config.v1+json"), "not the media type of an image"),
    "another schema version": (image(schemaVersion=1), "schemaVersion is 1"),
    "no schema version": ({"mediaType": OCI_MANIFEST, "config": CONFIG, "layers": []}, "not readable"),
    "an image without config": (image(config=None), "without config or layers"),
    "an image without layers": (image(layers=None), "without config or layers"),
    "an image that lists manifests": (image(manifests=[]), "also lists manifests"),
    "an index without manifests": (index(manifests=None), "without manifests"),
    "an index with config": (index(entry(), config=CONFIG), "also has config or layers"),
    "an index with layers": (index(entry(), layers=[]), "also has config or layers"),
    "an empty index": (index(), "without a runnable image"),
    "an index of attestations": (index(attestation(1)), "without a runnable image"),
    "a child with a sha512 digest": (index(entry(digest="sha512:" + "a" * 128)), "not a sha256 digest"),
    "a child with a short digest": (index(entry(digest="sha256:" + "a" * 63)), "not a sha256 digest"),
    "a child with a hostile digest": (index(entry(digest="\x1b[31m\n")), r"'\\x1b\[31m\\n', which"),
    "a child without a digest": (index({"mediaType": OCI_MANIFEST, "size": 1}), "not readable"),
    "a child of negative size": (index(entry(size=-1)), "has -1 bytes"),
    "a child larger than any manifest": (index(entry(size=MAX_MANIFEST_BYTES + 1)), "has 4194305 bytes"),
    "a child larger than any number": (index(entry(size=10**30)), "not readable|bytes"),
    "a child of fractional size": (index(entry(size=1.5)), "not readable"),
    "an attestation of negative size": (index(entry(), attestation(2) | {"size": -1}), "has -1 bytes"),
    "a child of a type that cannot run": (index(entry(mediaType="application/x")), "'application/x' is not the media"),
    "a child of schema 1": (index(entry(mediaType=DOCKER_SCHEMA1)), "schema 1"),
    "one digest with two sizes": (index(entry(), entry(size=501)), "two sizes or media types"),
    "one digest with two media types": (index(entry(), entry(mediaType=DOCKER_MANIFEST)), "two sizes or media types"),
}


@pytest.mark.parametrize("case", REFUSED, ids=str)
def test_what_is_no_sound_manifest_is_refused_and_said(case):
    document, words = REFUSED[case]
    with pytest.raises(InvalidManifestError, match=words) as refused:
        parse(document)
    assert str(refused.value).isascii()
    assert str(refused.value).isprintable()


AGREEMENT = {
    "an index stored as an image": (index(entry()), OCI_MANIFEST),
    "an image stored as an index": (image(), OCI_INDEX),
    "a Docker image stored as an OCI image": (image(DOCKER_MANIFEST), OCI_MANIFEST),
    "a media type in other letters": (image(OCI_MANIFEST.upper()), OCI_MANIFEST),
    "an empty media type": (image(""), OCI_MANIFEST),
}


@pytest.mark.parametrize("case", AGREEMENT, ids=str)
def test_the_media_type_inside_must_be_that_outside(case):
    document, stored_as = AGREEMENT[case]
    with pytest.raises(InvalidManifestError, match="has mediaType"):
        parse(document, stored_as)


TWINS = {
    "a second list of children": b'"manifests":[%(good)s],"manifests":[%(evil)s]',
    "a second list in other letters": b'"manifests":[%(good)s],"Manifests":[%(evil)s]',
    "a second list with a long s": b'"manifests":[%(good)s],"manife\xc5\xbfts":[%(evil)s]',
    "a second digest in a child": b'"manifests":[{"DIGEST":"sha256:0",%(members)s}]',
    "twins in a field that is not read": b'"manifests":[%(good)s],"annotations":{"a":"","A":""}',
}


@pytest.mark.parametrize("case", TWINS, ids=str)
def test_what_two_readers_would_read_differently_is_refused(case):
    """The runtime does not tell cases apart and takes the last: it would run what was never judged."""
    good, evil = json.dumps(entry(1)).encode(), json.dumps(entry(2)).encode()
    members = TWINS[case] % {b"good": good, b"evil": evil, b"members": good[1:-1]}
    with pytest.raises(InvalidManifestError, match="has a name twice"):
        parse(b'{"schemaVersion":2,' + members + b"}", OCI_INDEX)


def test_a_name_in_other_letters_alone_is_not_read():
    content = b'{"schemaVersion":2,"Manifests":[%s]}' % json.dumps(entry(1)).encode()
    with pytest.raises(InvalidManifestError, match="without manifests"):
        parse(content, OCI_INDEX)


UNREADABLE = {
    "nothing": b"",
    "no JSON": b"\x7fELF",
    "a list": b"[]",
    "another encoding": json.dumps(image()).encode("utf-16"),
    "a byte order mark": b"\xef\xbb\xbf" + json.dumps(image()).encode(),
    "something behind the end": json.dumps(image()).encode() + b"{}",
    "no UTF-8 in a field that is not read": json.dumps(image(annotations="x")).encode().replace(b'"x"', b'"\xff"'),
    "arrays without end": b'{"schemaVersion":2,"x":' + b"[" * 9_000,
    "arrays deeper than anyone reads": b'{"schemaVersion":2,"x":' + b"[" * 5_000 + b"]" * 5_000 + b"}",
    "a number of a million digits": b'{"schemaVersion":2,"x":' + b"1" * 1_000_000 + b"}",
}


@pytest.mark.parametrize("case", UNREADABLE, ids=str)
def test_bytes_that_are_no_document_are_refused(case):
    with pytest.raises(InvalidManifestError, match="not readable"):
        parse(UNREADABLE[case])


def test_a_manifest_of_very_many_values_is_refused_before_it_is_read():
    """Reading it would hold up every other thread."""
    head, tail = b'{"schemaVersion":2,"x":[', b"]}"
    few = head + b"," * (MAX_VALUES - 4) + tail
    with pytest.raises(InvalidManifestError, match="not readable"):
        parse(few)
    with pytest.raises(InvalidManifestError, match=f"more than {MAX_VALUES} JSON values"):
        parse(few.replace(b",]", b",,]"))


@pytest.mark.parametrize(("characters", "refused"), [(MAX_NAME_CHARACTERS, False), (MAX_NAME_CHARACTERS + 1, True)])
def test_a_name_so_long_that_it_takes_time_to_fold_its_case_is_refused(characters, refused):
    content = json.dumps(image() | {"x" * characters: 1}).encode()
    if not refused:
        assert parse(content)
        return
    with pytest.raises(InvalidManifestError, match="parsers may disagree"):
        parse(content)
