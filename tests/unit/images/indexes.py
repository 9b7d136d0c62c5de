"""Manifests and indexes of images, and how tests read them."""

import json

from tidegate.images.digest import digest_of
from tidegate.images.manifest import OCI_INDEX, OCI_MANIFEST, Manifest, parse_manifest

CONFIG = {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": "sha256:" + "c" * 64, "size": 7}
LAYER = {"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": "sha256:" + "d" * 64, "size": 9}


def image(media_type: str = OCI_MANIFEST, **changes: object) -> dict:
    return {"schemaVersion": 2, "mediaType": media_type, "config": CONFIG, "layers": [LAYER]} | changes


def entry(number: int = 1, platform: str | None = "linux/amd64", **changes: object) -> dict:
    made: dict = {"mediaType": OCI_MANIFEST, "digest": f"sha256:{number:064x}", "size": 500}
    if platform is not None:
        parts = platform.split("/")
        made["platform"] = dict(zip(("os", "architecture", "variant"), parts, strict=False))
    return made | changes


def index(*entries: dict, **changes: object) -> dict:
    return {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": list(entries)} | changes


def attestation(number: int, platform: str | None = "unknown/unknown") -> dict:
    return entry(number, platform, annotations={"vnd.docker.reference.type": "attestation-manifest"})


def parse(document: object, media_type: str | None = None) -> Manifest:
    content = document if isinstance(document, bytes) else json.dumps(document).encode()
    if media_type is None:
        media_type = document.get("mediaType", OCI_MANIFEST) if isinstance(document, dict) else OCI_MANIFEST
    return parse_manifest(content, digest=digest_of(content), media_type=media_type)
