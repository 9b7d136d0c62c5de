"""Image manifests and indexes, from bytes whose digest is checked first.

Children of an index are bounded and attestation manifests are left out. Nothing is fetched here.
"""

from dataclasses import dataclass

from tidegate.images.digest import Digest
from tidegate.images.platform import Platform

MAX_MANIFEST_BYTES = 4 * 1024 * 1024
"""What Amazon ECR stores at most, and what is parsed at most."""
MAX_CHILDREN = 64
"""Runnable children of one index, and entries of one index including attestations times four."""
MAX_INDEX_DEPTH = 2
"""An index may name an index, which may name no further one."""

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
    """One runnable child of an index; ``platform`` is None where the index names none."""

    digest: Digest
    media_type: str
    size: int
    platform: Platform | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """A parsed manifest: a runnable image (no children) or an index (children without attestations)."""

    digest: Digest
    media_type: str
    size: int
    children: tuple[IndexEntry, ...]

    @property
    def is_index(self) -> bool:
        """Tell whether this is an index."""
        return self.media_type in INDEX_TYPES


def parse_manifest(content: bytes, *, digest: Digest, media_type: str) -> Manifest:
    """Return the manifest; raise InvalidManifestError when bytes, digest, media type or bounds do not agree."""
    raise NotImplementedError
