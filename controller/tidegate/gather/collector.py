"""Collects the evidence for one image of a request, in numbered steps, and remembers it while all of it is fresh.

One collection serves everybody who waits for the same image. A request that runs out of time gets what is known by
then; the collection goes on and is kept, so that the retry is answered at once. Each is made on behalf of the namespaces
that wait for it.
"""

import asyncio
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias, TypeVar

import structlog

from tidegate.checks.messages import harmless
from tidegate.evidence.fact import Cause, Fact, Known, Missing
from tidegate.evidence.image import Absence, BadContent, ImageDetail, ImageStatus, PlatformImage
from tidegate.evidence.image_evidence import ImageEvidence, not_asked, nothing_asked
from tidegate.evidence.index_children import select_platforms
from tidegate.evidence.needs import Needs
from tidegate.evidence.repository import RepositorySettings, ScanType
from tidegate.evidence.scan import ScanReport
from tidegate.evidence.verification_result import VerificationResults, VerificationState
from tidegate.gather.clock import Clock
from tidegate.gather.fact_cache import FactCache
from tidegate.gather.lookups import Lookups
from tidegate.gather.manifests import OTHER_SOURCE, Runnable
from tidegate.gather.patience import Patience
from tidegate.gather.shares import Claim, on_behalf_of
from tidegate.images.digest import Digest
from tidegate.images.image_id import ImageId
from tidegate.images.manifest import IMAGE_TYPES, INDEX_TYPES
from tidegate.images.reference import ImageReference
from tidegate.images.repository import EcrRepository, OciRegistry, OciRepository, Repository
from tidegate.signing.requirements import Requirement

MAX_COLLECTIONS = 10_000
"""Images being collected at once; further ones are told that too much is waiting."""
MAX_COLLECTIONS_OF_A_SHARE = 2_048
"""As MAX_COLLECTIONS, for one namespace: eight Pods with as many new images as a Pod may have."""

