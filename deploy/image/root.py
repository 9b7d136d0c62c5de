"""Assemble the image's root file system: Python, the virtual environment, the libraries that both load, nothing else.

    /opt/tidegate/bin/python root.py /image

The Dockerfile runs it in its first stage, on a base image of Debian or Ubuntu, with the Python of the virtual
environment. The result has no shell, no package manager and no setuid program. It keeps what scanners read: the release
of the system, and dpkg's entry of each package that a file comes from. Python cannot write what it compiles on a
read-only file system, so everything is compiled here.

Standard library only: nothing but the locked dependencies is installed where it runs.
"""

from __future__ import annotations

import compileall
import os
import py_compile
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path

KUBERNETES_MODULES = ("kubernetes.client", "kubernetes.config", "kubernetes.client.api_client")
"""What tidegate uses of the Kubernetes client: paths and JSON. Its classes for each kind and API are not among it."""
AWS_SERVICES = frozenset({"ecr", "inspector2", "kms", "signer-data", "signin", "sqs", "sso", "sso-oidc", "sts"})
"""The service models of botocore that tidegate calls, or that botocore calls for credentials."""
STDLIB_LEFT_OUT = (
    *("__pycache__", "site-packages", "dist-packages", "test", "tests", "config-*"),
    *("ensurepip", "idlelib", "lib2to3", "pydoc_data", "tkinter", "turtledemo"),
    *(
        "_ctypes_test*",
        "_curses*",
        "_dbm*",
        "_gdbm*",
        "_test*",
        "_tkinter*",
        "_xx*",
        "nis.*",
        "ossaudiodev*",
        "readline*",
        "xx*",
    ),
)
"""Tests, and what needs a terminal, a screen or a database."""
CERTIFICATES = Path("/usr/share/ca-certificates/mozilla")
BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
NAMES = {
    "/etc/passwd": "root:x:0:0:root:/:/nologin\ntidegate:x:65532:65532:tidegate:/tmp:/nologin\n",
    "/etc/group": "root:x:0:\ntidegate:x:65532:\n",
    "/etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
}
SHARED_LIBRARY = re.compile(r"\.so(\.[0-9]+)*$")
RESOLVED = re.compile(r"^\s+(?:\S+ => )?(/\S+) \(0x[0-9a-f]+\)$", re.MULTILINE)
MERGED = ("bin", "lib", "lib64")


def main() -> None:
    """Fill the folder that is named."""
    root, environment = Path(sys.argv[1]), Path(sys.prefix)
    stdlib, interpreter = Path(sysconfig.get_path("stdlib")), environment / "bin" / "python"
    for name in MERGED:
        if (merged := Path("/") / name).is_symlink():
            root.mkdir(exist_ok=True)
            (root / name).symlink_to(merged.readlink())
    leave_out_unused(environment)
    shutil.copytree(environment, below(root, environment), symlinks=True)
    shutil.copytree(
        stdlib, below(root, stdlib), ignore=shutil.ignore_patterns(*STDLIB_LEFT_OUT), ignore_dangling_symlinks=True
    )
    copied = {*copy_with_links(root, interpreter), stdlib / "os.py"}
    loaded = libraries([interpreter, *binaries(below(root, stdlib)), *binaries(environment)])
    shared = {library for library in loaded if not library.is_relative_to(environment)}
    for library in shared:
        copied |= copy_with_links(root, library)
    copied |= write_certificates(root)
    for place, text in NAMES.items():
        write(root, Path(place), text)
    keep_package_entries(root, copied)
    # A Python of its own may have its library in a folder that isn't looked in by default.
    write(root, Path("/etc/ld.so.conf"), "".join(f"{folder}\n" for folder in sorted({one.parent for one in shared})))
    subprocess.run(["ldconfig", "-r", root], check=True)
    for folder in (below(root, stdlib), below(root, environment)):
        compile_all(folder, root)
    (root / "tmp").mkdir(mode=0o777)
    (root / "tmp").chmod(0o1777)


