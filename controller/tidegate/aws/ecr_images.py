"""What ``ecr:DescribeImages``, ``ecr:BatchGetImage`` and ``ecr:DescribeRepositories`` answer, read into evidence.

Pure: from the SDK's objects to values. What was asked for and not answered is an error here, never an absence.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from tidegate.aws.errors import MAX_DETAIL, unexpected
from tidegate.aws.reply import Reply, member
from tidegate.evidence.content import StoredManifest
from tidegate.evidence.fact import Cause
from tidegate.evidence.image import Absence, ImageDetail, ImageStatus
from tidegate.evidence.ports import DescribedRepository, FetchedManifest
from tidegate.evidence.repository import RepositorySettings, TagMutability
from tidegate.evidence.unavailable import AwsUnavailableError
from tidegate.images.digest import Digest, parse_digest
from tidegate.images.image_id import ImageId
from tidegate.images.repository import EcrRegistry, EcrRepository

MAX_EXCLUSION_FILTERS = 5
MAX_WILDCARDS = 2
"""What ECR allows in one filter; more would make matching a tag expensive."""

_REPOSITORY_NAME = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*")
_SHORTEST_NAME, _LONGEST_NAME = 2, 256
_FILTER = re.compile(r"[0-9a-zA-Z._*-]{1,128}")
_FAILURES: Mapping[str, Cause] = {
    "KmsError": Cause.ACCESS_DENIED,
    "ImageInaccessible": Cause.ACCESS_DENIED,
    "UpstreamAccessDenied": Cause.ACCESS_DENIED,
    "UpstreamTooManyRequests": Cause.THROTTLED,
    "UpstreamUnavailable": Cause.UNREACHABLE,
}


def can_exist(repository: str) -> bool:
    """Tell whether ECR accepts a repository of that name: with any other, no call could even be made."""
    fits = _SHORTEST_NAME <= len(repository) <= _LONGEST_NAME
    return fits and _REPOSITORY_NAME.fullmatch(repository) is not None


def read_images(
    answer: Mapping[str, Any], repository: EcrRepository, ids: Sequence[ImageId], source: str
) -> dict[ImageId, ImageDetail | AwsUnavailableError]:
    """Read ``imageDetails``; an id that no image of the answer bears, or several do, is UNEXPECTED_ANSWER."""
    found: dict[ImageId, set[ImageDetail]] = {each: set() for each in ids}
    for described in Reply(answer, source).listed("imageDetails"):
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
    for failure in Reply(answer, source).objects("failures"):
        found[failure.object("imageId").text("imageDigest")] = read_failure(failure, absent)
    for image in Reply(answer, source).listed("images"):
        require_same(image, repository)
        digest = image.object("imageId").text("imageDigest")
        known = found.get(digest)
        content: FetchedManifest = _manifest(image)
        if known is not None and known != content:
            content = unexpected(source, f"several answers for {digest}")
        found[digest] = content
    none = unexpected(source, "no answer for an image that was asked for")
    return {each: found.get(each, none) for each in digests}


def read_repositories(
    answer: Mapping[str, Any], registry: EcrRegistry, names: Sequence[str], source: str
) -> dict[str, DescribedRepository]:
    """Read ``repositories``; a name without one is UNEXPECTED_ANSWER."""
    found: dict[str, DescribedRepository] = {}
    for described in Reply(answer, source).listed("repositories"):
        name = described.text("repositoryName")
        require_same(described, EcrRepository(registry, name))
        found[name] = _settings(described)
    none = unexpected(source, "no answer for a repository that was asked for")
    return {each: found.get(each, none) for each in names}


def _detail(described: Reply) -> ImageDetail:
    status = described.optional_text("imageStatus")
    return ImageDetail(
        digest=_digest(described, "imageDigest"),
        media_type=described.optional_text("imageManifestMediaType"),
        # Regions without archiving do not say: there every image is active.
        status=member(ImageStatus, status, ImageStatus.UNKNOWN) if status else ImageStatus.ACTIVE,
        pushed_at=described.optional_time("imagePushedAt"),
        restored_at=described.optional_time("lastActivatedAt"),
    )


def _only(details: set[ImageDetail], image: ImageId, source: str) -> ImageDetail | AwsUnavailableError:
    if len(details) == 1:
        return next(iter(details))
    return unexpected(source, f"{len(details)} answers for {image}, expected one")


def _manifest(image: Reply) -> StoredManifest:
    """Return the manifest. Who pushed it may have written what is no text; its digest then tells, and no outage is seen."""
    content = image.text("imageManifest").encode(errors="surrogatepass")
    return StoredManifest(content=content, media_type=image.optional_text("imageManifestMediaType"))


def read_failure(failure: Reply, absent: Absence) -> Absence | AwsUnavailableError:
    """Return what one of BatchGetImage's ``failures`` means; ``absent`` is what a missing image means."""
    code = failure.text("failureCode")
    if code == "ImageNotFound":
        return absent
    cause = _FAILURES.get(code, Cause.UNEXPECTED_ANSWER)
    detail = f"{code}: {failure.optional_text('failureReason')}"
    return AwsUnavailableError(cause, failure.source, detail[:MAX_DETAIL])


def _settings(described: Reply) -> RepositorySettings:
    filters = [_exclusion(each) for each in described.objects("imageTagMutabilityExclusionFilters")]
    known = tuple(each for each in filters if each is not None)
    if len(known) < len(filters) or len(known) > MAX_EXCLUSION_FILTERS:
        return RepositorySettings(mutability=TagMutability.UNKNOWN)
    mode = member(TagMutability, described.optional_text("imageTagMutability"), TagMutability.UNKNOWN)
    return RepositorySettings(mutability=mode, exclusion_filters=known)


def _exclusion(described: Reply) -> str | None:
    """Return a wildcard filter, or None for a kind or a text of which this version does not know what it matches."""
    text = described.text("filter")
    known = described.optional_text("filterType") == "WILDCARD"
    return text if known and _FILTER.fullmatch(text) and text.count("*") <= MAX_WILDCARDS else None


def _digest(described: Reply, name: str) -> Digest:
    digest = parse_digest(described.text(name))
    if digest is None:
        raise described.wrong(name, "expected sha256 and 64 hexadecimal digits")
    return digest


def require_same(described: Reply, repository: EcrRepository) -> None:
    """Raise when an answer is about another repository than the one that was asked for."""
    for name, asked in (("registryId", repository.registry.account), ("repositoryName", repository.name)):
        if described.optional_text(name) not in ("", asked):
            raise described.wrong(name, "not the one that was asked for")
