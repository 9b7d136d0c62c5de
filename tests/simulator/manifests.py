"""Image manifests made deterministically: the same words give the same bytes, and every digest is the real sha256.

It builds bytes only; which repository holds them is the world's matter.
"""

import functools
import gzip
import hashlib
import io
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
INDEX_TYPES = frozenset({OCI_INDEX, DOCKER_LIST})
_PROGRAM = "app"

_OCI_TO_DOCKER = {
    OCI_MANIFEST: DOCKER_MANIFEST,
    OCI_INDEX: DOCKER_LIST,
    "application/vnd.oci.image.config.v1+json": "application/vnd.docker.container.image.v1+json",
    "application/vnd.oci.image.layer.v1.tar+gzip": "application/vnd.docker.image.rootfs.diff.tar.gzip",
}
_DOCKER_TO_OCI = {docker: oci for oci, docker in _OCI_TO_DOCKER.items()}


def sha256(data: bytes) -> str:
    """Name bytes as a registry does: `sha256:` and 64 hex digits."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The bytes of one manifest with what a registry knows of them, and the blobs that it names."""

    data: bytes
    digest: str
    media_type: str
    size: int
    architecture: str = "amd64"
    artifact_type: str | None = None
    subject: str | None = None
    annotations: Mapping[str, str] = field(default_factory=dict)
    blobs: Mapping[str, bytes] = field(default_factory=dict)


def _descriptor(media_type: str, data: bytes, **more: Any) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": sha256(data), "size": len(data), **more}


def _typed(media_type: str, oci: str) -> str:
    return _OCI_TO_DOCKER[oci] if media_type in (DOCKER_MANIFEST, DOCKER_LIST) else oci


def image(
    content: str, *, platform: str = "linux/amd64", media_type: str = OCI_MANIFEST, program: bytes | None = None
) -> Manifest:
    """Build an image of one config and one layer, both made from `content`.

    With `program`, a static executable for the platform, the image is one that a node can run: the layer holds the
    program alone, and the config starts it.
    """
    system, _, rest = platform.partition("/")
    architecture, _, variant = rest.partition("/")
    described: dict[str, Any] = {"architecture": architecture, "os": system, "content": content}
    layer = f"layer of {content} for {platform}".encode()
    if program is not None:
        layer, diff_id = _layer(program)
        described |= {"config": {"Entrypoint": [f"/{_PROGRAM}"]}, "rootfs": {"type": "layers", "diff_ids": [diff_id]}}
    config = msgspec.json.encode(described | ({"variant": variant} if variant else {}))
    body = {
        "schemaVersion": 2,
        "mediaType": media_type,
        "config": _descriptor(_typed(media_type, "application/vnd.oci.image.config.v1+json"), config),
        "layers": [_descriptor(_typed(media_type, "application/vnd.oci.image.layer.v1.tar+gzip"), layer)],
    }
    return _manifest(
        body,
        media_type,
        architecture=architecture,
        artifact_type=body["config"]["mediaType"],  # type: ignore[index]
        blobs={sha256(config): config, sha256(layer): layer},
    )


