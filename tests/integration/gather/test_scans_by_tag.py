"""A new tag takes one round trip to the simulated AWS, and what Inspector lists under a tag never lets an image through."""

import pytest

from tests.integration.gather.gate import image

CRITICAL = {"severity": "CRITICAL", "id": "CVE-2099-0001", "first_observed_at": "-1d"}
LOW = {"severity": "LOW", "id": "CVE-2099-0002", "first_observed_at": "-1d"}
V1 = ("team/app", "v1")


@pytest.fixture
async def gate(sim, world, start):
    """A controller that knows how the registry scans."""
    world.add_image("team/known", "v1")
    gate = start()
    assert (await gate.review(image("team/known"))).allowed
    sim.reset_counters()
    return gate


def inspected(sim):
    """How often Inspector was asked: once each by tag, and once each by digest where that did not count."""
    return sim.calls("inspector2", "ListCoverage"), sim.calls("inspector2", "ListFindings")


async def test_an_answer_by_tag_allows_a_good_image_and_refuses_a_bad_one(sim, world, gate):
    for name, finding in (("team/good", LOW), ("team/bad", CRITICAL)):
        world.add_image(name, "v1")
        world.add_finding(name, "v1", **finding)
    good, bad = await gate.review_all([image("team/good"), image("team/bad")])
    assert good.allowed
    assert "CVE-2099-0001" in bad.message
    assert inspected(sim) == (1, 1)


async def test_a_tag_that_moved_is_judged_by_the_findings_of_its_new_image(sim, world, gate):
    """Inspector lists the clean image, which the tag meant before, under the tag still."""
    good, bad = world.add_image("team/app", "v0"), world.add_image("team/app", "v2")
    world.add_finding("team/app", "v0", **LOW)
    world.add_finding("team/app", "v2", **CRITICAL)
    world.delay_tags("team/app", good, "v1")
    world.move_tag("team/app", "v1", bad)
    world.delay_tags("team/app", bad, "v2")
    answer = await gate.review(image())
    assert "CVE-2099-0001" in answer.message
    assert inspected(sim) == (2, 2)


@pytest.mark.parametrize(
    ("coverage", "late"),
    [
        pytest.param(True, None, id="of coverage and findings"),
        pytest.param(False, None, id="of all findings"),
        pytest.param(False, ["CVE-2099-0001"], id="of one finding"),
        pytest.param(True, [], id="of the coverage"),
    ],
)
async def test_tags_that_inspector_learns_late_hide_no_finding(sim, world, gate, coverage, late):
    """An image is scanned under one tag, gets another one and is deployed by that at once."""
    digest = world.add_image("team/app", "v0")
    world.add_finding("team/app", "v0", **LOW)
    world.add_finding("team/app", "v0", **CRITICAL)
    world.move_tag("team/app", "v1", digest)
    world.delay_tags("team/app", digest, "v0", coverage=coverage, findings=late)
    answer = await gate.review(image())
    assert "CVE-2099-0001" in answer.message
    assert inspected(sim) == (2, 2)


async def test_a_tag_that_its_image_alone_bears_now_hides_no_findings(sim, world, gate):
    """Its coverage has the new tag already, and its findings the one that went to another image."""
    digest = world.add_image("team/app", "v0")
    world.add_finding("team/app", "v0", **CRITICAL)
    world.move_tag("team/app", "v1", digest)
    world.move_tag("team/app", "v0", world.add_image("team/app", "other"))
    world.delay_tags("team/app", digest, "v0", coverage=False)
    assert "CVE-2099-0001" in (await gate.review(image())).message
    assert inspected(sim) == (2, 2)


async def test_more_findings_than_a_page_has_are_read_by_digest(sim, world, gate):
    world.add_image(*V1)
    low, critical = world.add_finding(*V1, **LOW), world.add_finding(*V1, **CRITICAL)
    world.set_findings(*V1, [*[low] * 100, critical])
    assert "CVE-2099-0001" in (await gate.review(image())).message
    assert inspected(sim) == (2, 3)


async def test_an_image_that_inspector_does_not_cover_is_not_scanned(sim, world, gate):
    world.add_image(*V1, scanned=False)
    assert "NotScanned" in (await gate.review(image())).message
    assert inspected(sim) == (2, 2)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("operation", ["ListCoverage", "ListFindings"])
@pytest.mark.parametrize("kind", ["throttle", "access_denied", "drop", "malformed_json", "server_error"])
async def test_trouble_by_tag_alone_leaves_the_answer_by_digest(sim, world, start, kind, operation):
    world.add_image("team/known", "v1")
    gate = start()
    assert (await gate.review(image("team/known"))).allowed
    world.add_image(*V1)
    world.add_finding(*V1, **CRITICAL)
    fault = sim.inject(kind, operation=operation, about="ecrImageTags", times=None)
    assert "CVE-2099-0001" in (await gate.review(image())).message
    assert fault.hits == 1


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("operation", ["ListCoverage", "ListFindings"])
async def test_trouble_both_ways_is_no_answer(sim, world, start, operation):
    world.add_image("team/known", "v1")
    gate = start()
    assert (await gate.review(image("team/known"))).allowed
    world.add_image(*V1)
    world.add_finding(*V1, **LOW)
    sim.inject("access_denied", operation=operation, times=None)
    answer = await gate.review(image())
    assert not answer.allowed
    assert "CouldNotCheck" in answer.message


async def test_a_thousand_new_tags_are_few_calls(sim, world, gate):
    texts = []
    for number in range(100):
        for tag, _ in world.add_scanned_images(f"team/app{number}", 10):
            world.add_finding(f"team/app{number}", tag, **LOW)
            texts.append(image(f"team/app{number}", tag))
    assert all(each.allowed for each in await gate.review_all(texts))
    calls = inspected(sim)
    assert max(calls) <= 110
    assert sim.calls("ecr", "DescribeImages") <= 110
