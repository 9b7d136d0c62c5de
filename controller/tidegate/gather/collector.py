"""Collects the evidence for one image of a request, in numbered steps, and remembers it while all of it is fresh.

One collection serves all requests for the same image. A request that runs out of time gets what is known by then; the
collection goes on and its result is cached, so that the retry is answered at once. Each is made on behalf of the
namespaces that wait for it.
"""

import asyncio
from collections import Counter
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeAlias, TypeVar

import structlog

from tidegate.checks.messages import harmless
from tidegate.evidence.clock import Clock
from tidegate.evidence.fact import Cause, Fact, Known, Missing
from tidegate.evidence.image import Absence, BadContent, ImageDetail, ImageStatus, PlatformImage
from tidegate.evidence.image_evidence import ImageEvidence, not_asked, nothing_asked
from tidegate.evidence.index_children import select_platforms
from tidegate.evidence.needs import Needs
from tidegate.evidence.registry_configuration import RegistryConfiguration, RepositoryConfiguration
from tidegate.evidence.repository import RepositorySettings, ScanType
from tidegate.evidence.scan import ScanReport
from tidegate.evidence.verification_result import VerificationResults, VerificationState
from tidegate.gather.ask import GET, RENEW, Ask, Peek, at_once
from tidegate.gather.lookups import DetailKey, Lookups
from tidegate.gather.manifests import Runnable
from tidegate.gather.patience import Patience
from tidegate.gather.scans import ScanKey
from tidegate.gather.shares import Claim, on_behalf_of
from tidegate.gather.single_flight import Flight, SingleFlight
from tidegate.images.digest import Digest
from tidegate.images.image_id import ImageId
from tidegate.images.manifest import IMAGE_TYPES, INDEX_TYPES
from tidegate.images.reference import ImageReference
from tidegate.images.repository import EcrRepository, Repository
from tidegate.signing.requirements import Requirement

MAX_COLLECTIONS = 10_000
"""Images being collected at once; further ones are OVERLOADED."""
MAX_COLLECTIONS_OF_A_SHARE = 2_048
"""As MAX_COLLECTIONS, for one namespace: eight Pods with as many new images as a Pod may have."""

_log = structlog.get_logger(__name__)

T = TypeVar("T")
_ALWAYS = float("inf")
_RUNNABLE_TYPES = IMAGE_TYPES | INDEX_TYPES
_Key: TypeAlias = tuple[Repository, ImageId, Needs]
_Limited: TypeAlias = tuple[Fact[T], float]
"""A fact, and the monotonic second until which it may be used again."""
_DEADLINE, _LAST_RESORT = Peek(Cause.DEADLINE), Peek(Cause.DEADLINE, stored=True)


@dataclass(slots=True, kw_only=True)
class _Found:
    """What a walk found so far. Scans and signatures may be of images that turn out to be an index, and unused then."""

    detail: _Limited[ImageDetail | Absence]
    settings: _Limited[RepositorySettings | Absence]
    scan_type: Fact[ScanType]
    registry: _Limited[RegistryConfiguration]
    repository: _Limited[RepositoryConfiguration | Absence]
    children: _Limited[Runnable] | None = None
    scans: dict[Digest, _Limited[ScanReport]] = field(default_factory=dict)
    proofs: dict[Digest, _Limited[VerificationResults]] = field(default_factory=dict)


