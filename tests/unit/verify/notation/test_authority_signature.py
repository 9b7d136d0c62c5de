"""How authorities sign timestamps and OCSP answers: RSA and ECDSA with SHA-2, and nothing else."""

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding

from tests.simulator.pki.keys import key
from tidegate.errors import VerificationError
from tidegate.verify.notation.x509.authority_signature import verify_authority_signature

EC, RSA, ED = key("p256", "authority"), key("rsa2048", "authority"), key("ed25519", "authority")
DATA = b"data"
SHA256 = hashes.SHA256()
EC_SIGNATURE = EC.sign(DATA, ec.ECDSA(SHA256))  # type: ignore[call-arg, arg-type]
PKCS1 = RSA.sign(DATA, padding.PKCS1v15(), SHA256)  # type: ignore[call-arg, arg-type]
PSS = RSA.sign(DATA, padding.PSS(padding.MGF1(SHA256), 32), SHA256)  # type: ignore[call-arg, arg-type]
LONG_SALT = RSA.sign(DATA, padding.PSS(padding.MGF1(SHA256), 64), SHA256)  # type: ignore[call-arg, arg-type]


@pytest.mark.parametrize(
    ("signer", "signature", "pss"),
    [
        pytest.param(EC, EC_SIGNATURE, False, id="N60-ecdsa"),
        pytest.param(RSA, PKCS1, False, id="N60-pkcs1"),
        pytest.param(RSA, PSS, True, id="N60-pss"),
    ],
)
def test_a_signature_is_verified(signer, signature: bytes, *, pss: bool):
    """Over the very bytes."""
    verify_authority_signature(signer.public_key(), signature, DATA, "sha256", pss=pss)
    with pytest.raises(VerificationError, match="signature is invalid"):
        verify_authority_signature(signer.public_key(), signature, DATA + b"0", "sha256", pss=pss)


@pytest.mark.parametrize(
    ("signer", "signature", "hash_name", "pss", "expected"),
    [
        pytest.param(EC, EC_SIGNATURE, "sha384", False, "signature is invalid", id="pitfall-9-8-other-hash"),
        pytest.param(EC, EC_SIGNATURE, "sha1", False, "unsupported digest", id="pitfall-9-8-sha1"),
        pytest.param(EC, EC_SIGNATURE, "md5", False, "unsupported digest", id="pitfall-9-8-md5"),
        pytest.param(EC, EC_SIGNATURE, None, False, "unsupported digest", id="pitfall-9-8-no-hash"),
        pytest.param(EC, EC_SIGNATURE, "sha256", True, "unsupported public key", id="pitfall-9-8-pss-by-ecdsa"),
        pytest.param(ED, ED.sign(DATA), "sha256", False, "unsupported public key", id="pitfall-9-8-ed25519"),  # type: ignore[call-arg]
        pytest.param(RSA, PSS, "sha256", False, "signature is invalid", id="pitfall-9-8-pss-for-pkcs1"),
        pytest.param(RSA, PKCS1, "sha256", True, "signature is invalid", id="pitfall-9-8-pkcs1-for-pss"),
        pytest.param(RSA, LONG_SALT, "sha256", True, "signature is invalid", id="pitfall-9-8-salt-of-another-length"),
        pytest.param(RSA, EC_SIGNATURE, "sha256", False, "signature is invalid", id="pitfall-9-8-other-kind-of-key"),
        pytest.param(EC, b"", "sha256", False, "signature is invalid", id="pitfall-9-8-empty"),
    ],
)
def test_nothing_else_is(signer, signature: bytes, hash_name: str | None, expected: str, *, pss: bool):
    """The key and the named hash decide; nothing is tried out."""
    with pytest.raises(VerificationError, match=expected):
        verify_authority_signature(signer.public_key(), signature, DATA, hash_name, pss=pss)


def test_n60_pss_is_as_long_as_the_modulus():
    """OpenSSL takes a signature without its leading zero too."""
    scheme = padding.PSS(padding.MGF1(SHA256), 32)
    made = iter(lambda: RSA.sign(DATA, scheme, SHA256), b"")  # type: ignore[call-arg, arg-type]
    whole = next(raw for raw in made if raw[0] == 0)
    verify_authority_signature(RSA.public_key(), whole, DATA, "sha256", pss=True)
    with pytest.raises(VerificationError, match="255 bytes, expected 256"):
        verify_authority_signature(RSA.public_key(), whole[1:], DATA, "sha256", pss=True)
