"""The answer of ``ecr:DescribeImageScanFindings``, read into a report.

A registry that scans with Amazon Inspector returns Inspector's findings here: they count as such.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from tidegate.aws.ecr_images import require_same
from tidegate.aws.findings import kept, package, read_finding, vulnerability_id
from tidegate.aws.reply import ApiResponse, member
from tidegate.evidence.scan import (
    MAX_FINDINGS,
    Coverage,
    Finding,
    Scanner,
    ScanReport,
    ScanState,
    Severity,
    VulnerablePackage,
    basic_state,
)
from tidegate.images.digest import Digest
from tidegate.images.repository import EcrRepository

_FINISHED = (ScanState.SCANNED, ScanState.SCANNED_ONCE)
_NO_SEVERITY = "UNDEFINED"


def not_scanned(code: str, reason: str) -> ScanReport:
    """Return the report of an image without a scan, with ECR's code and reason."""
    coverage = Coverage(state=ScanState.NOT_SCANNED, code=code, reason=reason)
    return ScanReport(scanner=Scanner.ECR_BASIC, coverage=coverage)


def check_subject(page: Mapping[str, Any], repository: EcrRepository, digest: Digest, source: str) -> None:
    """Raise unless a page is about the image that was asked for."""
    reply = ApiResponse(page, source)
    require_same(reply, repository)
    reply.object("imageId").require_same("imageDigest", digest)


def read_report(pages: Sequence[Mapping[str, Any]], source: str, *, more: bool) -> ScanReport:
    """Read all pages of one image; ``more`` is True if there are further pages."""
    answers = [ApiResponse(page, source) for page in pages]
    # Every page says it, so that a page without it is not taken for one without findings.
    status, *others = (each.object("imageScanStatus") for each in answers)
    word = status.text("status")
    state = basic_state(word, status.optional_text("description"))
    parts = [part for part in (each.optional_object("imageScanFindings") for each in answers) if part is not None]
    if state in _FINISHED and len(parts) < len(answers):
        raise answers[0].wrong("imageScanFindings", "expected the findings of a finished scan, got none")
    times = {part.optional_time("imageScanCompletedAt") for part in parts}
    if len(times) > 1 or any(other.text("status") != word for other in others):
        raise answers[0].wrong("imageScanStatus", "expected pages of one scan, got pages of several")
    for part in parts if state in _FINISHED else ():
        if not part.has("findings") and not part.has("enhancedFindings"):
            raise part.wrong("findings", "expected a list, got none")
    listed = [each for part in parts for each in part.objects("findings")]
    enhanced = [read_finding(each) for part in parts for each in part.objects("enhancedFindings")]
    number = len(listed) + len(enhanced)
    if more and number < MAX_FINDINGS:
        raise answers[-1].wrong("nextToken", f"too many pages for {number} findings")
    if parts and not more:
        _check_counts(parts[0], listed, others=len(enhanced))
    scanned_at = next(iter(times), None)
    found = kept([each for each in (*map(_basic, listed), *enhanced) if each is not None])
    return ScanReport(
        scanner=Scanner.INSPECTOR if enhanced or word == "ACTIVE" else Scanner.ECR_BASIC,
        coverage=Coverage(
            state=state,
            code=word,
            reason=status.optional_text("description"),
            last_scanned_at=scanned_at,
        ),
        findings=found.findings,
        complete=found.complete and not more,
    )


def _check_counts(findings: ApiResponse, listed: Sequence[ApiResponse], *, others: int) -> None:
    """Raise if ECR counts more findings of a severity than it lists: the others are still missing.

    ``others`` is the number of Amazon Inspector's findings, of any severity, closed ones included.
    """
    counts = findings.optional_object("findingSeverityCounts")
    if counts is None:
        return
    severities = Counter(each.text("severity") for each in listed)
    for name in counts.names():
        counted = counts.optional_number(name) or 0
        if not 0 <= counted <= severities[name] + others:
            raise counts.wrong(name, f"{counted:g} are counted, and {severities[name]} listed")
        others -= max(0, int(counted) - severities[name])


def _basic(described: ApiResponse) -> Finding:
    attributes = {each.text("key"): each.optional_text("value") for each in described.objects("attributes")}
    word = described.text("severity")
    return Finding(
        id=vulnerability_id(described, "name"),
        severity=Severity.UNTRIAGED if word == _NO_SEVERITY else member(Severity, word, Severity.UNKNOWN),
        packages=_packages(attributes),
    )


def _packages(attributes: Mapping[str, str]) -> tuple[VulnerablePackage, ...]:
    name = attributes.get("package_name")
    return (package(name, attributes.get("package_version", ""), ""),) if name else ()
