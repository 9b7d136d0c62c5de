"""Check ``scan``: every image that a node may run was scanned, recently enough. Not scanned is never clean.

After the push and after the first scan, findings may still be arriving, so the image counts as pending until the
policy's settling period is over. AWS does not report which scan was the first, so the last scan counts as the first unless
an earlier one is proved: see ``_settled_at``.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from tidegate.checks.existence import existing_image, runnable_images
from tidegate.checks.image_subject import ImageSubject
from tidegate.checks.messages import age, harmless
from tidegate.checks.result import Check, CheckResult, Outcome, Reason, Shortfall, failed, passed, undetermined
from tidegate.checks.staleness import earliest, resting_on, usable
from tidegate.evidence.fact import Cause, Fact, Missing
from tidegate.evidence.image import ImageDetail, PlatformImage
from tidegate.evidence.scan import DOCUMENTED_WORDS, Scanner, ScanReport, ScanState
from tidegate.policy.model import ImagePolicy, ScanRules, Tolerance

MAX_CLOCK_SKEW = timedelta(minutes=5)
"""A scan later than now by more than this has a time that cannot be right. AWS refuses requests of clocks further off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScannedImage:
    """One runnable image with its scan report, and the result of the check of the scan."""

    image: PlatformImage
    report: ScanReport | None
    result: CheckResult


_FAILED: dict[ScanState, tuple[Reason, str, str]] = {
    ScanState.PENDING: (Reason.SCAN_PENDING, "the scan is not finished", "retry in a minute"),
    ScanState.EXPIRED: (
        Reason.SCAN_EXPIRED,
        "the scan has expired and its findings were closed, so newer vulnerabilities are unknown",
        "push the image again or lengthen the re-scan duration in Amazon Inspector",
    ),
    ScanState.UNSUPPORTED: (
        Reason.SCAN_UNSUPPORTED,
        "the scanner does not support this image",
        "use a supported base image, or set scan.whenUnsupported to Allow in the policy",
    ),
    ScanState.NOT_SCANNED: (
        Reason.NOT_SCANNED,
        "the image was never scanned",
        "turn on scanning for its repository and push the image again",
    ),
    ScanState.BLOCKED: (
        Reason.SCAN_BLOCKED,
        "the scanner is denied access to the repository or its KMS key",
        "ask the platform team to give Amazon Inspector access to the repository",
    ),
    ScanState.LIMITED: (
        Reason.SCAN_LIMIT_EXCEEDED,
        "the daily limit of basic scans is reached, so the image was not scanned",
        "retry tomorrow or use enhanced scanning",
    ),
    ScanState.ARCHIVED: (
        Reason.IMAGE_ARCHIVED,
        "the image is archived in Amazon ECR and cannot be pulled",
        "restore it or deploy another version",
    ),
}
_UNDETERMINED: dict[ScanState, tuple[Reason, str, str]] = {
    ScanState.FAILED: (Reason.SCAN_FAILED, "the scan failed", "retry later, or push the image again"),
    ScanState.UNKNOWN: (
        Reason.STATUS_UNKNOWN,
        "the scanner reports a status that this version of tidegate does not know",
        "ask the platform team to upgrade tidegate",
    ),
}


def check_scan(rules: ScanRules, policy: ImagePolicy, subject: ImageSubject) -> CheckResult:
    """Judge the scan of every runnable image; the worst decides."""
    scanned = judge_scans(rules, policy, subject)
    result = scanned.of(Check.SCAN) if isinstance(scanned, Shortfall) else worst([one.result for one in scanned])
    return resting_on_scans(result, policy, subject)


def judge_scans(rules: ScanRules, policy: ImagePolicy, subject: ImageSubject) -> tuple[ScannedImage, ...] | Shortfall:
    """Return each runnable image, at least one, with its scan judged; or the shortfall."""
    if subject.reference.ecr is None:
        return Shortfall(
            outcome=Outcome.FAIL,
            reason=Reason.REGISTRY_NOT_SUPPORTED,
            found=f"{harmless(subject.reference.domain)} is not Amazon ECR, so Amazon Inspector does not scan it",
            remedy="copy the image into Amazon ECR",
        )
    detail = existing_image(subject, policy)
    if isinstance(detail, Shortfall):
        return detail
    images = runnable_images(subject, policy)
    if isinstance(images, Shortfall):
        return images
    # The scan type is evidence too: a fresh report is worthless where another scanner is in charge now.
    scan_type = usable(subject.evidence.scan_type, policy=policy, subject=subject)
    if isinstance(scan_type, Shortfall):
        return scan_type
    return tuple(_judge_one(rules, policy, subject, detail, image) for image in images)


