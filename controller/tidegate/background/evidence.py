"""The evidence about running images: collected once, kept as long as they run, and collected again after a change.

What is kept counts as fresh however old it is: the change feed and the daily re-read say when it has to be looked up again,
and each verdict says when it was looked up. A look-up that fails never replaces what is kept.
"""

import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, Final

from tidegate.background.running import ImageInUse, NamedTag
from tidegate.evidence.change import Change, ImageChange, RegistryChange, RepositoryChange, ScanChange, TagChange
from tidegate.evidence.clock import Clock
from tidegate.evidence.fact import Fact, Known, Missing
from tidegate.evidence.image import ImageDetail, ImageStatus
from tidegate.evidence.image_evidence import ImageEvidence
from tidegate.evidence.index_children import images_within
from tidegate.evidence.inspection import ImageKey
from tidegate.evidence.needs import Needs
from tidegate.evidence.repository import ScanType
from tidegate.evidence.scan import ScanReport
from tidegate.gather.collector import Collector
from tidegate.gather.fact_cache import FactCache
from tidegate.gather.lookups import DetailKey, Lookups
from tidegate.gather.scans import ScanKey
from tidegate.gather.signatures import kinds_of
from tidegate.images.digest import Digest
from tidegate.images.image_id import ImageId
from tidegate.images.reference import ImageReference
from tidegate.images.repository import EcrRegistry, EcrRepository, Repository

COLLECT_SECONDS: Final = 900.0
"""How long a collection may take: thousands of images may wait for two calls a second."""


