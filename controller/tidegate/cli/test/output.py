"""The results of test cases as text, JSON and JUnit XML."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

import click

from tidegate.cli.check.outputs import json_text
from tidegate.cli.lines import console, print_line
from tidegate.cli.test.run import CaseResult, CaseState
from tidegate.reports.junit import JunitCase, junit_xml
from tidegate.strict.quotation import log_line

MAX_ANSWER_LINES: Final = 20
"""Lines of the answer that are printed for a case."""
_STYLES = {CaseState.PASSED: "green", CaseState.FAILED: "bold red", CaseState.ERROR: "magenta"}
_COLUMN = 8


def print_text(results: Sequence[CaseResult]) -> None:
    """Print a line for each case, and below it the differences from the expected answer."""
    to = console()
    for one in results:
        line = f"{one.state.value.upper():<{_COLUMN}}{one.file}: {one.name}"
        to.print(log_line(line), style=_STYLES[one.state])
        for text in details(one):
            print_line(to, text, indent=_COLUMN)
    counts = Counter(one.state for one in results)
    to.print()
    to.print(", ".join(f"{counts[state]} {state.value.lower()}" for state in CaseState if counts[state]))


def details(result: CaseResult) -> list[str]:
    """Return the lines about a case that did not pass."""
    if result.state is CaseState.PASSED:
        return []
    lacking = [f"the case has no {one}" for one in result.lacking]
    answer = list(result.answer[:MAX_ANSWER_LINES])
    return [*result.problems, *lacking, *(["the answer:"] if answer else []), *answer]


def print_json(results: Sequence[CaseResult]) -> None:
    """Print an object for each case. Field names are stable."""
    click.echo(json_text([_object(one) for one in results]))


def _object(one: CaseResult) -> dict[str, object]:
    return {
        "file": str(one.file),
        "suite": one.suite,
        "name": one.name,
        "state": one.state.value,
        "decision": one.decision,
        "reasons": one.reasons,
        "problems": one.problems,
        "answer": one.answer,
        "lacking": one.lacking,
    }


def print_junit(results: Sequence[CaseResult]) -> None:
    """Print JUnit XML: a test suite for each file and name."""
    click.echo(junit_xml("tidegate test", map(_case, results)))


def _case(one: CaseResult) -> JunitCase:
    has_passed = one.state is CaseState.PASSED
    return JunitCase(
        suite={"name": one.suite, "file": str(one.file)},
        case={"name": one.name, "classname": one.suite, "file": str(one.file)},
        outcome="" if has_passed else "failure" if one.state is CaseState.FAILED else "error",
        about={} if has_passed else {"message": one.problems[0]},
        lines=details(one),
    )
