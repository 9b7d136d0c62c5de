"""A report as JSON. docs/reference/report.schema.json describes it; its member names are stable."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import msgspec

from tidegate.reports.model import Inventory, ReportedImage, ReportRow
from tidegate.reports.summary import Group, Summary, TurnedBad
from tidegate.strict.quotation import moment

VERSION: Final = "tidegate.dev/report/v1alpha1"


def report_as_json(
    summary: Summary, inventory: Inventory, *, now: datetime, images: Sequence[ReportedImage] | None = None
) -> dict[str, Any]:
    """Return the report; ``images`` adds these with all that is known about them."""
    report: dict[str, Any] = {
        "version": VERSION,
        "generatedAt": time_text(now),
        "wouldBeRefused": {
            "images": summary.refused_images,
            "workloads": summary.refused_workloads,
            "uncheckedImages": summary.unchecked_images,
            "uncheckedWorkloads": summary.unchecked_workloads,
            "exemptWorkloads": summary.exempt_workloads,
            "ofImages": summary.images,
            "ofWorkloads": summary.workloads,
            "ofPods": summary.pods,
            "ofNamespaces": summary.namespaces,
            "byNamespace": _groups(summary.by_namespace),
            "byReason": _groups(summary.by_reason),
            "byPolicy": _groups(summary.by_policy),
            "byImage": _groups(summary.by_image),
            "byWorkload": _groups(summary.by_workload),
            "rows": [_row(one) for one in summary.rows],
        },
        "turnedBad": [_turned_bad(one) for one in summary.turned_bad],
        "exempt": [_row(one) for one in summary.exempt_rows],
        "incompleteImages": summary.incomplete,
        "unreadable": [{"name": one.name, "problem": one.problem} for one in inventory.unreadable],
    }
    return report if images is None else report | {"images": [_image(one) for one in images]}


def time_text(time: datetime | None) -> str | None:
    """Return a time as RFC 3339 in UTC with whole seconds, as Kubernetes writes it."""
    return None if time is None else moment(time)


def _groups(groups: Sequence[Group]) -> list[dict[str, Any]]:
    return [
        {
            "name": one.name,
            "refusedWorkloads": one.refused_workloads,
            "uncheckedWorkloads": one.unchecked_workloads,
            "images": one.images,
            "namespaces": one.namespaces,
            "enforced": one.enforced,
        }
        for one in groups
    ]


def _row(row: ReportRow) -> dict[str, Any]:
    return {
        "namespace": row.namespace,
        "workload": None if row.workload is None else msgspec.to_builtins(row.workload),
        "repository": row.image.repository,
        "digest": row.image.digest,
        "tags": list(row.image.status.runs.tags),
        "policy": row.policy.name,
        "actions": [action.value for action in row.policy.actions],
        "check": row.result.check,
        "outcome": row.result.outcome.value,
        "reason": row.result.reason,
        "message": row.result.message,
        "remedy": row.result.remedy,
        "exception": row.result.exception or None,
        "since": time_text(row.image.status.since),
    }


def _turned_bad(one: TurnedBad) -> dict[str, Any]:
    return {
        "repository": one.image.repository,
        "digest": one.image.digest,
        "since": time_text(one.since),
        "namespaces": list(one.namespaces),
        "reasons": list(one.reasons),
        "message": one.image.status.message,
    }


def _image(image: ReportedImage) -> dict[str, Any]:
    """Return all that the verdict of an image says, as in its object, without the facts for replicas."""
    status = msgspec.to_builtins(msgspec.structs.replace(image.status, evidence=None))
    return {
        "repository": image.repository,
        "digest": image.digest,
        "exceptions": list(image.exceptions),
        "status": status,
    }
