"""The exceptions of the cluster: followed, given to the policies' snapshot, reported in their status and in Events.

A reflector reads and compiles them object by object, so that never all of them are in memory as JSON. While the API server
sends nothing, the last exceptions stay for MAX_AGE_SECONDS. What is invalid, or more than there is room for, excepts nothing.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Final

import structlog

from tidegate.cluster.api import KubernetesApi
from tidegate.cluster.exception_events import EndNotices
from tidegate.cluster.exception_objects import ListedException, read_exception
from tidegate.cluster.objects import WatchedObjects, utc_now
from tidegate.cluster.policies import WatchedPolicies
from tidegate.cluster.reflector import Reflector
from tidegate.cluster.resync import RESYNC_SECONDS
from tidegate.policy.exception_object import KIND, NAMESPACED_KIND, NAMESPACED_PLURAL, PLURAL
from tidegate.policy.exceptions import (
    AnyException,
    ExceptionState,
    ImagePolicyException,
    in_force,
    notice_at,
    state_of,
)
from tidegate.policy.model import ImagePolicy
from tidegate.policy.objects import GROUP, VERSION
from tidegate.policy.snapshot import PolicySnapshot

PUBLISH_SECONDS: Final = 0.1
"""Wait from a change to its publication, so that a burst of changes is one."""
MAX_AGE_SECONDS: Final = 3600.0
"""How long exceptions stay in force while the API server sends nothing: one that was deleted must end."""
MIN_WAKE_SECONDS: Final = 0.5
"""Shortest time to a refresh that only the passing of time causes."""
MAX_KEPT_OF_CLUSTER: Final = 2_000
"""Objects of the cluster that are kept, first come, first served; those that have ended and say so are not."""
MAX_KEPT_OF_NAMESPACE: Final = 100
MAX_KEPT_BYTES: Final = 16 * 1024 * 1024
"""Bytes of the specs of all objects that are kept."""
_MAX_LOGGED = 50
"""Exceptions that a log line names."""

_log = structlog.get_logger(__name__)


class KeptExceptions:
    """The objects of one kind, bounded in number and bytes."""

    def __init__(self) -> None:
        self._kept: dict[str, ListedException] = {}
        self._counts: dict[str | None, int] = {}
        self._bytes = 0
        self.left_out: set[str] = set()
        """Keys of objects that there was no room for."""

    def values(self) -> Sequence[ListedException]:
        """Return all objects that are kept."""
        return list(self._kept.values())

    def put(self, key: str, obj: ListedException, now: datetime) -> None:
        """Keep an object if there is room for it; one that has not changed keeps its exception as it is."""
        before = self._kept.get(key)
        self.drop(key)
        if obj.ends_at(now) and obj.is_finished:
            return
        home = obj.exception.namespace
        most = MAX_KEPT_OF_CLUSTER if home is None else MAX_KEPT_OF_NAMESPACE
        if self._counts.get(home, 0) >= most or self._bytes + obj.size > MAX_KEPT_BYTES:
            self.left_out.add(key)
            return
        if before is not None and _identity(before) == _identity(obj):
            obj = ListedException(exception=before.exception, metadata=obj.metadata, status=obj.status, size=obj.size)
        self._kept[key] = obj
        self._counts[home] = self._counts.get(home, 0) + 1
        self._bytes += obj.size

    def drop(self, key: str) -> None:
        """Forget an object."""
        self.left_out.discard(key)
        found = self._kept.pop(key, None)
        if found is None:
            return
        home = found.exception.namespace
        self._counts[home] -= 1
        if not self._counts[home]:
            del self._counts[home]
        self._bytes -= found.size


class WatchedExceptions(WatchedObjects):
    """Follows the exceptions of one kind: the sink of its reflector, which runs beside it.

    ``policies`` gives the present policies, for the statuses.
    """

    def __init__(
        self,
        api: KubernetesApi,
        *,
        kind: str = KIND,
        every_seconds: float = RESYNC_SECONDS,
        now: Callable[[], datetime] = utc_now,
        writes_statuses: bool = True,
    ) -> None:
        self._plural = PLURAL if kind == KIND else NAMESPACED_PLURAL
        path = f"/apis/{GROUP}/{VERSION}/{self._plural}"
        super().__init__(
            f"{kind} objects", api, path, every_seconds=every_seconds, now=now, writes_statuses=writes_statuses
        )
        self.kind = kind
        self.reflector = Reflector(f"{kind} objects", api, path, decode=partial(read_exception, kind=kind), sink=self)
        self.policies: Callable[[], PolicySnapshot] = PolicySnapshot.unsynced
        self.on_change: Callable[[], None] | None = None
        """Called when the exceptions in force have changed."""
        self._every_seconds = every_seconds
        self._kept = KeptExceptions()
        self._in_force: tuple[ImagePolicyException, ...] = ()
        self._notices = EndNotices(api, kind)
        self._publishing: asyncio.TimerHandle | None = None
        self._waking: asyncio.TimerHandle | None = None
        self._logged_left_out = 0

    @property
    def is_read(self) -> bool:
        """Tell whether the exceptions were read, or could not be read, at least once."""
        return self.reflector.synced or self.reflector.failures > 0

    @property
    def _is_fresh(self) -> bool:
        """Tell whether a complete list was taken, and the API server sent something in the last MAX_AGE_SECONDS."""
        return self.reflector.age_seconds <= MAX_AGE_SECONDS

    @property
    def left_out(self) -> int:
        """Return how many objects are not kept, because there are too many of them."""
        return len(self._kept.left_out)

    def current(self) -> tuple[ImagePolicyException, ...]:
        """Return the exceptions in force, the same tuple until one changes or ends."""
        return self._in_force

    def states(self) -> Sequence[tuple[AnyException, ExceptionState]]:
        """Return every exception that is kept with its present state."""
        return [(one.exception, state) for one, state, _ in self._judged(self._now())]

    def put(self, key: str, obj: ListedException, /) -> None:
        """Take a new, changed or repeated object."""
        self._kept.put(key, obj, self._now())
        self._changed()

    def drop(self, key: str, /) -> None:
        """Forget an object."""
        self._kept.drop(key)
        self._changed()

    def listed(self) -> None:
        """Take note that all objects were put."""
        self._changed()

    def _changed(self) -> None:
        """Publish soon. Statuses follow when that is done."""
        if self._publishing is None:
            self._publishing = asyncio.get_running_loop().call_later(PUBLISH_SECONDS, self.publish)

    def publish(self) -> None:
        """Publish the exceptions that are in force now, and report a change."""
        if self._publishing is not None:
            self._publishing.cancel()
            self._publishing = None
        self._take()
        self.mark_dirty()

    async def _refresh(self) -> None:
        """Write what changed, or what time has changed."""
        if self._in_force and not self._is_fresh:
            _log.warning("exceptions end, because they cannot be read", kind=self.kind, exceptions=len(self._in_force))
        self._take()
        now = self._now()
        self._wake_at_next_change(now)
        # Otherwise an exception only seems to have no effect. What comes meanwhile is for the next refresh.
        judged = self._judged(now) if self._is_fresh and self.policies().synced else ()
        if self._writes_statuses:
            # Before the statuses, which may be many: a short exception ends soon after its notice.
            await self._notices.tell(self._in_force, now)
        if judged:
            await self._write_statuses(
                (_name(one), one.metadata.uid, one.status_patch(state, message, now)) for one, state, message in judged
            )
        if self.left_out != self._logged_left_out:
            self._logged_left_out = self.left_out
            _log.warning("too many exceptions are left out", kind=self.kind, left_out=self.left_out)

    def _take(self) -> None:
        kept = self._kept.values() if self._is_fresh else ()
        found = in_force((one.exception for one in kept), self._now())
        if found == self._in_force:
            return
        self._in_force = found
        _log.info("exceptions in force", kind=self.kind, exceptions=[one.label for one in found[:_MAX_LOGGED]])
        if self.on_change is not None:
            self.on_change()

    def _judged(self, now: datetime) -> Sequence[tuple[ListedException, ExceptionState, str]]:
        policies = {one.name: one for one in self.policies().policies if isinstance(one, ImagePolicy)}
        active = frozenset(self._in_force)
        return [
            (one, *state_of(one.exception, policies, now, is_in_force=one.exception in active))
            for one in self._kept.values()
        ]

    def _wake_at_next_change(self, now: datetime) -> None:
        """Refresh when the next exception ends, or is to be announced, if that is before the next regular refresh."""
        moments = [moment for one in self._in_force for moment in (notice_at(one), one.expires_at) if moment > now]
        if self._waking is not None:
            self._waking.cancel()
            self._waking = None
        if moments:
            seconds = max(MIN_WAKE_SECONDS, (min(moments) - now).total_seconds())
            if seconds < self._every_seconds:
                self._waking = asyncio.get_running_loop().call_later(seconds, self.mark_dirty)

    def _object_path(self, name: str) -> str:
        namespace, _, plain = name.rpartition("/")
        if not namespace:
            return super()._object_path(name)
        return f"/apis/{GROUP}/{VERSION}/namespaces/{namespace}/{self._plural}/{plain}"


class AllExceptions:
    """The exceptions of both kinds, as the policies' snapshot takes them."""

    def __init__(
        self,
        api: KubernetesApi,
        *,
        every_seconds: float = RESYNC_SECONDS,
        now: Callable[[], datetime] = utc_now,
        writes_statuses: bool = True,
    ) -> None:
        self.kinds = [
            WatchedExceptions(api, kind=kind, every_seconds=every_seconds, now=now, writes_statuses=writes_statuses)
            for kind in (KIND, NAMESPACED_KIND)
        ]
        self._parts: tuple[tuple[ImagePolicyException, ...], ...] = ()
        self._whole: tuple[ImagePolicyException, ...] = ()

    def notify(self, changed: Callable[[], None]) -> None:
        """Call ``changed`` whenever exceptions were added, changed, removed, or have ended."""
        for one in self.kinds:
            one.on_change = changed

    def is_read(self) -> bool:
        """Tell whether each kind was read, or could not be read, at least once."""
        return all(one.is_read for one in self.kinds)

    def current(self) -> tuple[ImagePolicyException, ...]:
        """Return the exceptions in force, the same tuple until one changes or ends."""
        parts = tuple(one.current() for one in self.kinds)
        if len(parts) != len(self._parts) or any(a is not b for a, b in zip(parts, self._parts, strict=True)):
            self._parts, self._whole = parts, tuple(one for part in parts for one in part)
        return self._whole

    def states(self) -> Sequence[tuple[AnyException, ExceptionState]]:
        """Return every exception that is kept with its present state."""
        return [pair for one in self.kinds for pair in one.states()]

    def left_out(self) -> int:
        """Return how many objects are not kept, because there are too many of them."""
        return sum(one.left_out for one in self.kinds)

    def follow(self, policies: WatchedPolicies) -> None:
        """Judge by these policies whether an exception has an effect, and write the statuses again when they change."""
        policies.on_change = self.mark_dirty
        for one in self.kinds:
            one.policies = policies.current

    def mark_dirty(self) -> None:
        """Write the statuses anew soon."""
        for one in self.kinds:
            one.mark_dirty()


def _identity(one: ListedException) -> tuple[str, int]:
    return one.metadata.uid, one.metadata.generation


def _name(one: ListedException) -> str:
    return one.exception.name if one.exception.namespace is None else f"{one.exception.namespace}/{one.exception.name}"
