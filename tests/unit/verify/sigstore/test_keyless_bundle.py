"""A keyless bundle proves that one identity of one issuer signed one digest at a time that a trusted clock knows."""

import json

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.simulator.pki.sigstore import (
    COSIGN_SIGN,
    ISSUER,
    LEAF_LIFE,
    NOW,
    STATEMENT_V01,
    SUBJECT,
    V01,
    V02,
    V03,
    V03_ALT,
    statement,
    uri,
)
from tests.simulator.pki.sigstore_log import b64
from tests.unit.verify.sigstore.cases import (
    ARTIFACT,
    DIGEST,
    ENTRY,
    MANIFEST,
    OTHER,
    PROVENANCE,
    altered,
    check,
    ends,
    flipped,
    key,
    keyed,
    keyless,
    ours,
    passes,
    signer,
    strangers,
)
from tidegate.verify.sigstore.claims import ANY_PREDICATE, Artifact, Claims
from tidegate.verify.sigstore.procedure import SigstoreStep
from tidegate.verify.sigstore.proof import KeylessSigner

KEYLESS_STEPS = [
    SigstoreStep.MATERIAL,
    SigstoreStep.CERTIFICATE,
    SigstoreStep.TIME,
    SigstoreStep.CHAIN,
    SigstoreStep.SCT,
    SigstoreStep.IDENTITY,
    SigstoreStep.LOG,
    SigstoreStep.SIGNATURE,
    SigstoreStep.ENTRY,
    SigstoreStep.SUBJECT,
    SigstoreStep.CLAIMS,
]


def signed(payload: bytes | None = None, by=None, **more):
    return ours().sign_statement(payload or statement(DIGEST), by or signer(), **more)


@pytest.mark.parametrize("version", [V01, V02, V03_ALT, V03])
@pytest.mark.parametrize("content", ["statement", "artifact"])
def test_every_version_of_a_bundle_passes_every_step_in_order(version, content):
    if content == "statement":
        bundle = signed(version=version)
    else:
        bundle = ours().sign_artifact(MANIFEST, signer(), version=version)
    result = check(bundle)
    passes(result)
    assert [one.number for one in result.steps] == KEYLESS_STEPS


def test_the_proof_says_who_signed_what_and_when():
    bundle = signed(statement(DIGEST, name="registry.test/app"))
    proof = check(bundle).require()
    assert proof.signer == KeylessSigner(issuer=ISSUER, subject=SUBJECT)
    assert (proof.digest, proof.signed_at, proof.repository) == (DIGEST, NOW, None)
    assert proof.log_index == int(bundle["verificationMaterial"]["tlogEntries"][0]["logIndex"])
    assert proof.statement
    assert proof.statement.predicate_type == COSIGN_SIGN


@pytest.mark.parametrize(
    "bundle",
    [
        pytest.param(lambda: signed(timestamped=True), id="log's time and a timestamp"),
        pytest.param(lambda: signed(timestamped=True, integrated=False), id="timestamp only"),
        pytest.param(lambda: ours().sign_statement_v2(statement(DIGEST), signer()), id="Rekor v2"),
        pytest.param(
            lambda: ours().sign_artifact(MANIFEST, signer(), timestamped=True), id="artifact with a timestamp"
        ),
        pytest.param(lambda: signed(statement(DIGEST, kind=STATEMENT_V01, name="r")), id="statement 0.1, as attest"),
        pytest.param(lambda: signed(statement(DIGEST)), id="subject without a name, as cosign v3 signs"),
        pytest.param(
            lambda: signed(by=ours().signer(key=ec.generate_private_key(ec.SECP384R1()))), id="certificate of P-384"
        ),
    ],
)
def test_what_real_signers_write_passes(bundle):
    passes(check(bundle()))


@pytest.mark.parametrize(
    ("authority", "text"),
    [
        pytest.param({"subject": SUBJECT + "x"}, "signed by", id="pitfall-9-20: another subject"),
        pytest.param(
            {"issuer": "https://accounts.example"}, "signed by", id="pitfall-9-20: same subject, other issuer"
        ),
        pytest.param({"subject": SUBJECT[:-1]}, "signed by", id="pitfall-9-18: what merely begins with it"),
    ],
)
def test_another_signer_is_refused_and_named(authority, text):
    result = check(signed(), keyless(**authority))
    ends(result, SigstoreStep.IDENTITY, text)
    assert SUBJECT in result.steps[-1].text


