"""The ImagePolicy as values: what an operator requires of images. Parsed by ``parse``; judged by ``tidegate.checks``.

Field names and meanings are those of the CRD in the chart and of docs/reference/imagepolicy.md. The defaults are
those that the API server fills in, which ``sections`` states; a test compares them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType

from tidegate.evidence.scan import Severity
from tidegate.images.platform import Platform
from tidegate.policy.signatures import AttestationRules, SignatureRules
from tidegate.strict.wildcard import compile_glob


class Action(StrEnum):
    """What happens when an image does not meet the policy, in the terms of ValidatingAdmissionPolicy."""

    DENY = "Deny"
    WARN = "Warn"
    AUDIT = "Audit"


STRICTEST_ACTIONS = frozenset({Action.DENY})
"""The actions of a policy that names none or cannot be read."""


class Tolerance(StrEnum):
    """Whether a situation is refused or tolerated."""

    DENY = "Deny"
    ALLOW = "Allow"


@dataclass(frozen=True, slots=True, kw_only=True)
class Glob:
    """An anchored glob: ``*`` matches within one path segment, ``**`` across segments; nothing else is special."""

    text: str

    def matches(self, value: str) -> bool:
        """Tell whether the whole value matches, in time linear in its length."""
        return bool(compile_glob(self.text)(value))


EVERYTHING = (Glob(text="**"),)
"""The repositories of a scope that names none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EcrScope:
    """Some ECR repositories, by parsed fields. ``None`` for region means every region; account is always named."""

    partition: str
    account: str
    region: str | None
    repositories: tuple[Glob, ...] = EVERYTHING


@dataclass(frozen=True, slots=True, kw_only=True)
class HostScope:
    """Some repositories of a registry that is not ECR.

    ``host`` has its port and is compared exactly, as ``scopes.canonical_host`` writes both sides.
    """

    host: str
    repositories: tuple[Glob, ...] = EVERYTHING


RegistryScope = EcrScope | HostScope


