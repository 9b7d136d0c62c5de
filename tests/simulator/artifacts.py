"""Manifests of signatures as notation and cosign write them, in each layout that registries hold; bytes only.

`Kind` words are those of the product's ArtifactKind, so that tests can go from one to the other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from tests.simulator.manifests import OCI_INDEX, OCI_MANIFEST, Manifest, sha256

NOTATION = "notation"
BUNDLE = "sigstore-bundle"
COSIGN_SIGNATURE = "cosign-legacy-signature"
COSIGN_ATTESTATION = "cosign-legacy-attestation"

NOTATION_TYPE = "application/vnd.cncf.notary.signature"
BUNDLE_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
EMPTY_CONFIG = "application/vnd.oci.empty.v1+json"
IMAGE_CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER_TYPES = {
    NOTATION: "application/jose+json",
    BUNDLE: BUNDLE_TYPE,
    COSIGN_SIGNATURE: "application/vnd.dev.cosign.simplesigning.v1+json",
    COSIGN_ATTESTATION: "application/vnd.dsse.envelope.v1+json",
}
TAG_SUFFIXES = {COSIGN_SIGNATURE: ".sig", COSIGN_ATTESTATION: ".att"}
_ARTIFACT_TYPES = {NOTATION: NOTATION_TYPE, BUNDLE: BUNDLE_TYPE}


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerPart:
    """One layer to be: its bytes, media type and annotations."""

    data: bytes
    media_type: str
    annotations: Mapping[str, str] = field(default_factory=dict)

    def described(self) -> dict[str, Any]:
        """Give its descriptor."""
        notes = {"annotations": dict(self.annotations)} if self.annotations else {}
        return {"mediaType": self.media_type, "digest": sha256(self.data), "size": len(self.data), **notes}


def artifact(
    layers: Sequence[LayerPart],
    *,
    subject: Manifest | None,
    artifact_type: str | None = None,
    config_type: str = EMPTY_CONFIG,
    annotations: Mapping[str, str] | None = None,
    change: Mapping[str, Any] | None = None,
) -> Manifest:
    """Build a manifest of these layers; `change` replaces members of it at last, for a test of bad ones."""
    config = b"{}"
    body: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        **({"artifactType": artifact_type} if artifact_type else {}),
        "config": {"mediaType": config_type, "digest": sha256(config), "size": len(config)},
        "layers": [each.described() for each in layers],
        **({"subject": descriptor(subject)} if subject else {}),
        **({"annotations": dict(annotations)} if annotations else {}),
        **(change or {}),
    }
    data = msgspec.json.encode({name: value for name, value in body.items() if value is not None})
    return Manifest(
        data=data,
        digest=sha256(data),
        media_type=OCI_MANIFEST,
        size=len(data) + sum(len(each.data) for each in layers),
        artifact_type=artifact_type or config_type,
        subject=(body.get("subject") or {}).get("digest"),
        annotations=dict(annotations or {}),
        blobs={sha256(blob): blob for blob in (config, *(each.data for each in layers))},
    )


def signature(
    kind: str,
    envelope: bytes,
    *,
    subject: Manifest,
    media_type: str | None = None,
    annotations: Mapping[str, str] | None = None,
    layer_annotations: Mapping[str, str] | None = None,
    old_notation: bool = False,
    change: Mapping[str, Any] | None = None,
) -> Manifest:
    """Build the referrer that a signing tool pushes; `old_notation` names the type in the config, as notation 1.0 did."""
    part = LayerPart(
        data=envelope, media_type=media_type or LAYER_TYPES[kind], annotations=dict(layer_annotations or {})
    )
    artifact_type, config_type = _ARTIFACT_TYPES.get(kind), EMPTY_CONFIG
    if old_notation:
        artifact_type, config_type = None, NOTATION_TYPE
    elif kind == COSIGN_SIGNATURE:
        config_type = "application/vnd.dev.cosign.artifact.sig.v1+json"
    return artifact(
        [part],
        subject=subject,
        artifact_type=artifact_type,
        config_type=config_type,
        annotations=annotations,
        change=change,
    )


def cosign_manifest(layers: Sequence[LayerPart]) -> Manifest:
    """Build what stands under a tag of cosign: a layer for each signature, no subject."""
    return artifact(layers, subject=None, config_type=IMAGE_CONFIG)


def referrers_index(entries: Sequence[tuple[Manifest, str | None]]) -> Manifest:
    """Build an index of referrers over (manifest, artifact type to name) pairs."""
    described = [
        descriptor(each)
        | ({"artifactType": kind} if kind is not None else {})
        | ({"annotations": dict(each.annotations)} if each.annotations else {})
        for each, kind in entries
    ]
    data = msgspec.json.encode({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": described})
    return Manifest(data=data, digest=sha256(data), media_type=OCI_INDEX, size=len(data))


def descriptor(manifest: Manifest) -> dict[str, Any]:
    """Give the descriptor of a manifest."""
    return {"mediaType": manifest.media_type, "digest": manifest.digest, "size": len(manifest.data)}


def fallback_tag(digest: str, suffix: str = "") -> str:
    """Give the tag of the fallback index, or with a suffix one of cosign's."""
    return digest.replace(":", "-") + suffix
