"""The controller starts as the chart runs it: as a user without a name, on a read-only file system, without a home."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.chart.render import find
from tests.e2e.conftest import Installation
from tests.prerequisites import require

READ_ONLY = 'mount --bind "$0" "$0" && mount -o remount,bind,ro / && exec "$@"'
"""Leaves one folder writable, as the chart's emptyDir is."""


@dataclass(frozen=True, kw_only=True)
class Nameless:
    """How to run a program as the chart's container does: ``prefix`` is put before its command."""

    user: int
    writable: Path
    prefix: tuple[str, ...]

    def run(self, script: str) -> str:
        """Return what a shell prints."""
        done = subprocess.run([*self.prefix, "sh", "-c", script], capture_output=True, text=True, check=True)
        return done.stdout.strip()


@pytest.fixture
def nameless(installation: Installation, tmp_path: Path) -> Nameless:
    """Give the chart's user in a namespace of mounts of its own; the kernel must have user namespaces."""
    context = find(installation.gate.objects, "Deployment")["spec"]["template"]["spec"]["securityContext"]
    user, group = context["runAsUser"], context["runAsGroup"]
    prefix = (
        *("unshare", "--map-root-user", "--mount", "sh", "-c", READ_ONLY, str(tmp_path)),
        *("unshare", "--user", f"--map-user={user}", f"--map-group={group}"),
        *("env", "--chdir=/", "-u", "HOME", "-u", "USER", "-u", "LOGNAME", f"TMPDIR={tmp_path}"),
    )
    try:
        subprocess.run([*prefix, "true"], capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError) as problem:
        require("user namespaces", str(problem))
    return Nameless(user=user, writable=tmp_path, prefix=prefix)


@pytest.fixture
def restarted(installation: Installation, nameless: Nameless) -> Iterator[Installation]:
    """Replace the run's controller by one of the nameless user."""
    gate = installation.gate
    gate.stop()
    gate.command_prefix = nameless.prefix
    try:
        gate.start()
        yield installation
    finally:
        gate.stop()
        gate.command_prefix = ()
        gate.start()


def test_the_user_has_no_name_and_the_root_file_system_is_read_only(nameless: Nameless) -> None:
    """What the next test rests on."""
    assert nameless.run("id -u") == str(nameless.user)
    assert "uid not found" in nameless.run("python3 -c 'import getpass; getpass.getuser()' 2>&1 || true")
    writable = shlex.quote(str(nameless.writable / "x"))
    assert nameless.run(f"touch {writable} && (touch {shlex.quote(__file__)} 2>&1 || true)").endswith(
        "Read-only file system"
    )


def test_it_reserves_no_more_addresses_than_it_needs(installation: Installation) -> None:
    """With an arena for each thread it mapped 900 MB at rest, and crashed under load where a limit was set to 1,000."""
    process = installation.gate.process
    assert process is not None
    (size,) = re.findall(r"VmSize:\s+(\d+) kB", Path(f"/proc/{process.pid}/status").read_text())
    assert int(size) < 600_000


def test_it_becomes_ready(restarted: Installation) -> None:
    assert restarted.gate.probe("/readyz") == (200, "ok\n")
