"""The images of a repository as a lifecycle policy sees them. Source: ``ecr:DescribeImages``, one call a page."""

from collections.abc import Mapping
from typing import Any, Final

from tidegate.aws.clients import AnsweredError, Api, Clients
from tidegate.aws.ecr_images import read_digest, require_same, where
from tidegate.aws.errors import is_too_long, unexpected
from tidegate.aws.pages import read_pages
from tidegate.aws.reply import ApiResponse
from tidegate.evidence.image import Absence, ImageStatus
from tidegate.evidence.registry_configuration import StoredImage
from tidegate.evidence.source_unavailable import SourceUnavailableError
from tidegate.images.digest import parse_digest
from tidegate.images.repository import EcrRepository

MAX_STORED_IMAGES: Final = 100_000
"""Images of one repository (ECR's own bound)."""
MAX_TAGS: Final = 1_000
"""Tags of one image (ECR's own bound)."""
MAX_STORED_TAGS: Final = 500_000
"""Tags of all images of one repository. Who pushes chooses how many there are; so many may take 100 MiB of memory."""
PAGE_SIZES: Final = (1000, 100)
"""Images of one page: fewer where images have so many tags that an answer would be too long."""

_API: Final = Api("ecr", "DescribeImages")
_NO_REPOSITORY: Final = frozenset({"RepositoryNotFoundException"})


def stored_images(clients: Clients, repository: EcrRepository) -> tuple[StoredImage, ...] | Absence:
    """Return the images of a repository, archived ones included.

    Raise SourceUnavailableError, also for more than MAX_STORED_IMAGES images or MAX_STORED_TAGS tags, and UnknownRegionError.
    """
    for size in PAGE_SIZES[:-1]:
        try:
            return _listed(clients, repository, size)
        except SourceUnavailableError as exc:
            if not is_too_long(exc):
                raise
    return _listed(clients, repository, PAGE_SIZES[-1])


def _listed(clients: Clients, repository: EcrRepository, size: int) -> tuple[StoredImage, ...] | Absence:
    parameters = {**where(repository), "maxResults": size, "filter": {"imageStatus": "ANY"}}
    most, more, tags, found = MAX_STORED_IMAGES // size, False, 0, list[StoredImage]()
    pages = read_pages(clients, _API, repository.registry, parameters, most=most, answers=_NO_REPOSITORY)
    try:
        for page, more in pages:  # noqa: B007 - used below
            listed = read_stored_images(page, repository, _API.source)
            tags += sum(len(each.tags) for each in listed)
            if tags > MAX_STORED_TAGS:
                raise unexpected(_API.source, f"more than {MAX_STORED_TAGS} tags of images")
            found += listed
    except AnsweredError:
        return Absence.REPOSITORY
    if more:
        raise unexpected(_API.source, f"more than {most} pages of images")
    return tuple(found)


def read_stored_images(answer: Mapping[str, Any], repository: EcrRepository, source: str) -> list[StoredImage]:
    """Read ``imageDetails``."""
    return [_stored(each, repository) for each in ApiResponse(answer, source).listed("imageDetails")]


def _stored(described: ApiResponse, repository: EcrRepository) -> StoredImage:
    require_same(described, repository)
    tags = tuple(tag for tag in described.values("imageTags") if isinstance(tag, str))
    if len(tags) > MAX_TAGS:
        raise described.wrong("imageTags", f"{len(tags)} elements, expected at most {MAX_TAGS}")
    status = described.word(ImageStatus, "imageStatus") if described.has("imageStatus") else ImageStatus.ACTIVE
    return StoredImage(
        digest=read_digest(described, "imageDigest"),
        tags=tags,
        pushed_at=described.time("imagePushedAt"),
        pulled_at=described.optional_time("lastRecordedPullTime"),
        is_archived=status is not ImageStatus.ACTIVE,
        archived_at=described.optional_time("lastArchivedAt"),
        restored_at=described.optional_time("lastActivatedAt"),
        subject=parse_digest(described.optional_text("subjectManifestDigest")),
    )