@pytest.mark.parametrize(
    ("payload", "step", "text"),
    [
        pytest.param(statement(OTHER), SigstoreStep.SUBJECT, OTHER, id="pitfall-9-2: about another digest"),
        pytest.param(b"[]", SigstoreStep.SUBJECT, "object", id="no object"),
        pytest.param(b"{", SigstoreStep.SUBJECT, "JSON", id="no JSON"),
        pytest.param(
            statement(DIGEST)[:-1] + b', "subject": [{"digest": {"sha256": "00"}}]}',
            SigstoreStep.SUBJECT,
            "duplicate",
            id="pitfall-9-10: a key twice",
        ),
        pytest.param(
            statement(DIGEST, kind="https://in-toto.io/Statement/v2"),
            SigstoreStep.SUBJECT,
            "type",
            id="a later statement",
        ),
        pytest.param(
            statement(DIGEST, predicate_type=PROVENANCE),
            SigstoreStep.CLAIMS,
            PROVENANCE,
            id="an attestation is no signature",
        ),
    ],
)
def test_what_a_demanded_signer_signed_must_still_be_a_signature_of_the_digest(payload, step, text):
    ends(check(signed(payload)), step, text)


def test_a_signature_of_another_artifact_is_refused():
    """Pitfall-9-2, for signatures over the artifact itself."""
    ends(check(ours().sign_artifact(b"another manifest", signer())), SigstoreStep.SIGNATURE)
    without_hint = altered(ours().sign_artifact(b"another manifest", signer()), "messageSignature.messageDigest", None)
    ends(check(without_hint), SigstoreStep.SIGNATURE)


