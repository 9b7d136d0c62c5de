"""Exceptions, policies and an API server in memory, for the tests of exceptions."""

import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, cast

import msgspec

from tests.unit.policy.exception_examples import for_kind, spec
from tidegate.cluster.api import ApiError, KubernetesApi
from tidegate.cluster.exception_objects import ListedException, read_exception
from tidegate.cluster.exceptions import AllExceptions, WatchedExceptions
from tidegate.cluster.policies import WatchedPolicies
from tidegate.policy.exception_object import KIND, NAMESPACED_KIND

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
