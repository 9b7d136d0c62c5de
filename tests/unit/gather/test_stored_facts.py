"""Facts that another process looked up: they count once a look-up of this one failed, and never instead of one."""

from datetime import timedelta

import pytest

from tests.unit.gather.counted import DOWN, LIFE, SOURCE, Lookups
from tests.unit.gather.virtual_time import EPOCH, START_SECONDS
from tidegate.evidence.fact import Cause, Known, Missing
from tidegate.gather.lifetimes import KEPT_SECONDS, RETRY_SECONDS

UNKNOWN = Missing(Cause.NOT_ASKED, SOURCE)


def stored(value: str, *, old: float = 60.0, monotonic: float | None = None) -> Known[str]:
    """A fact that was looked up so many seconds before the start."""
    seconds = START_SECONDS - old if monotonic is None else monotonic
    return Known(value, EPOCH - timedelta(seconds=old), monotonic=seconds)


class Stored(Lookups):
    """A cache beside stored facts."""

    def __init__(self, clock) -> None:
        self.stored: dict[str, Known[str]] = {}
        super().__init__(clock, stored=self.stored.get)


@pytest.fixture
async def facts(clock):
    return Stored(clock)


async def test_a_stored_fact_does_not_save_a_look_up(facts):
    facts.stored["a"] = stored("other")
    assert facts.cache.peek("a") == (UNKNOWN, 0.0)
    assert await facts.value() == "a1"


async def test_it_counts_after_a_look_up_that_failed_with_its_age_and_the_cause(facts, clock):
    facts.stored["a"], facts.answers["a"] = stored("other"), DOWN
    fact, until = await facts.cache.get("a")
    assert fact == Known("other", EPOCH - timedelta(seconds=60), Cause.UNREACHABLE, SOURCE)
    assert fact.monotonic == START_SECONDS - 60
    assert until == pytest.approx(clock.monotonic() + RETRY_SECONDS)


async def test_soon_after_the_source_is_asked_again(facts):
    """A fact that another process looked up is not known before the next look-up failed, too."""
    facts.stored["a"], facts.answers["a"] = stored("other"), DOWN
    await facts.get()
    assert facts.cache.peek("a")[0] == Known("other", EPOCH - timedelta(seconds=60), Cause.UNREACHABLE, SOURCE)
    await facts.pass_until(RETRY_SECONDS + 1)
    assert facts.cache.peek("a") == (UNKNOWN, 0.0)
    del facts.answers["a"]
    assert await facts.value() == "a2"


async def test_at_the_deadline_it_counts_without_an_answer(facts):
    facts.stored["a"] = stored("other")
    fact, until = facts.cache.peek("a", stored=True)
    assert fact == Known("other", EPOCH - timedelta(seconds=60), Cause.DEADLINE, SOURCE)
    assert until == 0.0
    assert facts.cache.peek("b", stored=True) == (UNKNOWN, 0.0)
    assert facts.looked_up == []


async def test_it_is_kept_no_longer_than_any_other(facts):
    facts.stored["a"], facts.answers["a"] = stored("other", old=KEPT_SECONDS + 1), DOWN
    assert await facts.get() == DOWN


@pytest.mark.parametrize(("after", "value"), [(-1.0, "a1"), (1.0, "other")])
async def test_of_two_the_one_that_was_looked_up_later_counts(facts, after, value):
    await facts.get()
    facts.stored["a"], facts.answers["a"] = stored("other", old=-after), DOWN
    await facts.pass_until(LIFE + 1)
    assert await facts.value() == value


async def test_the_same_that_is_known_to_be_true_later_makes_it_younger(facts):
    """Looked up before, and confirmed since; something else is not confirmed by that."""
    await facts.get()
    facts.answers["a"] = DOWN
    facts.stored["a"] = stored("a1", monotonic=START_SECONDS + 5)
    await facts.pass_until(LIFE + 1)
    fact = await facts.get()
    assert isinstance(fact, Known)
    assert (fact.value, fact.monotonic) == ("a1", START_SECONDS + 5)
    await facts.get("b")
    facts.answers["b"] = DOWN
    facts.stored["b"] = stored("other", monotonic=START_SECONDS + 50)
    await facts.pass_until(2 * LIFE + 5)
    assert await facts.value("b") == "b1"


class TestOffer:
    def offer(self, facts, fact: Known[str]) -> bool:
        facts.stored["a"] = fact
        return bool(facts.cache.offer("a"))

    async def test_nothing_is_kept_of_what_is_not_known_here(self, facts):
        assert self.offer(facts, stored("other", old=-1)) is False
        assert len(facts.cache) == 0

    async def test_nothing_changes_where_nothing_is_stored(self, facts):
        await facts.get()
        assert facts.cache.offer("a") is False

    async def test_a_newer_one_that_says_something_else_has_it_looked_up_again(self, facts):
        await facts.get()
        assert self.offer(facts, stored("other", old=-1)) is True
        assert facts.cache.peek("a") == (UNKNOWN, 0.0)
        assert await facts.value() == "a2"

    async def test_and_counts_where_that_fails(self, facts):
        await facts.get()
        self.offer(facts, stored("other", old=-1))
        facts.answers["a"] = DOWN
        assert await facts.value() == "other"

    @pytest.mark.parametrize("fact", [stored("other", old=0), stored("other"), stored("a1", old=-1)])
    async def test_an_older_one_and_one_that_says_the_same_change_nothing(self, facts, fact):
        await facts.get()
        assert self.offer(facts, fact) is False
        assert await facts.value() == "a1"

    async def test_a_fact_past_its_end_does_not_expire(self, facts):
        await facts.get()
        await facts.pass_until(LIFE + 1)
        assert self.offer(facts, stored("other", old=-1)) is False
        facts.answers["a"] = DOWN
        assert await facts.value() == "other"

    async def test_what_was_known_before_is_only_what_this_process_looked_up(self, facts):
        assert facts.cache.before("a") == UNKNOWN
        own = await facts.get()
        assert facts.cache.before("a") == own
        self.offer(facts, stored("other", old=-1))
        assert facts.cache.before("a") == UNKNOWN