def below(root: Path, path: Path) -> Path:
    """Return the place of an absolute path in the new root."""
    return root / path.relative_to("/")


def write(root: Path, path: Path, text: str) -> None:
    """Write a file of the new root."""
    target = below(root, path)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text)


def leave_out_unused(environment: Path) -> None:
    """Delete the packages' own programs, and the Kubernetes classes and AWS service models that tidegate never loads."""
    for program in (environment / "bin").iterdir():
        if not program.name.startswith("python"):
            program.unlink()
    (packages,) = environment.glob("lib/python3*/site-packages")
    for name in KUBERNETES_MODULES:
        import_module(name)
    used = {Path(module.__file__) for module in list(sys.modules.values()) if getattr(module, "__file__", None)}
    for folder in ("aio", "client/api", "client/models"):
        for source in (packages / "kubernetes" / folder).rglob("*.py"):
            if source not in used:
                source.unlink()
    for service in (packages / "botocore" / "data").iterdir():
        if service.is_dir() and service.name not in AWS_SERVICES:
            shutil.rmtree(service)


def copy_with_links(root: Path, path: Path) -> set[Path]:
    """Copy a file under each name that its links lead through; return where the base has it."""
    names = {path}
    while path.is_symlink():
        path = path.parent / path.readlink()
        names.add(path)
    for name in names:
        # Folders of the base may be links themselves, such as /lib to /usr/lib; the new root has the same.
        target = below(root, name.parent.resolve()) / name.name
        if not os.path.lexists(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(name, target, follow_symlinks=False)
    return {*names, path.resolve()}


def binaries(folder: Path) -> Iterator[Path]:
    """Give the shared libraries in a folder."""
    return (path for path in folder.rglob("*.so*") if SHARED_LIBRARY.search(path.name) and not path.is_symlink())


def libraries(programs: Iterable[Path]) -> set[Path]:
    """Return the libraries that programs load; raise RuntimeError where the base has one of them not."""
    listed = subprocess.run(["ldd", *programs], capture_output=True, text=True, check=False).stdout
    if "not found" in listed:
        raise RuntimeError(f"the base image lacks a library:\n{listed}")
    return {Path(found) for found in RESOLVED.findall(listed)}


def write_certificates(root: Path) -> set[Path]:
    """Write the certificate authorities of the base's package as one file, without those of the machine that builds."""
    found = sorted(CERTIFICATES.glob("*.crt"))
    write(root, BUNDLE, "".join(path.read_text() for path in found))
    return set(found[:1])


def keep_package_entries(root: Path, copied: Iterable[Path]) -> None:
    """Keep the system's release, and entry and licence of each package that a file comes from."""
    write(root, Path("/etc/os-release"), Path("/etc/os-release").read_text())
    # A package may have a file by its name from before /lib became a link.
    asked = {str(path) for path in copied} | {str(path).removeprefix("/usr") for path in copied}
    found = subprocess.run(["dpkg-query", "--search", *sorted(asked)], capture_output=True, text=True, check=False)
    packages = sorted({line.split(": ")[0] for line in found.stdout.splitlines() if not line.startswith("diversion ")})
    entries = subprocess.run(["dpkg-query", "--status", *packages], capture_output=True, text=True, check=True)
    write(root, Path("/var/lib/dpkg/status"), entries.stdout)
    for package in packages:
        licence = Path("/usr/share/doc") / package.split(":")[0] / "copyright"
        if licence.exists():
            write(root, licence, licence.read_text())


def compile_all(folder: Path, root: Path) -> None:
    """Compile a folder of the new root, whole.

    All, also where a package brings a compiled file; by unchecked hash, so that it is valid whatever a registry or a copy
    does to the files' times.
    """
    compileall.compile_dir(
        folder,
        maxlevels=64,
        quiet=2,
        force=True,
        workers=0,
        stripdir=str(root),
        prependdir="/",
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
    )


if __name__ == "__main__":
    main()
