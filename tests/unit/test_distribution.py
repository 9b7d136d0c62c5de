"""How the tests are shared among processes: what shares a node stays together, and the longest starts first."""

from pathlib import Path

import pytest

from tests.distribution import DEMO, HALF, LONG, ON_A_NODE, group, turn

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("place", [*(f"{ON_A_NODE}{file}" for file in HALF), *LONG, DEMO])
def test_what_it_names_exists(place):
    assert (ROOT / place).exists()


@pytest.mark.parametrize(
    ("test", "expected"),
    [
        ("tests/unit/a/test_b.py::TestC::test_d[e::f/g.py]", "tests/unit/a/test_b.py"),
        ("tests/e2e/node/test_installed.py::test_a", "tests/e2e/node/other half"),
        ("tests/e2e/node/test_certificate.py::test_a", "tests/e2e/node/other half"),
        ("tests/e2e/node/test_certificate_modes.py::test_a", "tests/e2e/node/half"),
        ("tests/e2e/node/test_guides.py::test_a", "tests/e2e/node/half"),
        ("tests/e2e/test_guides.py::test_a", "tests/e2e/"),
        ("tests/e2e/kube/test_end.py::test_a", "tests/e2e/"),
        ("tests/e2e/test_demo.py::test_a", "tests/e2e/test_demo.py"),
    ],
)
def test_groups(test, expected):
    assert group(test) == expected


def test_turns():
    files = [
        "tests/e2e/node/test_guides.py",
        "tests/e2e/node/test_certificate.py",
        "tests/e2e/test_guides.py",
        "tests/attack/test_attacks.py",
        "tests/unit/test_site.py",
    ]
    turns = [turn(file) for file in files]
    assert turns == sorted(set(turns))
    assert turn("tests/bench/test_a.py") == turn("tests/unit/test_site.py")
