"""Nothing in this folder opens a socket: what these commands do with files, they do offline."""

import pytest

from tests.simulator.manifests import Manifest, image
from tests.unit.cli.layouts import Layout
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
