"""A long-lived public key that a policy names, with the one algorithm that it verifies by.

The key and the policy decide the algorithm; nothing in a signature does. ECDSA and RSA (PKCS#1 v1.5) sign a hash, which the
policy may name: cosign signed with SHA-256 whatever the curve until 2026, and by the curve since. Ed25519 signs the message.
"""

import hashlib
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tidegate.errors import PolicyError, VerificationError
from tidegate.strict.objection import Objection
from tidegate.verify.sigstore.pem_key import MAX_PEM, Key, load_key
from tidegate.verify.sigstore.proof import KeySigner

MAX_PEM_BYTES = MAX_PEM
"""Bytes of one public key as PEM."""

HASHES: dict[str, hashes.HashAlgorithm] = {
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
}
"""The hashes that a policy may name."""

_CURVE_HASHES = {"secp256r1": "sha256", "secp384r1": "sha384", "secp521r1": "sha512"}


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicKey:
    """A key ready to verify. ``hash_name`` is empty for Ed25519."""

    der: bytes
    hash_name: str
    _key: Key = field(repr=False, compare=False)

    @property
    def signer(self) -> KeySigner:
        """Return the key as a signer."""
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
            raise VerificationError("this key does not sign a SHA-256 digest; pass the artifact itself to verify it")
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
                    raise VerificationError("the hash algorithm does not fit the key")
        except InvalidSignature as error:
            raise VerificationError(
                "the signature is not by this key over this content",
                clause=f"the signature is not by the key with SHA-256 fingerprint {self.signer.fingerprint}",
            ) from error


def parse_public_key(pem: bytes, *, hash_name: str | None = None) -> PublicKey:
    """Read one PEM public key; raise PolicyError for anything else. Without ``hash_name`` the curve decides, RSA: sha256."""
    key = load_key(pem[: MAX_PEM_BYTES + 1].decode("ascii", errors="replace"))
    if isinstance(key, Objection):
        raise PolicyError((key.at("publicKey"),))
    if hash_name and hash_name not in HASHES:
        raise PolicyError((f"hashAlgorithm: expected one of {', '.join(HASHES)}",))
    if hash_name and isinstance(key, ed25519.Ed25519PublicKey):
        raise PolicyError(("hashAlgorithm: Ed25519 keys sign the message itself; leave it out",))
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return PublicKey(der=der, hash_name=hash_name or _own_hash(key), _key=key)


def _own_hash(key: Key) -> str:
    """Return the key's default hash; none for Ed25519."""
    if isinstance(key, ec.EllipticCurvePublicKey):
        return _CURVE_HASHES[key.curve.name]
    return "sha256" if isinstance(key, rsa.RSAPublicKey) else ""
