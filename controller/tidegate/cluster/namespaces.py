"""The labels of the cluster's namespaces: updated by watch events, and corrected by a list at regular intervals.

The labels of a namespace that was created a moment ago, and is not known yet, are read from the API server.
"""

import asyncio
import re
import time
from collections.abc import Mapping
from typing import Final

import structlog

from tidegate.cluster.api import ApiError, KubernetesApi
from tidegate.cluster.resync import RESYNC_SECONDS, Resynced

NAMESPACES_PATH: Final = "/api/v1/namespaces"
FETCH_SECONDS: Final = 5.0
"""Longest time of a live read, whatever the deadlines of the requests that wait for it."""
MAX_FETCHES: Final = 64
"""Namespaces in live reads at once. Labels of further ones count as unknown, which makes more policies match."""
FETCHES_AT_ONCE: Final = 4
"""Live reads that run at once, fewer than the API client has threads, so that lists never wait for them."""
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")

_log = structlog.get_logger(__name__)


class WatchedNamespaces(Resynced):
    """Implements the reviewer's NamespaceSource. A mapping of labels is never changed, only replaced."""

    def __init__(self, api: KubernetesApi, *, every_seconds: float = RESYNC_SECONDS) -> None:
        self._api = api
        self._labels: dict[str, Mapping[str, str]] = {}
        self._told_meanwhile: set[str] = set()
        self._lists = 0
        """Lists begun and ended: odd while a list is running."""
        self._asking: set[str] = set()
        """Namespaces in a live read, of which no watch event has come since it began."""
        self._fetches: dict[str, asyncio.Task[Mapping[str, str] | None]] = {}
        self._fetching = asyncio.Semaphore(FETCHES_AT_ONCE)
        super().__init__("namespaces", every_seconds=every_seconds)

    def __len__(self) -> int:
        """Return the number of known namespaces."""
        return len(self._labels)

    def labels(self, name: str) -> Mapping[str, str] | None:
        """Return the labels, or None if the namespace is not known here."""
        return self._labels.get(name)

    def told(self, name: str, labels: Mapping[str, str] | None) -> None:
        """Store the labels of a watch event; None means that the namespace was deleted."""
        self._told_meanwhile.add(name)
        self._asking.discard(name)
        self._put(name, labels)

    async def fetch_labels(self, name: str, *, deadline: float) -> Mapping[str, str] | None:
        """Read the labels from the API server; None if it does not answer by the deadline (monotonic seconds).

        Concurrent requests for a namespace share one read, which continues if the first request ends.
        """
        if _NAME.fullmatch(name) is None:
            return None
        task = self._fetches.get(name)
        if task is None:
            if len(self._fetches) >= MAX_FETCHES:
                return None
            task = self._fetches[name] = asyncio.create_task(self._fetch(name), name=f"labels of namespace {name}")
            task.add_done_callback(lambda _: self._fetches.pop(name, None))
        try:
            async with asyncio.timeout(deadline - time.monotonic()):
                return await asyncio.shield(task)
        except TimeoutError:
            return None

    async def _fetch(self, name: str) -> Mapping[str, str] | None:
        """Read one namespace by a list, which needs no permission to get namespaces."""
        try:
            async with asyncio.timeout(FETCH_SECONDS), self._fetching:
                if (known := self._labels.get(name)) is not None:
                    return known
                self._asking.add(name)
                lists = self._lists
                found = await self._api.list_metadata(
                    NAMESPACES_PATH, field_selector=f"metadata.name={name}", seconds=FETCH_SECONDS
                )
                if len(found) != 1 or found[0].name != name:
                    return None
                if name in self._asking:
                    # No watch event came since the read began. A list that was read meanwhile may be older or newer than
                    # this response; the next list shows which of them is right.
                    self.told(name, found[0].labels)
                    if lists % 2 or self._lists != lists:
                        self.mark_dirty()
                return self._labels.get(name)
        except (ApiError, TimeoutError) as error:
            _log.warning("cannot read a namespace's labels", namespace=name, error=str(error) or "no answer in time")
            return None
        finally:
            self._asking.discard(name)

    async def _refresh(self) -> None:
        self._told_meanwhile.clear()
        self._lists += 1
        try:
            listed = await self._api.list_metadata(NAMESPACES_PATH)
        finally:
            self._lists += 1
        # Watch events that came while the list was read may be newer than the list.
        for one in listed:
            if one.name not in self._told_meanwhile:
                self._asking.discard(one.name)
                self._put(one.name, one.labels)
        kept = {one.name for one in listed} | self._told_meanwhile
        for name in [name for name in self._labels if name not in kept]:
            del self._labels[name]

    def _put(self, name: str, labels: Mapping[str, str] | None) -> None:
        if labels is None:
            self._labels.pop(name, None)
        elif self._labels.get(name) != labels:
            self._labels[name] = dict(labels)
