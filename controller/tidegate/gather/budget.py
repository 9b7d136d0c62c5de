"""One budget of bytes for all caches of facts together. The cache that takes the most gives up what it used least lately."""

from typing import Protocol

DEFAULT_BYTES = 96 * 1024 * 1024
"""What all caches of facts may take where nothing else is said."""


class Holder(Protocol):
    """A cache that takes part."""

    @property
    def weight(self) -> int:
        """Return about how many bytes it takes."""
        ...

    def forget_oldest(self) -> None:
        """Forget what was not used for the longest time."""
        ...


class Budget:
    """Bounds what its holders take together."""

    def __init__(self, limit: int = DEFAULT_BYTES) -> None:
        self._limit = limit
        self._holders: list[Holder] = []

    def add(self, holder: Holder) -> None:
        """Have a cache take part."""
        self._holders.append(holder)

    @property
    def used(self) -> int:
        """Return about how many bytes are taken."""
        return sum(holder.weight for holder in self._holders)

    def keep_to_it(self) -> None:
        """Have the largest holders forget until all together keep to the limit."""
        over = self.used - self._limit
        while over > 0:
            largest = max(self._holders, key=lambda holder: holder.weight)
            before = largest.weight
            largest.forget_oldest()
            if (freed := before - largest.weight) <= 0:
                return  # Nothing is left to forget.
            over -= freed
