"""Choose what a report shows: rows by namespace, policy and reason, and images by reference or digest."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from tidegate.images.reference import parse_reference
from tidegate.reports.model import ReportedImage, ReportRow

_NO_HOST: Final = "docker.io"
_DIGEST: Final = re.compile(r"(?:sha256:)?(?P<digits>[0-9a-f]{12,64})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The namespaces, policies and reasons to show; an empty set selects all."""

    namespaces: frozenset[str] = frozenset()
    policies: frozenset[str] = frozenset()
    reasons: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        """Tell whether anything is left out."""
        return bool(self.namespaces or self.policies or self.reasons)

    def takes(self, row: ReportRow) -> bool:
        """Tell whether to show a row."""
        return (
            self.takes_namespace(row.namespace)
            and (not self.policies or row.policy.name in self.policies)
            and (not self.reasons or row.result.reason in self.reasons)
        )

    def takes_namespace(self, namespace: str) -> bool:
        """Tell whether to show a namespace."""
        return not self.namespaces or namespace in self.namespaces

    def takes_image(self, image: ReportedImage) -> bool:
        """Tell whether an image counts: it runs in a selected namespace and has a selected row, where these are chosen."""
        if self.namespaces and self.namespaces.isdisjoint(use.name for use in image.status.runs.namespaces):
            return False
        return not (self.policies or self.reasons) or any(map(self.takes, image.rows()))


def find_images(images: Iterable[ReportedImage], wanted: str) -> list[ReportedImage]:
    """Return the images that a text names.

    The text is a digest, at least its first 12 digits; a reference with a digest or a tag, as Pods name the image; or a
    repository, with or without its host, for every image of it. Raise InvalidReferenceError for any other text.
    """
    if found := _DIGEST.fullmatch(wanted):
        return [one for one in images if one.digest.removeprefix("sha256:").startswith(found["digits"])]
    reference = parse_reference(wanted)
    host = reference.ecr.registry.host if reference.ecr is not None else reference.domain
    tag = reference.tag if wanted.endswith(f":{reference.tag}") else None
    return [
        one
        for one in images
        if _is_of(one, host, reference.path)
        and (reference.digest is None or one.digest == reference.digest)
        and (reference.digest is not None or tag is None or tag in one.status.runs.tags)
    ]


def _is_of(image: ReportedImage, host: str, path: str) -> bool:
    """Tell whether an image is of a repository. The reference of a path without a host is one of Docker Hub."""
    if image.repository == f"{host}/{path}":
        return True
    return host == _NO_HOST and image.repository.partition("/")[2] == path.removeprefix("library/")
