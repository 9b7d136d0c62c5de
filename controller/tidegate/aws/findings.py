"""Findings in Amazon Inspector's words, read into evidence.

A finding that cannot be read raises: left out, it would make an image look better than it is. Equal packages and
findings are one object, since images built on one base share them by the hundred.
"""

import sys
from collections.abc import Sequence
from functools import lru_cache

from tidegate.aws.reply import Reply, member
from tidegate.evidence.inspection import FoundFindings
from tidegate.evidence.scan import MAX_FINDINGS, Answer, Finding, Severity, VulnerablePackage

MAX_PACKAGES = 10
"""Packages kept for one finding; they are for messages, and further ones are more of the same."""
MAX_TEXT = 256
"""Characters kept of a package's name or version."""

_NOT_AVAILABLE = "NotAvailable"
_WORST_FIRST = {severity: rank for rank, severity in enumerate(Severity)} | {Severity.UNKNOWN: -1}
_ACTIVE, _SUPPRESSED, _CLOSED = "ACTIVE", "SUPPRESSED", "CLOSED"


def read_finding(described: Reply) -> Finding | None:
    """Return a finding, or None for one that is closed.

    New words for severity, fix and exploit are UNKNOWN. A new word for the status raises: it may mean anything.
    """
    status = described.text("status")
    if status == _CLOSED:
        return None
    if status not in (_ACTIVE, _SUPPRESSED):
        raise described.wrong("status", f"expected ACTIVE, SUPPRESSED or CLOSED, got {status[:40]!r}")
    details = described.object("packageVulnerabilityDetails")
    return shared_finding(
        Finding(
            id=sys.intern(details.text("vulnerabilityId")),
            severity=member(Severity, described.text("severity"), Severity.UNKNOWN),
            packages=tuple(_package(each) for each in details.objects("vulnerablePackages")[:MAX_PACKAGES]),
            fix=member(Answer, described.optional_text("fixAvailable"), Answer.UNKNOWN),
            exploit=member(Answer, described.optional_text("exploitAvailable"), Answer.UNKNOWN),
            epss=_probability(described),
            first_observed_at=described.time("firstObservedAt"),
            suppressed=status == _SUPPRESSED,
        )
    )


def kept(findings: Sequence[Finding], *, complete: bool = True) -> FoundFindings:
    """Return the worst MAX_FINDINGS, worst first and suppressed ones last."""
    ordered = sorted(findings, key=lambda each: (each.suppressed, _WORST_FIRST[each.severity]))
    return FoundFindings(findings=tuple(ordered[:MAX_FINDINGS]), complete=complete and len(ordered) <= MAX_FINDINGS)


@lru_cache(maxsize=16_384)
def shared_package(name: str, installed: str, fixed_in: str) -> VulnerablePackage:
    """Return the package, the same object for the same words."""
    return VulnerablePackage(
        name=sys.intern(name[:MAX_TEXT]),
        installed=sys.intern(installed[:MAX_TEXT]),
        fixed_in=sys.intern(fixed_in[:MAX_TEXT]),
    )


@lru_cache(maxsize=16_384)
def shared_finding(finding: Finding) -> Finding:
    """Return the first finding seen that equals this one."""
    return finding


def _package(described: Reply) -> VulnerablePackage:
    fixed_in = described.optional_text("fixedInVersion")
    release, epoch = described.optional_text("release"), described.optional_number("epoch")
    installed = described.text("version") + (f"-{release}" if release else "")
    return shared_package(
        described.text("name"),
        f"{int(epoch)}:{installed}" if epoch else installed,
        "" if fixed_in == _NOT_AVAILABLE else fixed_in,
    )


def _probability(described: Reply) -> float | None:
    epss = described.optional_object("epss")
    score = None if epss is None else epss.optional_number("score")
    if score is not None and not 0.0 <= score <= 1.0:
        raise described.wrong("epss.score", f"expected 0 to 1, got {score}")
    return score
