"""Counts what one look-up really costs: the single calls to AWS that a method of a port makes, pages and repeats included.

Stands at the gate of the AWS edge, where it notes and never stops a call. Each thread notes into the list of the look-up
that it is running, so that nothing is shared and nothing locked.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from tidegate.evidence.fact import Cause
from tidegate.images.repository import Registry

R = TypeVar("R")


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeCall:
    """One call to AWS; ``cause`` and ``found`` as in ``CallGate.leave``."""

    source: str
    registry: Registry
    seconds: float
    cause: Cause | None
    found: bool = True


class CallAccounting:
    """Notes calls; a ``CallGate``."""

    def __init__(self) -> None:
        self._thread = threading.local()

    def enter(self, source: str, registry: Registry) -> None:
        """Let every call begin: whether one may be made was decided before."""

    def leave(
        self, source: str, registry: Registry, *, seconds: float, cause: Cause | None, found: bool = True
    ) -> None:
        """Note a call that ended, where a look-up is being run in this thread."""
        calls: list[MadeCall] | None = getattr(self._thread, "calls", None)
        if calls is not None:
            calls.append(MadeCall(source=source, registry=registry, seconds=seconds, cause=cause, found=found))

    def run(self, function: Callable[[], R], calls: list[MadeCall]) -> R:
        """Run the blocking function in this thread; add every call that it makes to the list."""
        self._thread.calls = calls
        try:
            return function()
        finally:
            self._thread.calls = None
