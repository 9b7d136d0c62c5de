"""The facts of ImageVerdict objects, as this process has them from its watch: evidence for when AWS cannot be reached.

They are kept compressed and read when they are needed. The age of a fact is the time since it was looked up, or since the
change feed confirmed that nothing of its registry has changed.
"""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, TypeAlias, TypeVar

import structlog

from tidegate.checks.scan import MAX_CLOCK_SKEW
from tidegate.evidence.clock import Clock
from tidegate.evidence.fact import Known
from tidegate.evidence.image import ImageDetail, PlatformImage
from tidegate.evidence.repository import RepositorySettings, ScanType
from tidegate.evidence.scan import ScanReport
from tidegate.evidence.verification_result import Attempt
from tidegate.images.digest import Digest
from tidegate.images.image_id import ImageId
from tidegate.images.repository import EcrRegistry, EcrRepository, Registry, Repository
from tidegate.verdicts.decode import StoredVerdict
from tidegate.verdicts.facts import ImageFacts, unpack

MAX_STORED: Final = 50_000
"""Objects that are kept."""
MAX_STORED_BYTES: Final = 128 * 1024 * 1024
"""Bytes of their facts, compressed. Those of 10,000 images with 30 findings take 24 MB."""

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")
_Image: TypeAlias = tuple[Repository, Digest]
_Timed: TypeAlias = tuple[T, datetime]

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation:
    """That from ``since`` to ``confirmed_at`` every change was looked up and stored."""

    since: datetime
    confirmed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class _StoredObject:
    """One object: its facts, compressed, when they were looked up, and what it is found by.

    ``is_followed`` is whether the image runs: the change feed reports nothing of others.
    """

    data: str
    is_followed: bool
    observed_at: datetime
    settings_observed_at: datetime | None
    signatures_observed_at: datetime | None
    tags: tuple[tuple[str, datetime], ...]
    held: tuple[Digest, ...]


