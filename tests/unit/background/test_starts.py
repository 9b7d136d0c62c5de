"""Since when an image runs in a namespace: its Pods may all be replaced, and its grace as a running image goes on."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from tests.unit.background.cluster import pod
from tests.unit.background.conftest import Leader, at_work
from tests.unit.background.web import BY_TAG, running
from tests.unit.gather.fakes import APP, IMAGE
from tidegate.background.ended import LINGER_SECONDS
from tidegate.cluster.api import ApiError
from tidegate.verdicts.decode import decode
from tidegate.verdicts.running import RunningImages

pytestmark = pytest.mark.usefixtures("strict")

FIRST, SECOND, THIRD = "2026-02-01T00:00:00Z", "2026-02-20T00:00:00Z", "2026-02-25T00:00:00Z"


def where(leader: Leader, namespace: str = "shop") -> dict[str, Any]:
    """Return what the stored object says of a namespace, nothing if it does not list it."""
    runs: list[dict[str, Any]] = leader.status["runs"].get("namespaces", [])
    return next((one for one in runs if one["name"] == namespace), {})


def since_for_admission(leader: Leader, namespace: str = "shop") -> Any:
    """Return since when the image runs for a replica that has read the stored object."""
    known = RunningImages()
    known.put(decode(leader.api.verdicts[0]))
    found = known.since(namespace, APP, IMAGE)
    return None if found is None else found.strftime("%Y-%m-%dT%H:%M:%SZ")


async def test_pods_that_replace_others_run_since_the_first_of_them(working: Leader):
    """As when nodes are replaced one after another, the next day again."""
    working.run_pods(running("web-1-a", since=FIRST))
    await working.settle(120)
    for old, new, since in (("a", "b", SECOND), ("b", "c", THIRD)):
        working.run_pods(running(f"web-1-{new}", since=since))
        working.pods.drop(f"shop/web-1-{old}")
        await working.settle(120)
        assert where(working)["since"] == FIRST
        assert where(working)["pods"] == 1
    assert since_for_admission(working) == FIRST


@pytest.mark.parametrize(("seconds", "since"), [(LINGER_SECONDS - 30, FIRST), (LINGER_SECONDS + 90, SECOND)])
async def test_a_short_time_without_pods_is_no_break(working: Leader, seconds: float, since: str):
    """A StatefulSet ends a Pod before it makes the next; meanwhile the image runs in another namespace."""
    working.run_pods(running("web-1-a", since=FIRST), running("web-1-a", namespace="bank", since=FIRST))
    await working.settle(120)
    working.pods.drop("bank/web-1-a")
    await working.settle(120)
    assert where(working, "bank") == {"name": "bank", "pods": 0, "since": FIRST}
    assert since_for_admission(working, "bank") == FIRST
    await working.settle(seconds - 120)
    if seconds > LINGER_SECONDS:
        assert where(working, "bank") == {}
        assert since_for_admission(working, "bank") is None
    working.run_pods(running("web-1-b", namespace="bank", since=SECOND))
    await working.settle(120)
    assert where(working, "bank")["since"] == since
    assert where(working, "shop")["since"] == FIRST


async def test_a_break_is_one_although_the_object_was_not_written_yet(working: Leader):
    working.run_pods(running("web-1-a", since=FIRST), running("web-1-a", namespace="bank", since=FIRST))
    await working.settle(120)
    working.pods.drop("bank/web-1-a")
    await working.settle(LINGER_SECONDS - 5)
    # This write begins the minute in which the next change of the Pods is not written.
    working.run_pods(running("web-2-a", since=THIRD))
    await working.settle(10)
    assert where(working, "bank")["since"] == FIRST
    working.run_pods(running("web-1-b", namespace="bank", since=SECOND))
    await working.settle(120)
    assert where(working, "bank")["since"] == SECOND


async def test_a_break_is_one_although_it_could_not_be_written(working: Leader):
    working.run_pods(running("web-1-a", since=FIRST))
    await working.settle(120)
    working.pods.drop("shop/web-1-a")
    working.api.refused = [ApiError("no room", status=507) for _ in range(30)]
    await working.settle(LINGER_SECONDS + 60)
    assert where(working)["since"] == FIRST
    working.api.refused = []
    working.run_pods(running("web-1-b", since=SECOND))
    await working.settle(120)
    assert where(working)["since"] == SECOND
    working.run_pods(running("web-1-c", since=THIRD))
    working.pods.drop("shop/web-1-b")
    await working.settle(120)
    assert where(working)["since"] == SECOND
    assert not working.work._starts._ended


async def test_a_pod_that_never_starts_does_not_run(working: Leader):
    working.run_pods(running("web-1-a", since=FIRST))
    await working.settle(120)
    working.run_pods(pod("web-1-b", BY_TAG, phase="Pending"))
    await working.settle(10)
    working.pods.drop("shop/web-1-a")
    await working.settle(120)
    assert where(working)["since"] == FIRST
    await working.settle(LINGER_SECONDS)
    assert "since" not in where(working)


@pytest.mark.parametrize(
    ("gap", "since"),
    [
        (timedelta(seconds=10), FIRST),
        (timedelta(seconds=-10), FIRST),
        (timedelta(minutes=6), SECOND),
        (timedelta(minutes=-6), SECOND),
        (None, SECOND),
    ],
)
async def test_a_new_leader_keeps_the_start_unless_no_leader_worked_for_a_while(
    leader: Leader, gap: timedelta | None, since: str
):
    """Without a leader at work, the image may have ended and begun again."""
    leader.run_pods(running("web-1-a", since=FIRST))
    async with at_work(leader):
        await leader.settle(120)
    leader.api.tell(leader.stored)
    leader.run_pods(running("web-1-b", since=SECOND))
    leader.pods.drop("shop/web-1-a")
    leader.gap = gap
    async with at_work(leader):
        await leader.settle(120)
        assert where(leader)["since"] == since


async def test_a_leader_that_led_before_does_not_use_the_end_that_it_saw_then(leader: Leader):
    """The image ran again under another leader."""
    leader.run_pods(running("web-1-a", since=FIRST))
    async with at_work(leader):
        await leader.settle(120)
        leader.pods.drop("shop/web-1-a")
        await leader.settle(10)
        watching = [leader.work.is_watching]
    assert [*watching, leader.work.is_watching] == [True, False]
    leader.api.tell(leader.stored)
    leader.run_pods(running("web-1-b", since=SECOND))
    await leader.settle(LINGER_SECONDS + 60)
    async with at_work(leader):
        await leader.settle(120)
        assert where(leader)["since"] == FIRST


@pytest.mark.parametrize(("seconds", "since"), [(LINGER_SECONDS - 1, FIRST), (LINGER_SECONDS, SECOND)])
async def test_a_break_that_could_not_be_seen_counts(working: Leader, seconds: float, since: str):
    """The watch of Pods says nothing; when it does again, another Pod runs."""
    working.run_pods(running("web-1-a", since=FIRST))
    await working.settle(120)
    assert working.work.is_watching
    working.silence_seconds = seconds
    await working.settle(10)
    assert working.work.is_watching == (since == FIRST)
    working.silence_seconds = 0.0
    working.run_pods(running("web-1-b", since=SECOND))
    working.pods.drop("shop/web-1-a")
    await working.settle(120)
    assert where(working)["since"] == since


@pytest.mark.parametrize("gap", [timedelta(seconds=10), None])
async def test_a_start_that_is_stored_as_it_is_counts_for_the_next_pods(leader: Leader, gap: timedelta | None):
    """Nothing has to be written when the new leader begins, nor later, until the Pods are replaced."""
    leader.run_pods(running("web-1-a", since=FIRST))
    async with at_work(leader):
        await leader.settle(120)
    leader.api.tell(leader.stored)
    leader.gap = gap
    async with at_work(leader):
        await leader.settle(3_600)
        leader.run_pods(running("web-1-b", since=SECOND))
        leader.pods.drop("shop/web-1-a")
        await leader.settle(120)
        assert where(leader)["since"] == FIRST


async def _edited(leader: Leader) -> None:
    (one,) = leader.api.verdicts
    runs = {**one["status"]["runs"], "namespaces": [{**one["status"]["runs"]["namespaces"][0], "since": FIRST}]}
    leader.api.edit(one["metadata"]["name"], runs=runs)


async def _deleted(leader: Leader) -> None:
    leader.api.objects.clear()


@pytest.mark.parametrize("change", [_edited, _deleted])
async def test_a_start_that_another_client_writes_is_not_kept(
    working: Leader, change: Callable[[Leader], Awaitable[None]]
):
    working.run_pods(running("web-1-a", since=SECOND))
    await working.settle(120)
    await change(working)
    working.api.tell(working.stored)
    await working.settle(120)
    assert where(working)["since"] == SECOND
