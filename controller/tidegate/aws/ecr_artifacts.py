"""Answers of ``ecr:ListImageReferrers``, ``ecr:BatchGetImage`` and ``ecr:DescribeImageSigningStatus`` about signatures.

Pure: from the SDK's objects to evidence. Whether an artifact is a signature is not decided here.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from tidegate.aws.ecr_images import is_text, read_failure, require_same
from tidegate.aws.errors import MAX_DETAIL, unexpected
from tidegate.aws.reply import ApiResponse, member
from tidegate.evidence.content import StoredManifest
from tidegate.evidence.fact import Cause
from tidegate.evidence.image import Absence, ImageStatus
from tidegate.evidence.signature_artifacts import (
    ArtifactRef,
    SigningHint,
    SigningState,
    SkippedArtifact,
    SkipReason,
    UnusableArtifactError,
    bounded_annotations,
)
from tidegate.evidence.source_unavailable import SourceUnavailableError
from tidegate.images.digest import Digest, digest_of, parse_digest
from tidegate.images.image_id import ImageId
from tidegate.images.repository import EcrRepository
from tidegate.referrers.search import Listing, StoredArtifact

MAX_HINTS = 10
"""Signing profiles of one image; ECR knows ten rules."""

_ABSENCES: Mapping[str, Absence] = {
    "ImageInaccessible": Absence.IMAGE,
    "UpstreamAccessDenied": Absence.CACHE_MISS,
    "UpstreamTooManyRequests": Absence.CACHE_MISS,
    "UpstreamUnavailable": Absence.CACHE_MISS,
}
"""Failures of artifacts that cannot be pulled from ECR. A user who can push to an upstream registry can cause them."""


def read_referrers(answer: Mapping[str, Any], source: str, *, more: bool) -> Listing:
    """Read one page of ``referrers``: those that can be pulled, and what was skipped."""
    refs: list[ArtifactRef] = []
    skipped: list[SkippedArtifact] = []
    for described in ApiResponse(answer, source).listed("referrers"):
        digest = described.text("digest")
        try:
            active = not described.has("artifactStatus")
            active = active or described.word(ImageStatus, "artifactStatus") is ImageStatus.ACTIVE
        except SourceUnavailableError as exc:
            skipped.append(_skipped(digest, SkipReason.UNAVAILABLE, exc.detail, exc.cause))
            continue
        if not active:
            skipped.append(_skipped(digest, SkipReason.INACTIVE, "it is archived"))
        elif (known := parse_digest(digest)) is not None:
            refs.append(_ref(described, known))
        elif ":" in digest and not digest.startswith("sha256:"):
            skipped.append(_skipped(digest, SkipReason.UNSUPPORTED, "expected a sha256 digest"))
        else:
            raise described.wrong("digest", "expected sha256 and 64 hexadecimal digits")
    return Listing(refs=tuple(refs), skipped=tuple(skipped), more=more)


def read_artifacts(
    answer: Mapping[str, Any], repository: EcrRepository, ids: Sequence[ImageId], source: str, *, absent: Absence
) -> dict[ImageId, StoredArtifact]:
    """Read ``images`` and ``failures`` by the requested tags and digests; ids without an answer are left out.

    An archived artifact counts as missing: it cannot be pulled. Different answers for one id are an error, unless one
    has the bytes of the requested digest.
    """
    found: dict[ImageId, list[StoredArtifact]] = {each: [] for each in ids}
    reply = ApiResponse(answer, source)
    for failure in reply.objects("failures"):
        for bears in _ids(failure.object("imageId")):
            known = _ABSENCES.get(failure.text("failureCode"))
            found.get(bears, []).append(known or read_failure(failure, absent))
    for image in reply.listed("images"):
        require_same(image, repository)
        named = image.object("imageId")
        for bears in _ids(named):
            found.get(bears, []).append(_content(image, named))
    return {each: _only(answers, each, source) for each, answers in found.items() if answers}


def read_signing_statuses(
    answer: Mapping[str, Any], repository: EcrRepository, digest: Digest, source: str
) -> tuple[SigningHint, ...]:
    """Read ``signingStatuses`` of one image."""
    reply = ApiResponse(answer, source)
    require_same(reply, repository)
    reply.object("imageId").require_same("imageDigest", digest)
    return tuple(
        SigningHint(
            profile_arn=each.optional_text("signingProfileArn"),
            state=member(SigningState, each.optional_text("status"), SigningState.UNKNOWN),
            failure_code=each.optional_text("failureCode")[:MAX_DETAIL],
            failure_reason=each.optional_text("failureReason")[:MAX_DETAIL],
        )
        for each in reply.listed("signingStatuses")[:MAX_HINTS]
    )


def _ref(described: ApiResponse, digest: Digest) -> ArtifactRef:
    """Read an entry. Users choose artifact type and annotations, so invalid ones are no error of ECR."""
    notes = described.value("annotations")
    texts = notes.items() if isinstance(notes, Mapping) else ()
    artifact_type = described.value("artifactType")
    return ArtifactRef(
        digest=digest,
        media_type=described.text("mediaType"),
        artifact_type=artifact_type if isinstance(artifact_type, str) else "",
        # ECR calls it the size of the artifact, and does not say whether that is its manifest's.
        size=None,
        annotations=bounded_annotations({name: text for name, text in texts if isinstance(text, str)}) or {},
    )


def _skipped(digest: str, reason: SkipReason, detail: str, cause: Cause | None = None) -> SkippedArtifact:
    return SkippedArtifact(what=digest[:80], reason=reason, detail=detail, cause=cause)


def _ids(named: ApiResponse) -> list[ImageId]:
    digest, tag = named.optional_text("imageDigest"), named.optional_text("imageTag")
    return [ImageId("digest", digest)] * bool(digest) + [ImageId("tag", tag)] * bool(tag)


def _only(answers: Sequence[StoredArtifact], asked: ImageId, source: str) -> StoredArtifact:
    whole = [each for each in answers if isinstance(each, StoredManifest)]
    if whole and asked.kind == "digest":
        return whole[0]
    same = all(each == answers[0] for each in answers) or len(answers) == 1
    return answers[0] if same else unexpected(source, f"{len(answers)} answers for {asked} that differ")


def _content(image: ApiResponse, named: ApiResponse) -> StoredArtifact:
    """Return the manifest, unless its bytes have another digest.

    A user who pushes can cause that: with bytes that are not UTF-8, which ECR's JSON cannot hold, and under a tag with
    a format that ECR converts. Otherwise it is an error of ECR.
    """
    text, digest = image.text("imageManifest"), named.text("imageDigest")
    content = text.encode(errors="surrogatepass")
    if digest_of(content) == digest:
        return StoredManifest(content=content, media_type=image.optional_text("imageManifestMediaType"))
    if not is_text(text) or named.has("imageTag"):
        return UnusableArtifactError(SkipReason.BAD_CONTENT, "the manifest's bytes have another digest")
    return unexpected(image.source, f"{image.path}.imageManifest: the bytes are not those of {digest[:80]!a}")
