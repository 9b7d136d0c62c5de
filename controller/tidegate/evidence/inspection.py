"""Amazon Inspector's two answers about an image, coverage and findings, made into one report.

Pure: nothing is looked up here, and what findings mean to a policy is not said here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias

from tidegate.evidence.fact import Cause
from tidegate.evidence.scan import Coverage, Finding, Scanner, ScanReport, ScanState
from tidegate.evidence.unavailable import AwsUnavailableError
from tidegate.images.digest import Digest

ImageKey: TypeAlias = tuple[str, Digest]
"""Repository name and digest inside one registry."""

SETTLE = timedelta(seconds=120)
"""How long after the push or the first scan findings may still be arriving."""
FIRST_SCAN_WITHIN = timedelta(hours=1)
"""A scan later than this after the push is a re-scan: the first one follows the push within minutes."""

_SOURCE = "inspector2:ListFindings"


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundFindings:
    """Findings of one image, worst first; ``complete`` is False where there were more than are kept or read."""

    findings: tuple[Finding, ...] = ()
    complete: bool = True


def combine(
    coverage: Mapping[ImageKey, Coverage | AwsUnavailableError],
    findings: Mapping[ImageKey, FoundFindings | AwsUnavailableError],
    *,
    now: datetime,
    pushed_at: Mapping[ImageKey, datetime | None] | None = None,
) -> dict[ImageKey, ScanReport | AwsUnavailableError]:
    """Return the report of each image that coverage was asked for; a half that is missing makes it unavailable.

    ``pushed_at`` holds the push times that are known; without one, a recent scan is taken for the first.
    """
    pushed = pushed_at or {}
    return {
        image: _report(half, findings.get(image) or _no_half(), now=now, pushed_at=pushed.get(image))
        for image, half in coverage.items()
    }


def is_settling(
    *, now: datetime, pushed_at: datetime | None, last_scanned_at: datetime | None, first_observed_at: datetime | None
) -> bool:
    """Tell whether findings may still be arriving: pushed, or scanned for the first time as far as known, just now.

    ``first_observed_at`` is the oldest finding's: one older than SETTLE before the last scan proves an earlier scan.
    Source: aws/aws-sdk issues 288 and 289, where finished scans showed no findings for a while.
    """
    if pushed_at is not None and now - pushed_at < SETTLE:
        return True
    if last_scanned_at is None:
        return pushed_at is None
    if now - last_scanned_at >= SETTLE:
        return False
    if first_observed_at is not None and first_observed_at < last_scanned_at - SETTLE:
        return False
    return pushed_at is None or last_scanned_at - pushed_at < FIRST_SCAN_WITHIN


def _report(
    coverage: Coverage | AwsUnavailableError,
    found: FoundFindings | AwsUnavailableError,
    *,
    now: datetime,
    pushed_at: datetime | None,
) -> ScanReport | AwsUnavailableError:
    if isinstance(coverage, AwsUnavailableError):
        return coverage
    if isinstance(found, AwsUnavailableError):
        return found
    scanned = coverage.state in (ScanState.SCANNED, ScanState.SCANNED_ONCE)
    observed = [each.first_observed_at for each in found.findings if each.first_observed_at is not None]
    return ScanReport(
        scanner=Scanner.INSPECTOR,
        coverage=coverage,
        findings=found.findings,
        complete=found.complete,
        settling=scanned
        and is_settling(
            now=now,
            pushed_at=pushed_at,
            last_scanned_at=coverage.last_scanned_at,
            first_observed_at=min(observed, default=None),
        ),
    )


def _no_half() -> AwsUnavailableError:
    return AwsUnavailableError(Cause.UNEXPECTED_ANSWER, _SOURCE, "no answer for this image")
