"""Passes look-ups on to the sources of facts, and keeps their answers. A failed look-up is not kept."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from tidegate.evidence.content import StoredManifest
from tidegate.evidence.image import Absence, ImageDetail, ImageStatus
from tidegate.evidence.inspection import FoundFindings, ImageKey
from tidegate.evidence.ports import (
    ConfiguredRepository,
    CoverageAnswer,
    DescribedImage,
    DescribedRepository,
    FetchedManifest,
    FindingsAnswer,
)
from tidegate.evidence.registry_configuration import RegistryConfiguration, RepositoryConfiguration
from tidegate.evidence.repository import RepositorySettings, ScanType
from tidegate.evidence.revocation import SignerQuestion, SignerRevocations
from tidegate.evidence.scan import Coverage, ScanReport
from tidegate.evidence.signature_artifacts import Descriptor, FoundArtifacts, SigningHint, WantedArtifacts
from tidegate.gather.sources import Sources
from tidegate.images.digest import Digest
from tidegate.images.image_id import ImageId
from tidegate.images.repository import EcrRegistry, EcrRepository, OciRepository, Repository
from tidegate.verify.notation.revocation.material import CrlQuestion, NoAnswer, OcspQuestion


@dataclass(slots=True, kw_only=True)
class Recorded:
    """The answers, by what was asked."""

    images: dict[tuple[Repository, ImageId], ImageDetail | Absence] = field(default_factory=dict)
    manifests: dict[tuple[Repository, Digest], StoredManifest] = field(default_factory=dict)
    settings: dict[EcrRepository, RepositorySettings | Absence] = field(default_factory=dict)
    registries: dict[EcrRegistry, RegistryConfiguration] = field(default_factory=dict)
    configurations: dict[EcrRepository, RepositoryConfiguration | Absence] = field(default_factory=dict)
    scan_types: dict[EcrRegistry, ScanType] = field(default_factory=dict)
    basic: dict[tuple[Repository, Digest], ScanReport] = field(default_factory=dict)
    coverage: dict[tuple[Repository, Digest], Coverage] = field(default_factory=dict)
    findings: dict[tuple[Repository, Digest], FoundFindings] = field(default_factory=dict)
    artifacts: dict[tuple[Repository, Digest], FoundArtifacts] = field(default_factory=dict)
    hints: dict[tuple[Repository, Digest], Sequence[SigningHint]] = field(default_factory=dict)
    signer: dict[SignerQuestion, SignerRevocations] = field(default_factory=dict)
    answers: dict[OcspQuestion | CrlQuestion, bytes] = field(default_factory=dict)


class Recorder:
    """All sources at once; called from several threads, each of which writes other entries."""

    def __init__(self, recorded: Recorded, sources: Sources) -> None:
        self._recorded = recorded
        self._sources = sources

    @classmethod
    def around(cls, recorded: Recorded, sources: Sources) -> Sources:
        """Return sources that ask these, and keep the answers in ``recorded``."""
        one = cls(recorded, sources)
        return replace(
            sources,
            images=one,
            manifests=one,
            repositories=one,
            scan_types=one,
            basic_scans=one,
            inspections=one,
            signatures=one,
            signing=one,
            signer=one,
            other_registries=one,
            revocation_services=one,
            configurations=one,
        )

    def describe_images(self, repository: EcrRepository, ids: Sequence[ImageId]) -> Mapping[ImageId, DescribedImage]:
        """Ask, and keep what is described or absent."""
        found = self._sources.images.describe_images(repository, ids)
        for one, answer in found.items():
            if isinstance(answer, ImageDetail | Absence):
                self._recorded.images[repository, one] = answer
        return found

    def get_manifests(self, repository: Repository, digests: Sequence[Digest]) -> Mapping[Digest, FetchedManifest]:
        """Ask, and keep the manifests."""
        if isinstance(repository, EcrRepository):
            found = self._sources.manifests.get_manifests(repository, digests)
        else:
            found = self._sources.other_registries.get_manifests(repository, digests)
        for one, answer in found.items():
            if isinstance(answer, StoredManifest):
                # A copy: a large manifest of another registry holds a permit for as long as it is in memory.
                self._recorded.manifests[repository, one] = replace(answer)
        return found

    def describe_repositories(self, registry: EcrRegistry, names: Sequence[str]) -> Mapping[str, DescribedRepository]:
        """Ask, and keep the settings."""
        found = self._sources.repositories.describe_repositories(registry, names)
        for one, answer in found.items():
            if isinstance(answer, RepositorySettings | Absence):
                self._recorded.settings[EcrRepository(registry, one)] = answer
        return found

    def registry_configuration(self, registry: EcrRegistry) -> RegistryConfiguration:
        """Ask, and keep the configuration of a registry."""
        found = self._recorded.registries[registry] = self._sources.configurations.registry_configuration(registry)
        return found

    def repository_configurations(
        self, registry: EcrRegistry, names: Sequence[str]
    ) -> Mapping[str, ConfiguredRepository]:
        """Ask, and keep the configuration of repositories."""
        found = self._sources.configurations.repository_configurations(registry, names)
        for one, answer in found.items():
            if isinstance(answer, RepositoryConfiguration | Absence):
                self._recorded.configurations[EcrRepository(registry, one)] = answer
        return found

    def scan_type(self, registry: EcrRegistry) -> ScanType:
        """Ask, and keep the scanner."""
        found = self._recorded.scan_types[registry] = self._sources.scan_types.scan_type(registry)
        return found

    def basic_report(self, repository: EcrRepository, digest: Digest) -> ScanReport:
        """Ask, and keep the scan."""
        found = self._sources.basic_scans.basic_report(repository, digest)
        self._recorded.basic[repository, digest] = found
        return found

    def coverage(self, registry: EcrRegistry, images: Sequence[ImageKey]) -> Mapping[ImageKey, CoverageAnswer]:
        """Ask, and keep the coverage."""
        found = self._sources.inspections.coverage(registry, images)
        for (name, digest), answer in found.items():
            if isinstance(answer, Coverage):
                self._recorded.coverage[EcrRepository(registry, name), digest] = answer
        return found

    def findings(self, registry: EcrRegistry, images: Sequence[ImageKey]) -> Mapping[ImageKey, FindingsAnswer]:
        """Ask, and keep the findings."""
        found = self._sources.inspections.findings(registry, images)
        for (name, digest), answer in found.items():
            if isinstance(answer, FoundFindings):
                self._recorded.findings[EcrRepository(registry, name), digest] = answer
        return found

    def find_artifacts(
        self, repository: Repository, digest: Digest, *, wanted: WantedArtifacts, seconds: float
    ) -> FoundArtifacts:
        """Ask, and keep the signatures, unless some could not be read."""
        if isinstance(repository, EcrRepository):
            found = self._sources.signatures.find_artifacts(repository, digest, wanted=wanted, seconds=seconds)
        else:
            found = self._sources.other_registries.find_artifacts(repository, digest, wanted=wanted, seconds=seconds)
        if found.cut_short is None:
            self._keep(repository, digest, found)
        return found

    def _keep(self, repository: Repository, digest: Digest, found: FoundArtifacts) -> None:
        """Keep signatures beside those of other kinds that were found before."""
        before = self._recorded.artifacts.get((repository, digest))
        if before is not None:
            every = {one.fingerprint: one for one in (*before.artifacts, *found.artifacts)}
            is_complete = before.complete and found.complete
            found = replace(found, artifacts=tuple(every.values()), complete=is_complete)
        self._recorded.artifacts[repository, digest] = found

    def signing_status(self, repository: EcrRepository, digest: Digest) -> Sequence[SigningHint]:
        """Ask, and keep the status of managed signing."""
        found = self._sources.signing.signing_status(repository, digest)
        self._recorded.hints[repository, digest] = found
        return found

    def revocation_status(self, question: SignerQuestion, *, account: str | None = None) -> SignerRevocations:
        """Ask, and keep the answer of AWS Signer."""
        found = self._sources.signer.revocation_status(question, account=account)
        self._recorded.signer[question] = found
        return found

    def describe(self, repository: OciRepository, image: ImageId, *, seconds: float) -> Descriptor | Absence:
        """Ask another registry, and keep what a tag or digest means."""
        found = self._sources.other_registries.describe(repository, image, seconds=seconds)
        self._recorded.images[repository, image] = (
            found
            if isinstance(found, Absence)
            else ImageDetail(
                digest=found.digest, media_type=found.media_type, status=ImageStatus.ACTIVE, pushed_at=None
            )
        )
        return found

    def refusal(self, question: OcspQuestion | CrlQuestion) -> NoAnswer | None:
        """Return why a revocation service is never asked, or None."""
        return self._sources.revocation_services.refusal(question)

    def fetch(self, question: OcspQuestion | CrlQuestion, seconds: float) -> bytes | NoAnswer:
        """Ask, and keep the service's answer."""
        found = self._sources.revocation_services.fetch(question, seconds)
        if isinstance(found, bytes):
            self._recorded.answers[question] = found
        return found
