"""The labels of the cluster's namespaces: told by watch events at once, corrected by a list in regular time.

A namespace that is not known here, since it was made a moment ago, is asked for live.
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
"""Longest live question, whatever the deadlines of those who wait for it."""
MAX_FETCHES: Final = 64
"""Namespaces asked for at one time; beyond it their labels count as unknown, which only makes policies match."""
FETCHES_AT_ONCE: Final = 4
"""Threads that live questions may hold, so that lists always find one."""
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")

_log = structlog.get_logger(__name__)


class WatchedNamespaces(Resynced):
    """Implements the reviewer's NamespaceSource. A labels object is never changed, only replaced by an unequal one."""

    def __init__(self, api: KubernetesApi, *, every_seconds: float = RESYNC_SECONDS) -> None:
        self._api = api
        self._labels: dict[str, Mapping[str, str]] = {}
        self._told_meanwhile: set[str] = set()
        self._lists = 0
        """Lists begun and ended: odd while one is under way."""
        self._asking: set[str] = set()
        """Namespaces that are asked for live, and of which nothing was told since the question."""
        self._fetches: dict[str, asyncio.Task[Mapping[str, str] | None]] = {}
        self._fetching = asyncio.Semaphore(FETCHES_AT_ONCE)
        super().__init__("namespaces", every_seconds=every_seconds)

    def __len__(self) -> int:
        """Return the number of namespaces known."""
        return len(self._labels)

    def labels(self, name: str) -> Mapping[str, str] | None:
        """Return the labels, or None when they are unknown."""
        return self._labels.get(name)

    def told(self, name: str, labels: Mapping[str, str]) -> None:
        """Take the labels that a watch event carries."""
        self._told_meanwhile.add(name)
        self._asking.discard(name)
        self._put(name, labels)

    def told_gone(self, name: str) -> None:
        """Forget a namespace whose deletion a watch event tells."""
        self._told_meanwhile.add(name)
        self._asking.discard(name)
        self._labels.pop(name, None)

    async def fetch_labels(self, name: str, *, deadline: float) -> Mapping[str, str] | None:
        """Ask the API server for the labels; None when it does not say by the deadline (monotonic seconds).

        Those who ask for one namespace at one time share one question, which outlives the one who asked first.
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
        """Ask by a list of one: the right to list namespaces is there, and a right to get would be one more."""
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
                    # Nothing was told since the question. A list that was read meanwhile may be older or newer than the
                    # answer: which of them is right, the next list shows.
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
        # What a watch told while the list was read may be newer than the list, and what it told gone is gone.
        for one in listed:
            if one.name not in self._told_meanwhile:
                self._asking.discard(one.name)
                self._put(one.name, one.labels)
        kept = {one.name for one in listed} | self._told_meanwhile
        for name in [name for name in self._labels if name not in kept]:
            del self._labels[name]

    def _put(self, name: str, labels: Mapping[str, str]) -> None:
        if self._labels.get(name) != labels:
            self._labels[name] = dict(labels)
