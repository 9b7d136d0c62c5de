"""Watched custom resources: listed as a whole, with their statuses written after each list."""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import structlog

from tidegate.cluster.api import CONFLICT, NOT_FOUND, ApiError, KubernetesApi
from tidegate.cluster.resync import Resynced
from tidegate.cluster.status import content_of

MAX_STATUS_WRITES: Final = 100
"""Status patches after one list; the rest follows after the next list."""
MAX_REPEATS: Final = 3
"""How often the same status of an object is written within REPEAT_SECONDS.

Replicas that know different things, such as a key that only one of them could read, overwrite each other's status.
"""
REPEAT_SECONDS: Final = 60.0
MAX_CONFLICTS: Final = 10
"""Writes within REPEAT_SECONDS that do not count, because another client was faster."""
MIN_PAUSE_SECONDS: Final = 0.1

_log = structlog.get_logger(__name__)


def utc_now() -> datetime:
    """Return the wall clock's time."""
    return datetime.now(UTC)


@dataclass(slots=True)
class _StatusWrite:
    """A status of an object, when it was first written (monotonic seconds), and how often since then."""

    uid: str
    content: Mapping[str, Any]
    since: float
    times: int = 0
    conflicts: int = 0


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
        self._written: dict[str, _StatusWrite] = {}
        self._writing_later: asyncio.TimerHandle | None = None
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

    async def _write_statuses(self, patches: Iterable[tuple[str, str, Mapping[str, Any] | None]]) -> None:
        """Patch the status of each object, by name and uid; None means that the status is already true.

        ``patches`` are about all objects. A failed write is logged, and repeated after the next list or later.
        """
        if not self._writes_statuses:
            return
        whole = {name: (uid, patch) for name, uid, patch in patches}
        now = time.monotonic()
        self._written = {
            name: written
            for name, written in self._written.items()
            if name in whole and now - written.since < REPEAT_SECONDS
        }
        wanted = [
            (name, patch, self._note(name, uid, patch, now))
            for name, (uid, patch) in whole.items()
            if patch is not None
        ]
        due = [one for one in wanted if one[2].times < MAX_REPEATS]
        for name, patch, written in due[:MAX_STATUS_WRITES]:
            written.times += 1
            try:
                await self._api.merge_patch(f"{self._object_path(name)}/status", patch)
            except ApiError as error:
                # Another replica was faster, or the object was deleted: the next list shows what remains to be written.
                if error.status == CONFLICT and written.conflicts < MAX_CONFLICTS:
                    written.times -= 1
                    written.conflicts += 1
                elif error.status != NOT_FOUND:
                    _log.warning("cannot update a status", path=self._path, name=name, error=str(error))
        if len(due) > MAX_STATUS_WRITES:
            self.mark_dirty()
        self._write_later([written.since for _, _, written in wanted if written.times >= MAX_REPEATS])

    def _note(self, name: str, uid: str, patch: Mapping[str, Any], now: float) -> _StatusWrite:
        """Return the record of this status of this object."""
        content, written = content_of(patch), self._written.get(name)
        if written is None or (written.uid, written.content) != (uid, content):
            written = self._written[name] = _StatusWrite(uid, content, now)
        return written

    def _write_later(self, times: Sequence[float]) -> None:
        """List again as soon as one of the statuses that were written too often, since these times, may be written again."""
        if self._writing_later is not None:
            self._writing_later.cancel()
            self._writing_later = None
        if times:
            seconds = max(MIN_PAUSE_SECONDS, min(times) + REPEAT_SECONDS - time.monotonic())
            self._writing_later = asyncio.get_running_loop().call_later(seconds, self.mark_dirty)

    def _object_path(self, name: str) -> str:
        return f"{self._path}/{name}"
