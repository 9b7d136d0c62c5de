"""What is missing for a node is one sentence that says what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cluster.node import image, requirements


@pytest.fixture(autouse=True)
def _a_machine_with_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr(requirements, "lacking", lambda _: [])
    monkeypatch.setattr(image, "lacking", lambda _: [])
    monkeypatch.setattr(requirements, "UNSHARE", ("env",))


def test_nothing_is_missing(tmp_path: Path) -> None:
    assert requirements.missing(tmp_path) == ""
    assert image.missing() == ""


def test_another_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "darwin")
    assert requirements.missing() == "a node needs Linux, and this is darwin"
    assert "Linux" in image.missing()


def test_another_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert requirements.missing().startswith("a node needs root")
    assert "root" in image.missing()


def test_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (requirements, image):
        monkeypatch.setattr(module, "lacking", lambda _: ["iproute2", "runc"])
        assert module.missing().endswith("run apt-get install iproute2 runc")


@pytest.mark.parametrize("place", ["/var/tmp/x", "/usr/src", "/run/user/0", "/etc"])
def test_a_folder_that_the_node_can_not_see(place: str) -> None:
    assert f"can't have its folder in {place}" in requirements.missing(Path(place))
    assert "set TMPDIR" in requirements.missing(Path(place))


def test_namespaces_that_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requirements, "UNSHARE", ("sh", "-c", "echo 'Operation not permitted' >&2; exit 1"))
    assert requirements.missing() == "a node needs namespaces, and this machine refuses them: Operation not permitted"
