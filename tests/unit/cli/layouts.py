"""OCI image layouts in a folder, as oras, skopeo and cosign write them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.simulator import artifacts
from tests.simulator.artifacts import NOTATION, descriptor
from tests.simulator.manifests import Manifest
from tests.simulator.pki.envelopes import JWS, sign
from tests.simulator.pki.sigstore import ISSUER, NOW, SUBJECT, stamp
from tests.simulator.pki.sigstore import statement as in_toto
from tests.unit.cli.commands import Ended, run
from tests.unit.cli.notation_files import AT, REPOSITORY, NotationFiles, signer
from tests.unit.verify.sigstore import cases

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


def by_notation(
    layout: Layout, trust: NotationFiles, *more: object, wish: str = "", reference: str = REPOSITORY
) -> Ended:
    stores = ("--trust-policy", trust.policy, "--trust-store", trust.store)
    given = ("--layout", f"{layout.folder}{wish}", "--reference", reference, *stores)
    return run("verify", *given, "--at", AT, "-o", "json", *more)


def by_sigstore(layout: Layout, folder: Path, *more: object, wish: str = ":v1") -> Ended:
    root = folder / "trusted_root.json"
    root.write_bytes(cases.ours().trusted_root_bytes())
    who = ("--certificate-identity", SUBJECT, "--certificate-oidc-issuer", ISSUER)
    given = ("--layout", f"{layout.folder}{wish}", "--trusted-root", root, *who)
    return run("verify", *given, "--at", stamp(NOW), "-o", "json", *more)


def envelope_of(manifest: Manifest, who=None, media_type: str = JWS, **options: Any) -> bytes:
    return sign(who or signer(), media_type, target=artifacts.descriptor(manifest), **options)


def notation_signature(manifest: Manifest, who=None, media_type: str = JWS, **options: Any) -> Manifest:
    return artifacts.signature(
        NOTATION, envelope_of(manifest, who, media_type), subject=manifest, media_type=media_type, **options
    )


def bundle_of(manifest: Manifest, **predicate: Any) -> bytes:
    return json.dumps(cases.ours().sign_statement(in_toto(manifest.digest, **predicate), cases.signer())).encode()
