"""The sections of an ImagePolicy's spec as shapes, field by field: the parser reads by them, the CRD is made from them.

The values that they are read into are in ``model``.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from types import MappingProxyType
from typing import Any, Final

from tidegate.evidence.scan import Severity
from tidegate.images.platform import parse_platform
from tidegate.policy.durations import DURATION_PATTERN, format_duration, parse_duration
from tidegate.policy.model import (
    Action,
    Glob,
    GraceAction,
    IgnoredVulnerability,
    Match,
    RunningImageRules,
    ScanRules,
    TagRules,
    Tolerance,
    VulnerabilityRules,
)
from tidegate.policy.scopes import MAX_SCOPES, REGISTRY_SCOPE, make_glob
from tidegate.policy.selectors import LABEL_SELECTOR
from tidegate.policy.shape import Choice, Constraint, Field, Flag, ListOf, Number, Section, Text

MAX_NAMESPACES = 100
MAX_FORBIDDEN_TAGS = 50
MAX_IGNORED = 500
MAX_PLATFORMS = 16
MAX_COUNT = 100_000
MAX_REASON = 512
MAX_SETTLING = timedelta(hours=1)
MAX_STALENESS = timedelta(days=7)
MIN_SCAN_AGE = timedelta(minutes=1)
MAX_SCAN_AGE = timedelta(days=365)
MAX_GRACE = timedelta(days=365)

NAMESPACE_PATTERN = r"^\*{0,2}([a-z0-9-]\*{0,2})*$"
TAG_PATTERN = r"^\*{0,2}([A-Za-z0-9_.-]\*{0,2})*$"
PLATFORM_PATTERN = "^[a-z0-9_.-]{1,64}/[a-z0-9_.-]{1,64}(/[a-z0-9_.-]{1,64})?$"
DATE_PATTERN = "^[1-9][0-9]{3}-[0-9]{2}-[0-9]{2}$"
REASON_PATTERN = r"^[^\x00-\x1f\x7f]*[^\x00-\x20\x7f][^\x00-\x1f\x7f]*$"
"""One line, not blank."""
VULNERABILITY_PATTERN = "^[A-Za-z0-9][A-Za-z0-9._:-]+$"

TOLERANCE: Final = Choice(words=Tolerance)
SEVERITIES: Final = tuple(severity for severity in Severity if severity is not Severity.UNKNOWN)
"""What a policy may limit: a severity that this version does not know is never counted as a known one."""


def duration(minimum: timedelta, maximum: timedelta) -> Text[timedelta]:
    """Return the shape of a duration within bounds, both included."""

    def make(text: str) -> timedelta | None:
        found = parse_duration(text)
        return found if found is not None and minimum <= found <= maximum else None

    days, exact = "int(self.substring(0, self.size() - 1))", "duration(self)"
    in_days, in_time = f"{days} <= {maximum.days}", f"{exact} <= duration('{maximum // timedelta(hours=1)}h')"
    if minimum:
        in_days = f"{days} >= {-(-minimum // timedelta(days=1))} && {in_days}"
        in_time = f"{exact} >= duration('{minimum // timedelta(seconds=1)}s') && {in_time}"
    return Text(
        expected=f"a duration from {format_duration(minimum)} to {format_duration(maximum)}",
        do="write days alone such as 7d, or hours, minutes and seconds such as 1h30m",
        make=make,
        maximum=16,
        rule=f"self.matches(r'{DURATION_PATTERN}') && (self.endsWith('d') ? {in_days} : {in_time})",
    )


def _make_day(text: str) -> datetime | None:
    """Return the first moment of the day in UTC, when what was ignored until then counts again."""
    try:
        return datetime.combine(date.fromisoformat(text), datetime.min.time(), tzinfo=UTC)
    except ValueError:
        return None


class _Day(Text[datetime]):
    """A calendar date; YAML files give an unquoted one as a date instead of as a string."""

    __slots__ = ()

    def read(self, value: object, path: str) -> datetime:
        """Return the first moment of the day, UTC."""
        unquoted = isinstance(value, date) and not isinstance(value, datetime)
        return Text.read(self, value.isoformat() if unquoted and isinstance(value, date) else value, path)


def _deny_and_warn(actions: Sequence[Action]) -> str | None:
    return "Deny and Warn" if {Action.DENY, Action.WARN} <= set(actions) else None


def _no_rule_for_tags(written: Mapping[str, Any]) -> str | None:
    if written.get("immutable", False) is not False or written.get("digestRequired", False) is not False:
        return None
    return None if written.get("forbidden") else "no requirement"


def _no_rule_for_vulnerabilities(written: Mapping[str, Any]) -> str | None:
    if "maxCounts" in written or "epssThreshold" in written or written.get("exploitAvailable", "Allow") != "Allow":
        return None
    return "no requirement"


def _counts(**limits: int) -> Mapping[Severity, int]:
    return MappingProxyType({Severity(name): limit for name, limit in limits.items()})


def _glob(pattern: str, maximum: int, expected: str, do: str) -> Text[Glob]:
    return Text(expected=expected, do=do, make=make_glob, maximum=maximum, pattern=pattern, by_rule=True)


NAMESPACE_GLOB: Final = _glob(
    NAMESPACE_PATTERN,
    63,
    "a namespace name or a glob of lower-case letters, digits and - *",
    "write it such as production or team-*",
)
_TAG = _glob(
    TAG_PATTERN,
    128,
    "a tag or a glob of letters, digits and _ . - *",
    "write it such as latest or *-snapshot",
)

ACTIONS: Final = ListOf(
    item=Choice(words=Action),
    minimum=1,
    maximum=len(Action),
    unique=True,
    checks=(
        Constraint(
            expected="at most one of Deny and Warn",
            do="remove Warn; a refusal includes its text",
            got=_deny_and_warn,
            rule="!(self.exists(action, action == 'Deny') && self.exists(action, action == 'Warn'))",
        ),
    ),
)

MATCH: Final = Section(
    build=Match,
    fields=(
        Field(
            "namespaceSelector",
            LABEL_SELECTOR,
            "Selects namespaces by their labels, as in Kubernetes. A user who can label a namespace can remove it"
            " from such a policy: prefer `namespaces`, or protect the label. The label `kubernetes.io/metadata.name`"
            " holds the namespace's name and cannot be changed.",
        ),
        Field(
            "namespaces",
            ListOf(item=NAMESPACE_GLOB, maximum=MAX_NAMESPACES),
            "Names of namespaces, or globs: a star stands for any characters. One must match.",
        ),
        Field(
            "excludedNamespaces",
            ListOf(item=NAMESPACE_GLOB, maximum=MAX_NAMESPACES),
            "Names or globs of namespaces that the policy does not apply to, whatever the other fields say.",
        ),
        Field(
            "images",
            ListOf(item=REGISTRY_SCOPE, maximum=MAX_SCOPES),
            "Registry scopes whose images the policy applies to; one must match. The author of the Pod chooses the"
            " image name, so this field only selects images and protects nothing. To keep other registries out, use"
            " `registries`.",
        ),
    ),
)

REGISTRIES: Final = ListOf(item=REGISTRY_SCOPE, minimum=1, maximum=MAX_SCOPES)

TAGS: Final = Section(
    build=TagRules,
    checks=(
        Constraint(
            expected="a requirement: immutable, digestRequired or forbidden",
            do="set one of them, or remove tags",
            got=_no_rule_for_tags,
            rule="self.immutable || self.digestRequired || (has(self.forbidden) && self.forbidden.size() > 0)",
        ),
    ),
    fields=(
        Field(
            "immutable",
            Flag(),
            "The tag must not be movable to another image. tidegate reads this from the repository's settings in"
            " Amazon ECR: all four mutability modes, with their exclusion filters. An image that is named by digest"
            " meets this. A tag of another registry never does, because its mutability is unknown. This ensures that"
            " the image that you tested is the image that runs.",
            default=False,
        ),
        Field(
            "digestRequired",
            Flag(),
            "The image must be named by digest; a tag may be added. Only this protects against a tag that"
            " is deleted and pushed again.",
            default=False,
        ),
        Field(
            "forbidden",
            ListOf(item=_TAG, maximum=MAX_FORBIDDEN_TAGS),
            "Tags that are not allowed, or globs. An image without tag and digest has the tag `latest`. Not applied"
            " to images named by digest, because the digest decides what runs.",
        ),
    ),
)

SCAN: Final = Section(
    build=ScanRules,
    fields=(
        Field(
            "whenPending",
            TOLERANCE,
            "What to do until the first scan is finished: `Deny` or `Allow`. With `Deny`, the message says"
            " so and asks to retry. With `Allow`, an image runs before it has been scanned.",
            default="Deny",
        ),
        Field(
            "whenExpired",
            TOLERANCE,
            "What to do with an image that Amazon Inspector no longer re-scans: Inspector closes its findings then, so an"
            " image without findings is not known to be clean.",
            default="Deny",
        ),
        Field(
            "whenUnsupported",
            TOLERANCE,
            "What to do with an image that the scanner does not support, such as one built from scratch.",
            default="Deny",
        ),
        Field(
            "maxAge",
            duration(MIN_SCAN_AGE, MAX_SCAN_AGE),
            "The longest time since the last scan, from `1m` to `365d`. Useful for basic scanning, which scans once"
            " on push and not again.",
        ),
        Field(
            "settlingPeriod",
            duration(timedelta(0), MAX_SETTLING),
            "How long findings may still arrive after the push or the first scan; until then the image counts as"
            " pending. Inspector reports a scan as done before all of its findings are available. The last scan counts"
            " as the first one unless an earlier one is proved. From `0s` (off) to `1h`.",
            default="2m",
        ),
    ),
)

VULNERABILITY_ID: Final = Text(
    expected="a vulnerability id such as CVE-2026-12345",
    do="copy it from the finding",
    make=str,
    minimum=2,
    maximum=128,
    pattern=VULNERABILITY_PATTERN,
)


def reason_text(do: str) -> Text[str]:
    """Return the shape of a reason: one line that is not blank."""
    return Text(
        expected=f"one line of 1 to {MAX_REASON} characters that is not blank",
        do=do,
        make=str,
        maximum=MAX_REASON,
        pattern=REASON_PATTERN,
        by_rule=True,
    )


_IGNORED = Section(
    build=IgnoredVulnerability,
    description="One vulnerability.",
    fields=(
        Field(
            "id",
            VULNERABILITY_ID,
            "The id as the findings state it, such as CVE-2026-12345.",
            required=True,
        ),
        Field(
            "until",
            _Day(
                expected="a date as YYYY-MM-DD",
                do="write the day from which it counts again, such as 2027-01-31",
                make=_make_day,
                minimum=10,
                maximum=10,
                pattern=DATE_PATTERN,
                wire_format="date",
            ),
            "The day from which it counts again, starting at 00:00 UTC. Required, so that no exemption lasts forever."
            " A day in the past is accepted and ignores nothing.",
            required=True,
        ),
        Field(
            "reason",
            reason_text("state why it may be ignored and who decided so"),
            "Why it may be ignored, and who approved it, in one line.",
            required=True,
        ),
    ),
)

MAX_COUNTS: Final = Section(
    build=_counts,
    minimum=1,
    fields=tuple(
        Field(
            severity.value,
            Number(minimum=0, maximum=MAX_COUNT, whole=True),
            "Findings that have no severity yet; one of them may be critical. A severity that this version of"
            " tidegate does not know does not count here: the image is undetermined."
            if severity is Severity.UNTRIAGED
            else f"How many findings of severity {severity.value} are allowed.",
            into=severity.value,
        )
        for severity in SEVERITIES
    ),
)

RUNNING_IMAGES: Final = Section(
    build=RunningImageRules,
    fields=(
        Field(
            "action",
            Choice(words=GraceAction),
            "Warn admits the image with a warning that names the day on which the grace ends; Allow without one.",
            default="Warn",
        ),
        Field(
            "for",
            duration(timedelta(minutes=1), MAX_GRACE),
            "How long the image is admitted after a finding was first observed, from 1m to 365d, such as 72h.",
            required=True,
            into="duration",
        ),
        Field(
            "exceptExploitable",
            Flag(),
            "Gives no grace to a finding for which an exploit is known, or for which the scanner does not say that none is."
            " Only Amazon Inspector says so.",
            default=True,
        ),
    ),
)

VULNERABILITIES: Final = Section(
    build=VulnerabilityRules,
    checks=(
        Constraint(
            expected="a requirement: maxCounts, epssThreshold or exploitAvailable: Deny",
            do="set one of them; to require only that images are scanned, use scan",
            got=_no_rule_for_vulnerabilities,
            rule="has(self.maxCounts) || has(self.epssThreshold) || self.exploitAvailable == 'Deny'",
        ),
    ),
    fields=(
        Field(
            "maxCounts",
            MAX_COUNTS,
            "The maximum number of counting findings of each severity. A severity that is not named is not limited."
            " The names are those of AWS.",
        ),
        Field(
            "onlyFixable",
            Flag(),
            "Ignores findings that have no fix, because teams cannot fix them. A finding counts if it is not known"
            " whether a fix exists. A finding with a known exploit always counts for `exploitAvailable`.",
            default=False,
        ),
        Field(
            "exploitAvailable",
            TOLERANCE,
            "`Deny` refuses an image with any finding for which an exploit is known, of any severity and without"
            " grace period. Only Amazon Inspector reports this; with basic scanning the image is undetermined.",
            default="Allow",
        ),
        Field(
            "epssThreshold",
            Number(minimum=0, maximum=1, whole=False),
            "Refuses an image with a counting finding whose EPSS score is at least this: the probability, from 0 to"
            " 1, that it will be exploited within 30 days. It helps to find the few findings that matter. Only Amazon"
            " Inspector reports it.",
        ),
        Field(
            "whenEpssUnknown",
            TOLERANCE,
            "What `epssThreshold` does with a counting finding without a score, for example one that has no CVE id or"
            " is a day old. `Deny`: the score may be above the threshold, so the image is undetermined"
            " (`EvidenceLacking`), and `onUndetermined` decides. `Allow`: only `maxCounts` applies to the finding.",
            default="Deny",
        ),
        Field(
            "gracePeriod",
            duration(timedelta(0), MAX_GRACE),
            "How long a finding does not count after it was first observed, so that a new CVE does not stop tonight's"
            " deployment. During this time, the message says when it ends. A finding that was observed more than five"
            " minutes in the future has no grace period. Up to `365d`.",
            default="0s",
        ),
        Field(
            "suppressed",
            TOLERANCE,
            "`Allow` ignores findings that a suppression rule of Amazon Inspector hides; `Deny` counts them, for"
            " clusters that do not trust the authors of those rules.",
            default="Allow",
        ),
        Field(
            "ignore",
            ListOf(item=_IGNORED, maximum=MAX_IGNORED, key="id"),
            "Vulnerabilities that do not count for a limited time. Each id once.",
        ),
        Field(
            "runningImages",
            RUNNING_IMAGES,
            "Admits an image again that Pods of the namespace run since before a finding was observed, so that a new"
            " vulnerability does not stop a scale-out, a restart or the replacement of a node. Left out, a finding refuses"
            " every image at once.",
        ),
    ),
)

# parse_platform accepts every text that the pattern does; a test checks it.
PLATFORMS: Final = ListOf(
    item=Text(
        expected="a platform such as linux/amd64 or linux/arm64",
        do="write os/architecture",
        make=parse_platform,
        maximum=194,
        pattern=PLATFORM_PATTERN,
        by_rule=True,
    ),
    maximum=MAX_PLATFORMS,
    unique=True,
)

MAX_STALE: Final = duration(timedelta(0), MAX_STALENESS)
