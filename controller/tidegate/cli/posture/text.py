"""The posture of repositories as text: the counts, then each open repository with what mends it."""

from collections.abc import Sequence
from typing import Final

from rich.console import Console

from tidegate.checks.messages import plural
from tidegate.checks.result import Outcome
from tidegate.cli.lines import console, print_line, print_table
from tidegate.reports.posture_lines import CheckCount, PostureLine, PostureReport, by_check, worst_first

_STYLES: Final = {Outcome.FAIL: "bold red", Outcome.UNDETERMINED: "magenta"}


def print_posture(report: PostureReport) -> None:
    """Print the report."""
    to = console()
    counts = report.counts()
    for one in report.problems:
        print_line(to, f"NOT READ  {one.registry}: {one.problem}", style="magenta", hanging=10)
    for repository in worst_first(report.repositories):
        running = f" ({plural(repository.running, 'running image')})" if repository.running else ""
        print_line(to, f"{repository.repository}{running}", style="bold")
        for line in repository.lines:
            _print_line(to, line)
    if checks := by_check(report.repositories):
        _print_checks(to, checks)
    total = sum(counts.values())
    words = [
        (counts[Outcome.FAIL], "failed"),
        (counts[Outcome.UNDETERMINED], "not determined"),
        (counts[Outcome.PASS], "passed"),
    ]
    found = ", ".join(f"{count} {word}" for count, word in words if count)
    to.print(f"{plural(total, 'repository', 'repositories')}: {found}" if total else "no repositories")


def _print_line(to: Console, line: PostureLine) -> None:
    policy = f" [policy {line.policy}]" if line.policy else ""
    word = "FAIL" if line.outcome is Outcome.FAIL else "UNKNOWN"
    text = f"{word} {line.check} {line.reason} ({line.severity}): {line.message}{policy}"
    print_line(to, text, style=_STYLES[line.outcome], indent=2)
    more = (
        ("statement", line.statement),
        ("cause", line.cause),
        ("AWS CLI", line.aws_cli),
        ("Terraform", line.terraform),
    )
    for name, value in more:
        if value:
            print_line(to, f"{name}: {value}", indent=4)


def _print_checks(to: Console, checks: Sequence[CheckCount]) -> None:
    lines = [(one.name, str(one.failed), str(one.undetermined), str(one.passed)) for one in checks]
    to.print()
    print_table(to, ("CHECK", "FAIL", "UNKNOWN", "PASS"), lines)
    to.print()
