"""The check ``vulnerabilities``: which findings count, how many may, and what is not good news for want of an answer."""

import pytest

from tests.unit.builders import DAY, INSTANT, MINUTE, NOW, finding, findings, package, report
from tests.unit.checks.findings import ALLOW, DENY, FAIL, NO_CRITICAL, PASS, UNDETERMINED, check
from tidegate.checks.result import Check, Reason
from tidegate.checks.vulnerabilities import describe_finding
from tidegate.evidence.scan import Answer, Scanner, Severity
from tidegate.policy.model import IgnoredVulnerability, ScanRules


def of(*found, **rules):
    return check(report(*found), **rules)


@pytest.mark.parametrize("severity", [severity for severity in Severity if severity is not Severity.UNKNOWN])
@pytest.mark.parametrize("limit", [0, 1, 5])
def test_as_many_findings_as_allowed_pass_and_one_more_does_not(severity, limit):
    rules = {"max_counts": {severity: limit}}
    assert of(*findings(**{severity.value: limit}), **rules).outcome is PASS
    result = of(*findings(**{severity.value: limit + 1}), **rules)
    assert (result.check, result.outcome, result.reason) == (Check.VULNERABILITIES, FAIL, Reason.VULNERABLE)
    assert result.summary.startswith(f"{limit + 1} {severity.value} (allowed {limit}): CVE-{severity.value}-0")


def test_a_severity_that_is_not_named_is_not_limited():
    assert of(*findings(HIGH=50, LOW=50), max_counts={Severity.CRITICAL: 0}).outcome is PASS


def test_every_severity_over_its_limit_is_counted_and_the_worst_are_shown():
    result = of(
        *findings(LOW=1, HIGH=3, CRITICAL=2), max_counts={Severity.LOW: 1, Severity.HIGH: 1, Severity.CRITICAL: 1}
    )
    assert result.summary.startswith("2 CRITICAL (allowed 1), 3 HIGH (allowed 1): CVE-CRITICAL-0 CRITICAL in ")
    assert result.summary.endswith("; and 2 more")
    assert "LOW" not in result.summary


def test_the_finding_is_told_with_package_installed_and_fixed_version_and_the_remedy():
    result = of(finding("CVE-2026-7", packages=(package("openssl", "3.0.1", "3.0.2"),)))
    assert result.summary == "1 CRITICAL (allowed 0): CVE-2026-7 CRITICAL in openssl 3.0.1, fixed in 3.0.2"
    assert result.remedy == "update openssl to the fixed version, then rebuild and push the image"


def test_three_findings_are_all_told():
    told = [f"CVE-HIGH-{number} HIGH in openssl 3.0.1, fixed in 3.0.2" for number in range(3)]
    assert of(*findings(HIGH=3), max_counts={Severity.HIGH: 0}).summary == f"3 HIGH (allowed 0): {'; '.join(told)}"


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ("a", "a to the fixed version"),
        ("ab", "a, b to the fixed versions"),
        ("abc", "a, b, c to the fixed versions"),
        ("abcd", "a, b, c and 1 more package to the fixed versions"),
        ("abcde", "a, b, c and 2 more packages to the fixed versions"),
    ],
)
def test_the_remedy_names_the_packages_that_can_be_fixed(names, words):
    result = of(finding(packages=tuple(package(name) for name in names)))
    assert result.remedy == f"update {words}, then rebuild and push the image"


def test_without_any_fixed_version_the_remedy_is_another():
    result = of(finding(packages=(package(fixed_in=""),)))
    assert result.remedy.endswith("no fixed version is known yet")


DESCRIPTIONS = [
    pytest.param(finding("CVE-1", packages=()), "CVE-1 CRITICAL", id="no package"),
    pytest.param(
        finding("CVE-1", packages=(package("a", "1", ""),)), "CVE-1 CRITICAL in a 1, no fixed version", id="no fix"
    ),
    pytest.param(
        finding("CVE-1", packages=(package("a", "1", "2"), package("b"))),
        "CVE-1 CRITICAL in a 1, fixed in 2 (+1 more packages)",
        id="two packages",
    ),
    pytest.param(
        finding("CVE\n1", packages=(package("a\x1b", "1\t", "2\x00"),)),
        "CVE?1 CRITICAL in a? 1?, fixed in 2?",
        id="control characters",
    ),
]


@pytest.mark.parametrize(("one", "text"), DESCRIPTIONS)
def test_a_finding_is_described_for_a_person(one, text):
    assert describe_finding(one) == text


