"""Amazon Inspector: what is covered, and what was found, for up to ten images of one registry a call.

Findings of all severities are read, so that one answer serves every policy.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tidegate.aws.clients import Api, Clients
from tidegate.aws.errors import is_too_long
from tidegate.aws.inspection import PACKAGE, CoverageRows, ImageFindings, Targets
from tidegate.aws.pages import PageTokens
from tidegate.evidence.inspection import ImageKey
from tidegate.evidence.ports import MAX_INSPECTED_IMAGES, CoverageAnswer, FindingsAnswer
from tidegate.evidence.scan import MAX_FINDINGS
from tidegate.evidence.source_unavailable import SourceUnavailableError, again
from tidegate.images.repository import EcrRegistry

PAGE_OF_FINDINGS = 100
PAGE_OF_COVERAGE = 200
"""The largest pages that Inspector gives."""
PAGE_OF_LONG_FINDINGS = 20
MAX_LONG_PAGES = 15
"""Of an image whose findings have more bytes than are read at once: its packages' names and copies are its pusher's choice."""
MAX_COVERAGE_PAGES = 5
"""Ten images are ten rows; more pages than one only come empty."""
MAX_BATCH_PAGES = 30
"""Pages read for a batch, before each of its images is read alone so that one cannot hide the findings of another."""
MAX_IMAGE_PAGES = 2 * MAX_FINDINGS // PAGE_OF_FINDINGS
"""Pages read for one image: pages may come short. No more are read once there are as many findings as are kept."""

_COVERAGE = Api("inspector2", "ListCoverage")
_FINDINGS = Api("inspector2", "ListFindings")


class Inspector:
    """Ask Amazon Inspector. Safe to share between threads."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def coverage(self, registry: EcrRegistry, images: Sequence[ImageKey]) -> Mapping[ImageKey, CoverageAnswer]:
        """Return the coverage of each image. See ``evidence.ports.InspectionSource``."""
        targets = self._targets(registry, images)
        rows = CoverageRows(targets, _COVERAGE.source)
        if not images:
            return {}
        parameters = {
            "maxResults": PAGE_OF_COVERAGE,
            "filterCriteria": {"resourceId": equals(*targets.arns), "scanType": equals(PACKAGE)},
        }
        complete = self._read(_COVERAGE, registry, parameters, rows.add, pages=MAX_COVERAGE_PAGES)
        return rows.answers(complete=complete)

    def findings(self, registry: EcrRegistry, images: Sequence[ImageKey]) -> Mapping[ImageKey, FindingsAnswer]:
        """Return the findings of each image, worst first. See ``evidence.ports.InspectionSource``."""
        targets = self._targets(registry, images)
        if len(targets.images) <= 1:
            return self._findings_of_one(registry, targets) if images else {}
        try:
            complete, answers = self._findings(registry, targets, pages=MAX_BATCH_PAGES)
        except SourceUnavailableError as exc:
            if not is_too_long(exc):
                raise
        else:
            if complete:
                return answers
        return self._findings_one_by_one(registry, targets)

    def _targets(self, registry: EcrRegistry, images: Sequence[ImageKey]) -> Targets:
        if len(images) > MAX_INSPECTED_IMAGES:
            raise ValueError(f"at most {MAX_INSPECTED_IMAGES} images can be asked for at once, got {len(images)}")
        self._clients.check_region(registry)
        return Targets(registry, images)

    def _findings_of_one(self, registry: EcrRegistry, targets: Targets) -> dict[ImageKey, FindingsAnswer]:
        """Read the findings of one image, in smaller pages where one is too long, and as far as that goes."""
        try:
            return self._findings(registry, targets, pages=MAX_IMAGE_PAGES)[1]
        except SourceUnavailableError as exc:
            if not is_too_long(exc):
                raise
        found = ImageFindings(targets, _FINDINGS.source, are_long=True)
        try:
            complete = self._read(
                _FINDINGS,
                registry,
                _wanted(registry, targets, PAGE_OF_LONG_FINDINGS),
                found.add,
                pages=MAX_LONG_PAGES,
            )
        except SourceUnavailableError as exc:
            if not is_too_long(exc):
                raise
            complete = False
        return found.answers(complete=complete)

    def _findings(
        self, registry: EcrRegistry, targets: Targets, *, pages: int
    ) -> tuple[bool, dict[ImageKey, FindingsAnswer]]:
        """Read the findings of some images in one go; return whether all pages were read."""
        found = ImageFindings(targets, _FINDINGS.source)
        complete = self._read(_FINDINGS, registry, _wanted(registry, targets, PAGE_OF_FINDINGS), found.add, pages=pages)
        return complete, found.answers(complete=complete)

    def _findings_one_by_one(self, registry: EcrRegistry, targets: Targets) -> dict[ImageKey, FindingsAnswer]:
        answers: dict[ImageKey, FindingsAnswer] = {}
        for image in targets.images:
            try:
                answers |= self._findings_of_one(registry, Targets(registry, [image]))
            except SourceUnavailableError as exc:
                return answers | dict.fromkeys((each for each in targets.images if each not in answers), again(exc))
        return answers

    def _read(
        self,
        api: Api,
        registry: EcrRegistry,
        parameters: Mapping[str, Any],
        add: Callable[[Mapping[str, Any]], bool],
        *,
        pages: int,
    ) -> bool:
        """Pass up to so many pages to ``add``, which returns whether more are needed; return whether those were all."""
        tokens, token = PageTokens(api.source), ""
        for _ in range(pages):
            page = self._clients.call(api, registry, {**parameters, **({"nextToken": token} if token else {})})
            more = add(page)
            token = tokens.next(page)
            if not token:
                return True
            if not more:
                return False
        return False


def _wanted(registry: EcrRegistry, targets: Targets, page: int) -> dict[str, Any]:
    return {
        "maxResults": page,
        "sortCriteria": {"field": "SEVERITY", "sortOrder": "DESC"},
        "filterCriteria": {
            "ecrImageHash": equals(*dict.fromkeys(digest for _, digest in targets.images)),
            "ecrImageRegistry": equals(registry.account),
            "ecrImageRepositoryName": equals(*dict.fromkeys(name for name, _ in targets.images)),
            "findingStatus": equals("ACTIVE", "SUPPRESSED"),
            "findingType": equals("PACKAGE_VULNERABILITY"),
        },
    }


def equals(*values: str) -> list[dict[str, str]]:
    """Return the filter that is one of the values, ten at most."""
    return [{"comparison": "EQUALS", "value": each} for each in values]
