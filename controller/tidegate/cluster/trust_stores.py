"""The trust stores of the cluster: listed, their content read and compiled, then reported in each one's status.

A watch event only triggers the next list. ConfigMaps are not watched: they are read again with every list. If the
TrustStore resource does not exist, there are no trust stores, and authorities that name one are undetermined, which never
allows an image.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Protocol

import structlog

from tidegate.cluster.api import NOT_FOUND, ApiError, KubernetesApi
from tidegate.cluster.objects import WatchedObjects, utc_now
from tidegate.cluster.resync import RESYNC_SECONDS
from tidegate.cluster.trust_config_maps import read_config_map
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
from tidegate.trust.trusted_roots import ExpiredRootError

TRUST_STORES_PATH: Final = f"/apis/{GROUP}/{VERSION}/{PLURAL}"
READS_AT_ONCE: Final = 4
"""ConfigMaps read at once, fewer than the API client has threads, so that lists never wait for them."""

_log = structlog.get_logger(__name__)


class TrustedRoots(Protocol):
    """Fetches trusted roots in the background."""

    def want(self, names: Iterable[TufRepository], /) -> None:
        """Keep the trusted roots of these repositories, and forget all others."""
        ...

    def is_answered(self) -> bool:
        """Tell whether each of them was fetched, or could not be."""
        ...

    def content(self, repository: TufRepository) -> Content:
        """Return what was last fetched; raise PolicyError if nothing was fetched yet, or it has expired."""
        ...


class WatchedTrustStores(WatchedObjects):
    """Keeps the trust stores as values. A ConfigMap without a namespace is read from ``namespace``."""

    def __init__(
        self,
        api: KubernetesApi,
        *,
        namespace: str | None,
        roots: TrustedRoots | None = None,
        every_seconds: float = RESYNC_SECONDS,
        now: Callable[[], datetime] = utc_now,
        writes_statuses: bool = True,
    ) -> None:
        super().__init__(
            "trust stores",
            api,
            TRUST_STORES_PATH,
            every_seconds=every_seconds,
            now=now,
            writes_statuses=writes_statuses,
        )
        self._namespace = namespace
        self._reading = asyncio.Semaphore(READS_AT_ONCE)
        self._roots = roots
        self._compiled: dict[str, tuple[StoreObject, Content, CompiledStore]] = {}
        self._stores: tuple[AnyTrustStore, ...] | None = None
        self._awaits_roots = False
        self.on_change: Callable[[], None] | None = None
        """Called when a trust store or its content has changed."""

    def current(self) -> tuple[AnyTrustStore, ...] | None:
        """Return the trust stores by name, the same objects until one changes; None before the first list."""
        return self._stores

    def is_read(self) -> bool:
        """Tell whether the trust stores were listed, and no trusted root of them was still to be fetched then."""
        return self._stores is not None and not self._awaits_roots

    async def _refresh(self) -> None:
        objects = sorted(await self._list(), key=lambda one: str(one["metadata"]["name"]))
        read = [read_trust_store(one) for one in objects]
        self._want(read)
        awaits_roots = self._roots is not None and not self._roots.is_answered()
        compiled = await asyncio.gather(*(self._compile(index, one) for index, one in enumerate(read)))
        self._awaits_roots = awaits_roots
        self._take(compiled)
        now = self._now()
        await self._write_statuses(
            (made.store.name, made.store.uid, status_patch(one, made, now))
            for one, made in zip(objects, compiled, strict=True)
        )

    async def _list(self) -> Sequence[Mapping[str, Any]]:
        was_missing = self._missing
        try:
            return await super()._list()
        except ApiError as error:
            if error.status != NOT_FOUND:
                raise
            if not was_missing:
                _log.warning("the TrustStore CRD is missing: install the chart's CRDs", error=str(error))
            return []

    def _want(self, read: Sequence[StoreObject | BrokenTrustStore]) -> None:
        if self._roots is not None:
            sources = (one.source for one in read[:MAX_STORES] if isinstance(one, StoreObject))
            self._roots.want(frozenset(source for source in sources if isinstance(source, TufRepository)))

    async def _compile(self, index: int, obj: StoreObject | BrokenTrustStore) -> CompiledStore:
        """Return the trust store with its present content; the same object as before if nothing has changed."""
        if isinstance(obj, BrokenTrustStore):
            return CompiledStore(store=obj)
        if index >= MAX_STORES:
            return broken_store(obj, (f"there are more than {MAX_STORES} trust stores: remove some",))
        before = self._before(obj)
        try:
            content = await self._content(obj)
        except ExpiredRootError as error:
            return broken_store(obj, error.problems, error.refreshed_at)
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
        """Return what was last compiled from an object with the same generation, name, type and source."""
        found = self._compiled.get(obj.uid)
        if found is None:
            return None
        same = (found[0].name, found[0].generation, found[0].type, found[0].source)
        return found if same == (obj.name, obj.generation, obj.type, obj.source) else None

    async def _content(self, obj: StoreObject) -> Content:
        if isinstance(obj.source, ConfigMapSource):
            async with self._reading:
                return await read_config_map(self._api, obj.source, self._namespace)
        if isinstance(obj.source, TufRepository):
            if self._roots is None:
                raise PolicyError(("this process fetches no trusted roots",))
            return self._roots.content(obj.source)
        content = inline_content(obj.source)
        assert content is not None
        return content

    def _take(self, compiled: Sequence[CompiledStore]) -> None:
        """Publish the trust stores and report a change."""
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


def _same(before: tuple[AnyTrustStore, ...], after: tuple[AnyTrustStore, ...]) -> bool:
    """Tell whether trust stores are the same objects. Broken ones are new objects each time, so their fields are compared."""

    def identity(store: AnyTrustStore) -> object:
        if isinstance(store, BrokenTrustStore):
            return store.name, store.uid, store.generation, store.problems
        return id(store)

    return [*map(identity, before)] == [*map(identity, after)]
