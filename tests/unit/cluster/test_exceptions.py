"""Exceptions from lists: bounded, compiled once, ended by the clock, told in their status and in Events."""

import asyncio
import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import msgspec
import pytest

from tests.unit.policy.exception_examples import for_kind, spec
from tests.waiting import until
from tidegate.cluster import exceptions as module
from tidegate.cluster.api import ApiError, KubernetesApi
from tidegate.cluster.exception_events import MAX_EVENTS, REASON
from tidegate.cluster.exception_objects import ListedException, read_exception
from tidegate.cluster.exceptions import AllExceptions, WatchedExceptions
from tidegate.cluster.policies import WatchedPolicies
from tidegate.cluster.reflector import Reflector
from tidegate.policy.exception_object import KIND, NAMESPACED_KIND
from tidegate.policy.exceptions import MAX_EXCEPTIONS_OF_NAMESPACE, BrokenException, ImagePolicyException
from tidegate.policy.parse import compile_policy

NOW = datetime(2027, 1, 1, tzinfo=UTC)


class FakeApi:
    """Takes patches of statuses and Events; fails on demand."""

    def __init__(self, *objects: dict[str, Any]) -> None:
        self.objects = list(objects)
        self.event_status: int | None = 201
        self.patched: list[str] = []
        self.events: list[dict[str, Any]] = []
        self.policies: list[dict[str, Any]] = []

    async def list_objects(self, _path: str) -> list[dict[str, Any]]:
        return self.policies

    async def merge_patch(self, path: str, patch: Mapping[str, Any]) -> dict[str, Any]:
        self.patched.append(path)
        *_, name, _status = path.split("/")
        for one in self.objects:
            if one["metadata"]["name"] == name:
                one["status"] = patch["status"]
        return {}

    async def create(self, path: str, obj: dict[str, Any]) -> dict[str, Any]:
        if self.event_status != 201:
            raise ApiError("no event", status=self.event_status)
        assert path == f"/api/v1/namespaces/{obj['metadata']['namespace']}/events"
        self.events.append(obj)
        return obj


def obj(name: str = "a", *, namespace: str = "", uid: str = "", **changes: Any) -> dict[str, Any]:
    kind = NAMESPACED_KIND if namespace else KIND
    written = for_kind(spec(policies=["production"], expiresAt="2027-01-11T00:00:00Z", **changes), kind)
    metadata: dict[str, Any] = {
        "name": name,
        "uid": uid or f"uid-{namespace}-{name}",
        "generation": 1,
        "resourceVersion": "7",
        "creationTimestamp": "2027-01-01T00:00:00Z",
    }
    metadata |= {"namespace": namespace} if namespace else {}
    return {"kind": kind, "metadata": metadata, "spec": written}


def _key(one: dict[str, Any]) -> str:
    metadata = one["metadata"]
    return f"{metadata['namespace']}/{metadata['name']}" if "namespace" in metadata else str(metadata["name"])


class World:
    """Both kinds, with the policies that they are from, and a clock."""

    def __init__(self, *objects: dict[str, Any]) -> None:
        self.api = FakeApi(*objects)
        self.keys: dict[str, set[str]] = {}
        self.now = NOW
        permitted = {"checks": ["tags", "signatures"], "vulnerabilities": True, "maxDuration": "30d"}
        metadata = {"name": "production", "uid": "p", "generation": 1}
        production = {"tags": {"immutable": True}, "namespacedExceptions": permitted}
        self.api.policies = [{"metadata": metadata, "spec": production}]
        api = cast("KubernetesApi", self.api)
        self.all = AllExceptions(api, now=lambda: self.now)
        self.policies = WatchedPolicies(api, exceptions=self.all, now=lambda: self.now)
        self.all.follow(self.policies)

    async def refresh(self) -> None:
        """Read everything, as the reflectors and the lists of policies do, and write what follows."""
        await self.policies.resync.refresh_once()
        for one in self.all.kinds:
            self.deliver(one)
            await one.resync.refresh_once()

    def deliver(self, to: WatchedExceptions) -> None:
        """Have the reflector of a kind take a complete list."""
        listed = {_key(one): one for one in self.api.objects if one["kind"] == to.kind}
        changes: list[tuple[str, ListedException | None]] = [
            (key, read_exception(msgspec.Raw(msgspec.json.encode(one)), to.kind)) for key, one in listed.items()
        ]
        changes += [(key, None) for key in self.keys.get(to.kind, set()) - listed.keys()]
        self.keys[to.kind] = set(listed)
        to.reflector._hand_over(changes, True, threading.Event())
        to.publish()

    @property
    def names(self) -> list[str]:
        return [one.label for one in self.policies.current().exceptions]

    def condition(self, index: int = 0) -> dict[str, Any]:
        (condition,) = self.api.objects[index]["status"]["conditions"]
        found: dict[str, Any] = condition
        return found

    @property
    def cluster(self) -> WatchedExceptions:
        return self.all.kinds[0]


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


