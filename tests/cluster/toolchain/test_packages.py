"""Packages are installed where that can be done, and else named; a fake apt-get writes down what it is asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cluster.toolchain import packages
from tests.cluster.toolchain.test_build import executable


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give what apt-get was asked, on a machine that has no program but it."""
    monkeypatch.setenv("PATH", f"{tmp_path}")
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr(packages, "NODE_PACKAGES", {"ip": "iproute2", "nsenter": "util-linux", "unshare": "util-linux"})
    executable(tmp_path / "apt-get", f'echo "$*" >> {tmp_path}/log\n[ -z "$FAIL" ] || {{ echo broken >&2; exit 100; }}')
    return tmp_path / "log"


def test_what_is_missing_is_installed_after_an_update(log: Path) -> None:
    assert packages.main() == 0
    asked = log.read_text().splitlines()
    assert asked[0] == "--quiet --quiet update"
    assert asked[1] == "--quiet --quiet install --yes --no-install-recommends buildah debootstrap iproute2 util-linux"
    assert asked[2] == "--quiet --quiet install --yes --no-install-recommends fish groff-base zsh"
    assert asked[3] == "--quiet --quiet install --yes --no-install-recommends chromium-headless-shell"


def test_nothing_is_asked_where_everything_is_there(log: Path, tmp_path: Path) -> None:
    known = {**packages.NODE_PACKAGES, **packages.IMAGE_PACKAGES, **packages.COMMAND_LINE_PACKAGES}
    for program in (*known, packages.BROWSERS[-1]):
        executable(tmp_path / program, "")
    assert packages.main() == 0
    assert not log.exists()


def test_packages_are_named_where_they_can_not_be_installed(
    log: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert packages.main() == 0
    wanted = "buildah debootstrap iproute2 util-linux fish groff-base zsh chromium-headless-shell"
    assert f"apt-get install {wanted}" in capsys.readouterr().err
    assert not log.exists()


def test_a_failure_is_told_and_does_not_end_the_rest(
    log: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FAIL", "yes")
    assert packages.main() == 0
    said = capsys.readouterr().err
    assert "apt-get update failed: broken" in said
    assert said.count("apt-get install failed: broken") == 3
