"""A part of the control plane or the node that can't be had fails the end-to-end tests where CI is set; elsewhere they skip."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.distribution import patient

ROOT = Path(__file__).parents[2]
TEST = "tests/e2e/test_control_plane.py::test_a_namespace_takes_pods_at_once"
NODE_TEST = "tests/e2e/node/test_installed.py::test_both_replicas_become_ready_at_the_first_try"


@pytest.mark.parametrize(
    ("test", "told"),
    [
        pytest.param(TEST, ("no control plane:", "set TIDEGATE_CACHE to a folder that can"), id="the control plane"),
        pytest.param(NODE_TEST, ("no node: a node needs ",), id="the node"),
    ],
)
@pytest.mark.parametrize(
    ("environment", "outcome"),
    [
        pytest.param({"CI": "true"}, "1 error", id="fails with CI=true"),
        pytest.param({}, "1 skipped", id="skips without CI"),
    ],
)
def test_a_missing_part(
    tmp_path: Path, environment: dict[str, str], outcome: str, test: str, told: tuple[str, ...]
) -> None:
    """No program on PATH, and a cache that can't be made: nothing can be built either."""
    (tmp_path / "file").touch()
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", test]
    bare = {"PATH": str(tmp_path), "HOME": str(tmp_path), "TIDEGATE_CACHE": str(tmp_path / "file" / "cache")}
    done = subprocess.run(
        command, cwd=ROOT, env=bare | environment, capture_output=True, text=True, timeout=patient(60), check=False
    )
    assert outcome in done.stdout
    assert all(words in done.stdout for words in told)
