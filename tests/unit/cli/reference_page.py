"""The examples that the help of commands shows."""

import re
from pathlib import Path

from reference import commands

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "cli.md"


def examples() -> list[list[str]]:
    """The words of each ``tidegate`` command that a help shows as an example."""
    shown = [text.partition("  Example")[2].partition("\n\n")[0] for text in commands().values()]
    lines = re.sub(r" \\\n +", " ", "\n".join(shown)).splitlines()
    found = [re.sub(r"^.* \| | > .*$", "", line).split() for line in lines]
    return [words[1:] for words in found if words[:1] == ["tidegate"]]
