"""Indexes by chance: what builders write, and what only somebody writes who wants an image to go unseen."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from tidegate.images.digest import Digest, digest_of
from tidegate.images.manifest import DOCKER_INDEX, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST

Entry = dict[str, Any]

SYSTEMS = ("linux",) * 24 + ("Linux", "LINUX", "windows", "windows", "", "macos", "linux ", "unknown", "window\u017f")
ARCHITECTURES = (
    *("amd64", "amd64", "amd64", "arm64", "arm64", "arm64", "386", "386", "arm", "arm", "AMD64", "x86_64", "X86-64"),
    *("i386", "aarch64", "AArch64", "armhf", "armel", "s390x", "unknown", "", "amd 64"),
)
VARIANTS = (
    *("",) * 8,
    *("v1", "v2", "v3", "v4", "V1", "V3", "1", "2", "v5", "v6", "v7", "v8", "V8", "5", "6", "7", "8", "v8.0", "v8.1"),
    *("v9", "9", "v9.0", "v9.2", "v10", "sse2", "unknown", "v", " v8"),
)
VERSIONS = ("10.0.17763.1", "10.0.20348.2", "10.0.26100.3", "10", "")
FEATURES: tuple[list[str] | None, ...] = (["erofs"], ["a", "b"], ["win32k"], ["none"], [""], [], None)
EXTRAS: tuple[Entry, ...] = (
    {"artifactType": "application/x"},
    {"annotations": {"vnd.docker.reference.type": "attestation-manifest"}},
    {"urls": ["https://a"]},
    {"data": "e30="},
)
OTHER_LETTERS = ("OS", "Architecture", "Variant", "OS.Version", "os.Features", "o\u017f.features")
ARM64_V8 = {"os": "linux", "architecture": "arm64", "variant": "v8"}
ORDINARY: tuple[Mapping[str, Any], ...] = (
    {"os": "linux", "architecture": "amd64"},
    {"os": "linux", "architecture": "amd64", "variant": "v2"},
    {"os": "linux", "architecture": "amd64", "variant": "v3"},
    {"os": "linux", "architecture": "386"},
    ARM64_V8,
    {"os": "linux", "architecture": "arm64", "variant": "v9"},
    {"os": "linux", "architecture": "arm", "variant": "v6"},
    {"os": "linux", "architecture": "arm", "variant": "v7"},
    {"os": "linux", "architecture": "s390x"},
    {"os": "windows", "architecture": "amd64", "os.version": "10.0.20348.2113"},
)


@dataclass(frozen=True, kw_only=True)
class Index:
    """An index: its digest, media type and size, and every index and config that it leads to."""

    digest: Digest
    media_type: str
    indexes: Mapping[Digest, tuple[str, bytes]]
    images: frozenset[Digest]
    """Every image that one of the indexes lists."""

    @property
    def size(self) -> int:
        return len(self.indexes[self.digest][1])


@dataclass(kw_only=True)
class Images:
    """A stock of images that indexes are made of, each with a config of its own."""

    blobs: dict[str, str] = field(default_factory=dict)
    by_config: dict[str, Digest] = field(default_factory=dict)
    entries: list[Entry] = field(default_factory=list)

    @classmethod
    def stock(cls) -> "Images":
        """Make three images for each of these platforms, as their configs state it."""
        images = cls()
        for number in range(3):
            for system, architecture in (
                ("linux", "amd64"),
                ("linux", "arm64"),
                ("linux", "386"),
                ("windows", "amd64"),
            ):
                images._add(f"{number}", {"os": system, "architecture": architecture})
            images._add(f"{number}", {"os": "linux", "architecture": "arm", "variant": "v6"})
            images._add(f"{number}", {"Os": "LINUX", "Architecture": "X86_64"})
        return images

    def _add(self, name: str, platform: Mapping[str, str]) -> None:
        config = json.dumps({**platform, "name": name})
        described = {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest_of(config.encode())}
        kind = DOCKER_MANIFEST if name == "2" else OCI_MANIFEST
        parts = {"schemaVersion": 2, "mediaType": kind, "config": described | {"size": len(config)}, "layers": []}
        manifest = json.dumps(parts)
        digest = digest_of(manifest.encode())
        self.blobs |= {described["digest"]: config, digest: manifest}
        self.by_config[described["digest"]] = digest
        self.entries.append({"mediaType": kind, "digest": digest, "size": len(manifest)})


def ordinary(chance: Random, images: Images) -> Index:
    """Make an index as builders make them: each platform once, attestations beside them, 32-bit ARM beside arm64."""
    platforms = chance.sample(ORDINARY, chance.randint(1, 6))
    if any(one["architecture"] == "arm" for one in platforms) and ARM64_V8 not in platforms:
        platforms.append({"os": "linux", "architecture": "arm64"})
    stock = chance.sample(images.entries, len(platforms))
    entries = [entry | {"platform": dict(platform)} for entry, platform in zip(stock, platforms, strict=True)]
    if chance.random() < 0.5:
        attestation = chance.choice(images.entries)
        entries.append(attestation | {"platform": {"os": "unknown", "architecture": "unknown"}})
    return _index(entries, OCI_INDEX)


def hostile(chance: Random, images: Images, *, depth: int = 2) -> Index:
    """Make an index of anything: nested, odd platforms, one image for several of them, in any order."""
    inner: list[Index] = []
    entries: list[Entry] = []
    for _ in range(chance.choice((1, 2, 2, 3, 3, 4, 5, 8))):
        if entries and chance.random() < 0.1:
            entries.append(dict(chance.choice(entries)))
        elif depth > 1 and chance.random() < 0.2:
            made = hostile(chance, images, depth=depth - 1 + (chance.random() < 0.01))
            inner.append(made)
            entries.append({"mediaType": made.media_type, "digest": made.digest, "size": made.size})
        else:
            entries.append(dict(chance.choice(images.entries)))
        _describe(chance, entries[-1])
    return _index(entries, chance.choice((OCI_INDEX, OCI_INDEX, DOCKER_INDEX)), inner)


def _describe(chance: Random, entry: Entry) -> None:
    """Give an entry a platform, or none, and what else an entry may have."""
    if chance.random() < 0.1:
        entry.pop("platform", None)
    else:
        entry["platform"] = _platform(chance)
    if chance.random() < 0.05:
        entry |= chance.choice(EXTRAS)


def _platform(chance: Random) -> Entry | None:
    if chance.random() < 0.3:
        return dict(chance.choice((*ORDINARY, {"os": "windows", "architecture": "386"})))
    platform: Entry = {"os": chance.choice(SYSTEMS), "architecture": chance.choice(ARCHITECTURES)}
    if variant := chance.choice(VARIANTS):
        platform["variant"] = variant
    if chance.random() < 0.1:
        platform["os.version"] = chance.choice(VERSIONS)
    if chance.random() < 0.15:
        platform["os.features"] = chance.choice(FEATURES)
    if chance.random() < 0.03:
        name = chance.choice(OTHER_LETTERS)
        value = platform.pop(name.lower().replace("\u017f", "s"), None)
        platform[name] = value if value is not None else (["none"] if "eatures" in name else "v4")
    return platform if chance.random() < 0.98 else None


def _index(entries: list[Entry], media_type: str, inner: Sequence[Index] = ()) -> Index:
    within = {digest: content for one in inner for digest, content in one.indexes.items()}
    images = frozenset(image for one in inner for image in one.images)
    content = json.dumps({"schemaVersion": 2, "mediaType": media_type, "manifests": entries}).encode()
    digest = digest_of(content)
    return Index(
        digest=digest,
        media_type=media_type,
        indexes={**within, digest: (media_type, content)},
        images=images | {entry["digest"] for entry in entries if entry["digest"] not in within},
    )
