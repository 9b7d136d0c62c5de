"""Answers of ``ecr:DescribeImages``, ``ecr:BatchGetImage`` and ``ecr:DescribeRepositories``, read into evidence.

Pure: from the SDK's objects to values. An id without an answer is an error, never an absence.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from tidegate.aws.errors import MAX_DETAIL, unexpected
from tidegate.aws.reply import ApiResponse
from tidegate.evidence.content import StoredManifest
from tidegate.evidence.fact import Cause
from tidegate.evidence.image import Absence, ImageDetail, ImageStatus
from tidegate.evidence.ports import DescribedRepository, FetchedManifest
from tidegate.evidence.repository import RepositorySettings, TagMutability
from tidegate.evidence.source_unavailable import SourceUnavailableError, again
from tidegate.images.digest import Digest, digest_of, parse_digest
from tidegate.images.image_id import ImageId
from tidegate.images.manifest import IMAGE_TYPES, INDEX_TYPES
from tidegate.images.repository import EcrRegistry, EcrRepository

V = TypeVar("V")

MAX_EXCLUSION_FILTERS = 5
MAX_WILDCARDS = 2
"""ECR's own limit of one filter; more would make matching a tag expensive."""
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
"""Replaces bytes in an answer that are not UTF-8."""

_REPOSITORY_NAME = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*")
_SHORTEST_NAME, _LONGEST_NAME = 2, 256
_FILTER = re.compile(r"[0-9a-zA-Z._*-]{1,128}")
_MEDIA_TYPES = IMAGE_TYPES | INDEX_TYPES
_WITH_FILTERS = frozenset({TagMutability.IMMUTABLE_WITH_EXCLUSION, TagMutability.MUTABLE_WITH_EXCLUSION})
_FAILURES: Mapping[str, Cause] = {
    "KmsError": Cause.ACCESS_DENIED,
    "ImageInaccessible": Cause.ACCESS_DENIED,
    "UpstreamAccessDenied": Cause.ACCESS_DENIED,
    "UpstreamTooManyRequests": Cause.THROTTLED,
    "UpstreamUnavailable": Cause.UNREACHABLE,
}


def where(repository: EcrRepository) -> dict[str, str]:
    """Return the parameters that name a repository."""
    return {"registryId": repository.registry.account, "repositoryName": repository.name}


def wire_id(image: ImageId) -> dict[str, str]:
    """Return the parameter that names an image by tag or digest."""
    return {"imageTag" if image.kind == "tag" else "imageDigest": image.value}


def can_exist(repository: str) -> bool:
    """Tell whether ECR accepts a repository of that name; with any other name a call would fail."""
    fits = _SHORTEST_NAME <= len(repository) <= _LONGEST_NAME
    return fits and _REPOSITORY_NAME.fullmatch(repository) is not None


def read_images(
    answer: Mapping[str, Any], repository: EcrRepository, ids: Sequence[ImageId], source: str
) -> dict[ImageId, ImageDetail | SourceUnavailableError]:
    """Read ``imageDetails``; an id with no image in the answer, or with several, is UNEXPECTED_ANSWER."""
    found: dict[ImageId, set[ImageDetail]] = {each: set() for each in ids}
    for described in ApiResponse(answer, source).listed("imageDetails"):
        require_same(described, repository)
        detail = _detail(described)
        tags = (ImageId("tag", tag) for tag in described.values("imageTags") if isinstance(tag, str))
        for bears in (ImageId.of_digest(detail.digest), *tags):
            if bears in found:
                found[bears].add(detail)
    return {each: _only(details, each, source) for each, details in found.items()}


def read_manifests(
    answer: Mapping[str, Any], repository: EcrRepository, digests: Sequence[Digest], source: str, *, absent: Absence
) -> dict[Digest, FetchedManifest]:
    """Read ``images`` and ``failures``; ``absent`` is what a missing image means in this repository."""
    found: dict[str, FetchedManifest] = {}

    def note(digest: str, answered: FetchedManifest) -> None:
        known = found.get(digest, answered)
        found[digest] = answered if known == answered else unexpected(source, f"several answers for {digest[:80]}")

    for failure in ApiResponse(answer, source).objects("failures"):
        note(failure.object("imageId").text("imageDigest"), read_failure(failure, absent))
    for image in ApiResponse(answer, source).listed("images"):
        require_same(image, repository)
        digest = image.object("imageId").text("imageDigest")
        note(digest, _manifest(image, digest))
    none = unexpected(source, "no answer for an image that was asked for")
    return {each: found.get(each, none) for each in digests}


def read_repositories(
    answer: Mapping[str, Any], registry: EcrRegistry, names: Sequence[str], source: str
) -> dict[str, DescribedRepository]:
    """Read ``repositories``; a name without one, or with several that differ, is UNEXPECTED_ANSWER."""
    return read_named(answer, registry, names, source, read=read_settings)


