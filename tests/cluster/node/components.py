"""The command lines and configuration files of a cluster with a node, as plain values; nothing is started here."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.components import any_kube_apiserver, any_kube_controller_manager
from tests.cluster.layout import Layout
from tests.namespaces.addresses import BRIDGE, GATEWAY
from tests.namespaces.keeper import DATA

NODE = "node0"
POD_ADDRESSES = "10.77.1.0/24"
FIRST_POD_ADDRESS, LAST_POD_ADDRESS = "10.77.1.10", "10.77.1.250"
REGISTRY_PORT = 4566
"""The simulated AWS listens here on the node's address; every image is pulled from it, whatever registry it names."""
PAUSE_REPOSITORY, PAUSE_TAG, PAUSE_ACCOUNT = "eks/pause", "3.10", "602401143452"
PAUSE_IMAGE = f"{PAUSE_ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com/{PAUSE_REPOSITORY}:{PAUSE_TAG}"
"""What holds a Pod's namespaces, by the name that it has on EKS."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeFiles:
    """Where the node's own files lie; what its programs write goes with the namespaces."""

    folder: Path

    @property
    def data(self) -> Path:
        """What the node's programs write."""
        return self.folder / DATA

    @property
    def containerd_configuration(self) -> Path:
        """containerd's configuration."""
        return self.folder / "containerd.toml"

    @property
    def containerd_socket(self) -> Path:
        """Where containerd listens: in the node's own /run, since the name of a socket may not be as long as a path."""
        return Path("/run/containerd.sock")

    @property
    def registries(self) -> Path:
        """What containerd knows of registries."""
        return self.folder / "registries"

    @property
    def networks(self) -> Path:
        """The networks of Pods."""
        return self.folder / "networks"

    @property
    def kubelet_configuration(self) -> Path:
        """The kubelet's configuration."""
        return self.folder / "kubelet.json"

    def certificate(self, name: str) -> tuple[Path, Path]:
        """Return the files of a certificate and its key."""
        return self.folder / f"{name}.crt", self.folder / f"{name}.key"


def kube_apiserver(layout: Layout) -> list[str]:
    """Return kube-apiserver's arguments: Pods reach it at the address of its Service, and it reaches theirs.

    With aggregator routing it calls a webhook at the addresses of the Pods behind its Service, so that no kube-proxy
    is needed.
    """
    certificate, key = NodeFiles(folder=layout.folder).certificate("kube-apiserver-kubelet-client")
    return [
        *any_kube_apiserver(layout),
        "--bind-address=0.0.0.0",
        "--authorization-mode=Node,RBAC",
        "--enable-aggregator-routing=true",
        "--kubelet-preferred-address-types=InternalIP",
        f"--kubelet-client-certificate={certificate}",
        f"--kubelet-client-key={key}",
    ]


def kube_controller_manager(layout: Layout) -> list[str]:
    """Return kube-controller-manager's arguments."""
    return [
        *any_kube_controller_manager(layout),
        "--controllers=*,-nodeipam",
        # A busy machine is late with everything, the node's signs of life too.
        "--node-monitor-grace-period=5m",
    ]


def kube_scheduler(layout: Layout) -> list[str]:
    """Return kube-scheduler's arguments."""
    return [f"--kubeconfig={layout.kubeconfig('kube-scheduler')}", "--leader-elect=false", "--profiling=false"]


def containerd(layout: Layout) -> list[str]:
    """Return containerd's arguments."""
    return [f"--config={NodeFiles(folder=layout.folder).containerd_configuration}"]


def kubelet(layout: Layout) -> list[str]:
    """Return the kubelet's arguments."""
    files = NodeFiles(folder=layout.folder)
    return [
        f"--config={files.kubelet_configuration}",
        f"--kubeconfig={layout.kubeconfig('kubelet')}",
        f"--hostname-override={NODE}",
        f"--node-ip={layout.address}",
        f"--root-dir={files.data / 'kubelet'}",
    ]


def containerd_configuration(files: NodeFiles, *, plugins: Iterable[Path]) -> str:
    """Return containerd's configuration, in TOML; ``plugins`` are the folders of the CNI plugins."""
    return f"""\
version = 3
root = "{files.data / "containerd"}"
state = "{files.data / "containerd-state"}"

[grpc]
  address = "{files.containerd_socket}"

[plugins.'io.containerd.cri.v1.images'.pinned_images]
  sandbox = "{PAUSE_IMAGE}"

[plugins.'io.containerd.cri.v1.images'.registry]
  config_path = "{files.registries}"

[plugins.'io.containerd.cri.v1.runtime']
  # Without CAP_SYS_RESOURCE a lower score than one's own is refused, and runc fails.
  restrict_oom_score_adj = true

[plugins.'io.containerd.cri.v1.runtime'.cni]
  bin_dirs = {json.dumps([str(folder) for folder in plugins])}
  conf_dir = "{files.networks}"

[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"

[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
  SystemdCgroup = false
"""


def registry_configuration() -> str:
    """Return what containerd knows of every registry, in TOML: it asks the simulated AWS, and no other host."""
    registry = f"http://{GATEWAY}:{REGISTRY_PORT}"
    return f'server = "{registry}"\n\n[host."{registry}"]\n  capabilities = ["pull", "resolve"]\n'


def network_configuration(files: NodeFiles) -> str:
    """Return the list of CNI plugins for Pods, in JSON."""
    addresses = {"subnet": POD_ADDRESSES, "rangeStart": FIRST_POD_ADDRESS, "rangeEnd": LAST_POD_ADDRESS}
    bridge = {
        "type": "bridge",
        "bridge": BRIDGE,
        "isGateway": True,
        "hairpinMode": True,
        "ipam": {
            "type": "host-local",
            "dataDir": str(files.data / "addresses"),
            "routes": [{"dst": "0.0.0.0/0"}],
            "ranges": [[addresses | {"gateway": GATEWAY}]],
        },
    }
    return json.dumps({"cniVersion": "1.0.0", "name": "pods", "plugins": [bridge, {"type": "loopback"}]})


def kubelet_configuration(layout: Layout) -> str:
    """Return the kubelet's configuration, in JSON.

    The machine's memory and disks are everybody's, so nothing is evicted for their sake and no limits are set above
    those of the containers.
    """
    files = NodeFiles(folder=layout.folder)
    certificate, key = files.certificate("kubelet")
    free = dict.fromkeys(("memory.available", "nodefs.available", "imagefs.available", "nodefs.inodesFree"), "0%")
    configuration = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "failCgroupV1": False,
        "cgroupDriver": "cgroupfs",
        "cgroupsPerQOS": False,
        "enforceNodeAllocatable": [],
        "localStorageCapacityIsolation": False,
        "failSwapOn": False,
        "containerRuntimeEndpoint": f"unix://{files.containerd_socket}",
        "imageGCHighThresholdPercent": 100,
        "evictionHard": free,
        # No name is looked up outside.
        "resolvConf": "",
        "tlsCertFile": str(certificate),
        "tlsPrivateKeyFile": str(key),
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(layout.authority_certificate)},
        },
        "authorization": {"mode": "Webhook"},
    }
    return json.dumps(configuration, indent=2)
