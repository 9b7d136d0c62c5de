"""How the signatures of one image are found, whatever registry keeps it: one numbered procedure over an ArtifactStore.

The numbers N21 to N26 are those of the Notary Project's verification steps as docs and tests name them; cosign's layouts
take the same path. It decides nothing about trust: it returns what it finds, and N27, one valid signature is enough, is for
the caller. What could not be looked at is noted, and is never "there is none". It drives the calls of a store and makes
none itself; the values are in ``evidence``.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeAlias, TypeVar

from tidegate.evidence.artifact_manifest import (
    ArtifactManifest,
    LayerDescriptor,
    parse_artifact,
    parse_referrers,
    signature_layers,
)
from tidegate.evidence.content import StoredManifest
from tidegate.evidence.fact import Cause
from tidegate.evidence.image import Absence
from tidegate.evidence.signature_artifacts import (
    ENOUGH_EVALUATED,
    MAX_DETAIL,
    MAX_ENVELOPE_BYTES,
    MAX_EVALUATED,
    MAX_FOUND_BYTES,
    MAX_FOUND_MANIFEST_BYTES,
    MAX_LISTED,
    ArtifactKind,
    ArtifactRef,
    Descriptor,
    FoundArtifacts,
    SignatureArtifact,
    SkippedArtifact,
    SkipReason,
    UnusableArtifactError,
    WantedArtifacts,
)
from tidegate.evidence.signature_candidates import (
    likely_first,
    listed_candidates,
    referrer_types,
    refusal,
    signature_tags,
)
from tidegate.evidence.source_unavailable import SourceUnavailableError, again
from tidegate.images.digest import Digest, digest_of
from tidegate.images.image_id import ImageId

MANIFESTS_A_CALL = 10
"""Manifests asked for at once: each may have MAX_MANIFEST_BYTES, and all of them stand in memory together."""
MAX_SKIPPED = 100
"""Artifacts left aside for good that are named one by one; what could not be looked at always is."""

R = TypeVar("R")
StoredArtifact: TypeAlias = StoredManifest | Absence | UnusableArtifactError | SourceUnavailableError
_OPEN = frozenset({SkipReason.UNAVAILABLE, SkipReason.OVER_LIMIT})
_SPENT = frozenset({Cause.DEADLINE, Cause.THROTTLED})
"""Causes that too many questions bring about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What a referrers API listed; more than MAX_LISTED entries need not be read, and ``more`` says that there are."""

    refs: tuple[ArtifactRef, ...]
    skipped: tuple[SkippedArtifact, ...] = ()
    more: bool = False


def list_pages(pages: Iterable[Listing], is_too_large: Callable[[SourceUnavailableError], bool]) -> Listing:
    """Return the listing of pages, each of which tells whether more follow; raise what the first one raises.

    A signature that was listed counts whatever becomes of the pages after it; that there are no others is unknown then. A
    page that is too large is like too many pages.
    """
    refs: list[ArtifactRef] = []
    skipped: list[SkippedArtifact] = []
    page: Listing | None = None
    try:
        for page in pages:
            refs += page.refs
            skipped += page.skipped
            if len(refs) > MAX_LISTED:
                break
    except (SourceUnavailableError, UnusableArtifactError) as exc:
        if isinstance(exc, SourceUnavailableError) and is_too_large(exc):
            return Listing(refs=tuple(refs), skipped=tuple(skipped), more=True)
        if page is None:
            raise
        reason = exc.reason if isinstance(exc, UnusableArtifactError) else SkipReason.UNAVAILABLE
        cause = exc.cause if isinstance(exc, SourceUnavailableError) else None
        skipped.append(SkippedArtifact(what="referrers", reason=reason, detail=str(exc)[:MAX_DETAIL], cause=cause))
        return Listing(refs=tuple(refs), skipped=tuple(skipped))
    return Listing(refs=tuple(refs), skipped=tuple(skipped), more=page is not None and page.more)


class ArtifactStore(Protocol):
    """One repository, asked for what stands beside one image. Methods block; each is bounded in bytes and seconds.

    SourceUnavailableError means "could not look": raised, or a value for one id of several. So is UnusableArtifactError,
    which means that there is something of no use.
    """

    def referrers(self, subject: Digest, artifact_types: frozenset[str]) -> Listing:
        """List the referrers of a digest; a registry without such an API lists none. The types are a wish."""
        ...

    def manifests(self, ids: Sequence[ImageId]) -> Mapping[ImageId, StoredArtifact]:
        """Fetch up to MANIFESTS_A_CALL manifests as they were pushed, not yet compared with their digests."""
        ...

    def blob(self, blob: Descriptor) -> bytes:
        """Fetch one blob, and hardly a byte more than its size; raise UnusableArtifactError where there is none such."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class _FoundEnvelope:
    """A layer that holds an envelope, and where it was found."""

    kind: ArtifactKind
    layer: LayerDescriptor
    manifest: ArtifactManifest
    manifest_digest: Digest


