"""Content digests. Only sha256: Amazon ECR stores no other."""

import hashlib
import re
from typing import NewType

Digest = NewType("Digest", str)
"""``sha256:`` and 64 lower-case hexadecimal digits."""

_SHA256 = re.compile(r"sha256:[0-9a-f]{64}")


def parse_digest(text: str) -> Digest | None:
    """Return the digest that the text is, or None when it is anything else."""
    return Digest(text) if _SHA256.fullmatch(text) else None


def digest_of(content: bytes) -> Digest:
    """Return the sha256 digest of the content."""
    return Digest(f"sha256:{hashlib.sha256(content).hexdigest()}")


def short(digest: Digest) -> str:
    """Return the digest cut for a person's eye: ``sha256:`` and 12 digits."""
    return digest[: len("sha256:") + 12]
