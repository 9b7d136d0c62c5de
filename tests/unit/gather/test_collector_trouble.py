"""A collection ends at its deadline, and says what could not be looked up."""

import asyncio
from datetime import timedelta
from typing import Any
from unittest.mock import Mock

import pytest

from tests.unit.gather.collected import (
    ALL,
    CALL,
    COVERAGE,
    DETAIL,
    FINDINGS,
    HOST,
    MANIFEST,
    SCAN,
    TAG,
    TAGS,
    TYPE,
    V1,
    asked,
    entry,
    push_index,
)
from tests.unit.gather.fakes import APP, IMAGE, unavailable
from tests.unit.gather.virtual_time import EPOCH, START_SECONDS
from tidegate.evidence.fact import Cause, Known, Missing
from tidegate.gather import collector as collector_module
from tidegate.gather.ask import SuspendedError
from tidegate.gather.collector import Collector
from tidegate.gather.lookups import DetailKey
from tidegate.images.digest import digest_of
from tidegate.images.reference import parse_reference


class TestDeadline:
    async def test_what_is_not_known_in_time_is_missing_for_want_of_time(self, aws, collect, clock):
        evidence = await collect(wanted=ALL, within=CALL / 2)
        assert evidence.detail == Missing(Cause.DEADLINE, DETAIL)
        assert evidence.settings == Missing(Cause.DEADLINE, TAGS)
        assert evidence.valid_until == 0
        assert clock.monotonic() - START_SECONDS == pytest.approx(CALL / 2, abs=1e-3)

    async def test_what_is_known_in_time_is_given(self, aws, collect):
        evidence = await collect(wanted=ALL, within=1.5 * CALL)
        assert evidence.detail.value.digest == IMAGE
        assert isinstance(evidence.settings, Known)
        assert evidence.scans == {IMAGE: Missing(Cause.DEADLINE, TYPE)}
        assert evidence.valid_until == 0

    async def test_children_that_are_not_known_in_time(self, aws, collect):
        push_index(aws, entry("amd", "linux/amd64"))
        evidence = await collect(within=1.5 * CALL)
        assert evidence.runnable == Missing(Cause.DEADLINE, MANIFEST)
        assert evidence.scans == {}

    async def test_scans_of_children_that_are_not_known_in_time(self, aws, collect):
        push_index(aws, entry("amd", "linux/amd64"))
        evidence = await collect(within=2.5 * CALL)
        assert isinstance(evidence.runnable, Known)
        assert evidence.scans == {digest_of(b"amd"): Missing(Cause.DEADLINE, TYPE)}

    async def test_what_was_not_asked_for_is_not_said_to_be_late(self, collect):
        assert (await collect(wanted=SCAN, within=0)).settings == Missing(Cause.NOT_ASKED, TAGS)

    async def test_work_past_the_deadline_is_finished_and_kept_so_that_the_retry_is_instant(self, aws, collect, clock):
        await collect(within=CALL / 2)
        await asyncio.sleep(1)
        before, began = asked(aws), clock.monotonic()
        evidence = await collect(within=0.001)
        assert isinstance(evidence.scans[IMAGE], Known)
        assert (asked(aws), clock.monotonic()) == (before, began)

    async def test_a_retry_while_the_work_goes_on_joins_it(self, aws, collect):
        await collect(within=CALL / 2)
        assert isinstance((await collect()).scans[IMAGE], Known)
        assert [aws.count(source) for source in (DETAIL, TYPE, COVERAGE, FINDINGS)] == [1, 1, 1, 1]

    async def test_a_deadline_in_the_past_still_gives_what_is_known(self, collect):
        await collect()
        assert isinstance((await collect(within=-5)).scans[IMAGE], Known)

    async def test_what_was_known_before_is_given_stale(self, aws, collect):
        await collect()
        await asyncio.sleep(5.1)
        evidence = await collect(within=CALL / 2)
        assert evidence.detail.stale is Cause.DEADLINE
        assert evidence.detail.value.digest == IMAGE
        assert evidence.scans[IMAGE].stale is None

    async def test_known_looks_nothing_up(self, aws, collector, collect):
        assert collector.known(TAG, ALL).detail == Missing(Cause.DEADLINE, DETAIL)
        assert aws.asked == []
        evidence = await collect(wanted=ALL)
        known = collector.known(TAG, ALL)
        assert (known.detail, known.settings, known.runnable, known.scans, known.valid_until) == (
            evidence.detail,
            evidence.settings,
            evidence.runnable,
            evidence.scans,
            evidence.valid_until,
        )


