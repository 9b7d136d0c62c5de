"""Jumps of the wall clock: each is noticed once, told with its size, and no slow correction is one."""

import asyncio
from datetime import timedelta

import pytest
import structlog

from tests.unit.gather.virtual_time import EPOCH
from tidegate.gather.clock import JUMP_SECONDS, STEP_SECONDS, ClockWatch, Moment, Moments


class TwoClocks:
    """Clocks that a test moves apart."""

    def __init__(self) -> None:
        self.wall, self.seconds = EPOCH, 100.0

    def now(self):
        return self.wall

    def monotonic(self):
        return self.seconds

    def advance(self, seconds, *, wall=None):
        self.seconds += seconds
        self.wall += timedelta(seconds=seconds if wall is None else wall)


@pytest.fixture
def clocks():
    return TwoClocks()


@pytest.fixture
def told():
    return []


@pytest.fixture
def watch(clocks, told):
    return ClockWatch(clocks, jumped=lambda: told.append("jump"))


@pytest.mark.parametrize("size", [JUMP_SECONDS, -JUMP_SECONDS, 3_700.0, -172_800.0])
def test_a_jump_is_noticed_once_and_logged_with_its_size(clocks, told, watch, size):
    with structlog.testing.capture_logs() as lines:
        for moved in (0.0, size, 0.0):
            clocks.advance(1.0, wall=1.0 + moved)
            watch.compare()
    assert (told, watch.jumps) == (["jump"], 1)
    assert [(line["log_level"], line["event"], line["seconds"]) for line in lines] == [
        ("warning", "the wall clock jumped", size)
    ]


@pytest.mark.parametrize("part", [0.0, 0.1, -0.1])
def test_a_clock_that_is_set_right_slowly_does_not_jump(clocks, told, watch, part):
    """However far off it was: NTP slews by less than a tenth of the time that passes."""
    with structlog.testing.capture_logs() as lines:
        for _ in range(1_000):
            clocks.advance(1.0, wall=1.0 + part)
            watch.compare()
    assert (told, watch.jumps, lines) == ([], 0, [])


async def test_the_clocks_are_compared_again_and_again(clock, told):
    """On the virtual loop both clocks move together, until the wall clock is set."""
    apart = TwoClocks()
    watch = ClockWatch(apart, jumped=lambda: told.append("jump"))
    task = asyncio.create_task(watch.run())
    await asyncio.sleep(2.5)
    assert told == []
    apart.advance(0.0, wall=60.0)
    await asyncio.sleep(1.0)
    assert told == ["jump"]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


class TestMoments:
    """Facts that are looked up at nearly the same time share the moment, which is never later than it was."""

    def test_a_step_has_one_moment(self, clocks):
        moments = Moments(clocks)
        first = moments.now()
        assert first == Moment(EPOCH, 100.0)
        clocks.advance(STEP_SECONDS * 0.9)
        assert moments.now() is first
        clocks.advance(STEP_SECONDS * 0.1)
        assert moments.now() == Moment(clocks.now(), clocks.monotonic())

    @pytest.mark.parametrize("seconds", [-3600, -1e-3, 3600])
    def test_a_wall_clock_that_was_set_begins_another(self, clocks, seconds):
        moments = Moments(clocks)
        moments.now()
        clocks.advance(0, wall=seconds)
        assert moments.now() == Moment(EPOCH + timedelta(seconds=seconds), 100.0)

    def test_a_moment_that_has_passed_is_passed_over(self, clocks):
        moments = Moments(clocks)
        first = moments.now()
        clocks.advance(STEP_SECONDS / 2)
        moments.pass_over(first.monotonic)
        assert moments.now() is first
        moments.pass_over(clocks.monotonic())
        assert moments.now() == Moment(clocks.now(), clocks.monotonic())
