"""Namespaces begin with what a node needs, and end with everything in them."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.node.requirements import missing
from tests.cluster.processes import ProcessError
from tests.cluster.waiting import wait_for
from tests.namespaces import cgroups
from tests.namespaces.addresses import BRIDGE, GATEWAY, KUBERNETES_SERVICE_ADDRESS
from tests.namespaces.first_process import KERNEL_SETTINGS
from tests.namespaces.holder import Namespaces
from tests.namespaces.keeper import DATA
from tests.prerequisites import require


@pytest.fixture(autouse=True)
def _on_linux_as_root() -> None:
    require("namespaces", missing())


@pytest.fixture
def inside(tmp_path: Path) -> Iterator[Namespaces]:
    made = Namespaces(tmp_path)
    yield made
    made.close()


def run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)


def addresses() -> str:
    return run(["ip", "-brief", "address"]).stdout


def test_a_command_is_a_process_of_the_node(inside: Namespaces, tmp_path: Path) -> None:
    """Its control groups, its network and its files; the status is the command's own."""
    place = f"/var/log/{tmp_path.name}"
    script = f"cat /proc/self/cgroup; ip -brief address; touch {place} {tmp_path}/{DATA}/seen; exit 7"
    done = run(inside.command(["sh", "-c", script]))
    assert (done.returncode, done.stderr) == (7, "")
    groups = re.findall(r"^\d+:[^:]*:(/.*)$", done.stdout, re.MULTILINE)
    assert groups
    assert set(groups) <= {"/", f"/{cgroups.INNER}"}
    assert all(address in done.stdout for address in (BRIDGE, GATEWAY, KUBERNETES_SERVICE_ADDRESS))
    assert not Path(place).exists()
    assert inside.path(tmp_path / DATA / "seen").exists()
    assert not (tmp_path / DATA / "seen").exists()


@pytest.mark.parametrize("name", KERNEL_SETTINGS)
def test_a_setting_of_the_kernel_is_not_the_machine_s(inside: Namespaces, name: str) -> None:
    setting = Path("/proc/sys") / name
    before = setting.read_text()
    done = run(inside.command(["sh", "-c", f"echo 77 > {setting}; cat {setting}"]))
    assert (done.stdout, setting.read_text()) == ("77\n", before)


def test_the_bridge_keeps_its_hardware_address_when_a_pod_comes(inside: Namespaces) -> None:
    """Pods that know another address reach neither the node nor the API server for up to a minute."""
    show = f"ip -brief link show {BRIDGE}"
    add = f"ip link add low address 02:00:00:00:00:00 type veth && ip link set low master {BRIDGE} up"
    done = run(inside.command(["sh", "-c", f"{show} && {add} && {show}"]))
    assert (done.returncode, done.stderr) == (0, "")
    before, after = (line.split()[2] for line in done.stdout.splitlines())
    assert after == before


def test_a_thread_and_those_that_it_starts_enter_the_network_and_come_back(inside: Namespaces) -> None:
    seen = []
    with inside.network():
        thread = threading.Thread(target=lambda: seen.append(addresses()))
        thread.start()
        thread.join()
    assert GATEWAY in seen[0]
    assert GATEWAY not in addresses()
    assert GATEWAY in run(inside.network_command(["ip", "-brief", "address"])).stdout


def test_the_end_is_the_end_of_everything(inside: Namespaces, tmp_path: Path) -> None:
    """Of a program that left its parent and is deaf, too."""
    done = run(inside.command(["sh", "-c", "trap '' TERM; setsid sleep 600 >/dev/null 2>&1 & echo started"]))
    assert done.stdout == "started\n"
    wait_for(lambda: "sleep" in programs(inside), what="the start of a program")
    assert inside.close() == []
    assert inside.cgroup not in cgroups.names()
    assert not (tmp_path / DATA).exists()
    assert inside.close() == []


def programs(inside: Namespaces) -> list[str]:
    """Return the names of what runs in the node's control groups."""
    found = []
    for file in cgroups.folders(inside.cgroup)[-1].rglob("cgroup.procs"):
        for pid in file.read_text().split():
            with contextlib.suppress(OSError):
                found.append(Path(f"/proc/{pid}/comm").read_text().strip())
    return found


def test_what_a_killed_keeper_leaves_the_next_one_removes(inside: Namespaces, tmp_path: Path) -> None:
    """The kernel ends the processes; the control groups are empty folders."""
    with subprocess.Popen(inside.command(["sleep", "600"])) as sleeper:
        wait_for(lambda: "sleep" in programs(inside), what="the start of a program")
        os.kill(int(inside.cgroup.removeprefix(cgroups.PREFIX)), signal.SIGKILL)
        assert sleeper.wait(20) == -signal.SIGKILL
    (tmp_path / "next").mkdir()
    following = Namespaces(tmp_path / "next")
    following.close()
    assert not {inside.cgroup, following.cgroup} & cgroups.names()


def test_namespaces_that_can_not_be_made_are_told_and_leave_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / DATA).mkdir()
    started: list[int] = []
    init = subprocess.Popen.__init__

    def noted(self: subprocess.Popen[str], *arguments: Any, **options: Any) -> None:
        init(self, *arguments, **options)
        started.append(self.pid)

    monkeypatch.setattr(subprocess.Popen, "__init__", noted)
    with pytest.raises(ProcessError, match=r"could not be made: .*File exists"):
        Namespaces(tmp_path)
    assert started
    assert not {f"{cgroups.PREFIX}{pid}" for pid in started} & cgroups.names()
