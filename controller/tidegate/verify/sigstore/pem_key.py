"""Public keys as policies write them: one PEM block, of a kind that Sigstore signs with, and no weaker."""

import re
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from tidegate.strict.objection import Objection

PEM_PATTERN: Final = (
    r"^[ \t\r\n]*-----BEGIN PUBLIC KEY-----[ \t\r\n]+[A-Za-z0-9+/=\r\n]+-----END PUBLIC KEY-----[ \t\r\n]*$"
)
MAX_PEM: Final = 4096
"""Characters of one key; RSA with 8192 bits takes 1.5 KiB."""
MIN_RSA_BITS: Final = 2048
MAX_RSA_BITS: Final = 8192
CURVES: Final = ("secp256r1", "secp384r1", "secp521r1")
EXPECTED: Final = "the PEM of an ECDSA (P-256, P-384, P-521), Ed25519 or RSA (2048 to 8192 bits) public key"
_DO = "write what cosign generate-key-pair or openssl pkey -pubout writes"
_PEM = re.compile(PEM_PATTERN)

Key = ec.EllipticCurvePublicKey | rsa.RSAPublicKey | ed25519.Ed25519PublicKey


def load_key(text: str) -> Key | Objection:
    """Return the key that the PEM holds, or what is wrong with it."""
    if len(text) > MAX_PEM or not _PEM.fullmatch(text):
        return Objection("text that is not a public key", EXPECTED, _DO)
    try:
        key: object = load_pem_public_key(text.encode("ascii"))
    except Exception:  # noqa: BLE001 - which exceptions a broken key raises differs from version to version
        return Objection("text that is not a public key", EXPECTED, _DO)
    if isinstance(key, ed25519.Ed25519PublicKey):
        return key
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in CURVES:
        return key
    if isinstance(key, rsa.RSAPublicKey) and MIN_RSA_BITS <= key.key_size <= MAX_RSA_BITS:
        return key
    return Objection("a public key of another kind or size", EXPECTED, _DO)


def make_pem(text: str) -> str | Objection:
    """Return the PEM as it was written, or what is wrong with it."""
    key = load_key(text)
    return key if isinstance(key, Objection) else text


def has_own_hash(pem: str) -> bool:
    """Tell whether the key is of a kind that no hash can be chosen for."""
    return isinstance(load_key(pem), ed25519.Ed25519PublicKey)
