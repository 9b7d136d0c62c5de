"""What Amazon Inspector knows anew about the images of a registry: findings by ``updatedAt``, coverage by ``lastScannedAt``.

No list has an end: a row that changes while the pages are read would leave a range that ends now, and stay unseen. Inspector
sorts by neither time, so all pages are read, up to a bound. A row that is about something unclear makes the answer
unusable: left out, a change would be missed.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

from tidegate.aws.clients import Api, Clients
from tidegate.aws.errors import is_too_long
from tidegate.aws.inspection import PACKAGE
from tidegate.aws.inspector import PAGE_OF_COVERAGE, PAGE_OF_FINDINGS, equals
from tidegate.aws.pages import read_pages
from tidegate.aws.reply import ApiResponse
from tidegate.evidence.change import ChangedRow, ChangedRows
from tidegate.evidence.inspection import ImageKey
from tidegate.evidence.source_unavailable import SourceUnavailableError
from tidegate.images.arn import parse_image_arn
from tidegate.images.repository import EcrRegistry

MAX_FINDING_PAGES = 100
"""10,000 findings: to read every image in use again costs no more calls then."""
MAX_COVERAGE_PAGES = 50
"""10,000 images that were scanned within minutes."""
PAGE_OF_LONG_FINDINGS = 10
"""Findings of a page where a hundred have more bytes than are read at once."""
IMAGE_TYPE = "AWS_ECR_CONTAINER_IMAGE"

_COVERAGE = Api("inspector2", "ListCoverage")
_FINDINGS = Api("inspector2", "ListFindings")


class InspectorChanges:
    """Ask Amazon Inspector what changed. Safe to share between threads."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def changed_findings(self, registry: EcrRegistry, *, since: datetime) -> ChangedRows:
        """Return the findings that changed. See ``evidence.ports.ChangeSource``."""
        criteria = {
            "updatedAt": [{"startInclusive": since}],
            "ecrImageRegistry": equals(registry.account),
            "resourceType": equals(IMAGE_TYPE),
            "findingType": equals("PACKAGE_VULNERABILITY"),
            "findingStatus": equals("ACTIVE", "SUPPRESSED", "CLOSED"),
        }
        try:
            return self._read(_FINDINGS, registry, criteria, _finding_rows, size=PAGE_OF_FINDINGS)
        except SourceUnavailableError as problem:
            if not is_too_long(problem):
                raise
        return self._read(_FINDINGS, registry, criteria, _finding_rows, size=PAGE_OF_LONG_FINDINGS)

    def changed_coverage(self, registry: EcrRegistry, *, since: datetime) -> ChangedRows:
        """Return the images that were scanned. See ``evidence.ports.ChangeSource``."""
        criteria = {
            "lastScannedAt": [{"startInclusive": since}],
            "accountId": equals(registry.account),
            "resourceType": equals(IMAGE_TYPE),
            "scanType": equals(PACKAGE),
        }
        return self._read(_COVERAGE, registry, criteria, _coverage_rows, size=PAGE_OF_COVERAGE)

    def _read(
        self,
        api: Api,
        registry: EcrRegistry,
        criteria: Mapping[str, Any],
        rows: Callable[[ApiResponse, EcrRegistry], list[ChangedRow]],
        *,
        size: int,
    ) -> ChangedRows:
        found: list[ChangedRow] = []
        asked_at: datetime | None = None
        complete = False
        most = MAX_COVERAGE_PAGES if api is _COVERAGE else MAX_FINDING_PAGES
        parameters = {"maxResults": size, "filterCriteria": criteria}
        for number, (page, more) in enumerate(read_pages(self._clients, api, registry, parameters, most=most)):
            if not number:
                asked_at = _date(page)
            found += rows(ApiResponse(page, api.source), registry)
            complete = not more
        return ChangedRows(rows=tuple(found), complete=complete, asked_at=asked_at)


def _finding_rows(page: ApiResponse, registry: EcrRegistry) -> list[ChangedRow]:
    """Return a row for each image of each finding."""
    found: list[ChangedRow] = []
    for finding in page.listed("findings"):
        resources = finding.objects("resources")
        if not resources:
            raise finding.wrong("resources", "expected at least one")
        updated_at = finding.optional_time("updatedAt") or finding.time("lastObservedAt")
        name = finding.text("findingArn")
        found += [ChangedRow(name, _image(each, "id", registry), updated_at) for each in resources]
    return found


def _coverage_rows(page: ApiResponse, registry: EcrRegistry) -> list[ChangedRow]:
    return [
        ChangedRow(each.text("resourceId"), _image(each, "resourceId", registry), each.time("lastScannedAt"))
        for each in page.listed("coveredResources")
    ]


def _image(described: ApiResponse, name: str, registry: EcrRegistry) -> ImageKey:
    arn = described.text(name)
    found = parse_image_arn(arn)
    if found is None or found[0].registry != registry:
        raise described.wrong(name, f"expected an image of {registry}, got {arn[:300]!a}")
    return found[0].name, found[1]


def _date(page: Mapping[str, Any]) -> datetime | None:
    """Return the time of the service, from the header of its answer."""
    headers = page.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    try:
        found = parsedate_to_datetime(str(headers.get("date", "")))
    except ValueError:
        return None
    return found if found.tzinfo is not None else None
