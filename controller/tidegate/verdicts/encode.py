"""ImageVerdict objects from what is known and judged: a pure function, so that two writers write the same.

An object has at most MAX_BYTES: what is too long is cut in steps, findings first, and the object says what it leaves out.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

import msgspec

from tidegate.checks.messages import harmless
from tidegate.evidence.fact import Known
from tidegate.evidence.image import PlatformImage
from tidegate.evidence.image_evidence import ImageEvidence
from tidegate.evidence.index_children import images_within
from tidegate.evidence.scan import MAX_FINDINGS, Finding, ScanReport, Severity
from tidegate.evidence.verification_result import VerificationState
from tidegate.images.repository import repository_text
from tidegate.policy.objects import API_VERSION
from tidegate.verdicts import shape
from tidegate.verdicts.decode import StoredVerdict
from tidegate.verdicts.facts import ImageFacts, pack
from tidegate.verdicts.judged import Judged, judged
from tidegate.verdicts.kept import KeptFacts, keep_facts
from tidegate.verdicts.shape import (
    NamespaceRuns,
    Runs,
    ScannedDigest,
    ShownFinding,
    StoredFacts,
    StoredJudgement,
    StoredTag,
    StoredWorkload,
    VerdictStatus,
)
from tidegate.verdicts.usage import NamespaceUsage, Usage
from tidegate.verdicts.verdict_input import VerdictInput

MANAGED_BY: Final = {"app.kubernetes.io/managed-by": "tidegate"}
_ESCAPED: Final = b"<>&"
"""What the API server's JSON writes in six bytes."""
_RANK: Final = {severity: rank for rank, severity in enumerate(Severity)}
_WHERE: Final = 3
"""Namespaces that a summary names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Limits:
    """How much of each list is kept. ``facts`` is whether there are any: findings are those of one image."""

    findings: int = MAX_FINDINGS
    namespaces: int = shape.MAX_NAMESPACES
    policies: int = shape.MAX_POLICIES
    results: int = shape.MAX_RESULTS
    workloads: int = shape.MAX_WORKLOADS
    facts: bool = True


_FEWER_NAMESPACES: Final = _Limits(findings=100, namespaces=20, policies=20, results=5, workloads=3)
_FEWEST_NAMESPACES: Final = _Limits(findings=100, namespaces=5, policies=3, results=2, workloads=1)
_STEPS: Final = (
    _Limits(),
    *(_Limits(findings=count) for count in (500, 200, 100, 30)),
    _FEWER_NAMESPACES,
    replace(_FEWER_NAMESPACES, findings=10),
    replace(_FEWEST_NAMESPACES, findings=10),
    replace(_FEWEST_NAMESPACES, findings=0),
    replace(_FEWEST_NAMESPACES, facts=False),
)


def encode(given: VerdictInput, now: datetime, *, before: StoredVerdict | None = None) -> dict[str, Any]:
    """Return the object for one image, of at most MAX_BYTES.

    ``before`` is what is stored: since when the outcome is what it is, and the facts that could not be looked up now.
    """
    summary, kept = judged(given.judged), keep_facts(given, before)
    moment = now.replace(microsecond=0)
    for limits in _STEPS:
        evidence = None
        if limits.facts and kept.observed_at is not None:
            evidence = _evidence(kept, kept.observed_at, limits)
            if evidence is None:
                continue
        status = _status(given, summary, kept, evidence, moment, before, limits)
        found = _object(given, status)
        if size_of_object(found) <= shape.MAX_BYTES:
            return found
    raise AssertionError("the last step has no room for anything longer")


def size_of_object(obj: Mapping[str, Any]) -> int:
    """Return about how many bytes the API server stores."""
    text = msgspec.json.encode(obj)
    return len(text) + 5 * sum(text.count(one) for one in _ESCAPED)


def _object(given: VerdictInput, status: VerdictStatus) -> dict[str, Any]:
    """Return the object as plain data, as it is read from JSON."""
    whole = {
        "apiVersion": API_VERSION,
        "kind": shape.KIND,
        "metadata": {
            "name": shape.object_name(given.repository, given.digest),
            "labels": MANAGED_BY | {shape.REFUSED_LABEL: "true" if status.refused else "false"},
        },
        "spec": {"repository": repository_text(given.repository), "digest": given.digest},
        "status": status,
    }
    return msgspec.json.decode(msgspec.json.encode(whole), type=dict[str, Any])


def _status(
    given: VerdictInput,
    summary: Judged,
    kept: KeptFacts,
    evidence: StoredFacts | None,
    now: datetime,
    before: StoredVerdict | None,
    limits: _Limits,
) -> VerdictStatus:
    is_as_before = before is not None and (before.status.outcome, before.status.refused) == (
        summary.outcome,
        summary.refused,
    )
    worst = _worst_scan(given.evidence)
    shown = sorted(_counting(worst), key=lambda one: (_RANK[one.severity], -(one.epss or 0), one.id))
    images = _images(given.evidence, kept)
    return VerdictStatus(
        written_at=now,
        outcome=summary.outcome,
        refused=summary.refused,
        since=before.status.since if before is not None and is_as_before else now,
        reasons=summary.reasons,
        message=summary.message,
        policies=tuple(_cut(one, limits) for one in summary.policies[: limits.policies]),
        omitted_policies=max(0, len(summary.policies) - limits.policies),
        severities={
            severity.value: count
            for severity, count in sorted(
                Counter(one.severity for one in shown).items(), key=lambda pair: _RANK[pair[0]]
            )
        },
        findings=tuple(_shown(one) for one in shown[: shape.MAX_SHOWN_FINDINGS]),
        omitted_findings=max(0, len(shown) - shape.MAX_SHOWN_FINDINGS),
        images=tuple(images[: shape.MAX_SHOWN_IMAGES]),
        omitted_images=max(0, len(images) - shape.MAX_SHOWN_IMAGES),
        runs=_runs(given.usage, now, before, limits),
        signers=_signers(given.evidence),
        evidence=evidence,
    )


def _cut(policy: StoredJudgement, limits: _Limits) -> StoredJudgement:
    return msgspec.structs.replace(
        policy,
        namespaces=policy.namespaces[: limits.namespaces],
        omitted_namespaces=max(0, len(policy.namespaces) - limits.namespaces),
        results=policy.results[: limits.results],
        omitted_results=max(0, len(policy.results) - limits.results),
    )


def _counting(report: ScanReport | None) -> list[Finding]:
    return [] if report is None else [one for one in report.findings if not one.suppressed]


def _worst_scan(evidence: ImageEvidence) -> ScanReport | None:
    """Return the scan with most findings of the worst severity, then of the next."""

    def badness(pair: tuple[str, ScanReport]) -> tuple[tuple[int, ...], str]:
        counts = Counter(one.severity for one in _counting(pair[1]))
        return tuple(counts[severity] for severity in Severity), pair[0]

    scans = [(digest, fact.value) for digest, fact in evidence.scans.items() if isinstance(fact, Known)]
    return max(scans, key=badness)[1] if scans else None


def _shown(finding: Finding) -> ShownFinding:
    package = finding.packages[0] if finding.packages else None
    limit = shape.MAX_FINDING_TEXT
    return ShownFinding(
        id=harmless(finding.id, limit),
        severity=finding.severity.value,
        package="" if package is None else harmless(package.name, limit),
        installed="" if package is None else harmless(package.installed, limit),
        fixed_in="" if package is None else harmless(package.fixed_in, limit),
        first_observed_at=_seconds(finding.first_observed_at),
    )


def _images(evidence: ImageEvidence, kept: KeptFacts) -> list[ScannedDigest]:
    fact = evidence.runnable
    children: tuple[PlatformImage, ...] = (
        fact.value if isinstance(fact, Known) and isinstance(fact.value, tuple) else ()
    )
    return [
        _image(one, kept.facts.scans.get(one.digest)) for one in images_within(children or kept.facts.runnable or ())
    ]


def _image(image: PlatformImage, report: ScanReport | None) -> ScannedDigest:
    return ScannedDigest(
        digest=image.digest,
        platform="" if image.platform is None else harmless(str(image.platform), shape.MAX_SHORT_TEXT),
        scan="" if report is None else report.coverage.state.value,
        last_scanned_at=None if report is None else _seconds(report.coverage.last_scanned_at),
        findings=len(_counting(report)),
    )


def _runs(usage: Usage, now: datetime, before: StoredVerdict | None, limits: _Limits) -> Runs:
    ordered = sorted(usage.namespaces.items(), key=lambda pair: (-pair[1].pods, pair[0]))
    names = [name for name, _ in ordered]
    last_seen = None
    if not usage.pods:
        last_seen = now if before is None or before.status.runs.last_seen is None else before.status.runs.last_seen
    return Runs(
        pods=usage.pods,
        where=_where(names),
        namespaces=tuple(_namespace(*one, limits) for one in ordered[: limits.namespaces]),
        omitted_namespaces=max(0, len(ordered) - limits.namespaces),
        tags=tuple(sorted(usage.tags)[: shape.MAX_TAGS]),
        last_seen=last_seen,
    )


def _where(names: Sequence[str]) -> str:
    more = f" and {len(names) - _WHERE} more" if len(names) > _WHERE else ""
    return f"{', '.join(names[:_WHERE])}{more}"


def _namespace(name: str, usage: NamespaceUsage, limits: _Limits) -> NamespaceRuns:
    workloads = sorted({(one.kind, one.name) for one in usage.workloads})
    return NamespaceRuns(
        name=name,
        pods=usage.pods,
        since=_seconds(usage.since),
        workloads=tuple(StoredWorkload(kind=kind, name=owner) for kind, owner in workloads[: limits.workloads]),
        omitted_workloads=max(0, len(workloads) - limits.workloads),
    )


def _signers(evidence: ImageEvidence) -> tuple[str, ...]:
    """Return who signed, of those whose signatures are verified."""
    found: Iterable[str] = (
        result.decisive.signer
        for fact in evidence.proofs.values()
        if isinstance(fact, Known)
        for result in fact.value.by_requirement.values()
        if result.state is VerificationState.VERIFIED and result.decisive is not None and result.decisive.signer
    )
    return tuple(sorted({harmless(one, shape.MAX_SIGNER) for one in found})[: shape.MAX_SIGNERS])


def _evidence(kept: KeptFacts, observed_at: datetime, limits: _Limits) -> StoredFacts | None:
    """Return the facts with the findings that the limits leave, or None where they are too long."""
    facts, is_whole = _with_findings(kept.facts, limits.findings)
    packed = pack(facts)
    if packed is None or len(packed) > shape.MAX_BYTES:
        return None
    return StoredFacts(
        # Exact, because replicas compare them with the times of their own look-ups.
        observed_at=observed_at,
        settings_observed_at=kept.settings_observed_at,
        signatures_observed_at=kept.signatures_observed_at,
        tags=tuple(StoredTag(name=tag, observed_at=when) for tag, when in kept.tags.items()),
        complete=is_whole,
        data=packed,
    )


def _with_findings(facts: ImageFacts, count: int) -> tuple[ImageFacts, bool]:
    """Return the facts with so many findings of each image, and whether these are all.

    A scan that lacks some is incomplete, so that it never passes.
    """
    scans = {digest: report.worst(count) for digest, report in facts.scans.items()}
    is_whole = all(len(report.findings) <= count for report in facts.scans.values())
    return msgspec.structs.replace(facts, scans=scans), is_whole


def _seconds(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.replace(microsecond=0)


def timeless(obj: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an object says, without the time of writing, and of look-ups only the day (UTC).

    So facts that were looked up again and are the same are written at most once a day: they are never much older.
    """
    status = {name: value for name, value in obj.get("status", {}).items() if name != "writtenAt"}
    evidence = status.get("evidence")
    if isinstance(evidence, Mapping):
        tags = [_by_day(one) for one in evidence.get("tags", ()) if isinstance(one, Mapping)]
        status["evidence"] = _by_day(evidence) | {"tags": tags}
    labels = obj.get("metadata", {}).get("labels")
    return {"spec": obj.get("spec"), "status": status, "labels": labels}


def _by_day(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value[: len("2026-06-01")] if isinstance(value, str) and name.lower().endswith("observedat") else value
        for name, value in fields.items()
    }
