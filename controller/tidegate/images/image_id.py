"""The identifier of one image of a repository: a tag or a digest. Pure; its digest is evidence."""

from typing import Literal

import msgspec

from tidegate.images.digest import Digest


class ImageId(msgspec.Struct, frozen=True, gc=False):
    """A tag or a digest inside one repository, as ECR's ``imageIds`` name images."""

    kind: Literal["tag", "digest"]
    value: str

    @classmethod
    def of_tag(cls, tag: str) -> "ImageId":
        """Return the id of the image that a tag points to."""
        return cls("tag", tag)

    @classmethod
    def of_digest(cls, digest: Digest) -> "ImageId":
        """Return the id of one digest."""
        return cls("digest", digest)

    def __str__(self) -> str:
        """Return ``:tag`` or ``@digest``, as written after a repository's name."""
        return f":{self.value}" if self.kind == "tag" else f"@{self.value}"