class HeldEvidence:
    """Evidence by image and by what is wanted of it."""

    def __init__(self, *, collector: Collector, facts: Lookups, clock: Clock) -> None:
        self._collector = collector
        self._facts = facts
        self._clock = clock
        self._held: dict[ImageInUse, dict[Needs, ImageEvidence]] = {}
        self._listed: dict[bool, dict[EcrRegistry, list[ImageKey]]] = {}
        self._partial: dict[ImageInUse, dict[Needs, ImageEvidence]] = {}
        self._indexes: dict[ImageInUse, set[ImageInUse]] = {}

    def __len__(self) -> int:
        """Return of how many images evidence is held."""
        return len(self._held)

    def clear(self) -> None:
        """Drop the evidence of all images, and the same in the caches; what is stored stays."""
        for image in {**self._held, **self._partial}:
            self.forget(image)

    def holds(self, image: ImageInUse) -> bool:
        """Tell whether evidence of an image is held: only then are changes of it followed."""
        return image in self._held

    def scanned(self) -> dict[EcrRegistry, list[ImageKey]]:
        """Return the images in Amazon ECR whose scans are held, by registry: policies list these registries."""
        return self._list(scanned=True)

    def in_ecr(self) -> dict[EcrRegistry, list[ImageKey]]:
        """Return the images in Amazon ECR of which any evidence is held, by registry."""
        return self._list(scanned=False)

    def _list(self, *, scanned: bool) -> dict[EcrRegistry, list[ImageKey]]:
        """Return images by registry. The answer is made anew only after what is held has changed: each registry asks for it."""
        if scanned not in self._listed:
            made = self._listed[scanned] = dict[EcrRegistry, list[ImageKey]]()
            for (repository, digest), held in self._held.items():
                if isinstance(repository, EcrRepository) and (not scanned or any(wanted.scan for wanted in held)):
                    made.setdefault(repository.registry, []).append((repository.name, digest))
        return self._listed[scanned]

    def known(self, image: ImageInUse, wanted: Needs, *, uses_stored: bool = True) -> ImageEvidence | None:
        """Return the evidence without any look-up, or None where something of it has to be looked up first.

        ``uses_stored`` is whether what the image's object has counts too.
        """
        held = self._held.get(image, {}).get(wanted)
        if held is not None or not uses_stored:
            return held
        found = self._collector.stored(reference_to(image), wanted)
        return self._hold(image, wanted, found) if found.is_whole else None

    def partial(self, image: ImageInUse, wanted: Needs) -> ImageEvidence:
        """Return what the last look-up knew, with the reasons why the rest is missing."""
        found = self._partial.get(image, {}).get(wanted)
        return self._collector.known(reference_to(image), wanted) if found is None else found

    async def collect(self, image: ImageInUse, wanted: Needs, *, since: float) -> bool:
        """Look up what is not fresh; return whether all of it was answered, its scans after ``since`` (monotonic).

        Without an answer the evidence that is held stays. What is stored counts only where nothing has changed since.
        """
        self._facts.scans.pass_over(since)
        deadline = self._clock.monotonic() + COLLECT_SECONDS
        found = await self._collector.collect(reference_to(image), wanted, deadline=deadline)
        is_answered = found.is_whole and not found.is_stale
        if is_answered or (found.is_whole and not since and wanted not in self._held.get(image, {})):
            self._hold(image, wanted, found)
        elif not found.is_whole:
            self._partial.setdefault(image, {})[wanted] = found
        return is_answered and all(_is_newer(one, since) for one in found.scans.values())

    async def collect_scans(self, image: ImageInUse, wanted: Iterable[Needs], *, since: float) -> bool | None:
        """Look up nothing but the scans that are held of an image; return as ``collect`` does.

        None where that is not enough, since something of it was never looked up, or it could not be pulled.
        """
        self._facts.scans.pass_over(since)
        repository, held = image[0], self._held.get(image, {})
        before = {needs: held.get(needs) for needs in wanted}
        if not isinstance(repository, EcrRepository) or None in before.values():
            return None
        is_answered = True
        for needs, evidence in before.items():
            assert evidence is not None
            if not needs.scan:
                continue
            if not _is_scanned(evidence) or not isinstance(evidence.scan_type, Known):
                return None
            keys = [ScanKey(repository, digest, evidence.scan_type.value) for digest in evidence.scans]
            facts = await asyncio.gather(*(self._facts.scans.get(key) for key in keys))
            scans: dict[Digest, Fact[ScanReport]] = {
                key.digest: fact for key, (fact, _) in zip(keys, facts, strict=True)
            }
            is_new = all(_is_newer(fact, since) for fact in scans.values())
            # Policies that changed meanwhile may have had it dropped, and held again as it is stored.
            is_held = self._held.get(image, {}).get(needs) is evidence
            if is_new and is_held:
                self._hold(image, needs, replace(evidence, scans=scans))
            is_answered = is_answered and is_new and is_held
        return is_answered

    async def tag(self, named: NamedTag) -> Fact[Any]:
        """Return what the registry says that a tag means."""
        fact, _ = await self._facts.details.get(DetailKey(named[0], ImageId.of_tag(named[1])))
        return fact

    def tag_at_once(self, named: NamedTag) -> tuple[Digest, Any] | None:
        """Return the digest that a tag meant when the registry was last asked, and when that was; None if it is unknown."""
        fact, _ = self._facts.details.peek(DetailKey(named[0], ImageId.of_tag(named[1])))
        if isinstance(fact, Missing) or not isinstance(fact.value, ImageDetail):
            return None
        return fact.value.digest, fact.observed_at

    def affected(self, changes: Iterable[Change]) -> set[ImageInUse]:
        """Return the images in use that changes are about: themselves, the indexes that list them, a whole repository.

        The meaning of a tag, and the settings of a repository, are looked up again. A change of a scan that was read before it
        was listed is none.
        """
        found: set[ImageInUse] = set()
        for change in changes:
            if isinstance(change, ImageChange):
                one: ImageInUse = change.repository, change.digest
                about = ({one} & self._held.keys()) | self._indexes.get(one, set())
                if isinstance(change, ScanChange) and change.rows:
                    about = {image for image in about if not self._has_read(image, change)}
                found |= about
            elif isinstance(change, TagChange):
                self._facts.details.shorten(DetailKey(change.repository, ImageId.of_tag(change.tag)), 0.0)
            else:
                about = {one for one in self._held if _is_of(one[0], change)}
                self._settings_changed(one[0] for one in about)
                found |= about
        return found

    def _has_read(self, image: ImageInUse, change: ScanChange) -> bool:
        """Tell whether each scan that is held of an image has what is listed as changed, at the very moment of its change."""
        arn = f"{change.repository.arn}/{change.digest}"
        for held in self._held[image].values():
            fact = held.scans.get(change.digest)
            if not isinstance(fact, Known):
                return False
            read = {*fact.value.rows, (arn, fact.value.coverage.last_scanned_at)}
            if any((row.id, row.updated_at) not in read for row in change.rows):
                return False
        return True

    def possibly_affected(self, changes: Iterable[Change], unknown: Iterable[ImageInUse]) -> set[ImageInUse]:
        """Return those of ``unknown`` that changes may be about: images of which evidence is looked up for the first time.

        Nothing says yet what an index lists, so that each digest of its repository may be one of its images.
        """
        repositories: set[Repository] = set()
        settings: set[Repository] = set()
        registries = set[EcrRegistry]()
        for change in changes:
            if isinstance(change, RegistryChange):
                registries.add(change.registry)
            elif not isinstance(change, TagChange):
                repositories.add(change.repository)
                if isinstance(change, RepositoryChange):
                    settings.add(change.repository)
        found = {one for one in unknown if one[0] in repositories or one[0].registry in registries}
        self._settings_changed(one[0] for one in found if one[0] in settings or one[0].registry in registries)
        return found

    def _settings_changed(self, repositories: Iterable[Repository]) -> None:
        """Have the settings and the configuration of repositories, and of their registries, looked up again."""
        changed = {one for one in repositories if isinstance(one, EcrRepository)}
        for repository in changed:
            self._facts.settings.shorten(repository, 0.0)
            self._facts.configurations.repositories.shorten(repository, 0.0)
        for registry in {one.registry for one in changed}:
            self._facts.configurations.registries.shorten(registry, 0.0)

    def expire(self, image: ImageInUse, *, scans_only: bool = False) -> None:
        """Have the next collection look up the image, its scans and its signatures, and those of its children."""
        for cache, key in self._cached(image):
            if not scans_only or cache is self._facts.scans:
                cache.shorten(key, 0.0)

    def forget(self, image: ImageInUse) -> None:
        """Drop the evidence of an image that does not run any more, and the same in the caches: its changes are not followed."""
        for cache, key in self._cached(image):
            cache.drop(key)
        self._partial.pop(image, None)
        self._listed.clear()
        for one in self._held.pop(image, {}).values():
            for child in _children(one):
                key = image[0], child
                indexes = self._indexes.get(key, set())
                indexes.discard(image)
                if not indexes:
                    self._indexes.pop(key, None)

    def _cached(self, image: ImageInUse) -> Iterator[tuple[FactCache[Any, Any], Any]]:
        """Yield where facts about an image and its children that can change are cached."""
        repository, digest = image
        yield self._facts.details, DetailKey(repository, ImageId.of_digest(digest))
        known = {**self._partial.get(image, {}), **self._held.get(image, {})}
        digests = {digest}.union(*(_children(one) for one in known.values()))
        if isinstance(repository, EcrRepository):
            for each in digests:
                for scan_type in ScanType:
                    yield self._facts.scans, ScanKey(repository, each, scan_type)
        for wanted in known:
            for requirements in {wanted.requirements, wanted.child_requirements} - {()}:
                for each in digests:
                    yield self._facts.signatures.artifacts, (repository, each, kinds_of(requirements))

    def keep_only(self, image: ImageInUse, wanted: Iterable[Needs]) -> None:
        """Drop what no policy wants any more of an image."""
        held = self._held.get(image)
        if held is not None and len(held) > 1:
            needed = set(wanted)
            self._listed.clear()
            for one in [one for one in held if one not in needed]:
                del held[one]

    def _hold(self, image: ImageInUse, wanted: Needs, found: ImageEvidence) -> ImageEvidence:
        fresh = _fresh(found)
        self._partial.pop(image, None)
        if wanted not in self._held.get(image, {}):
            self._listed.clear()
        self._held.setdefault(image, {})[wanted] = fresh
        for child in _children(fresh):
            if child != image[1]:
                self._indexes.setdefault((image[0], child), set()).add(image)
        return fresh


