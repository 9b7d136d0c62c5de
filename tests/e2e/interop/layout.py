"""OCI image layouts as folders: made by the tests, signed by real programs, read again by the tests.

Source: OCI image specification, "OCI Image Layout"; a signature is in ``index.json`` beside what it signs.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.simulator.manifests import OCI_INDEX, OCI_MANIFEST, Manifest, image, sha256
from tests.simulator.oci_content import OciContent

REPOSITORY = "registry.test/app"
"""The repository that layouts stand for: a layout has no name of its own."""


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """A manifest as it lies in a layout."""

    digest: str
    media_type: str
    content: bytes

    @property
    def parsed(self) -> dict[str, Any]:
        manifest: dict[str, Any] = json.loads(self.content)
        return manifest


class Layout:
    """One layout."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "blobs" / "sha256").mkdir(parents=True, exist_ok=True)
        if not self._index_path.exists():
            (folder / "oci-layout").write_text(json.dumps({"imageLayoutVersion": "1.0.0"}))
            self._write_index([])

    @property
    def _index_path(self) -> Path:
        return self.folder / "index.json"

    def put(self, manifest: Manifest) -> str:
        """Store the manifest and its blobs; return its digest."""
        for blob in (manifest.data, *manifest.blobs.values()):
            self.write(blob)
        descriptor = {"mediaType": manifest.media_type, "digest": manifest.digest, "size": len(manifest.data)}
        self._write_index([*self._descriptors(), descriptor])
        return manifest.digest

    def put_raw(self, manifest: bytes, tag: str | None = None) -> str:
        """Store an image manifest whose blobs are there already; return its digest."""
        digest = self.write(manifest)
        named = {"annotations": {"org.opencontainers.image.ref.name": tag}} if tag else {}
        descriptor = {"mediaType": OCI_MANIFEST, "digest": digest, "size": len(manifest), **named}
        self._write_index([*self._descriptors(), descriptor])
        return digest

    def drop_referrers(self) -> None:
        """Take everything that has a subject out of the index."""
        kept = [one for one in self._descriptors() if "subject" not in json.loads(self.read(one["digest"]))]
        self._write_index(kept)

    def write(self, content: bytes) -> str:
        """Store a blob; return its digest."""
        digest = sha256(content)
        self._path(digest).write_bytes(content)
        return digest

    def read(self, digest: str) -> bytes:
        return self._path(digest).read_bytes()

    def artifact(self, digest: str) -> Artifact:
        """Return the manifest of the digest."""
        (media_type,) = {one["mediaType"] for one in self._descriptors() if one["digest"] == digest}
        return Artifact(digest=digest, media_type=media_type, content=self.read(digest))

    def referrers(self, digest: str, artifact_type: str) -> list[Artifact]:
        """Return the manifests of the type whose subject is the digest."""
        found = [self.artifact(one["digest"]) for one in self._descriptors() if one["mediaType"] == OCI_MANIFEST]
        return [
            one
            for one in found
            if one.parsed.get("subject", {}).get("digest") == digest
            and artifact_type in {one.parsed.get("artifactType"), one.parsed["config"]["mediaType"]}
        ]

    def reference(self, digest: str) -> str:
        """Return how programs are told of the digest in this layout."""
        return f"{self.folder}@{digest}"

    def copy(self, folder: Path) -> Layout:
        """Return a copy of everything in another folder."""
        shutil.copytree(self.folder, folder)
        return Layout(folder)

    def _path(self, digest: str) -> Path:
        return self.folder / "blobs" / "sha256" / digest.removeprefix("sha256:")

    def _descriptors(self) -> list[dict[str, Any]]:
        descriptors: list[dict[str, Any]] = json.loads(self._index_path.read_text())["manifests"]
        return descriptors

    def _write_index(self, descriptors: list[dict[str, Any]]) -> None:
        index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": descriptors}
        self._index_path.write_text(json.dumps(index))


def layout_with_image(folder: Path, content: str = "app") -> tuple[Layout, str]:
    """Return a new layout with one image, and the image's digest."""
    layout = Layout(folder)
    return layout, layout.put(image(content))


def layout_of(content: OciContent, folder: Path) -> Layout:
    """Return a new layout with everything that a repository holds, as tools copy it."""
    layout = Layout(folder)
    for blob in content.blobs.values():
        layout.write(blob)
    tags = {digest: tag for tag, digest in content.tags.items()}
    for digest, kept in content.manifests.items():
        layout.put_raw(kept.content, tags.get(digest))
    return layout
