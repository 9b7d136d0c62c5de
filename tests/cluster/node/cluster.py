"""A whole cluster of one node: the control plane, kube-scheduler, containerd and the kubelet, in namespaces of its own."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.cluster.control_plane import ARGUMENTS, CONTROL_PLANE, PROGRAMS, ControlPlane
from tests.cluster.layout import Layout, lay_out
from tests.cluster.node import components
from tests.cluster.node.components import NODE, NodeFiles
from tests.cluster.node.requirements import missing
from tests.cluster.processes import Process, ProcessError
from tests.cluster.toolchain.build import ToolchainError
from tests.cluster.waiting import wait_for
from tests.namespaces import cgroups
from tests.namespaces.addresses import GATEWAY
from tests.namespaces.holder import Namespaces

NODE_PROGRAMS = (*PROGRAMS, "kube-scheduler", "kubelet", "containerd", "containerd-shim-runc-v2")
STARTED = (*CONTROL_PLANE, "kube-scheduler", "containerd", "kubelet")
"""The programs in the order of their start."""
PLUGINS = ("bridge", "host-local", "loopback")
NODE_ARGUMENTS: Mapping[str, Callable[[Layout], list[str]]] = {
    **ARGUMENTS,
    "kube-apiserver": components.kube_apiserver,
    "kube-controller-manager": components.kube_controller_manager,
    "kube-scheduler": components.kube_scheduler,
    "containerd": components.containerd,
    "kubelet": components.kubelet,
}
API_PORT, ETCD_PORT, ETCD_PEER_PORT = 443, 2379, 2380


class NodeCluster(ControlPlane):
    """A control plane with a node that runs Pods; nothing of it is seen or reached from outside its namespaces.

    Its address is ``address``: what listens there, Pods reach. Raises ToolchainError where the machine lacks something.
    """

    programs = (*NODE_PROGRAMS, *PLUGINS)
    arguments = NODE_ARGUMENTS

    def __init__(
        self, *, folder: Path | None = None, extra_arguments: Mapping[str, Sequence[str]] | None = None
    ) -> None:
        super().__init__(folder=folder, address=GATEWAY, extra_arguments=extra_arguments)
        self.address = GATEWAY
        self._namespaces: Namespaces | None = None

    def start(self) -> None:
        """Start every program and return once the node is ready; see `ControlPlane.start`."""
        if lacking := missing(self.folder):
            raise ToolchainError(lacking)
        super().start()

    def run_beside(self, name: str, command: Sequence[str], *, environment: Mapping[str, str] | None = None) -> Process:
        """Start a program of the test's own as a process of the node; see `ControlPlane.run_beside`."""
        return super().run_beside(name, self.inside.command(command), environment=environment)

    def lose_power(self) -> None:
        """Kill every program and every Pod's processes at once; what they stored stays."""
        socket = self.inside.path(NodeFiles(folder=self.folder).containerd_socket)
        for folder in cgroups.folders(self.inside.cgroup):
            for file in folder.rglob("cgroup.procs"):
                for pid in {int(line) for line in file.read_text().split()} - {self.inside.pid}:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
        for name in reversed(STARTED):
            with contextlib.suppress(LookupError):
                self.stop_program(name)
        socket.unlink()

    def restore_power(self) -> None:
        """Start every program again, with what was stored."""
        for name in STARTED:
            self.start_program(name)

    def reach(self, command: Sequence[str]) -> list[str]:
        """Return the command line that runs a command on the node's network, and else on this machine."""
        return self.inside.network_command(command)

    def network(self) -> contextlib.AbstractContextManager[None]:
        """Put this thread, and each that it starts, on the node's network for the length of a ``with`` block."""
        return self.inside.network()

    @property
    def inside(self) -> Namespaces:
        """The namespaces of the node."""
        assert self._namespaces is not None, "the cluster isn't running"
        return self._namespaces

    def create_namespace(self, prefix: str = "test", *, labels: Mapping[str, str] | None = None) -> str:
        """Create a namespace with a name of its own; return the name once Pods can be created in it."""
        name = super().create_namespace(prefix, labels=labels)
        self.kubectl("wait", "--for=create", "serviceaccount/default", f"--namespace={name}", "--timeout=60s")
        return name

    # Inside

    def _start_program(self, name: str, *, environment: Mapping[str, str] | None = None) -> Process:
        if name == "containerd":
            environment = {"PATH": f"{self._programs['containerd-shim-runc-v2'].parent}:{os.environ['PATH']}"}
        return super()._start_program(name, environment=environment)

    def _lay_out(self) -> Layout:
        layout = lay_out(self.folder, self.authority, address=GATEWAY, ports=(API_PORT, ETCD_PORT, ETCD_PEER_PORT))
        files = NodeFiles(folder=self.folder)
        client = self.authority.issue_client("kube-apiserver-kubelet-client", ("system:masters",))
        client.write(self.folder, "kube-apiserver-kubelet-client")
        self.authority.issue_server([NODE, GATEWAY]).write(self.folder, "kubelet")
        plugins = dict.fromkeys(self._programs[name].parent for name in PLUGINS)
        files.containerd_configuration.write_text(components.containerd_configuration(files, plugins=plugins))
        registry = files.registries / "_default" / "hosts.toml"
        registry.parent.mkdir(parents=True, exist_ok=True)
        registry.write_text(components.registry_configuration())
        files.networks.mkdir(exist_ok=True)
        (files.networks / "10-pods.conflist").write_text(components.network_configuration(files))
        files.kubelet_configuration.write_text(components.kubelet_configuration(layout))
        return layout

    def _start_once(self) -> None:
        self._namespaces = Namespaces(self.folder)
        super()._start_once()
        self._write_client_kubeconfig("kube-scheduler")
        self._write_client_kubeconfig("kubelet", f"system:node:{NODE}", ("system:nodes",))
        socket = self.inside.path(NodeFiles(folder=self.folder).containerd_socket)
        self._readiness |= {"containerd": socket.is_socket, "kubelet": self._node_is_ready}
        for name in STARTED[len(CONTROL_PLANE) :]:
            self.start_program(name)
        wait_for(
            lambda: self.kubectl("get", "serviceaccount", "default", check=False).returncode == 0,
            what="the ServiceAccount of the namespace default",
        )

    def _node_is_ready(self) -> bool:
        wanted = "jsonpath={.status.conditions[?(@.type=='Ready')].status}{.spec.taints}"
        return self.kubectl("get", "node", NODE, f"--output={wanted}", check=False).stdout == "True"

    def _stop_programs(self) -> None:
        # First, since it ends all at once; what then still runs of this machine's are those that entered.
        left = self._namespaces.close() if self._namespaces is not None else []
        self._namespaces = None
        super()._stop_programs()
        if left:
            raise ProcessError(f"the node left behind: {', '.join(left)}")
