"""The evidence of a test case as the sources of facts that the engine asks: no network, no AWS SDK.

What a case does not have raises NotSaidError, so that it is undetermined, and is noted in ``lacking``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from tidegate.cli.cases.configurations import registry_configuration
from tidegate.cli.cases.model import RegistryPart
from tidegate.cli.cases.not_said import NotSaidError
from tidegate.cli.cases.stored_images import CaseImage
from tidegate.evidence.content import StoredManifest
from tidegate.evidence.image import Absence, ImageDetail
from tidegate.evidence.image_evidence import REPOSITORY_CONFIGURATION_SOURCE
from tidegate.evidence.inspection import ImageKey
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
from tidegate.evidence.scan import ScanReport
from tidegate.evidence.signature_artifacts import Descriptor, FoundArtifacts, SigningHint, WantedArtifacts
from tidegate.evidence.source_unavailable import SourceUnavailableError
from tidegate.images.digest import Digest
from tidegate.images.image_id import ImageId
from tidegate.images.repository import EcrRegistry, EcrRepository, OciRepository, Repository, repository_text
from tidegate.verify.notation.revocation.material import CrlQuestion, NoAnswer, OcspQuestion


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CaseRepository:
    """A repository of a case with its images by tag and digest; ``settings`` None are not known.

    ``configuration`` is None in a registry that is not Amazon ECR.
    """

    where: str
    settings: RepositorySettings | Absence | None
    configuration: RepositoryConfiguration | None
    images: Mapping[ImageId, CaseImage]


@dataclass(slots=True, kw_only=True, eq=False)
class CaseSources:
    """All sources of one case. ``lacking`` are the facts that were asked for and that the case does not have."""

    repositories: Mapping[Repository, CaseRepository]
    registries: Mapping[EcrRegistry, RegistryConfiguration]
    scan_types: Mapping[EcrRegistry, ScanType]
    signer: Mapping[SignerQuestion, SignerRevocations]
    answers: Mapping[OcspQuestion | CrlQuestion, bytes]
    lacking: dict[str, None] = field(default_factory=dict)

    def describe_images(self, repository: EcrRepository, ids: Sequence[ImageId]) -> Mapping[ImageId, DescribedImage]:
        """Return the images of the case by tag or digest."""
        return {one: self._described(repository, one) for one in ids}

    def _described(self, repository: Repository, image: ImageId) -> DescribedImage:
        stored = self.repositories.get(repository)
        if stored is not None and isinstance(stored.settings, Absence):
            return stored.settings
        found = self._find(repository, image)
        return found if isinstance(found, SourceUnavailableError) else found.detail

    def get_manifests(self, repository: Repository, digests: Sequence[Digest]) -> Mapping[Digest, FetchedManifest]:
        """Return the manifests of the case; that of an index with ``platforms`` is made from them."""
        return {one: self._manifest(repository, one) for one in digests}

    def _manifest(self, repository: Repository, digest: Digest) -> FetchedManifest:
        found = self._find(repository, ImageId.of_digest(digest))
        if isinstance(found, SourceUnavailableError):
            return found
        if isinstance(found.detail, Absence):
            return found.detail
        if found.manifest is None:
            return self._lack(f"{found.where}.manifest", "ecr:BatchGetImage")
        return StoredManifest(content=found.manifest, media_type=found.detail.media_type)

    def describe_repositories(self, registry: EcrRegistry, names: Sequence[str]) -> Mapping[str, DescribedRepository]:
        """Return the tag mutability of the case's repositories."""
        return {one: self._settings(EcrRepository(registry, one)) for one in names}

    def _settings(self, repository: EcrRepository) -> DescribedRepository:
        found = self.repositories.get(repository)
        if found is None or found.settings is None:
            about = (
                f"repository {repository_text(repository)} in evidence"
                if found is None
                else f"{found.where}.mutability"
            )
            return self._lack(about, "ecr:DescribeRepositories")
        return found.settings

    def registry_configuration(self, registry: EcrRegistry) -> RegistryConfiguration:
        """Return the configuration of a registry; of one that the case does not have, no part is known."""
        nothing = RegistryPart(name=registry.host)
        where = f"evidence.registries[{registry.host}]"
        return self.registries.get(registry) or registry_configuration(nothing, registry, where, self.lacking)

    def repository_configurations(
        self, registry: EcrRegistry, names: Sequence[str]
    ) -> Mapping[str, ConfiguredRepository]:
        """Return the configuration of the case's repositories."""
        return {one: self._configuration(EcrRepository(registry, one)) for one in names}

    def _configuration(self, repository: EcrRepository) -> ConfiguredRepository:
        found = self.repositories.get(repository)
        if found is not None and isinstance(found.settings, Absence):
            return found.settings
        if found is None or found.configuration is None:
            return self._lack(f"repository {repository_text(repository)} in evidence", REPOSITORY_CONFIGURATION_SOURCE)
        return found.configuration

    def scan_type(self, registry: EcrRegistry) -> ScanType:
        """Return the scanner of the registry: that of its images in the case."""
        found = self.scan_types.get(registry)
        if found is None:
            what = f"coverage or basic for any image in {registry.host}"
            raise self._lack(what, "ecr:GetRegistryScanningConfiguration")
        return found

    def basic_report(self, repository: EcrRepository, digest: Digest) -> ScanReport:
        """Return the basic scan of an image."""
        found = self._image(repository, digest)
        if found.basic is None:
            raise self._lack(f"{found.where}.basic with findings", "ecr:DescribeImageScanFindings")
        return found.basic

    def coverage(self, registry: EcrRegistry, images: Sequence[ImageKey]) -> Mapping[ImageKey, CoverageAnswer]:
        """Return Amazon Inspector's coverage of images."""
        return {one: self._coverage(EcrRepository(registry, one[0]), one[1]) for one in images}

    def _coverage(self, repository: EcrRepository, digest: Digest) -> CoverageAnswer:
        found = self._find(repository, ImageId.of_digest(digest))
        if isinstance(found, SourceUnavailableError):
            return found
        return found.coverage or self._lack(f"{found.where}.coverage", "inspector2:ListCoverage")

    def findings(self, registry: EcrRegistry, images: Sequence[ImageKey]) -> Mapping[ImageKey, FindingsAnswer]:
        """Return Amazon Inspector's findings of images."""
        return {one: self._findings(EcrRepository(registry, one[0]), one[1]) for one in images}

    def _findings(self, repository: EcrRepository, digest: Digest) -> FindingsAnswer:
        found = self._find(repository, ImageId.of_digest(digest))
        if isinstance(found, SourceUnavailableError):
            return found
        return found.findings or self._lack(f"{found.where}.findings", "inspector2:ListFindings")

    def find_artifacts(
        self,
        repository: Repository,
        digest: Digest,
        *,
        wanted: WantedArtifacts,
        seconds: float,  # noqa: ARG002 - nothing is waited for
    ) -> FoundArtifacts:
        """Return the signatures of an image."""
        found = self._image(repository, digest)
        if found.artifacts is None:
            raise self._lack(f"{found.where}.signatures", "ecr:ListImageReferrers")
        kept = tuple(one for one in found.artifacts.artifacts if one.kind in wanted.kinds)
        return replace(found.artifacts, artifacts=kept)

    def signing_status(self, repository: EcrRepository, digest: Digest) -> Sequence[SigningHint]:
        """Return the status of managed signing in Amazon ECR."""
        return self._image(repository, digest).signing

    def revocation_status(
        self,
        question: SignerQuestion,
        *,
        account: str | None = None,  # noqa: ARG002 - a case has no credentials
    ) -> SignerRevocations:
        """Return the answer of AWS Signer about a signature."""
        found = self.signer.get(question)
        if found is None:
            raise self._lack(f"evidence.signer for {question.profile_version_arn}", "signer:GetRevocationStatus")
        return found

    def describe(
        self,
        repository: OciRepository,
        image: ImageId,
        *,
        seconds: float,  # noqa: ARG002 - nothing is waited for
    ) -> Descriptor | Absence:
        """Return the manifest that a tag or digest of another registry means."""
        found = self._described(repository, image)
        if isinstance(found, SourceUnavailableError):
            raise found
        if not isinstance(found, ImageDetail):
            return found
        stored = self.image(repository, found.digest)
        size = 0 if stored is None or stored.manifest is None else len(stored.manifest)
        return Descriptor(media_type=found.media_type, digest=found.digest, size=size)

    def refusal(self, question: OcspQuestion | CrlQuestion) -> NoAnswer | None:  # noqa: ARG002
        """Return None: no service is contacted."""
        return None

    def fetch(self, question: OcspQuestion | CrlQuestion, seconds: float) -> bytes | NoAnswer:  # noqa: ARG002
        """Return the answer of the case."""
        found = self.answers.get(question)
        if found is None:
            kind = "ocsp" if isinstance(question, OcspQuestion) else "crls"
            return NoAnswer(reason=self._lack(f"evidence.{kind} for {question.url}", kind).detail)
        return found

    def image(self, repository: Repository, digest: Digest) -> CaseImage | None:
        """Return an image of the case."""
        found = self.repositories.get(repository)
        return None if found is None else found.images.get(ImageId.of_digest(digest))

    def _image(self, repository: Repository, digest: Digest) -> CaseImage:
        found = self._find(repository, ImageId.of_digest(digest))
        if isinstance(found, SourceUnavailableError):
            raise found
        return found

    def _find(self, repository: Repository, image: ImageId) -> CaseImage | SourceUnavailableError:
        stored = self.repositories.get(repository)
        found = None if stored is None else stored.images.get(image)
        return found or self._lack(f"image {repository_text(repository)}{image} in evidence", "ecr:DescribeImages")

    def _lack(self, what: str, source: str) -> NotSaidError:
        return NotSaidError(what, source, self.lacking).noted()
