"""Manifests of signatures and lists of referrers, from bytes to values. Pure; nothing is fetched and nothing is trusted.

As with images, what another reader of the same bytes might read differently is refused.
"""

import json
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from threading import Lock

import msgspec

from tidegate.evidence.signature_artifacts import (
    MAX_MANIFEST_BYTES,
    ArtifactKind,
    ArtifactRef,
    Descriptor,
    SkipReason,
    UnusableArtifactError,
    bounded_annotations,
)
from tidegate.images.digest import parse_digest
from tidegate.images.json_bounds import has_more_values, is_ambiguous
from tidegate.images.manifest import IMAGE_TYPES, OCI_INDEX

NOTATION_TYPE = "application/vnd.cncf.notary.signature"
EMPTY_CONFIG = "application/vnd.oci.empty.v1+json"
COSIGN_SIGNATURE_TYPE = "application/vnd.dev.cosign.artifact.sig.v1+json"
"""What cosign 2 called its signatures where it pushed them as referrers."""
BUNDLE_TYPES = frozenset(
    {
        "application/vnd.dev.sigstore.bundle.v0.3+json",
        "application/vnd.dev.sigstore.bundle+json;version=0.3",
        "application/vnd.dev.sigstore.bundle+json;version=0.2",
        "application/vnd.dev.sigstore.bundle+json;version=0.1",
    }
)
NOTATION_ENVELOPES = frozenset({"application/jose+json", "application/cose"})
SIMPLE_SIGNING = "application/vnd.dev.cosign.simplesigning.v1+json"
DSSE_ENVELOPE = "application/vnd.dsse.envelope.v1+json"
MAX_LAYERS = 1000
"""Layers of one manifest: cosign keeps a signature in each, and reads no more itself."""
MAX_VALUES = 30_000
"""JSON values of one manifest: MAX_LAYERS of cosign's have about 18,000, those in the texts of annotations included."""
LARGE_BYTES = 256 * 1024
"""Bytes of a manifest that is read while no other such is; signatures' have 1 to 50 KB."""

_LARGE = Lock()
_LEGACY = {SIMPLE_SIGNING: ArtifactKind.COSIGN_SIGNATURE, DSSE_ENVELOPE: ArtifactKind.COSIGN_ATTESTATION}
_SCHEMA_VERSION = 2
_QUOTED = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerDescriptor:
    """One blob of an artifact, as its manifest describes it; ``annotations`` is None where there are too many."""

    blob: Descriptor
    annotations: Mapping[str, str] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactManifest:
    """The parsed manifest of an artifact; ``artifact_type`` and ``config_type`` are empty where it has none."""

    artifact_type: str
    config_type: str
    subject: Descriptor | None
    layers: tuple[LayerDescriptor, ...]
    annotations: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferrerList:
    """One list of referrers; ``unreadable`` counts entries by whose digest nothing could be fetched."""

    refs: tuple[ArtifactRef, ...]
    unreadable: int


