"""ImageVerdicts as the background role writes them, made from what the simulated AWS says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from tests.integration.gather.gate import Gate
from tidegate.admission.plan import judge_plan, make_plan
from tidegate.evidence.fact import Known
from tidegate.evidence.image import ImageDetail
from tidegate.evidence.image_evidence import ImageEvidence
from tidegate.evidence.scan import ScanReport
from tidegate.images.platform import Platform
from tidegate.verdicts.encode import encode
from tidegate.verdicts.usage import NamespaceUsage, OwningWorkload, Usage
from tidegate.verdicts.verdict_input import NamespaceVerdict, VerdictInput

WORKLOAD = OwningWorkload(kind="Deployment", name="app")


def clean(report: ScanReport) -> ScanReport:
    """Return the report without its findings: a lie."""
    return ScanReport(scanner=report.scanner, coverage=report.coverage)


async def stored_verdict(
    gate: Gate,
    text: str,
    *,
    namespaces: Mapping[str, datetime] | None = None,
    observed_at: datetime | None = None,
    change: Callable[[ScanReport], ScanReport] | None = None,
    platforms: tuple[Platform, ...] = (),
) -> dict[str, Any]:
    """Return the object for an image that runs in these namespaces since these times.

    ``gate`` looks it up. ``observed_at`` is when it pretends to have done so, and ``change`` lies about the scan.
    """
    plan = make_plan(text, gate.policies.current().for_namespace("default", {}), platforms)
    assert plan.reference is not None
    assert plan.wanted is not None
    found = await gate.engine.collector.collect(plan.reference, plan.wanted, deadline=gate.clock.monotonic() + 20)
    now = gate.clock.now()
    found = _told(found, observed_at, change)
    assert isinstance(found.detail, Known)
    assert isinstance(found.detail.value, ImageDetail)
    assert plan.reference.ecr is not None
    verdict = judge_plan(plan, found, now=now, monotonic=gate.clock.monotonic(), audit_only=False)
    since = {"default": now} if namespaces is None else namespaces
    where = {name: NamespaceUsage(pods=1, since=start, workloads=(WORKLOAD,)) for name, start in since.items()}
    tag = plan.reference.tag
    return encode(
        VerdictInput(
            repository=plan.reference.ecr,
            digest=found.detail.value.digest,
            evidence=found,
            judged=[NamespaceVerdict(namespace=name, workloads=(WORKLOAD,), verdict=verdict) for name in where],
            usage=Usage(namespaces=where, tags=() if tag is None else (tag,)),
            tags={} if tag is None else {tag: observed_at or now},
        ),
        now,
    )


def _told(
    found: ImageEvidence, observed_at: datetime | None, change: Callable[[ScanReport], ScanReport] | None
) -> ImageEvidence:
    def moved(fact: Any) -> Any:
        return Known(fact.value, observed_at) if isinstance(fact, Known) and observed_at is not None else fact

    scans = {
        digest: Known(change(fact.value), fact.observed_at) if change and isinstance(fact, Known) else fact
        for digest, fact in found.scans.items()
    }
    return replace(
        found,
        detail=moved(found.detail),
        settings=moved(found.settings),
        runnable=moved(found.runnable),
        scan_type=moved(found.scan_type),
        scans={digest: moved(fact) for digest, fact in scans.items()},
    )
