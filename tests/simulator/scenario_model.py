"""The structure of a scenario file, in camelCase; what is not a member here is refused.

Types only; scenario.py reads and builds. Members of type Any are moments, as in clock.py.
"""

from typing import Any, Literal

import msgspec

from tests.simulator.contents import CLUSTER_ACCOUNT, READER_ROLE, REGION
from tests.simulator.manifests import OCI_MANIFEST
from tests.simulator.pki.sigstore import ISSUER, SUBJECT
from tests.simulator.signing import AN_HOUR_AGO, CosignForm, EnvelopeForm

LeaveOut = msgspec.UnsetType
_UNSET = msgspec.UNSET


class _Part(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    pass


class FindingPart(_Part):
    """One finding; `fixed` is left out where there is no fix, moments are as in clock.py."""

    id: str
    severity: str
    package: str = "openssl"
    installed: str = "3.0.11"
    fixed: str | None = None
    manager: str = "OS"
    path: str | None = None
    exploit: bool = False
    epss: float | None = None
    score: float | None = None
    status: str = "ACTIVE"
    title: str | None = None
    description: str | None = None
    first_observed_at: Any = None


class CoveragePart(_Part):
    """A coverage row."""

    status: str = "ACTIVE"
    reason: str = "SUCCESSFUL"
    last_scanned_at: Any = None


class BasicPart(_Part):
    """A basic scan."""

    status: str = "COMPLETE"
    description: str = ""


class StatePart(_Part):
    """What scanners say from `at` on: what is left out stays as it was, `coverage: null` takes the row away."""

    at: Any = None
    coverage: CoveragePart | LeaveOut | None = _UNSET
    basic: BasicPart | LeaveOut | None = _UNSET
    findings: list[FindingPart] | LeaveOut = _UNSET


class _SignaturePart(_Part, tag_field="kind"):
    """What every kind of signature has; `of` is the tag of the image that is signed, where that is another one."""

    of: str | None = None
    signed_at: Any = AN_HOUR_AGO


class AwsSignerPart(_SignaturePart, tag="awsSigner"):
    """A signature by AWS Signer; a profile is named, or given by ARN."""

    profile: str = "release"
    expired: bool = False
    revoked: bool = False


class NotationPart(_SignaturePart, tag="notation"):
    """A signature by Notation with the certificate `C=US, ST=WA, O=Example, CN=signer` of an authority."""

    signer: str = "release"
    authority: str = "acme"
    form: EnvelopeForm = "jws"
    timestamped: bool = False
    expired: bool = False


class _CosignPart(_SignaturePart):
    """A signature by cosign, or with `predicateType` an attestation."""

    form: CosignForm = "bundle"
    predicate_type: str | None = None
    predicate: Any = None
    signed_as: str | None = None


class CosignKeyPart(_CosignPart, tag="cosignKey"):
    """cosign with a key, whose public half is asked for by its name."""

    key: str = "release"
    logged: bool = False


class CosignKeylessPart(_CosignPart, tag="cosignKeyless"):
    """cosign with an identity of the simulated Sigstore instance."""

    subject: str = SUBJECT
    issuer: str = ISSUER


SignaturePart = AwsSignerPart | NotationPart | CosignKeyPart | CosignKeylessPart
KINDS = ("awsSigner", "notation", "cosignKey", "cosignKeyless")
"""The words of a signature's `kind`."""


class SigningStatusPart(_Part):
    """What ECR says of signing the image by itself."""

    status: Literal["IN_PROGRESS", "COMPLETE", "FAILED"]
    profile: str = "release"


class RevocationPart(_Part):
    """A profile, by name or ARN, that AWS Signer has revoked; for signatures made from `since` on where that is given."""

    profile: str
    since: Any = None


class KmsKeyPart(_Part):
    """A key in AWS KMS whose private half is that of the `key` by which cosign signs."""

    id: str
    key: str


class ChildPart(_Part):
    """One platform of an index."""

    scanned: bool = True
    coverage: CoveragePart | LeaveOut | None = _UNSET
    findings: list[FindingPart] | LeaveOut = _UNSET
    history: list[StatePart] = []
    signatures: list[SignaturePart] = []


class ImagePart(_Part):
    """An image, or an index where `platforms` is given; `history` tells its scans over time."""

    tags: list[str] = msgspec.field(default_factory=lambda: ["v1"])
    content: str | None = None
    platform: str = "linux/amd64"
    media_type: str = OCI_MANIFEST
    platforms: dict[str, ChildPart] | None = None
    attestations: bool = True
    docker: bool = False
    pushed_at: Any = "-1d"
    pulled_at: Any = None
    status: str = "ACTIVE"
    scanned: bool = True
    in_use: int = 0
    coverage: CoveragePart | LeaveOut | None = _UNSET
    basic: BasicPart | LeaveOut | None = _UNSET
    findings: list[FindingPart] | LeaveOut = _UNSET
    history: list[StatePart] = []
    signatures: list[SignaturePart] = []
    signing: SigningStatusPart | None = None


class RepositoryPart(_Part):
    """A repository with its images."""

    name: str
    account: str | None = None
    region: str | None = None
    mutability: str = "IMMUTABLE"
    exclusions: list[str] = []
    readers: list[str] = []
    policy: dict[str, Any] | None = None
    lifecycle: dict[str, Any] | None = None
    encryption: str = "AES256"
    kms_key: str | None = None
    images: list[ImagePart] = []


class RulePart(_Part):
    """A rule of a registry's scanning configuration."""

    frequency: str
    filters: list[str] = msgspec.field(default_factory=lambda: ["*"])


class PullThroughPart(_Part):
    """A pull-through-cache rule."""

    prefix: str
    upstream: str = "docker-hub"
    upstream_url: str = "registry-1.docker.io"
    upstream_prefix: str = ""
    miss: str = "ImageNotFound"


class DestinationPart(_Part):
    """A registry that images are copied to; `account` is the registry's own where it is left out."""

    region: str
    account: str | None = None


class ReplicationPart(_Part):
    """A replication rule."""

    destinations: list[DestinationPart]
    prefixes: list[str] = []


class SigningRulePart(_Part):
    """A rule of signing by ECR itself; a profile is named, or given by ARN."""

    profile: str = "release"
    filters: list[str] = []


class RegistryPart(_Part):
    """The settings of one account in one region."""

    account: str | None = None
    region: str | None = None
    scan_type: str = "ENHANCED"
    rules: list[RulePart] = []
    pull_through: list[PullThroughPart] = []
    policy: dict[str, Any] | None = None
    policy_scope: str = "V2"
    replication: list[ReplicationPart] = []
    signing: list[SigningRulePart] = []


class AccountPart(_Part):
    """Another account; `roles` maps each role that may be assumed to the external id it asks for, or null."""

    id: str
    roles: dict[str, str | None] = msgspec.field(default_factory=lambda: {READER_ROLE: None})
    scan_type: str = "ENHANCED"
    inspector: str = "ENABLED"
    members: list[str] = []


class Scenario(_Part):
    """A whole world; `account` and `region` are the cluster's."""

    account: str = CLUSTER_ACCOUNT
    region: str = REGION
    accounts: list[AccountPart] = []
    registries: list[RegistryPart] = []
    repositories: list[RepositoryPart] = []
    revocations: list[RevocationPart] = []
    kms_keys: list[KmsKeyPart] = []
