"""Policies, their trust and an API server in memory, for the tests of policies."""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, cast

from tidegate.admission import known_bad
from tidegate.cluster.api import ApiError, KubernetesApi
from tidegate.cluster.policies import WatchedPolicies
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
