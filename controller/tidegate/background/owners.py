"""The outermost owners of Pods: the Deployment of a ReplicaSet, the CronJob of a Job. Read once and remembered.

Only these two levels are looked at: every other controller of Pods is taken as it is.
"""

import asyncio
import re
import time
from collections.abc import Callable, Iterable
from typing import Final

import structlog

from tidegate.cluster.api import NOT_FOUND, ApiError, KubernetesApi, OwnerReference
from tidegate.gather.recent import Recent
from tidegate.verdicts.usage import OwningWorkload

MAX_REMEMBERED: Final = 50_000
"""Owners that are remembered, a few hundred bytes each; the least recently used is read again."""
READS_AT_ONCE: Final = 4
"""Fewer than the API client has threads, so that writes never wait for them."""
READ_SECONDS: Final = 10.0
RETRY_SECONDS: Final = 60.0
"""After this time an owner that could not be read is read again."""
LOOKED_UP: Final = {
    ("apps/v1", "ReplicaSet"): "/apis/apps/v1/namespaces/{namespace}/replicasets/{name}",
    ("batch/v1", "Job"): "/apis/batch/v1/namespaces/{namespace}/jobs/{name}",
}
_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
"""Users write the owners of their Pods, and the API server takes any text as a name: none may lead to another path."""

_log = structlog.get_logger(__name__)


class Owners:
    """Gives the outermost owner of a controller of Pods."""

    def __init__(self, api: KubernetesApi, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._api = api
        self._monotonic = monotonic
        self._failed = Recent[str, float](MAX_REMEMBERED)
        self._known = Recent[str, OwningWorkload](MAX_REMEMBERED)
        self._reading = asyncio.Semaphore(READS_AT_ONCE)
        self.failures = 0
        """Owners that could not be read, since the start."""

    def known(self, workload: OwningWorkload) -> OwningWorkload:
        """Return the outermost owner that is known, the controller itself where none is."""
        return self._known.get(workload.uid) or workload

    def unread(self, workloads: Iterable[tuple[str, OwningWorkload]]) -> list[tuple[str, OwningWorkload]]:
        """Return those of the controllers, with their namespaces, whose owners have to be read first."""
        return [
            (namespace, one)
            for namespace, one in workloads
            if (one.api_version, one.kind) in LOOKED_UP
            and one.uid
            and _NAME.fullmatch(one.name)
            and self._known.get(one.uid) is None
            and self._monotonic() >= self._failed.get(one.uid, 0.0) + RETRY_SECONDS
        ]

    async def read(self, wanted: Iterable[tuple[str, OwningWorkload]]) -> None:
        """Read the owners of controllers. One that cannot be read is its own owner for RETRY_SECONDS."""
        await asyncio.gather(*(self._read(*one) for one in dict.fromkeys(wanted)))

    async def _read(self, namespace: str, workload: OwningWorkload) -> None:
        path = LOOKED_UP[workload.api_version, workload.kind].format(namespace=namespace, name=workload.name)
        try:
            async with self._reading:
                metadata = await self._api.get_metadata(path, seconds=READ_SECONDS)
        except ApiError as error:
            if error.status != NOT_FOUND:
                self.failures += 1
                self._failed[workload.uid] = self._monotonic()
                _log.warning(
                    "cannot read the owner of a workload", namespace=namespace, workload=workload.name, error=str(error)
                )
                return
            metadata = None  # Deleted meanwhile: its Pods follow.
        owner = None
        if metadata is not None and metadata.uid == workload.uid:
            owner = next((one for one in metadata.owner_references or () if one.controller), None)
        self._known[workload.uid] = workload if owner is None else _workload(owner)


def _workload(owner: OwnerReference) -> OwningWorkload:
    return OwningWorkload(kind=owner.kind, name=owner.name, api_version=owner.api_version, uid=owner.uid)
