"""A fact that is used late in its time is renewed while it is still good."""

import asyncio
from datetime import timedelta

import pytest

from tests.unit.gather.counted import CALL, DOWN, INSTANT, LIFE, Lookups
from tests.unit.gather.virtual_time import EPOCH, START_SECONDS
from tidegate.evidence.fact import Cause
from tidegate.evidence.image import Absence
from tidegate.gather.lifetimes import RETRY_SECONDS


@pytest.fixture
async def facts(clock):
    return Lookups(clock)


class TestRenewal:
    """A fact that is read in the last fifth of its life is looked up meanwhile."""

    LATE = LIFE * 0.8

    @pytest.mark.parametrize("read", ["get", "renew"])
    @pytest.mark.parametrize(
        ("at", "renewed"),
        [
            pytest.param(LATE - INSTANT, False, id="before its last fifth: left alone"),
            pytest.param(LATE + INSTANT, True, id="within it: renewed"),
            pytest.param(LIFE - INSTANT, True, id="at its very end: renewed"),
        ],
    )
    async def test_when(self, facts, read, at, renewed):
        await facts.get()
        await facts.pass_until(at)
        if read == "get":
            assert await facts.value() == "a1"
        else:
            facts.cache.renew("a")
        await asyncio.sleep(CALL + INSTANT)
        assert len(facts.looked_up) == 1 + renewed

    async def test_a_hot_fact_is_never_waited_for(self, facts, clock):
        await facts.get()
        waits = []
        for _ in range(1_000):
            await asyncio.sleep(0.1)
            began = clock.monotonic()
            assert (await facts.get()).stale is None
            waits.append(clock.monotonic() - began)
        assert max(waits) == 0
        assert len(facts.looked_up) == pytest.approx(100 / (self.LATE + CALL), abs=2)

    async def test_many_reads_are_one_renewal(self, facts):
        await facts.get()
        await facts.pass_until(self.LATE)
        for _ in range(100):
            await facts.get()
            facts.cache.renew("a")
        await asyncio.sleep(CALL * 2)
        assert len(facts.looked_up) == 2

    async def test_its_life_begins_anew_when_it_was_answered(self, facts, clock):
        await facts.get()
        await facts.pass_until(self.LATE)
        facts.cache.renew("a")
        await asyncio.sleep(CALL + INSTANT)
        fact, until = await facts.cache.get("a")
        assert fact.value == "a2"
        asked_at = EPOCH + timedelta(seconds=CALL + self.LATE)
        assert abs(fact.observed_at - asked_at) < timedelta(seconds=INSTANT)
        assert until == pytest.approx(START_SECONDS + CALL + self.LATE + CALL + LIFE, abs=INSTANT)

    async def test_a_cold_fact_is_not_kept_alive(self, facts):
        await facts.get()
        await facts.pass_until(self.LATE)
        await facts.get()
        await asyncio.sleep(10 * LIFE)
        assert len(facts.looked_up) == 2

    async def test_nothing_is_looked_up_for_a_fact_that_nobody_asked_for(self, facts):
        facts.cache.renew("a")
        await asyncio.sleep(LIFE)
        assert facts.looked_up == []

    async def test_a_fact_past_its_end_is_not_renewed_by_taking_note(self, facts):
        await facts.get()
        await facts.pass_until(LIFE + INSTANT)
        facts.cache.renew("a")
        await asyncio.sleep(LIFE)
        assert len(facts.looked_up) == 1

    async def test_a_renewal_that_fails_neither_marks_nor_lengthens_a_fresh_fact(self, facts):
        fresh = await facts.get()
        await facts.pass_until(self.LATE)
        facts.answers["a"] = DOWN
        facts.cache.renew("a")
        await asyncio.sleep(CALL + INSTANT)
        assert await facts.cache.get("a") == (fresh, pytest.approx(START_SECONDS + CALL + LIFE))
        await facts.pass_until(LIFE - INSTANT)
        assert (await facts.get()).stale is None
        await facts.pass_until(LIFE + INSTANT)
        assert (await facts.get()).stale is Cause.UNREACHABLE

    async def test_a_renewal_that_fails_is_not_repeated_at_once(self, facts):
        await facts.get()
        await facts.pass_until(self.LATE)
        facts.answers["a"] = DOWN
        facts.cache.renew("a")
        await asyncio.sleep(CALL + INSTANT)
        facts.cache.renew("a")
        await asyncio.sleep(RETRY_SECONDS - 3 * INSTANT)
        facts.cache.renew("a")
        await asyncio.sleep(INSTANT)
        assert len(facts.looked_up) == 2
        await asyncio.sleep(3 * INSTANT)
        facts.cache.renew("a")
        await asyncio.sleep(INSTANT)
        assert len(facts.looked_up) == 3

    async def test_who_needs_the_fact_after_its_end_joins_the_renewal_under_way(self, facts, clock):
        await facts.get()
        await facts.pass_until(LIFE - CALL / 2)
        facts.cache.renew("a")
        await facts.pass_until(LIFE + INSTANT)
        assert await facts.value() == "a2"
        assert len(facts.looked_up) == 2
        assert clock.monotonic() == pytest.approx(START_SECONDS + CALL + LIFE + CALL / 2, abs=INSTANT)

    async def test_a_renewal_that_finds_it_gone_says_so(self, facts):
        await facts.get()
        await facts.pass_until(self.LATE)
        facts.answers["a"] = Absence.IMAGE
        facts.cache.renew("a")
        await asyncio.sleep(CALL + INSTANT)
        assert await facts.value() is Absence.IMAGE
