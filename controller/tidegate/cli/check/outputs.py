"""The output formats of ``check``. The modules of formats that are not wanted are not imported."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import click

from tidegate.cli.check.outcome import CheckedImage
from tidegate.strict.quotation import printable

OUTPUTS: Final = ("text", "json", "sarif", "junit", "github")


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What is written: the images, notes about the input, and the options that change the exit code."""

    rows: Sequence[CheckedImage]
    notes: Sequence[str]
    strict: bool
    allow_not_judged: bool


def write(output: str, what: Written) -> None:
    """Write the outcome to standard output. In a format for programs, notes go to standard error."""
    match output:
        case "json":
            from tidegate.cli.check.as_json import image_as_json  # noqa: PLC0415

            click.echo(json.dumps([image_as_json(one) for one in what.rows], indent=2))
        case "sarif":
            from tidegate.cli.check.as_sarif import check_sarif  # noqa: PLC0415

            click.echo(json.dumps(check_sarif(what.rows, strict=what.strict), indent=2))
        case "junit":
            from tidegate.cli.check.as_junit import junit_xml  # noqa: PLC0415

            click.echo(junit_xml(what.rows, strict=what.strict, allow_not_judged=what.allow_not_judged))
        case "github":
            from tidegate.cli.check.as_github import github_lines  # noqa: PLC0415

            for line in github_lines(what.rows, what.notes, strict=what.strict, allow_not_judged=what.allow_not_judged):
                click.echo(line)
        case _:
            from tidegate.cli.check.as_text import print_table  # noqa: PLC0415

            print_table(what.rows, what.notes)
    if output not in {"text", "github"}:
        for note in what.notes:
            click.echo(printable(note), err=True)
