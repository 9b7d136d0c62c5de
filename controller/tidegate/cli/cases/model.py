"""The fields of a file with test cases, in camelCase; a field that is not here is refused.

Types only; ``read`` reads them and ``sources`` interprets them. Omitted evidence is unknown: a check that needs it is
undetermined. Members of type Any are times, as in ``moments``.
"""

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from tidegate.checks.result import Reason
from tidegate.evidence.image import Absence, ImageStatus
from tidegate.evidence.registry_configuration import EncryptionType, RegistryPolicyScope, ScanFrequency
from tidegate.evidence.repository import ScanType, TagMutability
from tidegate.evidence.scan import Answer, Severity
from tidegate.evidence.signature_artifacts import ArtifactKind, SigningState
from tidegate.evidence.verification_result import VerificationState
from tidegate.images.manifest import OCI_MANIFEST

API_VERSION: Final = "cli.tidegate.dev/v1alpha1"
KIND: Final = "Test"
MAX_CASES: Final = 1_000
"""Cases of one file."""

DigestText = Annotated[str, Meta(pattern="^sha256:[0-9a-f]{64}$", max_length=71)]
PolicyDocument = dict[str, Any] | str | None
"""A policy of AWS as a mapping, or its JSON text; None says that there is none."""


class Part(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, rename="camel"):
    """A mapping without unknown fields."""


class PackagePart(Part):
    """A package with a vulnerability; without ``fixed`` no fixed version is known."""

    name: str
    installed: str = ""
    fixed: str = ""


class FindingPart(Part):
    """A finding of Amazon Inspector or of ECR basic scanning."""

    id: str
    severity: Severity
    packages: list[PackagePart] = []
    fix_available: Answer = Answer.UNKNOWN
    exploit_available: Answer = Answer.UNKNOWN
    epss: Annotated[float, Meta(ge=0, le=1)] | None = None
    first_observed_at: Any = None
    status: Literal["ACTIVE", "SUPPRESSED"] = "ACTIVE"


class CoveragePart(Part):
    """Amazon Inspector's coverage of an image: ``status`` is its status code."""

    status: str
    reason: str
    last_scanned_at: Any = None


class BasicPart(Part):
    """ECR basic scanning of an image."""

    status: str
    description: str = ""
    completed_at: Any = None


class SignaturePart(Part):
    """The result of verification for the authority of the policies that ``authority`` names.

    With ``predicateType`` it is an attestation.
    """

    authority: str
    state: VerificationState = VerificationState.VERIFIED
    predicate_type: str | None = None
    signer: str = ""


class SubjectPart(Part):
    """The subject of a signature: the image that it signs."""

    media_type: str
    digest: DigestText
    size: int


class ArtifactPart(Part):
    """A signature as the registry keeps it; ``envelope`` is in base64. It is verified."""

    kind: ArtifactKind
    envelope_media_type: str
    envelope: str
    manifest_digest: DigestText
    subject: SubjectPart | None = None
    layer_annotations: dict[str, str] = {}
    manifest_annotations: dict[str, str] = {}


class ScannedPart(Part):
    """The common fields of an image and of a platform of an index. ``coverage: null`` and ``basic: null`` mean: no scan.

    ``signatures`` states results, and ``artifacts`` are verified. Without both, the signatures are unknown.
    """

    digest: DigestText | None = None
    coverage: CoveragePart | UnsetType | None = UNSET
    basic: BasicPart | UnsetType | None = UNSET
    findings: list[FindingPart] | UnsetType = UNSET
    all_findings: bool = True
    signatures: list[SignaturePart] | UnsetType = UNSET
    artifacts: list[ArtifactPart] | UnsetType = UNSET
    all_artifacts: bool = True


class SigningPart(Part):
    """The status of managed signing in Amazon ECR."""

    profile: str
    status: SigningState


class ImagePart(ScannedPart):
    """An image, or an index where ``platforms`` is given or ``mediaType`` says so.

    ``manifest`` is its text. ``absent`` says that there is no such image.
    """

    tags: list[str] = []
    media_type: str = OCI_MANIFEST
    manifest: str | None = None
    status: ImageStatus = ImageStatus.ACTIVE
    pushed_at: Any = None
    restored_at: Any = None
    absent: Absence | None = None
    platforms: dict[str, ScannedPart] | None = None
    signing: SigningPart | None = None


class EncryptionPart(Part):
    """The encryption of a repository; ``key`` is the ARN or id of a key in AWS KMS."""

    type: EncryptionType
    key: str = ""


class RepositoryScanningPart(Part):
    """How Amazon ECR scans a repository, after it matched the filters of the registry."""

    frequency: ScanFrequency
    filters: list[str] = []


