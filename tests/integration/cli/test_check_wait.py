"""``tidegate check --wait`` waits for what comes by itself, within its time, and never makes an answer of a missing one."""

import asyncio
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from tests.integration.cli.desk import Desk, policy
from tests.integration.cli.test_check import BAD, GOOD, NO_CRITICAL
from tests.integration.gather.gate import image
from tests.simulator import Simulator, World
from tidegate.evidence.scan import ScanState
from tidegate.gather.lifetimes import SCAN_SECONDS

ADMITTED, REFUSED, UNKNOWN = 0, 1, 2
Meanwhile = Callable[[Callable[[], object]], list[float]]
DONE = {"status": "ACTIVE", "reason": "SUCCESSFUL", "last_scanned_at": "-1h"}


@pytest.fixture(autouse=True)
def pending(world: World, monkeypatch: pytest.MonkeyPatch, impatient: None) -> None:
    """The scan of team/app is pending, and such an answer is not cached."""
    world.set_coverage("team/app", "v1", "ACTIVE", "PENDING_INITIAL_SCAN")
    for state in (ScanState.PENDING, ScanState.NOT_SCANNED):
        monkeypatch.setitem(SCAN_SECONDS, state, 0.0)


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Meanwhile:
    """Have something happen while tidegate waits; each wait lasts an instant and is listed."""
    real, waits = asyncio.sleep, list[float]()

    def happen(what: Callable[[], object]) -> list[float]:
        async def sleep(seconds: float) -> None:
            waits.append(seconds)
            await real(0.05)
            what()

        monkeypatch.setattr("tidegate.cli.waiting.asyncio", SimpleNamespace(sleep=sleep))
        return waits

    return happen


def test_without_wait_a_pending_scan_is_refused_at_once(desk: Desk, meanwhile: Meanwhile) -> None:
    waits = meanwhile(lambda: None)
    ended = desk.check(GOOD)
    assert (ended.code, "ScanPending" in ended.out, ended.err, waits) == (REFUSED, True, "", [])


def test_a_scan_that_ends_meanwhile_decides(desk: Desk, world: World, meanwhile: Meanwhile) -> None:
    waits = meanwhile(lambda: world.set_coverage("team/app", "v1", **DONE))
    ended = desk.check(GOOD, "--wait", "10m")
    assert (ended.code, ended.last) == (ADMITTED, "1 allowed")
    assert ended.err == "waiting for 1 image (1 scan pending), 10 min left\n" or ", 9 min left" in ended.err
    assert waits == [15.0]


def test_findings_that_arrive_meanwhile_refuse(desk: Desk, world: World, meanwhile: Meanwhile) -> None:
    def found() -> None:
        world.set_coverage("team/app", "v1", **DONE)
        world.add_finding("team/app", "v1", severity="CRITICAL", id="CVE-2099-0001")

    meanwhile(found)
    ended = desk.check(GOOD, "--wait", "10m")
    assert (ended.code, "CVE-2099-0001" in ended.out) == (REFUSED, True)


def test_when_the_time_is_over_the_answer_is_the_usual_one(desk: Desk, meanwhile: Meanwhile) -> None:
    waits = meanwhile(lambda: None)
    ended = desk.check(GOOD, "--wait", "1s")
    assert (ended.code, ended.last, "ScanPending" in ended.out) == (REFUSED, "1 refused", True)
    assert waits
    assert max(waits) <= 1.0


def test_an_image_pushed_just_now_may_have_no_record_yet(desk: Desk, world: World, meanwhile: Meanwhile) -> None:
    world.add_image("team/new", "v1", pushed_at="-1m", scanned=False)
    world.add_image("team/old", "v1", pushed_at="-1h", scanned=False)
    waits = meanwhile(lambda: None)
    assert desk.check(image("team/old"), "--wait", "1s").code == REFUSED
    assert waits == []
    assert desk.check(image("team/new"), "--wait", "1s").code == REFUSED
    assert waits


@pytest.mark.parametrize("fault", ["throttle", "server_error"])
def test_what_aws_could_not_answer_is_asked_again(desk: Desk, sim: Simulator, meanwhile: Meanwhile, fault: str) -> None:
    sim.world.set_coverage("team/app", "v1", **DONE)
    sim.inject(fault, service="inspector2")
    meanwhile(sim.clear)
    ended = desk.check(GOOD, "--wait", "10m")
    assert (ended.code, ended.last) == (ADMITTED, "1 allowed")
    assert "waiting for 1 image (1 not known yet)" in ended.err


def test_an_outage_that_goes_on_stays_unknown(desk: Desk, sim: Simulator, meanwhile: Meanwhile) -> None:
    sim.inject("server_error", service="inspector2")
    meanwhile(lambda: None)
    ended = desk.check(GOOD, "--wait", "1s")
    assert (ended.code, ended.last) == (UNKNOWN, "1 unknown")


def test_a_permission_that_is_missing_is_not_waited_for(desk: Desk, sim: Simulator, meanwhile: Meanwhile) -> None:
    sim.inject("access_denied", service="inspector2")
    waits = meanwhile(lambda: None)
    assert (desk.check(GOOD, "--wait", "10m").code, waits) == (UNKNOWN, [])


def test_an_image_that_is_refused_for_another_reason_is_not_waited_for(
    desk: Desk, world: World, meanwhile: Meanwhile
) -> None:
    world.set_mutability("team/app", "MUTABLE")
    waits = meanwhile(lambda: None)
    assert (desk.check(GOOD, "--wait", "10m").code, waits) == (REFUSED, [])


def test_a_failure_that_is_only_audited_does_not_end_the_wait(desk: Desk, world: World, meanwhile: Meanwhile) -> None:
    world.set_mutability("team/app", "MUTABLE")
    audited = policy("audited", validationActions=["Audit"], tags={"immutable": True})
    policies = desk.write("p.yaml", policy(**NO_CRITICAL), audited)
    meanwhile(lambda: world.set_coverage("team/app", "v1", **DONE))
    ended = desk.check(GOOD, "--policy", policies, "--wait", "10m")
    assert (ended.code, ended.last) == (ADMITTED, "1 audited")


def test_only_what_is_waited_for_is_looked_up_again(
    desk: Desk, world: World, sim: Simulator, meanwhile: Meanwhile
) -> None:
    world.add_image("team/bad", "v1")
    world.add_finding("team/bad", "v1", severity="CRITICAL")
    meanwhile(lambda: world.set_coverage("team/app", "v1", **DONE))
    ended = desk.check(GOOD, BAD, "--wait", "10m")
    assert (ended.code, ended.last) == (REFUSED, "1 allowed, 1 refused")
    assert ended.out.index(GOOD) < ended.out.index(BAD)
    assert "waiting for 1 image" in ended.err


def test_a_terminal_shows_a_bar_and_clears_it_away(
    desk: Desk, world: World, meanwhile: Meanwhile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    meanwhile(lambda: world.set_coverage("team/app", "v1", **DONE))
    ended = desk.check(GOOD, "--wait", "10m")
    assert (ended.code, "scan pending" in ended.err, "━" in ended.err) == (ADMITTED, True, True)
    assert "scan pending" not in ended.out


@pytest.mark.parametrize("text", ["0s", "10", "7h", "x", "-1m", ""])
def test_a_time_that_is_none_cannot_be_used(desk: Desk, text: str) -> None:
    ended = desk.check(GOOD, "--wait", text)
    assert (ended.code, ended.out) == (UNKNOWN, "")
    assert "expected a duration of at most 6h, such as 10m" in ended.err
