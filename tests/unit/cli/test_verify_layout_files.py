"""`tidegate verify --layout`: folders with altered, unreadable or foreign files, and options that cannot be used."""

import os
from pathlib import Path

import pytest

from tests.simulator import artifacts
from tests.simulator.artifacts import BUNDLE, fallback_tag
from tests.simulator.manifests import image
from tests.unit.cli.commands import run
from tests.unit.cli.layouts import bundle_of, by_notation, by_sigstore, notation_signature


# Altered layouts
def test_an_image_whose_bytes_were_altered_is_not_verified(layout, app, trust):
    layout.add(notation_signature(app))
    layout.blob(app.digest).write_bytes(app.data + b" ")
    ended = by_notation(layout, trust, wish=":v1")
    assert ended.code == 1
    assert "the manifest's bytes have the digest" in ended.report["reason"]
    assert ended.report["signatures"] == []


@pytest.mark.parametrize("part", ["envelope", "manifest"])
@pytest.mark.parametrize("how", ["altered", "longer", "gone"])
def test_a_signature_whose_bytes_were_altered_is_never_used(layout, app, trust, part, how):
    found = layout.add(notation_signature(app))
    digest = found.digest if part == "manifest" else next(d for d, data in found.blobs.items() if len(data) > 2)
    blob = layout.blob(digest)
    if how == "gone":
        blob.unlink()
    else:
        content = blob.read_bytes()
        blob.write_bytes(content + b"\n" if how == "longer" else content.replace(b"1", b"2", 1))
    ended = by_notation(layout, trust, wish=":v1")
    assert ended.code == 1
    assert ended.report["signatures"] == []


@pytest.mark.parametrize("target", ["blob", "sha256", "blobs"])
def test_links_below_the_folder_are_not_followed(layout, app, trust, target, tmp_path):
    found = layout.add(notation_signature(app))
    envelope = next(d for d, data in found.blobs.items() if len(data) > 2)
    place = {"blob": layout.blob(envelope), "sha256": layout.blobs, "blobs": layout.folder / "blobs"}[target]
    place.rename(tmp_path / "elsewhere")
    place.symlink_to(tmp_path / "elsewhere")
    ended = by_notation(layout, trust, wish=f"@{app.digest}")
    assert ended.code == 2
    assert "a symbolic link" in (ended.err or ended.report["reason"])


@pytest.mark.parametrize("name", ["oci-layout", "index.json"])
def test_links_instead_of_the_layout_s_own_files_are_not_followed(layout, app, trust, name, tmp_path):
    (layout.folder / name).rename(tmp_path / "elsewhere")
    (layout.folder / name).symlink_to(tmp_path / "elsewhere")
    ended = by_notation(layout, trust)
    assert ended.code == 2
    assert "a symbolic link" in ended.err


def test_a_pipe_in_place_of_a_blob_is_not_waited_for(layout, app, trust):
    found = layout.add(notation_signature(app))
    blob = layout.blob(next(d for d, data in found.blobs.items() if len(data) > 2))
    blob.unlink()
    os.mkfifo(blob)
    ended = by_notation(layout, trust)
    assert ended.code == 2
    assert "not a regular file" in ended.report["reason"]


@pytest.mark.parametrize(
    "digest", ["sha256:../../../../etc/passwd", "sha256:" + "../" * 21 + "a", "../x:" + "0" * 64, "sha256:" + "A" * 64]
)
def test_what_is_no_digest_names_no_file(layout, app, trust, digest):
    layout.add(image("evil"), "evil", digest=digest)
    ended = by_notation(layout, trust, wish=":evil")
    assert ended.code == 2
    assert "has no tag 'evil'" in ended.err
    ended = by_notation(layout, trust, wish=f"@{digest}")
    assert ended.code == 2


# Layouts and wishes that cannot be used
@pytest.mark.parametrize(
    ("wish", "words"),
    [
        (":v9", "has no tag 'v9'; its tags are 'v1', 'v2'"),
        ("@sha256:" + "0" * 64, "does not contain sha256:000"),
        ("", "contains 2 images; select one with DIR:TAG or DIR@sha256:..."),
        ("/nowhere", "the folder does not exist"),
        ("@sha256:12", "the folder does not exist"),
    ],
)
def test_a_wish_that_means_no_image_is_explained(layout, app, trust, wish, words):
    layout.add(image("other"), "v2")
    ended = by_notation(layout, trust, wish=wish)
    assert ended.code == 2
    assert words in ended.err


