"""A limiter paces calls, turns every exception into a missing fact with its cause, and tells the operator each call once."""

import asyncio

import pytest

from tests.unit.gather.fakes import OTHER, PATIENT, REGISTRY, Seen, build_limiters, unavailable
from tests.unit.gather.virtual_time import LateExecutor
from tidegate.evidence.fact import Cause, Missing
from tidegate.evidence.source_unavailable import UnknownRegionError
from tidegate.gather.api_limiter import RateLimit
from tidegate.gather.api_limiters import MAX_LIMITERS, REGISTRY_CALLS, THREADS
from tidegate.gather.call_accounting import CallAccounting
from tidegate.gather.shares import Claim, on_behalf_of
from tidegate.gather.throttle import FAILURES_TO_OPEN, OPEN_SECONDS, PAUSE_SECONDS
from tidegate.images.repository import EcrRegistry

SOURCE = "ecr:DescribeImages"


def raising(problem):
    def function():
        raise problem

    return function


@pytest.fixture
async def limiter(clock, executor, seen):
    return build_limiters(clock, executor, seen).limiter(SOURCE, REGISTRY)


class TestCalls:
    async def test_an_answer_is_returned_as_it_is(self, limiter, seen):
        assert await limiter.ask(lambda: {"an": "answer"}) == {"an": "answer"}
        assert seen.calls == [(SOURCE, None)]

    @pytest.mark.parametrize("cause", [Cause.THROTTLED, Cause.ACCESS_DENIED, Cause.UNREACHABLE, Cause.ROLE_DENIED])
    async def test_an_error_is_a_missing_fact_with_its_cause(self, limiter, seen, cause):
        problem = unavailable(cause, "sts:AssumeRole")
        assert await limiter.ask(raising(problem)) == Missing(cause, "sts:AssumeRole")
        assert seen.calls == [(SOURCE, cause)]
        assert seen.problems == [problem]

    async def test_an_unforeseen_exception_is_internal_and_the_operator_sees_it(self, limiter, seen):
        problem = ZeroDivisionError("oh")
        assert await limiter.ask(raising(problem)) == Missing(Cause.INTERNAL, SOURCE)
        assert seen.problems == [problem]

    async def test_a_region_that_does_not_exist_is_an_answer_and_no_call(self, limiter, seen):
        problem = UnknownRegionError("nowhere")
        assert await limiter.ask(raising(problem)) is problem
        assert seen.calls == []

    async def test_after_close_no_call_is_made(self, clock, seen):
        limiters = build_limiters(clock, None, seen)  # type: ignore[arg-type]  # the real threads
        limiters.close()
        limiter = limiters.limiter(SOURCE, REGISTRY)
        assert await limiter.ask(lambda: pytest.fail("called")) == Missing(Cause.INTERNAL, SOURCE)


