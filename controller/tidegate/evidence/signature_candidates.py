"""Which artifacts of a registry are worth fetching as signatures, and in which order. Hints only; none decides.

Pure. ``artifact_manifest`` reads what a manifest really holds, and only verification decides what it is worth.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tidegate.evidence.artifact_manifest import BUNDLE_TYPES, COSIGN_SIGNATURE_TYPE, EMPTY_CONFIG, NOTATION_TYPE
from tidegate.evidence.signature_artifacts import (
    MAX_MANIFEST_BYTES,
    PREDICATE,
    THUMBPRINTS,
    ArtifactKind,
    ArtifactRef,
    SkippedArtifact,
    SkipReason,
    WantedArtifacts,
)
from tidegate.images.digest import Digest
from tidegate.images.image_id import ImageId
from tidegate.images.manifest import IMAGE_TYPES

MAX_THUMBPRINTS_CHARACTERS = 16 * 1024
"""Length of a thumbprint annotation that is read at all."""

_TYPES: Mapping[ArtifactKind, frozenset[str]] = {
    ArtifactKind.NOTATION: frozenset({NOTATION_TYPE}),
    ArtifactKind.SIGSTORE_BUNDLE: BUNDLE_TYPES,
    ArtifactKind.COSIGN_SIGNATURE: frozenset({COSIGN_SIGNATURE_TYPE}),
    ArtifactKind.COSIGN_ATTESTATION: frozenset(),
}
_UNSPECIFIC = frozenset({"", EMPTY_CONFIG})
"""Artifact types that name no kind. cosign writes the second one for its bundles into the fallback index."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureTags:
    """Tags under which signatures of one digest stand: the fallback ``index`` of referrers, and cosign's own."""

    index: ImageId | None
    legacy: tuple[ImageId, ...]

    @property
    def ids(self) -> tuple[ImageId, ...]:
        """Return all of them."""
        return ((self.index,) if self.index is not None else ()) + self.legacy


def referrer_types(kinds: frozenset[ArtifactKind]) -> frozenset[str]:
    """Return the artifact types under which signatures of these kinds are listed as referrers."""
    return frozenset[str]().union(*(_TYPES[kind] for kind in kinds))


def signature_tags(subject: Digest, kinds: frozenset[ArtifactKind]) -> SignatureTags:
    """Return the tags of these kinds. Source: OCI distribution 1.1, "referrers tag schema"; cosign's SIGNATURE_SPEC."""
    base = subject.replace(":", "-")
    suffixes = {ArtifactKind.COSIGN_SIGNATURE: ".sig", ArtifactKind.COSIGN_ATTESTATION: ".att"}
    return SignatureTags(
        index=ImageId.of_tag(base) if referrer_types(kinds) else None,
        legacy=tuple(ImageId.of_tag(base + suffix) for kind, suffix in suffixes.items() if kind in kinds),
    )


def listed_candidates(refs: Iterable[ArtifactRef], kinds: frozenset[ArtifactKind]) -> list[ArtifactRef]:
    """Return what a referrers API lists as a signature of these kinds, or as nothing in particular (N21).

    The API may have ignored the types that it was asked for.
    """
    types = referrer_types(kinds) | _UNSPECIFIC
    return [each for each in refs if each.artifact_type in types]


def refusal(ref: ArtifactRef) -> SkippedArtifact | None:
    """Return why a candidate need not be fetched (N22), or None."""
    if ref.media_type not in IMAGE_TYPES:
        problem = f"no manifest, but {ref.media_type[:100]!a}"
        return SkippedArtifact(what=ref.digest, reason=SkipReason.UNSUPPORTED, detail=problem)
    if ref.size is not None and ref.size > MAX_MANIFEST_BYTES:
        problem = f"signature manifest too large: {str(ref.size)[:30]} bytes"
        return SkippedArtifact(what=ref.digest, reason=SkipReason.TOO_LARGE, detail=problem)
    return None


def likely_first(refs: Iterable[ArtifactRef], wanted: WantedArtifacts) -> list[ArtifactRef]:
    """Return the candidates, each digest once: first those that name a certificate (N25) or a predicate worth trying.

    Last come those that name another predicate: the attestations of many nights must not crowd out a signature.
    """
    once = {each.digest: each for each in refs}
    return sorted(once.values(), key=lambda each: _rank(each, wanted))


def _rank(ref: ArtifactRef, wanted: WantedArtifacts) -> int:
    predicate = ref.annotations.get(PREDICATE, "")
    if predicate in wanted.predicates or _thumbprints(ref) & wanted.thumbprints:
        return 0
    return 2 if predicate and wanted.predicates else 1


def _thumbprints(ref: ArtifactRef) -> frozenset[str]:
    text = ref.annotations.get(THUMBPRINTS, "")
    if not text or len(text) > MAX_THUMBPRINTS_CHARACTERS:
        return frozenset()
    try:
        named = json.loads(text)
    except (ValueError, RecursionError):
        return frozenset()
    return (
        frozenset(each.lower() for each in named if isinstance(each, str)) if isinstance(named, list) else frozenset()
    )
