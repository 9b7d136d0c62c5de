"""Faults that a test orders: what goes wrong, for which calls, and how often.

This decides which faults strike a call; the server and the services play them.
"""

import random
import threading
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

UNKNOWN = "SIMULATED_UNKNOWN"


class FaultKind(StrEnum):
    """Everything that can be made to go wrong with a call.

    The first four are worded as each service words them; ERROR is any code. LATENCY answers late, HANG never and cuts
    the connection after `seconds`, DROP cuts it within the answer, DOWN before it. ONE_ANSWER answers once for several ids
    that mean one image. The rest answer 200 with something wrong. boto3 raises nothing for half or malformed JSON: its
    result is empty.

    MEMBER gives every member named `field`, at any depth, the `value`, which may be any JSON; MISSING leaves them out; TWICE
    says each element of every such list twice. SAME_PAGE says that the next page is the first one again, or gives the token's `value`, ENDLESS that there
    is always one more, and it is empty. BODY is the `value` in place of the body, HALF half of it, each with its own length.
    """

    THROTTLE = "throttle"
    SERVER_ERROR = "server_error"
    ACCESS_DENIED = "access_denied"
    EXPIRED_TOKEN = "expired_token"  # a kind of fault, no secret
    ERROR = "error"
    LATENCY = "latency"
    HANG = "hang"
    DROP = "drop"
    DOWN = "down"
    MALFORMED_JSON = "malformed_json"
    UNKNOWN_ENUM = "unknown_enum"
    WRONG_BYTES = "wrong_bytes"
    HUGE_INDEX = "huge_index"
    ONE_ANSWER = "one_answer"
    MEMBER = "member"
    MISSING = "missing"
    TWICE = "twice"
    SAME_PAGE = "same_page"
    ENDLESS = "endless"
    BODY = "body"
    HALF = "half"


@dataclass(slots=True, kw_only=True, eq=False)
class Fault:
    """One order; `hits` counts the calls that it struck. See `Simulator.inject` for the fields."""

    kind: FaultKind
    service: str | None = None
    operation: str | None = None
    account: str | None = None
    region: str | None = None
    about: str | None = None
    times: int | None = None
    rate: float = 1.0
    seconds: float = 1.0
    field: str = ""
    value: Any = UNKNOWN
    code: str = ""
    message: str = ""
    status: int = 400
    count: int = 10_000
    hits: int = 0

    def strikes(self, *, service: str, operation: str, account: str, region: str, body: bytes) -> bool:
        wanted = ((self.service, service), (self.operation, operation), (self.account, account), (self.region, region))
        return (
            all(want in (None, got) for want, got in wanted)
            and (self.about is None or self.about.encode() in body)
            and (self.times is None or self.hits < self.times)
            and (self.rate >= 1.0 or random.random() < self.rate)  # no secret depends on it
        )

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(slots=True)
class Faults:
    """The orders in force."""

    orders: list[Fault] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, fault: Fault) -> Fault:
        with self._lock:
            self.orders = [*self.orders, fault]
        return fault

    def remove(self, fault: Fault) -> None:
        with self._lock:
            self.orders = [each for each in self.orders if each is not fault]

    def clear(self) -> None:
        with self._lock:
            self.orders = []

    def striking(self, **call: Any) -> list[Fault]:
        """Give the faults that strike a call, and count the hit of each."""
        if not self.orders:
            return []
        with self._lock:
            struck = [fault for fault in self.orders if fault.strikes(**call)]
            for fault in struck:
                fault.hits += 1
            return struck
