"""Every image in use is read again within a day, in an order that a restart does not change, at a bounded rate."""

import asyncio
from datetime import timedelta

import pytest

from tests.unit.gather.fakes import OTHER, REGISTRY
from tests.unit.gather.virtual_time import VirtualClock
from tidegate.evidence.change import ImageChange
from tidegate.gather.reread import (
    BASIC_IMAGES_OF_A_PERIOD,
    BASIC_IMAGES_OF_A_TICK,
    IMAGES_OF_A_TICK,
    TICK_SECONDS,
    Reread,
)
from tidegate.images.digest import digest_of

DAY = 86_400


def images(number, name="team/app"):
    return [(name, digest_of(b"%d" % each)) for each in range(number)]


class Desk:
    """A Reread, what is in use, and what was read; its time moves by ticks."""

    def __init__(self, clock):
        self.clock = clock
        self.in_use = {REGISTRY: images(1_000)}
        self.basic = set()
        self.turns = []
        self.make()

    def make(self):
        self.reread = Reread(
            clock=self.clock,
            registries=lambda: list(self.in_use),
            images=lambda registry: self.in_use[registry],
            basic=self.basic.__contains__,
            changed=self.turns.append,
        )

    def run(self, seconds):
        """Let time pass; return the images that were read in it, in their order."""
        self.turns.clear()
        for _ in range(round(seconds / TICK_SECONDS)):
            self.clock.advance(TICK_SECONDS)
            self.reread.tick()
        return [(each.repository.name, each.digest) for turn in self.turns for each in turn]


@pytest.fixture
def desk():
    made = Desk(VirtualClock())
    made.reread.tick()
    return made


def test_a_day_reads_each_image_once(desk):
    read = desk.run(DAY)
    assert sorted(read) == sorted(desk.in_use[REGISTRY])


def test_the_next_day_has_the_same_order(desk):
    desk.run(DAY)
    first = [set(turn) for turn in desk.turns]
    desk.run(DAY)
    assert [set(turn) for turn in desk.turns] == first


def test_reading_is_spread_over_the_day(desk):
    hours = [len(desk.run(DAY / 24)) for _ in range(24)]
    assert min(hours) > 15
    assert max(hours) < 80


def test_a_restart_goes_on_where_it_was(desk):
    first = desk.run(DAY / 2)
    state = desk.reread.state()
    desk.make()
    desk.reread.restore(state)
    assert sorted(first + desk.run(DAY / 2)) == sorted(desk.in_use[REGISTRY])


def test_what_was_missed_is_made_up_for(desk):
    first = desk.run(DAY / 2)
    state = desk.reread.state()
    desk.make()
    desk.clock.advance(DAY / 4)
    desk.reread.restore(state)
    assert sorted(first + desk.run(DAY / 4)) == sorted(desk.in_use[REGISTRY])
    assert max(map(len, desk.turns)) <= IMAGES_OF_A_TICK


@pytest.mark.parametrize(
    "state",
    [None, [], {"nonsense": "2026-03-01T00:00:00+00:00"}, {REGISTRY.host: "tomorrow"}, {REGISTRY.host: 7}, {7: 7}],
    ids=str,
)
def test_a_state_that_is_not_valid_is_left_out(desk, state):
    desk.make()
    desk.reread.restore(state)
    desk.reread.tick()
    assert len(desk.run(DAY)) == 1_000


@pytest.mark.parametrize("moment", ["2000-01-01T00:00:00+00:00", "2999-01-01T00:00:00+00:00"])
def test_a_state_from_another_time_is_kept_within_a_day(desk, moment):
    desk.make()
    desk.reread.restore({REGISTRY.host: moment})
    desk.reread.tick()
    assert 1_000 <= len(desk.run(DAY)) + sum(map(len, desk.turns[:1])) <= 2_100


def test_everything_is_read_soon_at_a_bounded_rate(desk):
    desk.reread.everything(REGISTRY)
    read = desk.run(TICK_SECONDS * 8)
    assert sorted(set(read)) == sorted(desk.in_use[REGISTRY])
    assert max(map(len, desk.turns)) <= IMAGES_OF_A_TICK


