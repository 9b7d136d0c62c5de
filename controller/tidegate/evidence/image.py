"""What ECR says of one image: its digest, media type, age, storage status, and the platform children of an index."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import msgspec

from tidegate.images.digest import Digest
from tidegate.images.platform import Platform


class ImageStatus(StrEnum):
    """ECR's ``imageStatus``; UNKNOWN stands for a value this version does not know and is never pullable."""

    ACTIVE = "ACTIVE"
    ARCHIVED = "ARCHIVED"
    ACTIVATING = "ACTIVATING"
    UNKNOWN = "UNKNOWN"


class Absence(StrEnum):
    """ECR's definite answer that there is nothing to judge."""

    IMAGE = "ImageNotFound"
    REPOSITORY = "RepositoryNotFound"
    CACHE_MISS = "PullThroughCacheMiss"
    REGION = "RegionNotFound"


class ImageDetail(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One image as ``ecr:DescribeImages`` describes it.

    ``restored_at`` is when it last came back from ECR's archive: it is scanned anew then, as after a push. A struct, as are
    the parts of a scan report: a hundred thousand of them may be cached.
    """

    digest: Digest
    media_type: str
    status: ImageStatus
    pushed_at: datetime | None
    restored_at: datetime | None = None

    @property
    def scanned_from(self) -> datetime | None:
        """Return when it was pushed or restored last, from which on it is scanned anew; None where that is not known."""
        return max((one for one in (self.pushed_at, self.restored_at) if one is not None), default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformImage:
    """One runnable image: the image itself, or one entry of an index. ``platform`` is None where it is not known.

    ``restricted`` is whether some nodes of the platform pass it over, because they lack its ``os.version`` or ``os.features``.
    ``children`` are those of an index within an index; an image has none.
    """

    digest: Digest
    platform: Platform | None
    restricted: bool = False
    children: tuple["PlatformImage", ...] = ()


@dataclass(frozen=True, slots=True)
class BadContent:
    """Bytes that are not what their digest or media type promised; ``problem`` says how."""

    problem: str
