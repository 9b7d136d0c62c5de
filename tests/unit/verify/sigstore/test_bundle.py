"""A bundle has one reading: the fields of its version, each once, each within its bound, and nothing besides."""

import base64
import json

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from tests.simulator.pki.sigstore import V01, V02, V03, V03_ALT, statement
from tests.simulator.pki.sigstore_log import b64
from tests.unit.verify.sigstore.cases import (
    ARTIFACT,
    DIGEST,
    MANIFEST,
    altered,
    check,
    ends,
    key,
    keyed,
    ours,
    passes,
    signer,
    strangers,
)
from tidegate.errors import VerificationError
from tidegate.verify.sigstore.bundle import (
    HASH_NAMES,
    MAX_BODY_BYTES,
    MAX_BUNDLE_BYTES,
    MAX_CERTIFICATES,
    MAX_CHECKPOINT_CHARACTERS,
    MAX_PROOF_HASHES,
    MAX_SECONDS,
    MAX_SIGNATURE_BYTES,
    MAX_STATEMENT_BYTES,
    MAX_TIMESTAMP_BYTES,
    MAX_TIMESTAMPS,
    DsseEnvelope,
    MessageSignature,
    bounded,
    parse_bundle,
    parse_envelope,
)
from tidegate.verify.sigstore.procedure import SigstoreStep

MATERIAL = "verificationMaterial"
ENTRY = f"{MATERIAL}.tlogEntries.0"
PROOF = f"{ENTRY}.inclusionProof"
STAMPS = f"{MATERIAL}.timestampVerificationData"
SIGNATURE = "dsseEnvelope.signatures.0.sig"


def signed(version=V03, **more):
    return ours().sign_statement(statement(DIGEST), signer(), version=version, **more)


def parse(bundle):
    return parse_bundle(json.dumps(bundle).encode())


def leaf():
    return {"rawBytes": b64(signer().der)}


@pytest.mark.parametrize("version", [V01, V02, V03_ALT, V03])
def test_the_certificate_stands_where_the_version_has_it(version):
    bundle = parse(signed(version))
    assert bundle.certificate == signer().der
    assert bundle.entry
    assert (bundle.entry.kind, bundle.entry.version, bundle.entry.promised) == ("dsse", "0.0.1", True)


@pytest.mark.parametrize("version", [V01, V02])
def test_an_older_bundle_may_bring_a_chain_of_which_only_the_leaf_is_used(version):
    path = f"{MATERIAL}.x509CertificateChain.certificates"
    above = {"rawBytes": b64(ours().intermediate.public_bytes(Encoding.DER))}
    passes(check(altered(signed(version), path, [leaf(), above])))
    passes(check(altered(signed(version), path, [leaf()] + [above] * (MAX_CERTIFICATES - 1))))
    ends(check(altered(signed(version), path, [above, leaf()])), SigstoreStep.CERTIFICATE, "a CA certificate")
    ends(
        check(altered(signed(version), path, [{"rawBytes": b64(ours().signer().der)}, leaf()])), SigstoreStep.SIGNATURE
    )
    ends(
        check(altered(signed(version), path, [leaf(), {"rawBytes": b64(b"none")}])), SigstoreStep.MATERIAL, "unreadable"
    )
    for count in (0, MAX_CERTIFICATES + 1):
        ends(check(altered(signed(version), path, [leaf()] * count)), SigstoreStep.MATERIAL, f"{count} certificates")


@pytest.mark.parametrize("version", [V01, V02])
@pytest.mark.parametrize("whose", [ours, strangers])
def test_an_older_bundle_with_a_root_is_refused(version, whose):
    """A verifier that took a root from the bundle itself would believe anybody."""
    path = f"{MATERIAL}.x509CertificateChain.certificates"
    above = [{"rawBytes": b64(one.public_bytes(Encoding.DER))} for one in (whose().intermediate, whose().root)]
    ends(check(altered(signed(version), path, [leaf(), *above])), SigstoreStep.MATERIAL, "contains a root")
    ends(check(altered(signed(version), path, [leaf(), above[1]])), SigstoreStep.MATERIAL, "contains a root")


@pytest.mark.parametrize(
    ("version", "field"),
    [
        (V01, {"certificate": leaf}),
        (V02, {"certificate": leaf}),
        (V03_ALT, {"x509CertificateChain": lambda: {"certificates": [leaf()]}}),
        (V03, {"x509CertificateChain": lambda: {"certificates": [leaf()]}}),
    ],
    ids=["0.1", "0.2", "0.3 by parameter", "0.3"],
)
@pytest.mark.parametrize("beside", [True, False])
def test_pitfall_9_10_a_certificate_in_another_version_s_field_is_refused(version, field, beside):
    bundle = signed(version)
    material = bundle[MATERIAL]
    if not beside:
        material = {k: v for k, v in material.items() if k not in {"certificate", "x509CertificateChain"}}
    material = material | {name: make() for name, make in field.items()}
    with pytest.raises(VerificationError, match="a certificate in a field that"):
        parse(bundle | {MATERIAL: material})


