"""Manifests as facts: what of an image may run, and what a signature has to name. Bytes are hashed before they are read.

Amazon ECR is asked in batches; other registries, which a policy has to list, one manifest at a time.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence, Sized
from functools import partial
from typing import TypeAlias, TypeVar

from tidegate.errors import InvalidManifestError
from tidegate.evidence.clock import Clock
from tidegate.evidence.content import StoredManifest
from tidegate.evidence.fact import Cause, Missing
from tidegate.evidence.image import Absence, BadContent, ImageDetail, ImageStatus, PlatformImage
from tidegate.evidence.index_children import images_within, index_children
from tidegate.evidence.ports import MAX_IMAGE_IDS, FetchedManifest
from tidegate.evidence.signature_artifacts import Descriptor
from tidegate.evidence.source_unavailable import UnknownRegionError
from tidegate.gather import lifetimes
from tidegate.gather.api_limiters import ApiLimiters
from tidegate.gather.batch import Batcher
from tidegate.gather.bounded_cache import Budget
from tidegate.gather.fact_cache import FactCache
from tidegate.gather.sources import Sources
from tidegate.gather.stored_verdicts import StoredVerdicts
from tidegate.images.digest import Digest, digest_of
from tidegate.images.image_id import ImageId
from tidegate.images.manifest import MAX_CHILDREN, MAX_INDEX_DEPTH, MAX_NESTED_INDEXES, Manifest, parse_manifest
from tidegate.images.repository import EcrRepository, OciRepository, Repository

LARGE_BYTES = 64 * 1024
"""Bytes of a manifest that is read in a thread, one at a time: 4 MiB take up to 50 ms. Images' have 1 to 10 KB."""
DESCRIBE_SECONDS = 8.0
"""How long another registry may take to say what a tag means."""

ECR_SOURCE, OTHER_SOURCE = "ecr:BatchGetImage", "oci:GetManifest"

V = TypeVar("V")
Runnable: TypeAlias = tuple[PlatformImage, ...] | BadContent