_log = structlog.get_logger(__name__)

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
_Key: TypeAlias = tuple[Repository, ImageId, Needs]
_Scans: TypeAlias = tuple[Fact[ScanType], dict[Digest, tuple[Fact[ScanReport], float]]]
"""What chose the scanner, and the scan of each image with the monotonic second until which it may be used again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Collection:
    """What is being collected for one image, for whom, and since when (monotonic)."""

    task: asyncio.Task[ImageEvidence]
    claim: Claim
    began: float


class Collector:
    """Collects evidence; see the module."""

    def __init__(self, facts: Lookups, clock: Clock) -> None:
        self._facts = facts
        self._clock = clock
        self._collections: dict[_Key, _Collection] = {}
        self._counts: Counter[str] = Counter()
        self._patience = Patience(clock)

    def known(self, reference: ImageReference, wanted: Needs) -> ImageEvidence:
        """Return what is known without any look-up; what is not is Missing, or stale where it was known before.

        What lacks a fact is valid until 0.
        """
        return self._known(*_identity(reference), wanted, otherwise=Cause.DEADLINE)

    def renew(self, reference: ImageReference, wanted: Needs, *, share: str = "") -> None:
        """Take note that remembered evidence was used again: facts late in their life are looked up meanwhile."""
        with on_behalf_of(Claim(share)):
            self._renew(reference, wanted)

    def _renew(self, reference: ImageReference, wanted: Needs) -> None:
        repository, image = _identity(reference)
        facts, evidence = self._facts, self.known(reference, wanted)
        facts.details.renew((repository, image))
        if wanted.settings and isinstance(repository, EcrRepository):
            facts.settings.renew(repository)
        detail = evidence.detail
        if isinstance(detail, Known) and isinstance(detail.value, ImageDetail):
            facts.manifests.runnable.renew((repository, detail.value.digest, detail.value.media_type))
            for digest, requirements in _requirements(detail.value, evidence.runnable, wanted).items():
                facts.signatures.renew(repository, digest, requirements)
        if isinstance(repository, EcrRepository) and isinstance(evidence.scan_type, Known):
            facts.scan_types.renew(repository.registry)
            for digest in evidence.scans:
                facts.scans.renew((repository, digest, evidence.scan_type.value))

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

        Without patience the wait ends as soon as the collection takes longer than it usually does. ``share`` is the
        namespace on whose behalf it is collected.
        """
        key = (*_identity(reference), wanted)
        collection = self._collections.get(key)
        if collection is None:
            if len(self._collections) >= MAX_COLLECTIONS or self._counts[share] >= MAX_COLLECTIONS_OF_A_SHARE:
                return self._known(*key, otherwise=Cause.OVERLOADED)
            collection = self._start(key, share)
        collection.claim.join(share)
        if not is_patient:
            deadline = min(deadline, collection.began + self._patience.seconds)
        task = collection.task
        # The task is waited for, never cancelled: others wait for it too, and its answer is kept for the retry.
        await asyncio.wait({task}, timeout=max(0.0, deadline - self._clock.monotonic()))
        if not task.done():
            return self._known(*key, otherwise=Cause.DEADLINE)
        if task.cancelled() or task.exception() is not None:
            return self._known(*key, otherwise=Cause.INTERNAL)
        return task.result()

    def _start(self, key: _Key, share: str) -> _Collection:
        """Start the collection of an image for a share, which it counts for until it ends."""
        claim = Claim(share)
        with on_behalf_of(claim):
            task = asyncio.get_running_loop().create_task(self._collect(*key))
        collection = _Collection(task=task, claim=claim, began=self._clock.monotonic())
        self._collections[key] = collection
        self._counts[share] += 1
        task.add_done_callback(lambda _: self._ended(key, share, collection))
        return collection

    def _ended(self, key: _Key, share: str, collection: _Collection) -> None:
        """Forget a collection that ended, and say so when it did not end well, whether or not anybody waited for it."""
        self._collections.pop(key, None)
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

    async def _collect(self, repository: Repository, image: ImageId, wanted: Needs) -> ImageEvidence:
        """Collect in numbered steps; each step starts what does not depend on an earlier one at the same time."""
        # 1. The digest, and beside it the repository's settings. A reference by digest starts its scan at once: a scan
        #    of an image that turns out to be an index or missing is merely not used.
        named = [Digest(image.value)] if image.kind == "digest" else []
        (detail, until), (settings, limit), (scan_type, answers), proved = await asyncio.gather(
            self._facts.details.get((repository, image)),
            self._get_settings(repository, wanted),
            self._get_scans(repository, named if wanted.scan else []),
            self._get_proofs(repository, dict.fromkeys(named, wanted.requirements)),
        )
        until = min(until, limit)
        if not isinstance(detail, Known) or not isinstance(detail.value, ImageDetail):
            return replace(nothing_asked(), detail=detail, settings=settings, valid_until=until)
        # 2. What runs: the image itself, or the children of an index; and beside it the signatures of what a tag means.
        digest = detail.value.digest
        (runnable, limit), more = await asyncio.gather(
            self._get_runnable(repository, detail.value, detail, wanted),
            self._get_proofs(repository, {digest: wanted.requirements} if digest not in proved else {}),
        )
        until, proved = min(until, limit), proved | more
        # 3. The scan and the signatures of each child that a wanted platform may run, unless they were asked for before:
        #    what could not be had then is not asked for twice.
        children = [child.digest for child in _wanted_children(detail.value, runnable, wanted)]
        required = _requirements(detail.value, runnable, wanted)
        if not _is_any_proved(proved[digest][0] if digest in proved else None, wanted.child_requirements):
            # An index may list dozens of children, and whoever pushed it is not known: it fails by itself already.
            required = {digest: required[digest]} if digest in required else {}
        (again, scanned), more = await asyncio.gather(
            self._get_scans(repository, [each for each in children if wanted.scan and each not in answers]),
            self._get_proofs(repository, {each: required[each] for each in required if each not in proved}),
        )
        scan_type, answers, proved = again if scanned else scan_type, answers | scanned, proved | more
        scans = {each: answers[each][0] for each in children if wanted.scan}
        proofs = {each: proved[each][0] for each in required}
        limits = [*(answers[each][1] for each in scans), *(proved[each][1] for each in proofs)]
        return ImageEvidence(
            detail=detail,
            settings=settings,
            runnable=runnable,
            scan_type=scan_type if scans else not_asked(self._facts.scan_types.source),
            scans=scans,
            proofs=proofs,
            valid_until=min([until, *limits]),
        )

    def _known(self, repository: Repository, image: ImageId, wanted: Needs, *, otherwise: Cause) -> ImageEvidence:
        """Return what is known at once; ``otherwise`` is why what is not known could not be looked up."""
        detail, until = self._peek(self._facts.details, (repository, image), otherwise)
        if isinstance(detail, Missing) and not isinstance(repository, EcrRepository):
            detail = Missing(detail.cause, OTHER_SOURCE)
        settings, limit = self._peek_settings(repository, wanted, otherwise)
        until = min(until, limit)
        if not isinstance(detail, Known) or not isinstance(detail.value, ImageDetail):
            return replace(nothing_asked(), detail=detail, settings=settings, valid_until=until)
        runnable = _itself(detail.value, detail)
        if _is_expanded(detail.value, wanted):
            key = (repository, detail.value.digest, detail.value.media_type)
            runnable, limit = self._peek(self._facts.manifests.runnable, key, otherwise)
            until = min(until, limit)
        children = [child.digest for child in _wanted_children(detail.value, runnable, wanted)] if wanted.scan else []
        scan_type, scanned = self._peek_scans(repository, children, otherwise)
        scans = {each: fact for each, (fact, _) in scanned.items()}
        until = min([until, *(limit for _, limit in scanned.values())])
        proofs: dict[Digest, Fact[VerificationResults]] = {}
        itself = detail.value.digest
        for digest, requirements in _requirements(detail.value, runnable, wanted).items():
            if digest == itself or _is_any_proved(proofs.get(itself), wanted.child_requirements):
                proofs[digest], limit = self._facts.signatures.peek(
                    repository, digest, requirements, otherwise=otherwise
                )
                until = min(until, 0.0 if isinstance(proofs[digest], Missing) else limit)
        return ImageEvidence(
            detail=detail,
            settings=settings,
            runnable=runnable,
            scan_type=scan_type,
            scans=scans,
            proofs=proofs,
            valid_until=until,
        )

    async def _get_runnable(
        self, repository: Repository, detail: ImageDetail, fact: Known[ImageDetail | Absence], wanted: Needs
    ) -> tuple[Fact[Runnable], float]:
        if not _is_expanded(detail, wanted):
            return _itself(detail, fact), float("inf")
        return await self._facts.manifests.runnable.get((repository, detail.digest, detail.media_type))

    async def _get_scans(self, repository: Repository, digests: Sequence[Digest]) -> _Scans:
        """Return the scans of images by the registry's scanner; those of other registries are not scanned."""
        if not isinstance(repository, EcrRepository) or not digests:
            return self._no_scans(digests)
        kind, until = await self._facts.scan_types.get(repository.registry)
        if isinstance(kind, Missing):
            return kind, dict.fromkeys(digests, (kind, until))
        answers = await asyncio.gather(*(self._facts.scans.get((repository, each, kind.value)) for each in digests))
        return kind, {each: (fact, min(until, limit)) for each, (fact, limit) in zip(digests, answers, strict=True)}

    async def _get_proofs(
        self, repository: Repository, wanted: Mapping[Digest, tuple[Requirement, ...]]
    ) -> dict[Digest, tuple[Fact[VerificationResults], float]]:
        required = {digest: requirements for digest, requirements in wanted.items() if requirements}
        answers = await asyncio.gather(*(self._facts.signatures.get(repository, *one) for one in required.items()))
        return dict(zip(required, answers, strict=True))

    async def _get_settings(
        self, repository: Repository, wanted: Needs
    ) -> tuple[Fact[RepositorySettings | Absence], float]:
        if wanted.settings and isinstance(repository, EcrRepository):
            return await self._facts.settings.get(repository)
        return not_asked(self._facts.settings.source), float("inf")

    def _peek_scans(self, repository: Repository, digests: Sequence[Digest], otherwise: Cause) -> _Scans:
        if not isinstance(repository, EcrRepository) or not digests:
            return self._no_scans(digests)
        kind, until = self._peek(self._facts.scan_types, repository.registry, otherwise)
        if isinstance(kind, Missing):
            return kind, dict.fromkeys(digests, (kind, until))
        answers = [self._peek(self._facts.scans, (repository, each, kind.value), otherwise) for each in digests]
        return kind, {each: (fact, min(until, limit)) for each, (fact, limit) in zip(digests, answers, strict=True)}

    def _no_scans(self, digests: Sequence[Digest]) -> _Scans:
        """Return the scans of images of which none is looked up."""
        nothing = not_asked(self._facts.scans.source), float("inf")
        return not_asked(self._facts.scan_types.source), dict.fromkeys(digests, nothing)

    def _peek_settings(
        self, repository: Repository, wanted: Needs, otherwise: Cause
    ) -> tuple[Fact[RepositorySettings | Absence], float]:
        if wanted.settings and isinstance(repository, EcrRepository):
            return self._peek(self._facts.settings, repository, otherwise)
        return not_asked(self._facts.settings.source), float("inf")

    def _peek(self, cache: FactCache[K, V], key: K, otherwise: Cause) -> tuple[Fact[V], float]:
        """Return what a cache knows; what it does not know is missing for the given cause."""
        fact, until = cache.peek(key)
        return (Missing(otherwise, fact.source) if isinstance(fact, Missing) else fact), until