class Collector:
    """Collects evidence; see the module.

    A fact is looked up once for all by its cache. The collection of an image stands beside that for three things: the
    walk goes on past the deadline of a request, so that the retry is answered at once; a thousand requests for one image
    are one walk; and images under way are counted by namespace, which the caches of facts do not see.
    """

    def __init__(self, facts: Lookups, clock: Clock) -> None:
        self._facts = facts
        self._clock = clock
        self._collections = SingleFlight[_Key, ImageEvidence](clock, partial(self._walk, GET))
        self._counts: Counter[str] = Counter()
        self._patience = Patience(clock)
        self._nothing = nothing_asked()

    def known(self, reference: ImageReference, wanted: Needs) -> ImageEvidence:
        """Return what is known without any look-up; what is not is Missing, or stale where it was known before.

        Evidence with a missing fact is valid until 0.
        """
        return self._at_once(_DEADLINE, (*_identity(reference), wanted))

    def stored(self, reference: ImageReference, wanted: Needs) -> ImageEvidence:
        """Return the same with what another process looked up and stored, where that is newer or all that is known."""
        return self._at_once(_LAST_RESORT, (*_identity(reference), wanted))

    def renew(self, reference: ImageReference, wanted: Needs, *, share: str = "") -> None:
        """Note that cached evidence was used again: facts near the end of their life are looked up in the background."""
        with on_behalf_of(Claim(share)):
            self._at_once(RENEW, (*_identity(reference), wanted))

    async def collect_all(
        self,
        wanted: Sequence[tuple[ImageReference, Needs]],
        *,
        deadline: float,
        share: str = "",
        is_patient: bool = True,
    ) -> Sequence[ImageEvidence]:
        """Return the evidence of each image, in order, collected side by side; see ``collect``."""
        return await asyncio.gather(
            *(self.collect(*one, deadline=deadline, share=share, is_patient=is_patient) for one in wanted)
        )

    async def collect(
        self,
        reference: ImageReference,
        wanted: Needs,
        *,
        deadline: float,
        share: str = "",
        is_patient: bool = True,
    ) -> ImageEvidence:
        """Return the evidence, looked up where it is not fresh; past the deadline (monotonic) what is known by then.

        If ``is_patient`` is False, the wait ends when the collection takes longer than usual. ``share`` is the
        namespace on whose behalf it is collected.
        """
        key = (*_identity(reference), wanted)
        is_new = key not in self._collections
        is_full = len(self._collections) >= MAX_COLLECTIONS or self._counts[share] >= MAX_COLLECTIONS_OF_A_SHARE
        if is_new and is_full:
            return self._at_once(Peek(Cause.OVERLOADED), key)
        with on_behalf_of(Claim(share)):
            collection = self._collections.join(key)
        if is_new:
            # A collection counts for the share that starts it, until it ends.
            self._counts[share] += 1
            collection.task.add_done_callback(lambda _: self._ended(key, share, collection))
        if not is_patient:
            deadline = min(deadline, collection.began + self._patience.seconds)
        task = collection.task
        # The task is waited for, never cancelled: others wait for it too, and its answer is kept for the retry.
        await asyncio.wait({task}, timeout=max(0.0, deadline - self._clock.monotonic()))
        if not task.done():
            return self._at_once(_LAST_RESORT if is_patient else _DEADLINE, key)
        if task.cancelled() or task.exception() is not None:
            return self._at_once(Peek(Cause.INTERNAL), key)
        return task.result()

    def _ended(self, key: _Key, share: str, collection: Flight[ImageEvidence]) -> None:
        """Uncount a collection that ended, and log one that failed, whether or not a request waited for it."""
        self._counts[share] -= 1
        if not self._counts[share]:
            del self._counts[share]
        task = collection.task
        if task.cancelled():
            return
        if (problem := task.exception()) is not None:
            _log.error("collecting evidence failed unexpectedly", repository=str(key[0]), exc_info=problem)
        elif (found := task.result()).is_whole and not found.is_stale:
            self._patience.learn(self._clock.monotonic() - collection.began)

    def _at_once(self, ask: Peek, key: _Key) -> ImageEvidence:
        """Return the result of the walk without a look-up; every fact is missing if the walk fails or waits."""
        try:
            return at_once(self._walk(ask, key))
        except Exception as problem:  # noqa: BLE001 - an unforeseen error leaves the facts missing
            _log.error("reading what is known failed unexpectedly", repository=str(key[0]), exc_info=problem)
            return _nothing_known()

    async def _walk(self, ask: Ask, key: _Key) -> ImageEvidence:
        """Ask for the facts in numbered steps; each step asks at the same time for what depends on no earlier one."""
        repository, image, wanted = key
        nothing = self._nothing
        found = _Found(
            detail=(nothing.detail, 0.0),
            settings=(nothing.settings, _ALWAYS),
            scan_type=nothing.scan_type,
            registry=(nothing.registry_configuration, _ALWAYS),
            repository=(nothing.repository_configuration, _ALWAYS),
        )
        # 1. The digest, and beside it the repository's settings and configuration. A reference by digest starts its scan at once: a scan
        #    of an image that turns out to be an index or missing is merely not used.
        walks = [self._detail(ask, repository, image, found)]
        if wanted.settings and isinstance(repository, EcrRepository):
            walks.append(self._settings(ask, repository, found))
        if wanted.configuration and isinstance(repository, EcrRepository):
            walks += [self._registry(ask, repository, found), self._repository(ask, repository, found)]
        if image.kind == "digest":
            named = Digest(image.value)
            scanned = [named] if wanted.scan else []
            walks += self._images(ask, repository, scanned, {named: wanted.requirements}, found)
        await ask.all(*walks)
        detail = found.detail[0]
        until = min(found.detail[1], found.settings[1], found.registry[1], found.repository[1])
        if not isinstance(detail, Known) or not isinstance(detail.value, ImageDetail):
            return replace(
                nothing,
                detail=detail,
                settings=found.settings[0],
                registry_configuration=found.registry[0],
                repository_configuration=found.repository[0],
                valid_until=until,
            )
        # 2. What runs: the image itself, or the children of an index; and beside it the signatures of what a tag means.
        digest = detail.value.digest
        walks = self._images(ask, repository, (), {digest: wanted.requirements}, found)
        if _is_expanded(detail.value, wanted):
            walks.append(self._children(ask, repository, detail.value, found))
        await ask.all(*walks)
        runnable, limit = found.children or (_itself(detail.value, detail), _ALWAYS)
        # 3. The scan and the signatures of each child that a wanted platform may run, unless they were asked for before:
        #    what could not be had then is not asked for twice.
        children = [child.digest for child in _wanted_children(detail.value, runnable, wanted)]
        required = {digest: wanted.requirements} if wanted.requirements else {}
        if wanted.child_requirements and _is_any_verified(found.proofs.get(digest), wanted.child_requirements):
            # An index may list dozens of children. Without a valid signature of its own it fails, whatever its children have.
            required |= {each: wanted.child_requirements for each in children if each not in required}
        scanned = children if wanted.scan else []
        await ask.all(*self._images(ask, repository, scanned, required, found))
        limits = [
            until,
            limit,
            *(found.scans[each][1] for each in scanned),
            *(found.proofs[each][1] for each in required),
        ]
        return ImageEvidence(
            detail=detail,
            settings=found.settings[0],
            runnable=runnable,
            scan_type=found.scan_type if scanned else nothing.scan_type,
            scans={each: found.scans[each][0] for each in scanned},
            proofs={each: found.proofs[each][0] for each in required},
            registry_configuration=found.registry[0],
            repository_configuration=found.repository[0],
            valid_until=min(limits),
        )

    async def _detail(self, ask: Ask, repository: Repository, image: ImageId, found: _Found) -> None:
        found.detail = await ask.fact(self._facts.details, DetailKey(repository, image))

    async def _settings(self, ask: Ask, repository: EcrRepository, found: _Found) -> None:
        found.settings = await ask.fact(self._facts.settings, repository)

    async def _registry(self, ask: Ask, repository: EcrRepository, found: _Found) -> None:
        found.registry = await ask.fact(self._facts.configurations.registries, repository.registry)

    async def _repository(self, ask: Ask, repository: EcrRepository, found: _Found) -> None:
        found.repository = await ask.fact(self._facts.configurations.repositories, repository)

    async def _children(self, ask: Ask, repository: Repository, detail: ImageDetail, found: _Found) -> None:
        key = (repository, detail.digest, detail.media_type)
        found.children = await ask.fact(self._facts.manifests.runnable, key)

    def _images(
        self,
        ask: Ask,
        repository: Repository,
        scanned: Sequence[Digest],
        required: Mapping[Digest, tuple[Requirement, ...]],
        found: _Found,
    ) -> list[Coroutine[Any, Any, None]]:
        """Return the walks for the scans and the signatures of images that were not asked for before."""
        walks = [
            self._signatures(ask, repository, digest, requirements, found)
            for digest, requirements in required.items()
            if requirements and digest not in found.proofs
        ]
        if new := [each for each in scanned if each not in found.scans]:
            walks.append(self._scans(ask, repository, new, found))
        return walks

    async def _scans(self, ask: Ask, repository: Repository, digests: Sequence[Digest], found: _Found) -> None:
        """Ask for scans by the registry's scanner; images of other registries are not scanned."""
        if not isinstance(repository, EcrRepository):
            found.scans |= dict.fromkeys(digests, (not_asked(self._facts.scans.source), _ALWAYS))
            return
        found.scan_type, until = kind, _ = await ask.fact(self._facts.scan_types, repository.registry)
        if isinstance(kind, Missing):
            found.scans |= dict.fromkeys(digests, (kind, until))
            return
        await ask.all(*(self._scan(ask, ScanKey(repository, each, kind.value), until, found) for each in digests))

    async def _scan(self, ask: Ask, key: ScanKey, until: float, found: _Found) -> None:
        fact, limit = await ask.fact(self._facts.scans, key)
        found.scans[key.digest] = fact, min(until, limit)

    async def _signatures(
        self,
        ask: Ask,
        repository: Repository,
        digest: Digest,
        requirements: Sequence[Requirement],
        found: _Found,
    ) -> None:
        found.proofs[digest] = await self._facts.signatures.verify(ask, repository, digest, requirements)