def resting_on_scans(result: CheckResult, policy: ImagePolicy, subject: ImageSubject) -> CheckResult:
    """Return the result with the effects of stale facts that all scans rest on; see ``resting_on``."""
    facts = (subject.evidence.detail, subject.evidence.runnable, subject.evidence.scan_type)
    return resting_on(result, *facts, policy=policy, subject=subject)


def worst(results: list[CheckResult]) -> CheckResult:
    """Return the result that decides: FAIL, then UNDETERMINED, then EXEMPT, then PASS.

    It holds only as long as all of them do, since a lesser result may become the worst.
    """
    for outcome in (Outcome.FAIL, Outcome.UNDETERMINED, Outcome.EXEMPT):
        if found := next((result for result in results if result.outcome is outcome), None):
            break
    else:
        found = results[0]
    notes = dict.fromkeys(note for result in results if found.lets_through for note in result.notes)
    return replace(found, holds_until=earliest(*(result.holds_until for result in results)), notes=tuple(notes))


def _judge_one(
    rules: ScanRules, policy: ImagePolicy, subject: ImageSubject, detail: ImageDetail, image: PlatformImage
) -> ScannedImage:
    fact = subject.evidence.scans.get(image.digest, Missing(Cause.NOT_ASKED, "the scan"))
    report = usable(fact, policy=policy, subject=subject)
    if isinstance(report, Shortfall):
        return ScannedImage(image=image, report=None, result=report.of(Check.SCAN))
    result = _judge_report(rules, detail, report, subject.now, observed_at=_observed_at(fact, subject.now))
    if image.platform is not None and result.found:
        result = replace(result, found=f"{image.platform}: {result.found}")
    result = resting_on(result, fact, policy=policy, subject=subject)
    return ScannedImage(image=image, report=report, result=result)


def _judge_report(
    rules: ScanRules, detail: ImageDetail, report: ScanReport, now: datetime, *, observed_at: datetime
) -> CheckResult:
    """Judge one report in numbered steps; the first that does not hold is the answer."""
    coverage = report.coverage
    # 1. The scanner reports the image as scanned.
    if coverage.state not in {ScanState.SCANNED, ScanState.SCANNED_AGAIN, ScanState.SCANNED_ONCE}:
        return replace(
            _not_scanned(rules, coverage.state, _documented_codes(report)), cause=_undocumented_codes(report)
        )
    # 2. It reports when. Without a time there was no scan: AWS explains one such status with "will be scanned one time".
    scanned_at = coverage.last_scanned_at
    if scanned_at is None or scanned_at - max(now, observed_at) > MAX_CLOCK_SKEW:
        return _no_time(report)
    # 3. The findings of the first scan had arrived when they were looked up.
    if rules.settling_period and (unsettled := _unsettled(rules, detail, report, scanned_at, now, observed_at)):
        return unsettled
    # 4. It is recent enough.
    if rules.max_age is None:
        return passed(Check.SCAN)
    if now - scanned_at > rules.max_age:
        return _too_old(rules.max_age, scanned_at, now)
    return passed(Check.SCAN, holds_until=scanned_at + rules.max_age)


def _no_time(report: ScanReport) -> CheckResult:
    scanned_at = report.coverage.last_scanned_at
    seen = "without a time" if scanned_at is None else "with a time in the future"
    found = f"the scanner reports a scan {seen} ({_documented_codes(report)})"
    remedy = "retry in a minute, and tell the platform team if it persists"
    result = undetermined(Check.SCAN, Reason.EVIDENCE_LACKING, found, remedy, cause=_undocumented_codes(report))
    return result if scanned_at is None else replace(result, holds_until=scanned_at - MAX_CLOCK_SKEW)


