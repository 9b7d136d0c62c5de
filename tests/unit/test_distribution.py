"""How the tests are shared among processes: what starts a cluster together stays together, and the longest starts first."""

from pathlib import Path

import pytest

from tests.distribution import BY_THEMSELVES, LONG, ON_A_NODE, UPGRADES, group, turn

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("file", [*(f"{ON_A_NODE}{name}" for name in (*BY_THEMSELVES, *UPGRADES)), *LONG])
def test_what_it_names_exists(file):
    assert (ROOT / file).exists()


@pytest.mark.parametrize(
    ("test", "expected"),
    [
        ("tests/unit/a/test_b.py::TestC::test_d[e::f/g.py]", "tests/unit/a/test_b.py"),
        ("tests/e2e/node/test_installed.py::test_a", "tests/e2e/node/others"),
        ("tests/e2e/node/test_certificate.py::test_a", "tests/e2e/node/others"),
        ("tests/e2e/node/test_certificate_modes.py::test_a", "tests/e2e/node/upgrades"),
        ("tests/e2e/node/test_guides.py::test_a", "tests/e2e/node/test_guides.py"),
        ("tests/e2e/test_guides.py::test_a", "tests/e2e/test_guides.py"),
    ],
)
def test_groups(test, expected):
    assert group(test) == expected


def test_a_group_has_one_turn():
    files = [path.relative_to(ROOT).as_posix() for path in (ROOT / "tests").rglob("test_*.py")]
    turns: dict[str, set[int]] = {}
    for file in files:
        turns.setdefault(group(file), set()).add(turn(file))
    assert [name for name, found in turns.items() if len(found) > 1] == []
    assert turn("tests/e2e/node/test_guides.py") < turn("tests/e2e/test_guides.py") < turn("tests/unit/test_site.py")
