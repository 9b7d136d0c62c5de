"""The signer's key decides the algorithm, and only its own signature over the received bytes counts."""

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from tests.simulator.pki.certificates import CODE_SIGNING, authority, issue
from tests.simulator.pki.envelopes import COSE, JWS, algorithm, sign, sign_raw
from tests.simulator.pki.keys import key
from tests.unit.verify.notation.world import failed_step, refusal, signer, stores, verify
from tidegate.errors import VerificationError
from tidegate.verify.notation.envelope.algorithm import ALGORITHMS, algorithm_of, verify_signature
from tidegate.verify.step import Conclusion

KINDS = {"p256": "ES256", "p384": "ES384", "p521": "ES512", "rsa2048": "PS256", "rsa3072": "PS384", "rsa4096": "PS512"}


@pytest.mark.parametrize("media_type", [JWS, COSE])
@pytest.mark.parametrize("kind", [pytest.param(kind, id=f"N37-{kind}") for kind in KINDS])
def test_every_key_has_its_algorithm(kind: str, media_type: str):
    """Six keys, six algorithms, two formats."""
    leaf = signer(kind)
    assert algorithm_of(leaf.key.public_key()).name == KINDS[kind]
    assert verify(sign(leaf, media_type), media_type, trusted=stores(ca=leaf.root)).conclusion is Conclusion.VERIFIED


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        pytest.param("p224", "ecdsa key size 224 bits is not supported", id="N37-p224"),
        pytest.param("rsa1024", "rsa key size 1024 bits is not supported", id="N37-rsa1024"),
        pytest.param("rsa2056", "rsa key size 2056 bits is not supported", id="N37-rsa2056"),
        pytest.param("ed25519", "unsupported public key type", id="N37-ed25519"),
    ],
)
def test_other_keys_have_none(kind: str, expected: str):
    """A key of another kind or size cannot sign, whatever the header says."""
    leaf = issue("other", authority(), kind=kind)
    outcome = verify(sign(leaf, signature=lambda _: b"x" * 64), trusted=stores(ca=leaf.root))
    assert expected in refusal(outcome)
    assert failed_step(outcome) == 3


@pytest.mark.parametrize(
    ("media_type", "label"), [pytest.param(JWS, "alg", id="N37-jws-claim"), pytest.param(COSE, 1, id="N37-cose-claim")]
)
def test_the_header_must_claim_the_key_s_algorithm(media_type: str, label: Any):
    """Each of the five other algorithms is refused for a P-256 key, though the signature is by that key."""
    for claimed in ALGORITHMS:
        value = claimed.name if media_type == JWS else claimed.cose
        envelope = sign(signer(), media_type, edit_protected=lambda header, value=value: header.update({label: value}))
        outcome = verify(envelope, media_type)
        if claimed.name == "ES256":
            assert outcome.conclusion is Conclusion.VERIFIED
        else:
            assert "mismatch between signature algorithm derived from signing certificate (ES256)" in refusal(outcome)


@pytest.mark.parametrize("media_type", [JWS, COSE])
@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda raw: raw[:-1], id="N38-short"),
        pytest.param(lambda raw: raw + b"\0", id="N38-long"),
        pytest.param(lambda raw: b"\0" * len(raw), id="N38-zeros"),
        pytest.param(lambda raw: raw[32:] + raw[:32], id="N38-r-and-s-swapped"),
        pytest.param(lambda raw: raw[:-1] + bytes([raw[-1] ^ 1]), id="N38-one-bit"),
        pytest.param(lambda raw: b"\xff" * len(raw), id="N38-beyond-the-order"),
    ],
)
def test_another_signature_is_invalid(change, media_type: str):
    """Raw r and s, each as long as the order, or nothing."""
    outcome = verify(
        sign(signer(), media_type, signature=lambda data: change(sign_raw(signer().key, data))), media_type
    )
    assert "signature is invalid" in refusal(outcome)
    assert failed_step(outcome) == 3


def _der(data: bytes) -> bytes:
    private = signer().key
    assert isinstance(private, ec.EllipticCurvePrivateKey)
    return private.sign(data, ec.ECDSA(hashes.SHA256()))


