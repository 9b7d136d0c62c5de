"""What ``inspector2:ListCoverage`` and ``inspector2:ListFindings`` answer, read into evidence for each image.

Findings are distinguished by the resource they are about: one digest may lie in several repositories and accounts. A
finding of an unclear image makes the whole answer unusable: left out, it would be missed.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from tidegate.aws.errors import unexpected
from tidegate.aws.findings import kept, read_finding
from tidegate.aws.reply import ApiResponse
from tidegate.evidence.inspection import ImageKey
from tidegate.evidence.ports import CoverageAnswer, FindingsAnswer
from tidegate.evidence.scan import DOCUMENTED_WORDS, MAX_FINDINGS, Coverage, Finding, ScanState, inspector_state
from tidegate.evidence.source_unavailable import SourceUnavailableError, again
from tidegate.images.digest import Digest
from tidegate.images.repository import EcrRegistry, EcrRepository

MAX_ROWS = 10
"""Findings of an image of which the time of the last change is kept. An image with more new ones is read again."""
PACKAGE = "PACKAGE"
"""The type of scan that finds vulnerable packages."""

_IMAGE_ARN = re.compile(
    r"arn:[a-z0-9-]+:ecr:[a-z0-9-]+:(?P<account>[0-9]{12}):repository/(?P<name>[^:]+)/(?P<digest>sha256:[0-9a-f]{64})"
)


class Targets:
    """The images of one question."""

    def __init__(self, registry: EcrRegistry, images: Sequence[ImageKey]) -> None:
        self.images = tuple(dict.fromkeys(images))
        self._account = registry.account
        self._names, self._digests = ({each[part] for each in self.images} for part in (0, 1))
        self._by_arn = {f"{EcrRepository(registry, name).arn}/{digest}": (name, digest) for name, digest in self.images}

    @property
    def arns(self) -> tuple[str, ...]:
        """Return the resource ids that Inspector uses."""
        return tuple(self._by_arn)

    def covered(self, row: ApiResponse) -> ImageKey:
        """Return the image that a row of coverage is about; raise for a row that was not asked for."""
        image = self._by_arn.get(row.text("resourceId"))
        if image is None:
            raise row.wrong("resourceId", "the row is about something that was not asked for")
        row.require_same("scanType", PACKAGE)
        row.require_same("accountId", self._account)
        return image

    def of(self, resource: ApiResponse) -> ImageKey | None:
        """Return the image that a resource of a finding is, or None for one that the question did not leave out.

        Images are asked for by repository and by digest, so that one of a batch may be found in the repository of
        another. Raise for any other: an answer about something else says nothing of what was asked for.
        """
        arn = resource.text("id")
        named = self._by_arn.get(arn)
        details = resource.optional_object("details")
        image = None if details is None else details.optional_object("awsEcrContainerImage")
        if image is not None:
            image.require_same("registry", self._account)
            described = (image.text("repositoryName"), Digest(image.text("imageHash")))
            if named not in (None, described):
                raise resource.wrong("details", f"about another image than {arn[:300]!a}")
            named = described
        elif named is None and (parts := _IMAGE_ARN.fullmatch(arn)) is not None and parts["account"] == self._account:
            named = (parts["name"], Digest(parts["digest"]))
        if named in self.images:
            return named
        if named is None or named[0] not in self._names or named[1] not in self._digests:
            raise resource.wrong("id", f"the finding is about something that was not asked for: {arn[:300]!a}")
        return None


class CoverageRows:
    """Collect the rows of coverage, page by page."""

    def __init__(self, targets: Targets, source: str) -> None:
        self._targets = targets
        self._source = source
        self._found: dict[ImageKey, CoverageAnswer] = {}

    def add(self, page: Mapping[str, Any]) -> bool:
        """Read one page, and return that more are needed; raise SourceUnavailableError for a row that was not asked for."""
        for row in ApiResponse(page, self._source).listed("coveredResources"):
            image = self._targets.covered(row)
            try:
                read: CoverageAnswer = _coverage(row)
            except SourceUnavailableError as exc:
                read = again(exc)
            if self._found.get(image, read) != read:
                read = unexpected(self._source, f"several rows for {image[0]}@{image[1]}")
            self._found[image] = read
        return True

    def answers(self, *, complete: bool) -> dict[ImageKey, CoverageAnswer]:
        """Return the coverage of each image, and none where not all rows were read: one of the others may differ."""
        if not complete:
            return dict.fromkeys(self._targets.images, unexpected(self._source, "too many pages"))
        none = Coverage(state=ScanState.NOT_SCANNED, reason="Amazon Inspector does not cover this image")
        return {each: self._found.get(each, none) for each in self._targets.images}


class ImageFindings:
    """Collect findings for each image, page by page. ``are_long`` tells that not all pages need be read for an answer."""

    def __init__(self, targets: Targets, source: str, *, are_long: bool = False) -> None:
        self._targets = targets
        self._source = source
        self._are_long = are_long
        self._found: dict[ImageKey, list[Finding]] = {each: [] for each in targets.images}
        self._rows: dict[ImageKey, list[tuple[str, datetime]]] = {each: [] for each in targets.images}
        self._broken: dict[ImageKey, SourceUnavailableError] = {}

    def add(self, page: Mapping[str, Any]) -> bool:
        """Read one page, and return whether more are needed for any image.

        Raise SourceUnavailableError for a finding of an unclear or another image.
        """
        for described in ApiResponse(page, self._source).listed("findings"):
            resources = described.objects("resources")
            if not resources:
                raise described.wrong("resources", "expected at least one")
            images = {self._targets.of(each) for each in resources}
            self._add(described, [each for each in images if each is not None])
        return any(len(each) < MAX_FINDINGS for each in self._found.values())

    def answers(self, *, complete: bool) -> dict[ImageKey, FindingsAnswer]:
        """Return the findings of each image; one that could not be read makes its image unavailable."""
        return {image: self._broken.get(image) or self._kept(image, complete=complete) for image in self._found}

    def _add(self, described: ApiResponse, images: Sequence[ImageKey]) -> None:
        try:
            finding = read_finding(described)
        except SourceUnavailableError as exc:
            self._broken |= dict.fromkeys(images, again(exc))
            return
        arn, updated_at = described.optional_text("findingArn"), described.optional_time("updatedAt")
        for image in images:
            if arn and updated_at is not None:
                self._rows[image].append((arn, updated_at))
            if finding is not None:
                self._found[image].append(finding)

    def _kept(self, image: ImageKey, *, complete: bool) -> FindingsAnswer:
        found = self._found[image]
        if not complete and not self._are_long and len(found) < MAX_FINDINGS:
            return unexpected(self._source, f"too many pages for {len(found)} findings")
        rows = sorted(self._rows[image], key=lambda row: row[1], reverse=True)
        return replace(kept(found, complete=complete), rows=tuple(rows[:MAX_ROWS]))


def _coverage(row: ApiResponse) -> Coverage:
    status, scanned_at = row.object("scanStatus"), row.optional_time("lastScannedAt")
    code, reason = (status.shared_text(name, DOCUMENTED_WORDS) for name in ("statusCode", "reason"))
    state = inspector_state(code, reason, last_scanned_at=scanned_at)
    return Coverage(state=state, code=code, reason=reason, last_scanned_at=scanned_at)
