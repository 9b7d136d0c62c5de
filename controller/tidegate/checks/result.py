"""The result of a check: one outcome with a stable reason code, what was found and how to fix it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Check(StrEnum):
    """The checks, named as the sections of an ImagePolicy."""

    POLICY = "policy"
    REFERENCE = "reference"
    REGISTRY = "registries"
    TAG = "tags"
    SCAN = "scan"
    VULNERABILITIES = "vulnerabilities"
    SIGNATURES = "signatures"
    ATTESTATIONS = "attestations"
    REPOSITORY = "repository"


class Outcome(StrEnum):
    """PASS and EXEMPT let an image through; the others do not."""

    PASS = "Pass"  # noqa: S105 - a word, not a password
    EXEMPT = "Exempt"
    FAIL = "Fail"
    UNDETERMINED = "Undetermined"


class Reason(StrEnum):
    """Stable reason codes: what dashboards, tests and users' scripts may rely on."""

    OK = "Ok"
    # reference and registry
    INVALID_REFERENCE = "InvalidReference"
    REGISTRY_NOT_ALLOWED = "RegistryNotAllowed"
    REGISTRY_NOT_SUPPORTED = "RegistryNotSupported"
    # existence
    IMAGE_NOT_FOUND = "ImageNotFound"
    REPOSITORY_NOT_FOUND = "RepositoryNotFound"
    REGION_NOT_FOUND = "RegionNotFound"
    PULL_THROUGH_CACHE_MISS = "PullThroughCacheMiss"
    IMAGE_ARCHIVED = "ImageArchived"
    IMAGE_NOT_PULLABLE = "ImageNotPullable"
    CONTENT_INVALID = "ContentInvalid"
    PLATFORM_MISSING = "PlatformMissing"
    # tags
    TAG_MUTABLE = "TagMutable"
    TAG_FORBIDDEN = "TagForbidden"
    DIGEST_REQUIRED = "DigestRequired"
    # scan
    SCAN_PENDING = "ScanPending"
    SCAN_EXPIRED = "ScanExpired"
    SCAN_UNSUPPORTED = "ScanUnsupported"
    NOT_SCANNED = "NotScanned"
    SCAN_BLOCKED = "ScanBlocked"
    SCAN_FAILED = "ScanFailed"
    SCAN_LIMIT_EXCEEDED = "ScanLimitExceeded"
    SCAN_TOO_OLD = "ScanTooOld"
    # vulnerabilities
    VULNERABLE = "VulnerabilitiesFound"
    # signatures
    SIGNATURE_MISSING = "SignatureMissing"
    SIGNATURE_INVALID = "SignatureInvalid"
    SIGNATURE_REVOKED = "SignatureRevoked"
    SIGNATURE_PENDING = "SignaturePending"
    SIGNATURE_UNDECIDED = "SignatureUndecided"
    ATTESTATION_MISSING = "AttestationMissing"
    ATTESTATION_INVALID = "AttestationInvalid"
    ATTESTATION_UNDECIDED = "AttestationUndecided"
    NOT_ENFORCED = "NotEnforced"
    TRUST_UNUSABLE = "TrustUnusable"
    # configuration of the repository
    PUSH_NOT_RESTRICTED = "PushNotRestricted"
    REPLICATION_NOT_RESTRICTED = "ReplicationNotRestricted"
    PULL_THROUGH_CACHE_WRITES = "PullThroughCacheWrites"
    PULL_NOT_RESTRICTED = "PullNotRestricted"
    PULL_GRANTS_WRITES = "PullGrantsWrites"
    SCANNING_NOT_CONFIGURED = "ScanningNotConfigured"
    ENCRYPTION_NOT_CONFIGURED = "EncryptionNotConfigured"
    LIFECYCLE_POLICY_MISSING = "LifecyclePolicyMissing"
    IMAGE_EXPIRES = "ImageExpires"
    CONFIGURATION_UNDECIDED = "ConfigurationUndecided"
    # could not be checked
    COULD_NOT_CHECK = "CouldNotCheck"
    STALE = "EvidenceTooOld"
    STATUS_UNKNOWN = "StatusUnknown"
    EVIDENCE_LACKING = "EvidenceLacking"
    POLICY_INVALID = "PolicyInvalid"
    INTERNAL_ERROR = "InternalError"
    # refused, but excepted
    EXCEPTED = "Excepted"


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """The result of one check on one image under one policy.

    ``found`` is what was found and ``remedy`` the fix, each a fragment of one line; they quote only the reference and the
    policy. ``details`` are single findings, such as vulnerabilities, each for a line below ``found``. ``cause`` is for
    operators alone: it may quote AWS, registries and signers, with names of roles, keys and hosts. ``holds_until`` is when
    time alone may change the result (UTC), or None.
    ``notes`` are for warnings beside a pass. ``exceptions`` are the names of the exceptions that the result rests on.
    """

    check: Check
    outcome: Outcome
    reason: Reason
    found: str = ""
    details: tuple[str, ...] = ()
    remedy: str = ""
    cause: str = ""
    holds_until: datetime | None = None
    notes: tuple[str, ...] = ()
    exceptions: tuple[str, ...] = ()

    @property
    def lets_through(self) -> bool:
        """Tell whether this result lets the image through."""
        return self.outcome is Outcome.PASS or self.outcome is Outcome.EXEMPT

    @property
    def is_plain_pass(self) -> bool:
        """Tell whether this is a pass for as long as the evidence holds, with nothing to say of it."""
        return self == CheckResult(check=self.check, outcome=Outcome.PASS, reason=Reason.OK)

    @property
    def summary(self) -> str:
        """Return what was found with its details, in one line."""
        return f"{self.found}: {'; '.join(self.details)}" if self.details else self.found

    @property
    def found_and_cause(self) -> str:
        """Return what was found with its cause, for logs and the command line; never for an answer to the API server."""
        return f"{self.summary} (cause: {self.cause})" if self.cause else self.summary


RETRY = "retry, and tell the platform team if it persists"


def passed(check: Check, *, holds_until: datetime | None = None, notes: tuple[str, ...] = ()) -> CheckResult:
    """Return a PASS of the check."""
    return CheckResult(check=check, outcome=Outcome.PASS, reason=Reason.OK, holds_until=holds_until, notes=notes)


def failed(
    check: Check, reason: Reason, found: str, remedy: str, *, details: tuple[str, ...] = (), cause: str = ""
) -> CheckResult:
    """Return a FAIL of the check."""
    return CheckResult(
        check=check, outcome=Outcome.FAIL, reason=reason, found=found, details=details, remedy=remedy, cause=cause
    )


def undetermined(check: Check, reason: Reason, found: str, remedy: str = RETRY, *, cause: str = "") -> CheckResult:
    """Return the result of a check that could not be made."""
    return CheckResult(
        check=check, outcome=Outcome.UNDETERMINED, reason=reason, found=found, remedy=remedy, cause=cause
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortfall:
    """Why several checks cannot pass: a result without the name of the check. ``cause`` is for operators."""

    outcome: Outcome
    reason: Reason
    found: str
    remedy: str
    cause: str = ""

    def of(self, check: Check) -> CheckResult:
        """Return this as the result of the check."""
        return CheckResult(
            check=check,
            outcome=self.outcome,
            reason=self.reason,
            found=self.found,
            remedy=self.remedy,
            cause=self.cause,
        )
