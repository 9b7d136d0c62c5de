"""How authorities sign what is not a Notation envelope: timestamps and OCSP answers."""

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from tidegate.errors import VerificationError
from tidegate.strict.parsing import reading
from tidegate.verify.notation.envelope.algorithm import check_rsa_length

HASHES: dict[str, type[hashes.HashAlgorithm]] = {
    "sha256": hashes.SHA256,
    "sha384": hashes.SHA384,
    "sha512": hashes.SHA512,
}
"""The hashes that count, by the names that both cryptography and asn1crypto use."""


def verify_authority_signature(
    public_key: object, signature: bytes, signed: bytes, hash_name: str | None, *, pss: bool = False
) -> None:
    """Return when the key made the signature: RSA with PKCS #1 v1.5 (or PSS), or ECDSA in DER; else raise.

    Raises VerificationError, also for MD5, SHA-1 and keys of other kinds.
    """
    if hash_name not in HASHES:
        raise VerificationError("unsupported digest algorithm")
    digest = HASHES[hash_name]()
    with reading("signature is invalid"):
        if isinstance(public_key, rsa.RSAPublicKey):
            check_rsa_length(public_key, signature)
            salted = padding.PSS(mgf=padding.MGF1(digest), salt_length=digest.digest_size)
            public_key.verify(signature, signed, salted if pss else padding.PKCS1v15(), digest)
        elif isinstance(public_key, ec.EllipticCurvePublicKey) and not pss:
            public_key.verify(signature, signed, ec.ECDSA(digest))
        else:
            raise VerificationError("unsupported public key type")
