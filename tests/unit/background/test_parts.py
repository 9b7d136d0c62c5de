"""The smaller parts: owners, the schedule, Events, who works when, and the progress in a ConfigMap."""

import asyncio
from typing import Any, cast

import pytest

from tests.unit.background.cluster import FakeApi
from tests.unit.gather.fakes import APP, IMAGE, REGISTRY
from tests.unit.gather.virtual_time import VirtualClock, VirtualLoop
from tidegate.background import events as events_module
from tidegate.background.counts import Counts
from tidegate.background.events import Events
from tidegate.background.leading import PAUSE_SECONDS, Leading
from tidegate.background.owners import Owners
from tidegate.background.progress import Progress
from tidegate.background.schedule import Schedule
from tidegate.cluster.api import ApiError, KubernetesApi
from tidegate.verdicts.usage import OwningWorkload

SET = OwningWorkload(kind="ReplicaSet", name="web-1", api_version="apps/v1", uid="ReplicaSet-web-1")
JOB = OwningWorkload(kind="Job", name="night-1", api_version="batch/v1", uid="Job-night-1")
CONFIG_MAP = "/api/v1/namespaces/tidegate/configmaps/feed"


@pytest.fixture
async def clock() -> VirtualClock:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    return loop.clock


@pytest.fixture
def api() -> FakeApi:
    return FakeApi()


def kubernetes(api: FakeApi) -> KubernetesApi:
    return cast("KubernetesApi", api)


async def test_owners_are_read_once(api: FakeApi):
    api.own("ReplicaSet", "shop", "web-1", ("apps/v1", "Deployment", "web"))
    api.own("Job", "shop", "night-1", ("batch/v1", "CronJob", "night"))
    owners = Owners(kubernetes(api))
    stateful = OwningWorkload(kind="StatefulSet", name="db", api_version="apps/v1", uid="1")
    wanted = owners.unread([("shop", SET), ("shop", JOB), ("shop", stateful)])
    assert wanted == [("shop", SET), ("shop", JOB)]
    assert owners.known(SET) is SET
    await owners.read([*wanted, *wanted])
    assert [owners.known(one).kind for one in (SET, JOB, stateful)] == ["Deployment", "CronJob", "StatefulSet"]
    assert api.count("GET") == 2
    assert owners.unread(wanted) == []


async def test_a_deleted_or_replaced_owner_leaves_the_controller_as_it_is(api: FakeApi):
    api.own("Job", "shop", "night-1", ("batch/v1", "CronJob", "night"))
    owners = Owners(kubernetes(api))
    other = OwningWorkload(kind="Job", name="night-1", api_version="batch/v1", uid="another")
    await owners.read([("shop", SET), ("shop", other)])
    assert owners.known(SET) == SET
    assert owners.known(other) == other
    assert owners.unread([("shop", SET), ("shop", other)]) == []


async def test_an_owner_that_cannot_be_read_is_asked_for_again_a_minute_later(api: FakeApi, clock: VirtualClock):
    api.failing = ApiError("denied", status=403)
    owners = Owners(kubernetes(api), monotonic=clock.monotonic)
    await owners.read([("shop", SET)])
    assert owners.failures == 1
    assert owners.unread([("shop", SET)]) == []
    clock.advance(60)
    assert owners.unread([("shop", SET)])


@pytest.mark.parametrize("name", ["../../../../api/v1/secrets", "a/b", "a?watch=1", "", "A", "a" * 254])
async def test_an_owner_whose_name_no_object_can_have_is_not_asked_for(api: FakeApi, name: str):
    owners = Owners(kubernetes(api))
    forged = OwningWorkload(kind="ReplicaSet", name=name, api_version="apps/v1", uid="1")
    assert owners.unread([("shop", forged)]) == []
    assert owners.known(forged) is forged


async def test_an_image_is_due_once_and_the_earliest_moment_counts(clock: VirtualClock):
    schedule, image, other = Schedule(clock), (APP, IMAGE), (APP, type(IMAGE)("sha256:" + "2" * 64))
    schedule.add(image)
    schedule.add_all([image, other])
    assert len(schedule) == 2
    assert [await schedule.next(), await schedule.next()] == [image, other]
    began = clock.monotonic()
    schedule.add_later(image, 100)
    schedule.add_later(image, 10)
    schedule.add_later(image, 50)
    assert await schedule.next() == image
    assert 10 <= clock.monotonic() - began < 11
    schedule.add_later(other, 5)
    assert await schedule.next() == other
    schedule.add_later(image, 3)
    schedule.clear()
    assert len(schedule) == 0


