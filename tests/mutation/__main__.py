"""Mutate modules and write the score: ``make mutate MODULES="checks/tag.py admission"``; without MODULES all of them.

mutmut changes one thing at a time (a comparison, a constant, a call) and runs the tests that reach it. What no test
notices has survived: a line that could be wrong without anybody knowing, or one that changes no behaviour.

It works in .mutation/, on a copy, with an environment of its own. Each module runs by itself, against its own tests, so
that a score is the same whatever else runs; it is written into docs/security/mutation.md at once. The survivors are
written, as patches, into .mutation/survivors.txt.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence

from tests.mutation.areas import PACKAGE, ROOT, SLOW, chosen
from tests.mutation.page import write_scores

MUTMUT = "mutmut==3.8.1"
WORK = ROOT / ".mutation"
TREE, ENVIRONMENT, SURVIVORS = WORK / "tree", WORK / "environment", WORK / "survivors.txt"
NOT_KILLED = frozenset({"survived", "no tests"})

SETTLED = """

def _settle_examples():
    from hypothesis import HealthCheck, settings

    settings.register_profile(
        "mutation",
        suppress_health_check=list(HealthCheck),
        deadline=None,
        derandomize=True,
        database=None,
        max_examples=25,
    )
    settings.load_profile("mutation")


_settle_examples()


@pytest.fixture(autouse=True)
def _steps_computed_again(request):
    if "notation/test_procedure.py" in request.node.nodeid:
        from tidegate.verify.notation import procedure

        procedure.STEPS = procedure._steps()
"""
"""What is added to the copy's conftest.

One process runs the same tests again and again, with the same examples. mutmut chooses the fault after the imports, so
what a module computed when it was imported is computed again.
"""


def main() -> int:
    """Mutate, and write what came of it."""
    parser = argparse.ArgumentParser(prog="make mutate", description=__doc__)
    parser.add_argument("modules", nargs="*", help="files or folders below controller/tidegate; all by default")
    parser.add_argument("--children", type=int, default=os.cpu_count() or 1, help="faults that are tried at one time")
    options = parser.parse_args()
    try:
        areas = chosen(options.modules)
    except ValueError as problem:
        parser.error(str(problem))
    make_environment()
    SURVIVORS.unlink(missing_ok=True)
    return max([mutate(area, tests, options.children) for area, tests in areas.items()])


def mutate(area: str, tests: Sequence[str], children: int) -> int:
    """Mutate one module, have its own tests notice, and write what came of it; return 1 if nothing could be tried."""
    make_tree(area, tests)
    run("mutmut", "run", "--max-children", str(children), check=False)
    results = read_results(run("mutmut", "results", "--all", "true", capture=True))
    if not scores(results):
        print(f"{area}: mutmut tried nothing; the tests have to pass in the copy first", file=sys.stderr)
        return 1
    survivors = [name for name, status in results.items() if status in NOT_KILLED]
    with SURVIVORS.open("a") as file:
        file.writelines(run("mutmut", "show", name, capture=True) + "\n" for name in survivors)
    write_scores(scores(results))
    print(f"{area}: {len(survivors)} of {len(results)} survived; see {SURVIVORS.relative_to(ROOT)}", flush=True)
    return 0


def make_environment() -> None:
    """Make an environment with the locked dependencies and mutmut, where there is none."""
    if (ENVIRONMENT / "bin" / "mutmut").exists():
        return
    uv = [sys.executable, "-m", "uv"]
    python = str(ENVIRONMENT / "bin" / "python")
    subprocess.run([*uv, "venv", "--quiet", "--python", sys.executable, str(ENVIRONMENT)], check=True)
    install = [*uv, "pip", "install", "--quiet", "--python", python]
    subprocess.run([*install, "--require-hashes", "-r", str(ROOT / "locks" / "dev.txt")], check=True)
    subprocess.run([*install, MUTMUT], check=True)


def make_tree(area: str, tests: Sequence[str]) -> None:
    """Copy what the tests need. mutmut names modules from src/ on."""
    shutil.rmtree(TREE, ignore_errors=True)
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(PACKAGE, TREE / "src" / "tidegate", ignore=ignore)
    for folder in ("tests", "docs", "deploy"):
        shutil.copytree(ROOT / folder, TREE / folder, ignore=ignore)
    with (TREE / "tests" / "conftest.py").open("a") as conftest:
        conftest.write(SETTLED)
    settings = {
        "source_paths": ["src"],
        "only_mutate": [f"src/tidegate/{area}"],
        "also_copy": ["docs", "deploy"],
        "pytest_add_cli_args_test_selection": list(tests),
        "pytest_add_cli_args": ["-p", "no:cacheprovider", "-W", "ignore", *(f"--deselect={one}" for one in SLOW)],
    }
    lines = [f"{name} = {json.dumps(value)}" for name, value in settings.items()]
    text = "\n".join(
        [(ROOT / "pyproject.toml").read_text(), "[tool.mutmut]", "use_git_change_detection = false", *lines]
    )
    (TREE / "pyproject.toml").write_text(text + "\n")


def run(program: str, *arguments: str, capture: bool = False, check: bool = True) -> str:
    """Run a program of the environment in the copy, with a low priority."""
    done = subprocess.run(
        ["nice", "-n", "19", str(ENVIRONMENT / "bin" / program), *arguments],
        cwd=TREE,
        env=os.environ | {"CI": "1"},
        stdout=subprocess.PIPE if capture else None,
        text=True,
        check=check,
    )
    return done.stdout or ""


def read_results(printed: str) -> dict[str, str]:
    """Return the status of each fault, as ``mutmut results`` prints them."""
    return dict(re.findall(r"^\s*(\S+__mutmut_\d+): ([a-z ]+)$", printed, re.MULTILINE))


def scores(results: Mapping[str, str]) -> dict[str, tuple[int, int]]:
    """Return for each module how many faults were noticed, and how many there were; one that was not finished is left out."""
    noticed, all_of_them, unfinished = Counter[str](), Counter[str](), set[str]()
    for name, status in results.items():
        module = name.split(".x", 1)[0].removeprefix("tidegate.").replace(".", "/") + ".py"
        if status == "not checked":
            unfinished.add(module)
        all_of_them[module] += 1
        noticed[module] += status not in NOT_KILLED
    return {module: (noticed[module], count) for module, count in all_of_them.items() if module not in unfinished}


if __name__ == "__main__":
    sys.exit(main())
