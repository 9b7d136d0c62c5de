"""A fact is looked up once for all who wait, kept for its time, renewed when read late, and marked when it is stale."""

import asyncio
from unittest.mock import Mock

import pytest

from tests.unit.gather.counted import CALL, DOWN, INSTANT, LIFE, SOURCE, Lookups
from tests.unit.gather.virtual_time import EPOCH, START_SECONDS
from tidegate.evidence.fact import Cause, Known, Missing
from tidegate.evidence.image import Absence
from tidegate.evidence.image_evidence import RENEWED_SHARE
from tidegate.gather import fact_cache as fact_cache_module
from tidegate.gather.lifetimes import KEPT_SECONDS, RETRY_SECONDS

UNKNOWN = Missing(Cause.NOT_ASKED, SOURCE)


@pytest.fixture
async def facts(clock):
    return Lookups(clock)


class TestLife:
    async def test_a_fact_is_of_when_it_was_asked_for_and_lives_from_when_it_was_answered(self, facts, clock):
        """What changed while the answer was under way may not be in it."""
        fact, until = await facts.cache.get("a")
        assert fact == Known("a1", EPOCH)
        assert until == pytest.approx(clock.monotonic() + LIFE)

    @pytest.mark.parametrize(
        ("at", "calls"),
        [
            pytest.param(LIFE - INSTANT, 1, id="just before its end: from memory"),
            pytest.param(LIFE + INSTANT, 2, id="just after: looked up again"),
        ],
    )
    async def test_both_sides_of_its_end(self, facts, at, calls):
        await facts.get()
        await facts.pass_until(at)
        assert await facts.value() == f"a{calls}"
        assert len(facts.looked_up) >= calls

    async def test_from_memory_there_is_no_wait(self, facts, clock):
        await facts.get()
        began = clock.monotonic()
        await facts.get()
        assert clock.monotonic() == began

    async def test_peek_looks_nothing_up(self, facts):
        assert facts.cache.peek("a") == (UNKNOWN, 0.0)
        kept, until = await facts.cache.get("a")
        assert facts.cache.peek("a") == (kept, until)
        assert facts.looked_up == ["a"]

    async def test_peek_marks_what_is_past_its_end(self, facts, clock):
        kept = await facts.get()
        await facts.pass_until(LIFE)
        fact, until = facts.cache.peek("a")
        assert fact == Known("a1", kept.observed_at, Cause.DEADLINE, SOURCE)
        assert until < clock.monotonic()


class TestShortening:
    async def test_a_fact_not_known_has_no_life_to_shorten(self, facts):
        assert facts.cache.shorten("a", 1.0) == 0.0

    async def test_a_fact_is_shortened_once_and_never_lengthened(self, facts, clock):
        _, until = await facts.cache.get("a")
        assert facts.cache.shorten("a", 2 * LIFE) == until
        shortened = clock.monotonic() + LIFE / 2
        assert facts.cache.shorten("a", LIFE / 2) == facts.cache.peek("a")[1] == pytest.approx(shortened)
        await asyncio.sleep(1.0)
        assert facts.cache.shorten("a", LIFE / 2) == pytest.approx(shortened)

    async def test_it_is_renewed_in_the_last_part_of_the_time_that_it_still_has(self, facts):
        await facts.get()
        facts.cache.shorten("a", LIFE / 2)
        await facts.pass_until(LIFE / 2 * (1 - RENEWED_SHARE) - INSTANT)
        await facts.get()
        assert facts.looked_up == ["a"]
        await facts.pass_until(LIFE / 2 * (1 - RENEWED_SHARE) + INSTANT)
        await facts.get()
        await asyncio.sleep(CALL + INSTANT)
        assert facts.looked_up == ["a", "a"]


