"""The sections of an ImagePolicy's spec as shapes: the parser's half of the CRD, field by field.

Names, limits and patterns are the CRD's; a test compares them. Defaults are the values' own, in ``model``.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from types import MappingProxyType
from typing import Any, Final

from tidegate.evidence.scan import Severity
from tidegate.images.platform import parse_platform
from tidegate.policy.durations import DURATION_PATTERN, format_duration, parse_duration
from tidegate.policy.model import (
    Action,
    Glob,
    IgnoredVulnerability,
    Match,
    ScanRules,
    TagRules,
    Tolerance,
    VulnerabilityRules,
)
from tidegate.policy.scopes import MAX_SCOPES, REGISTRY_SCOPE, make_glob
from tidegate.policy.selectors import LABEL_SELECTOR
from tidegate.policy.shape import Choice, Field, Flag, ListOf, Number, Objection, Section, Text

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


def _duration(minimum: timedelta, maximum: timedelta) -> Text[timedelta]:
    def make(text: str) -> timedelta | None:
        duration = parse_duration(text)
        return duration if duration is not None and minimum <= duration <= maximum else None

    return Text(
        expected=f"a duration from {format_duration(minimum)} to {format_duration(maximum)}",
        do="write days alone such as 7d, or hours, minutes and seconds such as 1h30m",
        make=make,
        maximum=16,
        pattern=DURATION_PATTERN,
        by_rule=True,
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


def _deny_or_warn(actions: tuple[Action, ...]) -> Objection | None:
    if {Action.DENY, Action.WARN} <= set(actions):
        do = "keep Deny: a refusal says all that a warning would"
        return Objection("Deny and Warn", "at most one of Deny and Warn", do)
    return None


def _demands_of_tags(written: Mapping[str, Any]) -> Objection | None:
    if written.get("immutable", False) is not False or written.get("digestRequired", False) is not False:
        return None
    if written.get("forbidden"):
        return None
    do = "set one of them, or remove tags"
    return Objection("nothing that is demanded", "immutable, digestRequired or forbidden", do)


def _demands_of_vulnerabilities(written: Mapping[str, Any]) -> Objection | None:
    if "maxCounts" in written or "epssThreshold" in written or written.get("exploitAvailable", "Allow") != "Allow":
        return None
    return Objection(
        "nothing that is demanded",
        "maxCounts, exploitAvailable: Deny or epssThreshold",
        "set one of them; to demand only that images are scanned, use scan",
    )


def _demands_of_counts(written: Mapping[str, Any]) -> Objection | None:
    if written:
        return None
    return Objection("no severity", "at least one severity", "write CRITICAL: 0, or remove maxCounts")


def _counts(**limits: int) -> Mapping[Severity, int]:
    return MappingProxyType({Severity(name): limit for name, limit in limits.items()})


def _glob(pattern: str, maximum: int, expected: str, do: str) -> Text[Glob]:
    return Text(expected=expected, do=do, make=make_glob, maximum=maximum, pattern=pattern, by_rule=True)


_NAMESPACE = _glob(
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

ACTIONS: Final = ListOf(item=Choice(words=Action), minimum=1, maximum=len(Action), unique=str, check=_deny_or_warn)

MATCH: Final = Section(
    build=Match,
    fields=(
        Field("namespaceSelector", LABEL_SELECTOR, into="namespace_selector"),
        Field("namespaces", ListOf(item=_NAMESPACE, maximum=MAX_NAMESPACES), into="namespaces"),
        Field("excludedNamespaces", ListOf(item=_NAMESPACE, maximum=MAX_NAMESPACES), into="excluded_namespaces"),
        Field("images", ListOf(item=REGISTRY_SCOPE, maximum=MAX_SCOPES), into="images"),
    ),
)

REGISTRIES: Final = ListOf(item=REGISTRY_SCOPE, minimum=1, maximum=MAX_SCOPES)

TAGS: Final = Section(
    build=TagRules,
    checks=(_demands_of_tags,),
    fields=(
        Field("immutable", Flag(), into="immutable"),
        Field("digestRequired", Flag(), into="digest_required"),
        Field("forbidden", ListOf(item=_TAG, maximum=MAX_FORBIDDEN_TAGS), into="forbidden"),
    ),
)

SCAN: Final = Section(
    build=ScanRules,
    fields=(
        Field("whenPending", TOLERANCE, into="when_pending"),
        Field("whenExpired", TOLERANCE, into="when_expired"),
        Field("whenUnsupported", TOLERANCE, into="when_unsupported"),
        Field("maxAge", _duration(MIN_SCAN_AGE, MAX_SCAN_AGE), into="max_age"),
        Field("settlingPeriod", _duration(timedelta(0), MAX_SETTLING), into="settling_period"),
    ),
)

_IGNORED = Section(
    build=IgnoredVulnerability,
    fields=(
        Field(
            "id",
            Text(
                expected="a vulnerability id such as CVE-2026-12345",
                do="copy it from the finding",
                make=str,
                minimum=2,
                maximum=128,
                pattern=VULNERABILITY_PATTERN,
            ),
            into="id",
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
            into="until",
            required=True,
        ),
        Field(
            "reason",
            Text(
                expected=f"one line of 1 to {MAX_REASON} characters",
                do="say why it may be ignored, and who said so",
                make=str,
                maximum=MAX_REASON,
                pattern=REASON_PATTERN,
                by_rule=True,
            ),
            into="reason",
            required=True,
        ),
    ),
)

MAX_COUNTS: Final = Section(
    build=_counts,
    checks=(_demands_of_counts,),
    fields=tuple(
        Field(severity.value, Number(minimum=0, maximum=MAX_COUNT, whole=True), into=severity.value)
        for severity in SEVERITIES
    ),
)

VULNERABILITIES: Final = Section(
    build=VulnerabilityRules,
    checks=(_demands_of_vulnerabilities,),
    fields=(
        Field("maxCounts", MAX_COUNTS, into="max_counts"),
        Field("onlyFixable", Flag(), into="only_fixable"),
        Field("exploitAvailable", TOLERANCE, into="exploit_available"),
        Field("epssThreshold", Number(minimum=0, maximum=1, whole=False), into="epss_threshold"),
        Field("whenEpssUnknown", TOLERANCE, into="when_epss_unknown"),
        Field("gracePeriod", _duration(timedelta(0), MAX_GRACE), into="grace_period"),
        Field("suppressed", TOLERANCE, into="suppressed"),
        Field(
            "ignore",
            ListOf(item=_IGNORED, maximum=MAX_IGNORED, unique=lambda ignored: ignored.id),
            into="ignore",
        ),
    ),
)

# The pattern leaves nothing that parse_platform would refuse; a test says so.
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
    unique=str,
)

MAX_STALE: Final = _duration(timedelta(0), MAX_STALENESS)
