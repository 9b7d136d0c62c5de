"""A log's entry counts only if it is about this content, this signature and this key; each part by itself matters."""

import base64
import hashlib
import json

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.simulator.pki.sigstore import envelope, pae, public_pem, statement
from tests.simulator.pki.sigstore_entries import (
    IN_TOTO,
    dsse_body,
    hashedrekord_body,
    hashedrekord_v2_body,
    intoto_body,
    intoto_v2_body,
)
from tests.simulator.pki.sigstore_log import b64, canonical
from tests.unit.verify.sigstore.cases import DIGEST, altered, key, signer
from tidegate.errors import VerificationError
from tidegate.verify.sigstore.log_body import Signed, check_body

PAYLOAD = statement(DIGEST)
MESSAGE = pae(IN_TOTO, PAYLOAD)
SIGNATURE = b"a signature"
CONTENT = json.dumps(envelope(PAYLOAD, SIGNATURE)).encode()
SPKI = key().public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
SIGNED = Signed(signature=SIGNATURE, verifier=SPKI, message=MESSAGE, payload=PAYLOAD, envelope=CONTENT)
PEM = public_pem(key())
VERIFIER = {"publicKey": {"rawBytes": b64(SPKI)}}

KINDS = {
    "hashedrekord 0.0.1": hashedrekord_body(MESSAGE, SIGNATURE, PEM),
    "hashedrekord 0.0.2": hashedrekord_v2_body(MESSAGE, SIGNATURE, VERIFIER),
    "dsse 0.0.1": dsse_body(PAYLOAD, SIGNATURE, PEM, CONTENT),
    "intoto 0.0.1": intoto_body(CONTENT, PAYLOAD, PEM),
    "intoto 0.0.2": intoto_v2_body(CONTENT, PAYLOAD, SIGNATURE, PEM),
}
every_kind = pytest.mark.parametrize("kind", KINDS)


def check(body, kind, signed=SIGNED):
    name, version = kind.split()
    check_body(canonical(body), name, version, signed)


@every_kind
def test_an_entry_about_the_signature_at_hand_counts(kind):
    check(KINDS[kind], kind)


def changed(**parts) -> Signed:
    whole = {
        "signature": SIGNED.signature,
        "verifier": SIGNED.verifier,
        "message": SIGNED.message,
        "payload": SIGNED.payload,
        "envelope": SIGNED.envelope,
    }
    return Signed(**(whole | parts))


OTHER_PAYLOAD = {"payload": b"another", "message": pae(IN_TOTO, b"another")}
OTHER_SIGNATURE = {"signature": b"another", "envelope": json.dumps(envelope(PAYLOAD, b"another")).encode()}


@every_kind
@pytest.mark.parametrize(
    "parts",
    [
        pytest.param(OTHER_PAYLOAD, id="pitfall-9-8: other content"),
        pytest.param(OTHER_SIGNATURE, id="pitfall-9-8: another signature"),
        pytest.param({"verifier": signer().der}, id="pitfall-9-8: another key"),
        pytest.param({"payload": None, "message": None, "envelope": None}, id="pitfall-9-8: nothing to compare with"),
    ],
)
def test_an_entry_about_something_else_does_not(kind, parts):
    with pytest.raises(VerificationError, match="the log entry"):
        check(KINDS[kind], kind, changed(**parts))


@every_kind
@pytest.mark.parametrize("other", KINDS)
def test_an_entry_is_of_the_kind_that_it_is_said_to_be(kind, other):
    if kind != other:
        with pytest.raises(VerificationError, match="another kind"):
            check(KINDS[kind], other)


@pytest.mark.parametrize("kind", ["rfc3161 0.0.1", "hashedrekord 0.0.3", "dsse 0.0.2", "alpine 0.0.1"])
def test_an_entry_of_an_unknown_kind_does_not_count(kind):
    name, version = kind.split()
    with pytest.raises(VerificationError, match="cannot be compared"):
        check(KINDS["dsse 0.0.1"] | {"kind": name, "apiVersion": version}, kind)


@every_kind
def test_the_certificate_may_stand_for_the_key(kind):
    pem = signer().pem
    bodies = {
        "hashedrekord 0.0.1": hashedrekord_body(MESSAGE, SIGNATURE, pem),
        "hashedrekord 0.0.2": hashedrekord_v2_body(
            MESSAGE, SIGNATURE, {"x509Certificate": {"rawBytes": b64(signer().der)}}
        ),
        "dsse 0.0.1": dsse_body(PAYLOAD, SIGNATURE, pem, CONTENT),
        "intoto 0.0.1": intoto_body(CONTENT, PAYLOAD, pem),
        "intoto 0.0.2": intoto_v2_body(CONTENT, PAYLOAD, SIGNATURE, pem),
    }
    check(bodies[kind], kind, changed(verifier=signer().der))


