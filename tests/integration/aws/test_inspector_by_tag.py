"""Amazon Inspector asked by repository and tag through the real SDK: only what names one image without another tag counts."""

import pytest

from tests.integration.aws.conftest import OTHER, OWN
from tidegate.aws.inspector import PAGE_OF_FINDINGS
from tidegate.evidence.fact import Cause
from tidegate.evidence.scan import ScanState
from tidegate.evidence.source_unavailable import SourceUnavailableError

V1 = ("team/app", "v1")


@pytest.fixture
def digest(world):
    """The digest of a scanned image with two findings, team/app:v1."""
    digest = world.add_image(*V1)
    world.add_finding(*V1, id="CVE-1", severity="LOW")
    world.add_finding(*V1, id="CVE-2", severity="HIGH")
    return digest


def found(aws, *images):
    """What is found under the tags: a digest with its findings, or None."""
    answers = aws.inspector.findings_by_tag(OWN, images or [V1])
    return {
        image: each and (each.digest, [finding.id for finding in each.value.findings])
        for image, each in answers.items()
    }


def covered(aws, *images):
    answers = aws.inspector.coverage_by_tag(OWN, images or [V1])
    return {image: each and (each.digest, each.value.state) for image, each in answers.items()}


def test_a_tag_of_one_image_names_its_digest_coverage_and_findings(aws, sim, digest):
    assert covered(aws) == {V1: (digest, ScanState.SCANNED)}
    assert found(aws) == {V1: (digest, ["CVE-2", "CVE-1"])}
    assert sim.calls() == 2


def test_ten_tags_take_one_call_each(aws, sim, world, digest):
    images = [V1]
    for number in range(9):
        world.add_image(f"team/app{number}", f"v{number}")
        world.add_finding(f"team/app{number}", f"v{number}", id=f"CVE-{number}")
        images.append((f"team/app{number}", f"v{number}"))
    assert [ids for _, ids in found(aws, *images).values()] == [["CVE-2", "CVE-1"], *([f"CVE-{n}"] for n in range(9))]
    assert None not in covered(aws, *images).values()
    assert sim.calls() == 2
    with pytest.raises(ValueError, match="10"):
        aws.inspector.findings_by_tag(OWN, [*images, ("team/more", "v1")])


def test_other_combinations_of_the_repositories_and_tags_are_left_out(aws, world, digest):
    world.add_image("team/app", "v2")
    world.add_finding("team/app", "v2", id="CVE-other")
    web = world.add_image("team/web", "v2")
    world.add_finding("team/web", "v2", id="CVE-web")
    asked = [V1, ("team/web", "v2")]
    assert found(aws, *asked) == {V1: (digest, ["CVE-2", "CVE-1"]), ("team/web", "v2"): (web, ["CVE-web"])}
    assert [each[0] for each in covered(aws, *asked).values()] == [digest, web]


def test_a_tag_without_findings_has_no_answer_about_them(aws, world):
    world.add_image(*V1)
    assert found(aws) == {V1: None}
    assert found(aws, ("team/none", "v9")) == {("team/none", "v9"): None}
    assert covered(aws, ("team/none", "v9")) == {("team/none", "v9"): None}


def test_a_tag_that_two_images_are_listed_under_has_no_answer(aws, world, digest):
    """Inspector knows already that the tag moved, and not yet that the other image lost it."""
    world.add_image("team/app", "v2")
    world.add_finding("team/app", "v2", id="CVE-3")
    world.delay_tags("team/app", "v2", "v1")
    assert found(aws) == covered(aws) == {V1: None}


def test_an_image_with_another_tag_has_no_answer(aws, world, digest):
    """It may have been scanned before it got this tag: which findings have it already is not known."""
    world.move_tag("team/app", "v2", digest)
    assert found(aws) == covered(aws) == {V1: None}


def test_one_finding_with_other_tags_leaves_no_answer(aws, world, digest):
    world.delay_tags(*V1, "v1", "old", coverage=False, findings=["CVE-1"])
    assert found(aws) == {V1: None}
    assert covered(aws) == {V1: (digest, ScanState.SCANNED)}


@pytest.mark.parametrize(("number", "answered"), [(PAGE_OF_FINDINGS, True), (PAGE_OF_FINDINGS + 1, False)])
def test_more_findings_than_a_page_has_are_no_answer(aws, sim, world, number, answered):
    """The tag may move between two pages: then the second one holds what is found in another image."""
    world.add_image(*V1)
    world.set_findings(*V1, [world.add_finding(*V1)] * number)
    assert (found(aws)[V1] is not None) is answered
    assert sim.calls() == 1


@pytest.mark.parametrize(("operation", "ask"), [("ListFindings", found), ("ListCoverage", covered)])
def test_a_row_that_cannot_be_read_leaves_no_answer_for_its_tag(aws, sim, digest, operation, ask):
    sim.inject("missing", operation=operation, field="statusCode" if ask is covered else "firstObservedAt")
    assert ask(aws) == {V1: None}


@pytest.mark.parametrize("field", ["repositoryName", "imageHash", "registry"])
def test_a_finding_of_which_it_is_not_clear_whose_it_is_makes_all_of_it_unusable(aws, sim, digest, field):
    sim.inject("unknown_enum", operation="ListFindings", field=field)
    with pytest.raises(SourceUnavailableError) as raised:
        found(aws)
    assert raised.value.cause is Cause.UNEXPECTED_ANSWER


def test_a_row_about_something_else_is_no_answer(aws, sim, digest):
    sim.inject("unknown_enum", operation="ListCoverage", field="resourceId")
    with pytest.raises(SourceUnavailableError):
        covered(aws)


def test_a_member_of_the_administrator_is_another_registry(aws, world, digest):
    world.add_account(OTHER.account)
    world.add_account(OWN.account, members=[OTHER.account])
    theirs = world.add_image(*V1, account=OTHER.account, content="theirs")
    world.add_finding(*V1, id="CVE-theirs", account=OTHER.account)
    assert found(aws) == {V1: (digest, ["CVE-2", "CVE-1"])}
    answers = aws.inspector.findings_by_tag(OTHER, [V1])
    assert [(each.digest, each.value.findings[0].id) for each in answers.values()] == [(theirs, "CVE-theirs")]
