"""Findings of images, and what the check ``vulnerabilities`` says of them."""

from tests.unit.builders import NOW, evidence, policy, subject
from tidegate.checks.result import Outcome
from tidegate.checks.vulnerabilities import check_vulnerabilities
from tidegate.evidence.scan import Severity
from tidegate.policy.model import Tolerance, VulnerabilityRules

FAIL, PASS, UNDETERMINED, EXEMPT = Outcome.FAIL, Outcome.PASS, Outcome.UNDETERMINED, Outcome.EXEMPT
DENY, ALLOW = Tolerance.DENY, Tolerance.ALLOW
NO_CRITICAL = {"max_counts": {Severity.CRITICAL: 0}}


def check(scanned, *, scan=None, now=NOW, cluster=(), **rules):
    required = VulnerabilityRules(**(rules or NO_CRITICAL))
    collected = scanned if hasattr(scanned, "detail") else evidence(scanned)
    judged = subject(collected=collected, now=now, cluster=cluster)
    return check_vulnerabilities(required, policy(vulnerabilities=required, scan=scan), judged)
