"""The facts there are and how each is looked up: one cache a kind, filled through batches.

Read this to learn which call to AWS answers which question. What is looked up for an image, and in which order, is in
``collector``.
"""

from collections.abc import Sized
from typing import TypeVar

import msgspec

from tidegate.evidence.clock import Clock
from tidegate.evidence.fact import Known, Missing
from tidegate.evidence.image import Absence, ImageDetail
from tidegate.evidence.ports import MAX_IMAGE_IDS, MAX_REPOSITORIES
from tidegate.evidence.repository import RepositorySettings
from tidegate.evidence.source_unavailable import UnknownRegionError
from tidegate.gather import lifetimes
from tidegate.gather.api_limiters import ApiLimiters
from tidegate.gather.batch import Batcher
from tidegate.gather.bounded_cache import Budget
from tidegate.gather.configurations import Configurations
from tidegate.gather.fact_cache import FactCache
from tidegate.gather.manifests import OTHER_SOURCE, Manifests
from tidegate.gather.revocations import Revocations
from tidegate.gather.scans import ScanKey, Scans
from tidegate.gather.signature_verifications import SignatureVerifications
from tidegate.gather.signatures import Signatures
from tidegate.gather.sources import Sources
from tidegate.gather.stored_verdicts import StoredVerdicts
from tidegate.images.digest import Digest
from tidegate.images.image_id import ImageId
from tidegate.images.repository import EcrRegistry, EcrRepository, OciRepository, Repository
from tidegate.verdicts.decode import StoredVerdict

V = TypeVar("V")
Detail = ImageDetail | Absence
Settings = RepositorySettings | Absence


class DetailKey(msgspec.Struct, frozen=True, gc=False):
    """The image that a tag or digest means in a repository."""

    repository: Repository
    image: ImageId


class Lookups:
    """The caches of all kinds of facts."""

    def __init__(
        self, *, sources: Sources, limiters: ApiLimiters, clock: Clock, limit: int, budget: Budget | None = None
    ) -> None:
        self._sources = sources
        self._limiters = limiters
        self._clock = clock
        self.budget = budget = budget or Budget()
        self._batch_calls()
        self.stored = StoredVerdicts(clock)
        self.manifests = Manifests(
            sources=sources, limiters=limiters, clock=clock, limit=limit, budget=budget, stored=self.stored
        )
        self.revocations = Revocations(sources=sources, limiters=limiters, clock=clock, budget=budget)
        self.verifications = SignatureVerifications(
            revocations=self.revocations, clock=clock, limit=limit, budget=budget
        )
        self.signatures = Signatures(
            sources=sources,
            limiters=limiters,
            clock=clock,
            manifests=self.manifests,
            verifications=self.verifications,
            limit=limit,
            budget=budget,
            stored=self.stored,
        )
        self.details = FactCache[DetailKey, Detail](
            source="ecr:DescribeImages",
            source_of=lambda key: OTHER_SOURCE if isinstance(key.repository, OciRepository) else "ecr:DescribeImages",
            limit=limit,
            clock=clock,
            budget=budget,
            look_up=self._detail,
            seconds=self._detail_seconds,
            stored=lambda key: self.stored.detail(key.repository, key.image),
        )
        self.settings = FactCache[EcrRepository, Settings](
            source="ecr:DescribeRepositories",
            limit=limit,
            clock=clock,
            budget=budget,
            look_up=self._repository_settings,
            seconds=lambda _, value: (
                lifetimes.ABSENT_SECONDS if isinstance(value, Absence) else lifetimes.SETTINGS_SECONDS
            ),
            stored=self.stored.settings,
        )
        self.configurations = Configurations(
            source=sources.configurations, limiters=limiters, clock=clock, limit=limit, budget=budget
        )
        scans = Scans(sources=sources, limiters=limiters, clock=clock, limit=limit, budget=budget, stored=self.stored)
        self.scan_types, self.scans = scans.types, scans.reports

    def caches(self) -> dict[str, Sized]:
        """Return every cache by the name of what it keeps."""
        return {
            "details": self.details,
            "settings": self.settings,
            "registry_configurations": self.configurations.registries,
            "repository_configurations": self.configurations.repositories,
            "scan_types": self.scan_types,
            "scans": self.scans,
            **self.manifests.caches(),
            **self.signatures.caches(),
            **self.revocations.caches(),
        }

    def offer(self, verdict: StoredVerdict) -> bool:
        """Keep the facts of an ImageVerdict for when AWS cannot be reached; return whether a fresh fact expired by them.

        A fact that differs from the stored one and is older has to be looked up again before it counts.
        """
        if not self.stored.put(verdict):
            return False
        repository, facts = verdict.repository, verdict.facts
        assert verdict.status.evidence is not None
        tags = [ImageId.of_tag(tag.name) for tag in verdict.status.evidence.tags]
        images = (ImageId.of_digest(verdict.digest), *tags)
        expired = [self.details.offer(DetailKey(repository, image)) for image in images]
        if isinstance(repository, EcrRepository):
            expired += [self.settings.offer(repository), self.scan_types.offer(repository.registry)]
            if facts.scan_type is not None:
                keys = [ScanKey(repository, Digest(one), facts.scan_type) for one in facts.scans]
                expired += map(self.scans.offer, keys)
        return any(expired)

    def _batch_calls(self) -> None:
        sources, limiter = self._sources, self._limiters.limiter
        self._image_batches = Batcher[EcrRepository, ImageId, Detail](
            size=MAX_IMAGE_IDS,
            limiter=lambda repository: limiter("ecr:DescribeImages", repository.registry),
            call=sources.images.describe_images,
        )
        self._repository_batches = Batcher[EcrRegistry, str, Settings](
            size=MAX_REPOSITORIES,
            limiter=lambda registry: limiter("ecr:DescribeRepositories", registry),
            call=sources.repositories.describe_repositories,
        )

    async def _detail(self, key: DetailKey) -> Detail | Missing:
        repository, image = key.repository, key.image
        if isinstance(repository, OciRepository):
            return await self.manifests.describe(repository, image)
        return _region_as_absence(await self._image_batches.get(repository, image))

    def _detail_seconds(self, key: DetailKey, detail: Detail) -> float:
        repository, image = key.repository, key.image
        if isinstance(repository, OciRepository):
            return lifetimes.detail_seconds(detail, by_digest=image.kind == "digest", tag_is_fixed=False)
        settings, _ = self.settings.peek(repository)
        fixed = (
            isinstance(settings, Known)
            and settings.stale is None
            and isinstance(settings.value, RepositorySettings)
            and not settings.value.can_move(image.value)
        )
        return lifetimes.detail_seconds(detail, by_digest=image.kind == "digest", tag_is_fixed=fixed)

    async def _repository_settings(self, repository: EcrRepository) -> Settings | Missing:
        return _region_as_absence(await self._repository_batches.get(repository.registry, repository.name))


def _region_as_absence(answer: V | Missing | UnknownRegionError) -> V | Missing | Absence:
    """Return a region that does not exist as the definite answer that it is."""
    return Absence.REGION if isinstance(answer, UnknownRegionError) else answer