def test_findings_that_can_be_fixed_and_are_likelier_exploited_are_shown_first():
    shown = [
        finding("CVE-d", fix=Answer.NO, epss=0.9),
        finding("CVE-c", epss=None),
        finding("CVE-b", epss=0.1),
        finding("CVE-a", epss=0.1),
        finding("CVE-e", Severity.HIGH, epss=0.9),
    ]
    result = of(*shown, max_counts={Severity.CRITICAL: 0, Severity.HIGH: 0})
    positions = [result.summary.find(name) for name in ("CVE-a", "CVE-b", "CVE-c")]
    assert positions == sorted(positions)
    assert result.summary.endswith("and 2 more")
    assert min(positions) > 0


FIXES = [
    pytest.param(Answer.YES, True, id="yes"),
    pytest.param(Answer.PARTIAL, True, id="for some packages"),
    pytest.param(Answer.UNKNOWN, True, id="not said"),
    pytest.param(Answer.NO, False, id="surely none"),
]


@pytest.mark.parametrize(("fix", "counts"), FIXES)
def test_only_findings_that_surely_have_no_fix_are_left_out(fix, counts):
    assert of(finding(fix=fix), **NO_CRITICAL, only_fixable=True).outcome is (FAIL if counts else PASS)
    assert of(finding(fix=fix), **NO_CRITICAL).outcome is FAIL


EXPLOITS = [
    pytest.param(Answer.YES, FAIL, id="known"),
    pytest.param(Answer.NO, PASS, id="none"),
    pytest.param(Answer.UNKNOWN, UNDETERMINED, id="not said"),
    pytest.param(Answer.PARTIAL, UNDETERMINED, id="a word that is no answer to this"),
]


@pytest.mark.parametrize(("exploit", "outcome"), EXPLOITS)
def test_a_known_exploit_refuses_and_one_not_spoken_of_is_not_good_news(exploit, outcome):
    low = finding("CVE-2026-9", Severity.LOW, exploit=exploit)
    result = of(low, exploit_available=DENY)
    assert result.outcome is outcome
    assert of(low, **NO_CRITICAL, exploit_available=ALLOW).outcome is PASS
    if outcome is FAIL:
        assert result.summary.startswith("1 finding with a known exploit: CVE-2026-9 LOW")
    if outcome is PASS:
        assert (result.check, result.reason, result.notes) == (Check.VULNERABILITIES, Reason.OK, ())
    if outcome is UNDETERMINED:
        assert result.reason is Reason.EVIDENCE_LACKING
        assert result.summary == "Amazon Inspector does not report whether an exploit for CVE-2026-9 is known"
        assert result.remedy == "retry, and tell the platform team if it persists"


@pytest.mark.parametrize(
    "spared",
    [{"only_fixable": True}, {"grace_period": 365 * DAY}],
    ids=["a finding without a fix", "a finding in grace"],
)
def test_a_known_exploit_is_spared_by_neither_grace_nor_lack_of_a_fix(spared):
    assert of(finding(exploit=Answer.YES, fix=Answer.NO), exploit_available=DENY, **spared).outcome is FAIL


LEFT_OUT = [
    pytest.param(finding("CVE-1", suppressed=True), {}, id="suppressed"),
    pytest.param(
        finding("CVE-1"), {"ignore": (IgnoredVulnerability(id="CVE-1", until=NOW + DAY, reason="why"),)}, id="ignored"
    ),
    pytest.param(finding("CVE-1", fix=Answer.NO), {"only_fixable": True}, id="without a fix"),
    pytest.param(finding("CVE-1", first_observed_at=NOW), {"grace_period": DAY}, id="in grace"),
]


@pytest.mark.parametrize(("left_out", "rules"), LEFT_OUT)
def test_a_finding_that_does_not_count_hides_none_behind_it(left_out, rules):
    assert of(left_out, **NO_CRITICAL, **rules).outcome is PASS
    assert of(left_out, finding("CVE-2"), **NO_CRITICAL, **rules).summary.startswith("1 CRITICAL (allowed 0): CVE-2 ")


def test_every_finding_with_a_known_exploit_is_counted():
    result = of(finding("CVE-1", exploit=Answer.YES), finding("CVE-2", exploit=Answer.YES), exploit_available=DENY)
    assert result.summary.startswith("2 findings with a known exploit: CVE-1 ")


def test_a_refusal_holds_no_longer_than_what_it_rests_on():
    until = NOW + DAY
    ignored = IgnoredVulnerability(id="CVE-1", until=until, reason="why")
    assert of(finding("CVE-1"), finding("CVE-2"), **NO_CRITICAL, ignore=(ignored,)).holds_until == until
    scan = ScanRules(max_age=2 * DAY)
    assert check(report(finding()), scan=scan).holds_until == NOW + DAY


