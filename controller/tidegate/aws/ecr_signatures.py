"""Signatures in Amazon ECR: referrers, the fallback index, cosign's tags, and the envelopes.

``referrers.search`` has the search; here are ECR's calls. ECR's own signing status is only a hint. Nothing is verified
and nothing is cached.
"""

from collections.abc import Callable, Mapping, Sequence
from time import monotonic

from tidegate.aws.clients import AnsweredError, Api, Clients
from tidegate.aws.ecr_artifacts import read_artifacts, read_referrers, read_signing_statuses
from tidegate.aws.ecr_images import can_exist, where, wire_id
from tidegate.aws.errors import is_too_long, unexpected
from tidegate.aws.layers import LayerDownloads
from tidegate.aws.pages import read_pages
from tidegate.aws.pull_through import PullThroughRules
from tidegate.aws.reply import ApiResponse
from tidegate.evidence.fact import Cause
from tidegate.evidence.image import Absence
from tidegate.evidence.signature_artifacts import (
    MAX_LISTED,
    Descriptor,
    FoundArtifacts,
    SigningHint,
    SkipReason,
    UnusableArtifactError,
    WantedArtifacts,
)
from tidegate.evidence.source_unavailable import SourceUnavailableError, again
from tidegate.images.digest import Digest
from tidegate.images.image_id import ImageId
from tidegate.images.manifest import ACCEPTED_TYPES
from tidegate.images.repository import EcrRepository
from tidegate.referrers.search import Listing, StoredArtifact, find_signatures, list_pages

PAGE_OF_REFERRERS = 50
"""The largest page that ECR gives."""
MAX_PAGES = 2 * MAX_LISTED // PAGE_OF_REFERRERS
"""Pages read for one image: pages may be short."""
MAX_FILTER_TYPES = 5
"""Artifact types that ECR takes in one filter."""

_REFERRERS = Api("ecr", "ListImageReferrers")
_BATCH_GET_IMAGE = Api("ecr", "BatchGetImage")
_DOWNLOAD_URL = Api("ecr", "GetDownloadUrlForLayer")
_SIGNING_STATUS = Api("ecr", "DescribeImageSigningStatus")
_NO_IMAGE, _NO_REPOSITORY = "ImageNotFoundException", "RepositoryNotFoundException"
_NO_UPSTREAM_IMAGE, _NO_UPSTREAM_LAYER = "UnableToGetUpstreamImageException", "UnableToGetUpstreamLayerException"
_NO_LAYER = frozenset({"LayersNotFoundException", "LayerInaccessibleException", _NO_UPSTREAM_LAYER, _NO_REPOSITORY})


class EcrSignatures:
    """Find signatures in Amazon ECR. Safe to share between threads."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients
        self._rules = PullThroughRules(clients)
        self._downloads = LayerDownloads(clients.settings, ca_bundle=clients.ca_bundle)

    def find_artifacts(
        self, repository: EcrRepository, digest: Digest, *, wanted: WantedArtifacts, seconds: float
    ) -> FoundArtifacts:
        """Return the signatures of one image. See ``evidence.ports.SignatureSource``."""
        self._clients.check_region(repository.registry)
        if not can_exist(repository.name):
            return FoundArtifacts(artifacts=(), skipped=(), complete=True)
        ends = monotonic() + seconds
        store = _Store(self._clients, self._rules, self._downloads, repository, lambda: ends - monotonic())
        return find_signatures(store, digest, wanted, seconds_left=store.seconds_left)

    def signing_status(self, repository: EcrRepository, digest: Digest) -> Sequence[SigningHint]:
        """Return the status of ECR's own signing of one image. See ``evidence.ports.SigningStatusSource``."""
        self._clients.check_region(repository.registry)
        if not can_exist(repository.name):
            return ()
        parameters = {**where(repository), "imageId": {"imageDigest": digest}}
        answers = frozenset({_NO_IMAGE, _NO_REPOSITORY})
        try:
            answer = self._clients.call(_SIGNING_STATUS, repository.registry, parameters, answers=answers)
        except AnsweredError:
            return ()
        return read_signing_statuses(answer, repository, digest, _SIGNING_STATUS.source)


