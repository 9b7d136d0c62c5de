"""PolicyReport objects: one for each namespace, bounded, in a stable order, for the tools that people already use.

wgpolicyk8s.io/v1alpha2 has PolicyReports and openreports.io/v1alpha1 has Reports; the fields used here are the same in both.
Policy Reporter shows the first resource of a result, takes ``resultID`` of its properties for its identity, and knows the
report's source by its first result.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import msgspec

from tidegate.checks.result import Check, Outcome
from tidegate.policy.objects import GROUP
from tidegate.reports.report_entry import ReportEntry

Json = dict[str, Any]

NAME: Final = "tidegate"
SOURCE: Final = "tidegate"
OWNER_LABEL: Final = "app.kubernetes.io/managed-by"
OMITTED: Final = f"{GROUP}/omitted-results"
"""The annotation of a report that does not list every result: how many it leaves out. The summary counts all."""
MAX_REPORT_BYTES: Final = 512 * 1024
"""Bytes of the results of one report as JSON. etcd takes requests of 1.5 MiB, and the API server adds managed fields."""
MAX_RESULTS: Final = 2_000
MAX_TEXT: Final = 1_024
_ID_DIGITS: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyReportKind:
    """One API of reports."""

    group: str
    version: str
    kind: str
    plural: str

    @property
    def api_version(self) -> str:
        """Return group and version."""
        return f"{self.group}/{self.version}"

    @property
    def path(self) -> str:
        """Return the path of all its objects."""
        return f"/apis/{self.api_version}/{self.plural}"

    def path_in(self, namespace: str) -> str:
        """Return the path of its objects in a namespace."""
        return f"/apis/{self.api_version}/namespaces/{namespace}/{self.plural}"


WG_POLICY: Final = PolicyReportKind(
    group="wgpolicyk8s.io", version="v1alpha2", kind="PolicyReport", plural="policyreports"
)
OPEN_REPORTS: Final = PolicyReportKind(group="openreports.io", version="v1alpha1", kind="Report", plural="reports")
REPORT_KINDS: Final = (WG_POLICY, OPEN_REPORTS)

_RESULTS: Final = {Outcome.FAIL: "fail", Outcome.UNDETERMINED: "error", Outcome.EXEMPT: "skip", Outcome.PASS: "pass"}
"""The words of the PolicyReport API; a failed check of a policy that audits is ``fail`` too, see the property ``actions``."""
_SUMMARY: Final = ("pass", "fail", "warn", "error", "skip")
_SEVERITIES: Final = {"CRITICAL": "critical", "HIGH": "high", "MEDIUM": "medium", "LOW": "low"}
_CATEGORIES: Final = {
    Check.REGISTRY.value: "Registries",
    Check.TAG.value: "Tags",
    Check.SCAN.value: "Scans",
    Check.VULNERABILITIES.value: "Vulnerabilities",
    Check.SIGNATURES.value: "Signatures",
    Check.ATTESTATIONS.value: "Attestations",
    Check.REPOSITORY.value: "Repositories",
    Check.REFERENCE.value: "References",
}
_CATEGORY: Final = "Images"
_GRAVE: Final = frozenset({Check.REGISTRY.value, Check.SIGNATURES.value, Check.ATTESTATIONS.value, Check.POLICY.value})
"""Checks whose failure is of high severity; that of others is medium."""
_RANKS: Final = {word: rank for rank, word in enumerate(("fail", "error", "skip", "pass"))}
_SEVERITY_RANKS: Final = {word: rank for rank, word in enumerate(("critical", "high", "medium", "low", "info", ""))}


def build_report(namespace: str, entries: Iterable[ReportEntry], kind: PolicyReportKind) -> Json | None:
    """Return the report of a namespace, or None where there is nothing to say.

    The worst results come first, and the last are left out where there are too many. It depends on nothing but the
    entries, so that two processes write the same.
    """
    results = list({one["properties"]["resultID"]: one for one in map(_result, entries)}.values())
    if not results:
        return None
    results.sort(key=_order)
    kept = _fitting(results)
    counts = Counter(one["result"] for one in results)
    metadata: Json = {"name": NAME, "namespace": namespace, "labels": {OWNER_LABEL: SOURCE}}
    omitted = len(results) - len(kept)
    if omitted:
        metadata["annotations"] = {OMITTED: str(omitted)}
        kept.append(_omission(namespace, omitted))
        counts["warn"] += 1
    return {
        "apiVersion": kind.api_version,
        "kind": kind.kind,
        "metadata": metadata,
        "summary": {word: counts[word] for word in _SUMMARY},
        "results": kept,
    }


def is_own(obj: Mapping[str, Any]) -> bool:
    """Tell whether a stored report was made here."""
    labels = obj.get("metadata", {}).get("labels") or {}
    return bool(labels.get(OWNER_LABEL) == SOURCE)


def merged(wanted: Json, stored: Json | None, *, now: datetime) -> Json | None:
    """Return the report to write, or None where the stored one says the same.

    A result keeps the time at which it was first reported. Labels and annotations of others stay.
    """
    before = {} if stored is None else stored
    times = {_id_of(one): one["timestamp"] for one in _results_of(before) if isinstance(one.get("timestamp"), dict)}
    fresh = {"seconds": int(now.timestamp()), "nanos": 0}
    results = [one | {"timestamp": times.get(_id_of(one), fresh)} for one in wanted["results"]]
    metadata = dict(before.get("metadata") or {}) | wanted["metadata"]
    for name in ("labels", "annotations"):
        found = {key: value for key, value in (_mapping(before, name)).items() if key != OMITTED}
        if both := found | wanted["metadata"].get(name, {}):
            metadata[name] = both
        else:
            metadata.pop(name, None)
    new = wanted | {"metadata": metadata, "results": results}
    same = all(before.get(part) == new[part] for part in ("summary", "results"))
    same = same and all(_mapping(before, name) == (metadata.get(name) or {}) for name in ("labels", "annotations"))
    return None if same else new


def _mapping(obj: Mapping[str, Any], name: str) -> dict[str, Any]:
    return (obj.get("metadata") or {}).get(name) or {}


def _results_of(obj: Mapping[str, Any]) -> list[Json]:
    """Return the results of a stored report that may have been edited by hand."""
    found = obj.get("results")
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _id_of(result: Mapping[str, Any]) -> str:
    properties = result.get("properties")
    return str(properties.get("resultID", "")) if isinstance(properties, dict) else ""


def _result(entry: ReportEntry) -> Json:
    properties = {
        "resultID": _identity(entry),
        "image": entry.image,
        "reason": entry.reason,
        "actions": ",".join(entry.actions),
        "remedy": entry.remedy,
        "exception": entry.exception,
    }
    result: Json = {
        "source": SOURCE,
        "policy": entry.policy,
        "rule": entry.check,
        "category": _CATEGORIES.get(entry.check, _CATEGORY),
        "severity": _severity(entry),
        "result": _RESULTS[entry.outcome],
        "scored": True,
        "message": _message(entry)[:MAX_TEXT],
        "resources": _resources(entry),
        "properties": {name: text[:MAX_TEXT] for name, text in properties.items() if text},
    }
    return {name: value for name, value in result.items() if value not in ("", [])}


def _message(entry: ReportEntry) -> str:
    if not entry.reason:
        return f"{entry.image} meets the policy"
    return f"{entry.reason}: {entry.message}" if entry.message else entry.reason


def _severity(entry: ReportEntry) -> str:
    if not entry.reason:
        return ""
    if entry.severity:
        return _SEVERITIES.get(entry.severity, "info")
    return "high" if entry.check in _GRAVE else "medium"


def _resources(entry: ReportEntry) -> list[Json]:
    workload = entry.workload
    if workload is None:
        return []
    found = {
        "apiVersion": workload.api_version,
        "kind": workload.kind,
        "namespace": entry.namespace,
        "name": workload.name,
        "uid": workload.uid,
    }
    return [{name: text for name, text in found.items() if text}]


def _identity(entry: ReportEntry) -> str:
    """Return the identity of a result: the same as long as the same workload has the same problem."""
    workload = entry.workload
    parts = (
        entry.namespace,
        workload.kind if workload else "",
        workload.name if workload else "",
        entry.image,
        entry.policy,
        entry.check,
        entry.reason,
        entry.outcome.value,
    )
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:_ID_DIGITS]


def _order(result: Json) -> tuple[int, int, str, str]:
    severity = _SEVERITY_RANKS[result.get("severity", "")]
    return (_RANKS[result["result"]], severity, result["policy"], result["properties"]["resultID"])


def _fitting(results: Sequence[Json]) -> list[Json]:
    """Return the first results that fit."""
    size, kept = 0, []
    for one in results[:MAX_RESULTS]:
        size += len(msgspec.json.encode(one)) + 1
        if size > MAX_REPORT_BYTES:
            break
        kept.append(one)
    return kept


def _omission(namespace: str, omitted: int) -> Json:
    return {
        "source": SOURCE,
        "policy": NAME,
        "rule": "report",
        "category": _CATEGORY,
        "severity": "info",
        "result": "warn",
        "message": f"{omitted} further results are not listed; run: tidegate report --namespace {namespace}",
        "properties": {"resultID": hashlib.sha256(f"omitted\0{namespace}".encode()).hexdigest()[:_ID_DIGITS]},
    }
