"""Hash algorithms by the names that both libraries use."""

from typing import Any

from cryptography.hazmat.primitives import hashes

DIGESTS: dict[str, Any] = {
    "sha1": hashes.SHA1,
    "sha256": hashes.SHA256,
    "sha384": hashes.SHA384,
    "sha512": hashes.SHA512,
}
