"""Amazon Inspector's answers about images: how they are asked for, and what was found. Its coverage is in ``evidence.scan``."""

from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from tidegate.evidence.scan import Finding
from tidegate.images.digest import Digest

ImageKey: TypeAlias = tuple[str, Digest]
"""Repository name and digest inside one registry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundFindings:
    """Findings of one image, worst first; ``complete`` is False where there were more than are kept or read.

    ``rows`` are those that changed last, by ARN, with when they did, the latest first.
    """

    findings: tuple[Finding, ...] = ()
    complete: bool = True
    rows: tuple[tuple[str, datetime], ...] = ()
