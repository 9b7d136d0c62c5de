"""The result of one posture check on one repository: a status, a stable reason code, and what mends it."""

from dataclasses import dataclass
from enum import StrEnum

from tidegate.evidence.fact import Missing
from tidegate.evidence.source_unavailable import SourceUnavailableError


class PostureCheck(StrEnum):
    """What is checked of a repository's configuration."""

    PUSH = "push"
    PUSH_GUARD = "push-guard"
    REPLICATION = "replication"
    PULL_THROUGH_CACHE = "pull-through-cache"
    PULL = "pull"
    PULL_WRITES = "pull-writes"
    TAG_IMMUTABILITY = "tag-immutability"
    SCANNING = "scanning"
    ENCRYPTION = "encryption"
    LIFECYCLE = "lifecycle"
    SIGNING = "signing"


class PostureStatus(StrEnum):
    """The outcome of a posture check. What is not understood, or could not be read, is UNDETERMINED."""

    PASS = "Pass"  # noqa: S105 - a word, not a password
    FAIL = "Fail"
    UNDETERMINED = "Undetermined"


class PostureReason(StrEnum):
    """Stable reason codes: what dashboards, tests and users' scripts may rely on."""

    OK = "Ok"
    PUSH_NOT_RESTRICTED = "PushNotRestricted"
    POLICY_CAN_BE_REPLACED = "PolicyCanBeReplaced"
    REPLICATION_NOT_RESTRICTED = "ReplicationNotRestricted"
    PULL_THROUGH_CACHE_WRITES = "PullThroughCacheWrites"
    PULL_NOT_RESTRICTED = "PullNotRestricted"
    PULL_GRANTS_WRITES = "PullGrantsWrites"
    TAG_MUTABLE = "TagMutable"
    SCANNING_NOT_CONFIGURED = "ScanningNotConfigured"
    ENCRYPTION_NOT_CONFIGURED = "EncryptionNotConfigured"
    LIFECYCLE_POLICY_MISSING = "LifecyclePolicyMissing"
    IMAGE_EXPIRES = "ImageExpires"
    SIGNING_NOT_CONFIGURED = "SigningNotConfigured"
    COULD_NOT_CHECK = "CouldNotCheck"
    CONFIGURATION_UNDECIDED = "ConfigurationUndecided"


class PostureSeverity(StrEnum):
    """How much a failure matters."""

    HIGH = "HIGH"
    MEDIUM = "MEDIUM"
    LOW = "LOW"


SEVERITIES = {
    PostureCheck.PUSH: PostureSeverity.HIGH,
    PostureCheck.PUSH_GUARD: PostureSeverity.MEDIUM,
    PostureCheck.REPLICATION: PostureSeverity.HIGH,
    PostureCheck.PULL_THROUGH_CACHE: PostureSeverity.MEDIUM,
    PostureCheck.PULL: PostureSeverity.HIGH,
    PostureCheck.PULL_WRITES: PostureSeverity.HIGH,
    PostureCheck.TAG_IMMUTABILITY: PostureSeverity.MEDIUM,
    PostureCheck.SCANNING: PostureSeverity.MEDIUM,
    PostureCheck.ENCRYPTION: PostureSeverity.LOW,
    PostureCheck.LIFECYCLE: PostureSeverity.MEDIUM,
    PostureCheck.SIGNING: PostureSeverity.LOW,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PostureResult:
    """The result of one check. ``aws_cli`` and ``terraform`` mend a failure: a command line, and resource and attribute.

    ``message`` is one sentence for users. ``cause`` is for operators: it may name principals of other accounts.
    ``statement`` is the text of the policy statements that say so. ``unavailable`` is the call that failed, if one did.
    """

    check: PostureCheck
    status: PostureStatus
    reason: PostureReason
    message: str
    cause: str = ""
    statement: str = ""
    aws_cli: str = ""
    terraform: str = ""
    unavailable: Missing | None = None

    @property
    def severity(self) -> PostureSeverity:
        """Return how much a failure of the check matters."""
        return SEVERITIES[self.check]


def passed(check: PostureCheck, message: str, *, cause: str = "") -> PostureResult:
    """Return a PASS."""
    return PostureResult(check=check, status=PostureStatus.PASS, reason=PostureReason.OK, message=message, cause=cause)


def undecided(check: PostureCheck, message: str, *, cause: str = "") -> PostureResult:
    """Return the result of a check whose configuration is not understood."""
    return PostureResult(
        check=check,
        status=PostureStatus.UNDETERMINED,
        reason=PostureReason.CONFIGURATION_UNDECIDED,
        message=message,
        cause=cause,
    )


def unavailable(check: PostureCheck, message: str, problem: SourceUnavailableError) -> PostureResult:
    """Return the result of a check whose configuration could not be read."""
    return PostureResult(
        check=check,
        status=PostureStatus.UNDETERMINED,
        reason=PostureReason.COULD_NOT_CHECK,
        message=message,
        cause=str(problem),
        unavailable=problem.missing(),
    )
