"""The control groups of one node: a folder of its own in each hierarchy of the machine, made, entered and removed.

Version 1 has a hierarchy a controller, version 2 one for all; mixed machines are used as version 1, which then has the
controllers. Standard library only: the program that outlives the tests uses it.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from pathlib import Path

PREFIX = "tidegate-node-"
CGROUP_ROOT = Path("/sys/fs/cgroup")
INNER = "node"
"""Version 2 has no processes beside groups: those of the node's programs are in this group within its own."""
REMOVE_TIMEOUT_SECONDS = 20.0
_POLL_SECONDS = 0.05
_MOUNT_WORDS = re.compile(r"r[wo]|no(suid|dev|exec|atime)|relatime|xattr|nsdelegate|release_agent=.*|clone_children")


def hierarchies(mounts: str | None = None) -> dict[Path, str]:
    """Return the mount point of each hierarchy of version 1 with its mount options, such as ``cpu,cpuacct``."""
    found = {}
    for line in (mounts if mounts is not None else Path("/proc/self/mounts").read_text()).splitlines():
        _, place, kind, options, *_ = line.split()
        if kind == "cgroup":
            kept = [word for word in options.split(",") if not _MOUNT_WORDS.fullmatch(word)]
            # A hierarchy without a controller is known by its name.
            found[Path(place)] = ",".join(["none", *kept] if kept[0].startswith("name=") else kept)
    return found


def folders(name: str) -> list[Path]:
    """Return the folder of this name in each hierarchy."""
    return [place / name for place in hierarchies()] or [CGROUP_ROOT / name]


def entrances(name: str) -> list[Path]:
    """Return the folders that a process of the node has to be in."""
    return folders(name) if hierarchies() else [CGROUP_ROOT / name / INNER]


def create(name: str) -> None:
    """Make the folders."""
    for folder in folders(name):
        folder.mkdir()
        # A cpuset of version 1 takes no process before it has processors and memory.
        for file in ("cpuset.cpus", "cpuset.mems"):
            if hierarchies() and (folder / file).exists():
                (folder / file).write_text((folder.parent / file).read_text())


def enter(name: str) -> None:
    """Move this process into the folders; ``0`` means the process that writes it."""
    for folder in folders(name):
        (folder / "cgroup.procs").write_text("0")


def remove(name: str) -> list[str]:
    """Remove the folders with all below, waiting for what is just ending in them; return what could not be removed."""
    deadline = time.monotonic() + REMOVE_TIMEOUT_SECONDS
    while left := [folder for folder in folders(name) if folder.exists()]:
        for folder in left:
            for path, _, _ in os.walk(folder, topdown=False):
                with contextlib.suppress(OSError):
                    Path(path).rmdir()
        if time.monotonic() > deadline:
            return [str(folder) for folder in left if folder.exists()]
        time.sleep(_POLL_SECONDS)
    return []


def names() -> set[str]:
    """Return the names of all nodes' groups on this machine."""
    places = hierarchies() or {CGROUP_ROOT: ""}
    return {folder.name for place in places for folder in place.glob(f"{PREFIX}*")}