def find_signatures(
    store: ArtifactStore, subject: Digest, wanted: WantedArtifacts, *, seconds_left: Callable[[], float]
) -> FoundArtifacts:
    """Return the signatures beside an image; raise SourceUnavailableError where nothing at all could be learned.

    Nothing more is fetched once ``seconds_left`` is not positive; what is left then is noted with DEADLINE.
    """
    return _Search(store, subject, wanted, seconds_left).run()


class _Search:
    def __init__(
        self, store: ArtifactStore, subject: Digest, wanted: WantedArtifacts, seconds_left: Callable[[], float]
    ) -> None:
        self._store = store
        self._subject = subject
        self._wanted = wanted
        self._seconds_left = seconds_left
        self._skipped: list[SkippedArtifact] = []
        self._failure: SourceUnavailableError | None = None
        self._answered = False
        self._bytes = 0
        self._seconds = seconds_left()
        self._is_late = False
        self._artifacts = 0
        self._manifests = 0
        self._manifest_bytes = 0

    def run(self) -> FoundArtifacts:
        kinds, tags = self._wanted.kinds, signature_tags(self._subject, self._wanted.kinds)
        # 1. (N21) List the referrers. An API that fails is noted; it is not "no signatures".
        listed = listed_candidates(self._list(), kinds)
        # 2. (N22, N25, N26) Choose the candidates, likely ones first.
        first = self._choose(listed, room=MAX_EVALUATED)
        # 3. (N21) Fetch them, together with what stands under the tags.
        fetched = self._fetch([*tags.ids, *map(_id, first)])
        if self._failure is not None and not self._answered:
            raise again(self._failure)
        # 4. (N21) Go on with what the fallback index lists beyond them; its artifact types decide nothing.
        known = {each.digest for each in listed}
        indexed = self._fallback(tags.index, fetched)
        second = self._choose((each for each in indexed if each.digest not in known), room=MAX_EVALUATED - len(first))
        fetched |= self._fetch([*map(_id, second)])
        # 5. (N22 to N24) Check the manifests, and keep the layers that hold envelopes.
        found = [each for ref in (*first, *second) for each in self._of_referrer(ref, fetched.get(_id(ref)))]
        found += [each for tag in tags.legacy for each in self._of_tag(tag, fetched.get(tag))]
        # 6. (N22, N24, N26) Fetch the envelopes.
        artifacts = self._envelopes(found)
        complete = not any(each.reason in _OPEN for each in self._skipped)
        return FoundArtifacts(artifacts=tuple(artifacts), skipped=tuple(self._skipped), complete=complete)

    def _list(self) -> Sequence[ArtifactRef]:
        types = referrer_types(self._wanted.kinds)
        if not types:
            return ()
        listing = self._attempt("referrers", partial(self._store.referrers, self._subject, types))
        if listing is None:
            return ()
        self._answered = True
        for each in listing.skipped:
            self._skip(each)
        return self._bounded(listing.refs, "referrers", more=listing.more)

    def _bounded(self, refs: Sequence[ArtifactRef], what: str, *, more: bool = False) -> Sequence[ArtifactRef]:
        if more or len(refs) > MAX_LISTED:
            self._note(what, SkipReason.OVER_LIMIT, f"more than {MAX_LISTED} artifacts are listed")
        return refs[:MAX_LISTED]

    def _choose(self, refs: Iterable[ArtifactRef], *, room: int) -> list[ArtifactRef]:
        chosen: list[ArtifactRef] = []
        for ref in likely_first(refs, self._wanted):
            if (refused := refusal(ref)) is not None:
                self._skip(refused)
            else:
                chosen.append(ref)
        self._over(len(chosen) - room, "signature manifests")
        return chosen[:room]

    def _over(self, count: int, what: str) -> None:
        if count > 0:
            limit = f"signature evaluation stopped at {MAX_EVALUATED} {what}"
            self._note(f"{count} {what}", SkipReason.OVER_LIMIT, limit)

    def _fetch(self, ids: Sequence[ImageId]) -> dict[ImageId, StoredArtifact]:
        fetched: dict[ImageId, StoredArtifact] = {}
        for start in range(0, len(ids), MANIFESTS_A_CALL):
            part = ids[start : start + MANIFESTS_A_CALL]
            try:
                self._require_time()
                answers = self._store.manifests(part)
            except SourceUnavailableError as exc:
                answers = dict.fromkeys(part, again(exc))
            fetched |= {each: self._held(answer) for each, answer in answers.items()}
        problems = [each for each in fetched.values() if isinstance(each, SourceUnavailableError)]
        self._answered |= len(problems) < len(fetched)
        self._failure = self._failure or next(iter(problems), None)
        return fetched

    def _held(self, answer: StoredArtifact) -> StoredArtifact:
        """Return the answer, or no more than a note of it where those before it leave too little room, or no time."""
        if isinstance(answer, SourceUnavailableError) and self._is_spent(answer, self._manifests):
            return UnusableArtifactError(SkipReason.OVER_LIMIT, str(answer))
        self._manifests += isinstance(answer, StoredManifest | UnusableArtifactError)
        if not isinstance(answer, StoredManifest):
            return answer
        if self._manifest_bytes + len(answer.content) > MAX_FOUND_MANIFEST_BYTES:
            problem = f"more than {MAX_FOUND_MANIFEST_BYTES} bytes of manifests"
            return UnusableArtifactError(SkipReason.OVER_LIMIT, problem)
        self._manifest_bytes += len(answer.content)
        return answer

    def _fallback(self, tag: ImageId | None, fetched: Mapping[ImageId, StoredArtifact]) -> Sequence[ArtifactRef]:
        if tag is None or isinstance(fetched.get(tag), Absence):
            return ()
        return self._attempt(tag.value, partial(self._entries, tag.value, fetched.get(tag))) or ()

    def _entries(self, tag: str, stored: StoredArtifact | None) -> Sequence[ArtifactRef]:
        listed = parse_referrers(_content(tag, stored))
        if listed.unreadable:
            self._note(tag, SkipReason.UNSUPPORTED, f"{listed.unreadable} entries without a sha256 digest")
        return self._bounded(listed.refs, tag)

    def _of_referrer(self, ref: ArtifactRef, stored: StoredArtifact | None) -> list[_FoundEnvelope]:
        def read() -> list[_FoundEnvelope]:
            content = _content(ref.digest, stored)
            _require_same(content, ref.digest, ref.size)
            return self._layers(content, ref.digest, needs_subject=True)

        return self._attempt(ref.digest, read) or []

    def _of_tag(self, tag: ImageId, stored: StoredArtifact | None) -> list[_FoundEnvelope]:
        """Read the manifest under one of cosign's tags. Users with push access can move the tag, so it is no evidence."""

        def read() -> list[_FoundEnvelope]:
            content = _content(tag.value, stored)
            return self._layers(content, digest_of(content), needs_subject=False)

        return [] if isinstance(stored, Absence) else self._attempt(tag.value, read) or []

    def _layers(self, content: bytes, digest: Digest, *, needs_subject: bool) -> list[_FoundEnvelope]:
        manifest = parse_artifact(content)
        named = None if manifest.subject is None else manifest.subject.digest
        if named != self._subject and (needs_subject or named is not None):
            raise UnusableArtifactError(SkipReason.WRONG_SUBJECT, "the manifest's subject is not this image")
        return [
            _FoundEnvelope(kind=kind, layer=layer, manifest=manifest, manifest_digest=digest)
            for kind, layer in signature_layers(manifest, self._wanted.kinds)
        ]

    def _envelopes(self, found: Sequence[_FoundEnvelope]) -> list[SignatureArtifact]:
        self._is_late = self._manifests >= ENOUGH_EVALUATED and self._seconds_left() < self._seconds / 2
        # N26: one blob that cannot be had fails nothing but itself.
        artifacts: list[SignatureArtifact] = []
        for each in found[:MAX_EVALUATED]:
            artifact = self._attempt(each.layer.blob.digest, partial(self._artifact, each))
            artifacts += [artifact] if artifact is not None else []
            self._artifacts = len(artifacts)
        self._over(len(found) - MAX_EVALUATED, "signature envelopes")
        return artifacts

    def _artifact(self, found: _FoundEnvelope) -> SignatureArtifact:
        blob, annotations = found.layer.blob, found.layer.annotations
        if annotations is None:
            raise UnusableArtifactError(SkipReason.TOO_LARGE, "more annotations than are looked at")
        if blob.size > MAX_ENVELOPE_BYTES:
            raise UnusableArtifactError(SkipReason.TOO_LARGE, f"signature blob too large: {str(blob.size)[:30]} bytes")
        notes = sum(
            len(name) + len(text) for each in (annotations, found.manifest.annotations) for name, text in each.items()
        )
        if self._bytes + blob.size + notes > MAX_FOUND_BYTES:
            raise UnusableArtifactError(SkipReason.OVER_LIMIT, f"more than {MAX_FOUND_BYTES} bytes of signatures")
        self._require_time()
        envelope = self._store.blob(blob)
        _require_same(envelope, blob.digest, blob.size)
        self._bytes += len(envelope) + notes
        return SignatureArtifact(
            kind=found.kind,
            envelope=envelope,
            envelope_media_type=blob.media_type,
            envelope_digest=blob.digest,
            manifest_digest=found.manifest_digest,
            subject=found.manifest.subject,
            layer_annotations=annotations,
            manifest_annotations=found.manifest.annotations,
        )

    def _require_time(self) -> None:
        if self._seconds_left() <= 0:
            raise SourceUnavailableError(Cause.DEADLINE, "signatures", "no time was left to fetch the rest")

    def _is_spent(self, exc: SourceUnavailableError, looked_at: int) -> bool:
        """Return whether so many were looked at that users with push access caused the lack of time or tokens."""
        is_late = self._is_late and exc.cause is Cause.DEADLINE
        return is_late or (looked_at >= ENOUGH_EVALUATED and exc.cause in _SPENT)

    def _attempt(self, what: str, step: Callable[[], R]) -> R | None:
        """Take a step with one artifact; where it goes wrong, note that and return None."""
        try:
            return step()
        except UnusableArtifactError as exc:
            self._note(what, exc.reason, str(exc))
        except SourceUnavailableError as exc:
            reason = SkipReason.OVER_LIMIT if self._is_spent(exc, self._artifacts) else SkipReason.UNAVAILABLE
            self._note(what, reason, str(exc), exc.cause)
        return None

    def _note(self, what: str, reason: SkipReason, detail: str, cause: Cause | None = None) -> None:
        self._skip(SkippedArtifact(what=what, reason=reason, detail=detail[:MAX_DETAIL], cause=cause))

    def _skip(self, skipped: SkippedArtifact) -> None:
        if skipped.reason in _OPEN or len(self._skipped) < MAX_SKIPPED:
            self._skipped.append(skipped)


def _content(what: str, stored: StoredArtifact | None) -> bytes:
    if isinstance(stored, StoredManifest):
        return stored.content
    # Copies: an error that is raised where it is kept would keep all that was fetched.
    if isinstance(stored, SourceUnavailableError):
        raise again(stored)
    if isinstance(stored, UnusableArtifactError):
        raise UnusableArtifactError(stored.reason, str(stored))
    if stored is Absence.CACHE_MISS:
        # A fetch would import it, and some upstream registries let every user push.
        raise UnusableArtifactError(SkipReason.GONE, "listed upstream, but not in the pull-through cache")
    if stored is None:
        raise SourceUnavailableError(Cause.UNEXPECTED_ANSWER, "manifests", f"no answer for {what}")
    raise UnusableArtifactError(SkipReason.GONE, "listed, but no longer there")


def _require_same(content: bytes, digest: Digest, size: int | None) -> None:
    if digest_of(content) != digest or size not in (None, len(content)):
        raise UnusableArtifactError(SkipReason.BAD_CONTENT, "the bytes have another digest or size")


def _id(ref: ArtifactRef) -> ImageId:
    return ImageId.of_digest(ref.digest)