class TestPace:
    async def test_calls_keep_to_the_rate(self, clock, executor, seen):
        limiter = build_limiters(clock, executor, seen, rate=RateLimit(per_second=2.0, burst=2)).limiter(
            SOURCE, REGISTRY
        )
        began, granted = clock.monotonic(), []
        for _ in range(5):
            await limiter.turn()
            granted.append(clock.monotonic() - began)
        assert granted == pytest.approx([0, 0, 0.5, 1.0, 1.5], abs=1e-3)

    async def test_a_throttled_call_pauses_all(self, limiter, clock):
        await limiter.ask(raising(unavailable(Cause.THROTTLED)))
        began = clock.monotonic()
        await limiter.turn()
        assert clock.monotonic() - began == pytest.approx(PAUSE_SECONDS, abs=0.01)

    async def test_a_call_that_succeeds_forgets_earlier_pauses(self, limiter, clock):
        for _ in range(3):
            await limiter.ask(raising(unavailable(Cause.THROTTLED)))
            await limiter.ask(lambda: "answer")
        await limiter.ask(raising(unavailable(Cause.THROTTLED)))
        began = clock.monotonic()
        await limiter.turn()
        assert clock.monotonic() - began == pytest.approx(PAUSE_SECONDS, abs=0.01)

    async def test_a_wait_that_aws_asks_for_is_kept(self, limiter, clock):
        await limiter.ask(raising(unavailable(Cause.THROTTLED, retry_after_seconds=2.5)))
        began = clock.monotonic()
        await limiter.turn()
        assert clock.monotonic() - began == pytest.approx(2.5, abs=0.01)

    async def test_an_open_breaker_answers_at_once_and_spends_no_token(self, clock, executor, seen):
        limiter = build_limiters(clock, executor, seen, rate=RateLimit(per_second=0.1, burst=FAILURES_TO_OPEN)).limiter(
            SOURCE, REGISTRY
        )
        for _ in range(FAILURES_TO_OPEN):
            await limiter.ask(raising(unavailable(Cause.UNREACHABLE)))
        began = clock.monotonic()
        for _ in range(100):
            assert await limiter.turn() == Missing(Cause.CIRCUIT_OPEN, SOURCE)
        assert clock.monotonic() == began

    async def test_who_waits_for_a_token_is_told_when_the_breaker_opens_meanwhile(self, clock, executor, seen):
        limiter = build_limiters(clock, executor, seen, rate=RateLimit(per_second=0.5, burst=5)).limiter(
            SOURCE, REGISTRY
        )
        failing = [asyncio.create_task(limiter.ask(raising(unavailable(Cause.UNREACHABLE)))) for _ in range(5)]
        await asyncio.sleep(0)
        answer = await limiter.ask(lambda: pytest.fail("called"))
        assert answer == Missing(Cause.CIRCUIT_OPEN, SOURCE)
        await asyncio.gather(*failing)

    async def test_after_the_pause_one_call_tries_and_its_success_lets_the_others_through(self, limiter, seen):
        for _ in range(FAILURES_TO_OPEN):
            await limiter.ask(raising(unavailable(Cause.SERVER_ERROR)))
        await asyncio.sleep(OPEN_SECONDS)
        answers = await asyncio.gather(*(limiter.ask(lambda: "back") for _ in range(10)))
        assert sorted(map(str, answers)) == sorted(["back", *[str(Missing(Cause.CIRCUIT_OPEN, SOURCE))] * 9])
        assert await asyncio.gather(*(limiter.ask(lambda: "back") for _ in range(10))) == ["back"] * 10


class TestMeter:
    """What a look-up really cost is noted by the gate at which every single call passes."""

    def look_up(self, accounting, *causes, problem=None, source=SOURCE):
        def function():
            for cause in causes:
                accounting.enter(source, REGISTRY)
                accounting.leave(source, REGISTRY, seconds=0.25, cause=cause)
            if problem is not None:
                raise problem
            return "answer"

        return function

    @pytest.fixture
    def accounting(self):
        return CallAccounting()

    @pytest.fixture
    async def limiter(self, clock, executor, seen, accounting):
        rate = RateLimit(per_second=1.0, burst=3)
        return build_limiters(clock, executor, seen, rate=rate, accounting=accounting).limiter(SOURCE, REGISTRY)

    async def test_every_page_is_told(self, limiter, accounting, seen):
        await limiter.ask(self.look_up(accounting, None, None, None))
        assert seen.calls == [(SOURCE, None)] * 3

    async def test_calls_of_another_api_are_told_as_its_own(self, limiter, accounting, seen):
        await limiter.ask(self.look_up(accounting, None, source="ecr:DescribePullThroughCacheRules"))
        assert seen.calls == [("ecr:DescribePullThroughCacheRules", None)]

    async def test_the_last_call_bears_the_error_with_its_detail_and_earlier_ones_their_cause(
        self, limiter, accounting, seen
    ):
        problem = unavailable(Cause.SERVER_ERROR)
        await limiter.ask(self.look_up(accounting, None, Cause.THROTTLED, Cause.SERVER_ERROR, problem=problem))
        assert seen.calls == [(SOURCE, None), (SOURCE, Cause.THROTTLED), (SOURCE, Cause.SERVER_ERROR)]
        assert seen.problems[-1] is problem

    async def test_an_answer_without_any_call_is_not_told_as_one(self, limiter, accounting, seen):
        """What the operator configured, or what cannot exist, is answered without AWS."""
        assert await limiter.ask(self.look_up(accounting)) == "answer"
        assert seen.calls == []

    async def test_an_error_before_any_call_is_told(self, limiter, accounting, seen):
        await limiter.ask(self.look_up(accounting, problem=ValueError("too many")))
        assert seen.calls == [(SOURCE, Cause.INTERNAL)]

    async def test_pages_are_paid_for_from_the_bucket(self, limiter, accounting, clock):
        await limiter.ask(self.look_up(accounting, None, None, None, None))
        began = clock.monotonic()
        await limiter.turn()
        assert clock.monotonic() - began == pytest.approx(2 - 0.1, abs=0.01)

    async def test_calls_of_another_api_are_not(self, limiter, accounting, clock):
        """Each API has a rate of its own. A search for signatures makes as many calls of others as whoever pushes likes."""

        def search():
            self.look_up(accounting, None)()
            return self.look_up(accounting, *[None] * 50, source="ecr:GetDownloadUrlForLayer")()

        await limiter.ask(search)
        began = clock.monotonic()
        await limiter.turn()
        assert clock.monotonic() == began

    async def test_a_throttled_page_pauses_although_the_look_up_answered(self, clock, executor, seen, accounting):
        limiter = build_limiters(clock, executor, seen, accounting=accounting).limiter(SOURCE, REGISTRY)
        await limiter.ask(self.look_up(accounting, None, Cause.THROTTLED))
        began = clock.monotonic()
        await limiter.turn()
        assert clock.monotonic() - began == pytest.approx(PAUSE_SECONDS, abs=0.01)

    async def test_calls_outside_of_a_look_up_are_nobodys(self, accounting):
        accounting.leave(SOURCE, REGISTRY, seconds=0.1, cause=None)
        calls: list = []
        accounting.run(lambda: None, calls)
        accounting.leave(SOURCE, REGISTRY, seconds=0.1, cause=None)
        assert calls == []

    async def test_ids_left_open_are_told_once_a_cause_and_are_no_further_call(self, limiter, seen):
        limiter.unanswered(
            [unavailable(Cause.THROTTLED), unavailable(Cause.ACCESS_DENIED), unavailable(Cause.THROTTLED)]
        )
        assert sorted(seen.open) == sorted([(SOURCE, 2, Cause.THROTTLED), (SOURCE, 1, Cause.ACCESS_DENIED)])
        assert seen.calls == []


