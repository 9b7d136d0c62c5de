"""Findings that scan reports share: images with the same base have the same ones, and each list of them is kept once.

A list that no cached report has any more is dropped, and so is a finding that no list contains any more, so that findings
that users with push access invent fill no memory.
"""

from typing import TypeAlias

from msgspec.structs import replace

from tidegate.evidence.scan import Finding, ScanReport
from tidegate.gather.size import size_of

POINTER_BYTES = 8
TABLE_BYTES = 200
"""What a finding, or a list of them, takes beside itself for being shared."""

_Findings: TypeAlias = tuple[Finding, ...]


class SharedFindings:
    """Counts how many reports have each list, and how many lists each finding is in."""

    def __init__(self) -> None:
        self._lists: dict[_Findings, tuple[_Findings, int]] = {}
        self._kept: dict[Finding, tuple[Finding, int]] = {}

    def __len__(self) -> int:
        """Return how many different findings there are."""
        return len(self._kept)

    def take(self, report: ScanReport) -> tuple[ScanReport, int]:
        """Return the report with shared findings, and the bytes that it adds to what is kept."""
        findings, count = self._lists.get(report.findings, ((), 0))
        size = 0 if count else TABLE_BYTES + POINTER_BYTES * len(report.findings)
        if not count:
            shared: list[Finding] = []
            for finding in report.findings:
                kept, lists = self._kept.get(finding, (finding, 0))
                size += 0 if lists else size_of(finding) + TABLE_BYTES
                self._kept[kept] = kept, lists + 1
                shared.append(kept)
            findings = tuple(shared)
        self._lists[findings] = findings, count + 1
        return replace(report, findings=findings), size + _size_without_findings(report)

    def drop(self, report: ScanReport) -> int:
        """Release a report; return the bytes that this frees."""
        freed = _size_without_findings(report)
        findings, count = self._lists.pop(report.findings)
        if count > 1:
            self._lists[findings] = findings, count - 1
            return freed
        for finding in findings:
            kept, lists = self._kept.pop(finding)
            if lists > 1:
                self._kept[kept] = kept, lists - 1
            else:
                freed += size_of(finding) + TABLE_BYTES
        return freed + TABLE_BYTES + POINTER_BYTES * len(findings)


def _size_without_findings(report: ScanReport) -> int:
    return size_of(replace(report, findings=()))
