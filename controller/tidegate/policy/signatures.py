"""What a policy requires of signatures and attestations, as values. Their shapes are in ``authorities``.

An authority is a set of trusted signers: with Notation, or with Sigstore, keyless or by key. It names trust stores; their
content is looked up when a signature is verified.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from tidegate.verify.notation.trust_policy.level import Level, TimestampRule, ValidationAction, ValidationType
from tidegate.verify.sigstore.cel import Condition
from tidegate.verify.sigstore.identity import SigstoreIdentity


class HashAlgorithm(StrEnum):
    """The hash that a key signs with."""

    SHA256 = "sha256"
    SHA384 = "sha384"
    SHA512 = "sha512"


class TransparencyLog(StrEnum):
    """Whether a signature by key must be in a transparency log."""

    REQUIRED = "Required"
    NOT_REQUIRED = "NotRequired"


class Children(StrEnum):
    """Which parts of an index must be signed: the index alone, or also each of its images that may run."""

    INDEX_ONLY = "IndexOnly"
    ALL = "All"


@dataclass(frozen=True, slots=True, kw_only=True)
class NotationAuthority:
    """Signers by Notation.

    ``trust_stores`` are names of TrustStores; their types say what each is trusted for. ``trusted_identities`` are
    ``*`` alone, ``x509.subject:`` with a distinguished name, or ARNs of AWS Signer profiles. ``required_metadata`` must
    all be in the signed payload. ``level`` is never ``skip``: leave ``signatures`` out where no signature is required.
    """

    name: str
    trust_stores: tuple[str, ...]
    trusted_identities: tuple[str, ...]
    level: Level = Level.STRICT
    overrides: Mapping[ValidationType, ValidationAction] = field(default_factory=lambda: MappingProxyType({}))
    verify_timestamp: TimestampRule = TimestampRule.ALWAYS
    required_metadata: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True, kw_only=True)
class KeylessAuthority:
    """Signers by Sigstore whose certificates name them. ``trusted_root`` names a TrustStore of type sigstore."""

    name: str
    trusted_root: str
    identities: tuple[SigstoreIdentity, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PemKey:
    """A public key as PEM text. ``hash_algorithm`` None means the one that belongs to the key's curve."""

    pem: str
    hash_algorithm: HashAlgorithm | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KmsKey:
    """A key in AWS KMS, by ARN; its public half is read when the policy is."""

    arn: str
    hash_algorithm: HashAlgorithm | None = None


PublicKey = PemKey | KmsKey


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyedAuthority:
    """Signers by Sigstore with a key. ``trusted_root`` is None only where no transparency log is required."""

    name: str
    key: PublicKey
    transparency_log: TransparencyLog = TransparencyLog.REQUIRED
    trusted_root: str | None = None


SigstoreAuthority = KeylessAuthority | KeyedAuthority
Authority = NotationAuthority | SigstoreAuthority


def trust_stores_of(authority: Authority) -> tuple[str, ...]:
    """Return the names of the trust stores that an authority relies on."""
    if isinstance(authority, NotationAuthority):
        return authority.trust_stores
    return () if authority.trusted_root is None else (authority.trusted_root,)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureRules:
    """Requirements on signatures: one by any of the authorities.

    ``same_repository`` refuses a signature that names another repository, where its format names one.
    """

    any_of: tuple[Authority, ...]
    children: Children = Children.INDEX_ONLY
    same_repository: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AttestationRules:
    """One required attestation: its predicate's type, who must have signed it, and what must be true of it."""

    name: str
    predicate_type: str
    any_of: tuple[SigstoreAuthority, ...]
    conditions: tuple[Condition, ...] = ()