class TestSingleFlight:
    async def test_one_look_up_serves_all_who_wait(self, facts):
        assert set(await asyncio.gather(*(facts.value() for _ in range(1_000)))) == {"a1"}
        assert facts.looked_up == ["a"]

    async def test_who_comes_late_joins(self, facts, clock):
        first = asyncio.create_task(facts.value())
        await asyncio.sleep(CALL / 2)
        assert await facts.value() == await first == "a1"
        assert clock.monotonic() == pytest.approx(START_SECONDS + CALL, abs=INSTANT)

    async def test_a_failure_serves_all_who_wait_too(self, facts):
        facts.answers["a"] = DOWN
        assert await asyncio.gather(*(facts.get() for _ in range(10))) == [DOWN] * 10
        assert facts.looked_up == ["a"]

    async def test_a_requester_that_is_cancelled_leaves_the_look_up_running_and_its_answer_is_kept(self, facts, clock):
        quitter = asyncio.create_task(facts.get())
        await asyncio.sleep(CALL / 2)
        quitter.cancel()
        with pytest.raises(asyncio.CancelledError):
            await quitter
        await asyncio.sleep(CALL)
        began = clock.monotonic()
        assert await facts.value() == "a1"
        assert clock.monotonic() == began

    async def test_a_requester_that_is_cancelled_fails_nobody_who_waits_with_it(self, facts):
        quitter, stayer = asyncio.create_task(facts.get()), asyncio.create_task(facts.value())
        await asyncio.sleep(CALL / 2)
        quitter.cancel()
        assert await stayer == "a1"

    async def test_different_facts_are_looked_up_side_by_side(self, facts, clock):
        await asyncio.gather(*(facts.get(key) for key in "abcdef"))
        assert clock.monotonic() == pytest.approx(START_SECONDS + CALL, abs=INSTANT)


class TestBound:
    async def test_the_least_recently_used_goes_first(self, clock):
        facts = Lookups(clock, limit=2)
        for key in "ab":
            await facts.get(key)
        await facts.get("a")
        await facts.get("c")
        assert len(facts.cache) == 2
        assert [facts.cache.peek(key)[1] > 0 for key in "abc"] == [True, False, True]

    async def test_use_that_only_takes_note_counts_as_use(self, clock):
        facts = Lookups(clock, limit=2)
        for key in "ab":
            await facts.get(key)
        facts.cache.renew("a")
        await facts.get("c")
        assert [facts.cache.peek(key)[1] > 0 for key in "abc"] == [True, False, True]

    async def test_a_fact_that_is_pushed_out_while_it_is_waited_for_still_answers(self, clock):
        facts = Lookups(clock, limit=1)
        assert await asyncio.gather(*(facts.value(key) for key in "abc")) == ["a1", "b1", "c1"]
        assert len(facts.cache) == 1

    @pytest.mark.parametrize(
        ("weights", "kept"),
        [
            pytest.param({"a": 4, "b": 6}, "ab", id="as much as there is room for"),
            pytest.param({"a": 4, "b": 7}, "b", id="one more"),
            pytest.param({"a": 1, "b": 1, "c": 9}, "bc", id="no more than has to go"),
            pytest.param({"a": 1, "b": 11}, "", id="more than all the room"),
        ],
    )
    async def test_heavy_facts_leave_room_for_fewer(self, clock, weights, kept):
        facts = Lookups(clock, limit=10, weigh=lambda value: weights[value[0]])
        for key in weights:
            assert await facts.value(key) == f"{key}1"
        assert "".join(key for key in weights if facts.cache.peek(key)[1] > 0) == kept

    async def test_a_fact_weighs_what_it_last_did(self, clock):
        facts = Lookups(clock, limit=10, weigh=len)
        facts.answers["a"] = "x" * 9
        await facts.get("a")
        await facts.pass_until(LIFE)
        facts.answers["a"] = "x"
        await facts.get("a")
        facts.answers["b"] = "x" * 9
        await facts.get("b")
        assert len(facts.cache) == 2