@functools.lru_cache(maxsize=4)
def _layer(program: bytes) -> tuple[bytes, str]:
    """Build the layer that holds a program; give its bytes, and the digest of what they are uncompressed."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        entry = tarfile.TarInfo(_PROGRAM)
        entry.mode, entry.size = 0o755, len(program)
        tar.addfile(entry, io.BytesIO(program))
    return gzip.compress(archive.getvalue(), mtime=0), sha256(archive.getvalue())


def from_layout(folder: Path) -> Manifest:
    """Read the one image of an OCI layout with its blobs, as what builds images writes it."""

    def blob(digest: str) -> bytes:
        return (folder / "blobs" / digest.replace(":", "/")).read_bytes()

    (named,) = msgspec.json.decode((folder / "index.json").read_bytes())["manifests"]
    body = msgspec.json.decode(blob(named["digest"]))
    parts = [body["config"]["digest"], *(layer["digest"] for layer in body["layers"])]
    data, blobs = blob(named["digest"]), {digest: blob(digest) for digest in parts}
    size = len(data) + sum(map(len, blobs.values()))
    return Manifest(data=data, digest=named["digest"], media_type=named["mediaType"], size=size, blobs=blobs)


def attestation(content: str, *, of: str) -> Manifest:
    """Build the attestation manifest that BuildKit adds to an index for one of its platform manifests."""
    config = msgspec.json.encode({"architecture": "unknown", "os": "unknown", "content": content})
    statement = msgspec.json.encode({"_type": "https://in-toto.io/Statement/v0.1", "subject": [{"digest": of}]})
    body = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": _descriptor("application/vnd.oci.image.config.v1+json", config),
        "layers": [_descriptor("application/vnd.in-toto+json", statement)],
    }
    return _manifest(
        body, OCI_MANIFEST, architecture="unknown", blobs={sha256(config): config, sha256(statement): statement}
    )


def index(
    children: Sequence[tuple[Manifest, str]],
    *,
    attestations: Sequence[tuple[Manifest, str]] = (),
    media_type: str = OCI_INDEX,
) -> Manifest:
    """Build an index over (manifest, platform) children and (attestation, digest that it describes) pairs."""
    entries = [_child(child, platform) for child, platform in children]
    for proof, subject in attestations:
        notes = {"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": subject}
        entries.append(_child(proof, "unknown/unknown") | {"annotations": notes})
    return _manifest({"schemaVersion": 2, "mediaType": media_type, "manifests": entries}, media_type)


def huge_index(count: int) -> Manifest:
    """Build an index that names `count` children that no repository holds."""
    return index([(_manifest({"child": number}, OCI_MANIFEST), "linux/amd64") for number in range(count)])


def referrer(
    *,
    artifact_type: str,
    subject: Manifest,
    layers: Sequence[tuple[str, bytes]],
    annotations: Mapping[str, str] | None = None,
) -> Manifest:
    """Build an artifact (a signature, an SBOM) whose subject is another manifest."""
    empty = b"{}"
    body: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": artifact_type,
        "config": _descriptor("application/vnd.oci.empty.v1+json", empty),
        "layers": [_descriptor(kind, data) for kind, data in layers],
        "subject": {"mediaType": subject.media_type, "digest": subject.digest, "size": len(subject.data)},
    }
    if annotations:
        body["annotations"] = dict(annotations)
    return _manifest(
        body,
        OCI_MANIFEST,
        artifact_type=artifact_type,
        subject=subject.digest,
        annotations=annotations or {},
        blobs={sha256(data): data for data in (empty, *(data for _, data in layers))},
    )


def translate(manifest: Manifest, accepted: Sequence[str]) -> tuple[bytes, str]:
    """Give a manifest as ECR gives it by tag: translated between OCI and Docker where only the other is accepted."""
    other = _OCI_TO_DOCKER.get(manifest.media_type) or _DOCKER_TO_OCI.get(manifest.media_type)
    if not accepted or manifest.media_type in accepted or other not in accepted or other is None:
        return manifest.data, manifest.media_type
    words = _OCI_TO_DOCKER if manifest.media_type in _OCI_TO_DOCKER else _DOCKER_TO_OCI
    body = msgspec.json.decode(manifest.data)
    for part in (body, body.get("config", {}), *body.get("layers", ()), *body.get("manifests", ())):
        if part.get("mediaType") in words:
            part["mediaType"] = words[part["mediaType"]]
    return msgspec.json.encode(body), other


def _child(child: Manifest, platform: str) -> dict[str, Any]:
    system, _, rest = platform.partition("/")
    architecture, _, variant = rest.partition("/")
    where = {"architecture": architecture, "os": system} | ({"variant": variant} if variant else {})
    return {"mediaType": child.media_type, "digest": child.digest, "size": len(child.data), "platform": where}


def _manifest(body: Mapping[str, Any], media_type: str, **more: Any) -> Manifest:
    data = msgspec.json.format(msgspec.json.encode(body), indent=2)
    size = len(data) + sum(len(blob) for blob in more.get("blobs", {}).values())
    return Manifest(data=data, digest=sha256(data), media_type=media_type, size=size, **more)
