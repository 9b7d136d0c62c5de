"""A manifest as a registry gave it: bytes that nobody has checked yet."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredManifest:
    """Bytes and the media type beside them; ``images.manifest.parse_manifest`` checks them against the digest."""

    content: bytes
    media_type: str


TOO_LARGE = StoredManifest(content=b"", media_type="")
"""Stands for a manifest that is there and is nothing: of more bytes than are read, or one that nobody is given."""
