"""The wheel in a clean environment, as ``pipx install`` and ``uv tool install`` put it on a laptop: the locked dependencies alone.

Packages come from uv's cache, and from the index where that lacks one.
"""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAMS = Path(sys.executable).parent
LOCK = ROOT / "locks" / "runtime.txt"
SECONDS = 240
INDEX = ("UV_", "PIP_", "SSL_", "HTTPS_", "NO_PROXY")
"""What the environment says about the package index."""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", folder],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (made,) = folder.glob("*.whl")
    return Path(made)


def install(command: list[str | Path], home: Path, **given: object) -> Path:
    """Install in a home of its own and return the folder of the installed program."""
    programs = home / "bin"
    cache = subprocess.run([PROGRAMS / "uv", "cache", "dir"], check=True, capture_output=True, text=True).stdout.strip()
    environment = {name: value for name, value in os.environ.items() if name.startswith(INDEX)} | {
        "PATH": f"{PROGRAMS}:{os.defpath}",
        "HOME": str(home),
        "UV_CACHE_DIR": cache,
        **{name: str(value) for name, value in given.items()},
    }
    for offline in ("1", "0"):
        done = subprocess.run(
            command,
            env=environment | {"UV_OFFLINE": offline},
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS,
        )
        if done.returncode == 0:
            return programs
    raise AssertionError(done.stderr)


def tidegate(programs: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the installed program, with nothing of this environment."""
    environment = {"PATH": os.defpath, "HOME": str(programs.parent)}
    return subprocess.run(
        [programs / "tidegate", *arguments], env=environment, capture_output=True, text=True, check=False, timeout=60
    )


def assert_works(programs: Path) -> None:
    assert tidegate(programs, "--version").stdout.startswith("tidegate, version ")
    for command in ("check", "explain", "verify", "preflight", "report", "admission", "background"):
        done = tidegate(programs, command, "--help")
        assert (done.returncode, done.stderr) == (0, ""), command
    refused = tidegate(programs, "check", "docker.io/library/nginx:1")
    assert refused.returncode in {1, 2}, refused.stderr
    assert "nginx" in refused.stdout


@pytest.mark.timeout(2 * SECONDS + 120)
def test_uv_tool_install(wheel: Path, tmp_path: Path):
    command: list[str | Path] = [
        PROGRAMS / "uv",
        "tool",
        "install",
        "--python",
        sys.executable,
        "--constraints",
        LOCK,
        wheel,
    ]
    programs = install(command, tmp_path, UV_TOOL_DIR=tmp_path / "tools", UV_TOOL_BIN_DIR=tmp_path / "bin")
    assert_works(programs)


@pytest.mark.timeout(2 * SECONDS + 120)
def test_pipx_install(wheel: Path, tmp_path: Path):
    command: list[str | Path] = [
        PROGRAMS / "pipx",
        "install",
        "--python",
        sys.executable,
        f"--pip-args=--constraint={LOCK}",
        wheel,
    ]
    programs = install(command, tmp_path, PIPX_HOME=tmp_path / "pipx", PIPX_BIN_DIR=tmp_path / "bin")
    assert_works(programs)


def test_the_wheel_has_the_package_and_its_page_and_nothing_else(wheel: Path):
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {"tidegate"}
    assert any(name.startswith("tidegate/reports/page/") for name in names)