async def test_a_namespace_cannot_crowd_out_another(monkeypatch):
    """10,000 of one namespace: it has what is for each, and so have the others and the cluster."""
    hostile = [obj(f"n{number:05}", namespace="evil") for number in range(10_000)]
    world = World(*hostile, obj("mine", namespace="shop"), obj("of-cluster"))
    await world.refresh()
    assert world.names[0] == "of-cluster"
    assert world.names[-1] == "shop/mine"
    assert len(world.names) == MAX_EXCEPTIONS_OF_NAMESPACE + 2
    assert world.all.left_out() == 10_000 - module.MAX_KEPT_OF_NAMESPACE
    states = [state.value for _, state in world.all.states()]
    assert states.count("TooMany") == module.MAX_KEPT_OF_NAMESPACE - MAX_EXCEPTIONS_OF_NAMESPACE


async def test_what_has_ended_and_says_so_takes_no_room():
    old = [obj(f"n{number:03}", namespace="shop") for number in range(module.MAX_KEPT_OF_NAMESPACE)]
    for one in old:
        one["spec"]["expiresAt"] = "2027-01-01T00:00:00Z"
        ready = {"type": "Ready", "status": "False", "reason": "Expired", "observedGeneration": 1}
        one["status"] = {"conditions": [ready]}
    world = World(*old, obj("z", namespace="shop"))
    await world.refresh()
    assert world.names == ["shop/z"]
    assert (world.all.left_out(), len(world.all.states())) == (0, 1)


async def test_what_is_too_large_is_invalid_and_never_parsed():
    large = obj("large", images=[{"account": "123456789012", "repositories": ["r" * 250] * 10}] * 10)
    world = World(large, obj("a"))
    await world.refresh()
    assert world.names == ["a"]
    (broken,) = (one for one, _ in world.all.states() if isinstance(one, BrokenException))
    assert broken.problems[0].startswith("spec: got 2")
    assert "expected at most 16384" in world.condition(0)["message"]


async def test_all_that_is_kept_is_bounded_in_bytes(monkeypatch):
    monkeypatch.setattr(module, "MAX_KEPT_BYTES", 600)
    world = World(obj("a"), obj("b"), obj("c"))
    await world.refresh()
    assert world.names == ["a"]
    assert world.all.left_out() == 2


async def test_a_large_status_that_others_wrote_is_written_anew():
    one = obj("a") | {"status": {"conditions": [{"type": "x" * 20_000}]}}
    world = World(one)
    await world.refresh()
    assert world.condition()["reason"] == "Active"


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


async def test_a_broken_policy_permits_nothing():
    world = World(obj("a", namespace="shop"))
    world.api.policies[0]["spec"]["mistake"] = True
    assert compile_policy(world.api.policies[0]).name == "production"
    await world.refresh()
    assert world.condition()["reason"] == "NotPermitted"


async def test_room_that_becomes_free_is_used_by_those_that_come_then(monkeypatch):
    monkeypatch.setattr(module, "MAX_KEPT_OF_CLUSTER", 1)
    world = World(obj("a"), obj("b"))
    await world.refresh()
    assert (world.names, world.all.left_out()) == (["a"], 1)
    world.api.objects = [obj("b")]
    world.api.objects[0]["metadata"]["generation"] = 2
    await world.refresh()
    await world.refresh()
    assert (world.names, world.all.left_out()) == (["b"], 0)


@pytest.mark.parametrize("raw", [b"{}", b"[]", b'{"metadata": {"name": 7}}', b"null"], ids=str)
def test_what_is_no_object_is_an_error_of_the_decoder(raw):
    with pytest.raises(msgspec.MsgspecError):
        read_exception(msgspec.Raw(raw), KIND)


def test_large_labels_are_not_read():
    one = obj("a")
    one["metadata"] |= {"labels": {f"l{n}": "v" * 60 for n in range(10_000)}, "annotations": {"a": "x" * 200_000}}
    found = read_exception(msgspec.Raw(msgspec.json.encode(one)), KIND)
    assert isinstance(found.exception, ImagePolicyException)
    assert found.size < 1_000