def read_named(
    answer: Mapping[str, Any],
    registry: EcrRegistry,
    names: Sequence[str],
    source: str,
    *,
    read: Callable[[ApiResponse], V],
) -> dict[str, Absence | SourceUnavailableError | V]:
    """Read the repositories of the names by ``read``, as ``read_repositories`` does."""
    found: dict[str, Absence | SourceUnavailableError | V] = {}
    for described in ApiResponse(answer, source).listed("repositories"):
        name = described.text("repositoryName")
        require_same(described, EcrRepository(registry, name))
        value = attempt(partial(read, described))
        if found.get(name, value) != value:
            value = unexpected(source, f"several answers for {name[:80]!a} that differ")
        found[name] = value
    none = unexpected(source, "no answer for a repository that was asked for")
    return {each: found.get(each, none) for each in names}


def attempt(read: Callable[[], V]) -> V | SourceUnavailableError:
    """Return what was read, or why it could not be."""
    try:
        return read()
    except SourceUnavailableError as exc:
        return again(exc)


def _detail(described: ApiResponse) -> ImageDetail:
    return ImageDetail(
        digest=read_digest(described, "imageDigest"),
        media_type=described.shared_text("imageManifestMediaType", _MEDIA_TYPES),
        # Regions without archiving do not say: there every image is active.
        status=described.word(ImageStatus, "imageStatus") if described.has("imageStatus") else ImageStatus.ACTIVE,
        pushed_at=described.optional_time("imagePushedAt"),
        restored_at=described.optional_time("lastActivatedAt"),
    )


def _only(details: set[ImageDetail], image: ImageId, source: str) -> ImageDetail | SourceUnavailableError:
    if len(details) == 1:
        return next(iter(details))
    return unexpected(source, f"{len(details)} answers for {image}, expected one")


def _manifest(image: ApiResponse, digest: str) -> StoredManifest | SourceUnavailableError:
    """Return the manifest. Bytes with another digest are an error, unless the user who pushed them caused it."""
    text = image.text("imageManifest")
    content = text.encode(errors="surrogatepass")
    if digest_of(content) != digest and is_text(text):
        return unexpected(image.source, f"{image.path}.imageManifest: the bytes are not those of {digest[:80]!a}")
    return StoredManifest(content=content, media_type=image.text("imageManifestMediaType"))


def is_text(text: str) -> bool:
    """Tell whether a text is exactly what was pushed: bytes that are not UTF-8 are replaced in an answer."""
    return REPLACEMENT not in text and not any("\ud800" <= each <= "\udfff" for each in text)


def read_failure(failure: ApiResponse, absent: Absence) -> Absence | SourceUnavailableError:
    """Return the meaning of one of BatchGetImage's ``failures``; ``absent`` is that of a missing image."""
    code = failure.text("failureCode")
    if code == "ImageNotFound":
        return absent
    cause = _FAILURES.get(code, Cause.UNEXPECTED_ANSWER)
    detail = f"{code}: {failure.optional_text('failureReason')}"
    return SourceUnavailableError(cause, failure.source, detail[:MAX_DETAIL])


def read_settings(described: ApiResponse) -> RepositorySettings:
    """Return the mode with its filters; raise if they contradict each other, since either may be wrong."""
    mode = described.word(TagMutability, "imageTagMutability")
    filters = tuple(_exclusion(each) for each in described.objects("imageTagMutabilityExclusionFilters"))
    if len(filters) > MAX_EXCLUSION_FILTERS or bool(filters) is not (mode in _WITH_FILTERS):
        raise described.wrong("imageTagMutabilityExclusionFilters", f"{len(filters)} filters beside the mode {mode}")
    return RepositorySettings(mutability=mode, exclusion_filters=filters)


def _exclusion(described: ApiResponse) -> str:
    """Return a wildcard filter; raise for a kind or a text with unknown meaning."""
    text, kind = described.text("filter"), described.text("filterType")
    if kind != "WILDCARD" or not _FILTER.fullmatch(text) or text.count("*") > MAX_WILDCARDS:
        raise described.wrong("filter", f"this version does not know what {kind[:40]!a} {text[:140]!a} matches")
    return text


def read_digest(described: ApiResponse, name: str) -> Digest:
    """Return a digest; raise for any other text."""
    digest = parse_digest(described.text(name))
    if digest is None:
        raise described.wrong(name, "expected sha256 and 64 hexadecimal digits")
    return digest


def require_same(described: ApiResponse, repository: EcrRepository) -> None:
    """Raise unless an answer names the repository that was asked for."""
    described.require_same("registryId", repository.registry.account)
    described.require_same("repositoryName", repository.name)
