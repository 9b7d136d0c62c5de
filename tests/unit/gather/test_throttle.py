"""The token bucket grants a burst and then a rate, and pauses when told to; the breaker opens, tries one, and closes."""

import pytest

from tests.unit.gather.virtual_time import VirtualClock
from tidegate.evidence.fact import Cause
from tidegate.gather.throttle import (
    FAILURES_TO_OPEN,
    MAX_PAUSE_SECONDS,
    OPEN_SECONDS,
    PAUSE_SECONDS,
    CircuitBreaker,
    TokenBucket,
)

INSTANT = 1e-6


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def bucket(clock):
    return TokenBucket(rate=10.0, burst=3, clock=clock)


@pytest.fixture
def breaker(clock):
    return CircuitBreaker(clock)


def drain(bucket):
    while bucket.wait_seconds() == 0:
        pass


class TestTokenBucket:
    def test_grants_a_burst_at_once_and_then_says_how_long_to_wait(self, bucket):
        assert [bucket.wait_seconds() for _ in range(3)] == [0, 0, 0]
        assert bucket.wait_seconds() == pytest.approx(0.1)

    def test_grants_one_call_for_each_part_of_a_second(self, bucket, clock):
        drain(bucket)
        clock.advance(0.1 - INSTANT)
        assert bucket.wait_seconds() > 0
        clock.advance(2 * INSTANT)
        assert bucket.wait_seconds() == 0
        assert bucket.wait_seconds() > 0

    def test_saves_up_no_more_than_a_burst(self, bucket, clock):
        drain(bucket)
        clock.advance(3_600)
        assert [bucket.wait_seconds() == 0 for _ in range(4)] == [True, True, True, False]

    def test_asking_in_vain_costs_nothing(self, bucket, clock):
        drain(bucket)
        for _ in range(50):
            bucket.wait_seconds()
        clock.advance(0.1 + INSTANT)
        assert bucket.wait_seconds() == 0

    def test_calls_made_without_asking_are_paid_for_later(self, bucket, clock):
        owed = bucket.charge(4)
        clock.advance(0.2 - INSTANT)
        assert bucket.wait_seconds(1.0 + owed) > 0
        clock.advance(2 * INSTANT)
        assert bucket.wait_seconds(1.0 + owed) == 0

    def test_others_do_not_pay_for_them(self, bucket, clock):
        assert bucket.charge(4) == 1.0
        clock.advance(0.1 + INSTANT)
        assert bucket.wait_seconds() == 0

    def test_the_debt_is_bounded_by_a_burst(self, bucket, clock):
        owed = bucket.charge(1_000_000)
        assert bucket.wait_seconds(1.0 + owed) == pytest.approx(0.3)

    def test_a_throttled_call_pauses_and_spends_what_was_saved(self, bucket, clock):
        bucket.throttled(None)
        assert bucket.wait_seconds() == pytest.approx(PAUSE_SECONDS)
        clock.advance(PAUSE_SECONDS)
        assert bucket.wait_seconds() == pytest.approx(0.1)

    def test_each_throttled_call_in_a_row_doubles_the_pause_up_to_a_bound(self, bucket, clock):
        pauses = []
        for _ in range(7):
            bucket.throttled(None)
            pauses.append(bucket.wait_seconds())
            clock.advance(pauses[-1])
        assert pauses == pytest.approx([0.5, 1, 2, 4, 8, 8, 8])

    def test_calls_throttled_together_double_the_pause_once(self, bucket, clock):
        for _ in range(32):
            bucket.throttled(None)
        assert bucket.wait_seconds() == pytest.approx(PAUSE_SECONDS)
        clock.advance(PAUSE_SECONDS)
        bucket.throttled(None)
        assert bucket.wait_seconds() == pytest.approx(2 * PAUSE_SECONDS)

    def test_a_call_that_succeeds_ends_the_row(self, bucket, clock):
        for _ in range(4):
            bucket.throttled(None)
            clock.advance(60)
        bucket.succeeded()
        bucket.throttled(None)
        assert bucket.wait_seconds() == pytest.approx(PAUSE_SECONDS)

    @pytest.mark.parametrize(
        ("asked", "pause"),
        [
            pytest.param(3.0, 3.0, id="as long as AWS asks"),
            pytest.param(0.0, PAUSE_SECONDS, id="its own time where AWS asks for none"),
            pytest.param(86_400.0, MAX_PAUSE_SECONDS, id="no longer than the bound"),
        ],
    )
    def test_pauses(self, bucket, asked, pause):
        bucket.throttled(asked)
        assert bucket.wait_seconds() == pytest.approx(pause)

    def test_a_longer_wait_that_aws_asks_for_during_a_pause_counts_and_a_shorter_does_not(self, bucket):
        bucket.throttled(None)
        bucket.throttled(3.0)
        bucket.throttled(1.0)
        assert bucket.wait_seconds() == pytest.approx(3.0)


