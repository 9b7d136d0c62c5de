"""What the demo runs on where a node can't be had."""

from __future__ import annotations

import pytest

from tests.cluster import ToolchainError
from tests.demo import clusters


@pytest.fixture(autouse=True)
def _without_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clusters, "prepare_node", lambda: "a node needs root")


def test_it_says_why_and_falls_back(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    class StartedError(Exception):
        pass

    def control_plane() -> None:
        raise StartedError

    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setattr(clusters, "_on_a_control_plane", control_plane)
    with pytest.raises(StartedError), clusters.demo_cluster():
        pass
    assert "No Pod will run: a node needs root." in capsys.readouterr().out


def test_it_fails_where_ci_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(ToolchainError, match="a node needs root"), clusters.demo_cluster():
        pass
