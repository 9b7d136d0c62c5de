"""Makes the calls of all checks in threads, each once, and waits for them until one deadline."""

from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from time import monotonic
from typing import Any, Final

from tidegate.errors import Error
from tidegate.evidence.fact import Cause
from tidegate.evidence.source_unavailable import SourceUnavailableError

THREADS: Final = 8


class Calls:
    """Runs calls; the same key is the same call. ``deadline`` is in monotonic seconds."""

    def __init__(self, deadline: float) -> None:
        self._deadline = deadline
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="preflight")
        self._made: dict[Hashable, Future[Any]] = {}

    def begin(self, key: Hashable, call: Callable[[], Any]) -> None:
        """Start a call unless it has been started."""
        if key not in self._made:
            self._made[key] = self._threads.submit(call)

    def outcome(self, key: Hashable) -> Any:
        """Return the answer of a call that was begun, or its error as a value: any of tidegate's own."""
        try:
            return self._made[key].result(timeout=max(0.0, self._deadline - monotonic()))
        except TimeoutError:
            return SourceUnavailableError(Cause.DEADLINE, "", "not finished in time; see --timeout")
        except Error as problem:
            return problem

    def close(self) -> None:
        """Start no further call; those that run end at their own limits."""
        self._threads.shutdown(wait=False, cancel_futures=True)
