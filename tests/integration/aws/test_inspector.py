"""Amazon Inspector asked through the real SDK."""

import pytest

from tests import frames
from tests.integration.aws.conftest import OTHER, OWN, Aws
from tidegate.aws.accounts import RegistryAccount
from tidegate.aws.body import MAX_ANSWER_BYTES
from tidegate.aws.inspector import MAX_BATCH_PAGES
from tidegate.evidence.fact import Cause
from tidegate.evidence.scan import MAX_FINDINGS, Answer, ScanState, Severity
from tidegate.evidence.source_unavailable import SourceUnavailableError
from tidegate.images.digest import digest_of

READER = "arn:aws:iam::444455556666:role/tidegate-reader"


def pushed(world, name="team/app", tag="v1", **image):
    return name, world.add_image(name, tag, **image)


def only(answers):
    (answer,) = answers.values()
    return answer


def test_a_scanned_image_is_reported_with_its_findings_worst_first(aws, world):
    image = pushed(world)
    world.set_coverage("team/app", "v1", last_scanned_at=-3600)
    world.add_finding("team/app", "v1", severity="MEDIUM", id="CVE-1", status="ACTIVE")
    world.add_finding(
        "team/app",
        "v1",
        severity="CRITICAL",
        id="CVE-2",
        package="openssl",
        installed="3.0",
        fixed="3.1",
        epss=0.9,
        exploit=True,
    )
    world.add_finding("team/app", "v1", severity="CRITICAL", id="CVE-3", status="SUPPRESSED")
    assert only(aws.inspector.coverage(OWN, [image])).state is ScanState.SCANNED
    report = only(aws.inspector.findings(OWN, [image]))
    assert [(each.id, each.suppressed) for each in report.findings] == [
        ("CVE-2", False),
        ("CVE-1", False),
        ("CVE-3", True),
    ]
    worst = report.findings[0]
    assert (worst.severity, worst.fix, worst.exploit, worst.epss) == (Severity.CRITICAL, Answer.YES, Answer.YES, 0.9)
    assert (worst.packages[0].name, worst.packages[0].installed, worst.packages[0].fixed_in) == (
        "openssl",
        "3.0",
        "3.1",
    )
    assert report.findings[1].packages[0].fixed_in == ""
    assert report.complete


def test_ten_images_take_two_calls(aws, sim, world):
    images = [pushed(world, f"team/app{number}") for number in range(10)]
    world.add_finding("team/app7", "v1", id="CVE-7")
    assert {one.state for one in aws.inspector.coverage(OWN, images).values()} == {ScanState.SCANNED}
    answers = aws.inspector.findings(OWN, images)
    assert {image: [each.id for each in report.findings] for image, report in answers.items()} == {
        image: (["CVE-7"] if image[0] == "team/app7" else []) for image in images
    }
    assert sim.calls() == 2
    assert sim.ids("inspector2", "ListFindings") == [10]


def test_no_images_take_no_call_and_more_than_ten_are_refused(aws, sim):
    assert aws.inspector.coverage(OWN, []) == aws.inspector.findings(OWN, []) == {}
    assert sim.calls() == 0
    with pytest.raises(ValueError, match="10"):
        aws.inspector.coverage(OWN, [("team/app", digest_of(b"x"))] * 11)


def test_the_same_digest_in_another_repository_has_findings_of_its_own(aws, world):
    image = pushed(world, content="same")
    other = pushed(world, "team/copy", content="same")
    assert image[1] == other[1]
    world.add_finding("team/copy", "v1", id="CVE-1")
    answers = aws.inspector.findings(OWN, [image, other])
    assert answers[image].findings == ()
    assert [each.id for each in answers[other].findings] == ["CVE-1"]
    assert only(aws.inspector.findings(OWN, [image])).findings == ()


def test_an_image_that_is_not_covered_is_not_scanned(aws, world):
    image = pushed(world, scanned=False)
    assert only(aws.inspector.coverage(OWN, [image])).state is ScanState.NOT_SCANNED
    assert only(aws.inspector.findings(OWN, [image])).findings == ()