def test_pitfall_9_10_a_key_beside_a_certificate_is_refused():
    for version in (V01, V03):
        with pytest.raises(VerificationError, match="expected one of publicKey"):
            parse(altered(signed(version), f"{MATERIAL}.publicKey", {"hint": "x"}))


@pytest.mark.parametrize("version", [V01, V02, V03_ALT, V03])
def test_every_version_needs_a_proof_and_0_1_a_promise_too(version):
    """A promise alone proves what the log said it would do, not what it did. Version 0.1 once did without a proof."""
    for path in (PROOF, f"{PROOF}.checkpoint"):
        ends(check(altered(signed(version), path, None)), SigstoreStep.MATERIAL, "no inclusion proof")
    unpromised = check(altered(signed(version, timestamped=True), f"{ENTRY}.inclusionPromise", None))
    ends(unpromised, SigstoreStep.TIME, "must contain an inclusion promise") if version == V01 else passes(unpromised)


@pytest.mark.parametrize("version", [V01, V02, V03])
def test_a_bundle_of_a_key_is_read_in_every_version(version):
    bundle = ours().sign_statement_keyed(statement(DIGEST), key()) | {"mediaType": version}
    assert parse(bundle).certificate is None
    passes(check(bundle, keyed()))


@pytest.mark.parametrize(
    "version",
    [
        "application/vnd.dev.sigstore.bundle+json;version=0.4",
        "application/vnd.dev.sigstore.bundle.v0.1+json",
        "application/vnd.dev.sigstore.bundle+json",
        V03.upper(),
        V03 + " ",
        "",
    ],
)
def test_an_unknown_version_is_refused(version):
    with pytest.raises(VerificationError, match="unknown media type"):
        parse(signed() | {"mediaType": version})


@pytest.mark.parametrize("where", ["", f"{MATERIAL}.", f"{ENTRY}.", f"{PROOF}.", "dsseEnvelope.signatures.0."])
def test_an_unknown_field_is_refused_wherever_it_stands(where):
    with pytest.raises(VerificationError, match="unknown field"):
        parse(altered(signed(), f"{where}extra", 1))


@pytest.mark.parametrize(
    ("path", "value", "text"),
    [
        ("mediaType", 3, "Expected `str`"),
        ("mediaType", None, "mediaType"),
        (MATERIAL, None, "verificationMaterial"),
        (MATERIAL, [], "Expected `object`"),
        ("dsseEnvelope", None, "expected one of dsseEnvelope and messageSignature"),
        ("messageSignature", {"signature": "AAAA"}, "expected one of dsseEnvelope and messageSignature"),
        ("dsseEnvelope.payload", "", "payload: 0 bytes"),
        ("dsseEnvelope.payload", "A", "base64"),
        ("dsseEnvelope.payload", "AB==", "canonical"),
        ("dsseEnvelope.payload", lambda old: old.replace("e", "é", 1), "ASCII"),
        (SIGNATURE, "", "signature: 0 bytes"),
        (SIGNATURE, b64(b"x" * (MAX_SIGNATURE_BYTES + 1)), "signature: 16385 bytes"),
        ("dsseEnvelope.signatures.0.keyid", 7, "Expected `str | null`"),
        (f"{ENTRY}.canonicalizedBody", "", "canonicalizedBody: 0 bytes"),
        (f"{ENTRY}.canonicalizedBody", b64(b"x" * (MAX_BODY_BYTES + 1)), "canonicalizedBody: 1048577 bytes"),
        (f"{ENTRY}.logId.keyId", "?", "logId"),
        (f"{ENTRY}.inclusionPromise.signedEntryTimestamp", "?", "signedEntryTimestamp"),
        (f"{ENTRY}.integratedTime", "-1", "expected a number"),
        (f"{ENTRY}.integratedTime", str(MAX_SECONDS + 1), "expected a number"),
        (f"{ENTRY}.integratedTime", "9" * 5000, "expected a number"),
        (f"{ENTRY}.integratedTime", "1.0", "expected a number"),
        (f"{ENTRY}.integratedTime", "\u0661", "expected a number"),
        (f"{ENTRY}.integratedTime", 1, "Expected `str | null`"),
        (f"{ENTRY}.logIndex", str(1 << 63), "expected a number"),
        (f"{ENTRY}.logIndex", "", "expected a number"),
        (f"{PROOF}.logIndex", lambda _: "999", "checkpoint is not for index"),
        (f"{PROOF}.treeSize", lambda old: str(int(old) + 1), "checkpoint is not for index"),
        (f"{PROOF}.treeSize", lambda old: "0" + old, "expected a number"),
        (f"{PROOF}.rootHash", b64(b"x" * 31), "hashes of 32 bytes"),
        (f"{PROOF}.hashes", lambda old: [*old, b64(b"x" * 33)], "hashes of 32 bytes"),
        (f"{PROOF}.hashes", [b64(b"x" * 32)] * (MAX_PROOF_HASHES + 1), "out of bounds"),
        (f"{PROOF}.checkpoint.envelope", "x" * (MAX_CHECKPOINT_CHARACTERS + 1), "out of bounds"),
        (f"{PROOF}.checkpoint.envelope", "one line", "checkpoint is not for index"),
        (f"{MATERIAL}.certificate.rawBytes", "?", "certificate"),
        (STAMPS, {"rfc3161Timestamps": [{"signedTimestamp": ""}]}, "signedTimestamp: 0 bytes"),
        (STAMPS, {"rfc3161Timestamps": [{"signedTimestamp": "AAAA"}] * (MAX_TIMESTAMPS + 1)}, "9 timestamps"),
        (
            STAMPS,
            {"rfc3161Timestamps": [{"signedTimestamp": b64(b"x" * (MAX_TIMESTAMP_BYTES + 1))}]},
            "signedTimestamp: 65537 bytes",
        ),
    ],
    ids=lambda value: value[-40:] if isinstance(value, str) else "",
)
def test_pitfall_9_7_every_field_has_a_form_and_a_bound(path, value, text):
    with pytest.raises(VerificationError) as caught:
        parse(altered(signed(), path, value))
    assert text in str(caught.value)
    assert len(str(caught.value)) < 600


