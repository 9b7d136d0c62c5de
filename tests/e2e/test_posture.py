"""``tidegate posture`` as a person calls it: the guide's commands, beside a simulated AWS and a real API server."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.chart.render import custom_resource_definitions
from tests.cluster import ControlPlane, program
from tests.guides import TESTS, Shell, blocks_of
from tests.integration.cli.test_posture import EXPIRES, GOOD, HOST, RESTRICTED, verdict_of
from tests.sarif import valid_run
from tests.simulator import Simulator, World

SCHEMA = json.loads((TESTS.parent / "docs/reference/posture.schema.json").read_text())


@pytest.fixture
def aws() -> Iterator[Simulator]:
    """Give a registry with a repository in order, an open one, and one whose lifecycle policy expires what runs."""
    world = World()
    world.add_repository("team/good", **GOOD)
    world.add_repository("team/open", mutability="MUTABLE", policy=None, lifecycle=GOOD["lifecycle"])
    world.add_repository("team/web", policy=RESTRICTED, lifecycle=EXPIRES)
    world.add_image("team/web", "v1", pushed_at="-25d")
    with Simulator(world) as aws:
        yield aws


@pytest.fixture
def shell(control_plane: ControlPlane, aws: Simulator, tmp_path: Path) -> Iterator[Shell]:
    control_plane.apply_definitions(custom_resource_definitions())
    shell = Shell(tmp_path, control_plane, aws.environment())
    shell.put("kubectl", str(program("kubectl")))
    shell.put("tidegate", sys.executable, "-m", "tidegate")
    yield shell
    control_plane.kubectl("delete", "imageverdicts", "--all")


def test_the_guide(shell: Shell, aws: Simulator, control_plane: ControlPlane, request: pytest.FixtureRequest) -> None:
    running: dict[str, Any] = verdict_of("team/web", aws.world.image("team/web", "v1").digest)
    control_plane.apply([running])
    for block in blocks_of(request):
        shell.run(block)
    jsonschema.validate(json.loads((shell.folder / "posture.json").read_text()), SCHEMA)
    valid_run(json.loads((shell.folder / "posture.sarif").read_text()))
    assert (shell.folder / "posture.html").read_text().startswith("<!DOCTYPE html>")
    assert "tidegate_posture_open{" in (shell.folder / "posture.prom").read_text()
    assert "team/web" in shell.command("tidegate posture --running verdicts.yaml -o json || true")
    assert HOST in (shell.folder / "verdicts.yaml").read_text()
