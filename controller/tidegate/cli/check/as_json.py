"""The state of an image as JSON. Names of members are stable; docs/reference/check.schema.json describes them."""

from typing import Any

from tidegate.checks.messages import cause_words
from tidegate.cli.check.outcome import CheckedImage
from tidegate.cli.judging import JudgedImage
from tidegate.evidence.fact import Fact, Known, Missing
from tidegate.evidence.image import PlatformImage
from tidegate.evidence.index_children import images_within
from tidegate.evidence.scan import Finding, ScanReport
from tidegate.images.digest import Digest
from tidegate.reports.as_json import time_text

_RESULT_FIELDS = ("check", "outcome", "reason", "found", "details", "remedy", "cause", "notes", "exceptions")


def image_as_json(row: CheckedImage) -> dict[str, Any]:
    """Return all that is known of an image: its state, the results of each policy, and every finding of each scan."""
    judged = row.judged if not row.message else None
    verdict = judged.verdict if judged else None
    return {
        "image": row.image.text,
        "place": row.image.place,
        "file": row.image.file or None,
        "line": row.image.line or None,
        "namespace": row.image.namespace,
        "digest": verdict.digest if verdict else None,
        "state": row.state.value,
        "message": row.message or None,
        "allowed": verdict is not None and not verdict.denied,
        "outcome": verdict.outcome if verdict else None,
        "warnings": verdict.warnings if verdict else (),
        "policies": [
            {
                "name": judgement.policy.name,
                "actions": sorted(judgement.policy.actions),
                "results": [{name: getattr(one, name) for name in _RESULT_FIELDS} for one in judgement.results],
            }
            for judgement in (verdict.judgements if verdict else ())
        ],
        "scans": _scans(judged) if judged else (),
    }


def _scans(judged: JudgedImage) -> list[dict[str, Any]]:
    """Return the scan of each image that may run: of the image itself, or of those of an index."""
    runnable = judged.evidence.runnable
    known = runnable.value if isinstance(runnable, Known) and isinstance(runnable.value, tuple) else ()
    images = images_within(tuple(one for one in known if isinstance(one, PlatformImage)))
    platforms = {one.digest: str(one.platform) for one in images if one.platform}
    return [_scan(digest, platforms.get(digest), fact) for digest, fact in judged.evidence.scans.items()]


def _scan(digest: Digest, platform: str | None, fact: Fact[ScanReport]) -> dict[str, Any]:
    about: dict[str, Any] = {"digest": digest, "platform": platform}
    if isinstance(fact, Missing):
        problem = cause_words(fact.cause, fact.source)
        nothing = dict.fromkeys(("scanner", "state", "statusCode", "reason", "lastScannedAt", "observedAt", "complete"))
        return about | nothing | {"problem": problem, "findings": []}
    report = fact.value
    return about | {
        "scanner": report.scanner,
        "state": report.coverage.state,
        "statusCode": report.coverage.code or None,
        "reason": report.coverage.reason or None,
        "lastScannedAt": time_text(report.coverage.last_scanned_at),
        "observedAt": time_text(fact.observed_at),
        "complete": report.complete,
        "problem": cause_words(fact.stale, fact.source) if fact.stale else None,
        "findings": [_finding(one) for one in report.findings],
    }


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "id": finding.id,
        "severity": finding.severity,
        "packages": [
            {"name": one.name, "installed": one.installed, "fixedIn": one.fixed_in or None} for one in finding.packages
        ],
        "fix": finding.fix,
        "exploit": finding.exploit,
        "epss": finding.epss,
        "firstObservedAt": time_text(finding.first_observed_at),
        "suppressed": finding.suppressed,
    }
