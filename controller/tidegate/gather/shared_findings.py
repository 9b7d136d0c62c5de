"""Findings that scan reports share: images with the same base have the same ones, which are kept once.

A finding that no cached report contains any more is dropped, so that findings that users with push access invent fill no memory.
"""

from dataclasses import replace

from tidegate.evidence.scan import Finding, ScanReport
from tidegate.gather.size import size_of

POINTER_BYTES = 8
TABLE_BYTES = 200
"""What a finding takes beside itself, for being shared."""


class SharedFindings:
    """Counts in how many reports each finding is."""

    def __init__(self) -> None:
        self._kept: dict[Finding, tuple[Finding, int, int]] = {}

    def __len__(self) -> int:
        """Return how many different findings there are."""
        return len(self._kept)

    def take(self, report: ScanReport) -> tuple[ScanReport, int]:
        """Return the report with shared findings, and the bytes that it adds to what is kept."""
        size = size_of(replace(report, findings=()))
        shared: list[Finding] = []
        for finding in report.findings:
            kept = self._kept.get(finding)
            if kept is None:
                kept = finding, 0, size_of(finding) + TABLE_BYTES
                size += kept[2]
            self._kept[kept[0]] = kept[0], kept[1] + 1, kept[2]
            shared.append(kept[0])
        return replace(report, findings=tuple(shared)), size + POINTER_BYTES * len(shared)

    def drop(self, report: ScanReport) -> int:
        """Release a report; return the bytes that this frees."""
        freed = size_of(replace(report, findings=())) + POINTER_BYTES * len(report.findings)
        for finding in report.findings:
            kept, count, size = self._kept[finding]
            if count > 1:
                self._kept[kept] = kept, count - 1, size
            else:
                del self._kept[finding]
                freed += size
        return freed
