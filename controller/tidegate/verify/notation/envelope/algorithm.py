"""Signature algorithms of Notation: the leaf's key decides which one, and one procedure verifies it."""

from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils

from tidegate.errors import VerificationError
from tidegate.strict.parsing import reading


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureAlgorithm:
    """One algorithm: its JOSE name, its COSE number, its hash, and the bytes of one integer of an ECDSA signature."""

    name: str
    cose: int
    digest: type[hashes.HashAlgorithm]
    scalar_bytes: int = 0

    def __str__(self) -> str:
        """Return the JOSE name."""
        return self.name


PS256 = SignatureAlgorithm(name="PS256", cose=-37, digest=hashes.SHA256)
PS384 = SignatureAlgorithm(name="PS384", cose=-38, digest=hashes.SHA384)
PS512 = SignatureAlgorithm(name="PS512", cose=-39, digest=hashes.SHA512)
ES256 = SignatureAlgorithm(name="ES256", cose=-7, digest=hashes.SHA256, scalar_bytes=32)
ES384 = SignatureAlgorithm(name="ES384", cose=-35, digest=hashes.SHA384, scalar_bytes=48)
ES512 = SignatureAlgorithm(name="ES512", cose=-36, digest=hashes.SHA512, scalar_bytes=66)
ALGORITHMS = (PS256, PS384, PS512, ES256, ES384, ES512)
BY_NAME = {algorithm.name: algorithm for algorithm in ALGORITHMS}
BY_COSE = {algorithm.cose: algorithm for algorithm in ALGORITHMS}

_OF_RSA = {2048: PS256, 3072: PS384, 4096: PS512}
_OF_CURVE = {"secp256r1": ES256, "secp384r1": ES384, "secp521r1": ES512}


def algorithm_of(public_key: object) -> SignatureAlgorithm:
    """Return the algorithm that a key signs with; raise VerificationError for keys that Notation has none for (N37).

    Source: Notary Project signature specification, "Algorithm Selection".
    """
    if isinstance(public_key, rsa.RSAPublicKey):
        if public_key.key_size not in _OF_RSA:
            raise VerificationError(f"rsa key size {public_key.key_size} bits is not supported")
        return _OF_RSA[public_key.key_size]
    if isinstance(public_key, ec.EllipticCurvePublicKey):
        if public_key.curve.name not in _OF_CURVE:
            raise VerificationError(f"ecdsa key size {public_key.key_size} bits is not supported")
        return _OF_CURVE[public_key.curve.name]
    raise VerificationError("unsupported public key type")


def verify_signature(public_key: object, signature: bytes, signed: bytes) -> SignatureAlgorithm:
    """Return the algorithm by which the key made the signature over the bytes, or raise VerificationError (N38).

    RSA is PSS with MGF1 of the same hash and a salt as long as the digest (RFC 7518, section 3.5). ECDSA is r and s
    side by side, each as long as the curve's order (section 3.4); the DER form is refused.
    """
    algorithm = algorithm_of(public_key)
    try:
        with reading("signature is invalid"):
            _verify(public_key, algorithm, signature, signed)
    except VerificationError as error:
        if isinstance(error.__cause__, InvalidSignature):
            raise VerificationError("signature is invalid") from error
        raise
    return algorithm


def check_rsa_length(public_key: rsa.RSAPublicKey, signature: bytes) -> None:
    """Return when the signature is as long as the modulus (RFC 8017, section 8.1.2); else raise VerificationError.

    OpenSSL takes one whose leading zero was cut off, so that one signature would have two forms.
    """
    expected = (public_key.key_size + 7) // 8
    if len(signature) != expected:
        raise VerificationError(f"signature is invalid: {len(signature)} bytes, expected {expected}")


def _verify(public_key: object, algorithm: SignatureAlgorithm, signature: bytes, signed: bytes) -> None:
    digest = algorithm.digest()
    if isinstance(public_key, rsa.RSAPublicKey):
        check_rsa_length(public_key, signature)
        scheme = padding.PSS(mgf=padding.MGF1(digest), salt_length=digest.digest_size)
        public_key.verify(signature, signed, scheme, digest)
        return
    assert isinstance(public_key, ec.EllipticCurvePublicKey)
    size = algorithm.scalar_bytes
    if len(signature) != 2 * size:
        raise VerificationError(f"signature is invalid: {len(signature)} bytes, expected {2 * size}")
    r, s = int.from_bytes(signature[:size]), int.from_bytes(signature[size:])
    public_key.verify(utils.encode_dss_signature(r, s), signed, ec.ECDSA(digest))
