"""An image that is not in Amazon ECR: its own registry says what it means, and nobody is asked for scans or settings."""

from dataclasses import replace
from typing import Any

import pytest

from tests.unit.gather.fakes import IMAGE, unavailable
from tests.unit.gather.virtual_time import EPOCH
from tidegate.evidence.fact import Cause, Known, Missing
from tidegate.evidence.image import Absence, ImageDetail, ImageStatus
from tidegate.evidence.needs import needs
from tidegate.evidence.signature_artifacts import Descriptor
from tidegate.gather.collector import Collector
from tidegate.gather.lifetimes import DIGEST_SECONDS, MOVABLE_TAG_SECONDS
from tidegate.gather.lookups import Lookups
from tidegate.gather.manifests import OTHER_SOURCE
from tidegate.images.image_id import ImageId
from tidegate.images.manifest import OCI_MANIFEST
from tidegate.images.reference import parse_reference

TAG = parse_reference("ghcr.io/team/app:v1")
PINNED = parse_reference(f"ghcr.io/team/app@{IMAGE}")
ALL = needs(settings=True, scan=True, platforms=())


class FakeRegistry:
    """Answers what the test says of every image; notes what it was asked."""

    def __init__(self) -> None:
        self.answer: Any = Descriptor(digest=IMAGE, media_type=OCI_MANIFEST, size=100)
        self.asked: list[tuple[str, ImageId]] = []

    def describe(self, repository: Any, image: ImageId, *, seconds: float) -> Any:
        self.asked.append((str(repository), image))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture
def registry() -> FakeRegistry:
    return FakeRegistry()


@pytest.fixture
async def other(aws, limiters, clock, registry) -> Collector:
    """A collector that may ask other registries."""
    sources = replace(aws.sources(), other_registries=registry)
    return Collector(Lookups(sources=sources, limiters=limiters, clock=clock, limit=1_000), clock)


@pytest.fixture
def collect(other, clock):
    async def run(reference=TAG):
        return await other.collect(reference, ALL, deadline=clock.monotonic() + 60.0)

    return run


@pytest.mark.parametrize(
    ("reference", "image", "seconds"),
    [
        pytest.param(TAG, ImageId.of_tag("v1"), MOVABLE_TAG_SECONDS, id="a tag, which nobody says is fixed"),
        pytest.param(PINNED, ImageId.of_digest(IMAGE), DIGEST_SECONDS, id="a digest"),
    ],
)
async def test_its_own_registry_says_what_is_meant(aws, collect, registry, clock, reference, image, seconds):
    evidence = await collect(reference)
    assert registry.asked == [("ghcr.io/team/app", image)]
    described = ImageDetail(digest=IMAGE, media_type=OCI_MANIFEST, status=ImageStatus.ACTIVE, pushed_at=None)
    assert evidence.detail == Known(described, EPOCH)
    assert evidence.valid_until == pytest.approx(clock.monotonic() + seconds)
    assert aws.asked == []


async def test_nobody_scans_it_and_it_has_no_settings(collect):
    evidence = await collect()
    assert evidence.settings == Missing(Cause.NOT_ASKED, "ecr:DescribeRepositories")
    assert evidence.scans == {IMAGE: Missing(Cause.NOT_ASKED, "inspector2:ListFindings")}


async def test_what_is_known_of_it_is_known_without_asking_again(collect, other, registry):
    evidence = await collect()
    known = other.known(TAG, ALL)
    assert (known.detail, known.settings, known.scans) == (evidence.detail, evidence.settings, evidence.scans)
    assert len(registry.asked) == 1


async def test_that_it_is_not_there_is_an_answer(collect, registry):
    registry.answer = Absence.IMAGE
    assert (await collect()).detail.value is Absence.IMAGE


async def test_that_it_could_not_be_asked_is_none(collect, other, registry):
    registry.answer = unavailable(Cause.UNREACHABLE, OTHER_SOURCE)
    assert (await collect()).detail == Missing(Cause.UNREACHABLE, OTHER_SOURCE)
    assert other.known(TAG, ALL).valid_until == 0.0
