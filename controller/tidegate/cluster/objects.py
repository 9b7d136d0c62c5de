"""Watched custom resources: listed as a whole, with their statuses written after each list."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import structlog

from tidegate.cluster.api import CONFLICT, NOT_FOUND, ApiError, KubernetesApi
from tidegate.cluster.resync import Resynced
from tidegate.cluster.status import told_by

MAX_STATUS_WRITES: Final = 100
"""Status patches after one list; the rest follows after the next list."""
MAX_REPEATS: Final = 3
"""How often the same status of an object is written within REPEAT_SECONDS.

Replicas that know different things, such as a key that only one of them could read, overwrite each other's status.
"""
REPEAT_SECONDS: Final = 60.0

_log = structlog.get_logger(__name__)


def utc_now() -> datetime:
    """Return the wall clock's time."""
    return datetime.now(UTC)


@dataclass(slots=True)
class _Written:
    """A status that was written, when it was first (monotonic seconds), and how often since then."""

    told: Mapping[str, Any]
    since: float
    times: int = 0


class WatchedObjects(Resynced):
    """Lists all objects of a resource at ``path`` and patches their statuses, unless another role does.

    ``on_return`` is called when the resource can be listed again after the API server did not know it.
    """

    def __init__(
        self,
        what: str,
        api: KubernetesApi,
        path: str,
        *,
        every_seconds: float,
        now: Callable[[], datetime],
        writes_statuses: bool = True,
    ) -> None:
        super().__init__(what, every_seconds=every_seconds)
        self._api = api
        self._path = path
        self._now = now
        self._writes_statuses = writes_statuses
        self._missing = False
        self._written: dict[str, _Written] = {}
        self.on_return: Callable[[], None] | None = None

    async def _list(self) -> Sequence[Mapping[str, Any]]:
        """Return all objects; raise ApiError, with status 404 if the API server does not know the resource."""
        try:
            objects = await self._api.list_objects(self._path)
        except ApiError as error:
            self._missing = self._missing or error.status == NOT_FOUND
            raise
        if self._missing and self.on_return is not None:
            self.on_return()
        self._missing = False
        return objects

    async def _write_statuses(self, patches: Iterable[tuple[str, Mapping[str, Any] | None]]) -> None:
        """Patch the status of each named object; None means that the status is already true.

        ``patches`` are about all objects. A failed write is logged and repeated after the next list.
        """
        if not self._writes_statuses:
            return
        whole = dict(patches)
        self._written = {name: written for name, written in self._written.items() if name in whole}
        wanted = [(name, patch) for name, patch in whole.items() if patch is not None and self._may_write(name, patch)]
        for name, patch in wanted[:MAX_STATUS_WRITES]:
            try:
                await self._api.merge_patch(f"{self._object_path(name)}/status", patch)
                self._written[name].times += 1
            except ApiError as error:
                # Another replica was faster, or the object was deleted: the next list shows what remains to be written.
                if error.status not in (CONFLICT, NOT_FOUND):
                    _log.warning("cannot update a status", path=self._path, name=name, error=str(error))
        if len(wanted) > MAX_STATUS_WRITES:
            self.mark_dirty()

    def _may_write(self, name: str, patch: Mapping[str, Any]) -> bool:
        """Tell whether this status was not written too often already."""
        told, now = told_by(patch), time.monotonic()
        written = self._written.get(name)
        if written is None or written.told != told or now - written.since >= REPEAT_SECONDS:
            written = self._written[name] = _Written(told, now)
        return written.times < MAX_REPEATS

    def _object_path(self, name: str) -> str:
        return f"{self._path}/{name}"
