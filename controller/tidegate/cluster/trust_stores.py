"""The trust stores of the cluster: listed, their content read and judged, then told in each one's status.

Events of a watch only ask for the next list; ConfigMaps are read again with every list, and are not watched. Until the
first list succeeded nothing is known. That there is no such resource means that there are no trust stores: whatever
relies on one is then undetermined, so nothing is let in by that.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Protocol

import structlog

from tidegate.cluster.api import NOT_FOUND, ApiError, KubernetesApi
from tidegate.cluster.resync import RESYNC_SECONDS, Resynced
from tidegate.cluster.status_writing import write_statuses
from tidegate.cluster.trust_config_maps import ConfigMaps
from tidegate.cluster.trust_status import status_patch
from tidegate.errors import PolicyError
from tidegate.policy.objects import GROUP, VERSION
from tidegate.policy.trust_store_object import (
    MAX_STORES,
    PLURAL,
    ConfigMapSource,
    StoreObject,
    TufRepository,
    read_trust_store,
)
from tidegate.policy.trust_stores import AnyTrustStore, BrokenTrustStore
from tidegate.trust.store_content import CompiledStore, Content, broken_store, compile_store, inline_content

TRUST_STORES_PATH: Final = f"/apis/{GROUP}/{VERSION}/{PLURAL}"
READS_AT_ONCE: Final = 4
"""ConfigMaps read at one time, so that lists always find a thread."""

_log = structlog.get_logger(__name__)


class TrustedRoots(Protocol):
    """Fetches trusted roots in the background."""

    def want(self, repositories: frozenset[TufRepository]) -> None:
        """Say which repositories there are to be fetched from, and no others."""
        ...

    def content(self, repository: TufRepository) -> Content:
        """Return what was last fetched; raise PolicyError where nothing could be yet."""
        ...


def _utc_now() -> datetime:
    return datetime.now(UTC)


class WatchedTrustStores(Resynced):
    """Keeps the trust stores as values. ``namespace`` is where ConfigMaps are that name none."""

    def __init__(
        self,
        api: KubernetesApi,
        *,
        namespace: str | None,
        roots: TrustedRoots | None = None,
        every_seconds: float = RESYNC_SECONDS,
        now: Callable[[], datetime] = _utc_now,
    ) -> None:
        self._api = api
        self._config_maps = ConfigMaps(api, namespace)
        self._reading = asyncio.Semaphore(READS_AT_ONCE)
        self._roots = roots
        self._now = now
        self._compiled: dict[str, tuple[StoreObject, Content, CompiledStore]] = {}
        self._stores: tuple[AnyTrustStore, ...] | None = None
        self._missing = False
        self.on_change: Callable[[], None] | None = None
        """Called when a trust store or its content has changed."""
        self.on_return: Callable[[], None] | None = None
        """Called when trust stores can be listed after the resource was not there."""
        super().__init__("trust stores", every_seconds=every_seconds)

    def current(self) -> tuple[AnyTrustStore, ...] | None:
        """Return the trust stores by name; the same objects for as long as nothing changes. None before the first list."""
        return self._stores

    async def _refresh(self) -> None:
        objects = sorted(await self._list(), key=lambda one: str(one["metadata"]["name"]))
        read = [read_trust_store(one) for one in objects]
        self._want(read)
        compiled = await asyncio.gather(*(self._compile(index, one) for index, one in enumerate(read)))
        self._take(compiled)
        await self._write_status(objects, compiled)

    async def _list(self) -> Sequence[Mapping[str, Any]]:
        try:
            objects = await self._api.list_objects(TRUST_STORES_PATH)
        except ApiError as error:
            if error.status != NOT_FOUND:
                raise
            if not self._missing:
                _log.warning("the TrustStore CRD is missing: install the chart's CRDs", error=str(error))
            self._missing = True
            return []
        if self._missing and self.on_return is not None:
            self.on_return()
        self._missing = False
        return objects

    def _want(self, read: Sequence[StoreObject | BrokenTrustStore]) -> None:
        if self._roots is not None:
            sources = (one.source for one in read[:MAX_STORES] if isinstance(one, StoreObject))
            self._roots.want(frozenset(source for source in sources if isinstance(source, TufRepository)))

    async def _compile(self, index: int, obj: StoreObject | BrokenTrustStore) -> CompiledStore:
        """Return the trust store with the content that it has now; the one before where nothing has changed."""
        if isinstance(obj, BrokenTrustStore):
            return CompiledStore(store=obj)
        if index >= MAX_STORES:
            return broken_store(obj, (f"there are more than {MAX_STORES} trust stores: remove some",))
        before = self._before(obj)
        try:
            content = await self._content(obj)
        except PolicyError as error:
            return broken_store(obj, error.problems)
        except ApiError as error:
            _log.warning("cannot read a trust store's ConfigMap", trust_store=obj.name, error=str(error))
            if before is not None:
                return before[2]
            return broken_store(obj, ("the ConfigMap could not be read, because the API server did not answer",))
        if before is not None and before[1] == content:
            return before[2]
        compiled = await asyncio.to_thread(compile_store, obj, content)
        self._compiled[obj.uid] = (obj, content, compiled)
        return compiled

    def _before(self, obj: StoreObject) -> tuple[StoreObject, Content, CompiledStore] | None:
        """Return what was last made of this very object, name, type and source included."""
        found = self._compiled.get(obj.uid)
        if found is None:
            return None
        same = (found[0].name, found[0].generation, found[0].type, found[0].source)
        return found if same == (obj.name, obj.generation, obj.type, obj.source) else None

    async def _content(self, obj: StoreObject) -> Content:
        if isinstance(obj.source, ConfigMapSource):
            async with self._reading:
                return await self._config_maps.read(obj.source)
        if isinstance(obj.source, TufRepository):
            if self._roots is None:
                raise PolicyError(("this process fetches no trusted roots",))
            return self._roots.content(obj.source)
        content = inline_content(obj.source)
        assert content is not None
        return content

    def _take(self, compiled: Sequence[CompiledStore]) -> None:
        """Swap, and tell of it, unless nothing has changed."""
        kept = {one.store.uid for one in compiled}
        self._compiled = {uid: entry for uid, entry in self._compiled.items() if uid in kept}
        stores = tuple(one.store for one in compiled)
        if self._stores is not None and _same(self._stores, stores):
            return
        self._stores = stores
        broken = [store.name for store in stores if isinstance(store, BrokenTrustStore)]
        _log.info("trust stores in force", trust_stores=len(stores), broken=broken)
        if self.on_change is not None:
            self.on_change()

    async def _write_status(self, objects: Sequence[Mapping[str, Any]], compiled: Sequence[CompiledStore]) -> None:
        """Tell each trust store what became of it."""
        now = self._now()
        patches = [(made.store.name, status_patch(one, made, now)) for one, made in zip(objects, compiled, strict=True)]
        if not await write_statuses(self._api, TRUST_STORES_PATH, patches):
            self.mark_dirty()


def _same(before: tuple[AnyTrustStore, ...], after: tuple[AnyTrustStore, ...]) -> bool:
    """Tell whether trust stores are the same objects; broken ones, which are made anew each time, say the same."""
    return len(before) == len(after) and all(
        one is other
        or (
            isinstance(one, BrokenTrustStore)
            and isinstance(other, BrokenTrustStore)
            and (one.name, one.uid, one.generation, one.problems)
            == (other.name, other.uid, other.generation, other.problems)
        )
        for one, other in zip(before, after, strict=True)
    )
