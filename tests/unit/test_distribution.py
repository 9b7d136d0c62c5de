"""How the tests are shared among processes: what shares a node stays together, the longest starts first, others give way."""

import os
import subprocess
import sys
from collections import OrderedDict
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import pytest

from tests.distribution import (
    ALONE,
    DEMO,
    HALF,
    KUBE,
    LONG,
    NICE,
    ON_A_NODE,
    PATIENCE,
    TIMED,
    Groups,
    gives_way,
    group,
    may_restore_priority,
    patient,
    turn,
)

ROOT = Path(__file__).parents[2]
CONFTEST = """
from tests.distribution import Groups, gives_way, longest_first, lower_priority, number_of, restore_priority

def pytest_configure(config):
    worker = getattr(config, "workerinput", None)
    if worker is not None and gives_way(number_of(worker["workerid"]), worker["workercount"]):
        lower_priority()

def pytest_xdist_make_scheduler(config, log):
    config.option.loadscopereorder = False
    return Groups(config, log)

def pytest_collection_modifyitems(items):
    longest_first(items)

def pytest_runtest_setup(item):
    restore_priority(item.nodeid)
"""
TEST = """
import os, pathlib, time

def test_one():
    here = pathlib.Path(__file__)
    for event in ("begins", "ends"):
        with (here.parents[2] / "runs").open("a") as stream:
            print(event, here.parent.name, os.getpid(), os.nice(0), file=stream)
        time.sleep(0.1)
"""


@pytest.mark.parametrize("place", [*(f"{ON_A_NODE}{file}" for file in HALF), *LONG, *TIMED, DEMO])
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
        ("tests/e2e/kube/test_end.py::test_a", "tests/e2e/kube/"),
        ("tests/e2e/test_demo.py::test_a", "tests/e2e/test_demo.py"),
        ("tests/attack/test_attacks.py::test_a", ALONE),
    ],
)
def test_groups(test, expected):
    assert group(test) == expected


def test_turns():
    files = [
        "tests/attack/test_attacks.py",
        "tests/e2e/node/test_guides.py",
        "tests/e2e/node/test_certificate.py",
        "tests/e2e/kube/test_end.py",
        "tests/e2e/test_guides.py",
        "tests/unit/test_site.py",
    ]
    turns = [turn(file) for file in files]
    assert turns == sorted(set(turns))
    assert turn("tests/bench/test_a.py") == turn("tests/unit/test_site.py")


@pytest.mark.parametrize(("processes", "expected"), [(1, []), (2, [1]), (3, [2]), (4, [2, 3]), (5, [3, 4])])
def test_which_processes_give_way(processes, expected):
    assert [one for one in range(processes + 2) if gives_way(one, processes)] == expected


def test_a_process_at_a_low_priority_waits_longer(monkeypatch):
    monkeypatch.setattr(os, "nice", lambda _: 0)
    assert patient(0.5) == 0.5
    monkeypatch.setattr(os, "nice", lambda _: NICE)
    assert patient(0.5) == 0.5 * PATIENCE


def share(folder: Path, **tests: int) -> list[list[str]]:
    """Run so many tests of each folder in three processes; return event, folder, process and priority, in turn."""
    (folder / "pytest.ini").write_text("[pytest]\n")
    (folder / "conftest.py").write_text(CONFTEST)
    for name, count in tests.items():
        (folder / "tests" / name).mkdir(parents=True)
        for number in range(count):
            (folder / "tests" / name / f"test_{name}{number}.py").write_text(TEST)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--numprocesses=3", str(folder)]
    done = subprocess.run(
        command, cwd=folder, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
    return [line.split() for line in (folder / "runs").read_text().splitlines()]


def test_what_measures_runs_first_and_what_has_time_limits_at_full_priority(tmp_path):
    """A real run in three processes: each test writes when it begins and ends, and the priority of its process."""
    runs = share(tmp_path, attack=6, demo=6, e2e=3, unit=12)
    timed = [(event, folder) for event, folder, *_ in runs if folder not in {"unit", "e2e"}]
    assert timed[:12] == [("begins", "attack"), ("ends", "attack")] * 6
    assert len(timed) == 2 * (6 + 6)
    begun = [folder for event, folder, *_ in runs if event == "begins"]
    assert "e2e" in begun[: begun.index("demo")]
    one, other = ({process for _, folder, process, _ in runs if folder == place} for place in ("attack", "e2e"))
    assert (len(one), len(other), one & other) == (1, 1, set())
    here = os.nice(0)
    assert {int(nice) for _, folder, _, nice in runs if folder != "unit"} == {here}
    assert min(here + NICE, 19) in {int(nice) for _, folder, _, nice in runs if folder == "unit"}
    assert len({process for _, _, process, _ in runs}) == 3


def test_a_process_at_a_low_priority_helps_with_time_limits_at_the_end(tmp_path):
    """At full priority, so only where it may have that again."""
    runs = share(tmp_path, attack=1, demo=20, unit=1)
    (low,) = {process for _, folder, process, _ in runs if folder == "unit"}
    helped = [int(nice) for _, folder, process, nice in runs if folder == "demo" and process == low]
    assert set(helped) == ({os.nice(0)} if may_restore_priority() else set())


def test_one_process_does_not_take_both_halves_of_the_tests_on_a_node():
    """It chooses what follows minutes before its half ends, when the other process is not free yet."""
    node = Mock(gateway=SimpleNamespace(id="gw0"))
    half, other_half = (f"{ON_A_NODE}{each}" for each in ("half", "other half"))
    groups = Groups.__new__(Groups)
    groups.numnodes, groups._takes_late_ones = 3, False
    groups.assigned_work = {node: OrderedDict({half: {"a": False}})}
    groups.workqueue = OrderedDict({other_half: {"b": False}, KUBE: {"c": False}})
    groups.registered_collections = {node: ["a", "b", "c"]}
    groups._assign_work_unit(node)
    assert list(groups.workqueue) == [other_half]
    groups._assign_work_unit(node)
    assert not groups.workqueue
