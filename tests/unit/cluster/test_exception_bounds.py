"""What is kept of exceptions is bounded: by namespace, by object and in bytes."""

import msgspec
import pytest

from tests.unit.cluster.exception_world import World, obj
from tidegate.cluster import exceptions as module
from tidegate.cluster.exception_objects import read_exception
from tidegate.policy.exception_object import KIND
from tidegate.policy.exceptions import MAX_EXCEPTIONS_OF_NAMESPACE, BrokenException, ImagePolicyException


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
