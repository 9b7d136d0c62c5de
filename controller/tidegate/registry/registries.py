"""Manifests and signatures of registries that are not Amazon ECR. See ``gather.sources.OtherRegistry``.

``referrers.search`` has the search for signatures. Cached are only tokens, and the manifest that a tag was just
resolved to, so that one look-up does not count as two pulls.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from time import monotonic

from tidegate.egress.addresses import LookUp, system_look_up
from tidegate.errors import ConfigurationError
from tidegate.evidence.content import TOO_LARGE
from tidegate.evidence.image import Absence
from tidegate.evidence.ports import MAX_IMAGE_IDS, CallGate, FetchedManifest
from tidegate.evidence.signature_artifacts import Descriptor, FoundArtifacts, WantedArtifacts
from tidegate.images.digest import Digest, digest_of
from tidegate.images.image_id import ImageId
from tidegate.images.repository import OciRepository
from tidegate.policy.scopes import canonical_host
from tidegate.referrers.search import find_signatures
from tidegate.registry.access import RegistryAccess, RegistryHosts
from tidegate.registry.client import Client
from tidegate.registry.content import RecentManifests, RepositoryContent
from tidegate.registry.errors import unexpected
from tidegate.registry.large_manifests import MANIFEST, LargeManifests
from tidegate.registry.sending import Sender
from tidegate.registry.tokens import Tokens

MANIFESTS_SECONDS = 8.0
"""Time for all manifests of one call."""
MAX_RECENT_BYTES = 8 * 1024 * 1024


class OciRegistries:
    """All registries that are not Amazon ECR. Policies say which ones are accessed, and ``accesses`` say how.

    Safe to share between threads. Raise ConfigurationError for an access that cannot be used.
    """

    def __init__(
        self,
        accesses: Iterable[RegistryAccess] = (),
        *,
        gate: CallGate | None = None,
        look_up: LookUp = system_look_up,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._hosts = {canonical_host(each.host): RegistryHosts(each) for each in accesses}
        ca_files = [each.access.ca_file for each in self._hosts.values()]
        self._sender = Sender(ca_files, gate=gate, look_up=look_up)
        self._tokens = Tokens(self._sender)
        self._sleep = sleep
        self._recent = RecentManifests(MAX_RECENT_BYTES)
        self._large = LargeManifests()

    def close(self) -> None:
        """Close the connections that are kept."""
        self._sender.close()

    def describe(self, repository: OciRepository, image: ImageId, *, seconds: float) -> Descriptor | Absence:
        """Return digest, media type and size of the manifest of a tag or digest, computed from its bytes."""
        content = self._content(repository, seconds)
        with self._large.permit(repository.registry, content.seconds_left) as permit:
            stored = content.manifest(image, permit=permit)
            if isinstance(stored, Absence):
                return stored
            digest = digest_of(stored.content)
            if stored is TOO_LARGE and image.kind == "digest":
                digest = Digest(image.value)
            if stored is not TOO_LARGE:
                self._recent.keep(repository, digest, stored)
            return Descriptor(media_type=stored.media_type, digest=digest, size=len(stored.content))

    def get_manifests(self, repository: OciRepository, digests: Sequence[Digest]) -> Mapping[Digest, FetchedManifest]:
        """Fetch up to MAX_IMAGE_IDS manifests by digest."""
        if len(digests) > MAX_IMAGE_IDS:
            raise ValueError(f"{len(digests)} manifests, more than {MAX_IMAGE_IDS}")
        recent = {each: kept for each in digests if (kept := self._recent.get(repository, each)) is not None}
        missing = [ImageId.of_digest(each) for each in digests if each not in recent]
        fetched = self._content(repository, MANIFESTS_SECONDS).manifests(missing, large=self._large)
        return {**{Digest(each.value): found for each, found in fetched.items()}, **recent}

    def find_artifacts(
        self, repository: OciRepository, digest: Digest, *, wanted: WantedArtifacts, seconds: float
    ) -> FoundArtifacts:
        """Return the signatures of one image. See ``evidence.ports.SignatureSource``."""
        content = self._content(repository, seconds)
        return find_signatures(content, digest, wanted, seconds_left=content.seconds_left)

    def _content(self, repository: OciRepository, seconds: float) -> RepositoryContent:
        ends = monotonic() + seconds
        client = Client(
            sender=self._sender,
            tokens=self._tokens,
            hosts=self._hosts_of(repository),
            repository=repository,
            seconds_left=lambda: ends - monotonic(),
            sleep=self._sleep,
        )
        return RepositoryContent(client)

    def _hosts_of(self, repository: OciRepository) -> RegistryHosts:
        host = canonical_host(repository.registry.host)
        if (hosts := self._hosts.get(host)) is not None:
            return hosts
        try:
            return RegistryHosts(RegistryAccess(host=host))
        except ConfigurationError as exc:
            raise unexpected(MANIFEST, str(exc)) from exc
