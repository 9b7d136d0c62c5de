"""The policies that every state of evidence is paired with: one for each field, with what AWS's words come to under it.

``scan`` says what becomes of each meaning of a scan, where that differs from ``aws_words.BY_DEFAULT``; None where the policy
demands no scan. ``finding`` says what one active finding comes to; EXCUSED is one that the field leaves out.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.unit.builders import ACCOUNT, DAY, NOW
from tests.unit.checks.aws_words import (
    BAD,
    EXEMPT,
    EXPIRED,
    GOOD,
    LONG_AGO,
    PENDING,
    SETTLING,
    SEVERITIES,
    UNKNOWN,
    UNSUPPORTED,
)

EXCUSED = "left out"
FindingWord = Callable[[Mapping[str, Any]], str]


def limited(*severities: str) -> FindingWord:
    """Findings of these severities are more than the limit of none."""
    return lambda found: BAD if found.get("severity") in severities else GOOD


def no_demand(_found: Mapping[str, Any]) -> str:
    return GOOD


every_severity = limited(*SEVERITIES)


@dataclass(frozen=True, kw_only=True)
class Policy:
    """A policy that sets one field, and what is expected under it.

    ``word`` is the least that every image comes to, whatever its scan. ``reads`` are the facts that it rests on.
    """

    spec: Mapping[str, Any]
    word: str = GOOD
    scan: Mapping[str, str] | None = None
    basic: str = GOOD
    """What ECR basic scanning comes to where it scanned: it knows neither exploits nor EPSS scores."""
    finding: FindingWord = no_demand
    counts_suppressed: bool = False
    reads: frozenset[str] = field(default_factory=frozenset)


SCANS = frozenset({"detail", "runnable", "scan_type", "scan"})
TAGS = frozenset({"detail", "settings"})
OURS = {"account": ACCOUNT}
ZERO = {"maxCounts": dict.fromkeys(sorted(SEVERITIES), 0)}
CRITICAL = {"maxCounts": {"CRITICAL": 0}}


def scanning(overrides: Mapping[str, str] | None = None, /, **fields: Any) -> Policy:
    return Policy(spec={"scan": fields}, scan=overrides or {}, reads=SCANS)


def counting(
    finding: FindingWord, fields: Mapping[str, Any], *, basic: str = GOOD, counts_suppressed: bool = False
) -> Policy:
    return Policy(
        spec={"vulnerabilities": fields},
        scan={},
        finding=finding,
        basic=basic,
        counts_suppressed=counts_suppressed,
        reads=SCANS,
    )


def _exploit(found: Mapping[str, Any]) -> str:
    return {"YES": BAD, "NO": GOOD}.get(found.get("exploitAvailable", ""), UNKNOWN)


def _epss(unknown: str) -> FindingWord:
    def word(found: Mapping[str, Any]) -> str:
        return unknown if "epss" not in found else BAD if found["epss"]["score"] >= 0.5 else GOOD

    return word


def _in_grace(found: Mapping[str, Any]) -> str:
    """Observed in the last seven days; a time in the future is none of these."""
    return EXCUSED if NOW - 7 * DAY < found["firstObservedAt"] <= NOW else every_severity(found)


def _fixable(found: Mapping[str, Any]) -> str:
    return EXCUSED if found.get("fixAvailable") == "NO" else every_severity(found)


def _ignoring(name: str, until: str) -> dict[str, Any]:
    return {**ZERO, "ignore": [{"id": name, "until": until, "reason": "not reachable"}]}


POLICIES: dict[str, Policy] = {
    "registries": Policy(spec={"registries": [OURS]}),
    "registries, another account": Policy(spec={"registries": [{"account": "999999999999"}], "scan": {}}, word=BAD),
    "tags.immutable": Policy(spec={"tags": {"immutable": True}}, reads=TAGS),
    "tags.digest_required": Policy(spec={"tags": {"digestRequired": True}}, word=BAD),
    "tags.forbidden": Policy(spec={"tags": {"forbidden": ["latest"]}}),
    "tags.forbidden, this tag": Policy(spec={"tags": {"forbidden": ["v*"]}}, word=BAD),
    "scan": scanning(),
    "scan.when_pending": scanning({PENDING: EXEMPT, SETTLING: EXEMPT}, whenPending="Allow"),
    "scan.when_expired": scanning({EXPIRED: EXEMPT}, whenExpired="Allow"),
    "scan.when_unsupported": scanning({UNSUPPORTED: EXEMPT}, whenUnsupported="Allow"),
    "scan.max_age": scanning({LONG_AGO: BAD}, maxAge="30d"),
    "scan.settling_period": scanning({SETTLING: GOOD}, settlingPeriod="0s"),
    "vulnerabilities.max_counts": counting(every_severity, ZERO),
    **{
        f"vulnerabilities.max_counts, {severity}": counting(limited(severity), {"maxCounts": {severity: 0}})
        for severity in sorted(SEVERITIES)
    },
    "vulnerabilities.max_counts, one allowed": counting(no_demand, {"maxCounts": dict.fromkeys(sorted(SEVERITIES), 1)}),
    "vulnerabilities.only_fixable": counting(_fixable, {**ZERO, "onlyFixable": True}),
    "vulnerabilities.exploit_available": counting(_exploit, {"exploitAvailable": "Deny"}, basic=UNKNOWN),
    "vulnerabilities.epss_threshold": counting(_epss(UNKNOWN), {"epssThreshold": 0.5}, basic=UNKNOWN),
    "vulnerabilities.when_epss_unknown": counting(
        _epss(GOOD), {"epssThreshold": 0.5, "whenEpssUnknown": "Allow"}, basic=UNKNOWN
    ),
    "vulnerabilities.grace_period": counting(_in_grace, {**ZERO, "gracePeriod": "7d"}),
    "vulnerabilities.running_images": counting(every_severity, {**ZERO, "runningImages": {"for": "72h"}}),
    "vulnerabilities.suppressed": counting(every_severity, {**ZERO, "suppressed": "Deny"}, counts_suppressed=True),
    "vulnerabilities.ignore": counting(lambda _: EXCUSED, _ignoring("CVE-2026-0001", "2026-06-02")),
    "vulnerabilities.ignore, until now": counting(every_severity, _ignoring("CVE-2026-0001", "2026-06-01")),
    "vulnerabilities.ignore, another one": counting(every_severity, _ignoring("CVE-2026-00011", "2026-06-02")),
    "scan and vulnerabilities": Policy(
        spec={"scan": {"whenExpired": "Allow"}, "vulnerabilities": CRITICAL},
        scan={EXPIRED: EXEMPT},
        finding=limited("CRITICAL"),
        reads=SCANS,
    ),
    "platforms": Policy(spec={"platforms": ["linux/amd64"], "scan": {}}, scan={}, reads=SCANS),
}
