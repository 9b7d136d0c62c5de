"""tidegate's own image, built from its Dockerfile by buildah on a base that debootstrap makes; no registry is asked.

The result is an OCI layout in the user's cache, one for each state of what the Dockerfile copies. What buildah keeps
makes a build after a change of the code take seconds. The first takes minutes, most of them for the base.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.cluster.toolchain.build import ToolchainError, cache_home, locked, progress
from tests.cluster.toolchain.packages import IMAGE_PACKAGES, lacking

ROOT = Path(__file__).resolve().parents[3]
SOURCES = (
    "Dockerfile",
    ".dockerignore",
    "deploy/image",
    "pyproject.toml",
    "README.md",
    "LICENSE",
    "locks",
    "controller",
)
BASE_CONTENT = "python3,python3-venv,ca-certificates"
BASE_VARIANT = "minbase"
KEPT_LAYOUTS = 4
LOG_TAIL_LINES = 15
BASE_SECONDS, IMAGE_SECONDS = 130, 70
# What runs in mounts and processes of its own leaves none behind, however it ends.
ALONE = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
# What pip in the build needs of this machine to reach and trust a package index.
SHARED = (Path("/etc/ssl/certs"), Path("/etc/pip.conf"))


def missing() -> str:
    """Return what keeps the image from being built here, as a sentence, or an empty text."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "the controller's image is built by root on Linux"
    if packages := lacking(IMAGE_PACKAGES):
        return f"the controller's image needs programs that aren't on PATH: run apt-get install {' '.join(packages)}"
    return ""


def controller_image() -> Path:
    """Return the folder of the image as an OCI layout, built where it isn't yet; raise ToolchainError where it can't be."""
    home = cache_home() / "image"
    layout = home / f"tidegate-{_key()}"
    if layout.is_dir():
        layout.touch()
        return layout
    if lacking_here := missing():
        raise ToolchainError(lacking_here)
    with locked(home, "building the controller's image"):
        if not layout.is_dir():
            _build(home, layout)
            _forget_old(home)
    return layout


def _key() -> str:
    digest = hashlib.sha256(f"{_suite()} {BASE_VARIANT} {BASE_CONTENT}".encode())
    for path in _sources():
        digest.update(f"\0{path.relative_to(ROOT)}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def _sources() -> Iterator[Path]:
    for name in SOURCES:
        place = ROOT / name
        found = sorted(place.rglob("*")) if place.is_dir() else [place]
        yield from (path for path in found if path.is_file() and "__pycache__" not in path.parts)


def _suite() -> str:
    """Return the name of this machine's Debian release, whose packages it can get."""
    lines = Path("/etc/os-release").read_text().splitlines()
    values = dict(line.split("=", 1) for line in lines if "=" in line)
    return values.get("VERSION_CODENAME", "").strip('"')


def _build(home: Path, layout: Path) -> None:
    base = f"localhost/tidegate-base:{_suite()}"
    with tempfile.TemporaryDirectory(dir=home, prefix="build-") as folder:
        build = _Build(home, Path(folder))
        if not build.has(base):
            with progress("the base of the controller's image", BASE_SECONDS):
                build.make_base(base)
        with progress("the controller's image", IMAGE_SECONDS):
            build.make_image(base)
        (Path(folder) / "layout").rename(layout)


def _forget_old(home: Path) -> None:
    layouts = sorted(home.glob("tidegate-*"), key=lambda each: each.stat().st_mtime)
    for old in layouts[:-KEPT_LAYOUTS]:
        shutil.rmtree(old, ignore_errors=True)


class _Build:
    """One run of buildah's commands: ``folder`` is empty and goes afterwards, what buildah keeps is in ``home``."""

    def __init__(self, home: Path, folder: Path) -> None:
        self._folder = folder
        self._log = home / "build.log"
        self._log.write_text("")
        self._buildah = ("buildah", f"--root={home / 'storage'}", f"--runroot={folder / 'run'}")
        configuration = folder / "containers.conf"
        # Else it makes a folder in /etc.
        configuration.write_text(f'[network]\nnetwork_config_dir = "{folder / "networks"}"\n')
        self._environment = os.environ | {"CONTAINERS_CONF": str(configuration)}

    def has(self, name: str) -> bool:
        listed = subprocess.run(
            [*ALONE, *self._buildah, "images", "--quiet", name],
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        return bool(listed.stdout.strip())

    def make_base(self, name: str) -> None:
        """Install a small Debian with Python, and keep it as an image."""
        root, context = self._folder / "base", self._folder / "context"
        context.mkdir()
        self._run(
            "debootstrap", f"--variant={BASE_VARIANT}", f"--include={BASE_CONTENT}", _suite(), str(root), _mirror()
        )
        for place in ("var/cache/apt/archives", "var/lib/apt/lists"):
            shutil.rmtree(root / place, ignore_errors=True)
        left_out = [f"--exclude=./{place}/*" for place in ("dev", "proc", "sys")]
        self._run("tar", f"--directory={root}", *left_out, "--create", f"--file={context / 'base.tar'}", ".")
        (context / "Dockerfile").write_text('FROM scratch\nADD base.tar /\nCMD ["/bin/sh"]\n')
        self._run(*self._buildah, "bud", "--isolation=chroot", "--pull-never", f"--tag={name}", str(context))

    def make_image(self, base: str) -> None:
        """Build the Dockerfile; the layout is in the folder."""
        volumes = [f"--volume={place}:{place}:ro" for place in SHARED if place.exists()]
        common = ("--isolation=chroot", "--layers", "--pull-never", f"--build-arg=BASE={base}", *volumes)
        for stage, name in (("--target=builder", "tidegate-builder"), (None, "tidegate")):
            # With a name, the layers of the first stage are kept as well, for the next build.
            chosen = [stage] if stage else []
            self._run(*self._buildah, "bud", *common, *chosen, f"--tag=localhost/{name}:latest", str(ROOT))
        self._run(*self._buildah, "push", "localhost/tidegate:latest", f"oci:{self._folder / 'layout'}")
        self._run(*self._buildah, "rmi", "--prune")

    def _run(self, *command: str) -> None:
        with self._log.open("a") as log:
            done = subprocess.run(
                [*ALONE, *command],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                check=False,
            )
        if done.returncode != 0:
            tail = "\n".join(f"  {line}" for line in self._log.read_text().splitlines()[-LOG_TAIL_LINES:])
            raise ToolchainError(f"{command[0]} failed; the end of its log ({self._log}):\n{tail}")


def _mirror() -> str:
    """Return where apt gets this release's packages from."""
    form = "$(RELEASE) $(SITE)"
    listed = subprocess.run(
        ["apt-get", "indextargets", f"--format={form}", "Created-By: Packages"],
        capture_output=True,
        text=True,
        check=False,
    )
    for line in listed.stdout.splitlines():
        release, _, site = line.partition(" ")
        if release == _suite():
            return site
    raise ToolchainError(f"apt-get knows no source of the release {_suite()!r}, from which the image's base is made")
