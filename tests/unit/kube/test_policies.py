"""Policies from lists: compiled and swapped whole, kept through failures, told their status without a fight."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from tidegate.kube import known_bad
from tidegate.kube import policies as module
from tidegate.kube.api import ApiError, KubernetesApi
from tidegate.kube.policies import WatchedPolicies
from tidegate.policy.model import BrokenPolicy

NOW = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)


class FakeApi:
    """Lists policies and takes patches of their status; fails on demand."""

    def __init__(self, *policies: dict[str, Any]) -> None:
        self.policies = list(policies)
        self.list_status: int | None = 200
        self.patch_status: int | None = 200
        self.patched: list[str] = []

    async def list_objects(self, _path: str) -> list[dict[str, Any]]:
        if self.list_status != 200:
            raise ApiError("no list", status=self.list_status)
        return self.policies

    async def merge_patch(self, path: str, patch: Mapping[str, Any]) -> dict[str, Any]:
        self.patched.append(path)
        if self.patch_status != 200:
            raise ApiError("no patch", status=self.patch_status)
        name = path.split("/")[-2]
        for one in self.policies:
            if one["metadata"]["name"] == name:
                one["status"] = patch["status"]
        return {}


def policy(name: str, *, generation: int = 1, spec: Any = None) -> dict[str, Any]:
    metadata = {"name": name, "uid": f"uid-{name}", "generation": generation, "resourceVersion": "1"}
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
    assert not await source.relisting.refresh_once()
    assert not source.current().synced
    api.list_status = 200
    assert await source.relisting.refresh_once()
    assert source.current().synced


async def test_a_failed_list_keeps_the_last_snapshot():
    api = FakeApi(policy("a"))
    source = watched(api)
    await source.relisting.refresh_once()
    before = source.current()
    api.list_status, api.policies = 500, []
    assert not await source.relisting.refresh_once()
    assert source.current() is before
    assert source.relisting.problem == "no list"


async def test_each_list_is_the_whole_truth():
    api = FakeApi(policy("a"), policy("b"))
    source = watched(api)
    await source.relisting.refresh_once()
    assert names(source) == ["a", "b"]
    api.policies = [policy("b"), policy("c")]
    await source.relisting.refresh_once()
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
    await source.relisting.refresh_once()
    before = source.current()
    api.policies = [after]
    await source.relisting.refresh_once()
    assert (source.current() is before) is same


async def test_a_broken_policy_is_one_of_them():
    api = FakeApi(policy("good"), policy("bad", spec={"tags": 7}))
    source = watched(api)
    await source.relisting.refresh_once()
    assert names(source) == ["bad", "good"]
    (broken,) = source.current().broken
    assert isinstance(broken, BrokenPolicy)
    assert broken.name == "bad"


async def test_the_policy_of_the_self_check_is_about_nothing_else():
    """It is in every snapshot, and no namespace that Kubernetes allows ever meets it."""
    source = watched(FakeApi(policy("a")))
    await source.relisting.refresh_once()
    snapshot = source.current()
    about = {name: [one.name for one in snapshot.for_namespace(name, {})] for name in ("default", known_bad.NAMESPACE)}
    assert about == {"default": ["a"], known_bad.NAMESPACE: ["a", known_bad.NAMESPACE]}


async def test_a_status_is_written_once():
    api = FakeApi(policy("a"), policy("b"))
    source = watched(api)
    for _ in range(3):
        assert await source.relisting.refresh_once()
    assert sorted(api.patched) == [f"{module.POLICIES_PATH}/{name}/status" for name in ("a", "b")]


@pytest.mark.parametrize("status", [None, 403, 404, 409, 500])
async def test_a_status_that_cannot_be_written_is_tried_again_and_stops_nothing(status):
    """No right to write is a pity; a conflict is another replica that was faster."""
    api = FakeApi(policy("a"), policy("b"))
    api.patch_status = status
    source = watched(api)
    assert await source.relisting.refresh_once()
    assert names(source) == ["a", "b"]
    assert len(api.patched) == 2
    assert await source.relisting.refresh_once()
    assert len(api.patched) == 4


async def test_statuses_of_one_round_are_bounded_and_the_rest_follows(monkeypatch):
    monkeypatch.setattr(module, "MAX_STATUS_WRITES", 2)
    api = FakeApi(*(policy(name) for name in "abcde"))
    source = watched(api)
    await source.relisting.refresh_once()
    assert len(api.patched) == 2
    assert source.relisting._wanted.is_set()
    await source.relisting.refresh_once()
    await source.relisting.refresh_once()
    assert len(api.patched) == 5


async def test_who_watches_is_told_when_the_resource_is_back():
    """A watch of a CRD that was deleted is over, so it has to be begun anew; after any other failure it is not."""
    api, told = FakeApi(), []
    source = watched(api)
    source.on_return = lambda: told.append("back")
    for status in (404, 500, 200):
        api.list_status = status
        await source.relisting.refresh_once()
    assert told == ["back"]
    for status in (200, 500, 200):
        api.list_status = status
        await source.relisting.refresh_once()
    assert told == ["back"]
