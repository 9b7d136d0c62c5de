"""Waiting is told in the log of a pipeline: when what is waited for changes, and once a minute."""

from unittest.mock import Mock

import pytest

from tidegate.cli.progress import show_waiting


def test_a_line_comes_when_something_changes_and_once_a_minute(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    told = [("two", 600.0), ("two", 585.0), ("one", 570.0), ("one", 510.1), ("one", 510.0)]
    monkeypatch.setattr(
        "tidegate.cli.progress.time", Mock(monotonic=Mock(side_effect=[1600 - left for _, left in told]))
    )
    with show_waiting(600) as tell:
        for what, left in told:
            tell(what, left)
    assert capsys.readouterr().err.splitlines() == ["two, 10 min left", "one, 9 min left", "one, 8 min left"]
