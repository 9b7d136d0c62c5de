"""A long-lived public key that a policy names, with the one algorithm that it verifies by.

The key and the policy decide the algorithm; nothing in a signature can. ECDSA and RSA (PKCS#1 v1.5) sign a hash, which the
policy may name: cosign signed with SHA-256 whatever the curve until 2026, and by the curve since. Ed25519 signs the message.
"""

import hashlib
from dataclasses import dataclass, field
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
    load_pem_public_key,
)

from tidegate.errors import PolicyError, VerificationError
from tidegate.verify.sigstore.proof import KeySigner

MAX_PEM_BYTES = 16 << 10
"""Bytes of one public key as PEM; 8192-bit RSA takes 1.5 KiB."""
MIN_RSA_BITS = 2048
MAX_RSA_BITS = 8192

HASHES: dict[str, hashes.HashAlgorithm] = {
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
}
"""The hashes that a policy may name."""

_CURVE_HASHES = {"secp256r1": "sha256", "secp384r1": "sha384", "secp521r1": "sha512"}

Key = ec.EllipticCurvePublicKey | rsa.RSAPublicKey | ed25519.Ed25519PublicKey


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicKey:
    """A key ready to verify. ``hash_name`` is empty for Ed25519."""

    der: bytes
    hash_name: str
    _key: Any = field(repr=False, compare=False)

    @property
    def signer(self) -> KeySigner:
        """Return how the key is called in proofs."""
        return KeySigner(fingerprint=hashlib.sha256(self.der).hexdigest())

    def verify(self, signature: bytes, message: bytes) -> None:
        """Raise VerificationError unless the signature is this key's over the message."""
        if not self.hash_name:
            self._check(signature, message, None)
        else:
            self._check(signature, hashlib.new(self.hash_name, message).digest(), Prehashed(HASHES[self.hash_name]))

    def verify_digest(self, signature: bytes, sha256: bytes) -> None:
        """Raise VerificationError unless the signature is this key's over a message with that SHA-256."""
        if self.hash_name != "sha256":
            raise VerificationError("this key signs more than a SHA-256; the artifact itself is needed to verify it")
        self._check(signature, sha256, Prehashed(hashes.SHA256()))

    def _check(self, signature: bytes, data: bytes, algorithm: Prehashed | None) -> None:
        try:
            match self._key:
                case ec.EllipticCurvePublicKey() as key if algorithm:
                    key.verify(signature, data, ec.ECDSA(algorithm))
                case rsa.RSAPublicKey() as key if algorithm:
                    key.verify(signature, data, padding.PKCS1v15(), algorithm)
                case ed25519.Ed25519PublicKey() as key if not algorithm:
                    key.verify(signature, data)
                case _:
                    raise VerificationError("the key and its hash do not belong together")
        except InvalidSignature as error:
            raise VerificationError("the signature is not by this key over this content") from error


def parse_public_key(pem: bytes, *, hash_name: str | None = None) -> PublicKey:
    """Read one PEM public key; raise PolicyError for anything else. Without ``hash_name`` the curve decides, RSA: sha256."""
    if len(pem) > MAX_PEM_BYTES:
        raise PolicyError((f"publicKey: {len(pem)} bytes, more than {MAX_PEM_BYTES}",))
    if pem.count(b"-----BEGIN ") != 1 or b"PRIVATE" in pem:
        raise PolicyError(("publicKey: expected one PEM block with a public key",))
    try:
        key = load_pem_public_key(pem)
    except Exception as error:
        raise PolicyError((f"publicKey: not a public key in PEM ({type(error).__name__})",)) from error
    return _usable(key, hash_name)


def parse_public_key_der(der: bytes, *, hash_name: str | None = None) -> PublicKey:
    """Read a DER SubjectPublicKeyInfo, as a key management service answers it; raise PolicyError for anything else."""
    try:
        key = load_der_public_key(der[: MAX_PEM_BYTES + 1])
    except Exception as error:
        raise PolicyError((f"publicKey: not a public key in DER ({type(error).__name__})",)) from error
    return _usable(key, hash_name)


def _usable(key: object, hash_name: str | None) -> PublicKey:
    match key:
        case ec.EllipticCurvePublicKey(curve=curve) if curve.name in _CURVE_HASHES:
            name = hash_name or _CURVE_HASHES[curve.name]
        case rsa.RSAPublicKey(key_size=bits) if MIN_RSA_BITS <= bits <= MAX_RSA_BITS:
            name = hash_name or "sha256"
        case ed25519.Ed25519PublicKey() if not hash_name:
            name = ""
        case ed25519.Ed25519PublicKey():
            raise PolicyError(("hashAlgorithm: Ed25519 keys sign the message itself; leave it out",))
        case _:
            raise PolicyError(("publicKey: expected P-256, P-384, P-521, Ed25519, or RSA of 2048 to 8192 bits",))
    if name and name not in HASHES:
        raise PolicyError((f"hashAlgorithm: expected one of {', '.join(HASHES)}",))
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return PublicKey(der=der, hash_name=name, _key=key)