class TestTrouble:
    async def test_too_many_collections_are_told_so_and_given_what_is_known(self, aws, collect, facts, monkeypatch):
        monkeypatch.setattr(collector_module, "MAX_COLLECTIONS", 1)
        await facts.details.get(DetailKey(APP, V1))
        other = asyncio.create_task(collect(parse_reference(f"{HOST}/team/app:other")))
        await asyncio.sleep(0)
        evidence = await collect(wanted=ALL)
        assert evidence.detail.value.digest == IMAGE
        assert evidence.settings == Missing(Cause.OVERLOADED, TAGS)
        assert evidence.scan_type == evidence.scans[IMAGE] == Missing(Cause.OVERLOADED, TYPE)
        assert evidence.valid_until == 0
        await other
        assert isinstance((await collect(wanted=ALL)).scans[IMAGE], Known)

    async def test_who_waits_for_a_collection_under_way_is_never_too_many(self, collect, monkeypatch):
        monkeypatch.setattr(collector_module, "MAX_COLLECTIONS", 1)
        evidence = await asyncio.gather(*(collect() for _ in range(10)))
        assert all(isinstance(each.scans[IMAGE], Known) for each in evidence)

    async def test_an_unforeseen_exception_is_logged_and_an_internal_error(self, facts, clock, monkeypatch):
        def broken(*_):
            raise RuntimeError("oh no")

        log = Mock()
        monkeypatch.setattr(collector_module, "_log", log)
        monkeypatch.setattr(collector_module, "_itself", broken)
        collector = Collector(facts, clock)
        found = await collector.collect(TAG, SCAN, deadline=clock.monotonic() + 60)
        assert found.detail == Missing(Cause.INTERNAL, DETAIL)
        assert not found.is_whole
        assert found.valid_until == 0
        assert [str(call.kwargs["exc_info"]) for call in log.error.call_args_list] == ["oh no", "oh no"]

    async def test_a_walk_over_what_is_known_that_waits_leaves_nothing_known(self, collector, collect, monkeypatch):
        """An answer that is not there yet must never read as one."""
        await collect(wanted=ALL)
        assert collector.known(TAG, ALL).is_whole
        settings, log = collector._settings, Mock()

        async def waits(*args: Any) -> Any:
            await asyncio.sleep(0)
            return await settings(*args)

        monkeypatch.setattr(collector_module, "_log", log)
        monkeypatch.setattr(collector, "_settings", waits)
        known = collector.known(TAG, ALL)
        collector.renew(TAG, ALL)
        assert {fact.cause for fact in known.facts if isinstance(fact, Missing)} == {Cause.INTERNAL}
        assert len(known.facts) == 6
        assert (known.is_whole, known.valid_until) == (False, 0)
        assert [type(call.kwargs["exc_info"]) for call in log.error.call_args_list] == [SuspendedError, SuspendedError]

    async def test_stale_evidence_says_why(self, aws, collect):
        await collect()
        aws.failing["*"] = unavailable(Cause.UNREACHABLE)
        await asyncio.sleep(700)
        evidence = await collect()
        assert evidence.detail.stale is Cause.UNREACHABLE
        assert evidence.scans[IMAGE].stale is Cause.UNREACHABLE
        assert evidence.scans[IMAGE].observed_at < EPOCH + timedelta(seconds=1)
