"""Paces calls by account, over all its APIs and regions, or by API: for work that no request waits for.

Each call to AWS passes this gate, pages and repeats included. It passes the call on to the next gate, such as the one that
counts. Calls to Amazon SQS are not paced: they cost the account's registries nothing.
"""

import threading
import time
from collections.abc import Callable
from typing import Final

from tidegate.evidence.fact import Cause
from tidegate.evidence.ports import CallGate
from tidegate.evidence.source_unavailable import SourceUnavailableError
from tidegate.gather.recent import Recent
from tidegate.images.repository import EcrRegistry, Registry

BURST: Final = 10
"""Calls at once before the rate applies, so that a single change need not wait."""
MAX_WAIT_SECONDS: Final = 60.0
"""How long a call waits; with 32 threads for calls it is 16 seconds at most at 2 calls a second."""
MAX_ACCOUNTS: Final = 1_000
UNPACED: Final = "sqs:"


def by_account(_source: str, registry: EcrRegistry) -> str:
    """Return what all calls to an account have in common."""
    return registry.account


def by_api(source: str, registry: EcrRegistry) -> str:
    """Return what the calls of one API of one account and region have in common, as AWS counts them."""
    return f"{registry}/{source}"


class AccountPace:
    """A CallGate that lets each account be called so many times a second, and has the others behind it.

    ``key`` names what is called so often: the account, or one of its APIs.
    """

    def __init__(
        self,
        gate: CallGate,
        *,
        per_second: float,
        key: Callable[[str, EcrRegistry], str] = by_account,
        most_seconds: float = MAX_WAIT_SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._gate = gate
        self._between = 1.0 / per_second
        self._key = key
        self._most_seconds = most_seconds
        self._monotonic = monotonic
        self._sleep = sleep
        self._lock = threading.Lock()
        self._free_at = Recent[str, float](MAX_ACCOUNTS)

    def enter(self, source: str, registry: Registry) -> None:
        """Wait for the turn; raise SourceUnavailableError where that takes longer than ``most_seconds``."""
        if isinstance(registry, EcrRegistry) and not source.startswith(UNPACED):
            self._sleep(self._wait_seconds(source, self._key(source, registry)))
        self._gate.enter(source, registry)

    def leave(
        self, source: str, registry: Registry, *, seconds: float, cause: Cause | None, found: bool = True
    ) -> None:
        """Tell the gate behind."""
        self._gate.leave(source, registry, seconds=seconds, cause=cause, found=found)

    def _wait_seconds(self, source: str, key: str) -> float:
        with self._lock:
            now = self._monotonic()
            turn = max(self._free_at.get(key, 0.0), now - (BURST - 1) * self._between)
            if turn - now > self._most_seconds:
                raise SourceUnavailableError(Cause.OVERLOADED, source, f"too many calls to {key} wait")
            self._free_at[key] = turn + self._between
        return max(0.0, turn - now)
