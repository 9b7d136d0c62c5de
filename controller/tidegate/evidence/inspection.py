"""Amazon Inspector's answers about images: how they are asked for, and what was found. Its coverage is in ``evidence.scan``."""

from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

from tidegate.evidence.scan import Finding
from tidegate.images.digest import Digest

T_co = TypeVar("T_co", covariant=True)

ImageKey: TypeAlias = tuple[str, Digest]
"""Repository name and digest inside one registry."""
ImageTag: TypeAlias = tuple[str, str]
"""Repository name and tag inside one registry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundFindings:
    """Findings of one image, worst first; ``complete`` is False where there were more than are kept or read."""

    findings: tuple[Finding, ...] = ()
    complete: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Tagged(Generic[T_co]):
    """What Amazon Inspector lists under one tag: a value of the one image that it lists there, with its digest."""

    digest: Digest
    value: T_co
