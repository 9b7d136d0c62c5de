"""One call to a service: the gate lets it begin, and is told how long it took and what came of it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tidegate.evidence.fact import Cause
from tidegate.evidence.ports import CallGate
from tidegate.evidence.source_unavailable import SourceUnavailableError
from tidegate.images.repository import Registry


@dataclass(slots=True)
class NotedCall:
    """What came of a call; ``cause`` and ``found`` as in ``CallGate.leave``."""

    cause: Cause | None = None
    found: bool = True

    def failed(self, error: SourceUnavailableError) -> SourceUnavailableError:
        """Note that the call failed, and return the error to raise."""
        self.cause = error.cause
        return error


@contextmanager
def noted(
    gate: CallGate | None, source: str, registry: Registry, monotonic: Callable[[], float]
) -> Iterator[NotedCall]:
    """Make one call in this context. Raise SourceUnavailableError where the gate, if any, prevents it.

    ``monotonic`` is the clock, in seconds.
    """
    call = NotedCall()
    if gate is not None:
        gate.enter(source, registry)
    began = monotonic()
    try:
        yield call
    finally:
        if gate is not None:
            gate.leave(source, registry, seconds=monotonic() - began, cause=call.cause, found=call.found)
