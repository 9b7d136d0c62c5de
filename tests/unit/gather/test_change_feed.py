"""The feed reports each change once, says until when it knows all, and has everything read again when it can't."""

import asyncio
from datetime import timedelta

import pytest

from tests.unit.gather.fakes import APP, OTHER, REGISTRY, unavailable
from tests.unit.gather.virtual_time import EPOCH
from tidegate.evidence.change import ChangedRow, ChangedRows, ImageChange
from tidegate.evidence.fact import Cause, Known, Missing
from tidegate.evidence.repository import ScanType
from tidegate.evidence.source_unavailable import UnknownRegionError
from tidegate.gather.api_limiters import REGISTRY_CALLS
from tidegate.gather.change_feed import MAX_GAP, MAX_SKEW, OVERLAP, POLL_SECONDS, ChangeFeed
from tidegate.gather.scans import FINDINGS_SOURCE
from tidegate.images.digest import digest_of
from tidegate.images.repository import EcrRepository

A, B = digest_of(b"a"), digest_of(b"b")
MINUTE = timedelta(minutes=1)


class Inspector:
    """Lists rows since a moment by a clock of its own, in the order in which they were added."""

    def __init__(self, clock):
        self.clock = clock
        self.ahead = timedelta()
        self.says_time = True
        self.rows: dict[str, list[ChangedRow]] = {"findings": [], "coverage": []}
        self.complete = True
        self.problem = None
        self.asked = []

    @property
    def now(self):
        return self.clock.now() + self.ahead

    def add(self, digest, name="finding/1", *, kind="findings", at=None):
        self.rows[kind].append(ChangedRow(name, (APP.name, digest), at or self.now))

    def changed_findings(self, registry, *, since):
        return self._answer("findings", registry, since)

    def changed_coverage(self, registry, *, since):
        return self._answer("coverage", registry, since)

    def _answer(self, kind, registry, since):
        self.asked.append((kind, registry, since))
        if self.problem is not None:
            raise self.problem
        rows = [each for each in self.rows[kind] if each.updated_at >= since]
        return ChangedRows(rows=tuple(rows), complete=self.complete, asked_at=self.now if self.says_time else None)


class Desk:
    def __init__(self, clock, limiters):
        self.clock, self.limiters = clock, limiters
        self.inspector = Inspector(clock)
        self.registries = [REGISTRY]
        self.scan_type = Known(ScanType.ENHANCED, EPOCH)
        self.changed, self.everything = [], []
        self.make()

    def make(self):
        async def scan_type(_):
            return self.scan_type, 0.0

        self.feed = ChangeFeed(
            source=self.inspector,
            limiters=self.limiters,
            clock=self.clock,
            registries=lambda: self.registries,
            scan_type=scan_type,
            changed=self.changed.append,
            everything=self.everything.append,
        )

    @property
    def seen(self):
        """The images, without what of them has changed."""
        return [{ImageChange(one.repository, one.digest) for one in changes} for changes in self.changed]

    async def poll(self, after=MINUTE):
        await asyncio.sleep(after.total_seconds())
        await self.feed.poll()

    def said(self):
        found, self.changed[:] = set().union(*self.changed), []
        return {each.digest for each in found}


@pytest.fixture
async def desk(clock, limiters):
    made = Desk(clock, limiters)
    await made.feed.poll()
    made.inspector.asked.clear()
    return made