@pytest.mark.parametrize(
    ("status", "reason", "state"),
    [
        ("ACTIVE", "PENDING_INITIAL_SCAN", ScanState.PENDING),
        ("INACTIVE", "SCAN_ELIGIBILITY_EXPIRED", ScanState.EXPIRED),
        ("INACTIVE", "UNSUPPORTED_OS", ScanState.UNSUPPORTED),
        ("INACTIVE", "ACCESS_DENIED", ScanState.BLOCKED),
        ("INACTIVE", "IMAGE_ARCHIVED", ScanState.ARCHIVED),
        ("ACTIVE", "SCAN_FREQUENCY_SCAN_ON_PUSH", ScanState.SCANNED_ONCE),
    ],
)
def test_coverage_says_whether_findings_count(aws, world, status, reason, state):
    image = pushed(world)
    world.set_coverage("team/app", "v1", status, reason)
    coverage = only(aws.inspector.coverage(OWN, [image]))
    assert (coverage.state, coverage.code, coverage.reason) == (state, status, reason)


@pytest.mark.parametrize("field", ["statusCode", "reason"])
def test_a_status_that_is_new_is_unknown(aws, sim, world, field):
    image = pushed(world)
    sim.inject("unknown_enum", operation="ListCoverage", field=field)
    assert only(aws.inspector.coverage(OWN, [image])).state is ScanState.UNKNOWN


def test_a_severity_that_is_new_is_unknown(aws, sim, world):
    image = pushed(world)
    world.add_finding("team/app", "v1")
    sim.inject("unknown_enum", operation="ListFindings", field="severity")
    assert only(aws.inspector.findings(OWN, [image])).findings[0].severity is Severity.UNKNOWN


def test_a_status_of_a_finding_that_is_new_leaves_its_image_unanswered(aws, sim, world):
    image, clean = pushed(world), pushed(world, "team/clean")
    world.add_finding("team/app", "v1")
    sim.inject("unknown_enum", operation="ListFindings", field="status")
    answers = aws.inspector.findings(OWN, [image, clean])
    assert answers[image].cause is Cause.UNEXPECTED_ANSWER
    assert answers[clean].findings == ()


def test_a_finding_under_a_strange_resource_id_counts_by_what_it_says_of_the_image(aws, sim, world):
    image = pushed(world)
    world.add_finding("team/app", "v1", id="CVE-1")
    sim.inject("unknown_enum", service="inspector2", field="id")
    assert [each.id for each in only(aws.inspector.findings(OWN, [image])).findings] == ["CVE-1"]


def test_a_row_about_something_else_is_no_answer(aws, sim, world):
    image = pushed(world)
    sim.inject("unknown_enum", service="inspector2", field="resourceId")
    with pytest.raises(SourceUnavailableError):
        aws.inspector.coverage(OWN, [image])


def with_findings(world, name, number, *, severity="LOW"):
    image = pushed(world, name)
    template = world.add_finding(name, "v1", severity=severity)
    world.set_findings(name, "v1", [template] * number)
    return image


def test_pages_are_read_to_the_end(aws, sim, world):
    image = with_findings(world, "team/app", 250)
    found = only(aws.inspector.findings(OWN, [image]))
    assert (len(found.findings), found.complete) == (250, True)
    assert sim.calls("inspector2", "ListFindings") == 3


@pytest.mark.parametrize(("number", "complete"), [(MAX_FINDINGS, True), (MAX_FINDINGS + 1, False)])
def test_more_findings_than_are_kept_are_a_lower_bound(aws, sim, world, number, complete):
    image = with_findings(world, "team/app", number)
    found = only(aws.inspector.findings(OWN, [image]))
    assert (len(found.findings), found.complete) == (MAX_FINDINGS, complete)
    assert sim.calls("inspector2", "ListFindings") == 10


def test_an_image_with_very_many_findings_does_not_hide_those_of_another(aws, sim, world):
    """The worst come first over all images, so a full batch is read again image by image."""
    loud = with_findings(world, "team/loud", MAX_BATCH_PAGES * 100 + 1, severity="CRITICAL")
    quiet = with_findings(world, "team/quiet", 3)
    answers = aws.inspector.findings(OWN, [loud, quiet])
    assert (len(answers[loud].findings), answers[loud].complete) == (MAX_FINDINGS, False)
    assert (len(answers[quiet].findings), answers[quiet].complete) == (3, True)
    assert sim.calls("inspector2", "ListFindings") == MAX_BATCH_PAGES + 10 + 1


def test_a_failure_while_reading_image_by_image_leaves_what_is_known(aws, sim, world):
    loud = with_findings(world, "team/loud", MAX_BATCH_PAGES * 100 + 1)
    quiet = with_findings(world, "team/quiet", 3)
    third = with_findings(world, "team/third", 3)

    def fail_then(images):
        sim.inject(
            "access_denied", operation="ListFindings", about=f'[{{"comparison": "EQUALS", "value": "{quiet[1]}"}}]'
        )
        return aws.inspector.findings(OWN, images)

    answers = fail_then([loud, quiet, third])
    assert len(answers[loud].findings) == MAX_FINDINGS
    assert (answers[quiet].cause, answers[third].cause) == (Cause.ACCESS_DENIED, Cause.ACCESS_DENIED)
    kept = []
    assert not frames.are_kept(lambda: kept.append(fail_then([loud, quiet, third])))


