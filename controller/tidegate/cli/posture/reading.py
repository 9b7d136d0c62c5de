"""Reads the configuration of registries and their repositories from AWS, in threads, at the pace that the gate allows.

Each repository is assessed as soon as it is read, so that its policies need not be kept.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from time import monotonic
from typing import Final, Generic, TypeVar

from tidegate.aws.configuration_answers import Description
from tidegate.aws.ecr_configuration import EcrConfiguration
from tidegate.cli.posture.scope import Scope
from tidegate.errors import Error
from tidegate.evidence.fact import Cause
from tidegate.evidence.ports import MAX_CONFIGURED_REPOSITORIES
from tidegate.evidence.registry_configuration import (
    RegistryConfiguration,
)
from tidegate.evidence.source_unavailable import SourceUnavailableError, UnknownRegionError
from tidegate.images.repository import EcrRegistry, EcrRepository, Registry
from tidegate.reports.posture_judging import NOTHING_RUNS, ReadRepository, RunningDigests

REGISTRIES_AT_ONCE: Final = 4
THREADS: Final = 16
"""Batches of repositories that are read at once, of all registries."""
BATCHES_AHEAD: Final = 8
"""Batches of one registry that are started or wait; more are not made before."""

R = TypeVar("R")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadRegistry(Generic[R]):
    """One registry: what was made of each of its repositories, and why others could not be listed, if so."""

    registry: EcrRegistry
    repositories: tuple[R, ...] = ()
    problem: Error | None = None


class DeadlineGate:
    """A CallGate that lets no call begin after a deadline, in monotonic seconds."""

    def __init__(self, deadline: float) -> None:
        self._deadline = deadline

    def enter(self, source: str, registry: Registry) -> None:  # noqa: ARG002 - as CallGate has it
        """Raise SourceUnavailableError after the deadline."""
        if monotonic() > self._deadline:
            raise SourceUnavailableError(Cause.DEADLINE, source, "not asked within the time; see --timeout")

    def leave(
        self, source: str, registry: Registry, *, seconds: float, cause: Cause | None, found: bool = True
    ) -> None:
        """Nothing is counted."""


class PostureReader(Generic[R]):
    """Reads registries. ``assess`` is called for each repository, in a thread."""

    def __init__(
        self,
        source: EcrConfiguration,
        *,
        running: Mapping[EcrRepository, RunningDigests],
        assess: Callable[[ReadRepository, RegistryConfiguration], R],
        begin: Callable[[str, int], Callable[[], None]],
    ) -> None:
        self._source = source
        self._running = running
        self._assess = assess
        self._begin = begin

    def read(self, scope: Scope) -> list[ReadRegistry[R]]:
        """Return each registry of the scope, in its order."""
        wanted: dict[EcrRegistry, Sequence[str] | None] = {**dict.fromkeys(scope.registries), **scope.repositories}
        with ExitStack() as stack:
            threads = stack.enter_context(ThreadPoolExecutor(THREADS, thread_name_prefix="repositories"))
            outer = stack.enter_context(ThreadPoolExecutor(REGISTRIES_AT_ONCE, thread_name_prefix="registries"))
            return list(outer.map(lambda one: self._registry(threads, one[0], one[1]), wanted.items()))

    def _registry(
        self, threads: ThreadPoolExecutor, registry: EcrRegistry, names: Sequence[str] | None
    ) -> ReadRegistry[R]:
        try:
            configuration = self._source.registry_configuration(registry)
        except UnknownRegionError as problem:
            return ReadRegistry(registry=registry, problem=problem)
        described, unlisted = (None, None) if names is not None else self._list(registry)
        found = list(described if described is not None else names or ())
        advance = self._begin(f"repositories of {registry}", len(found))
        repositories = self._repositories(threads, configuration, found, described, advance)
        return ReadRegistry(registry=registry, repositories=tuple(repositories), problem=unlisted)

    def _list(self, registry: EcrRegistry) -> tuple[dict[str, Description], Error | None]:
        """Return every repository, or those before a call that failed, with its problem."""
        described: dict[str, Description] = {}
        try:
            for page in self._source.repositories(registry):
                described |= page
        except SourceUnavailableError as problem:
            return described, problem
        return described, None

    def _repositories(
        self,
        threads: ThreadPoolExecutor,
        registry: RegistryConfiguration,
        names: Sequence[str],
        described: Mapping[str, Description] | None,
        advance: Callable[[], None],
    ) -> Iterator[R]:
        """Yield what was made of each repository, in order, with a bounded number of batches under way."""
        under_way: deque[Future[list[R]]] = deque()
        for at in range(0, len(names), MAX_CONFIGURED_REPOSITORIES):
            if len(under_way) == BATCHES_AHEAD:
                yield from under_way.popleft().result()
            batch = names[at : at + MAX_CONFIGURED_REPOSITORIES]
            known = None if described is None else {name: described[name] for name in batch}
            under_way.append(threads.submit(partial(self._batch, registry, batch, known, advance)))
        while under_way:
            yield from under_way.popleft().result()

    def _batch(
        self,
        registry: RegistryConfiguration,
        names: Sequence[str],
        described: Mapping[str, Description] | None,
        advance: Callable[[], None],
    ) -> list[R]:
        found = self._source.repository_configurations(registry.registry, names, described=described)
        made: list[R] = []
        for name, configuration in found.items():
            repository = EcrRepository(registry.registry, name)
            running = self._running.get(repository, NOTHING_RUNS)
            read = ReadRepository(
                repository=repository,
                configuration=configuration,
                images=self._source.lifecycle_images(repository, configuration) if running.digests else (),
                running=running,
            )
            made.append(self._assess(read, registry))
            advance()
        return made
