"""However a cluster with a node ends, nothing of it is left: no process, mount, interface, control group or file."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from tests.cluster.waiting import wait_for
from tests.e2e.node.conftest import require_node
from tests.namespaces import cgroups
from tests.namespaces.first_process import KERNEL_SETTINGS
from tests.namespaces.keeper import DATA

ROOT = Path(__file__).parents[3]
START_SECONDS = 240
END_SECONDS = 60.0
# Where the programs of a node write on a machine of their own.
FIXED_PLACES = (
    "/etc/cni",
    "/opt/containerd",
    "/run/containerd",
    "/run/netns",
    "/usr/libexec/kubernetes",
    "/var/lib/cni",
    "/var/lib/kubelet",
    "/var/log/containers",
    "/var/log/pods",
)
SHIM = "containerd-shim"

# What a process is on this machine: its number may come to be another's, with another start.
Identity = tuple[int, str]


def identity(pid: int) -> Identity:
    """Return a process's number and start; raise OSError where it has ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    if fields[0] == "Z":
        raise ProcessLookupError(pid)
    return pid, fields[19]


def processes_of(name: str) -> dict[Identity, str]:
    """Return the processes in a node's control groups with their names."""
    found = {}
    for folder in cgroups.folders(name):
        for file in folder.rglob("cgroup.procs"):
            for pid in map(int, file.read_text().split()):
                with contextlib.suppress(OSError):
                    found[identity(pid)] = Path(f"/proc/{pid}/comm").read_text().strip()
    return found


def alive(known: dict[Identity, str]) -> list[str]:
    """Return the names of those that run."""
    left = []
    for known_identity, name in known.items():
        with contextlib.suppress(OSError):
            if identity(known_identity[0]) == known_identity:
                left.append(name)
    return left


def networks(pids: Iterable[int | str]) -> set[str]:
    """Return the network namespaces that processes are in."""
    found = set()
    for pid in pids:
        with contextlib.suppress(OSError):
            found.add(str(Path(f"/proc/{pid}/ns/net").readlink()))
    return found


def now_in_ticks() -> float:
    """Return the time since this machine's start, as the start of a process is counted."""
    return float(Path("/proc/uptime").read_text().split()[0]) * os.sysconf("SC_CLK_TCK")


def started_before(ticks: float) -> Iterator[int]:
    """Yield the processes that were started before a moment."""
    for each in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            pid, start = identity(int(each.name))
            if int(start) <= ticks:
                yield pid


def mounts_of(folder: Path) -> list[str]:
    """Return the mounts of a folder that any process of this machine sees."""
    found = []
    for table in Path("/proc").glob("[0-9]*/mountinfo"):
        with contextlib.suppress(OSError):
            found += [line for line in table.read_text().splitlines() if str(folder) in line]
    return found


def places() -> dict[str, list[str]]:
    """Return what lies in the fixed places, and the settings of the kernel that the kubelet makes."""
    settings = (Path("/proc/sys") / name for name in KERNEL_SETTINGS)
    held = {place: sorted(each.name for each in Path(place).glob("*")) for place in FIXED_PLACES}
    return held | {str(setting): [setting.read_text()] for setting in settings}


@pytest.fixture
def places_before() -> dict[str, list[str]]:
    """Give what lies in the fixed places before the cluster starts."""
    return places()


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the cluster's folder, with a short name: the kubelet makes sockets in it."""
    return tmp_path_factory.mktemp("node")


@pytest.fixture
def second_cluster(
    pytestconfig: pytest.Config, folder: Path, places_before: dict[str, list[str]]
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Give a process that has a cluster with a Pod that runs, and the name of the cluster's control groups."""
    require_node(pytestconfig)
    command = [sys.executable, "-m", "tests.e2e.node.second_cluster", str(folder)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True) as owner:
        assert owner.stdout is not None
        name = owner.stdout.readline().strip()
        assert name, "the cluster did not start"
        yield owner, name
        owner.kill()


@pytest.mark.timeout(START_SECONDS + 3 * END_SECONDS)
@pytest.mark.parametrize(
    "number",
    [
        pytest.param(signal.SIGKILL, id="its owner is killed"),
        pytest.param(signal.SIGINT, id="its owner is ended by Ctrl-C"),
    ],
)
def test_nothing_is_left(
    second_cluster: tuple[subprocess.Popen[str], str],
    places_before: dict[str, list[str]],
    folder: Path,
    number: int,
) -> None:
    owner, name = second_cluster
    known = processes_of(name)
    assert {each[: len(SHIM)] for each in known.values()} >= {"kubelet", "containerd", SHIM, "app"}
    assert mounts_of(folder), "nothing was found while it ran"
    # What is just about to enter is on this machine's.
    of_the_node = networks(pid for pid, _ in known) - networks(["self"])
    assert len(of_the_node) >= 2, "the node's own and the Pod's"
    ending_at = now_in_ticks()
    os.killpg(owner.pid, number)
    owner.wait(END_SECONDS)
    wait_for(lambda: not alive(known) and name not in cgroups.names(), what="its end", timeout_seconds=END_SECONDS)
    wait_for(lambda: not (folder / DATA).exists(), what="the end of its data", timeout_seconds=END_SECONDS)
    assert alive(known) == []
    # A namespace of another process's tests may have the number of one that has ended by now.
    assert not of_the_node & networks(started_before(ending_at))
    assert mounts_of(folder) == []
    assert not Path("/sys/class/net/cni0").exists()
    assert places() == places_before