def reference_to(image: ImageInUse) -> ImageReference:
    """Return the reference to an image by its digest alone."""
    repository, digest = image
    host = repository.registry.host
    return ImageReference(
        text=f"{host}/{repository.name}@{digest}",
        domain=host,
        path=repository.name,
        tag=None,
        digest=digest,
        ecr=repository if isinstance(repository, EcrRepository) else None,
    )


def _is_scanned(evidence: ImageEvidence) -> bool:
    """Tell whether an image can be pulled, and it is known which images of it are scanned."""
    detail = evidence.detail
    if not isinstance(detail, Known) or not isinstance(detail.value, ImageDetail):
        return False
    return detail.value.status is ImageStatus.ACTIVE and bool(evidence.scans)


def _is_newer(fact: Fact[ScanReport], since: float) -> bool:
    """Tell whether a scan was looked up after a moment (monotonic)."""
    return isinstance(fact, Known) and fact.stale is None and fact.monotonic >= since


def _is_of(repository: Repository, change: RepositoryChange | RegistryChange) -> bool:
    if isinstance(change, RepositoryChange):
        return repository == change.repository
    return repository.registry == change.registry


def _children(evidence: ImageEvidence) -> list[Digest]:
    fact = evidence.runnable
    if not isinstance(fact, Known) or not isinstance(fact.value, tuple):
        return []
    return [one.digest for one in images_within(fact.value)]


def _fresh(evidence: ImageEvidence) -> ImageEvidence:
    """Return the evidence with no fact past its time to live."""
    if not evidence.is_stale:
        return evidence
    return replace(
        evidence,
        detail=_fresh_fact(evidence.detail),
        settings=_fresh_fact(evidence.settings),
        runnable=_fresh_fact(evidence.runnable),
        scan_type=_fresh_fact(evidence.scan_type),
        scans={digest: _fresh_fact(fact) for digest, fact in evidence.scans.items()},
        proofs={digest: _fresh_fact(fact) for digest, fact in evidence.proofs.items()},
        registry_configuration=_fresh_fact(evidence.registry_configuration),
        repository_configuration=_fresh_fact(evidence.repository_configuration),
    )


def _fresh_fact(fact: Any) -> Any:
    if isinstance(fact, Known) and fact.stale is not None:
        return Known(fact.value, fact.observed_at, monotonic=fact.monotonic)
    return fact
