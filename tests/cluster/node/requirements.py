"""What a node needs of the machine beside the programs of the toolchain, and the sentence that says what is missing."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.cluster.toolchain.packages import NODE_PACKAGES, lacking
from tests.namespaces.first_process import OVERLAID
from tests.namespaces.keeper import UNSHARE

HIDDEN = (*OVERLAID, "/run", "/sys", "/proc", "/dev")


def missing(folder: Path | None = None) -> str:
    """Return what keeps a node from running here, as a sentence, or an empty text; ``folder`` is the cluster's."""
    if sys.platform != "linux":
        return f"a node needs Linux, and this is {sys.platform}"
    if os.geteuid() != 0:
        return "a node needs root: it makes namespaces, mounts and control groups"
    if packages := lacking(NODE_PACKAGES):
        return f"a node needs programs that aren't on PATH: run apt-get install {' '.join(packages)}"
    folder = (folder or Path(tempfile.gettempdir())).resolve()
    if _is_hidden(folder):
        return f"a node can't have its folder in {folder}: set TMPDIR to one outside of {', '.join(HIDDEN)}"
    tried = subprocess.run([*UNSHARE, "true"], capture_output=True, text=True, check=False)
    if tried.returncode != 0:
        return f"a node needs namespaces, and this machine refuses them: {tried.stderr.strip()}"
    return ""


def _is_hidden(folder: Path) -> bool:
    return any(folder.is_relative_to(place) for place in HIDDEN)
