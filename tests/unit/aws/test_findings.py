"""Findings of Amazon Inspector, read one by one."""

from datetime import UTC, datetime

import pytest

from tidegate.aws.findings import MAX_ID, MAX_PACKAGES, MAX_TEXT, kept, read_finding
from tidegate.aws.reply import ApiResponse
from tidegate.evidence.fact import Cause
from tidegate.evidence.scan import MAX_FINDINGS, Answer, Finding, Severity, VulnerablePackage
from tidegate.evidence.source_unavailable import SourceUnavailableError

SEEN = datetime(2026, 1, 2, tzinfo=UTC)
PACKAGE = {"name": "openssl", "version": "3.0.11", "fixedInVersion": "3.0.13"}


def wire(*, packages=(PACKAGE,), details=(), **members):
    return {
        "status": "ACTIVE",
        "severity": "HIGH",
        "firstObservedAt": SEEN,
        "fixAvailable": "YES",
        "exploitAvailable": "NO",
        "epss": {"score": 0.25},
        "packageVulnerabilityDetails": {
            "vulnerabilityId": "CVE-2099-1",
            "vulnerablePackages": list(packages),
            **dict(details),
        },
        **members,
    }


def read(finding):
    return read_finding(ApiResponse(finding, "inspector2:ListFindings"))


def test_a_finding_is_read_whole():
    assert read(wire()) == Finding(
        id="CVE-2099-1",
        severity=Severity.HIGH,
        packages=(VulnerablePackage(name="openssl", installed="3.0.11", fixed_in="3.0.13"),),
        fix=Answer.YES,
        exploit=Answer.NO,
        epss=0.25,
        first_observed_at=SEEN,
    )


@pytest.mark.parametrize("severity", [each for each in Severity if each is not Severity.UNKNOWN])
def test_every_severity_is_known(severity):
    assert read(wire(severity=severity.value)).severity is severity


def test_words_that_are_new_are_unknown():
    finding = read(wire(severity="CATASTROPHIC", fixAvailable="SOON", exploitAvailable="MAYBE"))
    assert (finding.severity, finding.fix, finding.exploit) == (Severity.UNKNOWN, Answer.UNKNOWN, Answer.UNKNOWN)


def test_what_is_not_said_is_unknown():
    finding = read(wire(packages=(), fixAvailable=None, exploitAvailable=None, epss=None))
    assert (finding.packages, finding.fix, finding.exploit, finding.epss) == ((), Answer.UNKNOWN, Answer.UNKNOWN, None)


@pytest.mark.parametrize("word", ["YES", "NO", "PARTIAL"])
def test_every_word_for_a_fix_is_known(word):
    assert read(wire(fixAvailable=word)).fix is Answer(word)


def test_suppressed_findings_are_marked_and_closed_ones_left_out():
    assert read(wire(status="ACTIVE")).suppressed is False
    assert read(wire(status="SUPPRESSED")).suppressed is True
    assert read(wire(status="CLOSED")) is None


UNREADABLE = [
    pytest.param(wire(status="REOPENED"), id="a status that is new"),
    pytest.param(wire(status=None), id="no status"),
    pytest.param(wire(severity=None), id="no severity"),
    pytest.param(wire(severity=9), id="a severity that is no text"),
    pytest.param(wire(firstObservedAt=None), id="no time"),
    pytest.param(wire(firstObservedAt="2026-01-02"), id="a time that is a text"),
    pytest.param(wire(firstObservedAt=datetime(2026, 1, 2)), id="a time without a time zone"),  # noqa: DTZ001
    pytest.param(wire(firstObservedAt=datetime(2014, 12, 31, 23, tzinfo=UTC)), id="a time before Amazon ECR"),
    pytest.param(wire(packageVulnerabilityDetails=None), id="no vulnerability"),
    pytest.param(wire(details={"vulnerabilityId": None}), id="no id"),
    pytest.param(wire(details={"vulnerabilityId": ""}), id="an empty id"),
    pytest.param(wire(packages=("openssl",)), id="a package that is no object"),
    pytest.param(wire(packages=({"name": "openssl"},)), id="a package without a version"),
    pytest.param(wire(packages=({"version": "1"},)), id="a package without a name"),
    pytest.param(wire(epss={"score": 1.01}), id="a probability over one"),
    pytest.param(wire(epss={"score": -0.01}), id="a probability under nothing"),
    pytest.param(wire(epss={"score": float("nan")}), id="a probability that is no number"),
    pytest.param(wire(epss={"score": "0.5"}), id="a probability that is a text"),
    pytest.param(wire(epss={"score": True}), id="a probability that is a truth"),
    pytest.param(wire(epss=0.5), id="a probability that stands alone"),
]


