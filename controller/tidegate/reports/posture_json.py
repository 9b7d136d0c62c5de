"""The posture of repositories as JSON. docs/reference/posture.schema.json describes it; its member names are stable."""

from datetime import datetime
from typing import Any, Final

from tidegate.checks.result import Outcome
from tidegate.reports.as_json import time_text
from tidegate.reports.posture_lines import PostureLine, PostureReport, RepositoryLines, by_check

VERSION: Final = "tidegate.dev/posture/v1alpha1"


def posture_as_json(report: PostureReport, *, now: datetime) -> dict[str, Any]:
    """Return the report."""
    counts = report.counts()
    return {
        "version": VERSION,
        "generatedAt": time_text(now),
        "outcome": report.outcome.value,
        "repositories": {
            "passed": counts[Outcome.PASS],
            "failed": counts[Outcome.FAIL],
            "undetermined": counts[Outcome.UNDETERMINED],
        },
        "checks": [
            {"check": one.name, "passed": one.passed, "failed": one.failed, "undetermined": one.undetermined}
            for one in by_check(report.repositories)
        ],
        "registries": [
            {
                "account": one.registry.account,
                "region": one.registry.region,
                "problem": one.problem or None,
                "repositories": [_repository(each) for each in one.repositories],
            }
            for one in report.registries
        ],
    }


def _repository(one: RepositoryLines) -> dict[str, Any]:
    return {
        "name": one.repository.name,
        "arn": one.repository.arn,
        "outcome": one.outcome.value,
        "runningDigests": one.running,
        "passed": list(one.passed),
        "results": [_line(line) for line in one.lines],
    }


def _line(line: PostureLine) -> dict[str, Any]:
    return {
        "check": line.check,
        "outcome": line.outcome.value,
        "reason": line.reason,
        "severity": line.severity,
        "message": line.message,
        "statement": line.statement or None,
        "awsCli": line.aws_cli or None,
        "terraform": line.terraform or None,
        "cause": line.cause or None,
        "policy": line.policy or None,
    }
