"""What ``ecr:ListImageReferrers``, ``ecr:BatchGetImage`` and ``ecr:DescribeImageSigningStatus`` say of signatures, read into values.

Pure: from the SDK's objects to evidence. Whether an artifact is a signature at all is not decided here.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from tidegate.aws.ecr_images import read_failure, require_same
from tidegate.aws.errors import MAX_DETAIL
from tidegate.aws.reply import Reply, member
from tidegate.evidence.content import StoredManifest
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
from tidegate.evidence.signature_search import StoredArtifact
from tidegate.images.digest import Digest, digest_of, parse_digest
from tidegate.images.image_id import ImageId
from tidegate.images.repository import EcrRepository

MAX_HINTS = 10
"""Signing profiles of one image; ECR knows ten rules."""

_ABSENCES: Mapping[str, Absence] = {
    "ImageInaccessible": Absence.IMAGE,
    "UpstreamAccessDenied": Absence.CACHE_MISS,
    "UpstreamTooManyRequests": Absence.CACHE_MISS,
    "UpstreamUnavailable": Absence.CACHE_MISS,
}
"""Failures that say that an artifact cannot be pulled from ECR. Whoever may push to an upstream can bring them about."""


def read_referrers(answer: Mapping[str, Any], source: str) -> tuple[list[ArtifactRef], list[SkippedArtifact]]:
    """Read one page of ``referrers``: those that can be pulled, and what was left aside."""
    refs: list[ArtifactRef] = []
    skipped: list[SkippedArtifact] = []
    for described in Reply(answer, source).listed("referrers"):
        status, digest = described.optional_text("artifactStatus"), described.text("digest")
        if status not in ("", ImageStatus.ACTIVE):
            skipped.append(_skipped(digest, SkipReason.INACTIVE, f"its status is {status[:40]!a}"))
        elif (known := parse_digest(digest)) is not None:
            refs.append(_ref(described, known))
        elif ":" in digest and not digest.startswith("sha256:"):
            skipped.append(_skipped(digest, SkipReason.UNSUPPORTED, "expected a sha256 digest"))
        else:
            raise described.wrong("digest", "expected sha256 and 64 hexadecimal digits")
    return refs, skipped


def read_artifacts(
    answer: Mapping[str, Any], repository: EcrRepository, ids: Sequence[ImageId], source: str, *, absent: Absence
) -> dict[ImageId, StoredArtifact]:
    """Read ``images`` and ``failures``, each by the tag or digest that was asked for; what was not answered is left out.

    What is archived is gone: nobody can pull it, and asking again does not help. What ECR would have to get from an
    upstream registry is not in the cache.
    """
    found: dict[ImageId, StoredArtifact] = {}
    reply = Reply(answer, source)
    for failure in reply.objects("failures"):
        for bears in _ids(failure.object("imageId")):
            known = _ABSENCES.get(failure.text("failureCode"))
            found[bears] = known or read_failure(failure, absent)
    for image in reply.listed("images"):
        require_same(image, repository)
        named = image.object("imageId")
        for bears in _ids(named):
            found[bears] = _content(image, named)
    return {each: found[each] for each in ids if each in found}


def read_signing_statuses(answer: Mapping[str, Any], source: str) -> tuple[SigningHint, ...]:
    """Read ``signingStatuses``."""
    return tuple(
        SigningHint(
            profile_arn=each.optional_text("signingProfileArn"),
            state=member(SigningState, each.optional_text("status"), SigningState.UNKNOWN),
            failure_code=each.optional_text("failureCode")[:MAX_DETAIL],
            failure_reason=each.optional_text("failureReason")[:MAX_DETAIL],
        )
        for each in Reply(answer, source).objects("signingStatuses")[:MAX_HINTS]
    )


def _ref(described: Reply, digest: Digest) -> ArtifactRef:
    """Read an entry. Its pusher wrote the artifact type and the annotations, so that neither is a fault of ECR's answer."""
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


def _skipped(digest: str, reason: SkipReason, detail: str) -> SkippedArtifact:
    return SkippedArtifact(what=digest[:80], reason=reason, detail=detail)


def _ids(named: Reply) -> list[ImageId]:
    digest, tag = named.optional_text("imageDigest"), named.optional_text("imageTag")
    return [ImageId("digest", digest)] * bool(digest) + [ImageId("tag", tag)] * bool(tag)


def _content(image: Reply, named: Reply) -> StoredArtifact:
    """Return the manifest, unless these are not the bytes that were pushed.

    That is no trouble with ECR: who may push may push bytes that are no text, which is all that an answer can hold.
    """
    content = image.text("imageManifest").encode(errors="surrogatepass")
    if digest_of(content) != named.text("imageDigest"):
        return UnusableArtifactError(SkipReason.BAD_CONTENT, "the manifest's bytes have another digest")
    return StoredManifest(content=content, media_type=image.optional_text("imageManifestMediaType"))
