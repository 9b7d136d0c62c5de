"""How long each kind of fact may be used again. Short where the answer may change soon, shortest where it refuses an image.

Times to live are seconds. A failed look-up has none: it is never cached.
"""

from datetime import datetime, timedelta

from tidegate.evidence.image import Absence
from tidegate.evidence.scan import ScanReport, ScanState, Severity

MOVABLE_TAG_SECONDS = 5.0
"""A tag that can move, or whose mutability is unknown: for so long a moved tag is judged by its old digest."""
FIXED_TAG_SECONDS = 60.0
"""A tag that ECR keeps in place; it could still be deleted and pushed again."""
DIGEST_SECONDS = 300.0
"""An image by digest: only its storage status can change."""
ABSENT_SECONDS = 5.0
"""No such image or repository: a push may be under way."""
SETTINGS_SECONDS = 300.0
SCAN_TYPE_SECONDS = 300.0
CONFIGURATION_SECONDS = 3 * 3_600.0
"""Policies, lifecycle and scanning of a repository and its registry: for so long a policy that was changed still counts."""
PARTLY_CONFIGURED_SECONDS = 60.0
"""A configuration of which a part could not be read: for so long a permission that was granted is not noticed."""
CONTENT_SECONDS = 86_400.0
"""The children of an index are fixed by its digest."""
BAD_CONTENT_SECONDS = 60.0
FRESH_SCAN_SECONDS = 30.0
"""A scan finished within FRESH_SCAN: findings may still be arriving."""
FRESH_SCAN = timedelta(minutes=5)
JUST_SCANNED = timedelta(seconds=120)
"""A scan this recent may have ended between two look-ups that were made side by side."""
ROWS_KEPT = timedelta(minutes=30)
"""A finding that changed this long before a look-up may be listed as changed after it: the change feed looks back 10 minutes,
and clocks differ by up to 15."""
FOLLOWING = timedelta(hours=1)
"""Two look-ups of a scan follow each other within this: a longer gap may hide that scanning was off in between."""
KEPT_SECONDS = 7 * 86_400.0
"""How long an expired fact is kept for policies that accept stale evidence; the CRD bounds maxStale by the same."""
RETRY_SECONDS = 1.0
"""After a failed renewal a stale fact is served this long before AWS is asked again."""

FOUND_SECONDS = 300.0
"""Signatures and attestations that were found: in that time one that was removed still counts."""
NOT_VERIFIED_SECONDS = 10.0
"""Signatures that did not meet a policy: the right one may be pushed any moment. The same where none was found."""
PARTIAL_SECONDS = 1.0
"""Signatures of which some could not be looked at."""
BEFORE_SECONDS = 2 * FOUND_SECONDS
"""How long signatures that were found are kept where there is too much beside them to look at all of it again."""
HINT_SECONDS = 5.0
"""What ECR says of its own signing of an image."""
VERIFIED_SECONDS = 3_600.0
"""A signature that was verified, unless it expires before; verifying again costs milliseconds."""
FAILED_SECONDS = 300.0
"""A signature that failed: a certificate may become valid, and a wrong clock may be corrected."""
UNDECIDED_SECONDS = 1.0
"""A signature that could not be decided. It is never remembered; the evidence is valid for so long."""
SIGNER_SECONDS = 300.0
"""An answer of AWS Signer about revocation."""
SIGNER_WINDOW = timedelta(hours=1)
"""How long an answer of AWS Signer counts while it cannot be refreshed."""
OCSP_SECONDS = 600.0
"""An OCSP answer, unless its own next update comes sooner."""
CRL_SECONDS = 3_600.0
"""A CRL, unless its own next update comes sooner."""
NO_ANSWER_SECONDS = 10.0
"""A result that a service gave no answer for: another source, such as a CRL, may have had one."""

SCANNED_SECONDS = 240.0
"""A scan that is over. A new finding counts after this long at the latest; for 10,000 images that are in use all the time
it costs 625 calls a minute, each of ten images, to the two APIs of Amazon Inspector that say it."""

SCAN_SECONDS = {
    ScanState.SCANNED: SCANNED_SECONDS,
    ScanState.SCANNED_AGAIN: FRESH_SCAN_SECONDS,
    ScanState.SCANNED_ONCE: SCANNED_SECONDS,
    ScanState.PENDING: 10.0,
    ScanState.EXPIRED: 300.0,
    ScanState.UNSUPPORTED: 300.0,
    ScanState.NOT_SCANNED: 15.0,
    ScanState.BLOCKED: 60.0,
    ScanState.FAILED: 60.0,
    ScanState.LIMITED: 600.0,
    ScanState.ARCHIVED: 300.0,
    ScanState.UNKNOWN: RETRY_SECONDS,
}


def scan_seconds(report: ScanReport, *, now: datetime) -> float:
    """Return the time to live of a scan report.

    A finding with an unknown severity counts at once; the next answer may give it a known one.
    """
    if any(one.severity is Severity.UNKNOWN for one in report.findings):
        return RETRY_SECONDS
    scanned_at = report.coverage.last_scanned_at
    if report.coverage.state in {ScanState.SCANNED, ScanState.SCANNED_AGAIN, ScanState.SCANNED_ONCE}:
        if scanned_at is None:
            return SCAN_SECONDS[ScanState.PENDING]
        if now - scanned_at < FRESH_SCAN:
            return FRESH_SCAN_SECONDS
    return SCAN_SECONDS.get(report.coverage.state, FRESH_SCAN_SECONDS)


def configuration_seconds(*, is_whole: bool) -> float:
    """Return the time to live of a configuration, all parts of which were read, or not all."""
    return CONFIGURATION_SECONDS if is_whole else PARTLY_CONFIGURED_SECONDS


def detail_seconds(detail: object, *, by_digest: bool, tag_is_fixed: bool) -> float:
    """Return the time to live of the image that a tag or a digest was resolved to."""
    if isinstance(detail, Absence):
        return ABSENT_SECONDS
    if by_digest:
        return DIGEST_SECONDS
    return FIXED_TAG_SECONDS if tag_is_fixed else MOVABLE_TAG_SECONDS


def kept_seconds(value: object) -> float:
    """Return how long a fact may be used as stale evidence, after its time to live.

    That an image did not exist is never used when stale: it may have been pushed since.
    """
    return 0.0 if isinstance(value, Absence) else KEPT_SECONDS
