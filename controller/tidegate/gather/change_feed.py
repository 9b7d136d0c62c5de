"""Asks Amazon Inspector every minute what changed in each registry in use, and says until when nothing else did.

A poll takes two calls a registry, and further ones only for pages of changes. Each poll looks back OVERLAP further than the
last one, by AWS's own clock, because a change may be listed late; a row that the last answer had is not reported again.

Three things have no delta, and have every image of the registry in use read again: an answer that is cut or unusable, a
pause of more than MAX_GAP, and a new scanner. A registry that uses basic scanning has no delta at all: ``gather.reread``
reads its images in turn. What a delta can't show at all, such as a deleted image, a full re-read finds within a day.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, TypeAlias

import structlog

from tidegate.errors import Error
from tidegate.evidence.change import Change, ChangedRow, ChangedRows, ScanChange
from tidegate.evidence.clock import Clock
from tidegate.evidence.fact import Cause, Fact, Missing
from tidegate.evidence.inspection import ImageKey
from tidegate.evidence.ports import ChangeSource
from tidegate.evidence.repository import ScanType
from tidegate.gather.api_limiters import ApiLimiters
from tidegate.gather.clock import JUMP_SECONDS
from tidegate.gather.scans import COVERAGE_SOURCE, FINDINGS_SOURCE
from tidegate.images.repository import EcrRegistry, EcrRepository, parse_ecr_host

POLL_SECONDS = 60.0
OVERLAP = timedelta(minutes=10)
"""How long after its own time a change may be listed."""
MAX_GAP = timedelta(hours=24)
"""The longest time that a delta covers. Amazon Inspector deletes the findings of an image that it no longer scans after 3
days, and all of them 24 hours after it was disabled."""
MAX_SKEW = timedelta(minutes=15)
"""How far this clock and that of AWS, or of another replica, may differ: AWS rejects signatures that differ more."""
CHANGED_FINDINGS, CHANGED_COVERAGE = f"{FINDINGS_SOURCE} of changes", f"{COVERAGE_SOURCE} of changes"
"""Lines of their own, in which no look-up of an image is ahead of a poll."""
POLLS_AT_ONCE = 2
"""Places of a registry for polls alone."""
MAX_RESTORED = 10_000
"""Registries of a stored state."""

ScanTypes: TypeAlias = Callable[[EcrRegistry], Awaitable[tuple[Fact[ScanType], float]]]

_log = structlog.get_logger(__name__)


@dataclass(slots=True, kw_only=True)
class _Followed:
    """How far a registry was followed.

    ``since`` and ``confirmed_at`` are by this clock, ``cursor`` and ``floor`` by that of AWS. What changed before ``floor`` is known
    from a re-read of every image. ``seen`` are the rows of the last answers.
    """

    since: datetime
    confirmed_at: datetime
    cursor: datetime
    monotonic: float | None
    floor: datetime | None = None
    seen: Mapping[tuple[str, ImageKey], datetime] = field(default_factory=dict)


class ChangeFeed:
    """Follows the registries in use.

    ``registries`` gives them, ``scan_type`` their scanner. ``changed`` gets what to ask for again; it must not wait.
    ``everything`` gets a registry of which every image in use must be read again, without hurry.
    """

    def __init__(
        self,
        *,
        source: ChangeSource,
        limiters: ApiLimiters,
        clock: Clock,
        registries: Callable[[], Iterable[EcrRegistry]],
        scan_type: ScanTypes,
        changed: Callable[[frozenset[Change]], None],
        everything: Callable[[EcrRegistry], None],
    ) -> None:
        self._source = source
        self._limiters = limiters
        self._clock = clock
        self._registries = registries
        self._scan_type = scan_type
        self._changed = changed
        self._everything = everything
        self._followed: dict[EcrRegistry, _Followed] = {}
        self._scan_types: dict[EcrRegistry, ScanType] = {}
        self._written: dict[EcrRegistry, dict[str, str]] = {}

    async def run(self) -> None:
        """Poll until cancelled."""
        while True:
            try:
                await self.poll()
            except Exception:  # noqa: BLE001 - the next poll asks for the same changes
                _log.exception("changes could not be followed")
            await asyncio.sleep(POLL_SECONDS)

    async def poll(self) -> None:
        """Ask each registry in use once. A registry that is not in use any more is forgotten."""
        registries = dict.fromkeys(self._registries())
        self._followed = {each: kept for each, kept in self._followed.items() if each in registries}
        self._scan_types = {each: kept for each, kept in self._scan_types.items() if each in registries}
        self._written = {each: kept for each, kept in self._written.items() if each in registries}
        outcomes = await asyncio.gather(*(self._follow(each) for each in registries), return_exceptions=True)
        for registry, outcome in zip(registries, outcomes, strict=True):
            if isinstance(outcome, Exception):
                _log.error("changes could not be followed", registry=str(registry), exc_info=outcome)

    def confirmed_at(self, registry: EcrRegistry) -> datetime | None:
        """Return until when every change of a registry is known, or None where nothing is."""
        found = self._followed.get(registry)
        return None if found is None else found.confirmed_at

    def unbroken_since(self, registry: EcrRegistry) -> datetime | None:
        """Return since when every change of a registry is known without a break, or None where nothing is."""
        found = self._followed.get(registry)
        return None if found is None else found.since

    def is_without_delta(self, registry: EcrRegistry) -> bool:
        """Tell whether the registry uses basic scanning, which lists no changes."""
        return self._scan_types.get(registry) is ScanType.BASIC

    @property
    def lag_seconds(self) -> float:
        """Seconds since all changes of every registry were known, 0 where no registry is followed; for a metric."""
        now = self._clock.now()
        return max(
            (max(0.0, (now - each.confirmed_at).total_seconds()) for each in self._followed.values()), default=0.0
        )

    def state(self, waiting: Collection[EcrRegistry] = ()) -> dict[str, dict[str, str]]:
        """Return, by the registry's host, since when all changes are known without a break, and until when.

        For a registry in ``waiting``, of which reported changes have not been read yet, it is what it was before.
        """
        for registry, followed in self._followed.items():
            if registry not in waiting:
                moments = {"since": followed.since, "confirmedAt": followed.confirmed_at, "cursor": followed.cursor}
                self._written[registry] = {name: _text(moment) for name, moment in moments.items()}
        return {registry.host: dict(entry) for registry, entry in self._written.items()}

    def restore(self, state: object) -> None:
        """Go on from a state that ``state`` gave, perhaps in another process; what is not valid in it is left out."""
        entries = list(state.items())[:MAX_RESTORED] if isinstance(state, Mapping) else []
        for host, entry in entries:
            registry = parse_ecr_host(host) if isinstance(host, str) else None
            followed = self._restored(entry)
            if registry is None or followed is None:
                _log.warning("stored progress of the change feed is not valid", registry=str(host)[:100])
                continue
            self._followed[registry] = followed
            self._written[registry] = {name: str(entry[name]) for name in ("since", "confirmedAt", "cursor")}

    def _restored(self, entry: Any) -> _Followed | None:
        latest = self._clock.now() + MAX_SKEW
        try:
            since, confirmed_at, cursor = (_moment(entry[name]) for name in ("since", "confirmedAt", "cursor"))
        except (KeyError, TypeError, ValueError, OverflowError):
            return None
        if not since <= confirmed_at <= latest or cursor > latest:
            return None
        return _Followed(since=since, confirmed_at=confirmed_at, cursor=cursor, monotonic=None)

    async def _follow(self, registry: EcrRegistry) -> None:
        """Ask for the changes of a registry. Without an answer, the next poll asks for those since the last one."""
        fact, _ = await self._scan_type(registry)
        if isinstance(fact, Missing):
            return
        before, self._scan_types[registry] = self._scan_types.get(registry), fact.value
        if before not in (None, fact.value):
            _log.info("the registry has another scanner", registry=str(registry), scan_type=fact.value.value)
            self._everything(registry)
        if fact.value is not ScanType.ENHANCED:
            self._followed.pop(registry, None)
            self._written.pop(registry, None)
            if before is not fact.value:
                _log.info("the registry uses basic scanning: its images are read in turn", registry=str(registry))
            return
        await self._ask(registry)

    async def _ask(self, registry: EcrRegistry) -> None:
        began, monotonic = self._clock.now(), self._clock.monotonic()
        known = self._followed.get(registry)
        fresh = began - MAX_SKEW
        gap = known is not None and began - known.cursor > MAX_GAP
        start = (fresh if known is None or gap else known.cursor) - OVERLAP
        if known is not None and known.floor is not None:
            # A list that was too long once would be too long again, at the same cost, as often as it is looked back to.
            start = max(start, known.floor)
        answers = await asyncio.gather(
            self._call(CHANGED_FINDINGS, registry, partial(self._source.changed_findings, registry, since=start)),
            self._call(CHANGED_COVERAGE, registry, partial(self._source.changed_coverage, registry, since=start)),
        )
        rows = [answer for answer in answers if isinstance(answer, ChangedRows)]
        broken = any(isinstance(each, Missing) and each.cause is Cause.UNEXPECTED_ANSWER for each in answers)
        if len(rows) < len(answers) and not broken:
            return
        lost = gap or broken or not all(answer.complete for answer in rows)
        asked_at = fresh if broken else min((each.asked_at or fresh for each in rows), default=fresh)
        unbroken = known is not None and not lost and not _jumped(known, began, monotonic)
        found = {(row.id, row.image): row for answer in rows for row in answer.rows}
        self._followed[registry] = _Followed(
            since=known.since if known is not None and unbroken else began,
            confirmed_at=began,
            cursor=asked_at,
            monotonic=monotonic,
            floor=asked_at if lost else None if known is None else known.floor,
            seen={key: row.updated_at for key, row in found.items()},
        )
        self._report(registry, found, {} if known is None else known.seen)
        if lost and known is not None:
            _log.warning(
                "changes of the registry are not all known: every image in use is read again",
                registry=str(registry),
                cause="pause" if gap else "answer" if broken else "too many changes",
            )
        if lost:
            self._everything(registry)

    def _report(
        self,
        registry: EcrRegistry,
        found: Mapping[tuple[str, ImageKey], ChangedRow],
        seen: Mapping[tuple[str, ImageKey], datetime],
    ) -> None:
        new: dict[ImageKey, list[ChangedRow]] = {}
        for key, row in found.items():
            if seen.get(key) != row.updated_at:
                new.setdefault(row.image, []).append(row)
        if new:
            self._changed(
                frozenset(
                    ScanChange(EcrRepository(registry, name), digest, tuple(rows))
                    for (name, digest), rows in new.items()
                )
            )

    async def _call(
        self, source: str, registry: EcrRegistry, function: Callable[[], ChangedRows]
    ) -> ChangedRows | Missing | Error:
        return await self._limiters.limiter(source, registry, calls=POLLS_AT_ONCE).ask(function)


def _jumped(known: _Followed, began: datetime, monotonic: float) -> bool:
    """Tell whether the wall clock was set since the last poll: the times of facts cannot be compared across that."""
    if known.monotonic is None:
        return False
    passed = (began - known.confirmed_at).total_seconds()
    return abs(passed - (monotonic - known.monotonic)) >= JUMP_SECONDS


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _moment(text: object) -> datetime:
    found = datetime.fromisoformat(str(text))
    if found.tzinfo is None:
        raise ValueError("expected a time zone")
    return found.astimezone(UTC)
