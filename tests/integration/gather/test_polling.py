"""Polling with the real SDK: what it finds, and what it costs, whatever the number of images."""

import pytest

from tests.integration.gather.sources import REGISTRY, Sources
from tidegate.evidence.change import ImageChange
from tidegate.gather.change_feed import POLL_SECONDS
from tidegate.gather.reread import TICK_SECONDS
from tidegate.images.digest import Digest
from tidegate.images.repository import EcrRepository

MINUTES = 10
CALLS = "tidegate_source_calls_total"
APP = EcrRepository(REGISTRY, "team/app")


@pytest.fixture
async def sources(sim):
    made = Sources(sim)
    yield made
    await made.close()


async def polls(sources, number):
    for _ in range(number):
        sources.clock.advance(POLL_SECONDS)
        await sources.feed.poll()


async def calls_a_minute(sources, world, number):
    """Return the calls of the feed, and the images that are read again, in MINUTES of a registry with so many images."""
    world.clock.freeze()
    images = world.add_scanned_images("team/app", number)
    sources.in_use = {REGISTRY: [("team/app", Digest(digest)) for _, digest in images]}
    world.add_finding("team/app", images[0][1])
    await sources.feed.poll()
    sources.reread.tick()
    before = sources.metric(CALLS)
    sources.changed.clear()
    for minute in range(MINUTES):
        world.add_finding("team/app", images[minute][1])
        await polls(sources, 1)
        assert TICK_SECONDS == POLL_SECONDS
    found = sources.said()
    sources.changed.clear()
    sources.reread.tick()
    assert found == {ImageChange(APP, Digest(digest)) for _, digest in images[:MINUTES]}
    return (sources.metric(CALLS) - before) / MINUTES, len(sources.said()) / MINUTES


@pytest.mark.parametrize("number", [100, 10_000])
async def test_images_cost_calls_by_their_changes_and_not_by_their_number(sources, world, number):
    """Two calls a minute, one more in five minutes, and for a full re-read of 10,000 images in a day seven images a minute."""
    calls, read_again = await calls_a_minute(sources, world, number)
    assert calls <= 2.2
    assert read_again == pytest.approx(number / (24 * 60), abs=3)


async def test_a_finding_is_found_by_the_next_poll(sources, world):
    digest = Digest(world.add_image("team/app"))
    await sources.feed.poll()
    sources.changed.clear()
    world.add_finding("team/app", "v1")
    await polls(sources, 1)
    assert sources.said() == {ImageChange(APP, digest)}


async def test_a_clock_that_is_wrong_finds_it_too(sources, world):
    digest = Digest(world.add_image("team/app"))
    sources.clock.jump(840)
    await sources.feed.poll()
    await polls(sources, 2)
    sources.changed.clear()
    world.add_finding("team/app", "v1")
    await polls(sources, 1)
    assert sources.said() == {ImageChange(APP, digest)}


@pytest.mark.parametrize("kind", ["throttle", "access_denied", "down"])
async def test_after_an_outage_everything_is_known_again(sources, sim, world, kind):
    digest = Digest(world.add_image("team/app"))
    await sources.feed.poll()
    confirmed = sources.feed.confirmed_at(REGISTRY)
    sources.changed.clear()
    sim.inject(kind, service="inspector2")
    world.add_finding("team/app", "v1")
    await polls(sources, 3)
    assert (sources.said(), sources.feed.confirmed_at(REGISTRY)) == (set(), confirmed)
    sim.clear()
    await polls(sources, 2)
    assert sources.said() == {ImageChange(APP, digest)}
    assert sources.feed.confirmed_at(REGISTRY) > confirmed


async def test_basic_scanning_is_read_in_turn(sources, sim, world):
    world.set_scanning("BASIC")
    digests = [Digest(digest) for _, digest in world.add_scanned_images("team/app", 60)]
    sources.in_use = {REGISTRY: [("team/app", digest) for digest in digests]}
    sources.reread.tick()
    for _ in range(61):
        await polls(sources, 1)
        sources.reread.tick()
    assert sim.calls("inspector2") == 0
    assert sources.said() == {ImageChange(APP, digest) for digest in digests}