class Manifests:
    """Manifests, indexes expanded, and descriptors."""

    def __init__(
        self,
        *,
        sources: Sources,
        limiters: ApiLimiters,
        clock: Clock,
        limit: int,
        budget: Budget | None = None,
        stored: StoredVerdicts | None = None,
    ) -> None:
        self._sources = sources
        self._limiters = limiters
        self._large = asyncio.Semaphore(1)
        self._batches = Batcher[Repository, Digest, StoredManifest | Absence](
            size=MAX_IMAGE_IDS,
            limiter=lambda repository: limiters.limiter(_source(repository), repository.registry),
            call=self._fetch,
        )
        self.runnable = FactCache[tuple[Repository, Digest, str], Runnable](
            source=ECR_SOURCE,
            source_of=lambda key: _source(key[0]),
            limit=limit,
            budget=budget,
            clock=clock,
            look_up=self._runnable,
            seconds=_seconds,
            stored=None if stored is None else stored.runnable,
        )
        self.descriptors = FactCache[tuple[Repository, Digest], Descriptor | BadContent](
            source=ECR_SOURCE,
            source_of=lambda key: _source(key[0]),
            limit=limit,
            budget=budget,
            clock=clock,
            look_up=self._descriptor,
            seconds=_seconds,
        )

    def caches(self) -> dict[str, Sized]:
        """Return every cache by the name of what it keeps."""
        return {"indexes": self.runnable, "descriptors": self.descriptors}

    async def describe(self, repository: OciRepository, image: ImageId) -> ImageDetail | Absence | Missing:
        """Ask a registry that is not Amazon ECR what a tag or digest means."""
        limiter = self._limiters.limiter(OTHER_SOURCE, repository.registry)
        describe = self._sources.other_registries.describe
        answer = await limiter.ask(partial(describe, repository, image, seconds=DESCRIBE_SECONDS))
        found: Descriptor | Absence | Missing = no_region(answer, OTHER_SOURCE)
        if not isinstance(found, Descriptor):
            return found
        return ImageDetail(digest=found.digest, media_type=found.media_type, status=ImageStatus.ACTIVE, pushed_at=None)

    async def _descriptor(self, key: tuple[Repository, Digest]) -> Descriptor | BadContent | Missing:
        repository, digest = key
        stored = await self._stored(repository, digest)
        if not isinstance(stored, StoredManifest):
            return stored
        if await self._read(stored, partial(digest_of, stored.content)) != digest:
            return BadContent(f"the bytes stored as {digest} have another digest")
        return Descriptor(media_type=stored.media_type, digest=digest, size=len(stored.content))

    async def _runnable(self, key: tuple[Repository, Digest, str]) -> Runnable | Missing:
        """Return the children of an index, with those of an index within it, down to the depth bound."""
        repository, digest, media_type = key
        manifests: dict[Digest, Manifest] = {}
        level = {digest: media_type}
        for _ in range(MAX_INDEX_DEPTH):
            for manifest in await asyncio.gather(*(self._manifest(repository, *one) for one in level.items())):
                if isinstance(manifest, (Missing, BadContent)):
                    return manifest
                manifests[manifest.digest] = manifest
            level = {
                child.digest: child.media_type for one in level for child in manifests[one].children if child.is_index
            }
            if not level:
                return _within_bound(index_children(digest, manifests))
            if len(level) > MAX_NESTED_INDEXES:
                return BadContent(f"the index names more than {MAX_NESTED_INDEXES} other indexes")
        return BadContent(f"indexes are nested deeper than {MAX_INDEX_DEPTH}")

    async def _manifest(
        self, repository: Repository, digest: Digest, media_type: str
    ) -> Manifest | BadContent | Missing:
        stored = await self._stored(repository, digest)
        if not isinstance(stored, StoredManifest):
            return stored
        if stored.media_type != media_type:
            return BadContent(f"{digest} is stored with another media type than it was described with")
        parse = partial(parse_manifest, stored.content, digest=digest, media_type=stored.media_type)
        try:
            return await self._read(stored, parse)
        except InvalidManifestError as problem:
            return BadContent(str(problem))

    async def _read(self, stored: StoredManifest, read: Callable[[], V]) -> V:
        """Return what is read in a manifest: here, or for a large one in a thread, so that others are answered meanwhile."""
        if len(stored.content) <= LARGE_BYTES:
            return read()
        async with self._large:
            return await asyncio.to_thread(read)

    async def _stored(self, repository: Repository, digest: Digest) -> StoredManifest | BadContent | Missing:
        stored: StoredManifest | Absence | Missing = no_region(
            await self._batches.get(repository, digest), _source(repository)
        )
        return BadContent(f"{digest} is named but not stored") if isinstance(stored, Absence) else stored

    def _fetch(self, repository: Repository, digests: Sequence[Digest]) -> Mapping[Digest, FetchedManifest]:
        if isinstance(repository, EcrRepository):
            return self._sources.manifests.get_manifests(repository, digests)
        return self._sources.other_registries.get_manifests(repository, digests)


def _within_bound(children: tuple[PlatformImage, ...]) -> Runnable:
    """Return the children unless they and those within them are too many; each platform of an image counts."""
    if sum(1 for _ in images_within(children)) > MAX_CHILDREN:
        return BadContent(f"the index and those within it name more than {MAX_CHILDREN} images")
    return children


def no_region(answer: V | Missing | UnknownRegionError, source: str) -> V | Missing:
    """Return a region that vanished between two look-ups as an answer that cannot be relied on."""
    return Missing(Cause.UNEXPECTED_ANSWER, source) if isinstance(answer, UnknownRegionError) else answer


def _source(repository: Repository) -> str:
    return ECR_SOURCE if isinstance(repository, EcrRepository) else OTHER_SOURCE


def _seconds(_key: object, value: object) -> float:
    return lifetimes.BAD_CONTENT_SECONDS if isinstance(value, BadContent) else lifetimes.CONTENT_SECONDS