class TestFailure:
    @pytest.mark.parametrize("cause", [cause for cause in Cause if cause is not Cause.NOT_ASKED])
    async def test_what_could_not_be_looked_up_is_never_kept(self, facts, cause):
        facts.answers["a"] = Missing(cause, SOURCE)
        assert await facts.cache.get("a") == (Missing(cause, SOURCE), 0.0)
        assert len(facts.cache) == 0
        del facts.answers["a"]
        assert await facts.value() == "a2"

    async def test_an_exception_is_an_internal_error_and_logged(self, facts, monkeypatch):
        log = Mock()
        monkeypatch.setattr(fact_cache_module, "_log", log)
        facts.answers["a"] = RuntimeError("oh no")
        assert await facts.get() == Missing(Cause.INTERNAL, SOURCE)
        log.exception.assert_called_once()
        facts.answers["a"] = "fine"
        assert await facts.value() == "fine"

    async def test_an_exception_about_its_life_is_an_internal_error_too(self, facts):
        facts.seconds = None
        assert await facts.get() == Missing(Cause.INTERNAL, SOURCE)
        facts.seconds = LIFE
        assert await facts.value() == "a2"

    async def test_a_fact_past_its_end_stands_in_marked_with_the_cause(self, facts):
        fresh = await facts.get()
        await facts.pass_until(LIFE)
        facts.answers["a"] = DOWN
        assert await facts.get() == Known("a1", fresh.observed_at, Cause.UNREACHABLE, DOWN.source)

    async def test_its_cause_is_the_last_one(self, facts):
        await facts.get()
        await facts.pass_until(LIFE)
        for cause in (Cause.UNREACHABLE, Cause.THROTTLED):
            facts.answers["a"] = Missing(cause, f"oci:{cause}")
            assert (await facts.get()).stale is cause
            assert facts.cache.peek("a")[0].source == f"oci:{cause}"
            assert facts.cache.peek("a")[0].stale is cause
            await asyncio.sleep(RETRY_SECONDS + INSTANT)

    async def test_the_renewal_that_failed_is_not_repeated_at_once(self, facts):
        await facts.get()
        await facts.pass_until(LIFE)
        facts.answers["a"] = DOWN
        _, until = await facts.cache.get("a")
        assert until == pytest.approx(facts.clock.monotonic() + RETRY_SECONDS)
        await asyncio.sleep(RETRY_SECONDS - INSTANT)
        assert (await facts.get()).stale is Cause.UNREACHABLE
        assert len(facts.looked_up) == 2
        await asyncio.sleep(2 * INSTANT)
        await facts.get()
        assert len(facts.looked_up) == 3

    async def test_the_first_answer_again_is_fresh(self, facts):
        await facts.get()
        await facts.pass_until(LIFE)
        facts.answers["a"] = DOWN
        await facts.get()
        del facts.answers["a"]
        await asyncio.sleep(RETRY_SECONDS + INSTANT)
        asked_at = facts.clock.now()
        assert await facts.get() == Known("a3", asked_at, None)

    @pytest.mark.parametrize(
        ("at", "stale"),
        [
            pytest.param(LIFE + KEPT_SECONDS - CALL - 1, True, id="within the bound"),
            pytest.param(LIFE + KEPT_SECONDS, False, id="past it"),
        ],
    )
    async def test_a_stale_fact_is_kept_for_a_bounded_time(self, facts, at, stale):
        await facts.get()
        await facts.pass_until(at)
        facts.answers["a"] = DOWN
        assert isinstance(await facts.get(), Known) == stale
        await facts.pass_until(LIFE + KEPT_SECONDS)
        assert facts.cache.peek("a") == (UNKNOWN, 0.0)

    async def test_that_something_was_missing_never_stands_in(self, facts):
        """Else an image that was pushed a moment later would be said to be missing for as long as AWS is down."""
        facts.answers["a"] = Absence.IMAGE
        assert await facts.value() is Absence.IMAGE
        await facts.pass_until(LIFE)
        assert facts.cache.peek("a") == (UNKNOWN, 0.0)
        facts.answers["a"] = DOWN
        assert await facts.get() == DOWN
        assert len(facts.cache) == 0
