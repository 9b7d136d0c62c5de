"""Statuses: written once, bounded, and in the end also where replicas know different things or writes are refused."""

import asyncio
from types import SimpleNamespace
from typing import cast
from unittest.mock import Mock

import pytest

from tests.unit.cluster.policy_world import NOW, FakeApi, FakeTrust, names, policy, trusted, watched
from tests.unit.policy.signature_examples import by_notation
from tidegate.cluster import objects
from tidegate.cluster import policies as module
from tidegate.cluster.api import KubernetesApi
from tidegate.cluster.policies import WatchedPolicies
from tidegate.policy.trust_stores import NO_TRUST


@pytest.fixture
def trust() -> FakeTrust:
    return FakeTrust()


@pytest.fixture
def api() -> FakeApi:
    return FakeApi(policy("a", spec=by_notation(trustStores=["acme"])))


@pytest.fixture
def source(api: FakeApi, trust: FakeTrust) -> WatchedPolicies:
    return WatchedPolicies(cast("KubernetesApi", api), trust=trust, now=lambda: NOW)


async def test_a_status_is_written_once():
    api = FakeApi(policy("a"), policy("b"))
    source = watched(api)
    for _ in range(3):
        assert await source.resync.refresh_once()
    assert sorted(api.patched) == [f"{module.POLICIES_PATH}/{name}/status" for name in ("a", "b")]


@pytest.mark.parametrize("status", [None, 403, 404, 409, 500])
async def test_a_status_that_cannot_be_written_is_tried_again_and_stops_nothing(status):
    """No right to write is a pity; a conflict is another replica that was faster."""
    api = FakeApi(policy("a"), policy("b"))
    api.patch_status = status
    source = watched(api)
    assert await source.resync.refresh_once()
    assert names(source) == ["a", "b"]
    assert len(api.patched) == 2
    assert await source.resync.refresh_once()
    assert len(api.patched) == 4


async def test_statuses_of_one_round_are_bounded_and_the_rest_follows(monkeypatch):
    monkeypatch.setattr("tidegate.cluster.objects.MAX_STATUS_WRITES", 2)
    api = FakeApi(*(policy(name) for name in "abcde"))
    source = watched(api)
    await source.resync.refresh_once()
    assert len(api.patched) == 2
    assert source.resync._wanted.is_set()
    await source.resync.refresh_once()
    await source.resync.refresh_once()
    assert len(api.patched) == 5


async def test_writes_that_are_refused_end_and_keep_no_other_object_waiting(monkeypatch):
    """As without the right to write a status: each list would otherwise try all of them again at once."""
    monkeypatch.setattr(objects, "MAX_STATUS_WRITES", 2)
    api = FakeApi(*(policy(name) for name in "abcde"))
    api.refused = {"a", "b", "c"}
    source = watched(api)
    for _ in range(50):
        await source.resync.refresh_once()
    assert len(api.patched) == 3 * objects.MAX_REPEATS + 2
    assert [bool(one.get("status")) for one in api.policies] == [False, False, False, True, True]


async def test_a_conflict_is_no_write():
    """Another replica, or a user, was faster each time."""
    api = FakeApi(policy("a"))
    api.patch_status = 409
    source = watched(api)
    for _ in range(2 * objects.MAX_REPEATS):
        await source.resync.refresh_once()
    api.patch_status = 200
    await source.resync.refresh_once()
    assert api.policies[0]["status"]


async def test_conflicts_without_end_do_end():
    api = FakeApi(policy("a"))
    api.patch_status = 409
    source = watched(api)
    for _ in range(50):
        await source.resync.refresh_once()
    assert len(api.patched) == objects.MAX_REPEATS + objects.MAX_CONFLICTS


async def test_what_was_written_is_remembered_for_a_minute(monkeypatch):
    """Fifty thousand exceptions would take 40 MB otherwise."""
    now = 1_000.0
    monkeypatch.setattr(objects, "time", SimpleNamespace(monotonic=lambda: now))
    source = watched(FakeApi(policy("a"), policy("b")))
    await source.resync.refresh_once()
    assert len(source._written) == 2
    now += objects.REPEAT_SECONDS
    await source.resync.refresh_once()
    assert not source._written


async def test_an_object_that_was_made_again_gets_its_status_at_once():
    """However often that happens between two lists."""
    api = FakeApi(policy("a"))
    source = watched(api)
    for number in range(10):
        api.policies = [policy("a", uid=f"uid-{number}")]
        await source.resync.refresh_once()
    assert len(api.patched) == 10


async def test_a_status_that_was_written_too_often_is_written_when_it_may_be_again(monkeypatch):
    """The other replica may have ended meanwhile, so that no event comes."""
    monkeypatch.setattr(objects, "REPEAT_SECONDS", 0.3)
    api = FakeApi(policy("a"))
    source = watched(api)
    for _ in range(objects.MAX_REPEATS + 1):
        await source.resync.refresh_once()
        api.policies = [policy("a")]
    source.resync._wanted.clear()
    async with asyncio.timeout(20):
        await source.resync._wanted.wait()
    await source.resync.refresh_once()
    assert api.policies[0]["status"]


async def test_replicas_that_know_different_trust_do_not_overwrite_each_other_without_end(source, api, monkeypatch):
    """One reads a key or a ConfigMap, another one cannot: each write is an event that makes the other one list."""
    now, trust = 1_000.0, FakeTrust()
    monkeypatch.setattr(objects, "time", SimpleNamespace(monotonic=lambda: now))
    trust.trust = trusted("acme")
    other = WatchedPolicies(cast("KubernetesApi", api), trust=trust, now=lambda: NOW)
    for _ in range(50):
        await source.resync.refresh_once()
        await other.resync.refresh_once()
    assert len(api.patched) == 2 * objects.MAX_REPEATS
    now += objects.REPEAT_SECONDS
    await source.resync.refresh_once()
    assert len(api.patched) == 2 * objects.MAX_REPEATS + 1
    before = len(api.patched)
    trust.trust = NO_TRUST
    for _ in range(5):
        await source.resync.refresh_once()
        await other.resync.refresh_once()
    assert len(api.patched) <= before + 1
    assert api.policies[0]["status"]["conditions"][0]["reason"] == "TrustIncomplete"


async def test_a_change_is_written_at_once_however_often_it_came(source, trust, api):
    for state in [trusted("acme"), NO_TRUST] * 10:
        trust.trust = state
        await source.resync.refresh_once()
    assert len(api.patched) == 20


async def test_statuses_that_wait_for_trust_wait_for_one_timer(source, trust, monkeypatch):
    """However often something changes meanwhile: each timer would bring another list."""
    trust.read, call_later = False, Mock()
    monkeypatch.setattr(asyncio.get_running_loop(), "call_later", call_later)
    for _ in range(5):
        await source.resync.refresh_once()
    assert [each.args[0] for each in call_later.call_args_list] == [module.LOADING_SECONDS]


async def test_no_status_tells_of_trust_that_is_only_being_read(source, trust, api, monkeypatch):
    """Long after the start: another replica may have read it, and a reason that is gone in a moment helps no one."""
    now = 1_000.0
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now))
    await source.resync.refresh_once()
    now += 3_600
    trust.read, api.policies = False, [policy("b", spec=by_notation(trustStores=["acme"]))]
    await source.resync.refresh_once()
    assert "status" not in api.policies[0]
    assert not source.is_loading()
    now += module.LOADING_SECONDS + 1
    await source.resync.refresh_once()
    assert api.policies[0]["status"]["conditions"][0]["reason"] == "TrustIncomplete"