def _nothing_known() -> ImageEvidence:
    """Return the evidence of an image after an error inside tidegate: every fact is missing."""
    nothing = nothing_asked()
    detail, settings, runnable, scan_type, registry, repository = (
        Missing(Cause.INTERNAL, fact.source) for fact in nothing.facts if isinstance(fact, Missing)
    )
    return ImageEvidence(
        detail=detail,
        settings=settings,
        runnable=runnable,
        scan_type=scan_type,
        registry_configuration=registry,
        repository_configuration=repository,
    )


def _identity(reference: ImageReference) -> tuple[Repository, ImageId]:
    """Return what a reference asks its registry for: its digest where it has one, else its tag."""
    repository = reference.repository
    if reference.digest is not None:
        return repository, ImageId.of_digest(reference.digest)
    assert reference.tag is not None
    return repository, ImageId.of_tag(reference.tag)


def _itself(detail: ImageDetail, fact: Known[ImageDetail | Absence]) -> Fact[Runnable]:
    """Return an image as the only one that runs; an index stands for itself until its children are looked up.

    Any other media type, of an artifact or an old format, is not a container image.
    """
    runnable: Runnable = (PlatformImage(digest=detail.digest, platform=None),)
    if detail.media_type not in _RUNNABLE_TYPES:
        runnable = BadContent(f"its media type {harmless(detail.media_type)} is not that of a container image")
    return Known(runnable, fact.observed_at, fact.stale, fact.source, fact.monotonic)


def _is_expanded(detail: ImageDetail, wanted: Needs) -> bool:
    """Return whether the children of an index are wanted; an image that cannot be pulled needs no scan."""
    return wanted.children and detail.status is ImageStatus.ACTIVE and detail.media_type in INDEX_TYPES


def _wanted_children(detail: ImageDetail, runnable: Fact[Runnable], wanted: Needs) -> tuple[PlatformImage, ...]:
    if not wanted.children or detail.status is not ImageStatus.ACTIVE:
        return ()
    if isinstance(runnable, Missing) or isinstance(runnable.value, BadContent):
        return ()
    return select_platforms(runnable.value, wanted.platforms)


def _is_any_verified(found: _Limited[VerificationResults] | None, requirements: Sequence[Requirement]) -> bool:
    """Return whether one of the requirements is met, or lets the image through at least."""
    if found is None or isinstance(found[0], Missing):
        return False
    results = [found[0].value.by_requirement.get(requirement) for requirement in requirements]
    return any(
        one is not None and one.state in {VerificationState.VERIFIED, VerificationState.LOGGED} for one in results
    )
