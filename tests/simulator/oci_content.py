"""What a registry keeps: repositories of blobs, manifests and tags. No HTTP here."""

import json
from dataclasses import dataclass, field
from typing import Any

from tests.simulator.manifests import OCI_INDEX, OCI_MANIFEST, Manifest, sha256


@dataclass(frozen=True, kw_only=True)
class KeptManifest:
    """One manifest: its bytes and the media type that it was pushed with."""

    content: bytes
    media_type: str

    @property
    def digest(self) -> str:
        return sha256(self.content)


@dataclass(kw_only=True)
class OciContent:
    """One repository."""

    blobs: dict[str, bytes] = field(default_factory=dict)
    manifests: dict[str, KeptManifest] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)

    def put(self, content: bytes, media_type: str, reference: str | None = None) -> str:
        """Keep a manifest, under a tag where the reference is one; give its digest."""
        kept = KeptManifest(content=content, media_type=media_type)
        self.manifests[kept.digest] = kept
        if reference is not None and reference != kept.digest:
            self.tags[reference] = kept.digest
        return kept.digest

    def find(self, reference: str) -> KeptManifest | None:
        return self.manifests.get(self.tags.get(reference, reference))

    def remove(self, reference: str) -> bool:
        digest = self.tags.get(reference, reference)
        self.tags = {tag: to for tag, to in self.tags.items() if reference not in (tag, to)}
        return reference != digest or self.manifests.pop(digest, None) is not None

    def referrers(self, subject: str, artifact_type: str | None = None) -> list[dict[str, Any]]:
        """Give the descriptors of what names this digest as its subject."""
        found = [_referrer(each) for each in self.manifests.values() if subject_of(each.content) == subject]
        return [each for each in found if artifact_type in (None, each["artifactType"])]

    def add(self, manifest: Manifest, tag: str | None = None) -> str:
        """Keep a manifest of the simulator with the blobs that it names; give its digest."""
        self.blobs |= manifest.blobs
        return self.put(manifest.data, manifest.media_type, tag)


def subject_of(content: bytes) -> str | None:
    """Give the digest that a manifest names as its subject."""
    try:
        named: str | None = json.loads(content)["subject"]["digest"]
    except (ValueError, KeyError, TypeError):
        return None
    return named


def _referrer(kept: KeptManifest) -> dict[str, Any]:
    document = json.loads(kept.content)
    kind = document.get("artifactType") or document.get("config", {}).get("mediaType", "")
    notes = {"annotations": document["annotations"]} if document.get("annotations") else {}
    return {
        "mediaType": kept.media_type or OCI_MANIFEST,
        "digest": kept.digest,
        "size": len(kept.content),
        "artifactType": kind,
        **notes,
    }


def referrers_page(entries: list[dict[str, Any]]) -> bytes:
    return json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}).encode()
