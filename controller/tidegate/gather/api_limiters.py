"""The limiters of all APIs: one for each API, account and region, made on first use, with one bounded pool of threads."""

from concurrent.futures import Executor, ThreadPoolExecutor

from tidegate.evidence.clock import Clock
from tidegate.gather.api_limiter import ApiLimiter, CallObserver, RateLimit
from tidegate.gather.call_accounting import CallAccounting
from tidegate.gather.recent import Recent
from tidegate.gather.shares import Room
from tidegate.images.repository import Registry

THREADS = 32
"""Calls to AWS under way at once; the HTTP connection pool has the same size."""
REGISTRY_CALLS = THREADS // 2
"""Calls to one registry under way at once, so that one that hangs leaves threads for the others."""
REGISTRY_SEARCHES = THREADS // 8
"""Searches for signatures in one registry under way at once. Users with push access choose how many calls each takes, so
searches wait for each other, and the registry's other calls never wait for them."""
SEARCHES = 6
"""Searches for signatures under way at once. Each may hold 24 MiB until it ends: MAX_FOUND_BYTES and the manifests."""
MAX_LIMITERS = 4_096
"""Lines kept, and registries; far more than any installation has accounts, regions and APIs."""


class ApiLimiters:
    """Holds the limiters."""

    def __init__(
        self,
        *,
        clock: Clock,
        rate: RateLimit,
        observer: CallObserver,
        executor: Executor | None = None,
        accounting: CallAccounting | None = None,
    ) -> None:
        self._clock = clock
        self._rate = rate
        self._observer = observer
        self._executor = executor or ThreadPoolExecutor(THREADS, thread_name_prefix="aws")
        self._accounting = accounting
        # The least recently used goes first: references may name any number of registries that do not exist.
        self._limiters = Recent[tuple[str, Registry], ApiLimiter](MAX_LIMITERS)
        self._rooms = Recent[tuple[Registry, int], Room](MAX_LIMITERS)
        self._threads, self._searches = Room(THREADS), Room(SEARCHES)

    def limiter(self, source: str, registry: Registry, *, calls: int = REGISTRY_CALLS) -> ApiLimiter:
        """Return the limiter of one API, for instance ``ecr:DescribeImages``, at one registry.

        ``calls`` bounds those under way, together with all of the registry's limiters that have the same bound.
        """
        found = self._limiters.get((source, registry)) or self._make(source, registry, calls)
        self._limiters[source, registry] = found
        return found

    def close(self) -> None:
        """Let running calls end by themselves and start no further ones."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _make(self, source: str, registry: Registry, calls: int) -> ApiLimiter:
        searches = (self._searches,) if calls == REGISTRY_SEARCHES else ()
        return ApiLimiter(
            source=source,
            registry=registry,
            executor=self._executor,
            rooms=(self._room(registry, calls), *searches, self._threads),
            clock=self._clock,
            rate=self._rate,
            observer=self._observer,
            accounting=self._accounting,
        )

    def _room(self, registry: Registry, calls: int) -> Room:
        room = self._rooms.get((registry, calls)) or Room(calls)
        self._rooms[registry, calls] = room
        return room
