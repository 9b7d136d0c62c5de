"""A signing program that can't be had fails the interop tests where CI is set; elsewhere they skip."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.distribution import patient

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("environment", "outcome"),
    [
        pytest.param({"CI": "true"}, "1 error", id="fails with CI=true"),
        pytest.param({}, "1 skipped", id="skips without CI"),
    ],
)
@pytest.mark.parametrize("program", ["notation", "cosign"])
def test_a_missing_signer(tmp_path: Path, environment: dict[str, str], outcome: str, program: str) -> None:
    """No program on PATH, and a cache that can't be made: nothing can be built either."""
    (tmp_path / "file").touch()
    test = f"tests/e2e/interop/test_programs.py::test_{program}_is_the_pinned_one"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", test]
    bare = {"PATH": str(tmp_path), "HOME": str(tmp_path), "TIDEGATE_CACHE": str(tmp_path / "file" / "cache")}
    done = subprocess.run(
        command, cwd=ROOT, env=bare | environment, capture_output=True, text=True, timeout=patient(60), check=False
    )
    assert outcome in done.stdout
    assert f"no {program}:" in done.stdout
    assert "set TIDEGATE_CACHE to a folder that can" in done.stdout
