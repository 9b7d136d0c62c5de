"""What ``ecr:DescribeImageScanFindings`` answers, read into a report.

A registry that scans with Amazon Inspector answers here too, with Inspector's findings: they count as such.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from tidegate.aws.findings import kept, package, read_finding, vulnerability_id
from tidegate.aws.reply import Reply, member
from tidegate.evidence.scan import (
    Coverage,
    Finding,
    Scanner,
    ScanReport,
    ScanState,
    Severity,
    VulnerablePackage,
    basic_state,
)

_BELIEVED = (ScanState.SCANNED, ScanState.SCANNED_ONCE)
_NO_SEVERITY = "UNDEFINED"


def not_scanned(code: str, reason: str) -> ScanReport:
    """Return the report of an image that ECR has no scan of; ``code`` and ``reason`` are ECR's words."""
    coverage = Coverage(state=ScanState.NOT_SCANNED, code=code, reason=reason)
    return ScanReport(scanner=Scanner.ECR_BASIC, coverage=coverage)


def read_report(pages: Sequence[Mapping[str, Any]], source: str, *, more: bool) -> ScanReport:
    """Read all pages of one image; ``more`` is True where there are pages that were not read."""
    answers = [Reply(page, source) for page in pages]
    # Every page says it, so that a page without it is not taken for one without findings.
    status, *others = (each.object("imageScanStatus") for each in answers)
    word = status.text("status")
    state = basic_state(word)
    parts = [part for part in (each.optional_object("imageScanFindings") for each in answers) if part is not None]
    if state in _BELIEVED and len(parts) < len(answers):
        raise answers[0].wrong("imageScanFindings", "expected the findings of a finished scan, got none")
    times = {part.optional_time("imageScanCompletedAt") for part in parts}
    if len(times) > 1 or any(other.text("status") != word for other in others):
        raise answers[0].wrong("imageScanStatus", "expected pages of one scan, got pages of several")
    basic = [_basic(each) for part in parts for each in part.objects("findings")]
    enhanced = [read_finding(each) for part in parts for each in part.objects("enhancedFindings")]
    counted = sum(_counts(parts[0])) if parts else 0
    scanned_at = next(iter(times), None)
    found = kept([each for each in (*basic, *enhanced) if each is not None])
    return ScanReport(
        scanner=Scanner.INSPECTOR if enhanced or word == "ACTIVE" else Scanner.ECR_BASIC,
        coverage=Coverage(
            state=state,
            code=word,
            reason=status.optional_text("description"),
            last_scanned_at=scanned_at,
        ),
        findings=found.findings,
        # ECR counts before it lists: fewer findings than counted are findings that are still to come.
        complete=found.complete and not more and counted <= len(basic) + len(enhanced),
    )


def _counts(findings: Reply) -> list[int]:
    counts = findings.optional_object("findingSeverityCounts")
    return [] if counts is None else [_count(counts, name) for name in counts.names()]


def _count(counts: Reply, name: str) -> int:
    count = counts.optional_number(name) or 0
    if count < 0:
        raise counts.wrong(name, f"expected a count, got {count}")
    return int(count)


def _basic(described: Reply) -> Finding:
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