def twice(old: list) -> list:
    return old * 2


@pytest.mark.parametrize(
    ("kind", "path", "value"),
    [
        ("hashedrekord 0.0.1", "spec.data.hash.algorithm", "sha1"),
        ("hashedrekord 0.0.1", "spec.data.hash.algorithm", "sha512"),
        ("hashedrekord 0.0.1", "spec.data.hash.algorithm", ["sha256"]),
        ("hashedrekord 0.0.1", "spec.data.hash.value", "no hexadecimal"),
        ("hashedrekord 0.0.1", "spec.data", None),
        ("hashedrekord 0.0.1", "spec.signature.publicKey.content", b64(b"no PEM")),
        ("hashedrekord 0.0.1", "spec.signature.publicKey.content", "?"),
        ("hashedrekord 0.0.1", "spec.signature.content", lambda old: old + "\n"),
        ("hashedrekord 0.0.1", "spec", []),
        ("hashedrekord 0.0.1", "spec", None),
        ("hashedrekord 0.0.2", "spec.hashedRekordV002.data.algorithm", "SHA1"),
        ("hashedrekord 0.0.2", "spec.hashedRekordV002.data.digest", b64(b"other")),
        ("hashedrekord 0.0.2", "spec.hashedRekordV002.signature.verifier", {}),
        (
            "hashedrekord 0.0.2",
            "spec.hashedRekordV002.signature.verifier",
            VERIFIER | {"x509Certificate": {"rawBytes": b64(signer().der)}},
        ),
        ("hashedrekord 0.0.2", "spec.hashedRekordV002.signature.verifier.publicKey.rawBytes", "?"),
        ("dsse 0.0.1", "spec.signatures", []),
        ("dsse 0.0.1", "spec.signatures", twice),
        ("dsse 0.0.1", "spec.payloadHash.algorithm", "md5"),
        ("dsse 0.0.1", "spec.payloadHash.value", lambda old: old.upper()),
        ("intoto 0.0.1", "spec.content.hash.value", "00"),
        ("intoto 0.0.1", "spec.content.hash", None),
        ("intoto 0.0.2", "spec.content.envelope.signatures", []),
        ("intoto 0.0.2", "spec.content.envelope.signatures", twice),
        ("intoto 0.0.2", "spec.content.envelope.signatures.0.sig", b64(SIGNATURE)),
        ("intoto 0.0.2", "spec.content.envelope.signatures.0.sig", b64("é".encode())),
    ],
)
def test_pitfall_9_17_a_body_of_another_form_fails_as_our_error(kind, path, value):
    with pytest.raises(VerificationError):
        check(altered(KINDS[kind], path, value), kind)


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"\xff", b'{"kind": 1, "kind": 2}', b"[" * 9999])
def test_what_is_no_object_at_all_fails_as_our_error(body):
    with pytest.raises(VerificationError, match="log entry"):
        check_body(body, "dsse", "0.0.1", SIGNED)


def test_only_a_sha256_is_compared_where_the_message_is_not_at_hand():
    digest = hashlib.sha256(MESSAGE).digest()
    by_digest = Signed(signature=SIGNATURE, verifier=SPKI, digest=digest)
    check(KINDS["hashedrekord 0.0.1"], "hashedrekord 0.0.1", by_digest)
    check(KINDS["hashedrekord 0.0.2"], "hashedrekord 0.0.2", by_digest)
    other = Signed(signature=SIGNATURE, verifier=SPKI, digest=hashlib.sha256(b"other").digest())
    with pytest.raises(VerificationError, match="other content"):
        check(KINDS["hashedrekord 0.0.1"], "hashedrekord 0.0.1", other)
    # A digest of another length under the name of another hash, with the same bytes.
    confused = altered(KINDS["hashedrekord 0.0.1"], "spec.data.hash.algorithm", "sha512")
    with pytest.raises(VerificationError, match="other content"):
        check(confused, "hashedrekord 0.0.1", by_digest)


@pytest.mark.parametrize("algorithm", ["sha384", "sha512"])
def test_another_known_hash_of_the_message_counts(algorithm):
    body = altered(KINDS["hashedrekord 0.0.1"], "spec.data.hash.algorithm", algorithm)
    body = altered(body, "spec.data.hash.value", hashlib.new(algorithm, MESSAGE).hexdigest())
    check(body, "hashedrekord 0.0.1")
    name = algorithm.upper().replace("SHA", "SHA2_")
    newer = altered(KINDS["hashedrekord 0.0.2"], "spec.hashedRekordV002.data.algorithm", name)
    digest = base64.b64encode(hashlib.new(algorithm, MESSAGE).digest()).decode()
    check(altered(newer, "spec.hashedRekordV002.data.digest", digest), "hashedrekord 0.0.2")