@pytest.mark.parametrize(
    ("path", "value", "step"),
    [
        ("dsseEnvelope.payload", lambda _: b64(statement(DIGEST, predicate={"x": 1})), SigstoreStep.SIGNATURE),
        ("dsseEnvelope.payloadType", "application/json", SigstoreStep.MATERIAL),
        ("dsseEnvelope.signatures.0.sig", flipped, SigstoreStep.SIGNATURE),
        ("dsseEnvelope.signatures.0.sig", lambda old: old + "\n", SigstoreStep.MATERIAL),
        ("dsseEnvelope.signatures", [], SigstoreStep.MATERIAL),
        ("dsseEnvelope.signatures", lambda old: old * 2, SigstoreStep.MATERIAL),
        ("verificationMaterial.certificate.rawBytes", flipped, SigstoreStep.CHAIN),
        ("verificationMaterial.certificate", None, SigstoreStep.MATERIAL),
        ("verificationMaterial.tlogEntries", [], SigstoreStep.MATERIAL),
        ("verificationMaterial.tlogEntries", lambda old: old * 2, SigstoreStep.MATERIAL),
        (f"{ENTRY}.inclusionPromise.signedEntryTimestamp", flipped, SigstoreStep.LOG),
        (f"{ENTRY}.inclusionPromise", None, SigstoreStep.TIME),
        (f"{ENTRY}.integratedTime", None, SigstoreStep.TIME),
        (f"{ENTRY}.integratedTime", lambda old: str(int(old) + 1), SigstoreStep.LOG),
        (f"{ENTRY}.integratedTime", lambda old: str(int(old) + 601), SigstoreStep.CHAIN),
        (f"{ENTRY}.logIndex", lambda old: str(int(old) + 1), SigstoreStep.LOG),
        (f"{ENTRY}.inclusionProof", None, SigstoreStep.MATERIAL),
        (f"{ENTRY}.inclusionProof.rootHash", flipped, SigstoreStep.LOG),
        (f"{ENTRY}.inclusionProof.hashes.0", flipped, SigstoreStep.LOG),
        (f"{ENTRY}.inclusionProof.checkpoint", None, SigstoreStep.MATERIAL),
        (f"{ENTRY}.inclusionProof.checkpoint.envelope", lambda old: old.replace("- 1", "- 2"), SigstoreStep.LOG),
        (f"{ENTRY}.canonicalizedBody", flipped, SigstoreStep.LOG),
        (f"{ENTRY}.kindVersion.kind", "intoto", SigstoreStep.TIME),
        ("mediaType", "application/vnd.dev.sigstore.bundle.v0.4+json", SigstoreStep.MATERIAL),
        ("mediaType", V01, SigstoreStep.MATERIAL),
        ("unknown", 1, SigstoreStep.MATERIAL),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_altered_material_ends_at_the_step_that_it_concerns(path, value, step):
    ends(check(altered(signed(), path, value), now=NOW + 2 * LEAF_LIFE), step)


def test_pitfall_9_8_a_log_entry_of_another_signature_does_not_count():
    """CVE-2022-36056: the entry is real, but it is somebody else's."""
    bundle = altered(
        signed(), ENTRY, signed(statement(DIGEST, predicate={"other": True}))["verificationMaterial"]["tlogEntries"][0]
    )
    ends(check(bundle), SigstoreStep.ENTRY)
    artifact = ours().sign_artifact(MANIFEST, signer())
    swapped = altered(artifact, ENTRY, ours().sign_artifact(b"x", signer())["verificationMaterial"]["tlogEntries"][0])
    ends(check(swapped), SigstoreStep.ENTRY)


def name_of(count: int):
    return [uri(SUBJECT), x509.RFC822Name("x@example.test")][:count]


@pytest.mark.parametrize(
    ("certificate", "step", "text"),
    [
        pytest.param({"names": name_of(0)}, SigstoreStep.CERTIFICATE, "no subject alternative name", id="names nobody"),
        pytest.param({"names": name_of(2)}, SigstoreStep.CERTIFICATE, "2 subject alternative names", id="names two"),
        pytest.param({"names": [x509.DNSName("a.test")]}, SigstoreStep.CERTIFICATE, "DNSName", id="names a host"),
        pytest.param({"issuer": None}, SigstoreStep.CERTIFICATE, "OIDC issuer", id="names no issuer"),
        pytest.param(
            {"issuer_v1": "https://other.test"}, SigstoreStep.CERTIFICATE, "two OIDC issuers", id="names two issuers"
        ),
        pytest.param(
            {"key": rsa.generate_private_key(65537, 2048)},
            SigstoreStep.CERTIFICATE,
            "RSAPublicKey",
            id="pitfall-9-8: RSA leaf",
        ),
        pytest.param(
            {"key": ed25519.Ed25519PrivateKey.generate()}, SigstoreStep.CERTIFICATE, "Ed25519", id="Ed25519 leaf"
        ),
        pytest.param(
            {"key": ec.generate_private_key(ec.SECP256K1())},
            SigstoreStep.CERTIFICATE,
            "secp256k1",
            id="a foreign curve",
        ),
        pytest.param(
            {"usages": [ExtendedKeyUsageOID.SERVER_AUTH]},
            SigstoreStep.CERTIFICATE,
            "code signing",
            id="pitfall-9-15: wrong EKU",
        ),
        pytest.param(
            {"usages": ()}, SigstoreStep.CERTIFICATE, "no key usage or no extended key usage", id="pitfall-9-15: no EKU"
        ),
        pytest.param(
            {"digital_signature": False}, SigstoreStep.CERTIFICATE, "code signing", id="pitfall-9-15: wrong usage"
        ),
        pytest.param({"scts": 0}, SigstoreStep.SCT, "timestamp", id="no log of certificates saw it"),
        pytest.param({"scts": 2}, SigstoreStep.SCT, "Expected one", id="two SCTs"),
        pytest.param(
            {"sct_key": ec.generate_private_key(ec.SECP256R1())},
            SigstoreStep.SCT,
            "invalid signature",
            id="a stranger's log",
        ),
    ],
)
def test_a_certificate_of_another_form_is_refused(certificate, step, text):
    by = ours().signer(**certificate)
    ends(check(signed(by=by)), step, text)


def test_pitfall_9_15_an_authority_s_certificate_signs_nothing():
    bundle = altered(signed(), "verificationMaterial.certificate.rawBytes", ours_intermediate())
    ends(check(bundle), SigstoreStep.CERTIFICATE, "a CA certificate")


def ours_intermediate() -> str:
    return str(ours().trusted_root()["certificateAuthorities"][0]["certChain"]["certificates"][0]["rawBytes"])


def test_an_e_mail_and_an_other_name_are_subjects_too():
    by = ours().signer(subject="release@acme.test")
    passes(check(signed(by=by), keyless(subject="release@acme.test")))
    name = x509.OtherName(x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.7"), b"\x0c\x04user")
    passes(check(signed(by=ours().signer(names=[name])), keyless(subject="user")))


def test_a_certificate_with_the_older_issuer_field_only_is_read():
    by = ours().signer(issuer=None, issuer_v1=ISSUER)
    passes(check(signed(by=by)))


def test_nothing_of_a_stranger_s_instance_is_believed():
    stranger = strangers()
    by = stranger.signer()
    ends(check(stranger.sign_statement(statement(DIGEST), by)), SigstoreStep.CHAIN)
    mixed = stranger.sign_statement(statement(DIGEST), signer())
    ends(check(mixed), SigstoreStep.LOG)


def test_annotations_are_read_from_the_signed_subject():
    subject = [{"digest": {"sha256": DIGEST.removeprefix("sha256:")}, "annotations": {"env": "prod"}}]
    bundle = signed(statement(DIGEST, subject=subject))
    assert check(bundle).require().annotations == {"env": "prod"}
    assert check(signed()).require().annotations == {}


def test_pitfall_9_3_a_bundle_names_no_repository_so_none_can_be_demanded_of_it():
    ends(check(signed(), claims=Claims(repository="registry.test/app")), SigstoreStep.CLAIMS, "repository")


def test_a_predicate_type_is_compared_exactly():
    bundle = signed(statement(DIGEST, predicate_type=PROVENANCE))
    passes(check(bundle, claims=Claims(predicate_type=PROVENANCE)))
    passes(check(bundle, claims=Claims(predicate_type=ANY_PREDICATE)))
    ends(check(bundle, claims=Claims(predicate_type=PROVENANCE + "/")), SigstoreStep.CLAIMS)
    ends(check(bundle, claims=Claims(predicate_type="https://slsa.dev/provenance/")), SigstoreStep.CLAIMS)
    ends(check(ours().sign_artifact(MANIFEST, signer()), claims=Claims(predicate_type=PROVENANCE)), SigstoreStep.CLAIMS)


def test_a_bundle_of_a_key_is_nobody_s_identity_and_the_reverse():
    ends(check(ours().sign_statement_keyed(statement(DIGEST), key())), SigstoreStep.MATERIAL, "long-lived key")
    ends(check(signed(), keyed()), SigstoreStep.MATERIAL, "a key is required")


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"null", id="null"),
        pytest.param(b"\xff", id="no UTF-8"),
        pytest.param(b"[" * 100_000, id="pitfall-9-7: endlessly nested"),
        pytest.param(b"{" + b" " * (25 << 20), id="pitfall-9-7: huge"),
        pytest.param(b'{"mediaType": NaN}', id="pitfall-9-10: NaN"),
    ],
)
def test_pitfall_9_17_what_is_no_bundle_fails_as_our_error(content):
    ends(check(content), SigstoreStep.MATERIAL)


def test_pitfall_9_10_a_key_twice_in_the_bundle_is_refused():
    text = json.dumps(signed()).encode()
    ends(check(text[:-1] + b', "mediaType": "' + V03.encode() + b'"}'), SigstoreStep.MATERIAL, "duplicate")


def test_the_artifact_may_be_given_by_its_digest_alone():
    passes(check(ours().sign_artifact(MANIFEST, signer()), artifact=Artifact(digest=DIGEST)))
    assert ARTIFACT.sha256.hex() == DIGEST.removeprefix("sha256:")
