"""An OCI image layout in a folder, as a store of images and of the signatures beside them. Nothing is fetched.

The folder is untrusted: file names come from digests only, links and special files are not followed, and every read is
bounded. Source: OCI image specification 1.1, image-layout.md.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tidegate.cli.argument_files import AbsentFileError, ArgumentError, read_below
from tidegate.errors import VerificationError
from tidegate.evidence.artifact_manifest import parse_artifact, parse_referrers
from tidegate.evidence.content import StoredManifest
from tidegate.evidence.fact import Cause
from tidegate.evidence.image import Absence
from tidegate.evidence.signature_artifacts import (
    ALL_KINDS,
    MAX_MANIFEST_BYTES,
    ArtifactRef,
    Descriptor,
    SkippedArtifact,
    SkipReason,
    UnusableArtifactError,
)
from tidegate.evidence.signature_candidates import signature_tags
from tidegate.evidence.source_unavailable import SourceUnavailableError
from tidegate.images.digest import Digest, digest_of, parse_digest
from tidegate.images.image_id import ImageId
from tidegate.images.manifest import IMAGE_TYPES, INDEX_TYPES, MAX_VALUES
from tidegate.referrers.search import Listing, StoredArtifact
from tidegate.strict.json_text import strict_object

MAX_ENTRIES = 2000
"""Manifests of index.json that are checked for referring to an image."""
MAX_MARKER_BYTES = 64 * 1024

REF_NAME = "org.opencontainers.image.ref.name"
VERSION = "1.0.0"
_MARKER, _INDEX, _BLOBS = "oci-layout", "index.json", "blobs"


@dataclass(frozen=True, slots=True, kw_only=True)
class LayoutImage:
    """An image of a layout: its descriptor as index.json has it, and its bytes, not yet compared with the digest."""

    digest: Digest
    media_type: str
    content: bytes


class OciLayout:
    """One layout, which is an ``ArtifactStore``. Raises ArgumentError if the folder is not a layout."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._check_marker()
        try:
            listed = parse_referrers(read_below(folder, _INDEX, count=MAX_MANIFEST_BYTES + 1))
        except AbsentFileError as error:
            raise ArgumentError(f"{folder}: has no index.json; expected an OCI image layout") from error
        except VerificationError as error:
            raise ArgumentError(f"{folder / _INDEX}: {error}") from error
        self._entries = listed.refs

    def _check_marker(self) -> None:
        marker = self._folder / _MARKER
        try:
            content = read_below(self._folder, _MARKER, count=MAX_MARKER_BYTES)
            version = strict_object(content, str(marker)).get("imageLayoutVersion")
        except AbsentFileError as error:
            raise ArgumentError(
                f"{self._folder}: has no file oci-layout; expected an OCI image layout, as oras, skopeo and notation"
                " write it"
            ) from error
        except VerificationError as error:
            raise ArgumentError(str(error)) from error
        if version != VERSION:
            raise ArgumentError(f"{marker}: imageLayoutVersion is {str(version)[:50]!a}, expected {VERSION!r}")

    def image(self, wanted: ImageId | None) -> LayoutImage:
        """Return the wanted image, by default the only one that is not a signature. Raise ArgumentError otherwise."""
        chosen = self._only() if wanted is None else self._entry(wanted)
        if isinstance(chosen, ArtifactRef):
            digest, media_type = chosen.digest, chosen.media_type
        else:
            digest, media_type = chosen, ""
        try:
            content = self._blob(digest, MAX_MANIFEST_BYTES + 1)
        except AbsentFileError as error:
            raise ArgumentError(f"{self._folder}: does not contain {digest}") from error
        return LayoutImage(digest=digest, media_type=media_type or _own_type(content), content=content)

    def referrers(self, subject: Digest, artifact_types: frozenset[str]) -> Listing:
        """List the manifests of index.json whose subject is the digest; the caller filters by type."""
        del artifact_types
        found: list[ArtifactRef] = []
        skipped: list[SkippedArtifact] = []
        looked_at = [each for each in self._entries if each.media_type in IMAGE_TYPES]
        for entry in looked_at[:MAX_ENTRIES]:
            try:
                referrer = self._referrer(entry, subject)
            except UnusableArtifactError:
                continue
            except SourceUnavailableError as error:
                skipped.append(
                    SkippedArtifact(
                        what=entry.digest, reason=SkipReason.UNAVAILABLE, detail=error.source, cause=error.cause
                    )
                )
                continue
            found += [referrer] if referrer is not None else []
        return Listing(refs=tuple(found), skipped=tuple(skipped), more=len(looked_at) > MAX_ENTRIES)

    def manifests(self, ids: Sequence[ImageId]) -> Mapping[ImageId, StoredArtifact]:
        """Return manifests by tag or digest."""
        return {each: self._stored(each) for each in ids}

    def blob(self, blob: Descriptor) -> bytes:
        """Return one blob, or its first bytes where it is longer than it should be."""
        try:
            return self._available(blob.digest, blob.size + 1)
        except AbsentFileError as error:
            raise UnusableArtifactError(SkipReason.GONE, "the layout has no such blob") from error

    def _referrer(self, entry: ArtifactRef, subject: Digest) -> ArtifactRef | None:
        """Return the entry if its manifest's subject is the digest, with the manifest's type and annotations."""
        try:
            content = self._available(entry.digest, MAX_MANIFEST_BYTES + 1)
        except AbsentFileError:
            return None
        if entry.digest == subject or digest_of(content) != entry.digest:
            return None
        manifest = parse_artifact(content)
        if manifest.subject is None or manifest.subject.digest != subject:
            return None
        return ArtifactRef(
            digest=entry.digest,
            media_type=entry.media_type,
            artifact_type=manifest.artifact_type or manifest.config_type,
            size=entry.size,
            annotations=manifest.annotations,
        )

    def _stored(self, wanted: ImageId) -> StoredArtifact:
        try:
            entry = self._entry(wanted)
        except ArgumentError:
            return Absence.IMAGE
        digest = entry.digest if isinstance(entry, ArtifactRef) else entry
        try:
            content = self._available(digest, MAX_MANIFEST_BYTES + 1)
        except AbsentFileError:
            return Absence.IMAGE
        except SourceUnavailableError as error:
            return error
        if digest_of(content) != digest:
            # No other code compares the content of a tag with its digest.
            return StoredManifest(content=b"", media_type="")
        media_type = entry.media_type if isinstance(entry, ArtifactRef) else ""
        return StoredManifest(content=content, media_type=media_type)

    def _entry(self, wanted: ImageId) -> ArtifactRef | Digest:
        """Return the entry of index.json for a tag or digest; a digest may also be a blob that it does not list."""
        if wanted.kind == "digest":
            named = [each for each in self._entries if each.digest == wanted.value]
            digest = parse_digest(wanted.value)
            assert digest is not None
            return named[0] if named else digest
        named = [each for each in self._entries if each.annotations.get(REF_NAME) == wanted.value]
        if not named:
            raise ArgumentError(f"{self._folder}: has no tag {wanted.value[:128]!a}; {self._tags()}")
        if len({each.digest for each in named}) > 1:
            raise ArgumentError(f"{self._folder}: the tag {wanted.value[:128]!a} has several digests; pass one of them")
        return named[0]

    def _only(self) -> ArtifactRef:
        images = [each for each in self._entries if each.media_type in IMAGE_TYPES | INDEX_TYPES]
        digests = {each.digest for each in images}
        helpers = {tag.value for digest in digests for tag in signature_tags(digest, ALL_KINDS).ids}
        images = [each for each in images if each.annotations.get(REF_NAME) not in helpers]
        chosen = {each.digest: each for each in images if not self._is_referrer(each)}
        if len(chosen) != 1:
            raise ArgumentError(
                f"{self._folder}: contains {len(chosen)} images; select one with DIR:TAG or DIR@sha256:...; {self._tags()}"
            )
        return next(iter(chosen.values()))

    def _is_referrer(self, entry: ArtifactRef) -> bool:
        if entry.media_type not in IMAGE_TYPES:
            return False
        try:
            return parse_artifact(self._blob(entry.digest, MAX_MANIFEST_BYTES + 1)).subject is not None
        except (ArgumentError, VerificationError):
            return False

    def _tags(self) -> str:
        tags = sorted({each.annotations[REF_NAME] for each in self._entries if REF_NAME in each.annotations})
        shown = ", ".join(f"{tag[:128]!a}" for tag in tags[:10])
        more = f" and {len(tags) - 10} more" if len(tags) > 10 else ""  # noqa: PLR2004 - as many as are shown
        return f"its tags are {shown}{more}" if tags else "it has no tags"

    def _available(self, digest: Digest, count: int) -> bytes:
        """Return the bytes of a blob; an unreadable blob raises another error than a missing one."""
        try:
            return self._blob(digest, count)
        except AbsentFileError:
            raise
        except ArgumentError as error:
            raise SourceUnavailableError(Cause.UNEXPECTED_ANSWER, str(error)) from error

    def _blob(self, digest: Digest, count: int) -> bytes:
        algorithm, _, name = digest.partition(":")
        return read_below(self._folder, _BLOBS, algorithm, name, count=count)


def _own_type(content: bytes) -> str:
    """Return the media type in a manifest, empty if there is none."""
    try:
        own = strict_object(content, "manifest", max_values=MAX_VALUES).get("mediaType")
    except VerificationError:
        return ""
    return own if isinstance(own, str) else ""
