"""Check ``vulnerabilities``: findings that count stay within the policy's limits, on every image that a node may run.

What counts is decided finding by finding, in this order: suppressed, ignored, known exploit, not fixable, grace, grace of
an image that runs already, EPSS.
A finding without an EPSS score is undetermined where a policy has a threshold for it.
Where the scan does not pass, its findings cannot be trusted, so the result is that of the scan.
"""

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import datetime

from tidegate.checks.image_subject import ImageSubject
from tidegate.checks.messages import harmless, plural
from tidegate.checks.result import RETRY, Check, CheckResult, Outcome, Reason, Shortfall, failed, passed, undetermined
from tidegate.checks.scan import MAX_CLOCK_SKEW, ScannedImage, judge_scans, resting_on_scans, worst
from tidegate.checks.staleness import earliest
from tidegate.evidence.fact import Known
from tidegate.evidence.image import ImageDetail
from tidegate.evidence.scan import Answer, Finding, Scanner, ScanReport, Severity
from tidegate.policy.model import GraceAction, ImagePolicy, ScanRules, Tolerance, VulnerabilityRules

_SHOWN_FINDINGS = 3
"""Worst findings named in a message."""
_RANK = {severity: rank for rank, severity in enumerate(Severity)}


@dataclass(slots=True, kw_only=True)
class SortedFindings:
    """Findings of one image sorted by their effect under the policy. ``next_change`` is when time alone changes it."""

    counting: list[Finding] = field(default_factory=list)
    exploited: list[Finding] = field(default_factory=list)
    unknown_exploit: list[Finding] = field(default_factory=list)
    likely: list[Finding] = field(default_factory=list)
    unknown_epss: list[Finding] = field(default_factory=list)
    in_grace: list[tuple[datetime, Finding]] = field(default_factory=list)
    while_running: list[tuple[datetime, Finding]] = field(default_factory=list)
    unknown_severity: list[Finding] = field(default_factory=list)
    next_change: list[datetime] = field(default_factory=list)


def check_vulnerabilities(rules: VulnerabilityRules, policy: ImagePolicy, subject: ImageSubject) -> CheckResult:
    """Judge the findings of every runnable image; the worst decides."""
    scanned = judge_scans(policy.scan or ScanRules(), policy, subject)
    if isinstance(scanned, Shortfall):
        result = scanned.of(Check.VULNERABILITIES)
    else:
        result = worst([_judge_image(rules, one, subject) for one in scanned])
    return resting_on_scans(result, policy, subject)


def _judge_image(rules: VulnerabilityRules, scanned: ScannedImage, subject: ImageSubject) -> CheckResult:
    if scanned.report is None:
        return replace(scanned.result, check=Check.VULNERABILITIES)
    result = _judge_findings(rules, scanned.report, subject)
    if scanned.image.platform is not None and result.found:
        result = replace(result, found=f"{scanned.image.platform}: {result.found}")
    holds_until = earliest(result.holds_until, scanned.result.holds_until)
    if result.outcome is Outcome.FAIL:
        # Findings that are known refuse the image even where the scan itself is not (yet) good enough.
        return replace(result, holds_until=holds_until)
    if scanned.result.outcome is not Outcome.PASS:
        return replace(scanned.result, check=Check.VULNERABILITIES, holds_until=holds_until)
    return replace(result, notes=(*scanned.result.notes, *result.notes), holds_until=holds_until)


def _judge_findings(rules: VulnerabilityRules, report: ScanReport, subject: ImageSubject) -> CheckResult:
    """Judge the findings; the result holds until time alone may change it."""
    findings = _sort_findings(rules, report, subject)
    return replace(_judge_sorted(rules, report, findings), holds_until=min(findings.next_change, default=None))


