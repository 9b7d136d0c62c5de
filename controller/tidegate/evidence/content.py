"""A manifest as a registry returned it: bytes that are not verified yet."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, weakref_slot=True, kw_only=True)
class StoredManifest:
    """Bytes and the media type beside them; ``images.manifest.parse_manifest`` checks them against the digest."""

    content: bytes
    media_type: str


TOO_LARGE = StoredManifest(content=b"", media_type="")
"""Stands for a manifest that exists and cannot be read: it has more bytes than are read, or the registry never returns it."""
