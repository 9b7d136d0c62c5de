"""What the Dockerfile says, read without an engine: who runs, what is installed, what may enter."""

import fnmatch
import importlib.metadata
import json
import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement

from tests.chart.render import container, pod_spec, render

ROOT = Path(__file__).resolve().parents[2]


def instructions() -> list[tuple[str, str]]:
    """Return the Dockerfile's instructions with their arguments, comments gone and continued lines joined."""
    text = re.sub(r"^\s*#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    lines = [line for line in text.replace("\\\n", " ").splitlines() if line.strip()]
    return [(word, " ".join(rest.split())) for word, _, rest in (line.partition(" ") for line in lines)]


def of(word: str) -> list[str]:
    return [argument for name, argument in instructions() if name == word]


def final_stage() -> list[tuple[str, str]]:
    everything = instructions()
    last = max(index for index, (word, _) in enumerate(everything) if word == "FROM")
    return everything[last:]


def test_both_stages_start_from_the_one_base_that_the_builder_chooses():
    assert of("ARG")[0].startswith("BASE=")
    assert of("FROM") == ["${BASE} AS builder", "${BASE}"]


def test_the_pods_run_as_the_image_s_user_who_is_not_root():
    (user,) = [argument for word, argument in final_stage() if word == "USER"]
    security = pod_spec(render())["securityContext"]
    assert user == f"{security['runAsUser']}:{security['runAsGroup']}"
    assert security["runAsUser"] != 0


def test_the_entry_point_is_the_package_s_own_program_and_the_chart_gives_it_arguments_only():
    (entry,) = [json.loads(argument) for word, argument in final_stage() if word == "ENTRYPOINT"]
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert [Path(program).name for program in entry] == ["tidegate"]
    assert "tidegate" in scripts
    assert "command" not in container(render())


def test_whatever_is_downloaded_is_checked_against_a_lock():
    installs = [command for command in of("RUN") if "install" in command]
    assert installs
    for command in (part for run in installs for part in run.split("&&") if " install" in part):
        assert "--require-hashes" in command or "--no-index" in command, command


def test_the_build_backend_and_all_it_needs_come_from_the_lock():
    (command,) = [run for run in of("RUN") if "keep" in run]
    named = set(re.search(r"\^\(([a-z|-]+)\)==", command)[1].split("|"))  # type: ignore[index]
    needed, open_names = set[str](), ["hatchling"]
    while open_names:
        name = open_names.pop()
        needed.add(name)
        requirements = map(Requirement, importlib.metadata.requires(name) or [])
        wanted = [one.name for one in requirements if not one.marker or one.marker.evaluate({"extra": ""})]
        open_names += [name for name in wanted if name not in needed]
    assert named == needed
    locked = (ROOT / "locks" / "dev.txt").read_text()
    assert all(re.search(rf"^{name}==", locked, re.MULTILINE) for name in named)


def test_everything_that_is_copied_may_enter_and_nothing_else():
    ignored = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    assert ignored[0] == "*"
    let_in = {line.removeprefix("!") for line in ignored if line.startswith("!")}
    copied = [source for argument in of("COPY") if "--from" not in argument for source in argument.split()[:-1]]
    tops = {source.split("/")[0] for source in copied}
    assert tops == let_in
    assert all((ROOT / source).exists() for source in copied)
    assert any(fnmatch.fnmatch("controller/tidegate/__pycache__", pattern) for pattern in ignored)


def test_python_s_own_library_and_the_package_are_compiled_since_the_root_is_read_only():
    compiled = [part for run in of("RUN") for part in run.split("&&") if "compileall" in part]
    assert len(compiled) == 3
    assert all("-f -q --invalidation-mode unchecked-hash" in command for command in compiled)
    by_pip = [part for run in of("RUN") for part in run.split("&&") if "--python /opt/tidegate" in part]
    assert by_pip
    assert all("--no-compile" in command for command in by_pip)
    assert container(render())["securityContext"]["readOnlyRootFilesystem"] is True
