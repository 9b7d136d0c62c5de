"""Coverage and findings of several images in one answer: each goes to its own image, and none is lost."""

from datetime import UTC, datetime, timedelta

import pytest

from tests import frames
from tests.unit.aws.test_findings import wire
from tidegate.aws.inspection import MAX_ROWS, CoverageRows, ImageFindings, Targets
from tidegate.evidence.fact import Cause
from tidegate.evidence.scan import MAX_FINDINGS, Coverage, ScanState
from tidegate.evidence.source_unavailable import SourceUnavailableError
from tidegate.images.digest import digest_of
from tidegate.images.repository import EcrRegistry

REGISTRY = EcrRegistry("aws", "111122223333", "eu-west-1")
A, B = digest_of(b"a"), digest_of(b"b")
APP, WEB = ("team/app", A), ("team/web", B)
SCANNED = datetime(2026, 1, 2, tzinfo=UTC)


def arn(name="team/app", digest=A, account="111122223333"):
    return f"arn:aws:ecr:eu-west-1:{account}:repository/{name}/{digest}"


def row(resource=None, code="ACTIVE", reason="SUCCESSFUL", **members):
    return {
        "resourceId": resource or arn(),
        "scanType": "PACKAGE",
        "accountId": "111122223333",
        "scanStatus": {"statusCode": code, "reason": reason},
        "lastScannedAt": SCANNED,
        **members,
    }


def coverage(*rows, images=(APP,), complete=True):
    read = CoverageRows(Targets(REGISTRY, images), "inspector2:ListCoverage")
    read.add({"coveredResources": list(rows)})
    return read.answers(complete=complete)


def unanswered(value):
    return isinstance(value, SourceUnavailableError) and value.cause is Cause.UNEXPECTED_ANSWER


def test_what_cannot_be_read_keeps_nothing_of_its_page():
    kept: list[object] = []
    assert not frames.are_kept(lambda: kept.append(coverage(row(lastScannedAt="now"))))
    broken = finding("CVE-1", resource(), severity=None)
    assert not frames.are_kept(lambda: kept.append(findings(broken)))
    assert len(kept) == 2


def test_resource_ids_are_those_of_inspector():
    assert Targets(REGISTRY, [APP, WEB, APP]).arns == (arn(), arn("team/web", B))


def test_coverage_is_given_to_its_image():
    answers = coverage(row(arn("team/web", B), "INACTIVE", "SCAN_ELIGIBILITY_EXPIRED"), row(), images=(APP, WEB))
    assert answers == {
        APP: Coverage(state=ScanState.SCANNED, code="ACTIVE", reason="SUCCESSFUL", last_scanned_at=SCANNED),
        WEB: Coverage(
            state=ScanState.EXPIRED, code="INACTIVE", reason="SCAN_ELIGIBILITY_EXPIRED", last_scanned_at=SCANNED
        ),
    }


def test_statuses_that_are_known_are_one_object_for_all_images():
    first, second, other, same = (
        coverage(row(reason="".join(reason)))[APP]
        for reason in (["SUCC", "ESSFUL"], ["SUCC", "ESSFUL"], ["NE", "W"], ["NE", "W"])
    )
    assert first.reason is second.reason
    assert other.reason == same.reason == "NEW"
    assert other.reason is not same.reason


def test_no_row_is_not_scanned():
    assert coverage()[APP].state is ScanState.NOT_SCANNED


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(row(arn("team/app", B)), id="another digest"),
        pytest.param(row(arn("team/web")), id="another repository"),
        pytest.param(row(arn(account="999999999999")), id="another account"),
        pytest.param(row(accountId="999999999999"), id="an account that does not fit"),
        pytest.param(row(accountId=None), id="no account"),
        pytest.param(row(scanType="CODE"), id="another kind of scan"),
        pytest.param(row(scanType="SOMETHING_NEW"), id="a kind of scan that is new"),
    ],
)
def test_a_row_about_something_else_is_no_answer_and_never_no_row(other):
    for rows in ([other], [other, row()], [row(), other]):
        with pytest.raises(SourceUnavailableError):
            coverage(*rows)


def test_no_row_says_nothing_while_rows_are_unread():
    assert unanswered(coverage(complete=False)[APP])


@pytest.mark.parametrize(
    ("code", "reason"), [("ACTIVE", "SOMETHING_NEW"), ("SOMETHING_NEW", "SUCCESSFUL"), ("INACTIVE", "SUCCESSFUL")]
)
def test_a_status_that_is_new_or_does_not_fit_is_unknown(code, reason):
    assert coverage(row(code=code, reason=reason))[APP].state is ScanState.UNKNOWN


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param([row(scanStatus=None)], id="no status"),
        pytest.param([row(scanStatus={"statusCode": "ACTIVE"})], id="no reason"),
        pytest.param([row(scanStatus={"reason": "SUCCESSFUL"})], id="no code"),
        pytest.param([row(lastScannedAt="now")], id="a time that is none"),
        pytest.param([row(lastScannedAt=datetime(1970, 1, 1, tzinfo=UTC))], id="a time that stands for none"),
        pytest.param([row(lastScannedAt=datetime(2026, 1, 1))], id="a time without a time zone"),  # noqa: DTZ001
        pytest.param([row(), row(code="INACTIVE", reason="UNSUPPORTED_OS")], id="two rows that differ"),
    ],
)
def test_a_row_that_cannot_be_read_leaves_its_image_unanswered_and_not_the_others(broken):
    answers = coverage(*broken, row(arn("team/web", B)), images=(APP, WEB))
    assert unanswered(answers[APP])
    assert answers[WEB].state is ScanState.SCANNED