class RepositoryPart(Part):
    """A repository by its name with the registry's host; ``absent`` says that there is none.

    ``policy: null`` and ``lifecyclePolicy: null`` say that there is no such policy.
    """

    name: str
    absent: Absence | None = None
    mutability: TagMutability | None = None
    exclusions: list[str] = []
    policy: PolicyDocument | UnsetType = UNSET
    lifecycle_policy: PolicyDocument | UnsetType = UNSET
    encryption: EncryptionPart | None = None
    scanning: RepositoryScanningPart | None = None
    scan_type: ScanType | None = None
    images: list[ImagePart] = []


class ScanRulePart(Part):
    """How often repositories are scanned whose name matches one of the filters."""

    frequency: ScanFrequency
    filters: list[str]


class RegistryScanningPart(Part):
    """The scanning of a registry. ``type`` is None for a value that this version does not know."""

    type: ScanType | None
    rules: list[ScanRulePart]


class PullThroughPart(Part):
    """A rule that fills repositories under a prefix from another registry."""

    prefix: str
    upstream: str
    upstream_prefix: str = ""


class DestinationPart(Part):
    """A registry that images are copied to."""

    registry_id: Annotated[str, Meta(pattern="^[0-9]{12}$", max_length=12)]
    region: str


class ReplicationPart(Part):
    """A rule that copies images of repositories with one of the prefixes; without any, of all."""

    destinations: list[DestinationPart]
    prefixes: list[str] = []


class RegistryPart(Part):
    """The configuration of a registry of Amazon ECR by its host; ``policy: null`` says that it has no policy."""

    name: str
    policy: PolicyDocument | UnsetType = UNSET
    policy_scope: RegistryPolicyScope | None = None
    scanning: RegistryScanningPart | None = None
    pull_through: list[PullThroughPart] | None = None
    replication: list[ReplicationPart] | None = None


class SignerAnswerPart(Part):
    """An answer of AWS Signer about a signature."""

    profile_version_arn: str
    job_arn: str
    signed_at: Any
    certificate_hashes: list[str]
    platform: str
    revoked: list[str] = []


class OcspAnswerPart(Part):
    """An answer of an OCSP responder; ``request`` and ``response`` are in base64."""

    url: str
    request: str
    response: str


class CrlPart(Part):
    """A certificate revocation list in base64."""

    url: str
    content: str


class KeyPart(Part):
    """The public key of a key in AWS KMS, as PEM."""

    arn: str
    pem: str


class TrustedRootPart(Part):
    """The trusted root that the TrustStore fetched from its TUF repository, as JSON text."""

    trust_store: str
    content: str


class EvidencePart(Part):
    """The answers of AWS, registries and revocation services."""

    repositories: list[RepositoryPart] = []
    registries: list[RegistryPart] = []
    signer: list[SignerAnswerPart] = []
    ocsp: list[OcspAnswerPart] = []
    crls: list[CrlPart] = []
    kms_keys: list[KeyPart] = []
    trusted_roots: list[TrustedRootPart] = []


class NamespacePart(Part):
    """The namespace of the object; without labels, selectors are assumed to match it."""

    name: str
    labels: dict[str, str] | None = None


Expected = Literal["Allowed", "Warned", "Audited", "Denied", "NotJudged"]


class ExpectPart(Part):
    """The expected answer. ``reasons`` are the reason codes of all results that do not pass, ``images`` those of each image."""

    decision: Expected
    reasons: list[Reason] | None = None
    images: dict[str, list[Reason]] = {}
    message: list[str] = []


class CasePart(Part):
    """One case: an object, the evidence about its images, and the expected answer.

    ``evidence`` replaces that of the file, repository by repository and registry by registry. ``running_since`` says that the namespace runs the
    images.
    """

    name: Annotated[str, Meta(min_length=1, max_length=253)]
    object: dict[str, Any] | str
    expect: ExpectPart
    namespace: NamespacePart | None = None
    now: Any = None
    running_since: Any = None
    evidence: EvidencePart = msgspec.field(default_factory=EvidencePart)


class MetadataPart(Part):
    """The name of the file's cases."""

    name: str


class CaseFile(Part):
    """A whole file. ``policies`` are files with policies, beside this one; ``now`` is the time of all cases."""

    api_version: Literal["cli.tidegate.dev/v1alpha1"]
    kind: Literal["Test"]
    metadata: MetadataPart
    cases: Annotated[list[CasePart], Meta(min_length=1, max_length=MAX_CASES)]
    policies: list[str] = []
    now: Any = None
    platforms: list[str] = []
    evidence: EvidencePart = msgspec.field(default_factory=EvidencePart)