@pytest.mark.parametrize("finding", UNREADABLE)
def test_a_finding_that_cannot_be_read_is_not_left_out(finding):
    with pytest.raises(SourceUnavailableError) as raised:
        read(finding)
    assert raised.value.cause is Cause.UNEXPECTED_ANSWER


@pytest.mark.parametrize("score", [0, 0.0, 1, 1.0])
def test_probabilities_from_nothing_to_one_are_read(score):
    assert read(wire(epss={"score": score})).epss == score


@pytest.mark.parametrize(
    ("package", "installed", "fixed_in"),
    [
        pytest.param({"version": "1.1", "release": "4.el9"}, "1.1-4.el9", "", id="with a release"),
        pytest.param({"version": "1.1", "release": "4.el9", "epoch": 2}, "2:1.1-4.el9", "", id="with an epoch"),
        pytest.param({"version": "1.1", "epoch": 0}, "1.1", "", id="an epoch of nothing is not written"),
        pytest.param({"version": "1.1", "fixedInVersion": "NotAvailable"}, "1.1", "", id="no fix, in their words"),
    ],
)
def test_versions_are_written_as_package_managers_do(package, installed, fixed_in):
    found = read(wire(packages=({"name": "x", **package},))).packages[0]
    assert (found.installed, found.fixed_in) == (installed, fixed_in)


def test_packages_and_their_texts_are_bounded():
    finding = read(wire(packages=[{"name": f"{number}" + "n" * 1000, "version": "1"} for number in range(99)]))
    assert len(finding.packages) == MAX_PACKAGES
    assert {len(each.name) for each in finding.packages} == {MAX_TEXT}


def test_a_name_that_is_too_long_is_no_name():
    assert read(wire(details={"vulnerabilityId": "C" * MAX_ID})).id == "C" * MAX_ID
    with pytest.raises(SourceUnavailableError, match="at most"):
        read(wire(details={"vulnerabilityId": "C" * (MAX_ID + 1)}))


def found(number, severity=Severity.LOW, **members):
    return Finding(id=f"CVE-{number}", severity=severity, **members)


def test_the_worst_are_kept_and_stand_first():
    many = [found(number) for number in range(MAX_FINDINGS)] + [found("worst", Severity.CRITICAL)]
    result = kept(many)
    assert result.findings[0].id == "CVE-worst"
    assert len(result.findings) == MAX_FINDINGS
    assert not result.complete


def test_as_many_as_are_kept_are_complete():
    result = kept([found(number) for number in range(MAX_FINDINGS)])
    assert len(result.findings) == MAX_FINDINGS
    assert result.complete


def test_an_unread_page_is_remembered():
    assert not kept([], complete=False).complete


def test_a_severity_that_is_not_known_is_kept_like_the_worst_and_suppressed_ones_last():
    order = kept(
        [
            found(1, Severity.CRITICAL, suppressed=True),
            found(2, Severity.LOW),
            found(3, Severity.CRITICAL),
            found(4, Severity.UNKNOWN),
        ]
    )
    assert [each.id for each in order.findings] == ["CVE-4", "CVE-3", "CVE-2", "CVE-1"]
