"""Exceptions from lists: compiled once, ended by the clock, with a status that says whether each is in force."""

import asyncio
import threading
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from tests.unit.cluster.exception_world import NOW, World, obj
from tests.waiting import until
from tidegate.cluster import exceptions as module
from tidegate.cluster.exception_objects import read_exception
from tidegate.cluster.reflector import Reflector
from tidegate.policy.exception_object import KIND
from tidegate.policy.parse import compile_policy


async def test_exceptions_are_part_of_the_policies_snapshot():
    world = World(obj("a"), obj("b", namespace="shop"))
    await world.refresh()
    assert world.names == ["a", "shop/b"]
    before = world.policies.current()
    await world.refresh()
    assert world.policies.current() is before
    world.api.objects = [obj("c")]
    await world.refresh()
    assert world.names == ["c"]
    assert world.policies.current().revision != before.revision


async def test_a_change_is_published_at_once_even_where_policies_cannot_be_listed():
    world = World(obj("a"))
    await world.refresh()
    world.api.objects = []
    world.deliver(world.cluster)
    assert world.names == []


async def test_before_the_first_list_there_are_none_and_readiness_waits():
    world = World(obj("a"))
    await world.policies.resync.refresh_once()
    assert world.names == []
    assert world.policies.is_loading()
    await world.refresh()
    assert world.names == ["a"]
    assert not world.policies.is_loading()


async def test_while_the_api_server_tells_nothing_the_last_exceptions_stay_for_an_hour(monkeypatch):
    """And come back with it, although a watch that goes on repeats no object."""
    world = World(obj("a"))
    await world.refresh()
    for age, names in ((module.MAX_AGE_SECONDS, ["a"]), (module.MAX_AGE_SECONDS + 1, []), (0.0, ["a"])):
        monkeypatch.setattr(Reflector, "age_seconds", age)
        await world.cluster.resync.refresh_once()
        assert world.names == names
        assert world.condition()["reason"] == "Active", "the status stays as it is"


async def test_a_list_that_was_not_read_to_its_end_excepts_nothing():
    world = World()
    one = read_exception(msgspec.Raw(msgspec.json.encode(obj("a"))), KIND)
    await world.policies.resync.refresh_once()
    world.cluster.reflector._hand_over([("a", one)], False, threading.Event())
    world.cluster.publish()
    await world.cluster.resync.refresh_once()
    assert world.names == []
    assert world.api.patched == [], "nothing is known of it yet"


async def test_no_status_is_written_before_the_policies_are_read():
    world = World(obj("a"))
    world.deliver(world.cluster)
    await world.cluster.resync.refresh_once()
    assert world.api.patched == []
    await world.policies.resync.refresh_once()
    assert world.cluster.resync._wanted.is_set()


async def test_what_cannot_be_read_is_not_waited_for():
    """No CRD, no right: readiness goes on, without exceptions."""
    world = World(obj("a"))
    await world.policies.resync.refresh_once()
    assert world.policies.is_loading()
    for one in world.all.kinds:
        one.reflector.failures = 1
    assert not world.policies.is_loading()


async def test_changes_are_published_soon_after_they_come():
    world = World(obj("a"))
    await world.policies.resync.refresh_once()
    one = read_exception(msgspec.Raw(msgspec.json.encode(obj("a"))), KIND)
    world.cluster.reflector._hand_over([("a", one)], True, threading.Event())
    assert world.cluster._publishing is not None
    await until(lambda: world.names == ["a"])
    world.cluster.reflector._hand_over([("a", None)], False, threading.Event())
    await until(lambda: world.names == [])


async def test_an_exception_ends_by_the_clock_and_its_status_says_so():
    world = World(obj("a"))
    await world.refresh()
    assert (world.condition()["status"], world.condition()["reason"]) == ("True", "Active")
    world.now = datetime(2027, 1, 11, tzinfo=UTC)
    await world.refresh()
    assert world.names == []
    assert (world.condition()["status"], world.condition()["reason"]) == ("False", "Expired")
    await world.refresh()
    assert sum("exceptions/a" in path for path in world.api.patched) == 2