def test_the_first_entry_of_a_log_has_neither_index_nor_hashes_in_protobuf_s_json():
    bundle = altered(altered(signed(), f"{PROOF}.logIndex", None), f"{PROOF}.hashes", None)
    entry = parse(altered(altered(bundle, f"{ENTRY}.logIndex", None), f"{ENTRY}.inclusionPromise", None)).entry
    assert entry
    assert (entry.index, entry.promised) == (0, False)
    wire = json.loads(entry.wire)
    assert (wire["logIndex"], wire["inclusionProof"]["logIndex"], wire["inclusionProof"]["hashes"]) == ("0", "0", [])


def test_pitfall_9_8_a_time_without_a_promise_is_no_promised_time():
    for bundle in (
        altered(signed(), f"{ENTRY}.inclusionPromise", None),
        altered(signed(), f"{ENTRY}.integratedTime", "0"),
        altered(signed(), f"{ENTRY}.integratedTime", None),
    ):
        entry = parse(bundle).entry
        assert entry
        assert not entry.promised
    given = parse(altered(signed(), f"{ENTRY}.integratedTime", "0")).entry
    assert given
    assert given.integrated_time is None


def test_the_index_that_is_said_is_the_signed_one():
    bundle = altered(signed(), f"{ENTRY}.logIndex", "4711")
    entry = parse(bundle).entry
    assert entry
    assert entry.index == 4711
    unpromised = parse(altered(bundle, f"{ENTRY}.inclusionPromise", None)).entry
    assert unpromised
    assert unpromised.index == int(bundle[MATERIAL]["tlogEntries"][0]["inclusionProof"]["logIndex"])


@pytest.mark.parametrize("name", ["SHA2_256", "SHA2_384", "SHA2_512", None])
def test_an_artifact_s_digest_is_a_hint_by_a_known_hash(name):
    bundle = ours().sign_artifact(MANIFEST, signer())
    hint = None if name is None else {"algorithm": name, "digest": "AAAA"}
    content = parse(altered(bundle, "messageSignature.messageDigest", hint)).content
    assert isinstance(content, MessageSignature)
    assert content.hash_name == (HASH_NAMES[name] if name else "")
    assert content.digest == (b"\0\0\0" if name else None)
    with pytest.raises(VerificationError, match="message digest"):
        parse(altered(bundle, "messageSignature.messageDigest", {"algorithm": "SHA1", "digest": "AAAA"}))


def test_what_the_library_is_given_is_written_anew_from_what_was_read():
    bundle = signed(timestamped=True)
    text = json.dumps(bundle, indent=7).encode()
    read = parse_bundle(text)
    assert read.wire != text
    assert parse_bundle(read.wire) == read
    assert isinstance(read.content, DsseEnvelope)
    assert base64.b64decode(json.loads(read.wire)["dsseEnvelope"]["payload"]) == read.content.payload


def test_pitfall_9_7_a_bundle_a_statement_and_an_envelope_are_bounded():
    with pytest.raises(VerificationError, match="a bundle of 25165825 bytes"):
        parse_bundle(b" " * (MAX_BUNDLE_BYTES + 1))
    with pytest.raises(VerificationError, match="an envelope of 25165825 bytes"):
        parse_envelope(b" " * (MAX_BUNDLE_BYTES + 1))
    huge = b64(b"x" * (MAX_STATEMENT_BYTES + 1))
    with pytest.raises(VerificationError, match="payload: 16777217 bytes"):
        parse(altered(signed(), "dsseEnvelope.payload", huge))
    assert bounded(b"x" * 3, 3, "it") == b"xxx"
    for wrong in (b"", b"x" * 4):
        with pytest.raises(VerificationError, match="it: "):
            bounded(wrong, 3, "it")


def test_a_large_statement_is_verified_like_a_small_one():
    large = statement(DIGEST, predicate={"packages": ["x" * 1000] * 3000})
    passes(check(ours().sign_statement(large, signer()), artifact=ARTIFACT))