def _identity(reference: ImageReference) -> tuple[Repository, ImageId]:
    """Return what a reference asks its registry for: its digest where it has one, else its tag."""
    repository = reference.ecr or OciRepository(OciRegistry(reference.domain), reference.path)
    if reference.digest is not None:
        return repository, ImageId.of_digest(reference.digest)
    assert reference.tag is not None
    return repository, ImageId.of_tag(reference.tag)


def _itself(detail: ImageDetail, fact: Known[ImageDetail | Absence]) -> Fact[Runnable]:
    """Return an image as the only one that runs; an index stands for itself until its children are looked up.

    What is neither, an artifact or a format of old, is nothing that a node should run.
    """
    runnable: Runnable = (PlatformImage(digest=detail.digest, platform=None),)
    if detail.media_type not in IMAGE_TYPES | INDEX_TYPES:
        runnable = BadContent(f"its media type {harmless(detail.media_type)} is not that of a container image")
    return Known(runnable, fact.observed_at, fact.stale, fact.source, fact.monotonic)


def _is_expanded(detail: ImageDetail, wanted: Needs) -> bool:
    """Tell whether the children of an index are wanted; what cannot be pulled needs no scan."""
    return wanted.children and detail.status is ImageStatus.ACTIVE and detail.media_type in INDEX_TYPES