def _unsettled(
    rules: ScanRules,
    detail: ImageDetail,
    report: ScanReport,
    scanned_at: datetime,
    now: datetime,
    observed_at: datetime,
) -> CheckResult | None:
    """Return the result of an image whose findings may still be arriving, or None when they had arrived.

    What counts is when they were looked up: findings that were read too early do not become complete by getting old.
    """
    settled_at = _settled_at(rules.settling_period, detail, report, scanned_at)
    if settled_at is None:
        found = "a scan is running, and no earlier scan is known"
        return _not_scanned(rules, ScanState.PENDING, found)
    if observed_at >= settled_at:
        return None
    result = _not_scanned(rules, ScanState.PENDING, "pushed or scanned recently; findings may still be arriving")
    remedy = f"retry in {age(max(timedelta(0), settled_at - now) + timedelta(seconds=1))}"
    return replace(result, remedy=remedy, holds_until=settled_at if now < settled_at else None)


def _observed_at(fact: Fact[ScanReport], now: datetime) -> datetime:
    """Return when the scanner was asked, at most ``now`` where the clock was set back a little since.

    AWS refuses requests of a clock that is further off: then the clock was right at the look-up, and is wrong now.
    """
    if isinstance(fact, Missing):
        return now
    return fact.observed_at if fact.observed_at - now > MAX_CLOCK_SKEW else min(now, fact.observed_at)


def _not_scanned(rules: ScanRules, state: ScanState, codes: str) -> CheckResult:
    tolerance = {
        ScanState.PENDING: rules.when_pending,
        ScanState.EXPIRED: rules.when_expired,
        ScanState.UNSUPPORTED: rules.when_unsupported,
    }.get(state, Tolerance.DENY)
    result = failed if state in _FAILED else undetermined
    reason, found, remedy = _FAILED[state] if state in _FAILED else _UNDETERMINED[state]
    found = f"{found} ({codes})"
    if tolerance is Tolerance.ALLOW:
        notes = (f"tolerated: {found}",)
        return CheckResult(check=Check.SCAN, outcome=Outcome.EXEMPT, reason=reason, found=found, notes=notes)
    return result(Check.SCAN, reason, found, remedy)


def _documented_codes(report: ScanReport) -> str:
    """Return the scanner's documented codes, so that a reader can look them up."""
    coverage = report.coverage
    if not coverage.code and not coverage.reason:
        return f"{report.scanner.value} has no record of it"
    words = "/".join(one for one in (coverage.code, coverage.reason) if one in DOCUMENTED_WORDS)
    return f"{report.scanner.value}: {words}" if words else report.scanner.value


def _undocumented_codes(report: ScanReport) -> str:
    """Return all of the scanner's codes, for operators, where users see only the documented ones."""
    coverage = report.coverage
    words = [one for one in (coverage.code, coverage.reason) if one]
    return "/".join(map(harmless, words)) if not DOCUMENTED_WORDS.issuperset(words) else ""


def _settled_at(period: timedelta, detail: ImageDetail, report: ScanReport, scanned_at: datetime) -> datetime | None:
    """Return when the findings of the first scan count as complete: a period after the push and after that scan.

    None means that a scan is running that may be the first one: its time may be that of its beginning.

    Amazon Inspector scans an image repeatedly and reports only the time of the last scan. So the last scan counts as the
    first one, unless an earlier scan since the push is proved:

    - by a finding that was first observed more than a period before the last scan;
    - by an earlier look-up of this process, which saw the image scanned already (``ScanReport.scanned_since``).

    Findings older than the push prove nothing: an image that was deleted and pushed again, or restored from the archive, is
    scanned anew, and its findings may come back one by one with their old times. Where the push has no time, nothing is
    proved. ECR's basic scanning scans on push or on demand: each of its scans makes all findings anew.
    """
    present = [time for time in (detail.pushed_at, detail.restored_at) if time is not None]
    finished = [scanned_at] if report.coverage.state is not ScanState.SCANNED_AGAIN else []
    if detail.pushed_at is None or report.scanner is not Scanner.INSPECTOR:
        return max([*present, scanned_at]) + period if finished else None
    observed = [one.first_observed_at for one in report.findings if one.first_observed_at is not None]
    proofs = [time for time in observed if time < scanned_at - period]
    if report.scanned_since is not None:
        proofs.append(report.scanned_since)
    first = min([*finished, *(time for time in proofs if time >= max(present))], default=None)
    return None if first is None else max([*present, first]) + period


def _too_old(max_age: timedelta, scanned_at: datetime, now: datetime) -> CheckResult:
    found = f"the last scan is {age(now - scanned_at)} old (maxAge: {age(max_age)})"
    remedy = "scan or push the image again, or turn on continuous scanning"
    return failed(Check.SCAN, Reason.SCAN_TOO_OLD, found, remedy)
