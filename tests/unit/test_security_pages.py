"""What docs/security says of tests is true: each named test exists, and each threat of the Kubernetes paper is answered."""

import ast
import functools
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
PAGES = TESTS.parent / "docs" / "security"
NAMED = re.compile(r"`([a-z0-9_/]+\.py)::([A-Za-z0-9_:]+)`")
THREATS = 18


def rows(page: str) -> list[list[str]]:
    """Return the cells of every line of the page's tables, headings left out."""
    lines = [line for line in (PAGES / page).read_text().splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    return [line for line in cells if line[0] not in {"attack", "no.", "who", "resource"}]


@functools.cache
def names_in(path: Path) -> frozenset[str]:
    """Return the tests of a file, those of classes as ``Class::test``."""
    found = []
    for node in ast.parse(path.read_text()).body:
        inside = node.body if isinstance(node, ast.ClassDef) else [node]
        before = f"{node.name}::" if isinstance(node, ast.ClassDef) else ""
        found += [before + one.name for one in inside if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)]
    return frozenset(found)


ATTACKS = rows("bypasses.md")


@pytest.mark.parametrize("row", ATTACKS, ids=[row[0][:40] for row in ATTACKS])
def test_every_attack_has_a_defence_and_tests_that_exist(row):
    assert len(row) == 3, row
    assert row[1]
    named = NAMED.findall(row[2])
    assert named, row
    for path, name in named:
        there = (TESTS / path).is_file() and name in names_in(TESTS / path)
        elsewhere = [str(one.relative_to(TESTS)) for one in TESTS.rglob("test_*.py") if name in names_in(one)]
        assert there, f"{path}::{name} is not there; a test of that name is in {elsewhere or 'no file'}"


def test_every_threat_of_the_kubernetes_paper_is_answered():
    threats = [row for row in rows("threat-model.md") if row[0].isdigit()]
    assert [int(row[0]) for row in threats] == list(range(1, THREATS + 1))
    assert all(row[2] for row in threats)


def test_the_security_policy_leads_here():
    text = (TESTS.parent / "SECURITY.md").read_text()
    for page in PAGES.glob("*.md"):
        assert f"docs/security/{page.name}" in text
