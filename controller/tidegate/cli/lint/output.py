"""Findings as text, JSON, a SARIF log and annotations of GitHub Actions."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

import click

from tidegate.cli.check.as_github import escaped
from tidegate.cli.check.outputs import json_text
from tidegate.cli.lines import console, print_line
from tidegate.cli.lint.rules import LintFinding, LintSeverity, Rule
from tidegate.reports.sarif import SarifLevel, SarifResult, SarifRule, sarif_log
from tidegate.strict.quotation import log_line

_STYLES: Final = {LintSeverity.ERROR: "bold red", LintSeverity.WARNING: "yellow", LintSeverity.NOTE: "cyan"}
_COMMANDS: Final = {LintSeverity.ERROR: "error", LintSeverity.WARNING: "warning", LintSeverity.NOTE: "notice"}


def print_text(findings: Sequence[LintFinding]) -> None:
    """Print each finding with its place and the fix, and then the number of each severity."""
    to = console()
    for one in findings:
        to.print(log_line(f"{one.file}:{one.line}: {one.severity.value} {one.rule.value}"), style=_STYLES[one.severity])
        print_line(to, f"{one.about}: {one.message}", indent=2)
        print_line(to, f"To fix: {one.fix}", indent=2)
    if findings:
        to.print()
    to.print(counted(findings))


def counted(findings: Sequence[LintFinding]) -> str:
    """Return how many findings there are of each severity."""
    counts = Counter(one.severity for one in findings)
    words = [f"{count} {one.value}{'' if count == 1 else 's'}" for one in LintSeverity if (count := counts[one])]
    return ", ".join(words) or "no findings"


def print_json(findings: Sequence[LintFinding]) -> None:
    """Print an object for each finding. Field names are stable."""
    found = [
        {
            "rule": one.rule.value,
            "severity": one.severity.value,
            "file": str(one.file),
            "line": one.line,
            "object": one.about,
            "message": one.message,
            "fix": one.fix,
        }
        for one in findings
    ]
    click.echo(json_text(found))


def print_sarif(findings: Sequence[LintFinding]) -> None:
    """Print a SARIF log with all rules."""
    rules = [
        SarifRule(id=one.value, name=one.value, short=one.short, help="The message says what to change.")
        for one in Rule
    ]
    results = [
        SarifResult(
            rule_id=one.rule.value,
            level=SarifLevel(one.severity.value),
            message=f"{one.about}: {one.message}. To fix: {one.fix}",
            path=str(one.file),
            line=one.line,
            logical_name=one.about,
            fingerprint=f"{one.about} {one.message}",
        )
        for one in findings
    ]
    click.echo(json_text(sarif_log("lint", rules, results)))


def print_github(findings: Sequence[LintFinding]) -> None:
    """Print a workflow command for each finding, and then the number of each severity."""
    for one in findings:
        place = f"file={escaped(str(one.file), ':,')},line={one.line},title={escaped(one.rule.value, ':,')}"
        text = f"{one.about}: {one.message}. To fix: {one.fix}"
        click.echo(f"::{_COMMANDS[one.severity]} {place}::{escaped(text)}")
    click.echo(counted(findings))
