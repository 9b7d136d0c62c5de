"""The pipelines of docs/guides/ci.md: their commands are run as they are, beside a simulated AWS."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import yaml

from tests.guides import blocks_of
from tests.integration.cli.desk import Desk, policy
from tests.integration.cli.test_check import BAD, GOOD, NO_CRITICAL, deployment
from tests.sarif import valid_run
from tests.simulator import Simulator, World

ADMITTED, REFUSED = 0, 1


class Runner:
    """A checkout of a repository with manifests and policies, in which the commands of a pipeline run."""

    def __init__(self, desk: Desk, sim: Simulator) -> None:
        self.folder = desk.folder / "repository"
        (self.folder / "deploy").mkdir(parents=True)
        programs = desk.folder / "bin"
        programs.mkdir()
        (programs / "tidegate").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m tidegate "$@"\n')
        (programs / "tidegate").chmod(0o755)
        (self.folder / "policies.yaml").write_text(yaml.safe_dump(policy(**NO_CRITICAL)))
        path = f"{programs}:{os.environ['PATH']}"
        self._environment = {"PATH": path, "HOME": str(desk.folder), **sim.environment()}

    def deploy(self, *images: str) -> None:
        (self.folder / "deploy" / "web.yaml").write_text(yaml.safe_dump(deployment("web", *images)))

    def run(self, command: str) -> tuple[int, str]:
        """Run a command as the services do; return its exit code and its standard output."""
        done = subprocess.run(
            ["bash", "-ec", command],
            cwd=self.folder,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert "Traceback" not in done.stderr
        return done.returncode, done.stdout


@pytest.fixture
def runner(desk: Desk, sim: Simulator, world: World) -> Runner:
    world.add_image("team/bad", "v1")
    world.add_finding("team/bad", "v1", severity="CRITICAL", id="CVE-2099-0001")
    return Runner(desk, sim)


def test_the_workflow_of_github(runner: Runner, request: pytest.FixtureRequest) -> None:
    (block,) = blocks_of(request)
    (job,) = yaml.safe_load(block.text)["jobs"].values()
    uses = re.findall(r"uses: (.*)", block.text)
    assert all(re.fullmatch(r"[a-z-]+(/[a-z-]+)+@[0-9a-f]{40} # v[0-9.]+", one) for one in uses), (
        "pin actions by commit"
    )
    steps = {step["name"]: step for step in job["steps"] if "name" in step}
    for images, code in (((GOOD,), ADMITTED), ((GOOD, BAD), REFUSED)):
        runner.deploy(*images)
        ended, said = runner.run(steps["Check the images"]["run"])
        log = json.loads((runner.folder / steps["Show the alerts"]["with"]["sarif_file"]).read_text())
        assert ended == code
        assert len(valid_run(log)["results"]) == len(images) - 1
    first = said.splitlines()[0]
    assert first.startswith("::error file=deploy/web.yaml,line=")
    assert "CVE-2099-0001" in first


def test_the_pipeline_of_gitlab(runner: Runner, request: pytest.FixtureRequest) -> None:
    (block,) = blocks_of(request)
    (job,) = yaml.safe_load(block.text).values()
    (command,) = job["script"]
    assert job["artifacts"]["when"] == "always"
    require_cases(runner, command, job["artifacts"]["reports"]["junit"])


def test_the_build_of_codebuild(runner: Runner, request: pytest.FixtureRequest) -> None:
    (block,) = blocks_of(request)
    build = yaml.safe_load(block.text)
    (command,) = build["phases"]["build"]["commands"]
    (report,) = build["reports"].values()
    (file,) = report["files"]
    assert report["file-format"] == "JUNITXML"
    require_cases(runner, command, file)


def require_cases(runner: Runner, command: str, file: str) -> None:
    """Require a test case for each image, and a failure where one is refused."""
    for images, code in (((GOOD,), ADMITTED), ((GOOD, BAD), REFUSED)):
        runner.deploy(*images)
        ended, said = runner.run(command)
        suites = ET.parse(runner.folder / file).getroot()
        assert (ended, int(suites.attrib["tests"])) == (code, len(images))
        assert int(suites.attrib["failures"]) == len(images) - 1
        assert GOOD in said


def test_a_report_of_an_earlier_run_is_not_taken_for_new(runner: Runner) -> None:
    """Where the input is invalid there is no report, and so nothing to upload."""
    runner.deploy(GOOD)
    command = (
        "tidegate check -f deploy/ --policy policies.yaml --report sarif=tidegate.sarif --report json=tidegate.json"
    )
    assert runner.run(command)[0] == ADMITTED
    assert {path.name for path in runner.folder.glob("tidegate.*")} == {"tidegate.sarif", "tidegate.json"}
    (runner.folder / "deploy" / "api.yaml").write_text("kind: [")
    assert runner.run(command)[0] == 2
    assert list(runner.folder.glob("tidegate.*")) == []


@pytest.mark.parametrize("text", ["sarif", "sarif=", "text=a", "github=a", "=a"])
def test_a_report_of_another_format_cannot_be_used(desk: Desk, text: str) -> None:
    ended = desk.check(GOOD, "--report", text)
    assert (ended.code, ended.out) == (2, "")
    assert "expected FORMAT=FILE with one of the formats json, sarif, junit" in ended.err


def test_a_report_that_cannot_be_written_is_an_error_before_anything_is_asked(desk: Desk, sim: Simulator) -> None:
    ended = desk.check(GOOD, "--report", f"sarif={desk.folder / 'none' / 'a.sarif'}")
    assert (ended.code, ended.out, sim.calls()) == (2, "", 0)
    assert "cannot be written: No such file or directory" in ended.err


def test_a_link_stays(desk: Desk) -> None:
    """As /dev/stdout, which root could delete."""
    link, file = desk.folder / "out", desk.folder / "file"
    file.write_text("before")
    link.symlink_to(file)
    assert desk.check(GOOD, "--report", f"json={link}").code == ADMITTED
    assert (link.is_symlink(), json.loads(file.read_text())[0]["state"]) == (True, "Allowed")


def test_a_report_that_cannot_be_written_any_more_is_an_error(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        Path, "write_text", lambda *_, **__: (_ for _ in ()).throw(OSError(28, "No space left on device"))
    )
    ended = desk.check(GOOD, "--report", f"sarif={desk.folder / 'a.sarif'}")
    assert (ended.code, ended.out) == (2, "")
    assert "a.sarif cannot be written: No space left on device" in ended.err
