"""What ``inspector2:ListCoverage`` and ``inspector2:ListFindings`` list under tags, read for the digests that they name.

Inspector keeps tags beside each row, and learns late that one moved. A row counts only where all rows under the tag are
about one image and name no other tag of it: an image that got a tag after its scan may have it beside some rows alone.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, TypeVar

from tidegate.aws.findings import kept, read_finding
from tidegate.aws.inspection import PACKAGE, read_coverage
from tidegate.aws.reply import ApiResponse
from tidegate.evidence.inspection import FoundFindings, ImageTag, Tagged
from tidegate.evidence.scan import Coverage, Finding
from tidegate.evidence.source_unavailable import SourceUnavailableError
from tidegate.images.digest import Digest, parse_digest
from tidegate.images.repository import EcrRegistry, EcrRepository

R = TypeVar("R")
V = TypeVar("V")


class _Rows(Generic[V]):
    """The rows under each tag of a question. Rows under other tags of the same repositories are left out."""

    def __init__(self, images: Sequence[ImageTag]) -> None:
        self._rows: dict[ImageTag, dict[Digest, list[V]]] = {each: {} for each in images}
        self._unclear: set[ImageTag] = set()

    def add(self, repository: str, digest: Digest, tags: Sequence[Any], row: V | None) -> None:
        """Add a row; None is one that cannot be read, which makes its tags unclear."""
        for tag in tags:
            image = (repository, str(tag))
            if image not in self._rows:
                continue
            if row is None or len(tags) > 1:
                self._unclear.add(image)
            else:
                self._rows[image].setdefault(digest, []).append(row)

    def answers(self, read: Callable[[list[V]], R]) -> dict[ImageTag, Tagged[R] | None]:
        """Return what is read from the rows of each tag that one image has."""
        answers: dict[ImageTag, Tagged[R] | None] = dict.fromkeys(self._rows)
        for image, found in self._rows.items():
            if len(found) == 1 and image not in self._unclear:
                ((digest, rows),) = found.items()
                answers[image] = Tagged(digest=digest, value=read(rows))
        return answers


class CoverageByTag:
    """Collect the rows of coverage."""

    def __init__(self, registry: EcrRegistry, images: Sequence[ImageTag], source: str) -> None:
        self._source = source
        self._names = {EcrRepository(registry, name).arn: name for name, _ in images}
        self._rows = _Rows[Coverage](images)

    def add(self, page: Mapping[str, Any]) -> bool:
        """Read one page; raise SourceUnavailableError for a row about something that was not asked for."""
        for row in ApiResponse(page, self._source).listed("coveredResources"):
            repository, _, digest = row.text("resourceId").rpartition("/")
            name = self._names.get(repository)
            if name is None:
                raise row.wrong("resourceId", "the row is about something that was not asked for")
            row.require_same("scanType", PACKAGE)
            tags = row.object("resourceMetadata").object("ecrImage").values("tags")
            self._rows.add(name, _digest(row, "resourceId", digest), tags, _or_none(read_coverage, row))
        return True

    def answers(self) -> dict[ImageTag, Tagged[Coverage] | None]:
        """Return the coverage under each tag; several rows of one image are the same one, or nothing."""
        found = self._rows.answers(lambda rows: rows)
        return {
            image: None if each is None or len(each.value) > 1 else Tagged(digest=each.digest, value=each.value[0])
            for image, each in found.items()
        }


class FindingsByTag:
    """Collect findings."""

    def __init__(self, registry: EcrRegistry, images: Sequence[ImageTag], source: str) -> None:
        self._source = source
        self._account = registry.account
        self._names = {name for name, _ in images}
        self._rows = _Rows[Finding](images)

    def add(self, page: Mapping[str, Any]) -> bool:
        """Read one page; raise SourceUnavailableError for a finding of an unclear or another image."""
        for described in ApiResponse(page, self._source).listed("findings"):
            finding = _or_none(read_finding, described)
            resources = described.objects("resources")
            if not resources:
                raise described.wrong("resources", "expected at least one")
            for resource in resources:
                image = resource.object("details").object("awsEcrContainerImage")
                image.require_same("registry", self._account)
                if image.text("repositoryName") not in self._names:
                    raise image.wrong("repositoryName", "the finding is about something that was not asked for")
                digest = _digest(image, "imageHash", image.text("imageHash"))
                self._rows.add(image.text("repositoryName"), digest, image.values("imageTags"), finding)
        return True

    def answers(self) -> dict[ImageTag, Tagged[FoundFindings] | None]:
        """Return the findings under each tag."""
        return self._rows.answers(kept)


def _digest(described: ApiResponse, member: str, text: str) -> Digest:
    digest = parse_digest(text)
    if digest is None:
        raise described.wrong(member, "expected sha256 and 64 hexadecimal digits")
    return digest


def _or_none(read: Callable[[ApiResponse], R], described: ApiResponse) -> R | None:
    try:
        return read(described)
    except SourceUnavailableError:
        return None
