"""What is scarce is shared by namespace: within one first come, first served; among several, who holds the least is next."""

import asyncio

import pytest

from tests.unit.gather.collected import HOST, SCAN
from tests.unit.gather.fakes import APP, REGISTRY, build_limiters, detail, unavailable
from tests.unit.gather.on_behalf import SOURCE, settled, start
from tests.unit.gather.virtual_time import LateExecutor
from tidegate.evidence.fact import Cause, Missing
from tidegate.gather import collector as collector_module
from tidegate.gather.api_limiter import RateLimit
from tidegate.gather.api_limiters import THREADS
from tidegate.gather.call_accounting import CallAccounting
from tidegate.gather.lookups import DetailKey, Lookups
from tidegate.gather.shares import RESERVED, Claim, Given, Lanes, Room, current
from tidegate.images.image_id import ImageId
from tidegate.images.reference import parse_reference
from tidegate.images.repository import EcrRegistry


class TestLanes:
    def order(self, lanes, rank=lambda _: 0.0):
        found = []
        while (share := lanes.next(rank)) is not None:
            lanes.take(share).set_result(None)
            found.append(share)
        return found

    async def test_equals_take_turns_and_each_is_served_in_order(self):
        lanes = Lanes()
        for share in "aaabb":
            lanes.wait(Claim(share))
        assert self.order(lanes) == ["a", "b", "a", "b", "a"]

    async def test_the_lowest_rank_is_next_and_none_has_no_turn(self):
        lanes = Lanes()
        for share in "abc":
            lanes.wait(Claim(share))
        ranks = {"a": 2.0, "b": None, "c": 1.0}
        assert self.order(lanes, ranks.__getitem__) == ["c", "a"]
        assert self.order(lanes) == ["b"]

    async def test_who_gave_up_has_no_turn(self):
        lanes = Lanes()
        waiters = [lanes.wait(Claim("a")) for _ in range(2)]
        waiters[0].cancel()
        assert lanes.next(lambda _: 0.0) == "a"
        assert lanes.take("a") is waiters[1]

    async def test_what_waits_for_several_has_the_first_turn_of_any_and_only_one(self):
        lanes, claim = Lanes(), Claim("a")
        lanes.wait(Claim("a"))
        lanes.wait(claim)
        claim.join("b")
        claim.join("b")
        assert self.order(lanes) == ["a", "b"]


class TestGiven:
    def test_one_that_comes_back_starts_level_with_the_others(self):
        given = Given()
        for _ in range(10):
            given.give("busy")
        assert given.rank("new") == 9.0 < given.rank("busy") == 10.0

    def test_what_was_taken_beyond_a_turn_counts(self):
        given = Given()
        given.give("a")
        given.charge("a", 7)
        assert given.rank("a") == 8.0

    def test_those_that_are_level_need_not_be_remembered(self):
        given = Given()
        for number in range(5_000):
            given.give(f"namespace-{number}", 0.5)
        assert len(given._given) < 2_000


class TestRoom:
    async def test_one_share_leaves_places_for_the_next(self):
        room, entered = Room(8), []

        async def work(name):
            async with room.place(current()):
                entered.append(name)
                await asyncio.sleep(3_600)

        tasks = [start("flood", work("flood")) for _ in range(100)]
        await settled()
        assert len(entered) == 8 - 8 // RESERVED
        tasks.append(start("other", work("other")))
        await settled()
        assert entered[-1] == "other"
        for task in tasks:
            task.cancel()

    async def test_a_place_goes_to_who_holds_the_least(self):
        room, entered = Room(1), []

        async def work(name):
            async with room.place(current()):
                entered.append(name)
                await asyncio.sleep(1)

        await asyncio.gather(*(start(share, work(share)) for share in "aaaab"))
        assert entered == ["a", "a", "b", "a", "a"]

    @pytest.mark.parametrize("moment", [pytest.param(False, id="while it waits"), pytest.param(True, id="just let in")])
    async def test_who_is_cancelled_takes_no_place_along(self, moment):
        room = Room(1)
        first = start("a", hold(room, 1.0))
        await settled()
        second = start("a", hold(room, 1.0))
        await settled()
        if moment:
            first.cancel()
        second.cancel()
        await asyncio.gather(first, second, return_exceptions=True)
        await asyncio.wait_for(start("a", hold(room, 0.0)), 5)
        assert room._free == 1
        assert not room._held


async def hold(room, seconds):
    async with room.place(current()):
        await asyncio.sleep(seconds)


