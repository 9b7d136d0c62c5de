"""Which facts of an image somebody wants."""

from dataclasses import dataclass
from functools import lru_cache

from tidegate.images.platform import Platform


@dataclass(frozen=True, slots=True, eq=False)
class Needs:
    """Wanted facts; compared by identity, so make them with ``needs``.

    ``platforms`` chooses the children of an index whose scans are wanted; empty is all of them.
    """

    settings: bool
    scan: bool
    platforms: tuple[Platform, ...]


@lru_cache(maxsize=1024)
def needs(*, settings: bool, scan: bool, platforms: tuple[Platform, ...]) -> Needs:
    """Return the one Needs with these values."""
    return Needs(settings, scan, platforms)
