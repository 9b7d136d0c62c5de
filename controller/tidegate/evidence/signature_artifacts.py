"""Signatures as a registry keeps them: what was found beside an image, and what was left aside and why.

Nothing here is verified. Users with push access choose annotations, artifact types and subjects: these order the search,
and only verification of the envelope's bytes decides. Source: docs of the OCI distribution specification 1.1 (referrers),
Notary Project signature specification, cosign's SIGNATURE_SPEC and BUNDLE_SPEC.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from tidegate.errors import VerificationError
from tidegate.evidence.fact import Cause
from tidegate.images.digest import Digest
from tidegate.images.manifest import MAX_MANIFEST_BYTES as MAX_IMAGE_MANIFEST_BYTES

MAX_LISTED = 200
"""Artifacts of one image that are looked at in lists."""
MAX_EVALUATED = 50
"""Manifests that are fetched, and envelopes that are fetched, for one image."""
ENOUGH_EVALUATED = 10
"""Manifests, or envelopes, after which it is no outage that there was no time for more."""
MAX_MANIFEST_BYTES = MAX_IMAGE_MANIFEST_BYTES
MAX_ENVELOPE_BYTES = 1024 * 1024
MAX_FOUND_BYTES = 8 * MAX_ENVELOPE_BYTES
"""All envelopes of one image together, with their annotations."""
MAX_FOUND_MANIFEST_BYTES = 4 * MAX_MANIFEST_BYTES
"""All manifests of one image's signatures, which stand in memory together: what the three tags may hold, and as much as
one of them may for all that is listed."""
MAX_ANNOTATIONS = 64
MAX_ANNOTATION_CHARACTERS = 256 * 1024
"""Names and values of one object's annotations together; cosign keeps certificates and log entries in them."""
MAX_DETAIL = 300
"""Characters of a text about something that was left aside."""

THUMBPRINTS = "io.cncf.notary.x509chain.thumbprint#S256"
"""The annotation that says, unsigned, which certificates a Notation signature was made with."""
PREDICATE = "dev.sigstore.bundle.predicateType"
"""The annotation that says, unsigned, what a Sigstore bundle states: that of a scan every night, for instance."""


class ArtifactKind(StrEnum):
    """How a signature is kept."""

    NOTATION = "notation"
    SIGSTORE_BUNDLE = "sigstore-bundle"
    COSIGN_SIGNATURE = "cosign-legacy-signature"
    COSIGN_ATTESTATION = "cosign-legacy-attestation"


ALL_KINDS = frozenset(ArtifactKind)


class SkipReason(StrEnum):
    """Why something was left aside.

    Only UNAVAILABLE means that we could not look. Users with push access can cause OVER_LIMIT, so it must never turn
    "no valid signature" into "not known".
    """

    UNAVAILABLE = "Unavailable"
    OVER_LIMIT = "OverLimit"
    TOO_LARGE = "TooLarge"
    BAD_CONTENT = "BadContent"
    WRONG_SUBJECT = "WrongSubject"
    UNSUPPORTED = "Unsupported"
    INACTIVE = "Inactive"
    GONE = "Gone"