def test_findings_of_another_account_need_a_role_there(sim, world):
    world.add_account(OTHER.account)
    image = pushed(world, account=OTHER.account)
    world.add_finding("team/app", "v1", id="CVE-1", account=OTHER.account)
    foreign = Aws(sim).inspector
    assert only(foreign.coverage(OTHER, [image])).state is ScanState.NOT_SCANNED
    assert only(foreign.findings(OTHER, [image])).findings == ()
    reader = Aws(sim, accounts=(RegistryAccount(account=OTHER.account, role_arn=READER),))
    assert [each.id for each in only(reader.inspector.findings(OTHER, [image])).findings] == ["CVE-1"]


def test_the_delegated_administrator_sees_its_members(sim, world):
    world.add_account(OTHER.account)
    world.add_account(OWN.account, members=[OTHER.account])
    image = pushed(world, account=OTHER.account)
    assert only(Aws(sim).inspector.coverage(OTHER, [image])).state is ScanState.SCANNED


def test_inspector_that_is_off_is_denied_access(aws, world):
    image = pushed(world)
    world.add_account(OWN.account, inspector="DISABLED")
    with pytest.raises(SourceUnavailableError) as raised:
        aws.inspector.findings(OWN, [image])
    assert (raised.value.cause, raised.value.source) == (Cause.ACCESS_DENIED, "inspector2:ListFindings")


def test_the_same_digest_elsewhere_takes_no_pages(aws, sim, world):
    """A base image that lies in every team's repository has its findings there too: they are not even read."""
    image = pushed(world, content="same")
    world.add_finding("team/app", "v1", id="CVE-1")
    world.add_image("team/copy", "v1", content="same")
    world.set_findings("team/copy", "v1", [world.add_finding("team/copy", "v1")] * 500)
    world.add_account(OTHER.account)
    world.add_account(OWN.account, members=[OTHER.account])
    world.add_image("team/app", "v1", content="same", account=OTHER.account)
    theirs = world.add_finding("team/app", "v1", account=OTHER.account)
    world.set_findings("team/app", "v1", [theirs] * 500, account=OTHER.account)
    found = only(aws.inspector.findings(OWN, [image]))
    assert ([each.id for each in found.findings], found.complete) == (["CVE-1"], True)
    assert sim.calls("inspector2", "ListFindings") == 1


def test_the_worst_of_more_findings_than_are_kept_are_kept(aws, world):
    image = with_findings(world, "team/app", MAX_FINDINGS + 100)
    world.add_finding("team/app", "v1", severity="CRITICAL", id="CVE-last")
    assert only(aws.inspector.findings(OWN, [image])).findings[0].id == "CVE-last"


LONG = {"severity": "HIGH", "id": "CVE-long", "package": "a"}


def test_findings_that_are_long_are_read_in_smaller_pages(aws, world):
    """An image may hold a package thousands of times, and each is named."""
    image = pushed(world)
    for number in range(40):
        world.add_finding("team/app", "v1", **LONG | {"id": f"CVE-{number}", "installed": "1" * 200_000})
    other = pushed(world, "team/other")
    world.add_finding("team/other", "v1", id="CVE-other")
    for images in ([image], [image, other]):
        report = aws.inspector.findings(OWN, images)[image]
        assert (len(report.findings), report.complete) == (40, True)


def test_a_finding_that_is_longer_than_is_read_leaves_more_than_is_read(aws, world):
    """Who pushed the image chose the texts, so that it is no answer that AWS owes."""
    image = pushed(world)
    world.add_finding("team/app", "v1", **LONG | {"installed": "1" * MAX_ANSWER_BYTES})
    report = only(aws.inspector.findings(OWN, [image]))
    assert (report.findings, report.complete) == ((), False)


def test_findings_that_are_not_about_packages_are_not_asked_for(aws, world):
    image = pushed(world)
    world.add_finding("team/app", "v1", id="CVE-1")
    world.add_finding("team/app", "v1", id="REACHABLE", type="NETWORK_REACHABILITY")
    assert [each.id for each in only(aws.inspector.findings(OWN, [image])).findings] == ["CVE-1"]
