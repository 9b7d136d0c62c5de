"""All lines to AWS: one for each API, account and region, made on first use, sharing one bounded pool of threads."""

from concurrent.futures import Executor, ThreadPoolExecutor

from tidegate.gather.clock import Clock
from tidegate.gather.line import CallObserver, Line, RateLimit
from tidegate.images.repository import EcrRegistry

THREADS = 32
"""Calls to AWS under way at once; the HTTP connection pool has the same size."""
MAX_LINES = 4_096
"""Lines kept; far more than any installation has accounts, regions and APIs."""


class Lines:
    """Gives the line of an API and a registry."""

    def __init__(
        self,
        *,
        clock: Clock,
        rate: RateLimit,
        observer: CallObserver,
        executor: Executor | None = None,
    ) -> None:
        self._clock = clock
        self._rate = rate
        self._observer = observer
        self._executor = executor or ThreadPoolExecutor(THREADS, thread_name_prefix="aws")
        self._lines: dict[tuple[str, EcrRegistry], Line] = {}

    def line(self, source: str, registry: EcrRegistry) -> Line:
        """Return the line of one API, for instance ``ecr:DescribeImages``, at one registry."""
        found = self._lines.get((source, registry))
        if found is None:
            if len(self._lines) >= MAX_LINES:
                del self._lines[next(iter(self._lines))]
            found = self._lines[source, registry] = Line(
                source=source,
                registry=registry,
                executor=self._executor,
                clock=self._clock,
                rate=self._rate,
                observer=self._observer,
            )
        return found

    def close(self) -> None:
        """Let running calls end by themselves and start no further ones."""
        self._executor.shutdown(wait=False, cancel_futures=True)