class TestChanges:
    @pytest.mark.parametrize("kind", ["findings", "coverage"])
    async def test_each_is_reported_once(self, desk, kind):
        desk.inspector.add(A, kind=kind)
        await desk.poll()
        assert desk.seen == [{ImageChange(APP, A)}]
        for _ in range(20):
            await desk.poll()
        assert len(desk.changed) == 1

    async def test_a_row_that_changes_again_is_reported_again(self, desk):
        desk.inspector.add(A)
        await desk.poll()
        desk.inspector.rows["findings"].clear()
        desk.inspector.add(A)
        await desk.poll()
        assert len(desk.changed) == 2

    async def test_an_older_finding_of_the_same_image_that_is_listed_late_is_reported(self, desk):
        desk.inspector.add(A, "finding/1")
        await desk.poll()
        desk.inspector.add(A, "finding/2", at=desk.inspector.now - 5 * MINUTE)
        await desk.poll()
        assert len(desk.changed) == 2

    async def test_a_finding_of_two_images_changes_both(self, desk):
        desk.inspector.add(A)
        desk.inspector.add(B)
        await desk.poll()
        assert desk.said() == {A, B}

    async def test_a_poll_takes_two_calls(self, desk):
        await desk.poll()
        assert [kind for kind, *_ in desk.inspector.asked] == ["findings", "coverage"]

    async def test_a_poll_does_not_wait_for_images_that_are_looked_up(self, desk, executor):
        executor.delays = [10_000.0] * REGISTRY_CALLS
        limiter = desk.limiters.limiter(FINDINGS_SOURCE, REGISTRY)
        waiting = [asyncio.create_task(limiter.ask(dict)) for _ in range(3 * REGISTRY_CALLS)]
        await asyncio.sleep(1)
        executor.delays.clear()
        began = desk.clock.monotonic()
        desk.inspector.add(A)
        await desk.feed.poll()
        assert (desk.said(), desk.clock.monotonic() - began < 10) == ({A}, True)
        for each in waiting:
            each.cancel()

    async def test_it_polls_every_minute_by_itself(self, desk):
        task = asyncio.create_task(desk.feed.run())
        await asyncio.sleep(POLL_SECONDS * 10)
        task.cancel()
        assert len(desk.inspector.asked) == pytest.approx(20, abs=2)

    async def test_an_unforeseen_error_does_not_end_it(self, desk):
        registries, desk.registries = desk.registries, None
        task = asyncio.create_task(desk.feed.run())
        await asyncio.sleep(POLL_SECONDS * 2)
        desk.registries = registries
        desk.inspector.add(A)
        await asyncio.sleep(POLL_SECONDS * 2)
        task.cancel()
        assert desk.said() == {A}

    async def test_each_registry_is_followed_by_itself(self, desk):
        desk.registries.append(OTHER)
        desk.inspector.add(A)
        await desk.poll()
        assert set().union(*desk.seen) == {
            ImageChange(APP, A),
            ImageChange(EcrRepository(OTHER, APP.name), A),
        }


class TestClocks:
    @pytest.mark.parametrize("ahead", [-MAX_SKEW, timedelta(), MAX_SKEW], ids=["behind", "equal", "ahead"])
    async def test_a_clock_that_differs_misses_nothing(self, desk, ahead):
        desk.inspector.ahead = ahead
        await desk.poll()
        for number in range(30):
            desk.inspector.add(A, f"finding/{number}")
            await desk.poll()
            assert desk.said() == {A}
        assert desk.everything == []

    async def test_a_change_that_is_listed_ten_minutes_late_is_found(self, desk):
        for _ in range(5):
            await desk.poll()
        desk.inspector.add(A, at=desk.inspector.now - OVERLAP)
        await desk.feed.poll()
        assert desk.said() == {A}

    async def test_without_the_time_of_aws_the_window_is_wider(self, desk):
        desk.inspector.says_time = False
        await desk.poll()
        await desk.poll()
        _, _, since = desk.inspector.asked[-1]
        assert since <= desk.clock.now() - MINUTE - MAX_SKEW - OVERLAP + MINUTE

    @pytest.mark.parametrize("jump", [timedelta(hours=2), timedelta(hours=-2)], ids=["forward", "back"])
    async def test_a_jump_of_this_clock_starts_the_unbroken_time_again_and_misses_nothing(
        self, desk, monkeypatch, jump
    ):
        before = desk.clock.now
        monkeypatch.setattr(desk.clock, "now", lambda: before() + jump)
        desk.inspector.ahead = -jump
        desk.inspector.add(A)
        await desk.poll()
        state = desk.feed.state()[REGISTRY.host]
        assert desk.said() == {A}
        assert state["since"] == state["confirmedAt"]