EPSS = [
    pytest.param(0.5, True, id="equal to the threshold"),
    pytest.param(0.500001, True, id="above"),
    pytest.param(0.499999, False, id="below"),
]


@pytest.mark.parametrize(("score", "refused"), EPSS)
def test_an_epss_score_of_the_threshold_or_more_refuses_at_any_severity(score, refused):
    result = of(finding(severity=Severity.LOW, epss=score), epss_threshold=0.5)
    assert result.outcome is (FAIL if refused else PASS)
    if refused:
        assert result.summary.startswith("1 finding with an EPSS score of 0.5 or more: ")


@pytest.mark.parametrize("threshold", [0.0, 0.5, 1.0])
def test_a_finding_without_an_epss_score_is_not_known_to_be_below_the_threshold(threshold):
    result = of(finding("GHSA-1", Severity.LOW, epss=None), epss_threshold=threshold)
    assert (result.outcome, result.reason) == (UNDETERMINED, Reason.EVIDENCE_LACKING)
    assert result.summary == "Amazon Inspector gives no EPSS score for GHSA-1"
    assert result.remedy == (
        "add it to vulnerabilities.ignore in the policy, or set vulnerabilities.whenEpssUnknown to Allow"
    )
    assert of(finding(epss=None)).outcome is FAIL
    assert of(finding(severity=Severity.LOW, epss=None)).outcome is PASS


def test_where_an_unknown_epss_score_is_tolerated_the_other_limits_still_hold():
    tolerant = {**NO_CRITICAL, "epss_threshold": 0.5, "when_epss_unknown": ALLOW}
    assert of(finding(severity=Severity.LOW, epss=None), **tolerant).outcome is PASS
    assert of(finding(epss=None), **tolerant).outcome is FAIL
    assert of(finding(severity=Severity.LOW, epss=0.5), **tolerant).outcome is FAIL


@pytest.mark.parametrize(
    "spared",
    [
        {"only_fixable": True},
        {"grace_period": 365 * DAY},
        {"ignore": (IgnoredVulnerability(id="CVE-2026-0001", until=NOW + DAY, reason="why"),)},
    ],
    ids=["without a fix", "in grace", "ignored"],
)
def test_no_epss_score_is_asked_of_a_finding_that_does_not_count(spared):
    assert of(finding(fix=Answer.NO, epss=None), epss_threshold=0.5, **spared).outcome is PASS


def test_a_threshold_of_zero_refuses_every_scored_finding():
    assert of(finding(epss=0.0), epss_threshold=0.0).outcome is FAIL


@pytest.mark.parametrize(
    "spared",
    [{"only_fixable": True}, {"grace_period": 365 * DAY}],
    ids=["a finding without a fix", "a finding in grace"],
)
def test_epss_is_asked_of_findings_that_count_only(spared):
    assert of(finding(fix=Answer.NO, epss=0.9), epss_threshold=0.5).outcome is FAIL
    assert of(finding(fix=Answer.NO, epss=0.9), epss_threshold=0.5, **spared).outcome is PASS


GRACE = [
    pytest.param(7 * DAY - INSTANT, PASS, NOW + INSTANT, id="the last instant"),
    pytest.param(7 * DAY, FAIL, None, id="over to the instant"),
    pytest.param(0 * DAY, PASS, NOW + 7 * DAY, id="seen just now"),
    pytest.param(-5 * MINUTE, PASS, NOW + 7 * DAY + 5 * MINUTE, id="seen in the future: the clocks differ"),
    pytest.param(-5 * MINUTE - INSTANT, FAIL, NOW + INSTANT, id="seen in the future by more than clocks differ"),
    pytest.param(-DAY, FAIL, NOW + DAY - 5 * MINUTE, id="seen in a time that cannot be right"),
    pytest.param(None, FAIL, None, id="nobody says when it was first seen"),
]


@pytest.mark.parametrize(("seen", "outcome", "holds_until"), GRACE)
def test_a_finding_counts_once_its_grace_is_over(seen, outcome, holds_until):
    first = None if seen is None else NOW - seen
    result = of(finding(first_observed_at=first), **NO_CRITICAL, grace_period=7 * DAY)
    assert (result.outcome, result.holds_until) == (outcome, holds_until)


def test_without_a_grace_period_a_finding_counts_at_once():
    assert of(finding(first_observed_at=NOW + DAY)).outcome is FAIL


def test_the_answer_says_when_the_first_grace_ends():
    found = [finding("CVE-1", first_observed_at=NOW - DAY), finding("CVE-2", first_observed_at=NOW - 2 * DAY)]
    result = of(*found, **NO_CRITICAL, grace_period=7 * DAY)
    (note,) = result.notes
    assert note.startswith("2 findings in the grace period; the first, CVE-2 CRITICAL in openssl 3.0.1, fixed in 3.0.2")
    assert note.endswith(", counts from 2026-06-06 12:00 UTC")
    assert result.holds_until == NOW + 5 * DAY


