"""What gathering needs of the outside: one Protocol for each kind of fact. Implemented in ``tidegate.aws`` and ``registry``.

All methods block and may be called from several threads at once. They share these rules:

- A mapping that is returned holds exactly the ids that were asked for; asking for none gives an empty mapping.
- A definite "there is none" is an answer (``Absence``, or a coverage that says so), never an error.
- ``SourceUnavailableError`` is raised when nothing could be learned; it is a *value* where one id of a batch could not be
  answered and others could. It is never to be cached as an answer.
- ``UnknownRegionError`` is raised, before any network or DNS, for a region that the partition does not have. It is
  definite until the program is upgraded.
- More ids than the named bound raise ValueError: the caller batches.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol, TypeAlias, TypeVar

from tidegate.evidence.change import ChangedRows
from tidegate.evidence.content import StoredManifest
from tidegate.evidence.fact import Cause
from tidegate.evidence.image import Absence, ImageDetail
from tidegate.evidence.inspection import FoundFindings, ImageKey
from tidegate.evidence.message import QueuedMessage
from tidegate.evidence.registry_configuration import RegistryConfiguration, RepositoryConfiguration
from tidegate.evidence.repository import RepositorySettings, ScanType
from tidegate.evidence.revocation import SignerQuestion, SignerRevocations
from tidegate.evidence.scan import Coverage, ScanReport
from tidegate.evidence.signature_artifacts import FoundArtifacts, SigningHint, WantedArtifacts
from tidegate.evidence.source_unavailable import SourceUnavailableError
from tidegate.images.digest import Digest
from tidegate.images.image_id import ImageId
from tidegate.images.repository import EcrRegistry, EcrRepository, Registry

MAX_IMAGE_IDS = 100
"""Ids of one ``describe_images`` or ``get_manifests`` (ECR's own bound)."""
MAX_REPOSITORIES = 100
"""Names of one ``describe_repositories`` (ECR's own bound)."""
MAX_INSPECTED_IMAGES = 10
"""Images of one ``coverage`` or ``findings`` (values that Inspector takes in one filter)."""
MAX_CONFIGURED_REPOSITORIES = 25
"""Names of one ``repository_configurations`` (the bound of ``ecr:BatchGetRepositoryScanningConfiguration``)."""

MAX_MESSAGES = 10
"""Messages of one ``receive`` or ``delete`` (Amazon SQS's own bound)."""

DescribedImage: TypeAlias = ImageDetail | Absence | SourceUnavailableError
FetchedManifest: TypeAlias = StoredManifest | Absence | SourceUnavailableError
DescribedRepository: TypeAlias = RepositorySettings | Absence | SourceUnavailableError
ConfiguredRepository: TypeAlias = RepositoryConfiguration | Absence | SourceUnavailableError
CoverageAnswer: TypeAlias = Coverage | SourceUnavailableError
FindingsAnswer: TypeAlias = FoundFindings | SourceUnavailableError
R_contra = TypeVar("R_contra", contravariant=True)


class ImageSource(Protocol):
    """Says which digest a tag means, and whether an image is there."""

    def describe_images(self, repository: EcrRepository, ids: Sequence[ImageId]) -> Mapping[ImageId, DescribedImage]:
        """Describe up to MAX_IMAGE_IDS images of one repository, archived ones included.

        One call when all ids exist; a missing id costs two calls more, up to a bound, and the ids beyond it are
        answered with SourceUnavailableError. ``Absence.REPOSITORY`` is the answer for every id when the repository is
        missing; ``Absence.CACHE_MISS`` when image or repository is missing under a pull-through-cache prefix.
        Source: ``ecr:DescribeImages``.
        """
        ...


class ManifestSource(Protocol):
    """Gives the bytes of manifests and indexes."""

    def get_manifests(self, repository: EcrRepository, digests: Sequence[Digest]) -> Mapping[Digest, FetchedManifest]:
        """Fetch up to MAX_IMAGE_IDS manifests of one repository by digest, in one call.

        The bytes are not compared with the digest here: parse_manifest does that. Asking changes the image's last
        pull time unless the caller is registered as an exclusion. Source: ``ecr:BatchGetImage``.
        """
        ...


class RepositorySource(Protocol):
    """Says how repositories are set up."""

    def describe_repositories(self, registry: EcrRegistry, names: Sequence[str]) -> Mapping[str, DescribedRepository]:
        """Describe up to MAX_REPOSITORIES repositories; one call when all exist, two more for each missing one.

        Source: ``ecr:DescribeRepositories``.
        """
        ...


class ConfigurationSource(Protocol):
    """Says how registries and repositories are configured. A call that failed is a value: it never hides the others."""

    def registry_configuration(self, registry: EcrRegistry) -> RegistryConfiguration:
        """Return the configuration of a registry; each part that could not be read is a SourceUnavailableError.

        Sources: ``ecr:GetRegistryPolicy``, ``ecr:GetAccountSetting``, ``ecr:GetRegistryScanningConfiguration``,
        ``ecr:DescribePullThroughCacheRules``, ``ecr:DescribeRegistry`` and ``ecr:GetSigningConfiguration``.
        """
        ...

    def repository_configurations(
        self, registry: EcrRegistry, names: Sequence[str]
    ) -> Mapping[str, ConfiguredRepository]:
        """Return the configuration of up to MAX_CONFIGURED_REPOSITORIES repositories, the names as they were given.

        ``Absence.REPOSITORY`` is the answer for a repository that does not exist. Each part of a configuration that
        could not be read is a SourceUnavailableError; a repository is one as a whole only where nothing of it was
        read. Sources: ``ecr:DescribeRepositories``, ``ecr:GetRepositoryPolicy``, ``ecr:GetLifecyclePolicy`` and
        ``ecr:BatchGetRepositoryScanningConfiguration``.
        """
        ...


class ScanTypeSource(Protocol):
    """Says which scanner a registry uses."""

    def scan_type(self, registry: EcrRegistry) -> ScanType:
        """Return the registry's scan type: what the operator set for the account, else what ECR says.

        A value that this version does not know raises SourceUnavailableError: it chooses no scanner. Source:
        ``ecr:GetRegistryScanningConfiguration``, which needs credentials of the registry's own account.
        """
        ...


class BasicScanSource(Protocol):
    """Gives ECR's own scan of one image."""

    def basic_report(self, repository: EcrRepository, digest: Digest) -> ScanReport:
        """Return coverage and findings of ECR basic scanning, at most MAX_FINDINGS of them.

        No scan at all is a coverage of NOT_SCANNED. Source: ``ecr:DescribeImageScanFindings``, one call a page.
        """
        ...


class InspectionSource(Protocol):
    """Gives what Amazon Inspector knows. The two halves are independent calls, so that they can run side by side."""

    def coverage(self, registry: EcrRegistry, images: Sequence[ImageKey]) -> Mapping[ImageKey, CoverageAnswer]:
        """Return the coverage of up to MAX_INSPECTED_IMAGES images; no row is a coverage of NOT_SCANNED.

        Source: ``inspector2:ListCoverage``.
        """
        ...

    def findings(self, registry: EcrRegistry, images: Sequence[ImageKey]) -> Mapping[ImageKey, FindingsAnswer]:
        """Return active and suppressed findings of up to MAX_INSPECTED_IMAGES images, worst first.

        Source: ``inspector2:ListFindings``, one call a page of 100 findings over all images together.
        """
        ...


class ChangeSource(Protocol):
    """Lists what Amazon Inspector knows anew, so that the cost depends on changes and not on the number of images.

    A deleted image, and coverage that ends without a scan, are in neither list.
    """

    def changed_findings(self, registry: EcrRegistry, *, since: datetime) -> ChangedRows:
        """Return the findings that were added, changed, suppressed or closed since a moment of AWS's clock.

        Source: ``inspector2:ListFindings``, one call a page.
        """
        ...

    def changed_coverage(self, registry: EcrRegistry, *, since: datetime) -> ChangedRows:
        """Return the images that were scanned since a moment of AWS's clock. Source: ``inspector2:ListCoverage``."""
        ...


class SignatureSource(Protocol[R_contra]):
    """Finds the signatures beside an image, in one kind of repository: ``EcrRepository`` or ``OciRepository``."""

    def find_artifacts(
        self, repository: R_contra, digest: Digest, *, wanted: WantedArtifacts, seconds: float
    ) -> FoundArtifacts:
        """Return the signatures of one image, up to MAX_EVALUATED, within about so many seconds.

        What could not be looked at is in ``skipped``, and ``complete`` is False then. Sources:
        ``ecr:ListImageReferrers``, ``ecr:BatchGetImage``, ``ecr:GetDownloadUrlForLayer`` and a download for each
        envelope; or the OCI distribution specification 1.1.
        """
        ...


class SigningStatusSource(Protocol):
    """Gives the state of ECR's own signing, for messages; it is never evidence of a signature."""

    def signing_status(self, repository: EcrRepository, digest: Digest) -> Sequence[SigningHint]:
        """Return one hint for each signing profile; none where nothing signs. Source: ``ecr:DescribeImageSigningStatus``."""
        ...


class SignerRevocationSource(Protocol):
    """Says whether AWS Signer has revoked a signature's profile, job or certificates."""

    def revocation_status(self, question: SignerQuestion, *, account: str | None = None) -> SignerRevocations:
        """Return what is revoked, asked in the region of the signing profile.

        ``account`` names whose credentials ask; the profile's own account's by default. Raise VerificationError for
        ARNs that AWS Signer does not have. Source: ``signer:GetRevocationStatus``.
        """
        ...


class MessageQueue(Protocol):
    """Gives the messages of a queue, each at least once, in no order."""

    def receive(self, most: int = MAX_MESSAGES) -> Sequence[QueuedMessage]:
        """Wait for up to so many messages; return none if there are none for a while. Source: ``sqs:ReceiveMessage``."""
        ...

    def delete(self, receipts: Sequence[str]) -> int:
        """Delete up to MAX_MESSAGES messages; return how many could not be. Source: ``sqs:DeleteMessageBatch``."""
        ...


class CallGate(Protocol):
    """Stands before every single call to AWS and to other services, pages and repeated questions of one method included.

    Optional: it is where a token bucket, a circuit breaker and counters see what one method really costs.
    """

    def enter(self, source: str, registry: Registry) -> None:
        """Let a call begin, or raise SourceUnavailableError to prevent it; may block, for as long as it thinks right."""
        ...

    def leave(
        self, source: str, registry: Registry, *, seconds: float, cause: Cause | None, found: bool = True
    ) -> None:
        """Record a call that ended. Not called when enter raised.

        ``cause`` is None where AWS answered; ``found`` is False where the answer was that there is no such thing.
        """
        ...