class TestLines:
    async def test_each_api_of_each_registry_has_its_own(self, clock, executor, seen):
        limiters = build_limiters(clock, executor, seen)
        one = limiters.limiter(SOURCE, REGISTRY)
        assert limiters.limiter(SOURCE, EcrRegistry("aws", REGISTRY.account, REGISTRY.region)) is one
        assert limiters.limiter(SOURCE, OTHER) is not one
        assert limiters.limiter("ecr:BatchGetImage", REGISTRY) is not one

    async def test_a_line_in_use_outlives_any_number_of_registries_that_do_not_exist(self, clock, executor, seen):
        limiters = build_limiters(clock, executor, seen)
        busy, idle = limiters.limiter(SOURCE, REGISTRY), limiters.limiter("ecr:BatchGetImage", REGISTRY)
        for number in range(MAX_LIMITERS + 10):
            limiters.limiter(SOURCE, EcrRegistry("aws", f"{number:012}", "eu-west-1"))
            assert limiters.limiter(SOURCE, REGISTRY) is busy
        assert limiters.limiter("ecr:BatchGetImage", REGISTRY) is not idle
        assert len(limiters._limiters) <= MAX_LIMITERS + 1
        assert len(limiters._rooms) <= MAX_LIMITERS + 1

    async def test_a_registry_that_hangs_leaves_threads_for_the_others(self, clock):
        executor = LateExecutor(3_600.0)
        limiters = build_limiters(clock, executor, Seen(), rate=PATIENT)
        apis = [limiters.limiter(f"ecr:Api{number}", REGISTRY) for number in range(10)]
        tasks = []
        for share in ("a", "b"):
            with on_behalf_of(Claim(share)):
                tasks += [asyncio.create_task(limiter.ask(lambda: None)) for limiter in apis for _ in range(10)]
        await asyncio.sleep(1)
        assert executor.running == REGISTRY_CALLS < THREADS
        executor.seconds = 0.1
        began = clock.monotonic()
        assert await limiters.limiter(SOURCE, OTHER).ask(lambda: "answer") == "answer"
        assert clock.monotonic() - began < 1
        await asyncio.gather(*tasks)
