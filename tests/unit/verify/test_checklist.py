"""Every rule and every pitfall has a test that carries its number."""

import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.unit.verify.checklist import PITFALLS, RULES

ROOT = Path(__file__).parents[3]
FOLDERS = ("tests/unit/verify", "tests/unit/evidence", "tests/unit/referrers", "tests/unit/policy", "tests/fuzz")
"""Where tests of verification are; collected by a process of its own when this run has not collected them all."""
TITLES = {**RULES, **PITFALLS}
NUMBER = re.compile(r"(?<![A-Za-z0-9])(N[0-9]+b?|pitfall-9-[0-9]+)(?![0-9a-z])")


def numbers(ids: Iterable[str]) -> set[str]:
    """Return the numbers in the ids of tests, those in functions' names too: ``test_n24_...``, ``test_pitfall_9_1_...``."""
    found: set[str] = set()
    for test_id in ids:
        name = re.sub(r"(?<=_)n(?=[0-9]+_)", "N", test_id.partition("::")[2]).replace("_", "-")
        found.update(NUMBER.findall(name))
    return found


def collected() -> list[str]:
    command = [sys.executable, "-m", "pytest", "--collect-only", "--quiet", *FOLDERS]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return [line for line in done.stdout.splitlines() if "::" in line]


def test_every_number_has_a_test(request: pytest.FixtureRequest):
    """A rule without a test is a rule that a change may break unseen."""
    wanted = {*TITLES}
    if wanted - numbers(item.nodeid for item in request.session.items):
        missing = wanted - numbers(collected())
        assert not missing, {number: title for number, title in TITLES.items() if number in missing}


def test_no_test_has_a_number_that_is_none(request: pytest.FixtureRequest):
    """A number that is in no table is a slip of the pen."""
    assert numbers(item.nodeid for item in request.session.items) <= {*TITLES}


def test_the_page_lists_every_rule():
    page = (ROOT / "docs/reference/notation-rules.md").read_text()
    assert dict(re.findall(r"^\| (N[0-9]+b?) \| (.+) \|$", page, re.MULTILINE)) == {**RULES}


def test_code_names_every_rule_and_no_other():
    """Comments of the product use the same numbers, so that a rule is found where it is kept."""
    sources = (ROOT / "controller/tidegate").rglob("*.py")
    named = {number for path in sources for number in re.findall(r"\bN[0-9]{1,2}b?\b", path.read_text())}
    assert named == {*RULES}


@pytest.mark.parametrize(
    ("test_id", "expected"),
    [
        ("tests/a.py::test_x[N54-other-root]", {"N54"}),
        ("tests/a.py::test_x[N31b-other-order]", {"N31b"}),
        ("tests/a.py::test_x[strict-N54-N68-a]", {"N54", "N68"}),
        ("tests/a.py::test_x[pitfall-9-18: a NUL at the end]", {"pitfall-9-18"}),
        ("tests/a.py::test_pitfall_9_1_none", {"pitfall-9-1"}),
        ("tests/a.py::test_n24_the_largest", {"N24"}),
        ("tests/N1.py::test_x[XN1]", set()),
        ("tests/a.py::test_x[CN1x]", set()),
    ],
)
def test_numbers_are_read_from_ids(test_id: str, expected: set[str]):
    """In parameters and in names, never as a part of another."""
    assert numbers([test_id]) == expected


def test_the_tables_have_no_gap():
    """All rules and all pitfalls, in order."""
    assert list(RULES) == [f"N{n}{b}" for n in range(1, 69) for b in (("", "b") if n == 31 else ("",))]
    assert list(PITFALLS) == [f"pitfall-9-{n}" for n in range(1, 21)]
