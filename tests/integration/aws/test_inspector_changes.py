"""What changed, asked of Amazon Inspector through the real SDK."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.integration.aws.conftest import OTHER, OWN, trouble
from tidegate.aws import inspector_changes
from tidegate.aws.body import MAX_ANSWER_BYTES
from tidegate.aws.inspector_changes import InspectorChanges
from tidegate.evidence.fact import Cause

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def changes(aws):
    return InspectorChanges(aws.clients)


@pytest.fixture(autouse=True)
def stopped(world):
    world.clock.freeze(START)


def images(found):
    return sorted({row.image for row in found.rows})


def test_what_was_found_since_is_listed(changes, world, sim):
    old, new = ("team/app", world.add_image("team/app", "old")), ("team/app", world.add_image("team/app", "new"))
    world.add_finding(*old, at=-3600)
    world.add_finding(*new, at=-60)
    found = changes.changed_findings(OWN, since=START - timedelta(minutes=10))
    assert (images(found), found.complete, found.asked_at) == ([new], True, START)
    assert found.rows[0].updated_at == START - timedelta(seconds=60)
    assert sim.calls("inspector2", "ListFindings") == 1


@pytest.mark.parametrize(
    "close",
    [
        pytest.param(lambda world, image: world.set_findings(*image, []), id="the package was repaired"),
        pytest.param(
            lambda world, image: world.set_coverage(*image, "INACTIVE", "SCAN_ELIGIBILITY_EXPIRED"),
            id="the scan expired",
        ),
        pytest.param(lambda world, image: world.archive_image(*image), id="the image was archived"),
    ],
)
def test_a_finding_that_was_closed_is_a_change(changes, world, close):
    image = ("team/app", world.add_image("team/app"))
    world.add_finding(*image, at=-3600)
    world.clock.advance(3600)
    close(world, image)
    found = changes.changed_findings(OWN, since=START + timedelta(minutes=59))
    assert images(found) == [image]


def test_a_finding_that_was_suppressed_is_a_change(changes, world):
    image = ("team/app", world.add_image("team/app"))
    world.add_finding(*image, status="SUPPRESSED")
    assert images(changes.changed_findings(OWN, since=START)) == [image]


def test_what_was_scanned_since_is_listed(changes, world, sim):
    old, new = ("team/app", world.add_image("team/app", "old")), ("team/app", world.add_image("team/app", "new"))
    world.set_coverage(*new, last_scanned_at=-60)
    found = changes.changed_coverage(OWN, since=START - timedelta(minutes=10))
    assert (images(found), found.complete, found.asked_at) == ([new], True, START)
    assert images(changes.changed_coverage(OWN, since=START - timedelta(days=2))) == sorted([old, new])
    assert sim.calls("inspector2", "ListCoverage") == 2


def test_only_images_of_the_registry_are_listed(changes, world):
    world.add_account(OTHER.account, roles=[])
    world.add_account(world.account, members=[OTHER.account])
    for account in (None, OTHER.account):
        world.add_image("team/app", account=account)
        world.add_finding("team/app", "v1", account=account)
    assert len(changes.changed_findings(OWN, since=START).rows) == 1
    assert len(changes.changed_coverage(OWN, since=START - timedelta(days=2)).rows) == 1


def test_all_pages_are_read(changes, world, sim):
    image = ("team/app", world.add_image("team/app"))
    for number in range(250):
        world.add_finding(*image, id=f"CVE-{number}")
    assert len(changes.changed_findings(OWN, since=START).rows) == 250
    assert sim.calls("inspector2", "ListFindings") == 3


def test_more_pages_than_are_read_are_said(changes, world, monkeypatch):
    monkeypatch.setattr(inspector_changes, "MAX_FINDING_PAGES", 2)
    image = ("team/app", world.add_image("team/app"))
    world.set_findings(*image, [world.add_finding(*image)] * 201)
    found = changes.changed_findings(OWN, since=START)
    assert (len(found.rows), found.complete) == (200, False)


def test_pages_that_are_too_long_are_read_in_smaller_ones(changes, world):
    image = ("team/app", world.add_image("team/app"))
    for number in range(20):
        world.add_finding(*image, id=f"CVE-{number}", description="d" * (MAX_ANSWER_BYTES // 15))
    assert len(changes.changed_findings(OWN, since=START).rows) == 20


@pytest.mark.parametrize("field", ["findings", "resources", "id"])
def test_a_finding_without_its_image_makes_the_answer_unusable(changes, world, sim, field):
    world.add_finding("team/app", world.add_image("team/app"))
    sim.inject("missing", service="inspector2", operation="ListFindings", field=field)
    problem = trouble(lambda: changes.changed_findings(OWN, since=START))
    assert problem.cause is Cause.UNEXPECTED_ANSWER


@pytest.mark.parametrize(
    "value",
    ["arn:aws:ecr:eu-west-1:444455556666:repository/team/app/sha256:" + "0" * 64, "i-0123456789abcdef0", ""],
)
def test_coverage_of_something_else_makes_the_answer_unusable(changes, world, sim, value):
    world.add_image("team/app")
    sim.inject("member", service="inspector2", operation="ListCoverage", field="resourceId", value=value)
    problem = trouble(lambda: changes.changed_coverage(OWN, since=START - timedelta(days=2)))
    assert problem.cause is Cause.UNEXPECTED_ANSWER


def test_pages_without_an_end_are_an_error(changes, world, sim):
    world.add_image("team/app")
    sim.inject("same_page", service="inspector2", operation="ListCoverage")
    problem = trouble(lambda: changes.changed_coverage(OWN, since=START - timedelta(days=2)))
    assert problem.cause is Cause.UNEXPECTED_ANSWER
