"""Image manifests and indexes, from bytes whose digest is checked first.

Children of an index are bounded, and attestations, which no node can run, are left out. Nothing is fetched here.
A document that another parser might read differently is refused: a container runtime takes ``Manifests`` for
``manifests`` and the last of two, so that an index could show one child here and run another there.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from tidegate.errors import InvalidManifestError
from tidegate.images.digest import Digest, digest_of, parse_digest
from tidegate.images.json_bounds import has_more_values, is_ambiguous
from tidegate.images.platform import InvalidPlatformError, Platform, normalise, parse_platform

MAX_MANIFEST_BYTES = 4 * 1024 * 1024
"""The limit of Amazon ECR, and of what is parsed."""
MAX_CHILDREN = 64
"""Runnable children of one index; a child counts once for each platform that it is listed for."""
MAX_ENTRIES = 4 * MAX_CHILDREN
"""Entries of one index, attestations included."""
MAX_VALUES = 10_000
"""JSON values of one manifest; an index of MAX_ENTRIES with annotations has about 3,000."""
MAX_INDEX_DEPTH = 2
"""An index may name an index, which may name no further one."""
MAX_NESTED_INDEXES = 8
"""Indexes that one index may name. Each may have MAX_MANIFEST_BYTES, and a pusher must not choose how long all take."""

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_SCHEMA1 = "application/vnd.docker.distribution.manifest.v1+json"
DOCKER_SCHEMA1_SIGNED = "application/vnd.docker.distribution.manifest.v1+prettyjws"
INDEX_TYPES = frozenset({OCI_INDEX, DOCKER_INDEX})
IMAGE_TYPES = frozenset({OCI_MANIFEST, DOCKER_MANIFEST})
ACCEPTED_TYPES = (OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_INDEX, DOCKER_SCHEMA1, DOCKER_SCHEMA1_SIGNED)


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexEntry:
    """One runnable child of an index; ``platform`` is None where the index names none, or none that can be read.

    ``restricted`` is whether the index also names ``os.version`` or ``os.features``, which some nodes do not have.
    """

    digest: Digest
    media_type: str
    size: int
    platform: Platform | None
    restricted: bool

    @property
    def is_index(self) -> bool:
        """Tell whether the child is an index itself."""
        return self.media_type in INDEX_TYPES


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """A parsed manifest: a runnable image (no children) or an index (children without attestations)."""

    digest: Digest
    media_type: str
    size: int
    children: tuple[IndexEntry, ...]


class _Descriptor(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    media_type: str


class _Platform(msgspec.Struct, frozen=True, gc=False):
    os: str = ""
    architecture: str = ""
    variant: str = ""
    os_version: str = msgspec.field(name="os.version", default="")
    os_features: list[str] | None = msgspec.field(name="os.features", default=None)


class _IndexEntry(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    media_type: str
    digest: str
    size: int
    platform: _Platform | None = None


class _ManifestDocument(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    schema_version: int
    media_type: str | None = None
    config: _Descriptor | None = None
    layers: list[_Descriptor] | None = None
    manifests: list[_IndexEntry] | None = None


_decode = msgspec.json.Decoder(_ManifestDocument).decode
_SCHEMA_VERSION = 2
_WORDS = 200
_PLATFORM_NAMES = frozenset(_Platform.__struct_encode_fields__)
_NAMED = {"os", "architecture"}


def parse_manifest(content: bytes, *, digest: Digest, media_type: str) -> Manifest:
    """Return the manifest; raise InvalidManifestError when bytes, digest, media type or bounds do not agree.

    Source: OCI image specification 1.1, manifest.md and image-index.md; Docker image manifest version 2, schema 2.
    """
    _check_bytes(content, digest)
    _check_type(media_type)
    document = _document(content)
    if document.schema_version != _SCHEMA_VERSION:
        raise InvalidManifestError(f"schemaVersion is {document.schema_version}, not {_SCHEMA_VERSION}")
    if document.media_type is not None and document.media_type != media_type:
        raise InvalidManifestError(
            f"the manifest has mediaType {_quoted(document.media_type)} but is stored as {_quoted(media_type)}"
        )
    children = _index(document) if media_type in INDEX_TYPES else _image(document)
    return Manifest(digest=digest, media_type=media_type, size=len(content), children=children)


def _check_bytes(content: bytes, digest: Digest) -> None:
    if len(content) > MAX_MANIFEST_BYTES:
        raise InvalidManifestError(f"the manifest has {len(content)} bytes, more than {MAX_MANIFEST_BYTES}")
    found = digest_of(content)
    if found != digest:
        raise InvalidManifestError(f"the manifest's bytes have the digest {found}, not {_quoted(digest)}")


def _check_type(media_type: str) -> None:
    if media_type in {DOCKER_SCHEMA1, DOCKER_SCHEMA1_SIGNED}:
        raise InvalidManifestError(
            "Docker image manifests of schema 1 are not supported: push the image again with a current tool"
        )
    if media_type not in IMAGE_TYPES and media_type not in INDEX_TYPES:
        raise InvalidManifestError(f"{_quoted(media_type)} is not the media type of an image or an index of images")


def _document(content: bytes) -> _ManifestDocument:
    """Return the document; refuse one that another parser may read differently."""
    if has_more_values(content, MAX_VALUES):
        raise InvalidManifestError(f"the manifest has more than {MAX_VALUES} JSON values")
    try:
        document = _decode(content)
        json.loads(content, object_pairs_hook=_check_names)
    except (msgspec.MsgspecError, ValueError, RecursionError) as exc:
        raise InvalidManifestError(f"the manifest is not readable: {str(exc)[:_WORDS]!a}") from exc
    return document


def _check_names(members: list[tuple[str, object]]) -> None:
    """Refuse an object that Go's JSON parser reads otherwise, since it ignores the case of names.

    That is one with two names that differ only in case, and a platform with a field name in another case, which is ignored
    here, so that the platform would look less specific than it is.
    """
    if is_ambiguous(members):
        raise InvalidManifestError("an object in the manifest has a name twice, so parsers may disagree")
    names = {name for name, _ in members}
    if names >= _NAMED and ({name.casefold() for name in names} & _PLATFORM_NAMES) - names:
        raise InvalidManifestError(
            "a platform in the manifest has a field whose name differs in case from the specification"
        )


def _image(document: _ManifestDocument) -> tuple[IndexEntry, ...]:
    """Return no children; refuse an image without its parts or with those of an index."""
    if document.manifests is not None:
        raise InvalidManifestError("an image manifest that also lists manifests, as an index does")
    if document.config is None or document.layers is None:
        raise InvalidManifestError("an image manifest without config or layers")
    return ()


def _index(document: _ManifestDocument) -> tuple[IndexEntry, ...]:
    """Return the runnable children, each digest once for each platform."""
    if document.config is not None or document.layers is not None:
        raise InvalidManifestError("an index that also has config or layers, as an image does")
    if document.manifests is None:
        raise InvalidManifestError("an index without manifests")
    if len(document.manifests) > MAX_ENTRIES:
        raise InvalidManifestError(f"the index lists {len(document.manifests)} manifests, more than {MAX_ENTRIES}")
    children = tuple(dict.fromkeys(_runnable(document.manifests)))
    if not children:
        raise InvalidManifestError("an index without a runnable image")
    if len(children) > MAX_CHILDREN:
        raise InvalidManifestError(f"the index lists {len(children)} runnable images, more than {MAX_CHILDREN}")
    described: dict[Digest, tuple[str, int]] = {}
    for child in children:
        if described.setdefault(child.digest, (child.media_type, child.size)) != (child.media_type, child.size):
            raise InvalidManifestError(f"the index lists {child.digest} with two sizes or media types")
    return children


def _runnable(entries: Iterable[_IndexEntry]) -> Iterable[IndexEntry]:
    """Give the children that some node may run.

    Only the platform unknown/unknown, which builders give to attestations and no node has, leaves a child out. An
    annotation that calls it an attestation does not: a runtime chooses by platform and would run it all the same.
    """
    for entry in entries:
        digest = parse_digest(entry.digest)
        if digest is None:
            raise InvalidManifestError(f"the index lists {_quoted(entry.digest)}, which is not a sha256 digest")
        if not 0 <= entry.size <= MAX_MANIFEST_BYTES:
            raise InvalidManifestError(f"the index says that {digest} has {str(entry.size)[:_WORDS]} bytes")
        if entry.platform == _Platform("unknown", "unknown"):
            continue
        _check_type(entry.media_type)
        stated = entry.platform
        yield IndexEntry(
            digest=digest,
            media_type=entry.media_type,
            size=entry.size,
            platform=_platform(stated),
            restricted=stated is not None and bool(stated.os_version or stated.os_features),
        )


def _platform(stated: _Platform | None) -> Platform | None:
    """Return the platform as containerd compares it; None, for any platform, where it is missing, incomplete or invalid."""
    if stated is None or not stated.os or not stated.architecture:
        return None
    platform = normalise(Platform(os=stated.os, architecture=stated.architecture, variant=stated.variant))
    try:
        parse_platform(str(platform))
    except InvalidPlatformError:
        return None
    return platform


def _quoted(text: str) -> str:
    return ascii(text[:_WORDS])
