"""`tidegate verify --layout`: signatures are found wherever tools put them, each is verified, and nothing leads outside."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.simulator import artifacts
from tests.simulator.artifacts import BUNDLE, COSIGN_SIGNATURE, NOTATION, LayerPart, fallback_tag
from tests.simulator.manifests import Manifest, image, index
from tests.simulator.pki.envelopes import AUTHORITY_SCHEME, COSE, JWS, sign
from tests.simulator.pki.sigstore import ISSUER, NOW, SUBJECT, public_pem, simple_signing, stamp
from tests.simulator.pki.sigstore import statement as in_toto
from tests.unit.cli.commands import Ended, run
from tests.unit.cli.layouts import Layout
from tests.unit.cli.notation_files import AT, REPOSITORY, NotationFiles, signer, statement, stranger
from tests.unit.verify.sigstore import cases


@pytest.fixture
def layout(tmp_path) -> Layout:
    return Layout(tmp_path / "layout")


@pytest.fixture
def app(layout: Layout) -> Manifest:
    return layout.add(image("app"), "v1")


@pytest.fixture
def trust(tmp_path) -> NotationFiles:
    (tmp_path / "trust").mkdir()
    return NotationFiles(tmp_path / "trust")


def by_notation(
    layout: Layout, trust: NotationFiles, *more: object, wish: str = "", reference: str = REPOSITORY
) -> Ended:
    stores = ("--trust-policy", trust.policy, "--trust-store", trust.store)
    given = ("--layout", f"{layout.folder}{wish}", "--reference", reference, *stores)
    return run("verify", *given, "--at", AT, "-o", "json", *more)


def by_sigstore(layout: Layout, folder: Path, *more: object, wish: str = ":v1") -> Ended:
    root = folder / "trusted_root.json"
    root.write_bytes(cases.ours().trusted_root_bytes())
    who = ("--certificate-identity", SUBJECT, "--certificate-oidc-issuer", ISSUER)
    given = ("--layout", f"{layout.folder}{wish}", "--trusted-root", root, *who)
    return run("verify", *given, "--at", stamp(NOW), "-o", "json", *more)


def envelope_of(manifest: Manifest, who=None, media_type: str = JWS, **options: Any) -> bytes:
    return sign(who or signer(), media_type, target=artifacts.descriptor(manifest), **options)


def notation_signature(manifest: Manifest, who=None, media_type: str = JWS, **options: Any) -> Manifest:
    return artifacts.signature(
        NOTATION, envelope_of(manifest, who, media_type), subject=manifest, media_type=media_type, **options
    )


def bundle_of(manifest: Manifest, **predicate: Any) -> bytes:
    return json.dumps(cases.ours().sign_statement(in_toto(manifest.digest, **predicate), cases.signer())).encode()


# Where signatures are found


@pytest.mark.parametrize("media_type", [JWS, COSE])
@pytest.mark.parametrize("old", [False, True])
def test_a_referrer_in_the_index_is_found_by_its_subject(layout, app, trust, media_type, old):
    layout.add(notation_signature(app, media_type=media_type, old_notation=old))
    ended = by_notation(layout, trust)
    assert (ended.code, ended.report["verdict"]) == (0, "verified")
    assert ended.report["subject"] == f"{REPOSITORY}@{app.digest} in {layout.folder}"
    assert set(ended.steps().values()) == {"ok"}


def test_a_referrer_under_the_fallback_tag_is_found(layout, app, trust):
    found = layout.add(notation_signature(app), listed=False)
    layout.add(artifacts.referrers_index([(found, "application/vnd.oci.empty.v1+json")]), fallback_tag(app.digest))
    assert by_notation(layout, trust, wish=":v1").code == 0


@pytest.mark.parametrize("wish", ["", ":v1", "@{digest}"])
def test_the_image_is_the_only_one_or_named_by_tag_or_digest(layout, app, trust, wish):
    layout.add(notation_signature(app))
    assert by_notation(layout, trust, wish=wish.format(digest=app.digest)).code == 0


def test_the_reference_s_digest_names_the_image_too(layout, app, trust):
    layout.add(image("other"), "v2")
    layout.add(notation_signature(app))
    assert by_notation(layout, trust, reference=f"{REPOSITORY}@{app.digest}").code == 0
    ended = by_notation(layout, trust, wish=":v2", reference=f"{REPOSITORY}@{app.digest}")
    assert ended.code == 2
    assert "--reference names another digest" in ended.err


def test_an_index_of_platforms_is_signed_as_itself(layout, trust):
    child = layout.add(image("app"), listed=False)
    whole = layout.add(index([(child, "linux/amd64")]), "v1")
    layout.add(notation_signature(whole))
    assert by_notation(layout, trust, wish=":v1").code == 0


def test_a_bundle_in_the_index_is_found(layout, app, tmp_path):
    layout.add(artifacts.signature(BUNDLE, bundle_of(app), subject=app))
    ended = by_sigstore(layout, tmp_path)
    assert (ended.code, ended.report["verdict"]) == (0, "verified")
    assert ended.report["signatures"][0]["kind"] == "sigstore bundle"


def test_cosign_s_tag_is_found(layout, app, tmp_path):
    payload = simple_signing(app.digest)
    notes = cases.ours().sign_layer(payload, cases.signer())
    part = LayerPart(data=payload, media_type=artifacts.LAYER_TYPES[COSIGN_SIGNATURE], annotations=notes)
    layout.add(artifacts.cosign_manifest([part]), fallback_tag(app.digest, ".sig"))
    for wish in (":v1", ""):
        ended = by_sigstore(layout, tmp_path, wish=wish)
        assert ended.code == 0, ended.err
        assert ended.report["signatures"][0]["kind"] == "cosign signature"
        assert ended.report["signatures"][0]["facts"]["repository"] == "registry.test/app"


def test_a_key_verifies_an_image(layout, app, tmp_path):
    signed = cases.ours().sign_statement_keyed(in_toto(app.digest), cases.key(), logged=False)
    layout.add(artifacts.signature(BUNDLE, json.dumps(signed).encode(), subject=app))
    (tmp_path / "key.pub").write_bytes(public_pem(cases.key()))
    given = ("--layout", f"{layout.folder}:v1", "--key", tmp_path / "key.pub", "--no-transparency-log")
    assert run("verify", *given).code == 0


# An attestation is no signature


def test_an_attestation_counts_only_where_its_type_is_demanded(layout, app, tmp_path):
    bundle = bundle_of(app, predicate_type=cases.PROVENANCE, predicate={"a": 1})
    layout.add(artifacts.signature(BUNDLE, bundle, subject=app))
    assert by_sigstore(layout, tmp_path).code == 1
    assert by_sigstore(layout, tmp_path, "--predicate-type", cases.PROVENANCE).code == 0
    assert by_sigstore(layout, tmp_path, "--predicate-type", "*").code == 0


def test_cosign_s_attestations_are_found_where_a_type_is_demanded(layout, app, tmp_path):
    statement = in_toto(app.digest, predicate_type=cases.PROVENANCE, predicate={"a": 1})
    content, notes = cases.ours().attest_layer(statement, cases.signer())
    kind = artifacts.COSIGN_ATTESTATION
    part = LayerPart(data=content, media_type=artifacts.LAYER_TYPES[kind], annotations=notes)
    layout.add(artifacts.cosign_manifest([part]), fallback_tag(app.digest, ".att"))
    ended = by_sigstore(layout, tmp_path, "--predicate-type", cases.PROVENANCE)
    assert ended.code == 0
    assert ended.report["signatures"][0]["kind"] == "cosign attestation"
    ended = by_sigstore(layout, tmp_path)
    assert ended.code == 1
    assert ended.report["reason"].startswith("no signature is associated with")


# One suffices, and nothing less does


def test_one_valid_signature_among_others_suffices_and_each_is_shown(layout, app, trust):
    layout.add(notation_signature(app, stranger()))
    layout.add(notation_signature(app))
    ended = by_notation(layout, trust)
    assert ended.code == 0
    assert sorted(one["verdict"] for one in ended.report["signatures"]) == ["failed", "verified"]


def test_lines_for_a_person_give_each_signature_its_verdict(layout, app, trust):
    layout.add(notation_signature(app, stranger()))
    layout.add(notation_signature(app))
    lines = by_notation(layout, trust, "-o", "text").out.splitlines()
    assert sum(line.startswith("notation signature sha256:") for line in lines) == 2
    assert lines.count("  NOT VERIFIED") == 1
    assert lines.count("  VERIFIED") == 1
    assert lines[-1].startswith("VERIFIED: signed by ")


def test_signatures_of_strangers_alone_are_not_verified(layout, app, trust):
    layout.add(notation_signature(app, stranger()))
    layout.add(notation_signature(app, stranger(), media_type=COSE))
    ended = by_notation(layout, trust)
    assert ended.code == 1
    assert ended.report["reason"].endswith("none of 2 signatures is valid")


PLUGIN = "io.cncf.notary.verificationPlugin"
UNDECIDABLE = {
    "a scheme without a trust store": {"scheme": AUTHORITY_SCHEME},
    "a plugin that is not known": {"extended": {PLUGIN: "acme.plugin"}, "critical": (PLUGIN,)},
}


@pytest.mark.parametrize("options", UNDECIDABLE.values(), ids=UNDECIDABLE)
@pytest.mark.parametrize("who", [stranger, signer], ids=["a stranger", "a signer of the same authority"])
def test_a_signature_that_nobody_can_decide_is_no_signature(layout, app, trust, options, who):
    """Whoever may push could make one; it must not look as if something could not be looked up."""
    envelope = sign(who(), target=artifacts.descriptor(app), **options)
    layout.add(artifacts.signature(NOTATION, envelope, subject=app))
    ended = by_notation(layout, trust)
    assert ended.code == 1
    assert ended.report["verdict"] == "failed"
    layout.add(notation_signature(app))
    assert by_notation(layout, trust, wish=":v1").code == 0


def test_no_signature_at_all_is_not_verified(layout, app, trust, tmp_path):
    ended = by_notation(layout, trust)
    assert ended.code == 1
    assert "no signature is associated with" in ended.report["reason"]
    assert by_sigstore(layout, tmp_path).code == 1


def test_the_signature_of_another_image_is_left_alone(layout, app, trust):
    other = layout.add(image("other"), "v2")
    layout.add(notation_signature(other))
    assert by_notation(layout, trust, wish=":v2").code == 0
    assert by_notation(layout, trust, wish=":v1").code == 1


def test_a_signature_whose_manifest_lies_about_its_subject_is_refused_by_its_payload(layout, app, trust):
    other = layout.add(image("other"), "v2")
    layout.add(artifacts.signature(NOTATION, envelope_of(other), subject=app))
    ended = by_notation(layout, trust, wish=":v1")
    assert ended.code == 1
    assert ended.steps()[5] == "failed"


def test_a_subject_of_another_size_is_left_aside(layout, app, trust):
    subject = artifacts.descriptor(app) | {"size": 1}
    layout.add(notation_signature(app, change={"subject": subject}))
    ended = by_notation(layout, trust)
    assert ended.code == 1
    assert ended.report["leftAside"][0]["reason"] == "WrongSubject"


def test_a_repository_of_no_statement_is_refused_and_one_of_level_skip_skipped(layout, app, trust):
    layout.add(notation_signature(app))
    assert by_notation(layout, trust, reference="registry.test/other").code == 1
    trust.trust(statement(level="skip"))
    assert by_notation(layout, trust).report["verdict"] == "skipped"


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
        ("@sha256:" + "0" * 64, "holds no sha256:000"),
        ("", "holds 2 images; name one as DIR:TAG or DIR@sha256:..."),
        ("/nowhere", "there is no such folder"),
        ("@sha256:12", "there is no such folder"),
    ],
)
def test_a_wish_that_means_no_image_is_explained(layout, app, trust, wish, words):
    layout.add(image("other"), "v2")
    ended = by_notation(layout, trust, wish=wish)
    assert ended.code == 2
    assert words in ended.err


def test_a_tag_of_two_images_is_ambiguous(layout, app, trust):
    layout.add(image("other"), "v1")
    assert "stands for several digests" in by_notation(layout, trust, wish=":v1").err


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("oci-layout", None, "has no file oci-layout"),
        ("oci-layout", "{", "not strict JSON"),
        ("oci-layout", '{"imageLayoutVersion": "2.0.0"}', "imageLayoutVersion is '2.0.0', expected '1.0.0'"),
        ("index.json", None, "has no index.json"),
        ("index.json", "[]", "index.json: "),
        ("index.json", '{"schemaVersion": 2, "manifests": [], "manifests": []}', "a name stands twice"),
        ("index.json", '{"schemaVersion": 2, "manifests": []}', "holds 0 images"),
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
