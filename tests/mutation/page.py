"""The table of docs/security/mutation.md: read, and written anew for the modules that were run."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime

from tests.mutation.areas import AREAS, ROOT

PAGE = ROOT / "docs" / "security" / "mutation.md"
HEADING = "| module | noticed | of | score | run on |"
NOT_RUN = "not run yet"

Row = tuple[int, int, str]
"""How many faults were noticed, how many there were, and the day."""


def read_rows(text: str) -> dict[str, Row]:
    """Return what the table says of each module that was run."""
    found = re.findall(r"^\| `([^`]+)` \| (\d+) \| (\d+) \| \d+ % \| ([0-9-]+) \|$", text, re.MULTILINE)
    return {module: (int(noticed), int(count), day) for module, noticed, count, day in found}


def table(rows: Mapping[str, Row]) -> str:
    """Return the table: every area, those that were not run too."""
    lines = [HEADING, "|---|---|---|---|---|"]
    for module in AREAS:
        if module in rows:
            noticed, count, day = rows[module]
            lines.append(f"| `{module}` | {noticed} | {count} | {100 * noticed // count} % | {day} |")
        else:
            lines.append(f"| `{module}` | | | | {NOT_RUN} |")
    return "\n".join(lines) + "\n"


def write_scores(scores: Mapping[str, tuple[int, int]]) -> None:
    """Put the scores of the modules that were run into the page; what it says of the others stays."""
    text, day = PAGE.read_text(), f"{datetime.now(UTC):%Y-%m-%d}"
    rows = read_rows(text) | {module: (*score, day) for module, score in scores.items()}
    before, rest = text.split(HEADING, 1)
    after = rest[rest.index("\n\n") + 1 :]
    PAGE.write_text(before + table(rows) + after)
