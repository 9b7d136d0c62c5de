"""What may have changed in a registry, from an image to everything, and what Amazon Inspector lists as changed.

A change is no evidence: it says what to look up again.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from tidegate.evidence.inspection import ImageKey
from tidegate.images.digest import Digest
from tidegate.images.repository import EcrRegistry, EcrRepository


@dataclass(frozen=True, slots=True)
class ImageChange:
    """The scan, the status or the signatures of one digest may have changed."""

    repository: EcrRepository
    digest: Digest

    @property
    def registry(self) -> EcrRegistry:
        """Return the registry."""
        return self.repository.registry


@dataclass(frozen=True, slots=True)
class ChangedRow:
    """A finding, or the coverage of an image, that changed. ``id`` is the ARN of the finding or of the image."""

    id: str
    image: ImageKey
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class ScanChange(ImageChange):
    """Only the scan of one digest may have changed. ``rows`` are what Amazon Inspector lists as changed, if it was asked."""

    rows: tuple[ChangedRow, ...] = ()


@dataclass(frozen=True, slots=True)
class TagChange:
    """A tag may mean another digest."""

    repository: EcrRepository
    tag: str

    @property
    def registry(self) -> EcrRegistry:
        """Return the registry."""
        return self.repository.registry


@dataclass(frozen=True, slots=True)
class RepositoryChange:
    """Everything in a repository may have changed, and its settings."""

    repository: EcrRepository

    @property
    def registry(self) -> EcrRegistry:
        """Return the registry."""
        return self.repository.registry


@dataclass(frozen=True, slots=True)
class RegistryChange:
    """Everything in a registry may have changed, and its settings."""

    registry: EcrRegistry


Change: TypeAlias = ImageChange | TagChange | RepositoryChange | RegistryChange


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedRows:
    """What changed since a moment, in no order. With ``complete`` False there are more rows than are read.

    ``asked_at`` is AWS's own time of the question, or None if it did not say it.
    """

    rows: tuple[ChangedRow, ...] = ()
    complete: bool = True
    asked_at: datetime | None = None