def _wanted_children(detail: ImageDetail, runnable: Fact[Runnable], wanted: Needs) -> tuple[PlatformImage, ...]:
    if not wanted.children or detail.status is not ImageStatus.ACTIVE:
        return ()
    if isinstance(runnable, Missing) or isinstance(runnable.value, BadContent):
        return ()
    return select_platforms(runnable.value, wanted.platforms)


def _is_any_proved(found: Fact[VerificationResults] | None, requirements: Sequence[Requirement]) -> bool:
    """Tell whether one of the demands is proved, or lets the image through at least."""
    if found is None or isinstance(found, Missing):
        return False
    proofs = [found.value.by_requirement.get(requirement) for requirement in requirements]
    return any(
        one is not None and one.state in {VerificationState.VERIFIED, VerificationState.LOGGED} for one in proofs
    )


def _requirements(
    detail: ImageDetail, runnable: Fact[Runnable], wanted: Needs
) -> dict[Digest, tuple[Requirement, ...]]:
    """Return what is demanded of the signatures of the image, and of each child that is wanted."""
    required = {detail.digest: wanted.requirements} if wanted.requirements else {}
    if wanted.child_requirements:
        # What is demanded of children is demanded of the image itself too, so nothing has to be added for that.
        for child in _wanted_children(detail, runnable, wanted):
            required.setdefault(child.digest, wanted.child_requirements)
    return required