def _judge_sorted(rules: VulnerabilityRules, report: ScanReport, sorted_findings: SortedFindings) -> CheckResult:
    """Judge in numbered steps; the first that refuses is the answer."""
    # 1. Known exploits and likely exploitation refuse at any severity.
    if found := sorted_findings.exploited:
        return _refuse(f"{plural(len(found), 'finding')} with a known exploit", found)
    if found := sorted_findings.likely:
        return _refuse(f"{plural(len(found), 'finding')} with an EPSS score of {rules.epss_threshold:g} or more", found)
    # 2. Counts per severity.
    counts = Counter(finding.severity for finding in sorted_findings.counting)
    over = [one for one in Severity if one in rules.max_counts and counts[one] > rules.max_counts[one]]
    if over:
        text = ", ".join(f"{counts[one]} {one.value} (allowed {rules.max_counts[one]})" for one in over)
        return _refuse(text, [finding for finding in sorted_findings.counting if finding.severity in over])
    # 3. More findings than tidegate reads refuse the image, so that a pusher cannot hide one behind the limit.
    if not report.complete:
        text = f"the image has more findings than tidegate reads ({len(report.findings)})"
        remedy = "fix the worst findings, then rebuild and push the image"
        return failed(Check.VULNERABILITIES, Reason.EVIDENCE_LACKING, text, remedy)
    # 4. Data that the policy needs and the scanner does not provide leaves the image undetermined.
    if lacking := _lacking(rules, report, sorted_findings):
        return lacking
    return passed(
        Check.VULNERABILITIES, notes=(*_grace_notes(sorted_findings), *_running_notes(rules, sorted_findings))
    )


def counting_ids(rules: VulnerabilityRules, report: ScanReport, subject: ImageSubject) -> set[str]:
    """Return the ids of the findings that refuse an image, or leave it undetermined, where there are enough of them."""
    found = _sort_findings(rules, report, subject)
    limited = (finding for finding in found.counting if finding.severity in rules.max_counts)
    unknown = (*found.unknown_exploit, *found.unknown_epss, *found.unknown_severity)
    return {finding.id for finding in (*limited, *found.exploited, *found.likely, *unknown)}


def _sort_findings(rules: VulnerabilityRules, report: ScanReport, subject: ImageSubject) -> SortedFindings:
    sorted_findings = SortedFindings()
    ignored = {one.id: one.until for one in rules.ignore if subject.now < one.until}
    for finding in report.findings:
        if finding.suppressed and rules.suppressed is Tolerance.ALLOW:
            continue
        if finding.id in ignored:
            sorted_findings.next_change.append(ignored[finding.id])
            continue
        if rules.exploit_available is Tolerance.DENY and finding.exploit is not Answer.NO:
            if finding.exploit is Answer.YES:
                sorted_findings.exploited.append(finding)
                continue
            sorted_findings.unknown_exploit.append(finding)
        if rules.only_fixable and finding.fix is Answer.NO:
            continue
        _sort_counting(rules, finding, sorted_findings, subject)
    return sorted_findings


def _sort_counting(
    rules: VulnerabilityRules, finding: Finding, sorted_findings: SortedFindings, subject: ImageSubject
) -> None:
    """Sort a finding that counts, unless it is still in its grace period."""
    now = subject.now
    if finding.first_observed_at is not None and rules.grace_period:
        begins, ends = finding.first_observed_at - MAX_CLOCK_SKEW, finding.first_observed_at + rules.grace_period
        if now < begins:
            # Observed in the future: the grace period would be longer than the policy allows.
            sorted_findings.next_change.append(begins)
        elif now < ends:
            sorted_findings.in_grace.append((ends, finding))
            sorted_findings.next_change.append(ends)
            return
    if (refused_from := _end_of_running(rules, finding, subject)) is not None:
        sorted_findings.while_running.append((refused_from, finding))
        sorted_findings.next_change.append(refused_from)
        return
    if rules.epss_threshold is not None:
        if finding.epss is None and rules.when_epss_unknown is Tolerance.DENY:
            sorted_findings.unknown_epss.append(finding)
        elif finding.epss is not None and finding.epss >= rules.epss_threshold:
            sorted_findings.likely.append(finding)
    if finding.severity is Severity.UNKNOWN:
        sorted_findings.unknown_severity.append(finding)
    sorted_findings.counting.append(finding)


def _end_of_running(rules: VulnerabilityRules, finding: Finding, subject: ImageSubject) -> datetime | None:
    """Return when a finding counts for an image that the namespace runs since before it; None where it counts now."""
    grace, observed, since = rules.running_images, finding.first_observed_at, subject.running_since
    if grace is None or observed is None or since is None or not since < observed <= subject.now:
        return None
    detail = subject.evidence.detail
    scanned_from = (
        detail.value.scanned_from if isinstance(detail, Known) and isinstance(detail.value, ImageDetail) else None
    )
    if scanned_from is not None and since < scanned_from <= observed:
        return None  # It may be an older finding that was observed anew.
    if grace.except_exploitable and finding.exploit is not Answer.NO:
        return None
    if finding.severity not in {*rules.max_counts, Severity.UNKNOWN} and rules.epss_threshold is None:
        return None  # It refuses no image.
    ends = observed + grace.duration
    return ends if subject.now < ends else None


