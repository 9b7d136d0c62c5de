"""The posture of repositories as a SARIF log: one rule for each reason code, one result for each line."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from tidegate.checks.result import Outcome
from tidegate.reports.posture_lines import PostureLine, PostureReport, severity_rank
from tidegate.reports.sarif import SarifKind, SarifLevel, SarifResult, SarifRule, sarif_log

UNLISTED: Final = "RegistryNotRead"
"""The rule about a registry whose repositories could not be listed."""
_LEVELS: Final = (SarifLevel.ERROR, SarifLevel.WARNING, SarifLevel.NOTE)
_SCORES: Final[Mapping[int, float]] = MappingProxyType({0: 8.0, 1: 5.5, 2: 2.0})
"""As CVSS scores, the middle of each severity."""


def posture_as_sarif(report: PostureReport) -> dict[str, Any]:
    """Return the log."""
    lines = report.lines()
    rules = {line.reason: _rule(line) for line in reversed(lines)}
    results = [_result(line) for line in lines]
    if report.problems:
        short = "The repositories of a registry could not be listed."
        how = "Allow ecr:DescribeRepositories, and run the command again."
        rules[UNLISTED] = SarifRule(id=UNLISTED, name=UNLISTED, short=short, help=how)
        results += [
            SarifResult(
                rule_id=UNLISTED,
                level=SarifLevel.ERROR,
                kind=SarifKind.OPEN,
                message=one.problem,
                logical_name=str(one.registry),
                fingerprint=str(one.registry),
            )
            for one in report.problems
        ]
    return sarif_log("posture", [rules[name] for name in sorted(rules)], results)


def _rule(line: PostureLine) -> SarifRule:
    return SarifRule(
        id=line.reason,
        name=line.reason,
        short=f"The check {line.check} of a repository has the reason {line.reason}.",
        help="Run the command of the result, or set the attribute that it names.",
        security_severity=_SCORES[severity_rank(line.severity)] if line.outcome is Outcome.FAIL else None,
    )


def _result(line: PostureLine) -> SarifResult:
    parts = [line.message]
    parts += [f"{name}: {text}" for name, text in _fixes(line)]
    more = {"check": line.check, "statement": line.statement, "policy": line.policy, "severity": line.severity}
    return SarifResult(
        rule_id=line.reason,
        level=_LEVELS[severity_rank(line.severity)],
        kind=SarifKind.FAIL if line.outcome is Outcome.FAIL else SarifKind.OPEN,
        message="\n".join(parts),
        logical_name=line.repository.arn,
        fingerprint=f"{line.repository.arn}\n{line.check}\n{line.policy}",
        properties={name: text for name, text in more.items() if text},
    )


def _fixes(line: PostureLine) -> list[tuple[str, str]]:
    found = (("AWS CLI", line.aws_cli), ("Terraform", line.terraform), ("Cause", line.cause))
    return [(name, text) for name, text in found if text]
