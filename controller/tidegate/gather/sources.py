"""The ports that gathering uses, in one place for the composition root to fill."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from tidegate.evidence.image import Absence
from tidegate.evidence.ports import (
    BasicScanSource,
    ConfigurationSource,
    FetchedManifest,
    ImageSource,
    InspectionSource,
    ManifestSource,
    RepositorySource,
    ScanTypeSource,
    SignatureSource,
    SignerRevocationSource,
    SigningStatusSource,
)
from tidegate.evidence.signature_artifacts import Descriptor
from tidegate.images.digest import Digest
from tidegate.images.image_id import ImageId
from tidegate.images.repository import EcrRepository, OciRepository
from tidegate.verify.notation.revocation.material import CrlQuestion, NoAnswer, OcspQuestion


class OtherRegistry(SignatureSource[OciRepository], Protocol):
    """Gives manifests and signatures of a registry that is not Amazon ECR."""

    def describe(self, repository: OciRepository, image: ImageId, *, seconds: float) -> Descriptor | Absence:
        """Return digest, media type and size of the manifest that a tag or digest means, from its hashed bytes."""
        ...

    def get_manifests(self, repository: OciRepository, digests: Sequence[Digest]) -> Mapping[Digest, FetchedManifest]:
        """Fetch manifests by digest. The bytes are not compared with the digest here."""
        ...


class RevocationServices(Protocol):
    """Asks the services that certificates name, where the operator listed them."""

    def refusal(self, question: OcspQuestion | CrlQuestion) -> NoAnswer | None:
        """Return why a question is never asked, or None; nothing is contacted, not even DNS."""
        ...

    def fetch(self, question: OcspQuestion | CrlQuestion, seconds: float) -> bytes | NoAnswer:
        """Return the service's answer as it came, or why there is none."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Where each kind of fact comes from."""

    images: ImageSource
    manifests: ManifestSource
    repositories: RepositorySource
    scan_types: ScanTypeSource
    basic_scans: BasicScanSource
    inspections: InspectionSource
    signatures: SignatureSource[EcrRepository]
    signing: SigningStatusSource
    signer: SignerRevocationSource
    other_registries: OtherRegistry
    revocation_services: RevocationServices
    configurations: ConfigurationSource