class UnusableArtifactError(VerificationError):
    """An artifact is no signature that could be verified; ``reason`` sorts it and the text says what is wrong."""

    def __init__(self, reason: SkipReason, problem: str) -> None:
        super().__init__(problem)
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Descriptor:
    """What an artifact says it is about, or what it holds: media type, digest and size in bytes."""

    media_type: str
    digest: Digest
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactRef:
    """One artifact of a list. ``size`` is the manifest's, or None where the list's own meaning of size is not known."""

    digest: Digest
    media_type: str
    artifact_type: str
    size: int | None
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureArtifact:
    """One signature: an envelope whose bytes have the digest ``envelope_digest``, and metadata that is not signed.

    ``subject`` is what the manifest says it is about, None for cosign's tags, which say nothing. ``fingerprint`` differs
    for signatures that may verify differently: cosign keeps a part of a signature in annotations.
    """

    kind: ArtifactKind
    envelope: bytes = field(repr=False)
    envelope_media_type: str
    envelope_digest: Digest
    manifest_digest: Digest
    subject: Descriptor | None
    layer_annotations: Mapping[str, str] = field(default_factory=dict, repr=False)
    manifest_annotations: Mapping[str, str] = field(default_factory=dict, repr=False)
    fingerprint: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Take the fingerprint once, in the thread that fetched the bytes: annotations may be long."""
        annotations = json.dumps(sorted(self.layer_annotations.items())).encode()
        about = f"{self.kind} {self.envelope_media_type} {self.envelope_digest} {self.manifest_digest} "
        found = hashlib.sha256(about.encode(errors="replace") + annotations).hexdigest()
        object.__setattr__(self, "fingerprint", found)

    @property
    def size(self) -> int:
        """Return about how many bytes it takes in memory."""
        notes = (self.layer_annotations, self.manifest_annotations)
        return len(self.envelope) + sum(len(name) + len(text) for each in notes for name, text in each.items())

    def is_about(self, image: Descriptor) -> bool:
        """Return whether the manifest's subject, where it has one, is exactly this image (N23). It is not signed."""
        return self.subject is None or self.subject == image


@dataclass(frozen=True, slots=True, kw_only=True)
class SkippedArtifact:
    """Something that was left aside: ``what`` names a digest, a tag or a list.

    ``cause`` is there for UNAVAILABLE, and for OVER_LIMIT where there was no time for more.
    """

    what: str
    reason: SkipReason
    detail: str
    cause: Cause | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundArtifacts:
    """All signatures found beside one image, likely ones first.

    ``complete`` is True only where every list was read to its end and everything in it was looked at. Where it is False
    and ``outage`` is None, there was more than is looked at: that is no outage, and ends as "no valid signature".
    """

    artifacts: tuple[SignatureArtifact, ...]
    skipped: tuple[SkippedArtifact, ...]
    complete: bool

    @property
    def size(self) -> int:
        """Return about how many bytes all of it takes in memory."""
        return sum(each.size for each in self.artifacts) + sum(len(each.detail) for each in self.skipped)

    @property
    def outage(self) -> Cause | None:
        """Return why something could not be looked at, or None where nothing was out of reach."""
        return next((each.cause for each in self.skipped if each.reason is SkipReason.UNAVAILABLE), None)

    @property
    def cut_short(self) -> Cause | None:
        """Return why less was looked at than another search might, an outage included, or None."""
        return next((each.cause for each in self.skipped if each.cause is not None), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedArtifacts:
    """Which kinds are wanted, and what is worth trying first.

    ``thumbprints`` (lower-case hexadecimal SHA-256) are of certificates that are trusted, ``predicates`` the types of
    predicates that are looked for.
    """

    kinds: frozenset[ArtifactKind] = ALL_KINDS
    thumbprints: frozenset[str] = frozenset()
    predicates: frozenset[str] = frozenset()


class SigningState(StrEnum):
    """ECR's word on its own signing; UNKNOWN stands for a word that this version does not know."""

    IN_PROGRESS = "IN_PROGRESS"
    COMPLETE = "COMPLETE"
    FAILED = "FAILED"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningHint:
    """What ECR says about signing an image by itself: explains why a signature is missing, and never stands for one."""

    profile_arn: str
    state: SigningState
    failure_code: str = ""
    failure_reason: str = ""


def bounded_annotations(annotations: Mapping[str, str] | None) -> Mapping[str, str] | None:
    """Return the annotations, or None where there are more than are looked at."""
    if not annotations:
        return {}
    characters = sum(len(name) + len(value) for name, value in annotations.items())
    fits = len(annotations) <= MAX_ANNOTATIONS and characters <= MAX_ANNOTATION_CHARACTERS
    return annotations if fits else None