async def test_events_are_posted_once_and_no_more_than_a_minute_takes(
    api: FakeApi, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(events_module, "MAX_A_MINUTE", 3)
    counts = Counts()
    events = Events(kubernetes(api), clock=clock, counts=counts)
    task = asyncio.create_task(events.run())
    for _ in range(2):
        events.turned_bad("image", "Why.\nFix.", [("shop", SET)], since="yesterday")
    await asyncio.sleep(1)
    (event,) = api.events
    assert event["metadata"]["namespace"] == "shop"
    assert event["message"] == "image does not pass any more; running Pods continue, new ones may be refused. Why.?Fix."
    again = Events(kubernetes(api), clock=clock, counts=counts)
    more = asyncio.create_task(again.run())
    again.turned_bad("image", "Why.", [("shop", SET)], since="yesterday")
    await asyncio.sleep(1)
    assert counts.events._counts == {("posted",): 1, ("repeated",): 1}
    for number in range(5):
        events.turned_bad(f"image-{number}", "Why.", [("shop", SET)], since="yesterday")
    await asyncio.sleep(1)
    assert counts.events._counts[("dropped",)] == 3
    for one in (task, more):
        one.cancel()


@pytest.mark.parametrize(("status", "result"), [(403, "failed"), (404, "failed"), (500, "posted")])
async def test_an_event_that_is_refused_for_a_moment_is_posted_later(
    api: FakeApi, clock: VirtualClock, status: int, result: str
):
    counts = Counts()
    events = Events(kubernetes(api), clock=clock, counts=counts)
    api.refused = [ApiError("no", status=status)]
    task = asyncio.create_task(events.run())
    events.turned_bad("image", "Why.", [("shop", SET)], since="yesterday")
    await asyncio.sleep(10)
    assert counts.events._counts == {(result,): 1}
    task.cancel()


class Lease:
    leads = False


async def test_work_begins_with_the_lead_and_ends_with_it():
    lease, ready, log = Lease(), [False], list[str]()

    async def work() -> None:
        log.append("began")
        try:
            await asyncio.sleep(3600)
        finally:
            log.append("ended")

    leading = Leading(lambda: lease.leads, ready=lambda: ready[0], work=work)
    task = asyncio.create_task(leading.run())
    await asyncio.sleep(1)
    lease.leads = True
    await asyncio.sleep(1)
    assert log == []
    ready[0] = True
    await asyncio.sleep(1)
    assert (log, leading.is_working) == (["began"], True)
    lease.leads = False
    await asyncio.sleep(1)
    assert (log, leading.is_working) == (["began", "ended"], False)
    task.cancel()


async def test_work_that_fails_is_begun_again():
    lease, began = Lease(), list[float]()
    lease.leads = True

    async def work() -> None:
        began.append(asyncio.get_running_loop().time())
        raise RuntimeError("broken")

    task = asyncio.create_task(Leading(lambda: lease.leads, ready=lambda: True, work=work).run())
    await asyncio.sleep(3 * PAUSE_SECONDS)
    assert 2 <= len(began) <= 3
    task.cancel()


class State:
    def __init__(self, state: dict[str, Any]) -> None:
        self._state, self.restored = state, list[Any]()
        self.unread_registries = {REGISTRY}

    def state(self, waiting: Any = ()) -> dict[str, Any]:
        return {**self._state, "waiting": sorted(map(str, waiting))}

    def restore(self, state: object) -> None:
        self.restored.append(state)


def progress(api: FakeApi, feed: State, reread: State) -> Progress:
    return Progress(kubernetes(api), namespace="tidegate", name="feed", feed=feed, reread=reread, unread=feed)


async def test_progress_is_written_on_change_and_restored(api: FakeApi):
    await api.create("/api/v1/namespaces/tidegate/configmaps", {"metadata": {"name": "feed"}})
    feed, reread = State({"a": {"since": "then"}}), State({"a": "now"})
    kept = progress(api, feed, reread)
    assert await kept.write()
    version = api.version
    assert await kept.write()
    assert api.version == version
    assert api.objects[CONFIG_MAP]["data"]["state"] == '{"a":{"since":"then"},"waiting":["111122223333/eu-west-1"]}'
    other = State({}), State({})
    await progress(api, *other).restore()
    assert other[0].restored == [{"a": {"since": "then"}, "waiting": ["111122223333/eu-west-1"]}]
    assert other[1].restored == [{"a": "now", "waiting": []}]


@pytest.mark.parametrize("data", [None, "text", {"state": "{", "reread": 5}])
async def test_progress_that_somebody_edited_is_none(api: FakeApi, data: Any):
    await api.create("/api/v1/namespaces/tidegate/configmaps", {"metadata": {"name": "feed"}, "data": data})
    feed, reread = State({}), State({})
    await progress(api, feed, reread).restore()
    assert (feed.restored, reread.restored) == ([{}], [{}])


async def test_a_missing_config_map_stops_nothing(api: FakeApi):
    feed = State({})
    kept = progress(api, feed, State({}))
    await kept.restore()
    assert feed.restored == []
    assert not await kept.write()
