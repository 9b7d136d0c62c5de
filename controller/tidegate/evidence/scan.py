"""What the scanner knows of one image: whether it was scanned, when, and what was found.

No findings count only beside a coverage that says the image was scanned. The status words of Amazon Inspector and of
ECR basic scanning are mapped onto one set of states here; a word not known is UNKNOWN, which is never clean.
"""

from datetime import datetime
from enum import StrEnum

import msgspec
from msgspec.structs import replace


class ScanState(StrEnum):
    """Whether findings can be believed."""

    SCANNED = "Scanned"
    """Scanned, and kept up to date: findings count."""
    SCANNED_AGAIN = "ScannedAgain"
    """Being scanned, with the time of a scan: findings count where an earlier scan is known."""
    SCANNED_ONCE = "ScannedOnce"
    """Scanned on push and not again: findings count, as of then."""
    PENDING = "ScanPending"
    EXPIRED = "ScanExpired"
    """Out of the re-scan window: findings were closed, so their absence says nothing."""
    UNSUPPORTED = "ScanUnsupported"
    NOT_SCANNED = "NotScanned"
    """Not in the scope of scanning, switched off, or no coverage row at all."""
    BLOCKED = "ScanBlocked"
    """The scanner is denied access to the repository or its key."""
    FAILED = "ScanFailed"
    LIMITED = "ScanLimitExceeded"
    ARCHIVED = "ImageArchived"
    UNKNOWN = "ScanStatusUnknown"


class Scanner(StrEnum):
    """The scanner."""

    INSPECTOR = "Amazon Inspector"
    ECR_BASIC = "ECR basic scanning"


