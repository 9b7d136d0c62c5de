"""Prints the reports of ``tidegate verify``, as text for people or as JSON."""

import json
import sys
from collections.abc import Sequence

from rich.console import Console

from tidegate.cli.lines import console, print_line
from tidegate.cli.verify.report import Report, ReportedSignature, as_json
from tidegate.strict.quotation import moment
from tidegate.verify.step import Conclusion, StepOutcome, StepResult

MAX_LINE = 2000
"""Characters of one text that is printed."""
_TEXT_COLUMN = 19
"""Where the words of a step begin."""

_WORDS = {
    Conclusion.VERIFIED: ("VERIFIED", "bold green"),
    Conclusion.LOGGED: ("ACCEPTED, BUT NOT VERIFIED", "bold yellow"),
    Conclusion.SKIPPED: ("SKIPPED, NOT VERIFIED", "bold yellow"),
    Conclusion.FAILED: ("NOT VERIFIED", "bold red"),
    Conclusion.INCONCLUSIVE: ("UNKNOWN", "bold magenta"),
}


_STYLES = {
    StepOutcome.OK: "green",
    StepOutcome.FAILED: "bold red",
    StepOutcome.UNDECIDED: "magenta",
    StepOutcome.LOGGED: "yellow",
}


def print_reports(reports: Sequence[Report], output: str) -> None:
    """Print the reports: as lines for a person, or with ``json`` as one array."""
    if output == "json":
        sys.stdout.write(json.dumps([as_json(report) for report in reports], indent=2) + "\n")
        return
    to = console()
    for number, report in enumerate(reports):
        if number:
            to.print()
        _print(to, report)


def _print(to: Console, report: Report) -> None:
    _line(to, report.subject, style="bold")
    if report.digest is not None and report.digest not in report.subject:
        _line(to, f"digest {report.digest}", indent=2)
    _line(to, f"as of {moment(report.at)}", indent=2)
    if report.requirements:
        _line(to, report.requirements, indent=2)
    for signature in report.signatures:
        _print_signature(to, signature, alone=len(report.signatures) == 1)
    for one in report.left_aside:
        _line(to, f"left aside {one.what}: {one.reason}, {one.detail}")
    _print_verdict(to, report.verdict, report.reason)
    if report.remedy:
        _line(to, f"To fix: {report.remedy}")


def _print_signature(to: Console, signature: ReportedSignature, *, alone: bool) -> None:
    if signature.authority is None:
        _line(to, f"{signature.kind} {signature.place}", style="bold")
    else:
        what = f", attestation {signature.attestation}" if signature.attestation is not None else ""
        _line(to, f"{signature.kind}, authority {signature.authority}{what}", style="bold")
        _line(to, signature.place, indent=2)
    for step in signature.steps:
        _print_step(to, step)
    for name, value in signature.facts:
        _line(to, f"{name}: {value}", indent=2)
    if not alone:
        _print_verdict(to, signature.verdict, "", indent=2)


def _print_step(to: Console, step: StepResult) -> None:
    # Only the JSON has the numbers of the rules; the text shows the validation of the trust policy.
    validation = f" [{step.rules.partition(', ')[0]}]" if step.rules else ""
    word = step.outcome.value.upper() if step.outcome is StepOutcome.FAILED else step.outcome.value
    style = _STYLES.get(step.outcome)
    _line(to, f"{step.number:>2}  {word:<11}  {step.title}{validation}", style=style, indent=2, hanging=_TEXT_COLUMN)
    if step.text:
        _line(to, step.text, indent=_TEXT_COLUMN, hanging=_TEXT_COLUMN)


def _print_verdict(to: Console, verdict: Conclusion, reason: str, *, indent: int = 0) -> None:
    word, style = _WORDS[verdict]
    _line(to, f"{word}{': ' if reason else ''}{reason}", style=style, indent=indent)


def _line(to: Console, text: str, *, style: str | None = None, indent: int = 0, hanging: int | None = None) -> None:
    print_line(to, _cut(text), style=style, indent=indent, hanging=hanging)


def _cut(text: str) -> str:
    return text if len(text) <= MAX_LINE else text[:MAX_LINE] + "..."