class TestConfirmation:
    async def test_it_is_the_time_before_the_question(self, desk):
        asked = desk.clock.now() + MINUTE
        await desk.poll()
        assert abs(desk.feed.confirmed_at(REGISTRY) - asked) < timedelta(seconds=1)
        assert desk.feed.lag_seconds < 5

    async def test_an_unknown_registry_has_none(self, desk):
        assert desk.feed.confirmed_at(OTHER) is None

    async def test_it_begins_with_the_first_poll(self, desk):
        since = desk.feed.state()[REGISTRY.host]["since"]
        for _ in range(5):
            await desk.poll()
        state = desk.feed.state()[REGISTRY.host]
        assert (state["since"], state["since"] < state["confirmedAt"]) == (since, True)

    @pytest.mark.parametrize("cause", [Cause.THROTTLED, Cause.UNREACHABLE, Cause.ACCESS_DENIED, Cause.SERVER_ERROR])
    async def test_without_an_answer_it_stays_and_the_next_poll_makes_up_for_it(self, desk, cause):
        confirmed = desk.feed.confirmed_at(REGISTRY)
        desk.inspector.add(A)
        desk.inspector.problem = unavailable(cause)
        await desk.poll(3 * OVERLAP)
        assert (desk.feed.confirmed_at(REGISTRY), desk.changed) == (confirmed, [])
        assert desk.feed.lag_seconds == pytest.approx(3 * OVERLAP.total_seconds(), abs=5)
        desk.inspector.problem = None
        await desk.poll()
        assert (desk.said(), desk.everything) == ({A}, [])
        assert desk.feed.confirmed_at(REGISTRY) > confirmed

    async def test_a_region_that_does_not_exist_is_never_confirmed(self, clock, limiters):
        desk = Desk(clock, limiters)
        desk.inspector.problem = UnknownRegionError("nowhere")
        await desk.poll()
        assert (desk.feed.confirmed_at(REGISTRY), desk.everything) == (None, [])

    async def test_an_unforeseen_error_stops_neither_the_feed_nor_other_registries(self, desk):
        desk.registries.append(OTHER)
        desk.inspector.add(A)
        broken, desk.feed._changed = desk.feed._changed, lambda _: 1 / 0
        await desk.poll()
        desk.feed._changed = broken
        desk.inspector.add(B)
        await desk.poll()
        assert B in desk.said()


class TestEverything:
    async def test_a_cut_answer_has_everything_read_again(self, desk):
        desk.inspector.complete = False
        desk.inspector.add(A)
        await desk.poll()
        assert (desk.everything, desk.said()) == ([REGISTRY], {A})
        state = desk.feed.state()[REGISTRY.host]
        assert state["since"] == state["confirmedAt"]

    async def test_what_was_too_much_once_is_not_listed_again(self, desk):
        await desk.poll()
        desk.inspector.complete = False
        cut = desk.clock.now() + MINUTE
        await desk.poll()
        desk.inspector.complete = True
        for _ in range(20):
            await desk.poll()
            assert desk.inspector.asked[-1][2] >= cut
        assert desk.clock.now() - desk.inspector.asked[-1][2] < OVERLAP + 2 * MINUTE
        assert desk.everything == [REGISTRY]

    async def test_an_unusable_answer_has_everything_read_again(self, desk):
        desk.inspector.problem = unavailable(Cause.UNEXPECTED_ANSWER)
        await desk.poll()
        assert desk.everything == [REGISTRY]
        desk.inspector.problem = None
        desk.inspector.add(A)
        await desk.poll()
        assert (desk.everything, desk.said()) == ([REGISTRY], {A})

    async def test_a_pause_of_a_day_has_everything_read_again(self, desk):
        desk.inspector.problem = unavailable(Cause.UNREACHABLE)
        await desk.poll(MAX_GAP + MINUTE)
        assert desk.everything == []
        desk.inspector.problem = None
        await desk.poll()
        assert desk.everything == [REGISTRY]

    async def test_a_pause_of_less_does_not(self, desk):
        await desk.poll(MAX_GAP - MINUTE)
        assert desk.everything == []

    @pytest.mark.parametrize("types", [(ScanType.ENHANCED, ScanType.BASIC), (ScanType.BASIC, ScanType.ENHANCED)])
    async def test_another_scanner_has_everything_read_again(self, clock, limiters, types):
        desk = Desk(clock, limiters)
        for scan_type in types:
            desk.scan_type = Known(scan_type, EPOCH)
            await desk.poll()
        assert desk.everything == [REGISTRY]


