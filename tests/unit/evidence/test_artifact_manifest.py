"""Manifests of signatures and lists of referrers: what is read, and what is refused since readers may disagree."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.evidence.artifact_manifest import (
    EMPTY_CONFIG,
    MAX_LAYERS,
    MAX_VALUES,
    NOTATION_TYPE,
    SIMPLE_SIGNING,
    parse_artifact,
    parse_referrers,
    signature_layers,
)
from tidegate.evidence.signature_artifacts import MAX_MANIFEST_BYTES, ArtifactKind, SkipReason, UnusableArtifactError
from tidegate.images.digest import digest_of
from tidegate.images.json_bounds import MAX_NAME_CHARACTERS
from tidegate.images.manifest import OCI_INDEX, OCI_MANIFEST

DIGEST = digest_of(b"a blob")
JWS = "application/jose+json"
EVERY_KIND = frozenset(ArtifactKind)


def part(media_type: str = JWS, **changes: Any) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": DIGEST, "size": 10} | changes


def document(**changes: Any) -> bytes:
    """A Notation signature; a change to None takes a member away."""
    whole: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": NOTATION_TYPE,
        "config": part(EMPTY_CONFIG),
        "layers": [part()],
        "subject": part(OCI_MANIFEST),
        "annotations": {"org.example": "note"},
    }
    return json.dumps({name: value for name, value in (whole | changes).items() if value is not None}).encode()


def index(**changes: Any) -> bytes:
    whole: dict[str, Any] = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [part(OCI_MANIFEST)]}
    return json.dumps({name: value for name, value in (whole | changes).items() if value is not None}).encode()


def test_a_manifest_is_read_whole():
    found = parse_artifact(document())
    assert (found.artifact_type, found.config_type) == (NOTATION_TYPE, EMPTY_CONFIG)
    assert found.subject is not None
    assert found.subject.media_type == OCI_MANIFEST
    assert [layer.blob.digest for layer in found.layers] == [DIGEST]
    assert found.annotations == {"org.example": "note"}


def test_members_that_may_be_left_out_are_empty():
    found = parse_artifact(document(mediaType=None, artifactType=None, subject=None, annotations=None))
    assert (found.artifact_type, found.subject, found.annotations) == ("", None, {})


TWICE = document().decode()
REFUSED = [
    pytest.param(b"not json", SkipReason.BAD_CONTENT, "not readable", id="no JSON"),
    pytest.param(b"[" * 20_000, SkipReason.BAD_CONTENT, "not readable", id="deeper than can be read"),
    pytest.param(b"[" * (MAX_VALUES - 1), SkipReason.BAD_CONTENT, "not readable", id="as many values as are read"),
    pytest.param(b"[" * MAX_VALUES, SkipReason.TOO_LARGE, f"more than {MAX_VALUES} JSON", id="more values than that"),
    pytest.param(
        document(**{"x" * (MAX_NAME_CHARACTERS + 1): 1}), SkipReason.BAD_CONTENT, "may disagree", id="a long name"
    ),
    pytest.param(b" " * (MAX_MANIFEST_BYTES + 1), SkipReason.TOO_LARGE, "too large", id="too large"),
    pytest.param(document(schemaVersion=1), SkipReason.BAD_CONTENT, "schemaVersion is 1", id="another schema"),
    pytest.param(document(mediaType=OCI_INDEX), SkipReason.BAD_CONTENT, "calls itself", id="an index by its own word"),
    pytest.param(document(config=None), SkipReason.BAD_CONTENT, "without config or layers", id="no config"),
    pytest.param(document(layers=None), SkipReason.BAD_CONTENT, "without config or layers", id="no layers"),
    pytest.param(document(manifests=[]), SkipReason.BAD_CONTENT, "also lists manifests", id="both at once"),
    pytest.param(
        document(layers=[part()] * (MAX_LAYERS + 1)), SkipReason.TOO_LARGE, "1001 layers", id="too many layers"
    ),
    pytest.param(
        document(layers=[part(digest="sha512:" + "0" * 128)]),
        SkipReason.BAD_CONTENT,
        "not a sha256 digest",
        id="another digest",
    ),
    pytest.param(
        document(layers=[part(size=-1)]), SkipReason.BAD_CONTENT, "less than no bytes", id="less than no bytes"
    ),
    pytest.param(
        TWICE.replace('"schemaVersion"', '"layers": [], "schemaVersion"').encode(),
        SkipReason.BAD_CONTENT,
        "stands twice",
        id="a name twice",
    ),
    pytest.param(
        TWICE.replace('"schemaVersion"', '"LAYERS": [], "schemaVersion"').encode(),
        SkipReason.BAD_CONTENT,
        "stands twice",
        id="a name twice in another case",
    ),
]


@pytest.mark.parametrize(("content", "reason", "words"), REFUSED)
def test_what_is_no_manifest_is_refused(content, reason, words):
    with pytest.raises(UnusableArtifactError, match=words) as refused:
        parse_artifact(content)
    assert refused.value.reason is reason


def test_as_many_layers_as_are_looked_at_are_read():
    assert len(parse_artifact(document(layers=[part()] * MAX_LAYERS)).layers) == MAX_LAYERS


def test_a_list_of_referrers_counts_what_it_cannot_fetch():
    entries = [part(OCI_MANIFEST, artifactType=NOTATION_TYPE, annotations={"a": "b"}), part(digest="sha512:00")]
    found = parse_referrers(index(manifests=entries))
    assert [(ref.digest, ref.artifact_type, ref.annotations) for ref in found.refs] == [
        (DIGEST, NOTATION_TYPE, {"a": "b"})
    ]
    assert found.unreadable == 1
    assert parse_referrers(index(mediaType=None, manifests=[])).refs == ()


NO_LIST = [
    pytest.param(index(mediaType=OCI_MANIFEST), "calls itself", id="a manifest by its own word"),
    pytest.param(index(manifests=None), "without manifests", id="no manifests"),
    pytest.param(index(config=part(EMPTY_CONFIG)), "also has config", id="a config beside them"),
    pytest.param(index(layers=[]), "also has config", id="layers beside them"),
]


@pytest.mark.parametrize(("content", "words"), NO_LIST)
def test_what_is_no_list_of_referrers_is_refused(content, words):
    with pytest.raises(UnusableArtifactError, match=words) as refused:
        parse_referrers(content)
    assert refused.value.reason is SkipReason.BAD_CONTENT


LAYOUTS = [
    pytest.param({}, [ArtifactKind.NOTATION], id="Notation as an artifact"),
    pytest.param(
        {"artifactType": None, "config": part(NOTATION_TYPE)}, [ArtifactKind.NOTATION], id="Notation by its config"
    ),
    pytest.param(
        {"artifactType": None, "layers": [part(SIMPLE_SIGNING), part("a/b"), part(SIMPLE_SIGNING)]},
        [ArtifactKind.COSIGN_SIGNATURE] * 2,
        id="cosign's layers, and one of another type",
    ),
]


@pytest.mark.parametrize(("changes", "kinds"), LAYOUTS)
def test_the_layout_tells_the_kind(changes, kinds):
    found = signature_layers(parse_artifact(document(**changes)), EVERY_KIND)
    assert [kind for kind, _ in found] == kinds


NO_SIGNATURE = [
    pytest.param({"artifactType": "a/b"}, SkipReason.UNSUPPORTED, "no signature: artifact type 'a/b'", id="another"),
    pytest.param({"artifactType": None}, SkipReason.UNSUPPORTED, "no signature: artifact type", id="no type"),
    pytest.param({"config": part("a/b")}, SkipReason.BAD_CONTENT, "is no Notation signature", id="another config"),
    pytest.param(
        {"artifactType": "a/b", "config": part(NOTATION_TYPE)},
        SkipReason.BAD_CONTENT,
        "is no Notation signature",
        id="two types that disagree",
    ),
    pytest.param({"layers": []}, SkipReason.BAD_CONTENT, "exactly one signature envelope blob, got 0", id="no blob"),
    pytest.param({"layers": [part()] * 2}, SkipReason.BAD_CONTENT, "got 2", id="two blobs"),
    pytest.param({"layers": [part("text/plain")]}, SkipReason.UNSUPPORTED, "is not supported", id="another envelope"),
]


@pytest.mark.parametrize(("changes", "reason", "words"), NO_SIGNATURE)
def test_what_is_no_signature_is_refused(changes, reason, words):
    with pytest.raises(UnusableArtifactError, match=words) as refused:
        signature_layers(parse_artifact(document(**changes)), EVERY_KIND)
    assert refused.value.reason is reason


def test_a_signature_of_a_kind_that_nobody_asked_for_is_not_used():
    with pytest.raises(UnusableArtifactError, match="which is not asked for") as refused:
        signature_layers(parse_artifact(document()), frozenset({ArtifactKind.SIGSTORE_BUNDLE}))
    assert refused.value.reason is SkipReason.UNSUPPORTED


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.just(DIGEST),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
members = st.sampled_from(["schemaVersion", "mediaType", "artifactType", "config", "layers", "manifests", "subject"])


@given(st.binary(max_size=300) | st.dictionaries(members, json_values).map(lambda found: document(**found)))
def test_any_bytes_are_a_manifest_or_unusable(content):
    for parse in (parse_artifact, parse_referrers):
        with contextlib.suppress(UnusableArtifactError):
            parse(content)
