"""One repository's content: manifests, lists of referrers and blobs, by the OCI distribution protocol.

It is what the search for signatures asks (``referrers.search.ArtifactStore``). Whoever may push decides what is
in there, and how much: that must never read as "could not look".
"""

import re
import threading
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from urllib.parse import quote, urljoin, urlsplit

import msgspec

from tidegate.egress.exchange import HttpResponse
from tidegate.egress.wire import SecondsLeft
from tidegate.evidence.artifact_manifest import parse_referrers
from tidegate.evidence.content import TOO_LARGE, StoredManifest
from tidegate.evidence.fact import Cause
from tidegate.evidence.image import Absence
from tidegate.evidence.ports import FetchedManifest
from tidegate.evidence.signature_artifacts import (
    MAX_DETAIL,
    MAX_ENVELOPE_BYTES,
    MAX_LISTED,
    ArtifactRef,
    Descriptor,
    SkippedArtifact,
    SkipReason,
    UnusableArtifactError,
)
from tidegate.evidence.source_unavailable import SourceUnavailableError
from tidegate.images.digest import Digest, digest_of
from tidegate.images.image_id import ImageId
from tidegate.images.manifest import ACCEPTED_TYPES, MAX_MANIFEST_BYTES, OCI_INDEX
from tidegate.images.repository import OciRepository
from tidegate.referrers.search import Listing
from tidegate.registry.access import RegistryHosts
from tidegate.registry.client import Client, Wanted
from tidegate.registry.errors import error_codes, is_too_large, unexpected

MAX_PAGES = 8
"""Pages of referrers that are read for one image."""
MAX_QUERY = 2048
"""Characters of what names the next page."""
WITHHELD = frozenset(
    {
        HTTPStatus.NOT_ACCEPTABLE,
        HTTPStatus.GONE,
        HTTPStatus.PRECONDITION_FAILED,
        HTTPStatus.UNAVAILABLE_FOR_LEGAL_REASONS,
    }
)
"""What registries say of content that nobody may pull: of another format, or against their own policy (Harbor: 412).
Whoever may push can push such content, so that it is no failure of the registry."""

MANIFEST, BLOB, REFERRERS = "oci:GetManifest", "oci:GetBlob", "oci:referrers"
"""How messages and metrics call what is asked."""

_ACCEPT = ", ".join(ACCEPTED_TYPES)
_NEXT = re.compile(r'<(?P<url>[^<>]{0,4096})>\s*;\s*rel="?next"?', re.ASCII)
_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_HOPELESS = frozenset({Cause.THROTTLED, Cause.DEADLINE, Cause.CREDENTIALS})


