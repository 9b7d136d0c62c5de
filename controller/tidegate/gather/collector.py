"""Collects the evidence for one image of a request, in numbered steps, and remembers it while all of it is fresh.

One collection serves everybody who waits for the same image. A request that runs out of time gets what is known by
then; the collection goes on and is kept, so that the retry is answered at once. Each is made on behalf of the namespaces
that wait for it.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import structlog

from tidegate.checks.messages import harmless
from tidegate.evidence.clock import Clock
from tidegate.evidence.fact import Cause, Fact, Known, Missing
from tidegate.evidence.image import Absence, BadContent, ImageDetail, ImageStatus, PlatformImage
from tidegate.evidence.image_evidence import SCAN_TYPE_SOURCE, ImageEvidence, not_asked, nothing_asked
from tidegate.evidence.index_children import select_platforms
from tidegate.evidence.needs import Needs
from tidegate.evidence.repository import RepositorySettings, ScanType
from tidegate.evidence.scan import ScanReport
from tidegate.evidence.verification_result import VerificationResults, VerificationState
from tidegate.gather.ask import GET, RENEW, Ask, Peek, at_once
from tidegate.gather.lookups import Lookups
from tidegate.gather.manifests import Runnable
from tidegate.gather.patience import Patience
from tidegate.gather.scans import TaggedScan
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
    """Collects evidence; see the module.

    A fact is looked up once for all by its cache. The task of an image stays beside that for three things: the walk goes
    on past the deadline of a request, so that the retry is answered at once; a thousand requests for one image are one
    walk; and images under way are counted by namespace, which the caches of facts do not see.
    """

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
            self._at_once(RENEW, *_identity(reference), wanted)

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
        repository, image, wanted = key
        with on_behalf_of(claim):
            by_tag = self._facts.start_scan_by_tag(repository, image) if wanted.scan else None
            task = asyncio.get_running_loop().create_task(self._walk(GET, *key, by_tag))
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

    def _known(self, repository: Repository, image: ImageId, wanted: Needs, *, otherwise: Cause) -> ImageEvidence:
        """Return what is known at once; ``otherwise`` is why what is not known could not be looked up."""
        return self._at_once(Peek(otherwise), repository, image, wanted)

    def _at_once(self, ask: Peek, repository: Repository, image: ImageId, wanted: Needs) -> ImageEvidence:
        """Return what the walk comes to without a look-up; nothing is known where it fails or waits for something."""
        try:
            return at_once(self._walk(ask, repository, image, wanted))
        except Exception as problem:  # noqa: BLE001 - an unforeseen error is one more way of not knowing
            _log.error("reading what is known failed unexpectedly", repository=str(repository), exc_info=problem)
            return _nothing_known()

    async def _walk(
        self,
        ask: Ask,
        repository: Repository,
        image: ImageId,
        wanted: Needs,
        by_tag: asyncio.Task[TaggedScan | None] | None = None,
    ) -> ImageEvidence:
        """Ask for the facts in numbered steps; each step asks at the same time for what depends on no earlier one."""
        # 1. The digest, and beside it the repository's settings. A reference by digest starts its scan at once: a scan
        #    of an image that turns out to be an index or missing is merely not used.
        named = [Digest(image.value)] if image.kind == "digest" else []
        (detail, until), (settings, limit), (scan_type, answers), proved = await ask.all(
            ask.fact(self._facts.details, (repository, image)),
            self._settings(ask, repository, wanted),
            self._scans(ask, repository, named if wanted.scan else []),
            self._proofs(ask, repository, dict.fromkeys(named, wanted.requirements)),
        )
        until = min(until, limit)
        if not isinstance(detail, Known) or not isinstance(detail.value, ImageDetail):
            return replace(nothing_asked(), detail=detail, settings=settings, valid_until=until)
        # 2. What runs: the image itself, or the children of an index; and beside it the signatures of what a tag means.
        digest = detail.value.digest
        (runnable, limit), more = await ask.all(
            self._runnable(ask, repository, detail.value, detail, wanted),
            self._proofs(ask, repository, {digest: wanted.requirements} if digest not in proved else {}),
        )
        until, proved = min(until, limit), proved | more
        # 3. The scan and the signatures of each child that a wanted platform may run, unless they were asked for before:
        #    what could not be had then is not asked for twice.
        children = [child.digest for child in _wanted_children(detail.value, runnable, wanted)]
        if by_tag is not None:
            await self._facts.keep_scan_by_tag(by_tag, repository, digest if children == [digest] else None)
        required = _requirements(detail.value, runnable, wanted)
        if not _is_any_proved(proved[digest][0] if digest in proved else None, wanted.child_requirements):
            # An index may list dozens of children, and whoever pushed it is not known: it fails by itself already.
            required = {digest: required[digest]} if digest in required else {}
        (again, scanned), more = await ask.all(
            self._scans(ask, repository, [each for each in children if wanted.scan and each not in answers]),
            self._proofs(ask, repository, {each: required[each] for each in required if each not in proved}),
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

    async def _runnable(
        self, ask: Ask, repository: Repository, detail: ImageDetail, fact: Known[ImageDetail | Absence], wanted: Needs
    ) -> tuple[Fact[Runnable], float]:
        if not _is_expanded(detail, wanted):
            return _itself(detail, fact), float("inf")
        return await ask.fact(self._facts.manifests.runnable, (repository, detail.digest, detail.media_type))

    async def _scans(self, ask: Ask, repository: Repository, digests: Sequence[Digest]) -> _Scans:
        """Return the scans of images by the registry's scanner; those of other registries are not scanned."""
        if not isinstance(repository, EcrRepository) or not digests:
            nothing = not_asked(self._facts.scans.source), float("inf")
            return not_asked(self._facts.scan_types.source), dict.fromkeys(digests, nothing)
        kind, until = await ask.fact(self._facts.scan_types, repository.registry)
        if isinstance(kind, Missing):
            return kind, dict.fromkeys(digests, (kind, until))
        answers = await ask.all(*(ask.fact(self._facts.scans, (repository, each, kind.value)) for each in digests))
        return kind, {each: (fact, min(until, limit)) for each, (fact, limit) in zip(digests, answers, strict=True)}

    async def _proofs(
        self, ask: Ask, repository: Repository, wanted: Mapping[Digest, tuple[Requirement, ...]]
    ) -> dict[Digest, tuple[Fact[VerificationResults], float]]:
        required = {digest: requirements for digest, requirements in wanted.items() if requirements}
        if not required:
            return {}
        answers = await ask.all(*(self._facts.signatures.verify(ask, repository, *one) for one in required.items()))
        return dict(zip(required, answers, strict=True))

    async def _settings(
        self, ask: Ask, repository: Repository, wanted: Needs
    ) -> tuple[Fact[RepositorySettings | Absence], float]:
        if wanted.settings and isinstance(repository, EcrRepository):
            return await ask.fact(self._facts.settings, repository)
        return not_asked(self._facts.settings.source), float("inf")


def _nothing_known() -> ImageEvidence:
    """Return the evidence of an image of which an error of tidegate left nothing known."""
    detail, settings, runnable, scan_type = (
        Missing(Cause.INTERNAL, source)
        for source in ("ecr:DescribeImages", "ecr:DescribeRepositories", "ecr:BatchGetImage", SCAN_TYPE_SOURCE)
    )
    return ImageEvidence(detail=detail, settings=settings, runnable=runnable, scan_type=scan_type)


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
