"""The configuration of registries and repositories as facts, kept for hours: it changes seldom, and reading it takes calls.

A part that ECR refused to tell is undetermined by itself and is asked for again soon. A part that could not be read for
another reason is no answer: what was known before counts as stale then, unless another part has changed.
"""

from dataclasses import fields
from functools import partial
from typing import Any, TypeAlias, TypeVar

from tidegate.evidence.clock import Clock
from tidegate.evidence.fact import Cause, Known, Missing
from tidegate.evidence.image import Absence
from tidegate.evidence.image_evidence import REGISTRY_CONFIGURATION_SOURCE, REPOSITORY_CONFIGURATION_SOURCE
from tidegate.evidence.ports import MAX_CONFIGURED_REPOSITORIES, ConfigurationSource
from tidegate.evidence.registry_configuration import RegistryConfiguration, RepositoryConfiguration
from tidegate.evidence.source_unavailable import SourceUnavailableError, UnknownRegionError
from tidegate.gather import lifetimes
from tidegate.gather.api_limiters import ApiLimiters
from tidegate.gather.batch import Batcher
from tidegate.gather.bounded_cache import Budget
from tidegate.gather.fact_cache import FactCache
from tidegate.gather.manifests import no_region
from tidegate.images.repository import EcrRegistry, EcrRepository

Configuration: TypeAlias = RepositoryConfiguration | Absence
V = TypeVar("V", RegistryConfiguration, RepositoryConfiguration)

_REFUSALS = frozenset({Cause.ACCESS_DENIED, Cause.ROLE_DENIED, Cause.CREDENTIALS})
"""Why a part is not known for as long as permissions stay what they are; every other cause passes."""


class Configurations:
    """The caches of both."""

    def __init__(
        self, *, source: ConfigurationSource, limiters: ApiLimiters, clock: Clock, limit: int, budget: Budget
    ) -> None:
        self._source = source
        self._limiters = limiters
        self._batches = Batcher[EcrRegistry, str, Configuration](
            size=MAX_CONFIGURED_REPOSITORIES,
            limiter=partial(limiters.limiter, REPOSITORY_CONFIGURATION_SOURCE),
            call=source.repository_configurations,
        )
        self.registries = FactCache[EcrRegistry, RegistryConfiguration](
            source=REGISTRY_CONFIGURATION_SOURCE,
            limit=limit,
            clock=clock,
            budget=budget,
            look_up=self._of_registry,
            seconds=lambda _, value: lifetimes.configuration_seconds(is_whole=not _problems(value)),
        )
        self.repositories = FactCache[EcrRepository, Configuration](
            source=REPOSITORY_CONFIGURATION_SOURCE,
            limit=limit,
            clock=clock,
            budget=budget,
            look_up=self._of_repository,
            seconds=lambda _, value: (
                lifetimes.ABSENT_SECONDS
                if isinstance(value, Absence)
                else lifetimes.configuration_seconds(is_whole=not _problems(value))
            ),
        )

    async def _of_registry(self, registry: EcrRegistry) -> RegistryConfiguration | Missing:
        limiter = self._limiters.limiter(REGISTRY_CONFIGURATION_SOURCE, registry)
        answer = await limiter.ask(partial(self._source.registry_configuration, registry))
        found = no_region(answer, limiter.source)
        return found if isinstance(found, Missing) else _kept(found, self.registries.before(registry))

    async def _of_repository(self, repository: EcrRepository) -> Configuration | Missing:
        answer = await self._batches.get(repository.registry, repository.name)
        if isinstance(answer, UnknownRegionError):
            return Absence.REGION
        if isinstance(answer, Missing | Absence):
            return answer
        before = self.repositories.before(repository)
        return _kept(answer, before)


def _problems(value: Any) -> list[SourceUnavailableError]:
    """Return why parts of a configuration are not known."""
    parts = (getattr(value, one.name) for one in fields(value))
    return [part for part in parts if isinstance(part, SourceUnavailableError)]


def _kept(found: V, before: Known[Any] | Missing) -> V | Missing:
    """Return a configuration, or what is missing of it where an earlier one knew that and the cause will pass.

    Where a part that was read differs from the earlier one, the new configuration counts with what is missing of it.
    """
    if isinstance(before, Missing) or isinstance(before.value, Absence):
        return found
    lost: Missing | None = None
    for one in fields(found):
        part, earlier = getattr(found, one.name), getattr(before.value, one.name)
        if isinstance(earlier, SourceUnavailableError):
            continue
        if not isinstance(part, SourceUnavailableError):
            if part != earlier:
                return found
        elif part.cause not in _REFUSALS:
            lost = lost or part.missing()
    return lost or found