class RepositoryContent:
    """One repository, asked within the seconds that are left."""

    def __init__(
        self, client: Client, place: RegistryHosts, repository: OciRepository, seconds_left: SecondsLeft
    ) -> None:
        self._client = client
        self._place = place
        self._repository = repository
        self.seconds_left = seconds_left

    def manifest(self, image: ImageId) -> StoredManifest | Absence:
        """Fetch one manifest, as it was pushed; not yet compared with its digest."""
        wanted = Wanted(
            source=MANIFEST,
            path=f"manifests/{image.value}",
            max_bytes=MAX_MANIFEST_BYTES,
            accept=_ACCEPT,
            answers=WITHHELD,
        )
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
            raise unexpected(MANIFEST, f"{self._place.access.host} gave other bytes than those of {image}")
        media_type = reply.header("content-type").partition(";")[0].strip()
        return StoredManifest(content=reply.body, media_type=media_type)

    def manifests(self, ids: Sequence[ImageId]) -> Mapping[ImageId, FetchedManifest]:
        """Fetch manifests one after the other; once there is no use in it, the others are not asked for."""
        found: dict[ImageId, FetchedManifest] = {}
        hopeless: SourceUnavailableError | None = None
        for each in ids:
            try:
                found[each] = self.manifest(each) if hopeless is None else hopeless
            except SourceUnavailableError as exc:
                found[each] = exc
                hopeless = exc if exc.cause in _HOPELESS else None
        return found

    def referrers(self, subject: Digest, artifact_types: frozenset[str]) -> Listing:
        """List the referrers of a digest, page by page; none where the registry has no such API.

        Source: OCI distribution specification 1.1, "listing referrers".
        """
        refs: list[ArtifactRef] = []
        skipped: list[SkippedArtifact] = []
        query = f"?artifactType={quote(next(iter(artifact_types)), safe='')}" if len(artifact_types) == 1 else ""
        seen = {query}
        for page in range(MAX_PAGES):
            try:
                listed, following = self._page(subject, query, first=page == 0)
            except (SourceUnavailableError, UnusableArtifactError) as exc:
                if isinstance(exc, SourceUnavailableError) and is_too_large(exc, REFERRERS):
                    break
                if page == 0:
                    raise
                # A signature that was listed is as good as ever; that there are no others is not known.
                return Listing(refs=tuple(refs), skipped=(*skipped, _unlisted(exc)))
            refs += listed.refs
            skipped += listed.skipped
            if following is None:
                return Listing(refs=tuple(refs), skipped=tuple(skipped))
            if following in seen:
                circle = unexpected(REFERRERS, f"{self._place.access.host} lists its pages in a circle")
                return Listing(refs=tuple(refs), skipped=(*skipped, _unlisted(circle)))
            if len(refs) > MAX_LISTED:
                break
            query = following
            seen.add(query)
        return Listing(refs=tuple(refs), skipped=tuple(skipped), more=True)

    def blob(self, blob: Descriptor) -> bytes:
        """Fetch one blob; raise UnusableArtifactError where there is none, or where it has not the size that is told.

        Bytes that are not those of the digest are no answer: a page of a proxy, or half of a blob.
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
            raise UnusableArtifactError(SkipReason.GONE, f"the registry gives no such blob: HTTP {reply.status}")
        if digest_of(reply.body) != blob.digest:
            raise unexpected(BLOB, f"{self._place.access.host} gave other bytes than those of {blob.digest}")
        if len(reply.body) != blob.size:
            problem = f"the blob has {len(reply.body)} bytes, not {blob.size}"
            raise UnusableArtifactError(SkipReason.BAD_CONTENT, problem)
        return reply.body

    def _page(self, subject: Digest, query: str, *, first: bool) -> tuple[Listing, str | None]:
        """Return one page and the query of the next, where there is one."""
        path = f"referrers/{subject}"
        wanted = Wanted(source=REFERRERS, path=f"{path}{query}", max_bytes=MAX_MANIFEST_BYTES, accept=OCI_INDEX)
        reply = self._get(wanted)
        if reply.status == HTTPStatus.NOT_FOUND:
            if first:
                return Listing(refs=()), None
            raise unexpected(REFERRERS, f"{self._place.access.host} has no such page as it said")
        # What a list says, who may push has a say in; that it is one is the registry's own affair.
        if not _is_list(reply.body):
            raise unexpected(REFERRERS, f"{self._place.access.host} gave no list of referrers but something else")
        listed = parse_referrers(reply.body)
        detail = f"{listed.unreadable} entries without a sha256 digest"
        unreadable = SkippedArtifact(what="referrers", reason=SkipReason.UNSUPPORTED, detail=detail)
        skipped = (unreadable,) if listed.unreadable else ()
        return Listing(refs=listed.refs, skipped=skipped), self._next(reply, f"{self._repository.name}/{path}")

    def _next(self, reply: HttpResponse, path: str) -> str | None:
        """Return what is behind the question mark of the next page. All else of its address is ours."""
        found = _NEXT.search(reply.header("link"))
        if found is None:
            return None
        here = self._place.endpoint(path)
        try:
            target = urlsplit(urljoin(f"{here.scheme}://{here.authority}{here.path}", found["url"]))
        except ValueError as exc:
            raise unexpected(REFERRERS, "the next page is no URL") from exc
        query = target.query
        if target.path != here.path or len(query) > MAX_QUERY or not query.isascii() or not query.isprintable():
            raise unexpected(REFERRERS, f"the next page is not one of the same list: {found['url'][:80]!a}")
        return f"?{query}"

    def _get(self, wanted: Wanted) -> HttpResponse:
        return self._client.get(self._place, self._repository, wanted, self.seconds_left)


class RecentManifests:
    """The last few manifests that were found by tag or digest, up to so many bytes, by the digest of their bytes."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._kept: dict[tuple[OciRepository, Digest], StoredManifest] = {}
        self._bytes = 0

    def get(self, repository: OciRepository, digest: Digest) -> StoredManifest | None:
        """Return a manifest that was kept."""
        with self._lock:
            return self._kept.get((repository, digest))

    def keep(self, repository: OciRepository, digest: Digest, manifest: StoredManifest) -> None:
        """Keep a manifest whose bytes have the digest; the oldest go for it."""
        with self._lock:
            before = self._kept.pop((repository, digest), None)
            self._kept[repository, digest] = manifest
            self._bytes += len(manifest.content) - (0 if before is None else len(before.content))
            while self._bytes > self._max_bytes:
                self._bytes -= len(self._kept.pop(next(iter(self._kept))).content)


def _is_manifest_of(image: ImageId, content: bytes) -> bool:
    """Tell whether bytes can be what a registry keeps: those of the digest, and under a tag at least an object in JSON.

    Registries take nothing else for a manifest; what is in the object is for who pushed it to say.
    """
    if image.kind == "digest":
        return digest_of(content) == image.value
    text = content.strip(b" \t\r\n")
    return text.startswith(b"{") and text.endswith(b"}")


def _is_list(content: bytes) -> bool:
    try:
        return "manifests" in _members(content)
    except (msgspec.MsgspecError, RecursionError):
        return False


def _unlisted(exc: SourceUnavailableError | UnusableArtifactError) -> SkippedArtifact:
    if isinstance(exc, UnusableArtifactError):
        return SkippedArtifact(what="referrers", reason=exc.reason, detail=str(exc)[:MAX_DETAIL])
    return SkippedArtifact(
        what="referrers", reason=SkipReason.UNAVAILABLE, detail=str(exc)[:MAX_DETAIL], cause=exc.cause
    )