def test_a_tag_of_two_images_is_ambiguous(layout, app, trust):
    layout.add(image("other"), "v1")
    assert "has several digests" in by_notation(layout, trust, wish=":v1").err


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("oci-layout", None, "has no file oci-layout"),
        ("oci-layout", "{", "not strict JSON"),
        ("oci-layout", '{"imageLayoutVersion": "2.0.0"}', "imageLayoutVersion is '2.0.0', expected '1.0.0'"),
        ("index.json", None, "has no index.json"),
        ("index.json", "[]", "index.json: "),
        ("index.json", '{"schemaVersion": 2, "manifests": [], "manifests": []}', "a name stands twice"),
        ("index.json", '{"schemaVersion": 2, "manifests": []}', "contains 0 images"),
        ("index.json", " " * (4 * 1024 * 1024 + 1), "too large"),
    ],
)
def test_a_folder_that_is_no_layout_is_explained(layout, app, trust, name, content, words):
    path = layout.folder / name
    if content is None:
        path.unlink()
    else:
        path.write_text(content)
    ended = by_notation(layout, trust)
    assert ended.code == 2
    assert words in ended.err


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (("--reference", "registry.test/app"), "--reference also needs --trust-policy"),
        (("--key", __file__, "--trust-policy", __file__), "is Notation's and --key is Sigstore's"),
        (("--trust-policy", __file__), "also needs --trust-store DIR and --reference"),
        (("--bundle", __file__), "exactly one of"),
        (("--descriptor", __file__), "--descriptor does not go with --layout"),
        (("app.tar",), "IMAGE or ARTIFACT does not go with --layout"),
        ((), "exactly one of --certificate-identity and"),
    ],
)
def test_a_layout_needs_the_trust_of_one_kind(layout, app, given, words):
    ended = run("verify", "--layout", layout.folder, *given)
    assert ended.code == 2
    assert words in ended.err


# What lies there and cannot be read
def link(path: Path, folder: Path) -> None:
    """Put a symbolic link to a copy in the place of a file."""
    copy = folder / "copy"
    copy.write_bytes(path.read_bytes())
    path.unlink()
    path.symlink_to(copy)


def test_a_signature_that_cannot_be_read_may_have_been_the_valid_one(layout, app, trust, tmp_path):
    found = layout.add(notation_signature(app))
    link(layout.blob(found.digest), tmp_path)
    ended = by_notation(layout, trust, wish=":v1")
    assert (ended.code, ended.report["verdict"]) == (2, "inconclusive")
    layout.add(notation_signature(app, annotations={"a": "b"}))
    assert by_notation(layout, trust, wish=":v1").code == 0


def test_a_fallback_index_that_cannot_be_read_may_have_listed_the_valid_one(layout, app, trust, tmp_path):
    found = layout.add(notation_signature(app), listed=False)
    listed = layout.add(
        artifacts.referrers_index([(found, "application/vnd.oci.empty.v1+json")]), fallback_tag(app.digest)
    )
    link(layout.blob(listed.digest), tmp_path)
    ended = by_notation(layout, trust, wish=":v1")
    assert (ended.code, ended.report["verdict"]) == (2, "inconclusive")


def test_a_fallback_index_of_other_bytes_is_never_used(layout, app, trust):
    found = layout.add(notation_signature(app), listed=False)
    listed = layout.add(
        artifacts.referrers_index([(found, "application/vnd.oci.empty.v1+json")]), fallback_tag(app.digest)
    )
    layout.blob(listed.digest).write_bytes(listed.data + b" ")
    assert by_notation(layout, trust, wish=":v1").report["verdict"] != "verified"


def test_an_image_that_the_index_does_not_list_is_named_by_digest(layout, trust):
    app = layout.add(image("app"), listed=False)
    layout.add(notation_signature(app))
    assert by_notation(layout, trust, wish=f"@{app.digest}").code == 0
    layout.blob(app.digest).write_bytes(b"[]")
    assert by_notation(layout, trust, wish=f"@{app.digest}").code == 1


def test_an_image_whose_bytes_were_altered_is_not_verified_by_sigstore(layout, app, tmp_path):
    layout.add(artifacts.signature(BUNDLE, bundle_of(app), subject=app))
    assert by_sigstore(layout, tmp_path).code == 0
    layout.blob(app.digest).write_bytes(b"{}")
    ended = by_sigstore(layout, tmp_path)
    assert (ended.code, ended.report["verdict"], ended.report["signatures"]) == (1, "failed", [])


def test_a_listed_manifest_that_is_no_manifest_is_left_alone(layout, app, trust):
    layout.add(notation_signature(app))
    junk = image("junk")
    layout.add(junk, "junk")
    layout.blob(junk.digest).unlink()
    assert by_notation(layout, trust, wish=":v1").code == 0
