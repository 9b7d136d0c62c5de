"""The posture of the repositories of which something runs: read every few hours, judged, and stored for everyone to see.

The configuration comes from the shared cache of facts, which keeps the last good one while AWS cannot be reached. A result
that could not be determined for that reason does not replace one of the last day that could, unless something fails anew.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from typing import Final, TypeVar

import structlog

from tidegate.background.posture_objects import PostureObjects
from tidegate.background.running import ImageInUse
from tidegate.checks.result import Outcome
from tidegate.evidence.clock import Clock
from tidegate.evidence.fact import Fact, Known, Missing
from tidegate.evidence.image import Absence
from tidegate.evidence.registry_configuration import (
    Answer,
    RegistryConfiguration,
    RepositoryConfiguration,
    StoredImage,
)
from tidegate.evidence.source_unavailable import SourceUnavailableError
from tidegate.gather.ask import Lookup
from tidegate.images.digest import Digest
from tidegate.images.repository import EcrRegistry, EcrRepository
from tidegate.policy.model import ImagePolicy
from tidegate.policy.snapshot import PolicySnapshot
from tidegate.posture.result import PostureReason
from tidegate.reports.posture_judging import ReadRepository, RepositoryJudge, RunningDigests
from tidegate.reports.posture_lines import PostureReport, RegistryLines, RepositoryLines

ROUND_SECONDS: Final = 60.0
"""How long until a repository that is newly in use has its object."""
PERIOD_SECONDS: Final = 3 * 3_600.0
"""How long until a repository is judged again; policies that change have all judged again."""
RETRY_SECONDS: Final = 600.0
"""The same after something could not be read."""
LINGER_SECONDS: Final = 900.0
"""How long the object of a repository of which nothing runs any more stays, so that a CronJob is no change."""
KEPT_SECONDS: Final = 86_400.0
"""How long a result stays while it cannot be determined anew."""
MAX_REPOSITORIES: Final = 2_000
"""Repositories that have an object; further ones are counted."""
AT_ONCE: Final = 10

_log = structlog.get_logger(__name__)

V = TypeVar("V")
Images = Callable[[EcrRepository, RepositoryConfiguration], Awaitable[Answer[tuple[StoredImage, ...]]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class PostureFacts:
    """Where the facts come from. ``images`` lists those of a repository for its lifecycle policy."""

    registries: Lookup[EcrRegistry, Known[RegistryConfiguration]]
    repositories: Lookup[EcrRepository, Known[RepositoryConfiguration | Absence]]
    images: Images


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judged:
    """The last result about a repository: when and for what it was made (monotonic), and when it is due again."""

    lines: RepositoryLines
    digests: frozenset[Digest]
    revision: str
    known_at: float
    due_at: float


class RepositoryPostures:
    """Judges; run by the leader alone. ``in_use`` gives the images that run, ``policies`` those in force."""

    def __init__(
        self,
        *,
        facts: PostureFacts,
        in_use: Callable[[], Iterable[ImageInUse]],
        policies: Callable[[], PolicySnapshot],
        store: PostureObjects,
        clock: Clock,
    ) -> None:
        self._facts = facts
        self._in_use = in_use
        self._policies = policies
        self._store = store
        self._clock = clock
        self._judged: dict[EcrRepository, _Judged] = {}
        self._last_used: dict[EcrRepository, float] = {}
        self._revision = ""
        self._room = asyncio.Semaphore(AT_ONCE)
        self.left_out = 0
        """Repositories in use beyond MAX_REPOSITORIES."""

    async def run(self) -> None:
        """Judge until cancelled; another leader may have written since this process led last."""
        self._judged.clear()
        self._last_used.clear()
        self._store.forget()
        while True:
            try:
                await self.round()
            except Exception:  # noqa: BLE001 - the next round makes up for it
                _log.exception("judging the posture of repositories failed unexpectedly")
            await asyncio.sleep(ROUND_SECONDS)

    def report(self) -> PostureReport:
        """Return the last results, by registry."""
        found: dict[EcrRegistry, list[RepositoryLines]] = {}
        for repository, one in sorted(self._judged.items(), key=lambda item: str(item[0])):
            found.setdefault(repository.registry, []).append(one.lines)
        return PostureReport(
            registries=tuple(RegistryLines(registry=one, repositories=tuple(lines)) for one, lines in found.items())
        )

    async def round(self) -> None:
        """Judge what is due, and have the objects written."""
        in_use, now = self._repositories(), self._clock.monotonic()
        self._last_used |= dict.fromkeys(in_use, now)
        self._last_used = {one: at for one, at in self._last_used.items() if now < at + LINGER_SECONDS}
        self._judged = {one: judged for one, judged in self._judged.items() if one in self._last_used}
        snapshot = self._policies()
        if snapshot.revision != self._revision:
            self._revision = snapshot.revision
            self._judged = {one: replace(judged, due_at=now) for one, judged in self._judged.items()}
        policies = tuple(
            one for one in snapshot.policies if isinstance(one, ImagePolicy) and one.repository is not None
        )
        judge = RepositoryJudge(policies=policies, now=self._clock.now(), knows_running=True, judges_all=True)
        due = [one for one, digests in in_use.items() if self._is_due(one, digests, now)]
        async with asyncio.TaskGroup() as group:
            for repository in due:
                group.create_task(self._judge(judge, repository, in_use[repository]))
        await self._store.sync((one.lines for one in self._judged.values()), self._last_used)

    def _repositories(self) -> dict[EcrRepository, frozenset[Digest]]:
        found: dict[EcrRepository, set[Digest]] = {}
        for repository, digest in self._in_use():
            if isinstance(repository, EcrRepository):
                found.setdefault(repository, set()).add(digest)
        chosen = sorted(found, key=str)
        self.left_out = len(chosen[MAX_REPOSITORIES:])
        return {one: frozenset(found[one]) for one in chosen[:MAX_REPOSITORIES]}

    def _is_due(self, repository: EcrRepository, digests: frozenset[Digest], now: float) -> bool:
        known = self._judged.get(repository)
        return known is None or known.digests != digests or now >= known.due_at

    async def _judge(self, judge: RepositoryJudge, repository: EcrRepository, digests: frozenset[Digest]) -> None:
        async with self._room:
            lines = await self._read(judge, repository, digests)
        now, before = self._clock.monotonic(), self._judged.get(repository)
        is_read = not any(line.reason == PostureReason.COULD_NOT_CHECK.value for line in lines.lines)
        is_same = before is not None and (before.digests, before.revision) == (digests, self._revision)
        is_kept = before is not None and is_same and now < before.known_at + KEPT_SECONDS
        if before is not None and not is_read and is_kept and not _fails_anew(lines, before.lines):
            self._judged[repository] = replace(before, due_at=now + RETRY_SECONDS)
            return
        self._judged[repository] = _Judged(
            lines=lines,
            digests=digests,
            revision=self._revision,
            known_at=now if is_read else float("-inf"),
            due_at=now + (PERIOD_SECONDS if is_read else RETRY_SECONDS),
        )

    async def _read(
        self, judge: RepositoryJudge, repository: EcrRepository, digests: frozenset[Digest]
    ) -> RepositoryLines:
        (registry, _), (found, _) = await asyncio.gather(
            self._facts.registries.get(repository.registry), self._facts.repositories.get(repository)
        )
        registry_read = self._value(registry)
        if isinstance(registry_read, SourceUnavailableError):
            registry_read = _unread(repository.registry, registry_read)
        configuration = self._value(found)
        images: Answer[tuple[StoredImage, ...]] = ()
        if isinstance(configuration, RepositoryConfiguration):
            images = await self._facts.images(repository, configuration)
        running = RunningDigests(digests=digests, images=len(digests))
        read = ReadRepository(repository=repository, configuration=configuration, images=images, running=running)
        return judge.judge(read, registry_read)

    def _value(self, fact: Fact[V]) -> V | SourceUnavailableError:
        """Return the value of a fact that is not too old."""
        if isinstance(fact, Missing):
            return SourceUnavailableError(fact.cause, fact.source)
        age = (self._clock.now() - fact.observed_at).total_seconds()
        if fact.stale is not None and age > KEPT_SECONDS:
            return SourceUnavailableError(fact.stale, fact.source)
        return fact.value


def _fails_anew(lines: RepositoryLines, before: RepositoryLines) -> bool:
    """Tell whether a check fails that did not fail before."""
    known = {(line.check, line.policy) for line in before.lines if line.outcome is Outcome.FAIL}
    return any((line.check, line.policy) not in known for line in lines.lines if line.outcome is Outcome.FAIL)


def _unread(registry: EcrRegistry, problem: SourceUnavailableError) -> RegistryConfiguration:
    """Return the configuration of a registry of which nothing could be read."""
    return RegistryConfiguration(
        registry=registry,
        policy=problem,
        policy_scope=problem,
        scanning=problem,
        pull_through=problem,
        replication=problem,
        signing=problem,
    )
