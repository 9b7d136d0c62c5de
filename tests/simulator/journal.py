"""The journal of calls: how many of which operation, with how many ids each.

Attempts are counted, faulted ones and retries too. The last calls are kept, the older ones only as counts.
"""

import threading
from collections import Counter, deque
from dataclasses import dataclass

KEPT_CALLS = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call: `ids` is how many things it asked for, `account` the one it asked about, `at` monotonic seconds."""

    service: str
    operation: str
    account: str
    region: str
    ids: int
    at: float


class Journal:
    """Count calls and remember the last of them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.reset()

    def reset(self) -> None:
        with self._lock:
            self._counts: Counter[tuple[str, str, str, str]] = Counter()
            self._last: deque[Call] = deque(maxlen=KEPT_CALLS)

    def add(self, call: Call) -> None:
        with self._lock:
            self._counts[call.service, call.operation, call.account, call.region] += 1
            self._last.append(call)

    def count(self, *wanted: str | None) -> int:
        """Count the calls of a (service, operation, account, region), None and what is left out standing for any."""
        with self._lock:
            return sum(
                number
                for key, number in self._counts.items()
                if all(want in (None, got) for want, got in zip(wanted, key, strict=False))
            )

    def last(self, service: str | None = None, operation: str | None = None) -> list[Call]:
        with self._lock:
            calls = list(self._last)
        return [each for each in calls if service in (None, each.service) and operation in (None, each.operation)]

    def table(self) -> list[dict[str, str | int]]:
        names = ("service", "operation", "account", "region")
        with self._lock:
            return [dict(zip(names, key, strict=True)) | {"calls": number} for key, number in self._counts.items()]
