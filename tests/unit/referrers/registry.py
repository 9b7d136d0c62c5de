"""A registry in memory, and what is found of signatures in it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.simulator.artifacts import NOTATION, LayerPart, artifact, signature
from tests.simulator.manifests import Manifest
from tidegate.evidence.content import StoredManifest
from tidegate.evidence.fact import Cause
from tidegate.evidence.image import Absence
from tidegate.evidence.signature_artifacts import (
    ArtifactKind,
    ArtifactRef,
    Descriptor,
    FoundArtifacts,
    SkipReason,
    WantedArtifacts,
)
from tidegate.evidence.source_unavailable import SourceUnavailableError, again
from tidegate.images.digest import Digest
from tidegate.images.image_id import ImageId
from tidegate.referrers.search import Listing, StoredArtifact, find_signatures

IMAGE = artifact([LayerPart(data=b"layer", media_type="a/b")], subject=None)
OTHER = artifact([LayerPart(data=b"another", media_type="a/b")], subject=None)
SUBJECT = Digest(IMAGE.digest)
ENVELOPE = b'{"payload":"e30"}'
JUST_NOTATION = frozenset({ArtifactKind.NOTATION})
DOWN = SourceUnavailableError(Cause.SERVER_ERROR, "registry")


@dataclass
class Registry:
    """What stands beside the image: ``listed`` by its API, ``tagged`` under tags; what is ``down`` cannot be had."""

    listed: list[Manifest] = field(default_factory=list)
    tagged: dict[str, Manifest] = field(default_factory=dict)
    more: list[Manifest] = field(default_factory=list)
    changes: dict[str, Any] = field(default_factory=dict)
    lies: dict[str, bytes] = field(default_factory=dict)
    down: frozenset[str] = frozenset()
    fetched: list[str] = field(default_factory=list)

    def referrers(self, subject: Digest, artifact_types: frozenset[str]) -> Listing:
        assert subject == SUBJECT
        if "referrers" in self.down:
            raise again(DOWN)
        # The types are a wish; this registry does not hear it.
        return Listing(refs=tuple(self._ref(one) for one in self.listed))

    def manifests(self, ids: Sequence[ImageId]) -> Mapping[ImageId, StoredArtifact]:
        self.fetched += [one.value for one in ids]
        return {one: self._stored(one.value) for one in ids}

    def blob(self, blob: Descriptor) -> bytes:
        self.fetched.append(blob.digest)
        if blob.digest in self.down:
            raise again(DOWN)
        if blob.digest in self.lies:
            return self.lies[blob.digest]
        return {digest: data for one in self._all for digest, data in one.blobs.items()}[blob.digest]

    @property
    def _all(self) -> list[Manifest]:
        return [*self.listed, *self.more, *self.tagged.values()]

    def _stored(self, wanted: str) -> StoredArtifact:
        if wanted in self.down:
            return DOWN
        found = self.tagged | {one.digest: one for one in self._all}
        if wanted not in found:
            return Absence.IMAGE
        return StoredManifest(content=self.lies.get(wanted, found[wanted].data), media_type=found[wanted].media_type)

    def _ref(self, manifest: Manifest) -> ArtifactRef:
        described: dict[str, Any] = {
            "digest": Digest(manifest.digest),
            "media_type": manifest.media_type,
            "artifact_type": manifest.artifact_type or "",
            "size": len(manifest.data),
            "annotations": manifest.annotations,
        }
        return ArtifactRef(**(described | self.changes))


def find(registry: Registry, *, thumbprints: frozenset[str] = frozenset(), seconds: float = 1.0) -> FoundArtifacts:
    wanted = WantedArtifacts(kinds=JUST_NOTATION, thumbprints=thumbprints)
    return find_signatures(registry, SUBJECT, wanted, seconds_left=lambda: seconds)


def notation(envelope: bytes = ENVELOPE, **options: Any) -> Manifest:
    return signature(NOTATION, envelope, **({"subject": IMAGE} | options))


def envelopes(found: FoundArtifacts) -> list[bytes]:
    return [one.envelope for one in found.artifacts]


def reasons(found: FoundArtifacts) -> list[SkipReason]:
    return [one.reason for one in found.skipped]


SIGNED = notation()
