"""The page about dependencies names each that runs in the cluster, and no other."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NOT_DECLARED = {"aiohttp"}
"""What another package brings, and is used by name."""


def test_every_dependency_is_on_the_page():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = {re.split(r"[\[<>=!~ ]", each, maxsplit=1)[0] for each in project["dependencies"]}
    rows = re.findall(r"^\| ([^|]+) \|", (ROOT / "docs/reference/dependencies.md").read_text(), flags=re.MULTILINE)
    listed = {name for row in rows[1:] for name in row.split(", ") if not name.startswith("---")}
    assert listed - NOT_DECLARED == declared
