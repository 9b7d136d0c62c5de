"""Policies from lists: compiled and swapped whole, kept through failures, told their status without a fight."""

import asyncio
import threading
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.unit.policy.signature_examples import by_notation
from tidegate.admission import known_bad
from tidegate.cluster import objects
from tidegate.cluster import policies as module
from tidegate.cluster.api import ApiError, KubernetesApi
from tidegate.cluster.policies import WatchedPolicies
from tidegate.policy.model import BrokenPolicy
from tidegate.policy.snapshot import Policy
from tidegate.policy.trust_stores import NO_TRUST, StoreType, TrustSnapshot, TrustStore

NOW = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)


class FakeApi:
    """Lists policies and takes patches of their status; fails on demand."""

    def __init__(self, *policies: dict[str, Any]) -> None:
        self.policies = list(policies)
        self.list_status: int | None = 200
        self.patch_status: int | None = 200
        self.refused: set[str] = set()
        self.patched: list[str] = []

    async def list_objects(self, _path: str) -> list[dict[str, Any]]:
        if self.list_status != 200:
            raise ApiError("no list", status=self.list_status)
        return self.policies

    async def merge_patch(self, path: str, patch: Mapping[str, Any]) -> dict[str, Any]:
        self.patched.append(path)
        name = path.split("/")[-2]
        if self.patch_status != 200:
            raise ApiError("no patch", status=self.patch_status)
        if name in self.refused:
            raise ApiError("no right", status=403)
        for one in self.policies:
            if one["metadata"]["name"] == name:
                one["status"] = patch["status"]
        return {}


def policy(name: str, *, generation: int = 1, spec: Any = None, uid: str = "") -> dict[str, Any]:
    metadata = {"name": name, "uid": uid or f"uid-{name}", "generation": generation, "resourceVersion": "1"}
    return {"metadata": metadata, "spec": {"tags": {"immutable": True}} if spec is None else spec}


def watched(api: FakeApi) -> WatchedPolicies:
    return WatchedPolicies(cast("KubernetesApi", api), now=lambda: NOW)


def names(source: WatchedPolicies) -> list[str]:
    return [one.name for one in source.current().policies if one.name != known_bad.NAMESPACE]


@pytest.mark.parametrize("status", [None, 401, 403, 404, 500])
async def test_nothing_is_known_before_a_list_worked(status):
    """No CRD, no right, no API server: none of them is the same as no policy."""
    api = FakeApi()
    api.list_status = status
    source = watched(api)
    assert not source.current().synced
    assert not await source.resync.refresh_once()
    assert not source.current().synced
    api.list_status = 200
    assert await source.resync.refresh_once()
    assert source.current().synced


async def test_a_failed_list_keeps_the_last_snapshot():
    api = FakeApi(policy("a"))
    source = watched(api)
    await source.resync.refresh_once()
    before = source.current()
    api.list_status, api.policies = 500, []
    assert not await source.resync.refresh_once()
    assert source.current() is before
    assert source.resync.problem == "no list"


async def test_each_list_is_the_whole_truth():
    api = FakeApi(policy("a"), policy("b"))
    source = watched(api)
    await source.resync.refresh_once()
    assert names(source) == ["a", "b"]
    api.policies = [policy("b"), policy("c")]
    await source.resync.refresh_once()
    assert names(source) == ["b", "c"]


@pytest.mark.parametrize(
    ("after", "same"),
    [
        pytest.param(policy("a"), True, id="nothing"),
        pytest.param(policy("a") | {"status": {"observedGeneration": 1}}, True, id="its status"),
        pytest.param(policy("a", generation=2), False, id="its generation"),
        pytest.param(policy("a", spec={"tags": {}}), False, id="its spec, as new defaults of a CRD do"),
        pytest.param(policy("b"), False, id="its name"),
    ],
)
async def test_a_snapshot_lives_until_a_policy_changes(after, same):
    api = FakeApi(policy("a"))
    source = watched(api)
    await source.resync.refresh_once()
    before = source.current()
    api.policies = [after]
    await source.resync.refresh_once()
    assert (source.current() is before) is same


async def test_a_broken_policy_is_one_of_them():
    api = FakeApi(policy("good"), policy("bad", spec={"tags": 7}))
    source = watched(api)
    await source.resync.refresh_once()
    assert names(source) == ["bad", "good"]
    (broken,) = source.current().broken
    assert isinstance(broken, BrokenPolicy)
    assert broken.name == "bad"


async def test_the_policy_of_the_self_check_is_about_nothing_else():
    """It is in every snapshot, and no namespace that Kubernetes allows ever meets it."""
    source = watched(FakeApi(policy("a")))
    await source.resync.refresh_once()
    snapshot = source.current()
    about = {name: [one.name for one in snapshot.for_namespace(name, {})] for name in ("default", known_bad.NAMESPACE)}
    assert about == {"default": ["a"], known_bad.NAMESPACE: ["a", known_bad.NAMESPACE]}


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


async def test_who_watches_is_told_when_the_resource_is_back():
    """A watch of a CRD that was deleted is over, so it has to be begun anew; after any other failure it is not."""
    api, told = FakeApi(), []
    source = watched(api)
    source.on_return = lambda: told.append("back")
    for status in (404, 500, 200):
        api.list_status = status
        await source.resync.refresh_once()
    assert told == ["back"]
    for status in (200, 500, 200):
        api.list_status = status
        await source.resync.refresh_once()
    assert told == ["back"]


