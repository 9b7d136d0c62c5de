"""Events about exceptions that end soon: one for each exception, bounded, and repeated after a failure."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from tests.unit.cluster.exception_world import World, obj
from tidegate.cluster.exception_events import MAX_EVENTS, REASON
from tidegate.cluster.exception_objects import read_exception
from tidegate.policy.exception_object import KIND

SOON = datetime(2027, 1, 10, 12, tzinfo=UTC)


async def test_an_event_says_once_that_an_exception_ends_soon():
    world = World(obj("a"), obj("b", namespace="shop"))
    await world.refresh()
    assert world.api.events == []
    world.now = SOON
    await world.refresh()
    await world.refresh()
    first, second = world.api.events
    assert (first["metadata"]["namespace"], second["metadata"]["namespace"]) == ("default", "shop")
    assert {one["reason"] for one in world.api.events} == {REASON}
    assert "namespace" not in first["involvedObject"]
    assert second["involvedObject"]["namespace"] == "shop"
    assert first["involvedObject"] | {"uid": "uid--a", "name": "a", "kind": KIND} == first["involvedObject"]
    assert "ends at 2027-01-11T00:00:00Z" in first["message"]


async def test_replicas_write_one_event_together_and_a_failed_one_is_repeated():
    world, other = World(obj("a")), World(obj("a"))
    world.now = other.now = SOON
    await world.refresh()
    world.api.event_status = 500
    other.api.event_status = 409
    await other.refresh()
    other.api.event_status = 201
    await other.refresh()
    assert (len(world.api.events), other.api.events) == (1, [])
    third = World(obj("a"))
    third.now, third.api.event_status = SOON, 403
    await third.refresh()
    third.api.event_status = 201
    await third.refresh()
    assert [one["metadata"]["name"] for one in third.api.events] == [world.api.events[0]["metadata"]["name"]]


async def test_an_event_comes_before_the_statuses(monkeypatch):
    """These may be a hundred writes, and the notice of a short exception comes late in its life."""
    world = World(obj("a"))
    world.now = SOON
    events_before_a_status: list[int] = []
    patch = world.api.merge_patch

    async def count(path: str, change: Mapping[str, Any]) -> dict[str, Any]:
        events_before_a_status.append(len(world.api.events))
        return await patch(path, change)

    monkeypatch.setattr(world.api, "merge_patch", count)
    await world.refresh()
    assert events_before_a_status == [1]


async def test_an_exception_that_comes_while_an_event_is_written_is_for_the_next_refresh(monkeypatch):
    """It is not in force yet; among the statuses of this refresh it would be one too many."""
    world = World(obj("a"))
    world.now = SOON
    create = world.api.create

    async def slowly(path: str, event: dict[str, Any]) -> dict[str, Any]:
        other = obj("b")
        world.api.objects.append(other)
        world.cluster.put("b", read_exception(msgspec.Raw(msgspec.json.encode(other)), KIND))
        return await create(path, event)

    monkeypatch.setattr(world.api, "create", slowly)
    await world.refresh()
    assert len(world.api.events) == 1
    assert "status" not in world.api.objects[1]


async def test_an_exception_that_was_extended_is_announced_again():
    world = World(obj("a"))
    world.now = SOON
    await world.refresh()
    world.api.objects[0]["spec"]["expiresAt"] = "2027-01-10T18:00:00Z"
    world.api.objects[0]["metadata"]["generation"] = 2
    await world.refresh()
    assert len({one["metadata"]["name"] for one in world.api.events}) == 2


async def test_events_of_one_list_are_bounded():
    world = World(*(obj(f"n{number}") for number in range(MAX_EVENTS + 5)))
    world.now = SOON
    await world.refresh()
    assert len(world.api.events) == MAX_EVENTS
    await world.cluster.resync.refresh_once()
    assert len(world.api.events) == MAX_EVENTS + 5