def test_of_two_graces_that_end_together_the_first_finding_is_told():
    (note,) = of(*findings(CRITICAL=2), **NO_CRITICAL, grace_period=31 * DAY).notes
    assert note.startswith("2 findings in the grace period; the first, CVE-CRITICAL-0 CRITICAL in ")


IGNORED = [
    pytest.param("CVE-1", NOW + INSTANT, PASS, NOW + INSTANT, id="the last instant"),
    pytest.param("CVE-1", NOW, FAIL, None, id="over to the instant"),
    pytest.param("CVE-1", NOW - DAY, FAIL, None, id="long over"),
    pytest.param("CVE-2", NOW + DAY, FAIL, None, id="another id"),
    pytest.param("cve-1", NOW + DAY, FAIL, None, id="the id in another case"),
]


@pytest.mark.parametrize(("ignored", "until", "outcome", "holds_until"), IGNORED)
def test_an_ignored_vulnerability_does_not_count_until_its_day(ignored, until, outcome, holds_until):
    entry = IgnoredVulnerability(id=ignored, until=until, reason="not reachable")
    result = of(finding("CVE-1", exploit=Answer.YES), **NO_CRITICAL, exploit_available=DENY, ignore=(entry,))
    assert (result.outcome, result.holds_until) == (outcome, holds_until)


@pytest.mark.parametrize("exploit", [Answer.YES, Answer.UNKNOWN], ids=["with an exploit", "with no word of an exploit"])
def test_suppressed_findings_are_left_out_only_where_the_policy_allows(exploit):
    hidden = finding(suppressed=True, exploit=exploit)
    assert of(hidden, **NO_CRITICAL, exploit_available=DENY).outcome is PASS
    assert of(hidden, **NO_CRITICAL, exploit_available=DENY, suppressed=DENY).outcome is FAIL
    assert of(finding(suppressed=False), **NO_CRITICAL).outcome is FAIL


def test_a_severity_not_known_is_never_counted_as_a_known_one():
    odd = finding("CVE-odd", Severity.UNKNOWN)
    result = of(odd)
    assert (result.check, result.outcome) == (Check.VULNERABILITIES, UNDETERMINED)
    assert result.reason is Reason.STATUS_UNKNOWN
    assert result.summary == "CVE-odd has a severity that this version of tidegate does not know"
    assert result.remedy == "ask the platform team to upgrade tidegate"
    assert of(odd, finding()).outcome is FAIL
    assert of(odd, **NO_CRITICAL, only_fixable=True).outcome is UNDETERMINED
    assert of(finding(severity=Severity.UNKNOWN, fix=Answer.NO), **NO_CRITICAL, only_fixable=True).outcome is PASS


def test_more_findings_than_are_read_refuse_an_image():
    """Who pushes it chooses how many there are, so it must not be "not known", which a policy may tolerate."""
    result = check(report(*findings(HIGH=2), complete=False))
    assert (result.check, result.outcome) == (Check.VULNERABILITIES, FAIL)
    assert result.reason is Reason.EVIDENCE_LACKING
    assert result.summary == "the image has more findings than tidegate reads (2)"
    assert result.remedy == "fix the worst findings, then rebuild and push the image"
    assert check(report(*findings(CRITICAL=1), complete=False)).outcome is FAIL


@pytest.mark.parametrize(
    ("rules", "names"),
    [
        ({"exploit_available": DENY}, "exploitAvailable"),
        ({"epss_threshold": 0.5}, "epssThreshold"),
        ({"exploit_available": DENY, "epss_threshold": 0.5}, "exploitAvailable and epssThreshold"),
    ],
    ids=["exploit", "EPSS", "both"],
)
def test_basic_scanning_cannot_tell_of_exploits_and_epss(rules, names):
    basic = report(scanner=Scanner.ECR_BASIC)
    result = check(basic, **rules)
    assert (result.outcome, result.reason) == (UNDETERMINED, Reason.EVIDENCE_LACKING)
    assert result.summary == f"ECR basic scanning does not provide the data for {names}"
    assert result.remedy == "turn on enhanced scanning, or remove the field from the policy"
    assert check(basic, **NO_CRITICAL).outcome is PASS


def test_basic_scanning_refuses_by_what_it_does_tell():
    one = finding(exploit=Answer.UNKNOWN, first_observed_at=None)
    assert check(report(one, scanner=Scanner.ECR_BASIC), **NO_CRITICAL, epss_threshold=0.5).outcome is FAIL