async def test_the_next_list_comes_when_the_next_exception_ends_or_is_announced():
    """Its notice is a tenth of its life, 43 s before its end."""
    world = World(obj("a"))
    world.api.objects[0]["spec"]["expiresAt"] = "2027-01-01T00:00:50Z"
    await world.refresh()
    timer = world.cluster._waking
    assert timer is not None
    assert 40 < timer.when() - asyncio.get_running_loop().time() <= 45
    world.now = NOW + timedelta(seconds=47)
    await world.cluster.resync.refresh_once()
    assert timer.cancelled()
    timer = world.cluster._waking
    assert timer is not None
    assert 2 < timer.when() - asyncio.get_running_loop().time() <= 3
    world.now = NOW + timedelta(seconds=51)
    await world.cluster.resync.refresh_once()
    assert world.cluster._waking is None


async def test_an_exception_without_effect_says_why_and_learns_of_new_policies():
    world = World(obj("a"), obj("b", namespace="shop"))
    world.api.policies[0]["metadata"]["name"] = "other"
    await world.refresh()
    for index in (0, 1):
        assert world.condition(index)["reason"] == "NotPermitted"
        assert "there is no valid policy production" in world.condition(index)["message"]
    for one in world.all.kinds:
        one.resync._wanted.clear()
    world.api.policies[0]["metadata"] |= {"name": "production", "generation": 2}
    await world.policies.resync.refresh_once()
    assert all(one.resync._wanted.is_set() for one in world.all.kinds)
    await world.refresh()
    assert [world.condition(index)["reason"] for index in (0, 1)] == ["Active", "Active"]


async def test_an_invalid_exception_has_no_effect_and_hides_no_other():
    world = World(obj("a"), obj("b", checks=["everything"]))
    await world.refresh()
    assert world.names == ["a"]
    assert world.condition(1)["reason"] == "Invalid"
    assert "spec.checks[0]: got 'everything'" in world.condition(1)["message"]
    assert world.api.patched[1].endswith("/imagepolicyexceptions/b/status")


async def test_the_status_of_one_in_a_namespace_is_written_there():
    world = World(obj("a", namespace="shop"))
    await world.refresh()
    assert world.api.patched == ["/apis/tidegate.dev/v1alpha1/namespaces/shop/namespacedimagepolicyexceptions/a/status"]


async def test_what_has_not_changed_stays_the_same_object_and_so_does_the_snapshot():
    world = World(obj("a"))
    await world.refresh()
    before = world.policies.current()
    await world.refresh()
    assert world.policies.current() is before


@pytest.mark.parametrize("change", [{"generation": 2}, {"uid": "new"}], ids=str)
async def test_what_has_changed_is_another_exception(change):
    world = World(obj("a"))
    await world.refresh()
    world.api.objects = [obj("a", reason="another")]
    world.api.objects[0]["metadata"] |= change
    await world.refresh()
    (found,) = world.policies.current().exceptions
    assert found.reason == "another"


async def test_other_conditions_stay():
    other = {
        "type": "Reviewed",
        "status": "True",
        "reason": "x",
        "message": "",
        "lastTransitionTime": "2027-01-01T00:00:00Z",
    }
    world = World(obj("a") | {"status": {"conditions": [other]}})
    await world.refresh()
    assert [one["type"] for one in world.api.objects[0]["status"]["conditions"]] == ["Reviewed", "Ready"]


async def test_a_broken_policy_permits_nothing():
    world = World(obj("a", namespace="shop"))
    world.api.policies[0]["spec"]["mistake"] = True
    assert compile_policy(world.api.policies[0]).name == "production"
    await world.refresh()
    assert world.condition()["reason"] == "NotPermitted"
