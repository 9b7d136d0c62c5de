"""What scanners say about an image over time: coverage, findings, and the status of a basic scan.

Plain values; how ECR and Inspector word them on the wire is in services/.
"""

from dataclasses import dataclass, replace

SEVERITIES = ("CRITICAL", "HIGH", "MEDIUM", "LOW", "INFORMATIONAL", "UNTRIAGED")
"""Inspector's severities, worst first."""

_CLOSING_REASONS = frozenset({"SCAN_ELIGIBILITY_EXPIRED", "IMAGE_ARCHIVED"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """A vulnerable package; `fixed` is None where nobody has fixed it."""

    name: str
    installed: str
    fixed: str | None = None
    manager: str = "OS"
    path: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One vulnerability in one image; times in epoch seconds, `epss` between 0 and 1, `score` between 0 and 10.

    `changed_at` is when its status changed last, where that is later than the last scan that saw it.
    """

    id: str
    severity: str
    packages: tuple[Package, ...]
    first_observed_at: float
    last_observed_at: float
    status: str = "ACTIVE"
    type: str = "PACKAGE_VULNERABILITY"
    exploit: bool = False
    epss: float | None = None
    score: float | None = None
    title: str | None = None
    description: str | None = None
    changed_at: float = 0.0

    @property
    def updated_at(self) -> float:
        return max(self.last_observed_at, self.changed_at)

    @property
    def fix_available(self) -> str:
        fixed = [package.fixed is not None for package in self.packages]
        return "YES" if fixed and all(fixed) else "PARTIAL" if any(fixed) else "NO"

    def closed(self, at: float) -> "Finding":
        """Give the finding as it is from `at` on, when it was closed; a closed one stays as it is."""
        return self if self.status == "CLOSED" else replace(self, status="CLOSED", changed_at=at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """Inspector's coverage row of one image: ACTIVE or INACTIVE with its reason, and the last scan if there was one."""

    status: str = "ACTIVE"
    reason: str = "SUCCESSFUL"
    last_scanned_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BasicScan:
    """The state of an ECR basic scan."""

    status: str = "COMPLETE"
    description: str = ""
    completed_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanState:
    """Everything that scanners say from `at` on, until a later state; no coverage means no row, no basic no scan."""

    at: float
    coverage: Coverage | None = None
    basic: BasicScan | None = None
    findings: tuple[Finding, ...] = ()

    def visible_findings(self) -> tuple[Finding, ...]:
        """Give the findings as Inspector shows them: it closes those of images that it no longer scans."""
        if self.coverage is None:
            return ()
        if self.coverage.reason in _CLOSING_REASONS:
            return tuple(finding.closed(self.at) for finding in self.findings)
        return self.findings