class SelectorOperator(StrEnum):
    """Operators of Kubernetes label selectors."""

    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectorRequirement:
    """One requirement of a label selector; requirements are ANDed."""

    key: str
    operator: SelectorOperator
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """The namespaces and images that a policy applies to. Empty parts match everything; the parts are ANDed.

    ``namespaces`` and ``excluded_namespaces`` are globs over names; ``images`` are scopes over parsed references.
    """

    namespace_selector: tuple[SelectorRequirement, ...] = ()
    namespaces: tuple[Glob, ...] = ()
    excluded_namespaces: tuple[Glob, ...] = ()
    images: tuple[RegistryScope, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TagRules:
    """``immutable``: the tag must not be movable; ``digest_required``: a digest must be given; ``forbidden``: globs."""

    immutable: bool = False
    digest_required: bool = False
    forbidden: tuple[Glob, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanRules:
    """Requirements on the scan itself. ``max_age`` bounds the time since the last scan; None sets no bound.

    ``settling_period`` is how long after the push or the first scan findings may still be arriving: until then the image
    counts as pending. Zero switches that off.
    """

    when_pending: Tolerance = Tolerance.DENY
    when_expired: Tolerance = Tolerance.DENY
    when_unsupported: Tolerance = Tolerance.DENY
    max_age: timedelta | None = None
    settling_period: timedelta = timedelta(minutes=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class IgnoredVulnerability:
    """One vulnerability id that does not count until ``until``, for a stated reason."""

    id: str
    until: datetime
    reason: str


class GraceAction(StrEnum):
    """How an image is admitted in its grace: with a warning, or without."""

    WARN = "Warn"
    ALLOW = "Allow"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningImageRules:
    """Grace for an image that a namespace runs: findings younger than that do not count for ``duration``.

    It is counted from a finding's ``firstObservedAt``. With ``except_exploitable`` a finding has grace only where the
    scanner says that no exploit is known.
    """

    duration: timedelta
    action: GraceAction = GraceAction.WARN
    except_exploitable: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class VulnerabilityRules:
    """Which findings count and how many may.

    ``max_counts`` limits counting findings per severity; a severity not named is not limited.
    ``only_fixable`` leaves out findings that surely have no fix. ``exploit_available`` DENY refuses any finding with a
    known exploit, of any severity and without grace. ``epss_threshold`` refuses any finding with that EPSS score or
    more; a finding without a score cannot be compared with it, unless ``when_epss_unknown`` ALLOW leaves it to the
    other limits. ``grace_period`` is counted from a finding's ``firstObservedAt``. ``suppressed`` ALLOW leaves out what an
    Inspector suppression rule hides.
    """

    max_counts: Mapping[Severity, int] = field(default_factory=lambda: MappingProxyType({}))
    only_fixable: bool = False
    exploit_available: Tolerance = Tolerance.ALLOW
    epss_threshold: float | None = None
    when_epss_unknown: Tolerance = Tolerance.DENY
    grace_period: timedelta = timedelta(0)
    suppressed: Tolerance = Tolerance.ALLOW
    ignore: tuple[IgnoredVulnerability, ...] = ()
    running_images: RunningImageRules | None = None


class RequiredScanning(StrEnum):
    """How the images of a repository must be scanned: again with each new vulnerability, or at least on push."""

    CONTINUOUS = "Continuous"
    ON_PUSH = "OnPush"


class RequiredEncryption(StrEnum):
    """How a repository must be encrypted: with a key of AWS KMS."""

    KMS = "KMS"


class RequiredLifecycle(StrEnum):
    """What is required of a repository's lifecycle policy: that there is one, or that it keeps the image."""

    REQUIRED = "Required"
    KEEPS_RUNNING_IMAGES = "KeepsRunningImages"


@dataclass(frozen=True, slots=True, kw_only=True)
class PushRules:
    """Who may be able to push; no other may. ``restricted_to`` are ARNs of IAM principals, with ``*`` in their names."""

    restricted_to: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()
    organizations: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PullRules:
    """Who may be able to pull beside the repository's own account; no other may. ``services`` are service principals."""

    accounts: tuple[str, ...] = ()
    organizations: tuple[str, ...] = ()
    services: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RepositoryRules:
    """What is required of the configuration of the image's repository. What is None requires nothing."""

    push: PushRules | None = None
    pull: PullRules | None = None
    scanning: RequiredScanning | None = None
    encryption: RequiredEncryption | None = None
    lifecycle: RequiredLifecycle | None = None


class ExceptableCheck(StrEnum):
    """The checks that an exception may name: the sections of an ImagePolicy that require something of images."""

    REGISTRIES = "registries"
    TAGS = "tags"
    SCAN = "scan"
    VULNERABILITIES = "vulnerabilities"
    SIGNATURES = "signatures"
    ATTESTATIONS = "attestations"
    REPOSITORY = "repository"


@dataclass(frozen=True, slots=True, kw_only=True)
class NamespacedExceptions:
    """What the exceptions of a namespace may except from a policy; without one, nothing.

    ``checks`` may be excepted as a whole. ``vulnerabilities`` tells whether single vulnerabilities may be, by id.
    """

    checks: frozenset[ExceptableCheck] = frozenset()
    vulnerabilities: bool = False
    max_duration: timedelta = timedelta(days=7)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ImagePolicy:
    """One policy, parsed. Sections that are None require nothing.

    ``vulnerabilities`` always requires a scan too, with the defaults of ``ScanRules`` where ``scan`` is None.
    ``platforms`` is empty for the platforms of the cluster's nodes. ``max_stale`` bounds the use of evidence that could
    not be renewed.
    """

    name: str
    uid: str
    generation: int
    actions: frozenset[Action] = STRICTEST_ACTIONS
    match: Match = Match()
    registries: tuple[RegistryScope, ...] | None = None
    tags: TagRules | None = None
    scan: ScanRules | None = None
    vulnerabilities: VulnerabilityRules | None = None
    signatures: SignatureRules | None = None
    attestations: tuple[AttestationRules, ...] | None = None
    repository: RepositoryRules | None = None
    platforms: tuple[Platform, ...] = ()
    on_undetermined: Tolerance = Tolerance.DENY
    max_stale: timedelta = timedelta(hours=1)
    namespaced_exceptions: NamespacedExceptions | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BrokenPolicy:
    """A policy object that could not be parsed: every image that it may match is UNDETERMINED.

    ``actions``, ``match`` and ``on_undetermined`` are its own where they could be read, else the strictest.
    """

    name: str
    uid: str
    generation: int
    problems: tuple[str, ...]
    actions: frozenset[Action] = STRICTEST_ACTIONS
    match: Match = Match()
    on_undetermined: Tolerance = Tolerance.DENY