class FakeTrust:
    """Trust as a test says it."""

    def __init__(self) -> None:
        self.read = True
        self.trust = NO_TRUST
        self.asked_for: list[str] = []
        self.changed: Callable[[], None] | None = None

    def notify(self, changed: Callable[[], None]) -> None:
        self.changed = changed

    def is_read(self, policies: Iterable[Policy]) -> bool:
        return self.read

    def snapshot(self, policies: Iterable[Policy]) -> TrustSnapshot:
        self.asked_for = [policy.name for policy in policies]
        return self.trust


def trusted(*names: str) -> TrustSnapshot:
    return TrustSnapshot.of(TrustStore(name=one, uid=one, generation=1, type=StoreType.CA) for one in names)


class TestTrust:
    @pytest.fixture
    def trust(self) -> FakeTrust:
        return FakeTrust()

    @pytest.fixture
    def api(self) -> FakeApi:
        return FakeApi(policy("a", spec=by_notation(trustStores=["acme"])))

    @pytest.fixture
    def source(self, api, trust) -> WatchedPolicies:
        return WatchedPolicies(cast("KubernetesApi", api), trust=trust, now=lambda: NOW)

    async def test_policies_are_in_force_before_what_they_rely_on_was_read(self, source, trust, api):
        """A process that just started is not ready meanwhile, and tells no status that another replica knows better."""
        trust.read = False
        assert not source.is_loading()
        assert await source.resync.refresh_once()
        assert names(source) == ["a"]
        assert source.is_loading()
        assert api.patched == []
        trust.read = True
        assert not source.is_loading()
        assert await source.resync.refresh_once()
        assert len(api.patched) == 1

    async def test_readiness_waits_for_it_no_longer_than_a_moment(self, source, trust, api, monkeypatch):
        trust.read = False
        assert await source.resync.refresh_once()
        monkeypatch.setattr(module, "LOADING_SECONDS", -1.0)
        assert not source.is_loading()
        assert await source.resync.refresh_once()
        assert len(api.patched) == 1

    async def test_later_no_policy_waits_for_it(self, source, trust, api):
        """A policy that was tightened must be in force, whatever of its trust can be read."""
        await source.resync.refresh_once()
        trust.read, api.policies = False, [policy("b")]
        await source.resync.refresh_once()
        assert names(source) == ["b"]

    async def test_it_is_in_the_snapshot_and_in_every_set_of_it(self, source, trust):
        trust.trust = trusted("acme")
        await source.resync.refresh_once()
        assert source.current().trust is trust.trust
        assert source.current().for_namespace("default", {}).trust is trust.trust
        assert trust.asked_for == ["a"]

    async def test_another_trust_is_another_snapshot_of_the_same_policies(self, source, trust):
        trust.trust = trusted("acme")
        await source.resync.refresh_once()
        before = source.current()
        await source.resync.refresh_once()
        assert source.current() is before
        trust.trust = trusted("acme", "b")
        await source.resync.refresh_once()
        after = source.current()
        assert after is not before
        assert after.revision != before.revision
        assert after.policies == before.policies

    async def test_news_of_trust_ask_for_the_next_list(self, source, trust):
        await source.resync.refresh_once()
        source.resync._wanted.clear()
        trust.changed()
        assert source.resync._wanted.is_set()

    async def test_a_status_tells_what_is_missing_and_that_it_is_there(self, source, trust, api):
        await source.resync.refresh_once()
        (condition,) = api.policies[0]["status"]["conditions"]
        assert (condition["status"], condition["reason"]) == ("False", "TrustIncomplete")
        assert "authority a: trust store acme does not exist" in condition["message"]
        trust.trust = trusted("acme")
        await source.resync.refresh_once()
        (condition,) = api.policies[0]["status"]["conditions"]
        assert (condition["status"], condition["reason"]) == ("True", "Applied")

    async def test_replicas_that_know_different_trust_do_not_overwrite_each_other_without_end(
        self, source, api, monkeypatch
    ):
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

    async def test_a_change_is_written_at_once_however_often_it_came(self, source, trust, api):
        for state in [trusted("acme"), NO_TRUST] * 10:
            trust.trust = state
            await source.resync.refresh_once()
        assert len(api.patched) == 20

    async def test_no_status_tells_of_trust_that_is_only_being_read(self, source, trust, api, monkeypatch):
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

    async def test_verifiers_are_made_ready_beside_and_no_policy_waits_for_that(self, api, trust):
        """Readiness waits; a policy that changes meanwhile is in force at once, and is made ready for after that."""
        seen: list[tuple[list[str], TrustSnapshot, bool]] = []
        may_end = threading.Event()

        def warm_up(policies: Iterable[Policy], trust: TrustSnapshot) -> None:
            seen.append(([one.name for one in policies], trust, threading.current_thread() is threading.main_thread()))
            may_end.wait(20)

        trust.trust = trusted("acme")
        source = WatchedPolicies(cast("KubernetesApi", api), trust=trust, warm_up=warm_up)
        await source.resync.refresh_once()
        async with asyncio.timeout(20):
            while not seen:  # noqa: ASYNC110
                await asyncio.sleep(0.001)
        assert source.is_loading()
        api.policies = [policy("b")]
        await source.resync.refresh_once()
        assert names(source) == ["b"]
        assert source.current().trust is trust.trust
        may_end.set()
        async with asyncio.timeout(20):
            while source.is_loading():  # noqa: ASYNC110
                await asyncio.sleep(0.001)
        assert seen == [(["a"], trust.trust, False), (["b"], trust.trust, False)]

    async def test_a_failure_to_make_ready_delays_no_policy(self, api):
        def warm_up(policies: Iterable[Policy], trust: TrustSnapshot) -> None:
            raise KeyError

        source = WatchedPolicies(cast("KubernetesApi", api), warm_up=warm_up)
        assert await source.resync.refresh_once()
        assert names(source) == ["a"]