@pytest.mark.parametrize(
    "rows", [[row(scanType=None)], [{"scanType": "PACKAGE"}], ["x"]], ids=["no scan type", "no resource", "no object"]
)
def test_a_row_of_which_it_is_not_clear_whose_it_is_is_no_answer(rows):
    with pytest.raises(SourceUnavailableError):
        coverage(*rows)


def test_an_equal_row_twice_is_one_answer():
    assert coverage(row(), row())[APP].state is ScanState.SCANNED


# Findings


def resource(name="team/app", digest=A, account="111122223333", **members):
    details = {"repositoryName": name, "imageHash": digest, "registry": account}
    return {"id": arn(name, digest, account), "details": {"awsEcrContainerImage": details}, **members}


def findings(*found, images=(APP, WEB), complete=True):
    read = ImageFindings(Targets(REGISTRY, images), "inspector2:ListFindings")
    read.add({"findings": list(found)})
    return read.answers(complete=complete)


def ids(answer):
    return [each.id for each in answer.findings]


def finding(name, *resources, **members):
    return wire(details={"vulnerabilityId": name}, resources=list(resources), **members)


def test_findings_are_given_to_their_images():
    answers = findings(
        finding("CVE-1", resource()),
        finding("CVE-2", resource("team/web", B)),
        finding("CVE-3", resource(), resource("team/web", B)),
    )
    assert ids(answers[APP]) == ["CVE-1", "CVE-3"]
    assert ids(answers[WEB]) == ["CVE-2", "CVE-3"]
    assert answers[APP].complete


def test_an_image_without_findings_has_none():
    assert ids(findings()[APP]) == []


def test_one_digest_in_the_repository_of_another_is_another_image():
    """The question names repositories and digests, and not which belong together."""
    answers = findings(finding("CVE-1", resource("team/web", A)), finding("CVE-2", {"id": arn("team/app", B)}))
    assert (ids(answers[APP]), ids(answers[WEB])) == ([], [])


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(resource("other/app"), id="another repository"),
        pytest.param(resource(digest=digest_of(b"c")), id="another digest"),
        pytest.param(resource(account="999999999999"), id="another account"),
        pytest.param({"id": arn("third/app")}, id="another repository, by its name alone"),
        pytest.param({"id": arn(account="999999999999")}, id="another account, by its name alone"),
        pytest.param(resource(id=arn("team/web", B)), id="two images at once"),
    ],
)
def test_a_finding_about_something_else_is_no_answer_and_never_no_finding(other):
    for found in ([finding("CVE-1", other)], [finding("CVE-1", resource(), other)]):
        with pytest.raises(SourceUnavailableError):
            findings(*found)


def test_an_image_named_in_another_form_is_still_that_image():
    """A finding must not be lost because a resource id is not written as expected."""
    answers = findings(finding("CVE-1", resource(id="arn:aws:ecr:eu-west-1:repository/team/app")))
    assert ids(answers[APP]) == ["CVE-1"]


@pytest.mark.parametrize(
    "found",
    [
        pytest.param(finding("CVE-1"), id="no resource"),
        pytest.param(finding("CVE-1", {"id": "i-0123456789"}), id="a resource that is no image"),
        pytest.param(finding("CVE-1", {"details": {}}), id="a resource without an id"),
        pytest.param(
            finding("CVE-1", resource(details={"awsEcrContainerImage": {}}, id="x")), id="an image without a name"
        ),
        pytest.param("CVE-1", id="a finding that is no object"),
    ],
)
def test_a_finding_of_which_it_is_not_clear_whose_it_is_is_no_answer_for_any_image(found):
    with pytest.raises(SourceUnavailableError) as raised:
        findings(found)
    assert raised.value.cause is Cause.UNEXPECTED_ANSWER


def test_a_finding_that_cannot_be_read_leaves_its_image_unanswered_and_not_the_others():
    answers = findings(
        finding("CVE-1", resource(), severity=None),
        finding("CVE-2", resource()),
        finding("CVE-3", resource("team/web", B)),
    )
    assert unanswered(answers[APP])
    assert ids(answers[WEB]) == ["CVE-3"]


def test_a_closed_finding_counts_for_nothing():
    assert ids(findings(finding("CVE-1", resource(), status="CLOSED"))[APP]) == []


def test_unread_pages_leave_an_image_incomplete_that_has_more_findings_than_are_kept():
    found = [finding("CVE-1", resource()) for _ in range(MAX_FINDINGS)]
    assert not findings(*found, images=(APP,), complete=False)[APP].complete


def test_pages_without_end_for_few_findings_are_no_answer():
    answers = findings(finding("CVE-1", resource()), complete=False)
    assert unanswered(answers[APP])
    assert unanswered(answers[WEB])


def test_the_latest_changes_of_each_image_are_kept_also_of_findings_that_are_closed():
    """They tell a list of changes that comes later from news. An answer without these members is as good as any."""

    def changed(number, **members):
        return wire(findingArn=f"arn:{number}", updatedAt=SCANNED + timedelta(minutes=number), **members)

    found = [changed(number) | {"resources": [resource()]} for number in range(MAX_ROWS)]
    found += [changed(99, status="CLOSED") | {"resources": [resource(), resource("team/web", B)]}]
    found += [wire() | {"resources": [resource()]}]
    answers = findings(*found)
    assert [arn for arn, _ in answers[WEB].rows] == ["arn:99"]
    assert [arn for arn, _ in answers[APP].rows] == ["arn:99", *(f"arn:{n}" for n in range(MAX_ROWS - 1, 0, -1))]
