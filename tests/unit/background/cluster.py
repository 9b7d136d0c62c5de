"""A cluster in memory: what the role writes, as an API server keeps it, and Pods as it sends them."""

import json
from collections.abc import Mapping
from typing import Any

from tests.unit.gather.virtual_time import VirtualClock
from tidegate.background.pods import decode_pod
from tidegate.background.stored import VerdictHeads, read_object
from tidegate.cluster.api import CONFLICT, NOT_FOUND, ApiError, ObjectMetadata, OwnerReference
from tidegate.verdicts.shape import VERDICTS_PATH
from tidegate.verdicts.usage import RunningPod

Json = dict[str, Any]
ECR = "111122223333.dkr.ecr.eu-west-1.amazonaws.com"


class FakeApi:
    """Objects by path. ``failing`` is raised by every call, ``refused`` by the next writes, one each."""

    def __init__(self) -> None:
        self.objects: dict[str, Json] = {}
        self.owners: dict[str, ObjectMetadata] = {}
        self.version = 0
        self.failing: ApiError | None = None
        self.failing_reads: ApiError | None = None
        self.refused: list[ApiError] = []
        self.asked: list[tuple[str, str]] = []

    @property
    def verdicts(self) -> list[Json]:
        return [one for path, one in self.objects.items() if path.startswith(VERDICTS_PATH)]

    @property
    def events(self) -> list[Json]:
        return [one for path, one in self.objects.items() if "/events/" in path]

    def count(self, method: str, part: str = "") -> int:
        return sum(one == method and part in path for one, path in self.asked)

    async def get(self, path: str) -> Json:
        self._ask("GET", path)
        return self._found(path)

    async def get_metadata(self, path: str, *, seconds: float = 0) -> ObjectMetadata:
        self._ask("GET", path)
        if self.failing_reads is not None:
            raise self.failing_reads
        if path not in self.owners:
            raise ApiError("no such object", status=NOT_FOUND)
        return self.owners[path]

    async def create(self, path: str, obj: Json) -> Json:
        self._write("POST", path)
        own = f"{path}/{obj['metadata']['name']}"
        if own in self.objects:
            raise ApiError("it exists", status=CONFLICT)
        return self._store(own, {**obj, "metadata": {**obj["metadata"], "uid": f"uid-{self.version}"}})

    async def replace(self, path: str, obj: Json) -> Json:
        self._write("PUT", path)
        stored = self._found(path)["metadata"]
        if obj["metadata"].get("resourceVersion") not in (None, stored["resourceVersion"]):
            raise ApiError("it was written since", status=CONFLICT)
        return self._store(path, {**obj, "metadata": {**obj["metadata"], "uid": stored["uid"]}})

    async def delete(self, path: str, *, uid: str, resource_version: str) -> None:
        self._write("DELETE", path)
        stored = self._found(path)["metadata"]
        if (uid, resource_version) != (stored["uid"], stored["resourceVersion"]):
            raise ApiError("it was written since", status=CONFLICT)
        del self.objects[path]

    def tell(self, stored: VerdictHeads) -> None:
        """List all verdicts, as a reflector does."""
        for one in self.verdicts:
            stored.put(one["metadata"]["name"], read_object(one))
        for head in stored.heads():
            if f"{VERDICTS_PATH}/{head.name}" not in self.objects:
                stored.drop(head.name)
        stored.listed()

    def edit(self, name: str, **status: Any) -> None:
        """Change a verdict by hand."""
        path = f"{VERDICTS_PATH}/{name}"
        before = self.objects[path]
        self._store(path, {**before, "status": {**before["status"], **status}})

    def own(self, kind: str, namespace: str, name: str, owner: tuple[str, str, str] | None) -> None:
        """Have a ReplicaSet or Job be owned by (apiVersion, kind, name)."""
        group = {"ReplicaSet": "apps/v1", "Job": "batch/v1"}[kind]
        references = (
            [
                OwnerReference(
                    api_version=owner[0], kind=owner[1], name=owner[2], uid=f"{owner[1]}-{owner[2]}", controller=True
                )
            ]
            if owner
            else []
        )
        path = f"/apis/{group}/namespaces/{namespace}/{kind.lower()}s/{name}"
        self.owners[path] = ObjectMetadata(name=name, uid=f"{kind}-{name}", owner_references=references)

    def _ask(self, method: str, path: str) -> None:
        self.asked.append((method, path))
        if self.failing is not None:
            raise self.failing

    def _write(self, method: str, path: str) -> None:
        self._ask(method, path)
        if self.refused:
            raise self.refused.pop(0)

    def _found(self, path: str) -> Json:
        if path not in self.objects:
            raise ApiError("no such object", status=NOT_FOUND)
        return self.objects[path]

    def _store(self, path: str, obj: Mapping[str, Any]) -> Json:
        self.version += 1
        metadata = {**obj["metadata"], "resourceVersion": str(self.version)}
        self.objects[path] = json.loads(json.dumps({**obj, "metadata": metadata}))
        return self.objects[path]


def pod_json(
    name: str,
    *images: str,
    namespace: str = "shop",
    ran: tuple[str, ...] = (),
    owner: tuple[str, str, str] | None = ("apps/v1", "ReplicaSet", "web-1"),
    phase: str = "Running",
    since: str = "2026-02-28T12:00:00Z",
    **spec: Any,
) -> Json:
    """Return a Pod whose containers run these images; ``ran`` are the imageIDs of those that have started."""
    references = (
        [
            {
                "apiVersion": owner[0],
                "kind": owner[1],
                "name": owner[2],
                "uid": f"{owner[1]}-{owner[2]}",
                "controller": True,
            }
        ]
        if owner
        else None
    )
    return {
        "metadata": {"name": name, "namespace": namespace, "uid": f"pod-{name}", "ownerReferences": references},
        "spec": {"containers": [{"name": f"c{n}", "image": image} for n, image in enumerate(images)], **spec},
        "status": {
            "phase": phase,
            "containerStatuses": [
                {"name": f"c{n}", "imageID": image_id, "state": {"running": {"startedAt": since}}}
                for n, image_id in enumerate(ran)
            ],
        },
    }


def pod(name: str, *images: str, **more: Any) -> tuple[str, RunningPod]:
    """Return the same as it is decoded, after its key."""
    decoded = decode_pod(json.dumps(pod_json(name, *images, **more)).encode())
    return f"{decoded.namespace}/{name}", decoded


class Snapshots:
    """Policies that a test sets."""

    def __init__(self, snapshot: Any) -> None:
        self.snapshot = snapshot

    def current(self) -> Any:
        return self.snapshot


class Labels:
    def __init__(self) -> None:
        self.by_name: dict[str, Mapping[str, str]] = {}

    def labels(self, name: str) -> Mapping[str, str] | None:
        return self.by_name.setdefault(name, {})


class Nodes:
    def __init__(self, *platforms: Any) -> None:
        self.those = tuple(platforms)

    def platforms(self) -> tuple[Any, ...]:
        return self.those


def wall(clock: VirtualClock) -> str:
    return clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