class TestScanners:
    async def test_basic_scanning_has_no_delta(self, clock, limiters):
        desk = Desk(clock, limiters)
        desk.scan_type = Known(ScanType.BASIC, EPOCH)
        await desk.poll()
        assert desk.inspector.asked == []
        assert desk.feed.is_without_delta(REGISTRY)
        assert (desk.feed.confirmed_at(REGISTRY), desk.feed.state()) == (None, {})

    async def test_an_unknown_scanner_is_asked_for_again(self, desk):
        confirmed = desk.feed.confirmed_at(REGISTRY)
        known, desk.scan_type = desk.scan_type, Missing(Cause.THROTTLED, "")
        await desk.poll()
        assert (desk.inspector.asked, desk.feed.confirmed_at(REGISTRY)) == ([], confirmed)
        desk.scan_type = known
        await desk.poll()
        assert len(desk.inspector.asked) == 2


class TestState:
    async def test_another_process_goes_on_from_it(self, desk):
        await desk.poll()
        state = desk.feed.state()
        desk.make()
        desk.feed.restore(state)
        desk.inspector.add(A)
        await desk.poll(5 * MINUTE)
        assert (desk.said(), desk.everything) == ({A}, [])
        assert desk.feed.state()[REGISTRY.host]["since"] == state[REGISTRY.host]["since"]

    async def test_what_was_not_written_yet_is_reported_again(self, desk):
        state = desk.feed.state()
        desk.inspector.add(A)
        await desk.poll()
        desk.make()
        desk.feed.restore(state)
        await desk.poll()
        assert len(desk.changed) == 2

    async def test_it_stays_while_reported_changes_wait(self, desk):
        before = desk.feed.state()
        await desk.poll()
        assert desk.feed.state(waiting={REGISTRY}) == before
        assert desk.feed.state() != before

    async def test_a_registry_that_is_not_in_use_any_more_is_left_out(self, desk):
        desk.feed.state()
        desk.registries.clear()
        await desk.poll()
        assert desk.feed.state() == {}

    @pytest.mark.parametrize("name", ["since", "confirmedAt", "cursor"])
    @pytest.mark.parametrize(
        "value",
        [
            None,
            7,
            "soon",
            "2026-03-01T12:00:00",
            "2027-03-01T12:00:00Z",
            "0001-01-01T00:00:00+14:00",
            "9999-12-31T23:59:59-14:00",
            "x" * 100_000,
        ],
    )
    async def test_an_invalid_entry_is_left_out(self, desk, name, value):
        state = desk.feed.state()
        desk.make()
        desk.feed.restore({REGISTRY.host: state[REGISTRY.host] | {name: value}})
        assert desk.feed.confirmed_at(REGISTRY) is None

    @pytest.mark.parametrize("state", [None, [], "text", {7: {}}, {"host": {}}, {REGISTRY.host: []}], ids=str)
    async def test_an_invalid_state_is_left_out(self, desk, state):
        desk.make()
        desk.feed.restore(state)
        assert desk.feed.confirmed_at(REGISTRY) is None

    async def test_an_old_state_has_everything_read_again(self, desk):
        state = desk.feed.state()
        desk.make()
        desk.feed.restore(state)
        await desk.poll(MAX_GAP + MINUTE)
        assert desk.everything == [REGISTRY]
