"""ECR's own scan reports."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.unit.aws.test_findings import wire
from tidegate.aws.ecr_scan import check_subject, not_scanned, read_report
from tidegate.evidence.fact import Cause
from tidegate.evidence.scan import MAX_FINDINGS, Scanner, ScanState, Severity, VulnerablePackage
from tidegate.evidence.source_unavailable import SourceUnavailableError
from tidegate.images.digest import digest_of
from tidegate.images.repository import EcrRegistry, EcrRepository

NOW = datetime(2026, 1, 2, tzinfo=UTC)
LONG_AGO = NOW - timedelta(days=1)


def finding(name="CVE-1", severity="HIGH", **attributes):
    listed = [{"key": key, "value": value} for key, value in attributes.items()]
    return {"name": name, "severity": severity, "attributes": listed}


def page(*findings, status="COMPLETE", counts=None, completed_at=LONG_AGO, **members):
    found = {"findings": list(findings), "findingSeverityCounts": counts or {}, "imageScanCompletedAt": completed_at}
    return {"imageScanStatus": {"status": status, "description": "why"}, "imageScanFindings": {**found, **members}}


def read(*pages, more=False):
    return read_report(pages, "ecr:DescribeImageScanFindings", more=more)


def test_a_finished_scan_is_read_with_its_findings():
    report = read(page(finding(package_name="zlib", package_version="1.2"), finding("CVE-2", "CRITICAL")))
    assert report.scanner is Scanner.ECR_BASIC
    assert (report.coverage.state, report.coverage.code, report.coverage.reason) == (
        ScanState.SCANNED_ONCE,
        "COMPLETE",
        "why",
    )
    assert report.coverage.last_scanned_at == LONG_AGO
    assert [each.id for each in report.findings] == ["CVE-2", "CVE-1"]
    assert report.findings[1].packages == (VulnerablePackage(name="zlib", installed="1.2"),)
    assert report.complete


def test_a_finished_scan_without_findings_is_clean():
    report = read(page())
    assert (report.coverage.state, report.findings, report.complete) == (ScanState.SCANNED_ONCE, (), True)


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("IN_PROGRESS", ScanState.PENDING),
        ("PENDING", ScanState.PENDING),
        ("FAILED", ScanState.FAILED),
        ("UNSUPPORTED_IMAGE", ScanState.UNSUPPORTED),
        ("SCAN_ELIGIBILITY_EXPIRED", ScanState.EXPIRED),
        ("FINDINGS_UNAVAILABLE", ScanState.FAILED),
        ("LIMIT_EXCEEDED", ScanState.LIMITED),
        ("IMAGE_SIZE_EXCEEDED", ScanState.UNSUPPORTED),
        ("IMAGE_ARCHIVED", ScanState.ARCHIVED),
        ("SOMETHING_NEW", ScanState.UNKNOWN),
    ],
)
def test_any_other_status_is_not_scanned_and_says_why(status, state):
    report = read({"imageScanStatus": {"status": status}})
    assert (report.coverage.state, report.coverage.code) == (state, status)


@pytest.mark.parametrize(
    ("description", "state"),
    [
        ("UnsupportedImageError: The operating system 'scratch' is not supported.", ScanState.UNSUPPORTED),
        ("Something else", ScanState.FAILED),
        ("Not an UnsupportedImageError", ScanState.FAILED),
        (None, ScanState.FAILED),
    ],
)
def test_a_scan_that_failed_for_the_image_that_was_pushed_is_no_failure_of_the_scanner(description, state):
    """Else who pushes an image that cannot be scanned makes "not known" of it, which a policy may tolerate."""
    report = read({"imageScanStatus": {"status": "FAILED", "description": description}})
    assert (report.coverage.state, report.coverage.code) == (state, "FAILED")


@pytest.mark.parametrize(
    ("word", "severity"),
    [
        *((each.value, each) for each in Severity if each is not Severity.UNKNOWN),
        ("UNDEFINED", Severity.UNTRIAGED),
        ("SOMETHING_NEW", Severity.UNKNOWN),
    ],
)
def test_every_severity_is_known_and_a_new_one_is_unknown(word, severity):
    assert read(page(finding(severity=word))).findings[0].severity is severity


def test_pages_are_put_together():
    report = read(page(finding("CVE-1")), page(finding("CVE-2")))
    assert {each.id for each in report.findings} == {"CVE-1", "CVE-2"}
    assert report.complete


def test_more_findings_than_are_kept_make_it_incomplete():
    found = [finding(f"CVE-{number}") for number in range(MAX_FINDINGS)]
    assert not read(page(*found), more=True).complete


def test_pages_without_end_for_few_findings_are_no_answer():
    with pytest.raises(SourceUnavailableError):
        read(page(finding()), page(), more=True)


@pytest.mark.parametrize("counts", [{"HIGH": 2}, {"CRITICAL": 1}, {"HIGH": -1}, {"HIGH": 1, "SOMETHING_NEW": 1}])
def test_findings_that_are_counted_but_not_listed_are_still_to_come(counts):
    with pytest.raises(SourceUnavailableError):
        read(page(finding(), counts=counts))


@pytest.mark.parametrize("counts", [{"HIGH": 1}, {"HIGH": 1, "CRITICAL": 0}, {}, None])
def test_findings_that_are_listed_need_not_be_counted(counts):
    assert read(page(finding(), counts=counts)).complete


def test_findings_of_amazon_inspector_that_are_counted_but_not_listed_are_still_to_come_too():
    with pytest.raises(SourceUnavailableError):
        read(page(status="ACTIVE", enhancedFindings=[wire()], counts={"HIGH": 2}))
    assert read(page(status="ACTIVE", enhancedFindings=[wire(), wire(status="CLOSED")], counts={"HIGH": 2})).complete


def test_findings_of_amazon_inspector_that_come_this_way_count():
    report = read(page(status="ACTIVE", enhancedFindings=[wire(), wire(status="CLOSED")]))
    assert report.scanner is Scanner.INSPECTOR
    assert report.coverage.state is ScanState.SCANNED
    assert [each.id for each in report.findings] == ["CVE-2099-1"]


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param({}, id="no status"),
        pytest.param({"imageScanStatus": {}}, id="an empty status"),
        pytest.param({"imageScanStatus": {"status": "COMPLETE"}}, id="finished without findings"),
        pytest.param({"imageScanStatus": {"status": "ACTIVE"}}, id="covered without findings"),
        pytest.param(page() | {"imageScanFindings": {}}, id="neither kind of findings"),
        pytest.param(page() | {"imageScanFindings": {"findings": None}}, id="no list of findings"),
        pytest.param(page({"severity": "HIGH"}), id="a finding without a name"),
        pytest.param(page({"name": "CVE-1"}), id="a finding without a severity"),
        pytest.param(page("CVE-1"), id="a finding that is no object"),
        pytest.param(page(counts={"HIGH": "two"}), id="a count that is no number"),
        pytest.param(page(counts={"HIGH": 2, "LOW": -2}), id="a count below zero"),
        pytest.param(page(completed_at=datetime(1970, 1, 1, tzinfo=UTC)), id="a time that stands for none"),
        pytest.param(page(completed_at=datetime(2026, 1, 1)), id="a time without a time zone"),  # noqa: DTZ001
        pytest.param(page(enhancedFindings=[wire(status="REOPENED")]), id="an Inspector finding that cannot be read"),
    ],
)
def test_a_report_that_is_not_as_promised_is_no_answer(broken):
    with pytest.raises(SourceUnavailableError) as raised:
        read(broken)
    assert raised.value.cause is Cause.UNEXPECTED_ANSWER


@pytest.mark.parametrize(
    "second",
    [
        pytest.param(page(status="IN_PROGRESS"), id="another status"),
        pytest.param(page(completed_at=NOW), id="another time"),
        pytest.param(page(completed_at=None), id="no time"),
        pytest.param({"imageScanStatus": {"status": "COMPLETE"}}, id="no findings"),
        pytest.param({}, id="nothing"),
    ],
)
def test_pages_of_two_scans_are_no_report(second):
    """A scan that began while pages were read shows some of the old findings and some of the new ones."""
    with pytest.raises(SourceUnavailableError):
        read(page(finding()), second)


@pytest.mark.parametrize(
    "changes",
    [
        {"registryId": "999999999999"},
        {"registryId": None},
        {"repositoryName": "team/other"},
        {"imageId": {"imageDigest": digest_of(b"other")}},
        {"imageId": {}},
        {"imageId": None},
    ],
)
def test_a_page_about_another_image_is_no_answer(changes):
    about = {"registryId": "111122223333", "repositoryName": "team/app", "imageId": {"imageDigest": digest_of(b"a")}}
    where = EcrRepository(EcrRegistry("aws", "111122223333", "eu-west-1"), "team/app")
    check_subject(about, where, digest_of(b"a"), "x")
    with pytest.raises(SourceUnavailableError):
        check_subject(about | changes, where, digest_of(b"a"), "x")


def test_no_scan_is_never_clean():
    report = not_scanned("ScanNotFoundException", "why")
    assert (report.coverage.state, report.coverage.code) == (ScanState.NOT_SCANNED, "ScanNotFoundException")
