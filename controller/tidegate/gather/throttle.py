"""Politeness towards AWS: a token bucket and a circuit breaker for each API, account and region.

The bucket keeps the rate below what is published or assumed, and pauses when AWS says that it is throttling. The
breaker leaves an API alone for some seconds after it failed repeatedly, then lets one call try.
"""

from tidegate.evidence.clock import Clock
from tidegate.evidence.fact import Cause

FAILURES_TO_OPEN = 5
"""Failed calls in a row that open the breaker."""
OPEN_SECONDS = 5.0
"""How long an open breaker refuses calls before one may try."""
PAUSE_SECONDS, MAX_PAUSE_SECONDS = 0.5, 8.0
"""Pause after a throttled call; doubled by each further one in a row."""

_OUTAGES = frozenset({Cause.UNREACHABLE, Cause.SERVER_ERROR, Cause.CREDENTIALS, Cause.ROLE_DENIED})
"""Causes for which the next call will fail too, whatever it asks. A denial or an invalid answer may be about one image only:
if it counted, a user who creates Pods could stop all calls to the registry."""


class TokenBucket:
    """Grants calls at a rate (calls a second) with a burst."""

    def __init__(self, *, rate: float, burst: int, clock: Clock) -> None:
        self._rate = rate
        self._burst = float(burst)
        self._clock = clock
        self._tokens = float(burst)
        self._at = clock.monotonic()
        self._pause = PAUSE_SECONDS

    def wait_seconds(self, tokens: float = 1.0) -> float:
        """Take so many tokens, a burst at most, and return 0, or return how long to wait before asking again."""
        now = self._clock.monotonic()
        if now < self._at:  # Paused by a throttled answer: no tokens accrue until then.
            return self._at - now
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = now
        wanted = min(tokens, self._burst)
        if self._tokens >= wanted:
            self._tokens -= wanted
            return 0.0
        return (wanted - self._tokens) / self._rate

    def charge(self, calls: int) -> float:
        """Take the tokens of calls that were made without asking; return how many are missing."""
        missing = max(0.0, calls - max(0.0, self._tokens))
        self._tokens = min(self._tokens, max(0.0, self._tokens - calls))
        return missing

    def throttled(self, retry_after_seconds: float | None) -> None:
        """Pause, for as long as AWS asked or else twice as long as the last time.

        Calls that were under way together are throttled together, so those during a pause do not double it.
        """
        now = self._clock.monotonic()
        pause = min(MAX_PAUSE_SECONDS, retry_after_seconds or self._pause)
        if now >= self._at:
            self._pause = min(MAX_PAUSE_SECONDS, self._pause * 2)
        elif retry_after_seconds is None:
            return
        self._tokens = min(self._tokens, 0.0)
        self._at = max(self._at, now + pause)

    def succeeded(self) -> None:
        """Forget earlier throttling."""
        self._pause = PAUSE_SECONDS


class CircuitBreaker:
    """Counts failures in a row; open means that calls are refused for a while."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._failures = 0
        self._open_until = 0.0

    @property
    def is_open(self) -> bool:
        """Return whether calls are refused now."""
        return self._failures >= FAILURES_TO_OPEN and self._clock.monotonic() < self._open_until

    def admits(self) -> bool:
        """Return whether a call may be made; after the pause one call is admitted, and the pause starts again."""
        if self.is_open:
            return False
        if self._failures >= FAILURES_TO_OPEN:
            self._open_until = self._clock.monotonic() + OPEN_SECONDS
        return True

    def succeeded(self) -> None:
        """Close."""
        self._failures = 0

    def failed(self, cause: Cause) -> None:
        """Count a failure that means an outage; any other means that the service answers."""
        if cause not in _OUTAGES:
            self.succeeded()
            return
        self._failures += 1
        if self._failures >= FAILURES_TO_OPEN:
            self._open_until = self._clock.monotonic() + OPEN_SECONDS
