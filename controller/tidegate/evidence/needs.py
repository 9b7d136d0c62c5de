"""Which facts of an image are wanted."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from tidegate.images.platform import Platform


@dataclass(frozen=True, slots=True, eq=False)
class Needs:
    """Wanted facts; compared by identity, so make them with ``needs``.

    ``platforms`` chooses the children of an index whose scans are wanted; empty is all of them. ``requirements``
    are those on the image's signatures (objects of ``signing.requirements``), and ``child_requirements``, which are among
    them, those on its children's. ``configuration`` is that of the image's registry and repository.
    """

    settings: bool
    scan: bool
    platforms: tuple[Platform, ...]
    requirements: tuple[Any, ...] = ()
    child_requirements: tuple[Any, ...] = ()
    configuration: bool = False

    @property
    def children(self) -> bool:
        """Return whether facts about the children of an index are wanted."""
        return self.scan or bool(self.child_requirements)


@lru_cache(maxsize=1024)
def needs(
    *,
    settings: bool,
    scan: bool,
    platforms: tuple[Platform, ...],
    requirements: tuple[Any, ...] = (),
    child_requirements: tuple[Any, ...] = (),
    configuration: bool = False,
) -> Needs:
    """Return the one Needs with these values."""
    return Needs(settings, scan, platforms, requirements, child_requirements, configuration)