def _lacking(rules: VulnerabilityRules, report: ScanReport, sorted_findings: SortedFindings) -> CheckResult | None:
    """Return UNDETERMINED where the scanner does not provide data that the policy needs, or in unknown terms."""
    reason, scanner = Reason.EVIDENCE_LACKING, report.scanner.value
    wants = ["exploitAvailable"] * (rules.exploit_available is Tolerance.DENY)
    wants += ["epssThreshold"] * (rules.epss_threshold is not None)
    if unknown := sorted_findings.unknown_severity:
        reason = Reason.STATUS_UNKNOWN
        found = f"{harmless(unknown[0].id)} has a severity that this version of tidegate does not know"
        remedy = "ask the platform team to upgrade tidegate"
    elif wants and report.scanner is not Scanner.INSPECTOR:
        found = f"{scanner} does not provide the data for {' and '.join(wants)}"
        remedy = "turn on enhanced scanning, or remove the field from the policy"
    elif unknown := sorted_findings.unknown_exploit:
        found = f"{scanner} does not report whether an exploit for {harmless(unknown[0].id)} is known"
        remedy = RETRY
    elif unknown := sorted_findings.unknown_epss:
        found = f"{scanner} gives no EPSS score for {harmless(unknown[0].id)}"
        remedy = "add it to vulnerabilities.ignore in the policy, or set vulnerabilities.whenEpssUnknown to Allow"
    else:
        return None
    return undetermined(Check.VULNERABILITIES, reason, found, remedy)


def _refuse(summary: str, findings: list[Finding]) -> CheckResult:
    ordered = sorted(findings, key=lambda one: (_RANK[one.severity], one.fix is Answer.NO, -(one.epss or 0), one.id))
    details = [describe_finding(finding) for finding in ordered[:_SHOWN_FINDINGS]]
    if len(ordered) > _SHOWN_FINDINGS:
        details.append(f"and {len(ordered) - _SHOWN_FINDINGS} more")
    return failed(Check.VULNERABILITIES, Reason.VULNERABLE, summary, _fix(ordered), details=tuple(details))


def _fix(findings: list[Finding]) -> str:
    """Return the instruction that names the packages to update, the worst finding's first."""
    packages = [package for finding in findings for package in finding.packages if package.fixed_in]
    names = list(dict.fromkeys(harmless(package.name) for package in packages))
    if not names:
        return "use another base image, or ask the platform team to ignore the finding for a time; no fixed version is known yet"
    more = f" and {plural(len(names) - _SHOWN_FINDINGS, 'more package')}" if len(names) > _SHOWN_FINDINGS else ""
    versions = "version" if len(names) == 1 else "versions"
    return f"update {', '.join(names[:_SHOWN_FINDINGS])}{more} to the fixed {versions}, then rebuild and push the image"


def describe_finding(finding: Finding) -> str:
    """Return one finding for a person: ``CVE-2025-1 CRITICAL in openssl 3.0.1, fixed in 3.0.2``."""
    text = f"{harmless(finding.id)} {finding.severity.value}"
    if finding.packages:
        first = finding.packages[0]
        text += f" in {harmless(first.name)} {harmless(first.installed)}"
        text += f", fixed in {harmless(first.fixed_in)}" if first.fixed_in else ", no fixed version"
        if len(finding.packages) > 1:
            text += f" (+{len(finding.packages) - 1} more packages)"
    return text


def _grace_notes(sorted_findings: SortedFindings) -> tuple[str, ...]:
    if not sorted_findings.in_grace:
        return ()
    ends, finding = min(sorted_findings.in_grace, key=lambda pair: pair[0])
    count = plural(len(sorted_findings.in_grace), "finding")
    first = f"the first, {describe_finding(finding)}, counts from {ends:%Y-%m-%d %H:%M} UTC"
    return (f"{count} in the grace period; {first}",)


def _running_notes(rules: VulnerabilityRules, sorted_findings: SortedFindings) -> tuple[str, ...]:
    found, grace = sorted_findings.while_running, rules.running_images
    if not found or grace is None or grace.action is GraceAction.ALLOW:
        return ()
    ends, finding = min(found, key=lambda pair: pair[0])
    count = f"{plural(len(found), 'finding')} younger than the Pods that run this image in the namespace"
    first = f"the first, {describe_finding(finding)}, counts from {ends:%Y-%m-%d %H:%M} UTC"
    return (f"{count}; {first}; to fix, {_fix([one for _, one in found])}",)