class TestCircuitBreaker:
    def fail(self, breaker, times, cause=Cause.UNREACHABLE):
        for _ in range(times):
            breaker.failed(cause)

    def test_opens_after_so_many_failures_in_a_row(self, breaker):
        self.fail(breaker, FAILURES_TO_OPEN - 1)
        assert breaker.admits()
        assert not breaker.is_open
        self.fail(breaker, 1)
        assert not breaker.admits()
        assert breaker.is_open

    def test_a_success_ends_the_row(self, breaker):
        self.fail(breaker, FAILURES_TO_OPEN - 1)
        breaker.succeeded()
        self.fail(breaker, FAILURES_TO_OPEN - 1)
        assert breaker.admits()

    def test_half_open_admits_exactly_one(self, breaker, clock):
        self.fail(breaker, FAILURES_TO_OPEN)
        clock.advance(OPEN_SECONDS - INSTANT)
        assert not breaker.admits()
        clock.advance(INSTANT)
        assert not breaker.is_open
        assert [breaker.admits() for _ in range(5)] == [True, False, False, False, False]
        assert breaker.is_open

    def test_the_one_that_succeeds_closes_it(self, breaker, clock):
        self.fail(breaker, FAILURES_TO_OPEN)
        clock.advance(OPEN_SECONDS)
        assert breaker.admits()
        breaker.succeeded()
        assert [breaker.admits() for _ in range(5)] == [True] * 5

    def test_the_one_that_fails_keeps_it_open_for_as_long_again(self, breaker, clock):
        self.fail(breaker, FAILURES_TO_OPEN)
        clock.advance(OPEN_SECONDS)
        assert breaker.admits()
        clock.advance(1)
        self.fail(breaker, 1)
        clock.advance(OPEN_SECONDS - INSTANT)
        assert not breaker.admits()
        clock.advance(INSTANT)
        assert breaker.admits()

    def test_one_that_never_ends_does_not_keep_it_open_for_ever(self, breaker, clock):
        self.fail(breaker, FAILURES_TO_OPEN)
        clock.advance(OPEN_SECONDS)
        assert breaker.admits()
        clock.advance(OPEN_SECONDS)
        assert breaker.admits()

    @pytest.mark.parametrize("cause", [Cause.UNREACHABLE, Cause.SERVER_ERROR, Cause.CREDENTIALS, Cause.ROLE_DENIED])
    def test_opens_for_what_every_further_call_would_meet_too(self, breaker, cause):
        self.fail(breaker, FAILURES_TO_OPEN, cause)
        assert not breaker.admits()

    @pytest.mark.parametrize(
        "cause",
        [Cause.THROTTLED, Cause.ACCESS_DENIED, Cause.UNEXPECTED_ANSWER, Cause.INTERNAL],
    )
    def test_does_not_open_for_what_may_be_about_one_image(self, breaker, cause):
        """Else whoever may name an image that tidegate may not read could stop every look-up in its registry."""
        self.fail(breaker, 100, cause)
        assert breaker.admits()

    def test_an_answer_of_any_kind_ends_the_row(self, breaker):
        self.fail(breaker, FAILURES_TO_OPEN - 1)
        self.fail(breaker, 1, Cause.ACCESS_DENIED)
        self.fail(breaker, FAILURES_TO_OPEN - 1)
        assert breaker.admits()