class Coverage(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Coverage of one image; ``code`` and ``reason`` are the source's own texts, for messages."""

    state: ScanState
    code: str = ""
    reason: str = ""
    last_scanned_at: datetime | None = None


class Severity(StrEnum):
    """Severities of both scanners, worst first; UNKNOWN is a word this version does not know."""

    CRITICAL = "CRITICAL"
    HIGH = "HIGH"
    MEDIUM = "MEDIUM"
    LOW = "LOW"
    INFORMATIONAL = "INFORMATIONAL"
    UNTRIAGED = "UNTRIAGED"
    UNKNOWN = "UNKNOWN"


class Answer(StrEnum):
    """Yes, no, or not said by this source."""

    YES = "YES"
    NO = "NO"
    PARTIAL = "PARTIAL"
    UNKNOWN = "UNKNOWN"


class VulnerablePackage(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One package with the flaw; ``fixed_in`` is empty where no fixed version is known."""

    name: str
    installed: str
    fixed_in: str = ""


class Finding(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One vulnerability of one image.

    ``epss`` is the probability of exploitation, 0 to 1, or None where the source gives none.
    ``suppressed`` is set by an Inspector suppression rule.
    """

    id: str
    severity: Severity
    packages: tuple[VulnerablePackage, ...] = ()
    fix: Answer = Answer.UNKNOWN
    exploit: Answer = Answer.UNKNOWN
    epss: float | None = None
    first_observed_at: datetime | None = None
    suppressed: bool = False


class ScanReport(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What one scanner knows of one image.

    ``complete`` is False when there were more findings than are kept (``MAX_FINDINGS``): then counts are lower bounds.
    Whether findings may still be arriving is the policy's to say, by the times that are known. ``scanned_since`` is the
    time of the earliest scan that this process saw in look-ups that led up to this one, or None; see ``follow``.
    ``rows`` are the findings that changed a short time before this look-up, by ARN, with when they did. Neither is stored.
    """

    scanner: Scanner
    coverage: Coverage
    findings: tuple[Finding, ...] = ()
    complete: bool = True
    scanned_since: datetime | None = None
    rows: tuple[tuple[str, datetime], ...] = ()

    def follow(self, before: "ScanReport") -> "ScanReport":
        """Return this report with what the look-up before it says of earlier scans.

        That counts only where Amazon Inspector kept the image scanned: any other state in between, or a time that went
        back, may mean that all began anew.
        """
        then, now = before.coverage, self.coverage
        kept = before.scanner is self.scanner is Scanner.INSPECTOR and {then.state, now.state} <= _KEPT
        if not kept or then.last_scanned_at is None or now.last_scanned_at is None:
            return self
        if now.last_scanned_at < then.last_scanned_at:
            return self
        # The time beside a scan under way may be that of its own beginning.
        finished = then.last_scanned_at if then.state is ScanState.SCANNED else None
        return replace(self, scanned_since=before.scanned_since or finished)

    def says_as(self, other: "ScanReport") -> bool:
        """Tell whether two reports say the same of the image, whenever it was scanned."""
        return _without_times(self) == _without_times(other)

    def worst(self, count: int) -> "ScanReport":
        """Return this report with so many findings at most; one that lacks some is not complete."""
        return self if len(self.findings) <= count else replace(self, findings=self.findings[:count], complete=False)

    def without_earlier_scans(self) -> "ScanReport":
        """Return this report as the scanner gave it, without what this process saw before."""
        if self.scanned_since is None and not self.rows:
            return self
        return replace(self, scanned_since=None, rows=())


def _without_times(report: ScanReport) -> ScanReport:
    return replace(report, coverage=replace(report.coverage, last_scanned_at=None), scanned_since=None, rows=())


_KEPT = {ScanState.SCANNED, ScanState.SCANNED_AGAIN}

MAX_FINDINGS = 1000
"""Findings kept for one image, worst first; more than that is already refused by any sensible limit."""

_INSPECTOR_REASONS: dict[str, ScanState] = {
    "SUCCESSFUL": ScanState.SCANNED,
    "PENDING_INITIAL_SCAN": ScanState.PENDING,
    "SCAN_IN_PROGRESS": ScanState.PENDING,
    "PENDING_REVIVAL_SCAN": ScanState.PENDING,
    "SCAN_FREQUENCY_SCAN_ON_PUSH": ScanState.SCANNED_ONCE,
    "SCAN_ELIGIBILITY_EXPIRED": ScanState.EXPIRED,
    "SCAN_FREQUENCY_MANUAL": ScanState.NOT_SCANNED,
    "EXCLUDED_BY_TAG": ScanState.NOT_SCANNED,
    "UNSUPPORTED_OS": ScanState.UNSUPPORTED,
    "UNSUPPORTED_MEDIA_TYPE": ScanState.UNSUPPORTED,
    "UNSUPPORTED_CONFIG_FILE": ScanState.UNSUPPORTED,
    "IMAGE_SIZE_EXCEEDED": ScanState.UNSUPPORTED,
    "ACCESS_DENIED": ScanState.BLOCKED,
    "ACCESS_DENIED_TO_ENCRYPTION_KEY": ScanState.BLOCKED,
    "INTERNAL_ERROR": ScanState.FAILED,
    "RESOURCE_TERMINATED": ScanState.NOT_SCANNED,
    "PENDING_DISABLE": ScanState.NOT_SCANNED,
    "NO_RESOURCES_FOUND": ScanState.NOT_SCANNED,
    "IMAGE_ARCHIVED": ScanState.ARCHIVED,
}
_ACTIVE_REASONS = frozenset(
    {"SUCCESSFUL", "PENDING_INITIAL_SCAN", "SCAN_IN_PROGRESS", "PENDING_REVIVAL_SCAN", "SCAN_FREQUENCY_SCAN_ON_PUSH"}
)
_BASIC_STATUSES: dict[str, ScanState] = {
    "ACTIVE": ScanState.SCANNED,
    "COMPLETE": ScanState.SCANNED_ONCE,
    "IN_PROGRESS": ScanState.PENDING,
    "PENDING": ScanState.PENDING,
    "FAILED": ScanState.FAILED,
    "UNSUPPORTED_IMAGE": ScanState.UNSUPPORTED,
    "SCAN_ELIGIBILITY_EXPIRED": ScanState.EXPIRED,
    "FINDINGS_UNAVAILABLE": ScanState.FAILED,
    "LIMIT_EXCEEDED": ScanState.LIMITED,
    "IMAGE_SIZE_EXCEEDED": ScanState.UNSUPPORTED,
    "IMAGE_ARCHIVED": ScanState.ARCHIVED,
}
_UNSUPPORTED = "UnsupportedImageError"
"""Description of a FAILED scan of an image whose operating system is not supported. Source: the user guide of Amazon
ECR, "troubleshooting image scanning"."""

DOCUMENTED_WORDS = frozenset({"ACTIVE", "INACTIVE", *_INSPECTOR_REASONS, *_BASIC_STATUSES})
"""The scanners' own words that are known here. Another one may be a sentence, with anything in it."""


def inspector_state(code: str, reason: str, *, last_scanned_at: datetime | None) -> ScanState:
    """Map Inspector's coverage ``statusCode`` and ``reason`` to a state.

    The pair must fit: only ACTIVE can be SCANNED or PENDING; how a scan on push alone is reported is not documented, so
    that either code is taken. An image scanned before and being scanned again keeps its findings.
    """
    state = _INSPECTOR_REASONS.get(reason, ScanState.UNKNOWN)
    if code not in ("ACTIVE", "INACTIVE") or (code == "ACTIVE" and reason not in _ACTIVE_REASONS):
        return ScanState.UNKNOWN
    if code == "INACTIVE" and reason in _ACTIVE_REASONS and reason != "SCAN_FREQUENCY_SCAN_ON_PUSH":
        return ScanState.UNKNOWN
    if reason == "SCAN_IN_PROGRESS" and last_scanned_at is not None:
        return ScanState.SCANNED_AGAIN
    return state


def basic_state(status: str, description: str = "") -> ScanState:
    """Map ECR's ``imageScanStatus``, its status and description, to a state."""
    state = _BASIC_STATUSES.get(status, ScanState.UNKNOWN)
    is_unsupported = state is ScanState.FAILED and description.startswith(_UNSUPPORTED)
    return ScanState.UNSUPPORTED if is_unsupported else state
