"""One repository's content: manifests, lists of referrers and blobs, by the OCI distribution protocol.

It is an ``ArtifactStore`` of ``referrers.search``. Users who can push choose the content and its size, which must never
count as a failed look-up.
"""

import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from http import HTTPStatus
from urllib.parse import quote, urljoin, urlsplit

import msgspec

from tidegate.egress.exchange import HttpResponse
from tidegate.evidence.artifact_manifest import parse_referrers
from tidegate.evidence.content import TOO_LARGE, StoredManifest
from tidegate.evidence.fact import Cause
from tidegate.evidence.image import Absence
from tidegate.evidence.ports import FetchedManifest
from tidegate.evidence.signature_artifacts import (
    MAX_ENVELOPE_BYTES,
    Descriptor,
    SkippedArtifact,
    SkipReason,
    UnusableArtifactError,
)
from tidegate.evidence.source_unavailable import NotAskedError, SourceUnavailableError, again
from tidegate.images.digest import Digest, digest_of
from tidegate.images.image_id import ImageId
from tidegate.images.manifest import ACCEPTED_TYPES, MAX_MANIFEST_BYTES, OCI_INDEX
from tidegate.images.repository import OciRepository
from tidegate.referrers.search import Listing, list_pages
from tidegate.registry.client import Client, Wanted
from tidegate.registry.errors import error_codes, is_too_large, unexpected
from tidegate.registry.large_manifests import MANIFEST, SMALL_MANIFEST_BYTES, LargeManifests, ManifestPermit

MAX_PAGES = 8
"""Pages of referrers that are read for one image."""
MAX_QUERY = 2048
"""Longest query of the next page's address."""
WITHHELD = frozenset(
    {
        HTTPStatus.NOT_ACCEPTABLE,
        HTTPStatus.GONE,
        HTTPStatus.PRECONDITION_FAILED,
        HTTPStatus.UNAVAILABLE_FOR_LEGAL_REASONS,
    }
)
"""Statuses for content that cannot be pulled: another format, or against the registry's own policy (Harbor: 412). Users
can push such content, so it is no failure of the registry."""

BLOB, REFERRERS = "oci:GetBlob", "oci:referrers"
"""As MANIFEST."""

_ACCEPT = ", ".join(ACCEPTED_TYPES)
_NEXT = re.compile(r'<(?P<url>[^<>]{0,4096})>\s*;\s*rel="?next"?', re.ASCII)
_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_HOPELESS = frozenset({Cause.THROTTLED, Cause.DEADLINE, Cause.CREDENTIALS})


