"""``tidegate report`` beside a real API server: the guide's commands, and every way in which it reads a cluster."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest

from tests.chart.render import custom_resource_definitions
from tests.cluster import ControlPlane, program
from tests.guides import TESTS, Shell, blocks_of
from tests.unit.cli.commands import run
from tests.verdict_objects import shop
from tidegate.cluster import api

SCHEMA = json.loads((TESTS.parent / "docs/reference/report.schema.json").read_text())


@pytest.fixture
def shell(control_plane: ControlPlane, tmp_path: Path) -> Iterator[Shell]:
    """Give a terminal beside an API server that has the verdicts of the guide."""
    control_plane.apply_definitions(custom_resource_definitions())
    shell = Shell(tmp_path, control_plane)
    shell.put("kubectl", str(program("kubectl")))
    shell.put("tidegate", sys.executable, "-m", "tidegate")
    yield shell
    control_plane.kubectl("delete", "imageverdicts", "--all")
    control_plane.kubectl("delete", "clusterrole,clusterrolebinding", "tidegate-report", "--ignore-not-found")


def test_the_guide(shell: Shell, control_plane: ControlPlane, request: pytest.FixtureRequest) -> None:
    control_plane.apply(shop())
    for block in blocks_of(request):
        shell.run(block)
    reader = "kubectl get imageverdicts -o json --as=jane --as-group=platform-readers"
    assert "6 workloads would be refused" in shell.command(f"{reader} | tidegate report -f - || true")
    assert "forbidden" in shell.command("kubectl get imageverdicts --as=jane 2>&1 || true")
    jsonschema.validate(json.loads((shell.folder / "report.json").read_text()), SCHEMA)
    assert (shell.folder / "report.html").read_text().startswith("<!DOCTYPE html>")


def test_yaml_of_kubectl_is_read(shell: Shell, control_plane: ControlPlane) -> None:
    control_plane.apply(shop())
    said = shell.command("kubectl get imageverdicts -o yaml | tidegate report -f - || echo ended with $?")
    assert "6 workloads would be refused (4 images)" in said
    assert said.endswith("ended with 1\n")


def test_a_cluster_of_several_pages_is_read_whole(
    shell: Shell, control_plane: ControlPlane, monkeypatch: pytest.MonkeyPatch
) -> None:
    control_plane.apply(shop())
    monkeypatch.setenv("KUBECONFIG", str(control_plane.admin_kubeconfig))
    monkeypatch.setattr(api, "PAGE_OBJECTS", 3)
    assert json.loads(run("report", "-o", "json").out)["wouldBeRefused"]["ofImages"] == len(shop())


def test_a_cluster_without_verdicts_is_not_called_fine(shell: Shell) -> None:
    said = shell.command("tidegate report || echo ended with $?")
    assert said.endswith("ended with 2\n")
    assert "no ImageVerdict objects; check that tidegate's background role runs" in said
