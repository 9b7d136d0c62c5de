"""Amazon Inspector's findings, read into evidence.

A finding that cannot be read raises: left out, it would make an image look better than it is.
"""

from collections.abc import Sequence

from tidegate.aws.reply import ApiResponse, member
from tidegate.evidence.inspection import FoundFindings
from tidegate.evidence.scan import MAX_FINDINGS, Answer, Finding, Severity, VulnerablePackage

MAX_PACKAGES = 10
"""Packages kept for one finding; they are for messages, and further ones are more of the same."""
MAX_TEXT = 256
"""Characters kept of a package's name or version."""
MAX_ID = 256
"""Characters of a vulnerability's name; more is no name."""

_NOT_AVAILABLE = "NotAvailable"
_WORST_FIRST = {severity: rank for rank, severity in enumerate(Severity)} | {Severity.UNKNOWN: -1}
_ACTIVE, _SUPPRESSED, _CLOSED = "ACTIVE", "SUPPRESSED", "CLOSED"


def read_finding(described: ApiResponse) -> Finding | None:
    """Return a finding, or None for one that is closed.

    New values of severity, fix and exploit are UNKNOWN. A new status raises: it may mean anything.
    """
    status = described.text("status")
    if status == _CLOSED:
        return None
    if status not in (_ACTIVE, _SUPPRESSED):
        raise described.wrong("status", f"expected ACTIVE, SUPPRESSED or CLOSED, got {status[:40]!r}")
    details = described.object("packageVulnerabilityDetails")
    return Finding(
        id=vulnerability_id(details, "vulnerabilityId"),
        severity=member(Severity, described.text("severity"), Severity.UNKNOWN),
        packages=tuple(_package(each) for each in details.objects("vulnerablePackages")[:MAX_PACKAGES]),
        fix=member(Answer, described.optional_text("fixAvailable"), Answer.UNKNOWN),
        exploit=member(Answer, described.optional_text("exploitAvailable"), Answer.UNKNOWN),
        epss=_probability(described),
        first_observed_at=described.time("firstObservedAt"),
        suppressed=status == _SUPPRESSED,
    )


def vulnerability_id(described: ApiResponse, member_name: str) -> str:
    """Return the name of a vulnerability; one that is too long is no name, and cut it would be another's."""
    found = described.text(member_name)
    if len(found) > MAX_ID:
        raise described.wrong(member_name, f"expected at most {MAX_ID} characters, got {len(found)}")
    return found


def kept(findings: Sequence[Finding], *, complete: bool = True) -> FoundFindings:
    """Return the worst MAX_FINDINGS, worst first and suppressed ones last."""
    ordered = sorted(findings, key=lambda each: (each.suppressed, _WORST_FIRST[each.severity]))
    return FoundFindings(findings=tuple(ordered[:MAX_FINDINGS]), complete=complete and len(ordered) <= MAX_FINDINGS)


def package(name: str, installed: str, fixed_in: str) -> VulnerablePackage:
    """Return the package, its texts cut."""
    return VulnerablePackage(name=name[:MAX_TEXT], installed=installed[:MAX_TEXT], fixed_in=fixed_in[:MAX_TEXT])


def _package(described: ApiResponse) -> VulnerablePackage:
    fixed_in = described.optional_text("fixedInVersion")
    release, epoch = described.optional_text("release"), described.optional_number("epoch")
    installed = described.text("version") + (f"-{release}" if release else "")
    return package(
        described.text("name"),
        f"{int(epoch)}:{installed}" if epoch else installed,
        "" if fixed_in == _NOT_AVAILABLE else fixed_in,
    )


def _probability(described: ApiResponse) -> float | None:
    epss = described.optional_object("epss")
    score = None if epss is None else epss.optional_number("score")
    if score is not None and not 0.0 <= score <= 1.0:
        raise described.wrong("epss.score", f"expected 0 to 1, got {score}")
    return score
