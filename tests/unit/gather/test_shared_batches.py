"""Calls with ids of several namespaces: each has its turn, and pays for its own ids."""

import asyncio
import weakref
from collections.abc import Iterable

import pytest

from tests.unit.gather.fakes import REGISTRY, build_limiters, unavailable
from tests.unit.gather.on_behalf import SOURCE, finding, settled, start
from tidegate.evidence.fact import Cause, Missing
from tidegate.evidence.source_unavailable import NotAskedError
from tidegate.gather.api_limiter import RateLimit
from tidegate.gather.batch import Batcher
from tidegate.gather.call_accounting import CallAccounting
from tidegate.gather.shares import Claim, on_behalf_of
from tidegate.gather.single_flight import SingleFlight
from tidegate.images.repository import EcrRegistry


class Found:
    """An answer that can be referred to weakly."""


class TestBatches:
    """What is asked for in a batch, and what a bad one of it does to the others."""

    @pytest.fixture
    async def slow(self, clock, executor, seen):
        return build_limiters(clock, executor, seen, rate=RateLimit(per_second=1.0, burst=1))

    def batcher(self, limiters, call, size=4):
        return Batcher[EcrRegistry, str, str](
            size=size, limiter=lambda registry: limiters.limiter(SOURCE, registry), call=call
        )

    async def test_each_namespace_has_its_turn_with_its_own_ids_first(self, slow):
        calls: list[str] = []
        batcher = self.batcher(slow, finding(calls))
        await slow.limiter(SOURCE, REGISTRY).turn()
        flood = [start("flood", batcher.get(REGISTRY, one)) for one in "abcdefghijkl"]
        await settled()
        other = start("other", batcher.get(REGISTRY, "x"))
        await asyncio.gather(*flood, other)
        assert calls == ["abcd", "xefg", "hijk", "l"]

    async def test_ids_of_who_made_calls_costly_are_in_no_call_of_another(self, clock, executor, seen):
        accounting, calls = CallAccounting(), []
        limiters = build_limiters(clock, executor, seen, rate=RateLimit(per_second=1.0, burst=2), accounting=accounting)

        def call(_, ids):
            calls.append("".join(ids))
            for _ in range(5 if "a" in ids else 1):
                accounting.leave(SOURCE, REGISTRY, seconds=0.01, cause=None)
            return dict.fromkeys(ids, "found")

        batcher = self.batcher(limiters, call)
        await start("flood", batcher.get(REGISTRY, "a"))
        flood = [start("flood", batcher.get(REGISTRY, one)) for one in "bc"]
        await settled()
        await start("other", batcher.get(REGISTRY, "x"))
        await asyncio.gather(*flood)
        assert sorted(calls) == ["a", "bc", "x"]

    async def test_who_joins_is_served_in_the_turn_of_either(self, slow):
        calls: list[str] = []
        batcher = self.batcher(slow, finding(calls))
        await slow.limiter(SOURCE, REGISTRY).turn()
        flood = [start("flood", batcher.get(REGISTRY, one)) for one in "abcdefghijkl"]
        await settled()
        assert await start("other", batcher.get(REGISTRY, "l")) == "found"
        assert calls == ["abcd", "lefg"]
        await asyncio.gather(*flood)
        assert "".join(calls).count("l") == 1

    @pytest.mark.parametrize("cause", [Cause.UNEXPECTED_ANSWER, Cause.INTERNAL])
    async def test_one_bad_id_that_fails_the_whole_call_costs_the_others_no_answer(self, limiters, cause):
        calls = []

        def call(_, ids):
            calls.append("".join(ids))
            if "x" in ids:
                raise unavailable(cause)
            return dict.fromkeys(ids, "found")

        batcher = self.batcher(limiters, call, size=8)
        shares: Iterable[str] = "aaaabbbb"
        answers = await asyncio.gather(
            *(start(share, batcher.get(REGISTRY, one)) for share, one in zip(shares, "uvwxefgh", strict=True))
        )
        assert answers == ["found"] * 3 + [Missing(cause, SOURCE)] + ["found"] * 4
        assert len(calls) <= 8

    async def test_ids_for_which_a_call_had_no_time_are_asked_for_again_in_smaller_ones(self, limiters, seen):
        calls = []

        def call(_, ids):
            calls.append(len(ids))
            return {one: "found" if at < 2 else NotAskedError(SOURCE, "") for at, one in enumerate(ids)}

        batcher = self.batcher(limiters, call, size=8)
        answers = await asyncio.gather(*(batcher.get(REGISTRY, one) for one in "abcdefgh"))
        assert answers == ["found"] * 8
        assert calls[0] == 8
        assert max(calls[1:]) == 4
        assert seen.open == []

    async def test_an_id_that_found_no_room_is_not_asked_for_again(self, limiters):
        calls = []

        def call(_, ids):
            calls.append(list(ids))
            return {one: "found" if one == "a" else unavailable(Cause.OVERLOADED) for one in ids}

        batcher = self.batcher(limiters, call)
        answers = await asyncio.gather(*(batcher.get(REGISTRY, one) for one in "ab"))
        assert answers == ["found", Missing(Cause.OVERLOADED, SOURCE)]
        assert calls == [["a", "b"]]

    async def test_an_answer_is_not_kept_by_those_who_still_do_other_work(self, limiters, clock):
        """A large manifest holds a permit for as long as it is in memory."""
        kept: list[weakref.ref[Found]] = []
        other_work = asyncio.Event()

        def call(_, ids):
            found = {one: Found() for one in ids}
            kept.extend(map(weakref.ref, found.values()))
            return found

        async def work(_):
            await batcher.get(REGISTRY, "a")
            await other_work.wait()

        batcher = self.batcher(limiters, call)
        outer = Claim("a")
        with on_behalf_of(outer):
            flight = SingleFlight(clock, work).join("key")
        await asyncio.sleep(1)
        assert [one() for one in kept] == [None]
        other_work.set()
        await flight.task
        await settled()
        assert flight.claim._listeners == outer._listeners == []

    async def test_an_outage_is_everyones_and_not_asked_again(self, limiters):
        calls = []

        def call(_, ids):
            calls.append(len(ids))
            raise unavailable(Cause.UNREACHABLE)

        batcher = self.batcher(limiters, call)
        answers = await asyncio.gather(*(batcher.get(REGISTRY, one) for one in "abcd"))
        assert answers == [Missing(Cause.UNREACHABLE, SOURCE)] * 4
        assert calls == [4]