class _Store:
    """One repository of ECR as an ``ArtifactStore``."""

    def __init__(
        self,
        clients: Clients,
        rules: PullThroughRules,
        downloads: LayerDownloads,
        repository: EcrRepository,
        seconds_left: Callable[[], float],
    ) -> None:
        self._clients = clients
        self._rules = rules
        self._downloads = downloads
        self._repository = repository
        self.seconds_left = seconds_left

    def referrers(self, subject: Digest, artifact_types: frozenset[str]) -> Listing:
        """List the referrers that can be pulled. The search filters them again."""
        wanted: dict[str, object] = {"artifactStatus": "ACTIVE"}
        if len(artifact_types) <= MAX_FILTER_TYPES:
            wanted["artifactTypes"] = sorted(artifact_types)
        parameters = {
            **where(self._repository),
            "subjectId": {"imageDigest": subject},
            "filter": wanted,
            "maxResults": PAGE_OF_REFERRERS,
        }
        pages = read_pages(
            self._clients,
            _REFERRERS,
            self._repository.registry,
            parameters,
            most=MAX_PAGES,
            answers=frozenset({_NO_REPOSITORY}),
        )
        try:
            # Annotations are the pusher's choice: too long ones are like too many referrers, and no failure of ECR.
            return list_pages((read_referrers(page, _REFERRERS.source, more=more) for page, more in pages), is_too_long)
        except AnsweredError:
            return Listing(refs=())

    def manifests(self, ids: Sequence[ImageId]) -> Mapping[ImageId, StoredArtifact]:
        """Fetch manifests by tag and by digest, in one call, in the formats in which they were pushed.

        Each is asked for alone if one of them may have spoiled the call for the others, or if ECR left one out, as it
        may if several tags name one manifest.
        """
        try:
            found = self._fetch(ids)
        except SourceUnavailableError as exc:
            alone = exc.cause is Cause.UNEXPECTED_ANSWER or self._is_uncached(exc)
            if not alone:
                raise
            found = {}
        missing = [each for each in ids if each not in found]
        return found | {each: self._alone(each) for each in missing}

    def _fetch(self, ids: Sequence[ImageId]) -> dict[ImageId, StoredArtifact]:
        """Return the answers of one call; an id without an answer is left out."""
        parameters = {
            **where(self._repository),
            "imageIds": [wire_id(each) for each in ids],
            "acceptedMediaTypes": list(ACCEPTED_TYPES),
        }
        try:
            answer = self._clients.call(
                _BATCH_GET_IMAGE, self._repository.registry, parameters, answers=frozenset({_NO_REPOSITORY})
            )
        except AnsweredError:
            return dict.fromkeys(ids, Absence.REPOSITORY)
        absent = self._rules.absence(self._repository, Absence.IMAGE) if answer.get("failures") else Absence.IMAGE
        return read_artifacts(answer, self._repository, ids, _BATCH_GET_IMAGE.source, absent=absent)

    def _alone(self, image: ImageId) -> StoredArtifact:
        """Return the answer for one id, or why there is none."""
        if self.seconds_left() <= 0:
            return SourceUnavailableError(Cause.DEADLINE, _BATCH_GET_IMAGE.source)
        try:
            found = self._fetch([image]).get(image)
        except SourceUnavailableError as exc:
            if is_too_long(exc):
                return UnusableArtifactError(SkipReason.TOO_LARGE, "a manifest with more bytes than are read")
            return Absence.CACHE_MISS if self._is_uncached(exc) else again(exc)
        return found or unexpected(_BATCH_GET_IMAGE.source, "no answer for an artifact that was asked for")

    def _is_uncached(self, exc: SourceUnavailableError) -> bool:
        """Tell whether ECR refused a call that would import an image from an upstream registry.

        tidegate has no permission for that, so AWS may answer that access is denied.
        """
        refused = exc.cause is Cause.ACCESS_DENIED or exc.detail.startswith(_NO_UPSTREAM_IMAGE)
        return refused and self._rules.cover(self._repository)

    def blob(self, blob: Descriptor) -> bytes:
        """Fetch one blob from the URL that ECR gives."""
        parameters = {**where(self._repository), "layerDigest": blob.digest}
        try:
            answer = self._clients.call(_DOWNLOAD_URL, self._repository.registry, parameters, answers=_NO_LAYER)
        except AnsweredError as exc:
            raise UnusableArtifactError(SkipReason.GONE, f"ECR has no such blob: {exc.code}") from exc
        except SourceUnavailableError as exc:
            if self._is_uncached(exc):
                raise UnusableArtifactError(SkipReason.GONE, "the blob is not in the pull-through cache") from exc
            raise
        reply = ApiResponse(answer, _DOWNLOAD_URL.source)
        reply.require_same("layerDigest", blob.digest)
        return self._downloads.fetch(
            reply.text("downloadUrl"),
            endpoint=self._clients.ecr_url(self._repository.registry),
            blob=blob,
            seconds_left=self.seconds_left,
        )
