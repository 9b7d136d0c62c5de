"""What ``inspector2:ListCoverage`` and ``inspector2:ListFindings`` answer, read into evidence for each image.

Findings are told apart by the resource they are about: one digest may lie in several repositories and accounts. A
finding of which it is not clear whose it is makes the whole answer unusable, since left out it would be missed.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from tidegate.aws.errors import unexpected
from tidegate.aws.findings import kept, read_finding
from tidegate.aws.reply import Reply
from tidegate.evidence.inspection import FoundFindings, ImageKey
from tidegate.evidence.ports import CoverageAnswer, FindingsAnswer
from tidegate.evidence.scan import Coverage, Finding, ScanState, inspector_state
from tidegate.evidence.unavailable import AwsUnavailableError
from tidegate.images.repository import EcrRegistry, EcrRepository

PACKAGE = "PACKAGE"
"""The type of scan that finds vulnerable packages."""

_IMAGE_ARN = re.compile(r"arn:[a-z0-9-]+:ecr:[a-z0-9-]+:[0-9]{12}:repository/[^:]+/sha256:[0-9a-f]{64}")


class Targets:
    """The images of one question."""

    def __init__(self, registry: EcrRegistry, images: Sequence[ImageKey]) -> None:
        self.images = tuple(dict.fromkeys(images))
        self._account = registry.account
        self._by_arn = {f"{EcrRepository(registry, name).arn}/{digest}": (name, digest) for name, digest in self.images}

    @property
    def arns(self) -> tuple[str, ...]:
        """Return the resource ids that Inspector uses."""
        return tuple(self._by_arn)

    def named(self, arn: str) -> ImageKey | None:
        """Return the image of a resource id, or None for another resource."""
        return self._by_arn.get(arn)

    def of(self, resource: Reply) -> ImageKey | None:
        """Return the image that a resource of a finding is, or None when it certainly is another one."""
        arn = resource.text("id")
        if (known := self._by_arn.get(arn)) is not None:
            return known
        details = resource.optional_object("details")
        image = None if details is None else details.optional_object("awsEcrContainerImage")
        if image is not None:
            names = (image.text("registry"), image.text("repositoryName"), image.text("imageHash"))
            return next((each for each in self.images if (self._account, *each) == names), None)
        if _IMAGE_ARN.fullmatch(arn) is None:
            raise resource.wrong("id", "expected the ARN of an image")
        return None


class CoverageRows:
    """Collect the rows of coverage, page by page."""

    def __init__(self, targets: Targets, source: str) -> None:
        self._targets = targets
        self._source = source
        self._found: dict[ImageKey, CoverageAnswer] = {}

    def add(self, page: Mapping[str, Any]) -> None:
        """Read one page."""
        for row in Reply(page, self._source).listed("coveredResources"):
            image = self._targets.named(row.text("resourceId"))
            if image is None or row.text("scanType") != PACKAGE:
                continue
            try:
                read: CoverageAnswer = _coverage(row)
            except AwsUnavailableError as exc:
                read = exc
            if self._found.get(image, read) != read:
                read = unexpected(self._source, f"several rows for {image[0]}@{image[1]}")
            self._found[image] = read

    def answers(self, *, complete: bool) -> dict[ImageKey, CoverageAnswer]:
        """Return the coverage of each image; no row means NOT_SCANNED only when all rows were read."""
        none = (
            Coverage(state=ScanState.NOT_SCANNED, reason="Amazon Inspector does not cover this image")
            if complete
            else unexpected(self._source, "too many pages")
        )
        return {each: self._found.get(each, none) for each in self._targets.images}


class ImageFindings:
    """Collect findings for each image, page by page."""

    def __init__(self, targets: Targets, source: str) -> None:
        self._targets = targets
        self._source = source
        self._found: dict[ImageKey, list[Finding]] = {each: [] for each in targets.images}
        self._broken: dict[ImageKey, AwsUnavailableError] = {}

    def add(self, page: Mapping[str, Any]) -> None:
        """Read one page; raise AwsUnavailableError for a finding of which it is not clear whose it is."""
        for described in Reply(page, self._source).listed("findings"):
            resources = described.objects("resources")
            if not resources:
                raise described.wrong("resources", "expected at least one")
            images = {self._targets.of(each) for each in resources}
            self._add(described, [each for each in images if each is not None])

    def answers(self, *, complete: bool) -> dict[ImageKey, FindingsAnswer]:
        """Return the findings of each image; one that could not be read makes its image unavailable."""
        return {image: self._broken.get(image) or self._kept(image, complete=complete) for image in self._found}

    def _add(self, described: Reply, images: Sequence[ImageKey]) -> None:
        try:
            finding = read_finding(described)
        except AwsUnavailableError as exc:
            self._broken |= dict.fromkeys(images, exc)
            return
        if finding is not None:
            for image in images:
                self._found[image].append(finding)

    def _kept(self, image: ImageKey, *, complete: bool) -> FoundFindings:
        return kept(self._found[image], complete=complete)


def _coverage(row: Reply) -> Coverage:
    status, scanned_at = row.object("scanStatus"), row.optional_time("lastScannedAt")
    code, reason = status.text("statusCode"), status.text("reason")
    state = inspector_state(code, reason, last_scanned_at=scanned_at)
    return Coverage(state=state, code=code, reason=reason, last_scanned_at=scanned_at)
