"""The output formats of ``check``. The modules of formats that are not wanted are not imported."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click

from tidegate.cli.argument_files import ArgumentError
from tidegate.cli.check.outcome import CheckedImage
from tidegate.strict.quotation import log_line, quoted

_REPORTS: Final = ("json", "sarif", "junit")
OUTPUTS: Final = ("text", *_REPORTS, "github")


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckReport:
    """What is written: the images, notes about the input, and the options that change the exit code."""

    rows: Sequence[CheckedImage]
    notes: Sequence[str]
    strict: bool
    allow_not_judged: bool

    def print(self, output: str) -> None:
        """Print the outcome in a format. In a format for programs, notes go to standard error."""
        if output == "text":
            from tidegate.cli.check.as_text import print_table  # noqa: PLC0415

            print_table(self.rows, self.notes)
            return
        click.echo(self.text(output))
        if output in _REPORTS:
            for note in self.notes:
                click.echo(log_line(note), err=True)

    def text(self, output: str) -> str:
        """Return the outcome in a format for programs."""
        match output:
            case "json":
                from tidegate.cli.check.as_json import image_as_json  # noqa: PLC0415

                return json_text([image_as_json(one) for one in self.rows])
            case "sarif":
                from tidegate.cli.check.as_sarif import check_sarif  # noqa: PLC0415

                return json_text(check_sarif(self.rows, strict=self.strict))
            case "junit":
                from tidegate.cli.check.as_junit import check_junit  # noqa: PLC0415

                return check_junit(self.rows, strict=self.strict, allow_not_judged=self.allow_not_judged)
            case _:
                from tidegate.cli.check.as_github import github_lines  # noqa: PLC0415

                lines = github_lines(self.rows, self.notes, strict=self.strict, allow_not_judged=self.allow_not_judged)
                return "\n".join(lines)

    def write(self, reports: Iterable[tuple[str, Path]]) -> None:
        """Write the outcome into files, each in its format."""
        for output, path in reports:
            try:
                path.write_text(self.text(output) + "\n", encoding="utf-8", errors="replace")
            except OSError as problem:
                raise ArgumentError(f"{path} cannot be written: {problem.strerror}") from problem


def json_text(value: object) -> str:
    """Return a value as JSON in which no CI service finds a command; see ``log_line``."""
    return json.dumps(value, indent=2).replace("##", "#\\u0023")


def parse_reports(texts: Iterable[str]) -> list[tuple[str, Path]]:
    """Return the formats and files of ``FORMAT=FILE`` arguments, and delete older files, so that none is taken for new.

    Raise ArgumentError for another format, and for a file that cannot be written.
    """
    found = []
    for text in texts:
        output, _, name = text.partition("=")
        if output not in _REPORTS or not name:
            raise ArgumentError(
                f"--report {quoted(text)}: expected FORMAT=FILE with one of the formats {', '.join(_REPORTS)}"
            )
        path = Path(name)
        try:
            # A device or a link, such as /dev/stdout, stays.
            if not path.is_symlink() and (path.is_file() or not path.exists()):
                path.write_bytes(b"")
                path.unlink()
        except OSError as problem:
            raise ArgumentError(f"{path} cannot be written: {problem.strerror}") from problem
        found.append((output, path))
    return found
