"""`tidegate verify --layout`: signatures are found wherever tools put them, each is verified, and nothing leads outside."""

import json

import pytest

from tests.simulator import artifacts
from tests.simulator.artifacts import BUNDLE, COSIGN_SIGNATURE, NOTATION, LayerPart, fallback_tag
from tests.simulator.manifests import image, index
from tests.simulator.pki.envelopes import AUTHORITY_SCHEME, COSE, JWS, sign
from tests.simulator.pki.sigstore import public_pem, simple_signing
from tests.simulator.pki.sigstore import statement as in_toto
from tests.unit.cli.commands import run
from tests.unit.cli.layouts import bundle_of, by_notation, by_sigstore, envelope_of, notation_signature
from tests.unit.cli.notation_files import REPOSITORY, signer, statement, stranger
from tests.unit.verify.sigstore import cases


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
    assert "but --reference names another digest" in ended.err


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
