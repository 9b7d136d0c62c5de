"""ARNs of Amazon ECR: a repository, and an image as Amazon Inspector names it. Read strictly: an ARN names one thing or none.

Source: the pattern of ``resourceId`` in the service model of Amazon Inspector, and of ``repositoryName`` in that of ECR.
"""

import re

from tidegate.images.digest import Digest
from tidegate.images.repository import PARTITIONS, EcrRegistry, EcrRepository

MAX_NAME_LENGTH = 256
"""Characters of a repository's name."""
_LONGEST = 512
"""Characters of the longest ARN: a name, a digest, and less than a hundred more."""
_PART = r"[a-z0-9]++(?:(?:\.|_|__|-++)[a-z0-9]++)*+"
_NAME = re.compile(rf"{_PART}(?:/{_PART})*+")
_ARN = re.compile(
    r"arn:(?P<partition>[a-z-]{3,20}):ecr:(?P<region>[a-z0-9-]{2,40}):(?P<account>[0-9]{12})"
    r":repository/(?P<name>[^:]+?)(?:/(?P<digest>sha256:[0-9a-f]{64}))?"
)


def is_repository_name(text: str) -> bool:
    """Tell whether Amazon ECR can hold a repository of this name."""
    return 2 <= len(text) <= MAX_NAME_LENGTH and _NAME.fullmatch(text) is not None  # noqa: PLR2004 - of the model


def parse_repository_arn(text: str) -> EcrRepository | None:
    """Return the repository of an ARN such as ``arn:aws:ecr:REGION:ACCOUNT:repository/NAME``, or None."""
    found = _parse(text)
    return found[0] if found is not None and found[1] is None else None


def parse_image_arn(text: str) -> tuple[EcrRepository, Digest] | None:
    """Return the image of an ARN such as ``arn:aws:ecr:REGION:ACCOUNT:repository/NAME/sha256:DIGITS``, or None."""
    found = _parse(text)
    return (found[0], found[1]) if found is not None and found[1] is not None else None


def _parse(text: str) -> tuple[EcrRepository, Digest | None] | None:
    found = _ARN.fullmatch(text) if len(text) <= _LONGEST else None
    if found is None or found["partition"] not in PARTITIONS or not is_repository_name(found["name"]):
        return None
    registry = EcrRegistry(found["partition"], found["account"], found["region"])
    digest = found["digest"]
    return EcrRepository(registry, found["name"]), None if digest is None else Digest(digest)
