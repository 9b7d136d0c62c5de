"""OCI image layouts in a folder, as oras, skopeo and cosign write them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.simulator.artifacts import descriptor
from tests.simulator.manifests import Manifest

REF_NAME = "org.opencontainers.image.ref.name"


class Layout:
    """A layout; manifests are added with their blobs, tagged or not."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.blobs = folder / "blobs" / "sha256"
        self.blobs.mkdir(parents=True)
        self.entries: list[dict[str, Any]] = []
        (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
        self._save()

    def add(self, manifest: Manifest, tag: str | None = None, *, listed: bool = True, **changes: Any) -> Manifest:
        """Write the manifest and its blobs; ``listed=False`` leaves it out of index.json, ``changes`` alter its entry."""
        for digest, content in {**manifest.blobs, manifest.digest: manifest.data}.items():
            self.blob(digest).write_bytes(content)
        if listed:
            named = {"annotations": {REF_NAME: tag}} if tag else {}
            self.entries.append(descriptor(manifest) | named | changes)
            self._save()
        return manifest

    def blob(self, digest: str) -> Path:
        return self.blobs / digest.removeprefix("sha256:")

    def write_index(self, content: Mapping[str, Any] | bytes) -> None:
        raw = content if isinstance(content, bytes) else json.dumps(content).encode()
        (self.folder / "index.json").write_bytes(raw)

    def _save(self) -> None:
        self.write_index({"schemaVersion": 2, "manifests": self.entries})
