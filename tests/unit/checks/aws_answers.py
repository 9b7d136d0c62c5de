"""AWS's answers about one image as the SDK gives them, and what is read of them as facts."""

from collections.abc import Callable, Mapping
from typing import Any

from tests.unit.builders import ACCOUNT, DAY, DIGEST, NOW
from tidegate.aws.ecr_images import read_images, read_repositories
from tidegate.aws.ecr_scan import read_report
from tidegate.aws.inspection import CoverageRows, ImageFindings, Targets
from tidegate.evidence.fact import Known
from tidegate.evidence.scan import Scanner, ScanReport
from tidegate.evidence.source_unavailable import SourceUnavailableError
from tidegate.images.image_id import ImageId
from tidegate.images.repository import EcrRegistry, EcrRepository

REGISTRY = EcrRegistry("aws", ACCOUNT, "eu-west-1")
REPOSITORY = EcrRepository(REGISTRY, "team/app")
KEY = (REPOSITORY.name, DIGEST)
ARN = f"{REPOSITORY.arn}/{DIGEST}"
V1 = ImageId.of_tag("v1")
NEW = "A_WORD_OF_TOMORROW"
NONE: Any = object()
"""Stands for a member that the answer does not have."""


def having(**members: Any) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not NONE}


def fact(read: Callable[[], Any]) -> Any:
    """What was read of an answer, as a fact: one that cannot be relied on is missing."""
    try:
        value = read()
    except SourceUnavailableError as problem:
        value = problem
    return value.missing() if isinstance(value, SourceUnavailableError) else Known(value, NOW)


def inspected(row: Mapping[str, Any] | None, *found: Mapping[str, Any]) -> Any:
    """The scan that Inspector's row of coverage and its findings make."""

    def read() -> Any:
        rows, images = CoverageRows(Targets(REGISTRY, [KEY]), "x"), ImageFindings(Targets(REGISTRY, [KEY]), "x")
        rows.add({"coveredResources": [] if row is None else [row]})
        images.add({"findings": list(found)})
        coverage, findings = rows.answers(complete=True)[KEY], images.answers(complete=True)[KEY]
        if isinstance(coverage, SourceUnavailableError) or isinstance(findings, SourceUnavailableError):
            return coverage if isinstance(coverage, SourceUnavailableError) else findings
        return ScanReport(
            scanner=Scanner.INSPECTOR, coverage=coverage, findings=findings.findings, complete=findings.complete
        )

    return fact(read)


def row(code: Any = "ACTIVE", reason: Any = "SUCCESSFUL", at: Any = NOW - DAY, kind: str = "PACKAGE") -> dict[str, Any]:
    status = having(statusCode=code, reason=reason)
    return having(resourceId=ARN, accountId=REGISTRY.account, scanType=kind, scanStatus=status, lastScannedAt=at)


def basic(status: Any, at: Any = NOW - DAY, *found: Mapping[str, Any]) -> Any:
    findings = having(findings=list(found), findingSeverityCounts={}, imageScanCompletedAt=at)
    answer = having(imageScanStatus=having(status=status), imageScanFindings=findings)
    return fact(lambda: read_report([answer], "x", more=False))


def described(answer: Mapping[str, Any]) -> Any:
    return read_images({"imageDetails": [answer]}, REPOSITORY, [V1], "x")[V1]


def set_up(answer: Mapping[str, Any]) -> Any:
    return read_repositories({"repositories": [answer]}, REGISTRY, ["team/app"], "x")["team/app"]


def finding(**members: Any) -> dict[str, Any]:
    usual = {
        "status": "ACTIVE",
        "severity": "CRITICAL",
        "fixAvailable": "YES",
        "exploitAvailable": "NO",
        "epss": {"score": 0.1},
        "firstObservedAt": NOW - 30 * DAY,
    }
    vulnerability = {"vulnerabilityId": "CVE-2026-0001", "vulnerablePackages": []}
    return having(**(usual | members), resources=[{"id": ARN}], packageVulnerabilityDetails=vulnerability)
