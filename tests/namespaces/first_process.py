"""Process 1 of a node's namespaces: makes mounts and addresses, then collects what ends.

    unshare ... python -E -s -S -m tests.namespaces.first_process DATA_FOLDER CGROUP READY_DESCRIPTOR

The programs of the node write to fixed places, such as /var/lib/kubelet and /run/containerd, and to those of the
machine's control groups and settings of its kernel. Here these places lie in memory, as all data of the node does, the
control groups begin at the node's own, and the settings are copies.
When this process ends, the kernel ends every process of the namespaces.

Standard library only, started without site packages.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.namespaces import cgroups
from tests.namespaces.addresses import BRIDGE, BRIDGE_HARDWARE_ADDRESS, GATEWAY, KUBERNETES_SERVICE_ADDRESS

CLONE_NEWCGROUP = 0x02000000
READY = b"ready"
OVERLAID = ("/var", "/etc", "/opt", "/usr")
KERNEL_SETTINGS = (
    "kernel/keys/root_maxbytes",
    "kernel/keys/root_maxkeys",
    "kernel/panic",
    "kernel/panic_on_oops",
    "vm/overcommit_memory",
    "vm/panic_on_oom",
)
"""What the kubelet sets for the whole machine."""


def _run(*command: str) -> None:
    subprocess.run(command, check=True)


def _enter_cgroups(name: str) -> None:
    cgroups.enter(name)
    library = ctypes.CDLL(None, use_errno=True)
    if library.unshare(CLONE_NEWCGROUP) != 0:
        raise OSError(ctypes.get_errno(), "no control group namespace could be made")


def _mount_cgroups() -> None:
    """Mount the control groups anew, so that the node's own are the root of what its programs see."""
    found = cgroups.hierarchies()
    if found:
        # Over the old mounts each would be refused as busy, and Pods would go into the machine's own groups.
        _run("mount", "-t", "tmpfs", "tmpfs", str(cgroups.CGROUP_ROOT))
        for place, options in found.items():
            place.mkdir(parents=True)
            _run("mount", "-t", "cgroup", "-o", options, "cgroup", str(place))
        return
    _run("umount", "--recursive", str(cgroups.CGROUP_ROOT))
    _run("mount", "-t", "cgroup2", "cgroup2", str(cgroups.CGROUP_ROOT))
    inner = cgroups.CGROUP_ROOT / cgroups.INNER
    inner.mkdir()
    (inner / "cgroup.procs").write_text("0")
    controllers = (cgroups.CGROUP_ROOT / "cgroup.controllers").read_text().split()
    (cgroups.CGROUP_ROOT / "cgroup.subtree_control").write_text(" ".join(f"+{each}" for each in controllers))


def _mount_kernel_settings(copies: Path) -> None:
    """Let the kubelet change copies: these settings have no namespace, and would outlive the node."""
    for name in KERNEL_SETTINGS:
        setting, copy = Path("/proc/sys") / name, copies / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(setting.read_text())
        _run("mount", "--bind", str(copy), str(setting))


def _mount(data: Path) -> None:
    _run("mount", "--make-rprivate", "/")
    # In memory, so that it goes with the namespaces and at once: images are tens of thousands of files.
    _run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", str(data))
    for place in OVERLAID:
        upper, work = data / f"overlay{place}", data / f"overlay-work{place}"
        upper.mkdir(parents=True)
        work.mkdir(parents=True)
        _run("mount", "-t", "overlay", "overlay", "-o", f"lowerdir={place},upperdir={upper},workdir={work}", place)
    _run("mount", "-t", "tmpfs", "tmpfs", "/run")
    _mount_kernel_settings(data / "kernel-settings")
    _mount_cgroups()
    # The kubelet and the runtime hand mounts on to containers.
    _run("mount", "--make-rshared", "/")


def _set_up_network() -> None:
    for command in (
        "link set lo up",
        f"address add {KUBERNETES_SERVICE_ADDRESS}/32 dev lo",
        # With an address of its own: otherwise it takes the lowest of its ports' when a Pod comes, and Pods that still know
        # the former one reach neither the node nor the API server until the kernel asks again, 30 to 60 s later.
        f"link add {BRIDGE} address {BRIDGE_HARDWARE_ADDRESS} type bridge",
        f"address add {GATEWAY}/24 dev {BRIDGE}",
        f"link set {BRIDGE} up",
        # The API server and the kubelet ask for the address of the default route.
        f"route add default via {GATEWAY} dev {BRIDGE}",
    ):
        _run("ip", *command.split())
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")


def main() -> None:
    """Make the namespaces ready, say so, and collect what ends until killed."""
    data, name, ready = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    _enter_cgroups(name)
    _mount(data)
    _set_up_network()
    # What loses its parent becomes a child of this process. Blocked, so that none that ends early is missed.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    os.write(ready, READY)
    while True:
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        signal.sigwait({signal.SIGCHLD})


if __name__ == "__main__":
    main()
