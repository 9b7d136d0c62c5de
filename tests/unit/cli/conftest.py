"""Nothing in this folder opens a socket: what these commands do with files, they do offline."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.simulator.manifests import Manifest, image
from tests.unit.cli.commands import Ended, run
from tests.unit.cli.layouts import Layout
from tests.unit.cli.linting import Linter
from tests.unit.cli.notation_files import NotationFiles
from tests.unit.cli.policy_cases import CaseWriter, case_writer


@pytest.fixture(autouse=True)
def _no_network(socket_disabled):
    return socket_disabled


@pytest.fixture
def layout(tmp_path) -> Layout:
    return Layout(tmp_path / "layout")


@pytest.fixture
def app(layout: Layout) -> Manifest:
    return layout.add(image("app"), "v1")


@pytest.fixture
def trust(tmp_path) -> NotationFiles:
    (tmp_path / "trust").mkdir()
    return NotationFiles(tmp_path / "trust")


@pytest.fixture
def files(tmp_path) -> NotationFiles:
    return NotationFiles(tmp_path)


@pytest.fixture
def tested(tmp_path) -> CaseWriter:
    return case_writer(tmp_path)


@pytest.fixture
def linted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Linter:
    """Write objects into a file, and lint it."""
    monkeypatch.chdir(tmp_path)

    def write(*documents: Any, arguments: tuple[object, ...] = ()) -> Ended:
        Path("policies.yaml").write_text(yaml.safe_dump_all(documents))
        return run("lint", "policies.yaml", *arguments)

    return write
