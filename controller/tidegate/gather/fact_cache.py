"""A bounded cache of one kind of fact, least recently used first out, with one look-up for all requests that wait for a fact.

The look-up belongs to the cache and not to the request that started it: a request that is cancelled or out of time
leaves it running for the others, and its answer is cached for the retry. A failed look-up is never cached; the last good
fact is returned instead, marked stale. A fact that is read near the end of its life is looked up in the background.

A stored fact, which another process looked up, counts only after a look-up of this process failed: it never saves one.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, Protocol, TypeVar

import msgspec
import structlog

from tidegate.evidence.clock import Clock
from tidegate.evidence.fact import Cause, Fact, Known, Missing
from tidegate.evidence.image_evidence import RENEWED_SHARE
from tidegate.gather.bounded_cache import BoundedCache, Budget
from tidegate.gather.clock import Moment, Moments
from tidegate.gather.lifetimes import RETRY_SECONDS, kept_seconds
from tidegate.gather.single_flight import SingleFlight
from tidegate.gather.size import ENTRY_BYTES, size_of

_log = structlog.get_logger(__name__)

K = TypeVar("K")
V = TypeVar("V")


class Entry(msgspec.Struct, Generic[V], gc=False, kw_only=True):
    """A fact and its moments (monotonic seconds). There may be a hundred thousand, so what can be computed is not kept.

    ``asked`` is the moment of the look-up. Fresh for ``fresh_seconds`` from ``fresh_from`` on, when the answer came.
    ``failed`` is why the last renewal failed, and until when it is not repeated. A value refers to no entry, so that the
    garbage collector need not follow entries.
    """

    value: V
    asked: Moment
    fresh_from: float
    fresh_seconds: float
    failed: tuple[Missing, float] | None = None

    @property
    def fresh_until(self) -> float:
        """Until when it need not be looked up again."""
        return self.fresh_from + self.fresh_seconds

    @property
    def is_stored(self) -> bool:
        """Whether another process looked it up: it was never fresh here."""
        return not self.fresh_seconds

    @property
    def failure(self) -> Missing | None:
        """Why the last renewal failed, if it did."""
        return None if self.failed is None else self.failed[0]

    @property
    def retry_at(self) -> float:
        """From when on it may be renewed again after a failure."""
        return 0.0 if self.failed is None else self.failed[1]

    @property
    def renew_at(self) -> float:
        """From when on a read renews it."""
        return self.fresh_until - self.fresh_seconds * RENEWED_SHARE

    @property
    def kept_until(self) -> float:
        """Until when it may be used as stale evidence."""
        return self.fresh_until + kept_seconds(self.value)

    def known(self, stale: Missing | None = None) -> Known[V]:
        """Return the fact; ``stale`` is why it could not be renewed."""
        if stale is None:
            return Known(self.value, self.asked.wall, monotonic=self.asked.monotonic)
        return Known(self.value, self.asked.wall, stale.cause, stale.source, self.asked.monotonic)


class Sharing(Protocol[V]):
    """Keeps parts of values that are equal once."""

    def take(self, value: V) -> tuple[V, int]:
        """Return the value to keep, and about how many bytes it adds to what is kept."""
        ...

    def drop(self, value: V) -> int:
        """Release a value; return the bytes that this frees."""
        ...


class FactCache(Generic[K, V]):
    """Facts of one kind. ``look_up`` gives the value or Missing; ``seconds`` gives a value's time to live.

    ``source_of`` names the API that is asked for a key, where that is not always ``source``.
    ``limit`` bounds the facts that are kept, or where they are weighed with ``weigh``, their weight together; ``budget``
    bounds the bytes of this and other caches. ``sharing`` keeps equal parts of values once. ``stored`` returns what another
    process looked up, and ``same`` tells whether two values say the same.
    """

    def __init__(
        self,
        *,
        source: str,
        limit: int,
        clock: Clock,
        look_up: Callable[[K], Awaitable[V | Missing]],
        seconds: Callable[[K, V], float],
        weigh: Callable[[V], int] = lambda _: 1,
        budget: Budget | None = None,
        sharing: Sharing[V] | None = None,
        source_of: Callable[[K], str] | None = None,
        stored: Callable[[K], Known[V] | None] | None = None,
        same: Callable[[V, V], bool] = lambda one, other: one == other,
    ) -> None:
        self.source = source
        self._stored = stored or (lambda _: None)
        self._same = same
        self._source_of = source_of or (lambda _: source)
        self._clock = clock
        self._moments = Moments(clock)
        self._look_up = look_up
        self._seconds = seconds
        self._budget = budget
        self._sharing = sharing
        freed = size_of if sharing is None else sharing.drop
        self._entries = BoundedCache[K, Entry[V]](
            limit=limit,
            budget=budget,
            weigh=lambda entry: weigh(entry.value),
            freed=lambda key, entry: ENTRY_BYTES + size_of(key) + freed(entry.value),
        )
        self._flights = SingleFlight[K, tuple[Fact[V], float]](clock, self._fly)

    def __len__(self) -> int:
        """Return the number of facts kept."""
        return len(self._entries)

    def peek(self, key: K, *, stored: bool = False) -> tuple[Fact[V], float]:
        """Return what is known now and until when, without any look-up; unknown is Missing, good until 0.

        A stored fact is unknown before a look-up failed and again soon after that, unless ``stored`` asks for it.
        """
        entry = self._with_stored(key) if stored else self._entries.get(key)
        now = self._clock.monotonic()
        if entry is None or (entry.is_stored and not stored and now >= entry.retry_at):
            return self._unknown(key)
        if now < entry.fresh_until:
            return entry.known(), entry.fresh_until
        if now >= entry.kept_until:
            return self._unknown(key)
        return entry.known(entry.failure or Missing(Cause.DEADLINE, self._source_of(key))), entry.retry_at

    async def get(self, key: K) -> tuple[Fact[V], float]:
        """Return the fact, looked up when it is not fresh, and the monotonic second until which it may be reused."""
        fact, until = self.peek(key)
        if self._clock.monotonic() < until:
            self.renew(key)
            return fact, until
        # The look-up is waited for, never cancelled: others wait for it too, and its answer is kept for the retry.
        return await asyncio.shield(self._flights.join(key).task)

    def renew(self, key: K) -> None:
        """Note a read: it makes the fact the most recently used, and near the end of its life it is looked up again.

        No request waits for that look-up, and if it fails the fact is fresh for no longer than it was. Only reads renew:
        a fact that is not read any more expires.
        """
        entry = self._entries.use(key)
        if entry is not None and max(entry.renew_at, entry.retry_at) <= self._clock.monotonic() < entry.fresh_until:
            self._flights.join(key)

    def shorten(self, key: K, seconds: float) -> float:
        """Have a fact looked up again after so many seconds at the latest; return when that is, or 0 for an unknown one.

        A fact is shortened once: reading it again does not postpone that moment.
        """
        entry = self._entries.get(key)
        if entry is None:
            return 0.0
        now = self._clock.monotonic()
        if now + seconds < entry.fresh_until:
            entry.fresh_from, entry.fresh_seconds = now, seconds
        return max(entry.fresh_until, entry.retry_at)

    def pass_over(self, monotonic: float) -> None:
        """Have each look-up from now on count as later than a moment that has passed (monotonic seconds), however little."""
        self._moments.pass_over(monotonic)

    def drop(self, key: K) -> None:
        """Forget a fact, also as the last good one that counts when a look-up fails."""
        self._entries.drop(key)

    def offer(self, key: K) -> bool:
        """Replace a fact of this process by the stored one if that is newer and differs.

        It has to be looked up before it counts. Return whether a fact was replaced that was still fresh.
        """
        entry = self._entries.get(key)
        fact = None if entry is None else self._stored(key)
        if entry is None or fact is None or entry.asked.wall >= fact.observed_at or self._same(entry.value, fact.value):
            return False
        was_fresh = self._clock.monotonic() < entry.fresh_until
        self._put_stored(key, fact)
        return was_fresh

    def before(self, key: K) -> Fact[V]:
        """Return what this process itself looked up last."""
        entry = self._entries.get(key)
        fact, _ = self.peek(key)
        return self._unknown(key)[0] if entry is None or entry.is_stored else fact

    def _with_stored(self, key: K) -> Entry[V] | None:
        """Return the entry, or the stored fact in its place, where there is none or the stored one is newer."""
        entry, fact = self._entries.get(key), self._stored(key)
        if fact is None or (entry is not None and not self._is_newer(fact, entry)):
            return entry
        return self._put_stored(key, fact)

    def _is_newer(self, fact: Known[V], entry: Entry[V]) -> bool:
        """Tell whether a stored fact was looked up later, or says the same and is known to have been true later."""
        if fact.observed_at > entry.asked.wall:
            return True
        return fact.monotonic > entry.asked.monotonic and self._same(fact.value, entry.value)

    def _put_stored(self, key: K, fact: Known[V]) -> Entry[V]:
        asked = Moment(fact.observed_at, fact.monotonic)
        return self._put(key, fact.value, asked, fresh_from=fact.monotonic, fresh_seconds=0.0)

    def _put(self, key: K, value: V, asked: Moment, *, fresh_from: float, fresh_seconds: float) -> Entry[V]:
        """Keep a fact, and forget what was used least recently."""
        kept, added = (value, size_of(value)) if self._sharing is None else self._sharing.take(value)
        entry = Entry(value=kept, asked=asked, fresh_from=fresh_from, fresh_seconds=fresh_seconds)
        self._entries.put(key, entry, ENTRY_BYTES + size_of(key) + added)
        if self._budget is not None:
            self._budget.keep_to_it()
        return entry

    async def _fly(self, key: K) -> tuple[Fact[V], float]:
        asked = self._moments.now()
        try:
            answer: V | Missing = await self._look_up(key)
            return self._failed(key, answer) if isinstance(answer, Missing) else self._keep(key, answer, asked)
        except Exception:  # noqa: BLE001 - an unforeseen error leaves the fact missing
            _log.exception("look-up failed unexpectedly", source=self.source)
            return self._failed(key, Missing(Cause.INTERNAL, self._source_of(key)))

    def _keep(self, key: K, value: V, asked: Moment) -> tuple[Fact[V], float]:
        """Keep what was looked up.

        It was observed when it was asked for: what changed while the answer was under way may not be in it.
        """
        now, seconds = self._moments.now().monotonic, self._seconds(key, value)
        until = now + seconds
        return self._put(key, value, asked, fresh_from=now, fresh_seconds=seconds).known(), until

    def _failed(self, key: K, missing: Missing) -> tuple[Fact[V], float]:
        """Return the last good fact, marked stale, or what is missing where there is none.

        A renewal may fail while the fact is fresh; then no request waits for it.
        """
        entry, now = self._with_stored(key), self._clock.monotonic()
        if entry is None or now >= max(entry.fresh_until, entry.kept_until):
            self._entries.drop(key)
            return missing, 0.0
        entry.failed = missing, now + RETRY_SECONDS
        return entry.known(missing), entry.retry_at

    def _unknown(self, key: K) -> tuple[Missing, float]:
        return Missing(Cause.NOT_ASKED, self._source_of(key)), 0.0
