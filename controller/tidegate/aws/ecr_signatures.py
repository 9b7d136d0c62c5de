"""Signatures that Amazon ECR keeps beside an image: referrers, the fallback index, cosign's tags, and the envelopes.

How the search goes is said in ``referrers.search``; here is how ECR is asked. ECR's word on its own signing is
handed on as a hint. Nothing is verified and nothing is cached.
"""

from collections.abc import Callable, Mapping, Sequence
from time import monotonic

from tidegate.aws.clients import AnsweredError, Api, Clients
from tidegate.aws.ecr_artifacts import read_artifacts, read_referrers, read_signing_statuses
from tidegate.aws.ecr_images import can_exist
from tidegate.aws.errors import is_too_long, unexpected
from tidegate.aws.layers import LayerDownloads
from tidegate.aws.pages import PageTokens
from tidegate.aws.pull_through import PullThroughRules
from tidegate.aws.reply import ApiResponse
from tidegate.evidence.fact import Cause
from tidegate.evidence.image import Absence
from tidegate.evidence.signature_artifacts import (
    MAX_DETAIL,
    MAX_LISTED,
    ArtifactRef,
    Descriptor,
    FoundArtifacts,
    SigningHint,
    SkippedArtifact,
    SkipReason,
    UnusableArtifactError,
    WantedArtifacts,
)
from tidegate.evidence.source_unavailable import SourceUnavailableError
from tidegate.images.digest import Digest
from tidegate.images.image_id import ImageId
from tidegate.images.manifest import ACCEPTED_TYPES
from tidegate.images.repository import EcrRepository
from tidegate.referrers.search import Listing, StoredArtifact, find_signatures

PAGE_OF_REFERRERS = 50
"""The largest page that ECR gives."""
MAX_PAGES = 2 * MAX_LISTED // PAGE_OF_REFERRERS
"""Pages read for one image: pages may come short."""
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
        """Return what ECR's own signing is doing for one image. See ``evidence.ports.SigningStatusSource``."""
        self._clients.check_region(repository.registry)
        if not can_exist(repository.name):
            return ()
        parameters = {**_where(repository), "imageId": {"imageDigest": digest}}
        answers = frozenset({_NO_IMAGE, _NO_REPOSITORY})
        try:
            answer = self._clients.call(_SIGNING_STATUS, repository.registry, parameters, answers=answers)
        except AnsweredError:
            return ()
        return read_signing_statuses(answer, repository, digest, _SIGNING_STATUS.source)


class _Store:
    """One repository of ECR, as the search asks for it."""

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
        """List the referrers that can be pulled. What the filter lets through is filtered again by the search."""
        wish: dict[str, object] = {"artifactStatus": "ACTIVE"}
        if len(artifact_types) <= MAX_FILTER_TYPES:
            wish["artifactTypes"] = sorted(artifact_types)
        parameters = {
            **_where(self._repository),
            "subjectId": {"imageDigest": subject},
            "filter": wish,
            "maxResults": PAGE_OF_REFERRERS,
        }
        refs: list[ArtifactRef] = []
        skipped: list[SkippedArtifact] = []
        tokens = PageTokens(_REFERRERS.source)
        token = ""
        for page in range(MAX_PAGES):
            try:
                answer = self._clients.call(
                    _REFERRERS,
                    self._repository.registry,
                    {**parameters, **({"nextToken": token} if token else {})},
                    answers=frozenset({_NO_REPOSITORY}) if page == 0 else frozenset(),
                )
                read = read_referrers(answer, _REFERRERS.source)
                token = tokens.next(answer)
            except AnsweredError:
                return Listing(refs=())
            except SourceUnavailableError as exc:
                if is_too_long(exc):
                    # Their annotations, which who pushed them chose, are more than is read, like too many of them.
                    return Listing(refs=tuple(refs), skipped=tuple(skipped), more=True)
                if page == 0:
                    raise
                # A signature that was listed is as good as ever; that there are no others is not known.
                return Listing(refs=tuple(refs), skipped=(*skipped, _unlisted(exc)))
            refs += read[0]
            skipped += read[1]
            if not token or len(refs) > MAX_LISTED:
                break
        return Listing(refs=tuple(refs), skipped=tuple(skipped), more=bool(token))

    def manifests(self, ids: Sequence[ImageId]) -> Mapping[ImageId, StoredArtifact]:
        """Fetch manifests by tag and by digest, in one call, in whatever format they were pushed.

        Each is asked for alone where one could have spoiled the call for the others, or ECR left one out, as it may where
        several tags name one manifest.
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
        """Return what one call answers; an id that it does not answer is left out."""
        parameters = {
            **_where(self._repository),
            "imageIds": [{"imageTag" if each.kind == "tag" else "imageDigest": each.value} for each in ids],
            "acceptedMediaTypes": list(ACCEPTED_TYPES),
        }
        try:
            answer = self._clients.call(
                _BATCH_GET_IMAGE, self._repository.registry, parameters, answers=frozenset({_NO_REPOSITORY})
            )
        except AnsweredError:
            return dict.fromkeys(ids, Absence.REPOSITORY)
        cached = bool(answer.get("failures")) and self._rules.cover(self._repository)
        absent = Absence.CACHE_MISS if cached else Absence.IMAGE
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
            return Absence.CACHE_MISS if self._is_uncached(exc) else exc
        return found or unexpected(_BATCH_GET_IMAGE.source, "no answer for an artifact that was asked for")

    def _is_uncached(self, exc: SourceUnavailableError) -> bool:
        """Tell whether ECR refused a call since it would have to import something from an upstream registry.

        tidegate must not be allowed to do that, so that AWS may say that access is denied.
        """
        refused = exc.cause is Cause.ACCESS_DENIED or exc.detail.startswith(_NO_UPSTREAM_IMAGE)
        return refused and self._rules.cover(self._repository)

    def blob(self, blob: Descriptor) -> bytes:
        """Fetch one blob from where ECR points."""
        parameters = {**_where(self._repository), "layerDigest": blob.digest}
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
            endpoint=self._clients.endpoint_url("ecr", self._repository.registry),
            blob=blob,
            seconds_left=self.seconds_left,
        )


def _where(repository: EcrRepository) -> dict[str, str]:
    return {"registryId": repository.registry.account, "repositoryName": repository.name}


def _unlisted(exc: SourceUnavailableError) -> SkippedArtifact:
    return SkippedArtifact(
        what="referrers", reason=SkipReason.UNAVAILABLE, detail=str(exc)[:MAX_DETAIL], cause=exc.cause
    )
