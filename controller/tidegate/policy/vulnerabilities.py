"""The section ``vulnerabilities`` of an ImagePolicy's spec as shapes: which findings count, and how many are allowed."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from types import MappingProxyType
from typing import Any, Final

from tidegate.evidence.scan import Severity
from tidegate.policy.durations import duration
from tidegate.policy.model import GraceAction, IgnoredVulnerability, RunningImageRules, VulnerabilityRules
from tidegate.policy.sections import TOLERANCE
from tidegate.policy.shape import Choice, Constraint, Field, Flag, ListOf, Number, Section, Text

MAX_IGNORED = 500
MAX_COUNT = 100_000
MAX_REASON = 512
MAX_GRACE = timedelta(days=365)

DATE_PATTERN = "^[1-9][0-9]{3}-[0-9]{2}-[0-9]{2}$"
REASON_PATTERN = r"^[^\x00-\x1f\x7f]*[^\x00-\x20\x7f][^\x00-\x1f\x7f]*$"
"""One line, not blank."""
VULNERABILITY_PATTERN = "^[A-Za-z0-9][A-Za-z0-9._:-]+$"

SEVERITIES: Final = tuple(severity for severity in Severity if severity is not Severity.UNKNOWN)
"""What a policy may limit: a severity that this version does not know is never counted as a known one."""


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


def _no_rule_for_vulnerabilities(written: Mapping[str, Any]) -> str | None:
    if "maxCounts" in written or "epssThreshold" in written or written.get("exploitAvailable", "Allow") != "Allow":
        return None
    return "no requirement"


def _counts(**limits: int) -> Mapping[Severity, int]:
    return MappingProxyType({Severity(name): limit for name, limit in limits.items()})


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
            "Admits new Pods of an image that Pods of the same namespace have run since before a finding was first observed, so"
            " that a new vulnerability does not stop a scale-out, a restart or the replacement of a node. If omitted, a finding"
            " that counts refuses running images like all others.",
        ),
    ),
)