def test_asking_for_everything_every_minute_still_reaches_every_image(desk):
    desk.in_use[REGISTRY] = images(2_000)
    read = set()
    for _ in range(20):
        desk.reread.everything(REGISTRY)
        read |= set(desk.run(TICK_SECONDS))
    assert read == set(desk.in_use[REGISTRY])


def test_everything_of_one_registry_leaves_the_others_alone(desk):
    desk.in_use[OTHER] = images(100)
    desk.reread.tick()
    desk.reread.everything(OTHER)
    desk.run(TICK_SECONDS * 2)
    assert {each.registry for turn in desk.turns for each in turn if len(turn) > 20} == {OTHER}


def test_copies_of_an_image_are_read_together(desk):
    copies = [(f"team/{number}", digest_of(b"copy")) for number in range(IMAGES_OF_A_TICK + 50)]
    desk.in_use[REGISTRY] = copies
    assert sorted(desk.run(DAY)) == sorted(copies)


def test_a_hundred_thousand_images_are_read_no_faster(desk):
    desk.in_use[REGISTRY] = images(100_000)
    desk.reread.everything(REGISTRY)
    read = desk.run(TICK_SECONDS * 10)
    assert len(read) == len(set(read)) == 10 * IMAGES_OF_A_TICK


@pytest.mark.parametrize("seconds", [DAY, 10 * DAY, -DAY, -10 * DAY])
def test_a_clock_that_jumps_reads_no_more_at_once(desk, seconds):
    desk.run(DAY / 10)
    desk.clock.advance(seconds)
    read = desk.run(DAY + TICK_SECONDS)
    assert set(read) == set(desk.in_use[REGISTRY])
    assert max(map(len, desk.turns)) <= IMAGES_OF_A_TICK
    assert len(read) <= 3_000


class TestBasicScanning:
    @pytest.fixture(autouse=True)
    def basic(self, desk):
        desk.basic.add(REGISTRY)

    def test_images_are_read_every_hour(self, desk):
        desk.in_use[REGISTRY] = images(BASIC_IMAGES_OF_A_PERIOD)
        assert sorted(desk.run(3_600)) == sorted(desk.in_use[REGISTRY])
        assert max(map(len, desk.turns)) <= BASIC_IMAGES_OF_A_TICK

    def test_more_images_are_read_less_often(self, desk):
        desk.in_use[REGISTRY] = images(10_000)
        hours = [len(desk.run(3_600)) for _ in range(8)]
        assert sum(hours) == 10_000
        assert max(hours) <= BASIC_IMAGES_OF_A_PERIOD

    def test_however_many_there_are_the_rate_is_bounded(self, desk):
        desk.in_use[REGISTRY] = images(100_000)
        assert len(desk.run(TICK_SECONDS * 5)) == 5 * BASIC_IMAGES_OF_A_TICK


def test_a_registry_without_images_in_use_is_forgotten(desk):
    del desk.in_use[REGISTRY]
    desk.reread.tick()
    assert desk.reread.state() == {}


async def test_it_runs_by_itself(clock):
    desk = Desk(clock)
    desk.in_use[REGISTRY] = images(100)
    task = asyncio.create_task(desk.reread.run())
    await asyncio.sleep(timedelta(days=1).total_seconds())
    task.cancel()
    found = {change for turn in desk.turns for change in turn if isinstance(change, ImageChange)}
    assert {(each.repository.name, each.digest) for each in found} == set(desk.in_use[REGISTRY])


async def test_an_unforeseen_error_does_not_end_it(clock):
    desk = Desk(clock)
    in_use, desk.in_use = desk.in_use, {REGISTRY: None}
    task = asyncio.create_task(desk.reread.run())
    await asyncio.sleep(10 * TICK_SECONDS)
    desk.in_use = in_use
    await asyncio.sleep(timedelta(days=1).total_seconds() + TICK_SECONDS)
    task.cancel()
    assert {each.digest for turn in desk.turns for each in turn} == {digest for _, digest in in_use[REGISTRY]}
