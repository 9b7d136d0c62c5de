"""What is waited for a renewal: as long as collecting usually takes, and a little more; trouble does not become usual."""

import pytest

from tests.unit.gather.virtual_time import VirtualClock
from tidegate.gather.patience import GRACE_SECONDS, MAX_USUAL_SECONDS, MIN_USUAL_SECONDS, RISE, Patience


@pytest.fixture
def clock():
    return VirtualClock()


@pytest.fixture
def patience(clock):
    return Patience(clock)


def test_before_anything_was_learned_the_most_is_waited(patience):
    assert patience.seconds == MAX_USUAL_SECONDS + GRACE_SECONDS


def test_the_first_collection_is_what_is_usual(patience):
    patience.learn(0.1)
    assert patience.seconds == pytest.approx(0.1 + GRACE_SECONDS)


def test_what_was_not_looked_up_says_nothing(patience):
    patience.learn(0.1)
    patience.learn(MIN_USUAL_SECONDS / 2)
    assert patience.seconds == pytest.approx(0.1 + GRACE_SECONDS)


def test_quicker_ones_soon_become_usual(patience):
    patience.learn(0.4)
    for _ in range(20):
        patience.learn(0.1)
    assert patience.seconds == pytest.approx(0.1 + GRACE_SECONDS, abs=0.01)


def test_slower_ones_become_usual_slowly_however_many_there_are(patience, clock):
    patience.learn(0.05)
    for _ in range(1_000):
        clock.advance(0.1)
        patience.learn(1.8)
    assert patience.seconds == pytest.approx(0.05 + 100 * RISE + GRACE_SECONDS, abs=0.001)


def test_there_is_a_most_that_is_waited(patience, clock):
    patience.learn(60.0)
    clock.advance(1e6)
    patience.learn(60.0)
    assert patience.seconds == MAX_USUAL_SECONDS + GRACE_SECONDS
