"""Policies from lists: compiled and swapped whole, kept through failures, with the trust that they use."""

import asyncio
import threading
from collections.abc import Iterable
from typing import cast

import pytest

from tests.unit.cluster.policy_world import NOW, FakeApi, FakeTrust, names, policy, trusted, watched
from tests.unit.policy.signature_examples import by_notation
from tidegate.admission import known_bad
from tidegate.cluster import policies as module
from tidegate.cluster.api import KubernetesApi
from tidegate.cluster.policies import WatchedPolicies
from tidegate.policy.model import BrokenPolicy
from tidegate.policy.snapshot import Policy
from tidegate.policy.trust_stores import TrustSnapshot


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