class TestLine:
    async def test_tokens_are_given_in_turn(self, clock, executor, seen):
        limiter = build_limiters(clock, executor, seen, rate=RateLimit(per_second=1.0, burst=1)).limiter(
            SOURCE, REGISTRY
        )
        await limiter.turn()
        began, times = clock.monotonic(), []

        async def turn(share):
            await limiter.turn()
            times.append((share, round(clock.monotonic() - began)))

        await asyncio.gather(*(start(share, turn(share)) for share in [*"aaaaaaaa", "b"]))
        assert times[:3] == [("a", 1), ("b", 2), ("a", 3)]

    async def test_calls_of_one_namespace_leave_threads_for_another(self, clock, seen):
        executor = LateExecutor(3_600.0)
        limiters = build_limiters(clock, executor, seen)
        flood = [
            start("flood", limiters.limiter(f"ecr:{n}", where).ask(lambda: None))
            for where in registries(9)
            for n in range(9)
        ]
        await asyncio.sleep(1)
        assert executor.running == THREADS - THREADS // RESERVED
        executor.seconds = 0.1
        other = start("other", limiters.limiter(SOURCE, registries(1)[0]).ask(lambda: "answer"))
        await asyncio.sleep(0.2)
        assert other.result() == "answer"
        await asyncio.gather(*flood)

    async def test_who_made_more_calls_than_a_turn_has_pays_for_them_alone(self, clock, executor, seen):
        """A look-up for images that do not exist takes many calls; another namespace's turn comes all the same."""
        accounting = CallAccounting()
        rate = RateLimit(per_second=1.0, burst=10)
        limiter = build_limiters(clock, executor, seen, rate=rate, accounting=accounting).limiter(SOURCE, REGISTRY)

        def costly():
            for _ in range(30):
                accounting.leave(SOURCE, REGISTRY, seconds=0.01, cause=None)

        await start("flood", limiter.ask(costly))
        began = clock.monotonic()
        flood = start("flood", limiter.turn())
        await start("other", limiter.turn())
        assert clock.monotonic() - began < 1.5
        await flood
        assert clock.monotonic() - began > 9

    async def test_an_outage_is_told_at_once_to_all_who_wait(self, clock, executor, seen):
        limiter = build_limiters(clock, executor, seen, rate=RateLimit(per_second=1.0, burst=5)).limiter(
            SOURCE, REGISTRY
        )

        def fail():
            raise unavailable(Cause.UNREACHABLE)

        answers = await asyncio.gather(*(limiter.ask(fail) for _ in range(50)))
        assert answers[-1] == Missing(Cause.CIRCUIT_OPEN, SOURCE)
        assert clock.monotonic() - 1_000 < 5


def registries(count) -> list[EcrRegistry]:
    return [EcrRegistry("aws", f"{number:012}", "eu-west-1") for number in range(count)]


class TestCollections:
    async def test_a_namespace_that_floods_is_told_so_and_others_are_answered(self, aws, collector, clock, monkeypatch):
        monkeypatch.setattr(collector_module, "MAX_COLLECTIONS_OF_A_SHARE", 3)
        flood = await collector.collect_all(
            [(parse_reference(f"{HOST}/team/app:no{number}"), SCAN) for number in range(5)],
            deadline=clock.monotonic() + 9,
            share="flood",
        )
        assert [one.detail for one in flood[3:]] == [Missing(Cause.OVERLOADED, SOURCE)] * 2
        tasks = [
            asyncio.create_task(
                collector.collect(parse_reference(f"{HOST}/team/app:no{n}"), SCAN, deadline=9e9, share="a")
            )
            for n in range(10, 13)
        ]
        await settled()
        (found,) = await collector.collect_all(
            [(parse_reference(f"{HOST}/team/app:v1"), SCAN)], deadline=clock.monotonic() + 9, share="other"
        )
        assert found.detail.value == detail()
        await asyncio.gather(*tasks)
        assert not collector._counts

    async def test_a_new_image_of_another_namespace_waits_for_no_flood(self, aws, clock, executor, seen):
        limiters = build_limiters(
            clock, executor, seen, rate=RateLimit(per_second=1.0, burst=1), accounting=aws.accounting
        )
        facts = Lookups(sources=aws.sources(), limiters=limiters, clock=clock, limit=1_000)
        flood = [
            start("flood", facts.details.get(DetailKey(APP.__class__(REGISTRY, f"no/{number}"), ImageId.of_tag("x"))))
            for number in range(50)
        ]
        await asyncio.sleep(5)
        began = clock.monotonic()
        fact, _ = await start("other", facts.details.get(DetailKey(APP, ImageId.of_tag("v1"))))
        assert fact.value == detail()
        assert clock.monotonic() - began < 3
        await asyncio.gather(*flood)

    async def test_a_fact_that_a_flood_waits_for_is_had_in_the_turn_of_who_joins(self, aws, clock, executor, seen):
        limiters = build_limiters(
            clock, executor, seen, rate=RateLimit(per_second=1.0, burst=1), accounting=aws.accounting
        )
        facts = Lookups(sources=aws.sources(), limiters=limiters, clock=clock, limit=1_000)
        names = [APP.__class__(REGISTRY, f"no/{number}") for number in range(50)]
        flood = [start("flood", facts.details.get(DetailKey(where, ImageId.of_tag("v1")))) for where in [*names, APP]]
        await asyncio.sleep(5)
        began = clock.monotonic()
        await start("other", facts.details.get(DetailKey(APP, ImageId.of_tag("v1"))))
        assert clock.monotonic() - began < 3
        await asyncio.gather(*flood)