class RepositoryContent:
    """One repository, read within ``seconds_left``."""

    def __init__(self, client: Client) -> None:
        self._get = client.get
        self._hosts = client.hosts
        self._repository = client.repository
        self.seconds_left = client.seconds_left

    def manifest(self, image: ImageId, *, permit: ManifestPermit | None = None) -> StoredManifest | Absence:
        """Fetch one manifest, as it was pushed; not yet compared with its digest. A large one needs the ``permit``, if given."""
        wanted = Wanted(
            source=MANIFEST,
            path=f"manifests/{image.value}",
            max_bytes=MAX_MANIFEST_BYTES,
            accept=_ACCEPT,
            answers=WITHHELD,
        )
        if permit is not None:
            wanted = replace(wanted, check_size=permit.check)
        try:
            reply = self._get(wanted)
        except SourceUnavailableError as exc:
            if is_too_large(exc, MANIFEST):
                return TOO_LARGE
            raise
        if reply.status == HTTPStatus.NOT_FOUND:
            return Absence.REPOSITORY if "NAME_UNKNOWN" in error_codes(reply) else Absence.IMAGE
        if reply.status in WITHHELD:
            return TOO_LARGE
        if not _is_manifest_of(image, reply.body):
            raise unexpected(MANIFEST, f"{self._hosts.access.host} returned the wrong content for {image}")
        media_type = reply.header("content-type").partition(";")[0].strip()
        return StoredManifest(content=reply.body, media_type=media_type)

    def manifests(
        self, ids: Sequence[ImageId], *, large: LargeManifests | None = None
    ) -> Mapping[ImageId, FetchedManifest]:
        """Fetch manifests one after the other; after a failure that would repeat itself, no others are requested.

        With ``large``, each large manifest holds a permit while it is in memory, and those after the first large one get
        NotAskedError. One that gets no permit is OVERLOADED; the others of the call do not wait for one.
        """
        found: dict[ImageId, FetchedManifest] = {}
        hopeless: SourceUnavailableError | None = None
        waits = True
        for each in ids:
            if hopeless is not None:
                found[each] = hopeless
                continue
            try:
                found[each] = stored = (
                    self.manifest(each) if large is None else self._permitted(each, large, waits=waits)
                )
            except SourceUnavailableError as exc:
                found[each] = failure = again(exc)
                hopeless = failure if exc.cause in _HOPELESS else None
                waits = waits and exc.cause is not Cause.OVERLOADED
                continue
            if large is not None and isinstance(stored, StoredManifest) and len(stored.content) > SMALL_MANIFEST_BYTES:
                hopeless = NotAskedError(MANIFEST, "after a large manifest in the same call")
        return found

    def _permitted(self, image: ImageId, large: LargeManifests, *, waits: bool) -> StoredManifest | Absence:
        seconds_left = self.seconds_left if waits else lambda: 0.0
        with large.permit(self._repository.registry, seconds_left) as permit:
            stored = self.manifest(image, permit=permit)
            if isinstance(stored, StoredManifest) and stored is not TOO_LARGE:
                permit.keep(stored)
            return stored

    def referrers(self, subject: Digest, artifact_types: frozenset[str]) -> Listing:
        """List the referrers of a digest, page by page; none if the registry has no such API.

        Source: OCI distribution specification 1.1, "listing referrers".
        """
        types = sorted(artifact_types)
        query = f"?artifactType={quote(types[0], safe='')}" if len(types) == 1 else ""
        return list_pages(self._pages(subject, query), lambda exc: is_too_large(exc, REFERRERS))

    def blob(self, blob: Descriptor) -> bytes:
        """Fetch one blob; raise UnusableArtifactError if it is missing or its size is not the one of the descriptor.

        Bytes with another digest are a failure of the registry: a proxy's page, or half a blob.
        """
        path = f"blobs/{blob.digest}"
        wanted = Wanted(source=BLOB, path=path, max_bytes=MAX_ENVELOPE_BYTES, answers=WITHHELD)
        try:
            reply = self._get(wanted)
        except SourceUnavailableError as exc:
            if is_too_large(exc, BLOB):
                problem = f"the blob has more than {MAX_ENVELOPE_BYTES} bytes"
                raise UnusableArtifactError(SkipReason.TOO_LARGE, problem) from exc
            raise
        if reply.status != HTTPStatus.OK:
            raise UnusableArtifactError(SkipReason.GONE, f"the registry has no such blob: HTTP {reply.status}")
        if digest_of(reply.body) != blob.digest:
            raise unexpected(BLOB, f"{self._hosts.access.host} returned the wrong content for {blob.digest}")
        if len(reply.body) != blob.size:
            problem = f"the blob has {len(reply.body)} bytes, not {blob.size}"
            raise UnusableArtifactError(SkipReason.BAD_CONTENT, problem)
        return reply.body

    def _pages(self, subject: Digest, query: str) -> Iterator[Listing]:
        """Yield the pages, each of which must have a new address."""
        path = f"referrers/{subject}"
        seen: set[str] = set()
        while len(seen) < MAX_PAGES:
            if query in seen:
                raise unexpected(REFERRERS, f"the pages of {self._hosts.access.host} form a circle")
            wanted = Wanted(source=REFERRERS, path=f"{path}{query}", max_bytes=MAX_MANIFEST_BYTES, accept=OCI_INDEX)
            reply = self._get(wanted)
            if reply.status == HTTPStatus.NOT_FOUND and not seen:
                return
            following = self._next(reply, f"{self._repository.name}/{path}")
            yield self._read(reply, more=following is not None)
            if following is None:
                return
            seen.add(query)
            query = following

    def _read(self, reply: HttpResponse, *, more: bool) -> Listing:
        """Return one page. Users choose its entries; that it is a list is up to the registry."""
        if reply.status == HTTPStatus.NOT_FOUND:
            raise unexpected(REFERRERS, f"{self._hosts.access.host} has no page at the address that it gave")
        if not _is_list(reply.body):
            raise unexpected(REFERRERS, f"{self._hosts.access.host} did not return a list of referrers")
        listed = parse_referrers(reply.body)
        detail = f"{listed.unreadable} entries without a sha256 digest"
        unreadable = SkippedArtifact(what="referrers", reason=SkipReason.UNSUPPORTED, detail=detail)
        return Listing(refs=listed.refs, skipped=(unreadable,) if listed.unreadable else (), more=more)

    def _next(self, reply: HttpResponse, path: str) -> str | None:
        """Return the query of the next page's address; the path must be the same."""
        found = _NEXT.search(reply.header("link"))
        if found is None:
            return None
        here = self._hosts.endpoint(path)
        try:
            target = urlsplit(urljoin(f"{here.scheme}://{here.authority}{here.path}", found["url"]))
        except ValueError as exc:
            raise unexpected(REFERRERS, "the address of the next page is not a URL") from exc
        query = target.query
        if target.path != here.path or len(query) > MAX_QUERY or not query.isascii() or not query.isprintable():
            raise unexpected(REFERRERS, f"the next page belongs to another list: {found['url'][:80]!a}")
        return f"?{query}"


class RecentManifests:
    """The manifests that were found last, up to a number of bytes, by digest."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._kept: dict[tuple[OciRepository, Digest], StoredManifest] = {}
        self._bytes = 0

    def get(self, repository: OciRepository, digest: Digest) -> StoredManifest | None:
        """Return a manifest that is kept."""
        with self._lock:
            return self._kept.get((repository, digest))

    def keep(self, repository: OciRepository, digest: Digest, manifest: StoredManifest) -> None:
        """Keep a manifest by the digest of its bytes; the oldest ones make room."""
        with self._lock:
            before = self._kept.pop((repository, digest), None)
            self._kept[repository, digest] = manifest
            self._bytes += len(manifest.content) - (0 if before is None else len(before.content))
            while self._bytes > self._max_bytes:
                self._bytes -= len(self._kept.pop(next(iter(self._kept))).content)


def _is_manifest_of(image: ImageId, content: bytes) -> bool:
    """Tell whether bytes can be a manifest: those of the digest, or a JSON object under a tag, as registries require."""
    if image.kind == "digest":
        return digest_of(content) == image.value
    text = content.strip(b" \t\r\n")
    return text.startswith(b"{") and text.endswith(b"}")


def _is_list(content: bytes) -> bool:
    try:
        return "manifests" in _members(content)
    except (msgspec.MsgspecError, RecursionError):
        return False
