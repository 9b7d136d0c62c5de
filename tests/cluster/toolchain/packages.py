"""Install the Debian packages that tests need of nodes, the controller's image, pages and shells; what is there stays as it is.

    python tests/cluster/toolchain/packages.py

runc and buildah need C libraries, and a base for the image needs Debian itself, so these aren't built from Go modules.
Standard library only: it runs before anything is installed. Where apt-get or root is missing it names the packages, and
the tests of the node say so.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping

NODE_PACKAGES: Mapping[str, str] = {
    "runc": "runc",
    "ip": "iproute2",
    "nsenter": "util-linux",
    "unshare": "util-linux",
    "setpriv": "util-linux",
    "mount": "mount",
}
"""Programs by name, and the package of each."""
IMAGE_PACKAGES: Mapping[str, str] = {"buildah": "buildah", "debootstrap": "debootstrap"}
COMMAND_LINE_PACKAGES: Mapping[str, str] = {"fish": "fish", "groff": "groff-base", "zsh": "zsh"}
"""The shells that complete tidegate's commands in tests, and what reads its manual pages."""
BROWSERS = ("chromium-headless-shell", "chrome-headless-shell", "chromium", "chromium-browser", "google-chrome")
"""Any one of these programs shows the page of a report in tests."""
BROWSER_PACKAGE = "chromium-headless-shell"
"""Debian has it and Ubuntu does not, so it is installed by itself."""


def lacking(packages: Mapping[str, str]) -> list[str]:
    """Return the packages of the programs that aren't on ``PATH``."""
    return sorted({package for program, package in packages.items() if shutil.which(program) is None})


def main() -> int:
    """Install what is missing; 0 also where that can't be done, since not everything needs a node."""
    packages = lacking({**NODE_PACKAGES, **IMAGE_PACKAGES})
    browser = [] if any(map(shutil.which, BROWSERS)) else [BROWSER_PACKAGE]
    groups = [group for group in (packages, lacking(COMMAND_LINE_PACKAGES), browser) if group]
    if not groups:
        return 0
    words = f"apt-get install {' '.join(package for group in groups for package in group)}"
    if sys.platform != "linux" or os.geteuid() != 0 or shutil.which("apt-get") is None:
        print(f"toolchain: some tests need packages that are missing: {words}", file=sys.stderr)
        return 0
    print(f"toolchain: {words}", file=sys.stderr, flush=True)
    install = ["install", "--yes", "--no-install-recommends"]
    _apt_get(["update"], *([*install, *group] for group in groups))
    return 0


def _apt_get(*commands: list[str]) -> None:
    """Run commands one after the other, and name those that fail."""
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for command in commands:
        done = subprocess.run(
            ["apt-get", "--quiet", "--quiet", *command],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            print(f"toolchain: apt-get {command[0]} failed: {done.stderr.strip()}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