class StoredVerdicts:
    """The objects, by image; see the module."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kept: dict[_Image, _StoredObject] = {}
        self._bytes = 0
        self._tags: dict[tuple[Repository, str], _Timed[Digest]] = {}
        self._holders: dict[_Image, Digest] = {}
        self._settings: dict[EcrRepository, _Timed[RepositorySettings]] = {}
        self._scan_types: dict[EcrRegistry, _Timed[ScanType]] = {}
        self._confirmations: Mapping[Registry, Confirmation] = {}
        self._last: tuple[str, ImageFacts] | None = None
        self.refused = 0
        """Objects that were not kept, because of their times or because there are too many, since the start."""

    def __len__(self) -> int:
        """Return how many objects are kept."""
        return len(self._kept)

    @property
    def size(self) -> int:
        """Return the bytes of the facts that are kept."""
        return self._bytes

    def confirm(self, confirmations: Mapping[Registry, Confirmation]) -> None:
        """Take what the change feed says of each registry, in place of what it said before."""
        self._confirmations = confirmations

    def put(self, verdict: StoredVerdict) -> bool:
        """Keep the facts of an object in place of earlier ones; return whether it has any that count."""
        self.drop(verdict.repository, verdict.digest)
        evidence, now = verdict.status.evidence, self._clock.now()
        if evidence is None:
            return False
        tags = tuple((tag.name, min(tag.observed_at, now)) for tag in evidence.tags)
        times = [evidence.observed_at, evidence.settings_observed_at, evidence.signatures_observed_at]
        times += [tag.observed_at for tag in evidence.tags]
        if max(time for time in times if time is not None) > now + MAX_CLOCK_SKEW:
            return self._refuse(verdict, "its facts were looked up in the future")
        if len(self._kept) >= MAX_STORED or self._bytes + len(evidence.data) > MAX_STORED_BYTES:
            return self._refuse(verdict, "too many are kept")
        kept = _StoredObject(
            data=evidence.data,
            is_followed=verdict.status.runs.pods > 0,
            observed_at=min(evidence.observed_at, now),
            settings_observed_at=_at_most(evidence.settings_observed_at, now),
            signatures_observed_at=_at_most(evidence.signatures_observed_at, now),
            tags=tags,
            held=tuple(Digest(one) for one in dict.fromkeys([*verdict.facts.scans, *verdict.facts.verified])),
        )
        self._kept[verdict.repository, verdict.digest] = kept
        self._bytes += len(kept.data)
        self._index(verdict, kept)
        return True

    def _refuse(self, verdict: StoredVerdict, why: str) -> bool:
        self.refused += 1
        _log.warning("the facts of an ImageVerdict are not used", name=verdict.name, problem=why)
        return False

    def _index(self, verdict: StoredVerdict, kept: _StoredObject) -> None:
        repository, facts = verdict.repository, verdict.facts
        for tag, observed_at in kept.tags:
            known = self._tags.get((repository, tag))
            if known is None or known[1] <= observed_at:
                self._tags[repository, tag] = verdict.digest, observed_at
        for one in kept.held:
            holder = self._holders.get((repository, one))
            if holder is None or self._kept[repository, holder].observed_at <= kept.observed_at:
                self._holders[repository, one] = verdict.digest
        if isinstance(repository, EcrRepository):
            if facts.settings is not None and kept.settings_observed_at is not None:
                _keep_newest(self._settings, repository, (facts.settings, kept.settings_observed_at))
            if facts.scan_type is not None:
                _keep_newest(self._scan_types, repository.registry, (facts.scan_type, kept.observed_at))

    def drop(self, repository: Repository, digest: Digest) -> None:
        """Forget the object of an image."""
        kept = self._kept.pop((repository, digest), None)
        if kept is None:
            return
        self._bytes -= len(kept.data)
        for tag, _ in kept.tags:
            if self._tags.get((repository, tag), (None,))[0] == digest:
                del self._tags[repository, tag]
        for one in kept.held:
            if self._holders.get((repository, one)) == digest:
                del self._holders[repository, one]

    def detail(self, repository: Repository, image: ImageId) -> Known[ImageDetail] | None:
        """Return what a tag or a digest means."""
        if image.kind == "digest":
            return self._fact(repository, Digest(image.value), lambda facts: facts.detail)
        named = self._tags.get((repository, image.value))
        if named is None:
            return None
        digest, observed_at = named
        fact = self._fact(repository, digest, lambda facts: facts.detail)
        return None if fact is None else self._known(fact.value, observed_at, None)

    def runnable(self, key: tuple[Repository, Digest, str]) -> Known[tuple[PlatformImage, ...]] | None:
        """Return the images of an index."""
        repository, digest, media_type = key

        def children(facts: ImageFacts) -> tuple[PlatformImage, ...] | None:
            return facts.runnable if facts.detail is not None and facts.detail.media_type == media_type else None

        return self._fact(repository, digest, children)

    def scan(self, repository: EcrRepository, digest: Digest, scan_type: ScanType) -> Known[ScanReport] | None:
        """Return the report of a scanner about an image, or about one image of an index."""
        holder = self._holders.get((repository, digest))
        if holder is None:
            return None

        def report(facts: ImageFacts) -> ScanReport | None:
            return facts.scans.get(digest) if facts.scan_type is scan_type else None

        return self._fact(repository, holder, report)

    def verified(self, key: tuple[Repository, Digest]) -> Known[Mapping[str, Attempt]] | None:
        """Return the requirements that a signature of an image meets, by their fingerprint."""
        repository, digest = key
        holder = self._holders.get(key)
        kept = None if holder is None else self._kept.get((repository, holder))
        if kept is None or kept.signatures_observed_at is None:
            return None
        found = self._facts(kept).verified.get(digest)
        return None if found is None else self._known(found, kept.signatures_observed_at, None)

    def settings(self, repository: EcrRepository) -> Known[RepositorySettings] | None:
        """Return how a repository is set up."""
        found = self._settings.get(repository)
        return None if found is None else self._known(*found, None)

    def scan_type(self, registry: EcrRegistry) -> Known[ScanType] | None:
        """Return the scanner of a registry."""
        found = self._scan_types.get(registry)
        return None if found is None else self._known(*found, registry)

    def _fact(self, repository: Repository, digest: Digest, read: Callable[[ImageFacts], T | None]) -> Known[T] | None:
        kept = self._kept.get((repository, digest))
        if kept is None:
            return None
        value = read(self._facts(kept))
        followed = repository.registry if kept.is_followed else None
        return None if value is None else self._known(value, kept.observed_at, followed)

    def _facts(self, kept: _StoredObject) -> ImageFacts:
        """Return the facts of an object. Those of the last object stay unpacked: a request reads several of one object."""
        if self._last is None or self._last[0] is not kept.data:
            self._last = kept.data, unpack(kept.data)
        return self._last[1]

    def _known(self, value: T, observed_at: datetime, registry: Registry | None) -> Known[T]:
        """Return a fact with its age by the clock that never jumps."""
        confirmation = None if registry is None else self._confirmations.get(registry)
        true_at = observed_at
        if confirmation is not None and confirmation.since <= observed_at:
            true_at = max(true_at, confirmation.confirmed_at)
        old = max(timedelta(0), self._clock.now() - true_at)
        return Known(value, observed_at, monotonic=self._clock.monotonic() - old.total_seconds())


def _at_most(moment: datetime | None, now: datetime) -> datetime | None:
    return None if moment is None else min(moment, now)


def _keep_newest(known: dict[K, _Timed[T]], key: K, new: _Timed[T]) -> None:
    present = known.get(key)
    if (present is None and len(known) < MAX_STORED) or (present is not None and present[1] <= new[1]):
        known[key] = new