@pytest.mark.parametrize("signature", [pytest.param(_der, id="N38-ecdsa-in-der")])
def test_ecdsa_in_der_is_invalid(signature):
    """The form that certificates use is not the one that envelopes use."""
    assert "signature is invalid" in refusal(verify(sign(signer(), signature=signature)))


@pytest.mark.parametrize(
    "salt",
    [
        pytest.param(0, id="N38-pss-no-salt"),
        pytest.param(20, id="N38-pss-short-salt"),
        pytest.param(222, id="N38-pss-longest-salt"),
    ],
)
def test_pss_has_a_salt_as_long_as_the_digest(salt: int):
    """RFC 7518 fixes the salt; other lengths are refused."""
    leaf = signer("rsa2048")
    outcome = verify(
        sign(leaf, signature=lambda data: sign_raw(leaf.key, data, salt=salt)), trusted=stores(ca=leaf.root)
    )
    assert "signature is invalid" in refusal(outcome)


@pytest.mark.parametrize("media_type", [pytest.param(JWS, id="N38-pss-jws"), pytest.param(COSE, id="N38-pss-cose")])
def test_pss_is_as_long_as_the_modulus(media_type: str):
    """One in 256 signatures begins with a zero; OpenSSL takes it without that zero too, which is another form of it."""
    leaf = signer("rsa2048")

    def with_leading_zero(data: bytes) -> bytes:
        return next(raw for raw in iter(lambda: sign_raw(leaf.key, data), b"") if raw[0] == 0)

    trusted = stores(ca=leaf.root)
    whole = verify(sign(leaf, media_type, signature=with_leading_zero), media_type, trusted=trusted)
    assert whole.conclusion is Conclusion.VERIFIED
    for change in (lambda raw: raw[1:], lambda raw: b"\0" + raw):
        envelope = sign(leaf, media_type, signature=lambda data, change=change: change(with_leading_zero(data)))
        assert "signature is invalid" in refusal(verify(envelope, media_type, trusted=trusted))


@pytest.mark.parametrize("hash_name", [pytest.param("pkcs1", id="N38-rsa-without-pss")])
def test_rsa_without_pss_is_invalid(hash_name: str):
    """PKCS #1 v1.5 is for authorities."""
    leaf = signer("rsa2048")
    assert hash_name
    private = leaf.key
    assert isinstance(private, rsa.RSAPrivateKey)
    envelope = sign(leaf, signature=lambda data: private.sign(data, padding.PKCS1v15(), hashes.SHA256()))
    assert "signature is invalid" in refusal(verify(envelope, trusted=stores(ca=leaf.root)))


@pytest.mark.parametrize(
    "part", [pytest.param("payload", id="N38-payload"), pytest.param("protected", id="N38-header")]
)
def test_every_signed_byte_counts(part: str):
    """A payload or header of another signature of the same signer does not verify."""
    ours = json.loads(sign(signer()))
    other = json.loads(sign(signer(), target={"mediaType": "a", "digest": "b", "size": 1}, extended={"a": 1}))
    ours[part] = other[part]
    assert "signature is invalid" in refusal(verify(json.dumps(ours).encode()))


@pytest.mark.parametrize(
    "media_type", [pytest.param(JWS, id="N38-jws-other-key"), pytest.param(COSE, id="N38-cose-other-key")]
)
def test_the_first_certificate_s_key_counts(media_type: str):
    """A stranger's signature with the signer's certificates in the envelope."""
    stranger = issue("stranger", authority("Stranger"), purposes=[CODE_SIGNING])
    outcome = verify(sign(stranger, media_type, chain=signer().ders), media_type)
    assert "signature is invalid" in refusal(outcome)


def test_a_signature_is_checked_by_one_algorithm():
    """The function that verifies returns what it verified by."""
    private = key("p384")
    assert verify_signature(private.public_key(), sign_raw(private, b"data"), b"data").name == "ES384"
    with pytest.raises(VerificationError, match="signature is invalid"):
        verify_signature(private.public_key(), sign_raw(private, b"data"), b"other")
    assert algorithm(private)[0] == "ES384"