class _Part(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    media_type: str
    digest: str
    size: int
    artifact_type: str | None = None
    annotations: dict[str, str] | None = None


class _ArtifactDocument(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    schema_version: int
    media_type: str | None = None
    artifact_type: str | None = None
    config: _Part | None = None
    layers: list[_Part] | None = None
    manifests: list[_Part] | None = None
    subject: _Part | None = None
    annotations: dict[str, str] | None = None


_decode = msgspec.json.Decoder(_ArtifactDocument).decode


def parse_artifact(content: bytes) -> ArtifactManifest:
    """Return the manifest of an artifact; raise UnusableArtifactError where it is none.

    Source: OCI image specification 1.1, manifest.md.
    """
    document = _document(content)
    if document.media_type is not None and document.media_type not in IMAGE_TYPES:
        raise _bad(f"the manifest calls itself {_quoted(document.media_type)}")
    if document.config is None or document.layers is None or document.manifests is not None:
        raise _bad("a manifest without config or layers, or one that also lists manifests")
    if len(document.layers) > MAX_LAYERS:
        raise UnusableArtifactError(SkipReason.TOO_LARGE, f"{len(document.layers)} layers, more than {MAX_LAYERS}")
    return ArtifactManifest(
        artifact_type=document.artifact_type or "",
        config_type=document.config.media_type,
        subject=None if document.subject is None else _descriptor(document.subject),
        layers=tuple(
            LayerDescriptor(blob=_descriptor(each), annotations=bounded_annotations(each.annotations))
            for each in document.layers
        ),
        annotations=bounded_annotations(document.annotations) or {},
    )


def parse_referrers(content: bytes) -> ReferrerList:
    """Return the entries of an index of referrers, all of them; raise UnusableArtifactError where it is no index.

    Source: OCI distribution specification 1.1, "listing referrers" and "referrers tag schema".
    """
    document = _document(content)
    if document.media_type is not None and document.media_type != OCI_INDEX:
        raise _bad(f"the list of referrers calls itself {_quoted(document.media_type)}")
    if document.manifests is None or document.config is not None or document.layers is not None:
        raise _bad("a list of referrers without manifests, or one that also has config or layers")
    refs = tuple(each for each in map(_ref, document.manifests) if each is not None)
    return ReferrerList(refs=refs, unreadable=len(document.manifests) - len(refs))


def signature_layers(
    manifest: ArtifactManifest, kinds: frozenset[ArtifactKind]
) -> Sequence[tuple[ArtifactKind, LayerDescriptor]]:
    """Return the layers that hold envelopes, with the kind of each; what the manifest holds decides, not its list.

    Raise UnusableArtifactError for a layout that no signature has (N23, N24), and for kinds that are not wanted.
    """
    found = _notation(manifest) or _bundle(manifest) or _legacy(manifest)
    if not found:
        raise UnusableArtifactError(
            SkipReason.UNSUPPORTED,
            f"no signature: artifact type {_quoted(manifest.artifact_type or manifest.config_type)}",
        )
    wanted = [each for each in found if each[0] in kinds]
    if not wanted:
        raise UnusableArtifactError(
            SkipReason.UNSUPPORTED, f"a signature of the kind {found[0][0]}, which is not asked for"
        )
    return wanted


def _notation(manifest: ArtifactManifest) -> list[tuple[ArtifactKind, LayerDescriptor]]:
    if NOTATION_TYPE not in (manifest.artifact_type, manifest.config_type):
        return []
    expected = EMPTY_CONFIG if manifest.artifact_type else NOTATION_TYPE
    if manifest.artifact_type not in ("", NOTATION_TYPE) or manifest.config_type != expected:
        raise _bad(
            f"artifact type {_quoted(manifest.artifact_type)} with config {_quoted(manifest.config_type)}"
            " is no Notation signature"
        )
    layer = _single(manifest)
    if layer.blob.media_type not in NOTATION_ENVELOPES:
        raise UnusableArtifactError(
            SkipReason.UNSUPPORTED,
            f"signature envelope format with media type {_quoted(layer.blob.media_type)} is not supported",
        )
    return [(ArtifactKind.NOTATION, layer)]


def _bundle(manifest: ArtifactManifest) -> list[tuple[ArtifactKind, LayerDescriptor]]:
    if not any(each.blob.media_type in BUNDLE_TYPES for each in manifest.layers):
        return []
    return [(ArtifactKind.SIGSTORE_BUNDLE, _single(manifest))]


def _legacy(manifest: ArtifactManifest) -> list[tuple[ArtifactKind, LayerDescriptor]]:
    known = ((_LEGACY.get(each.blob.media_type), each) for each in manifest.layers)
    return [(kind, layer) for kind, layer in known if kind is not None]


def _single(manifest: ArtifactManifest) -> LayerDescriptor:
    if len(manifest.layers) != 1:
        raise _bad(f"expected exactly one signature envelope blob, got {len(manifest.layers)}")
    return manifest.layers[0]


def _document(content: bytes) -> _ArtifactDocument:
    if len(content) > MAX_MANIFEST_BYTES:
        raise UnusableArtifactError(SkipReason.TOO_LARGE, f"signature manifest too large: {len(content)} bytes")
    if has_more_values(content, MAX_VALUES):
        raise UnusableArtifactError(SkipReason.TOO_LARGE, f"more than {MAX_VALUES} JSON values")
    try:
        # In threads, each of which holds the interpreter's lock while it reads: of large ones, one at a time.
        with _LARGE if len(content) > LARGE_BYTES else nullcontext():
            document = _decode(content)
            json.loads(content, object_pairs_hook=_refuse_twins)
    except (msgspec.MsgspecError, ValueError, RecursionError) as exc:
        raise _bad(f"not readable as a manifest: {_quoted(str(exc))}") from exc
    if document.schema_version != _SCHEMA_VERSION:
        raise _bad(f"schemaVersion is {str(document.schema_version)[:_QUOTED]}, not {_SCHEMA_VERSION}")
    return document


def _refuse_twins(members: list[tuple[str, object]]) -> None:
    if is_ambiguous(members):
        raise _bad("a name stands twice in one object, so that readers may disagree")


def _descriptor(part: _Part) -> Descriptor:
    digest = parse_digest(part.digest)
    if digest is None:
        raise _bad(f"{_quoted(part.digest)} is not a sha256 digest")
    if part.size < 0:
        raise _bad(f"{digest} is said to have less than no bytes")
    return Descriptor(media_type=part.media_type, digest=digest, size=part.size)


def _ref(part: _Part) -> ArtifactRef | None:
    digest = parse_digest(part.digest)
    if digest is None:
        return None
    return ArtifactRef(
        digest=digest,
        media_type=part.media_type,
        artifact_type=part.artifact_type or "",
        size=part.size,
        annotations=bounded_annotations(part.annotations) or {},
    )


def _bad(problem: str) -> UnusableArtifactError:
    return UnusableArtifactError(SkipReason.BAD_CONTENT, problem)


def _quoted(text: str) -> str:
    return ascii(text[:_QUOTED])
