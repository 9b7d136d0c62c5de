"""Runs ``tidegate`` in this process, and reads what it printed."""

import json
from dataclasses import dataclass
from typing import Any

from click.testing import CliRunner

from tidegate.cli.root import main


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a command ended: its exit code, and what it wrote where."""

    code: int
    out: str
    err: str

    @property
    def report(self) -> dict[str, Any]:
        """The one report of a JSON output."""
        reports: list[dict[str, Any]] = json.loads(self.out)
        (report,) = reports
        return report

    @property
    def last(self) -> str:
        return self.out.splitlines()[-1]

    def steps(self, signature: int = 0) -> dict[int, str]:
        """The outcome of each step of a signature, by its number."""
        return {step["number"]: step["outcome"] for step in self.report["signatures"][signature]["steps"]}


def run(*arguments: object, stdin: str | None = None) -> Ended:
    """Run the command; an exception that no user should see is the test's failure."""
    done = CliRunner().invoke(main, [str(one) for one in arguments], input=stdin, catch_exceptions=False)
    return Ended(code=done.exit_code, out=done.stdout, err=done.stderr)
