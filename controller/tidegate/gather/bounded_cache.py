"""Caches bounded in entries, and in bytes all together: the largest one drops what it used least recently.

Safe to use from several threads; a ``Budget`` is used from one.
"""

from collections.abc import Callable
from threading import RLock
from typing import Any, Generic, TypeVar

DEFAULT_BYTES = 96 * 1024 * 1024
"""What all caches of facts may take, unless the settings say otherwise."""

K = TypeVar("K")
E = TypeVar("E")


class Budget:
    """Bounds the bytes of several caches together."""

    def __init__(self, limit: int = DEFAULT_BYTES) -> None:
        self._limit = limit
        self._caches: list[BoundedCache[Any, Any]] = []

    def add(self, cache: "BoundedCache[Any, Any]") -> None:
        """Count a cache."""
        self._caches.append(cache)

    @property
    def used(self) -> int:
        """Return about how many bytes the caches take."""
        return sum(cache.size for cache in self._caches)

    def keep_to_it(self) -> None:
        """Have the largest caches drop entries until all together keep to the limit."""
        over = self.used - self._limit
        while over > 0:
            largest = max(self._caches, key=lambda cache: cache.size)
            before = largest.size
            largest.drop_oldest()
            if (freed := before - largest.size) <= 0:
                return  # Nothing is left to drop.
            over -= freed


class BoundedCache(Generic[K, E]):
    """Entries by key, the least recently used first. ``size`` is about how many bytes they take.

    ``limit`` bounds the number of entries, or where they are weighed with ``weigh``, their weight together. ``freed``
    returns the bytes that dropping an entry frees.
    """

    def __init__(
        self,
        *,
        limit: int,
        budget: Budget | None,
        freed: Callable[[K, E], int],
        weigh: Callable[[E], int] = lambda _: 1,
    ) -> None:
        self._limit = limit
        self._freed = freed
        self._weigh = weigh
        self._weight = 0
        self._entries: dict[K, E] = {}
        self._lock = RLock()
        self.size = 0
        if budget is not None:
            budget.add(self)

    def __len__(self) -> int:
        """Return the number of entries."""
        return len(self._entries)

    def get(self, key: K) -> E | None:
        """Return an entry; that is no use of it."""
        return self._entries.get(key)

    def use(self, key: K) -> E | None:
        """Return an entry, the most recently used one from now on."""
        with self._lock:
            entry = self._entries.pop(key, None)
            if entry is not None:
                self._entries[key] = entry
            return entry

    def put(self, key: K, entry: E, size: int) -> None:
        """Keep an entry that adds so many bytes, in place of an earlier one, and drop the oldest ones beyond the limit."""
        with self._lock:
            self.drop(key)
            self._entries[key] = entry
            self._weight += self._weigh(entry)
            self.size += size
            while self._weight > self._limit:
                self.drop_oldest()

    def drop(self, key: K) -> None:
        """Drop an entry, if it is there."""
        with self._lock:
            entry = self._entries.pop(key, None)
            if entry is not None:
                self._weight -= self._weigh(entry)
                self.size -= self._freed(key, entry)

    def drop_oldest(self) -> None:
        """Drop the least recently used entry."""
        with self._lock:
            if self._entries:
                self.drop(next(iter(self._entries)))
