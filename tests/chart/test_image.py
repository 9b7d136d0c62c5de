"""What the Dockerfile says, read without an engine: who runs, what is installed, what may enter."""

import fnmatch
import importlib.metadata
import json
import re
import runpy
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


def test_the_image_starts_empty_and_takes_everything_from_the_one_base_that_the_builder_chooses():
    assert of("ARG")[0].startswith("BASE=")
    assert of("FROM") == ["${BASE} AS builder", "scratch"]
    assert [word for word, _ in final_stage() if word in {"RUN", "ADD"}] == []


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
    entered = {entry for entry in let_in for source in copied if Path(source).is_relative_to(entry)}
    assert entered == let_in
    assert all(any(Path(source).is_relative_to(entry) for entry in let_in) for source in copied)
    assert all((ROOT / source).exists() for source in copied)
    assert any(fnmatch.fnmatch("controller/tidegate/__pycache__", pattern) for pattern in ignored)


def test_the_package_is_compiled_as_its_layer_is_made_and_pip_compiles_nothing():
    """The rest is compiled by the script that collects it; tests/e2e/node/test_image.py looks at the result."""
    (compiled,) = [part for run in of("RUN") for part in run.split("&&") if "compileall" in part]
    assert "-f -q --invalidation-mode unchecked-hash" in compiled
    by_pip = [part for run in of("RUN") for part in run.split("&&") if "--python /opt/tidegate" in part]
    assert by_pip
    assert all("--no-compile" in command for command in by_pip)
    assert container(render())["securityContext"]["readOnlyRootFilesystem"] is True


def test_the_models_of_every_aws_service_that_the_code_calls_are_kept():
    script = runpy.run_path(str(ROOT / "deploy" / "image" / "root.py"))
    sources = (ROOT / "controller" / "tidegate" / "aws").glob("*.py")
    called = {name for source in sources for name in re.findall(r'Api\("([a-z0-9-]+)", "', source.read_text())}
    assert called == {"ecr", "inspector2", "kms", "signer-data", "sqs", "sts"}
    # Credentials come by the others.
    assert called | {"sso", "sso-oidc", "signin"} == script["AWS_SERVICES"]
