"""Node objects without a node: enough for what reads a cluster's platforms.

No kubelet stands behind them, so Pods don't run there; nothing keeps them alive either, and nothing declares them dead.
"""

from __future__ import annotations

from typing import Any


def node(name: str, *, operating_system: str, architecture: str) -> dict[str, Any]:
    """Return the Node object as a kubelet registers it."""
    labels = {"kubernetes.io/os": operating_system, "kubernetes.io/arch": architecture, "kubernetes.io/hostname": name}
    metadata = {"name": name, "labels": labels}
    # Where a scheduler runs, it mustn't choose it.
    return {"apiVersion": "v1", "kind": "Node", "metadata": metadata, "spec": {"unschedulable": True}}


def ready_status(*, operating_system: str, architecture: str, version: str) -> dict[str, Any]:
    """Return the patch of a Node's status that says Ready and names its platform."""
    info = {
        "operatingSystem": operating_system,
        "architecture": architecture,
        "kubeletVersion": version,
        "kubeProxyVersion": "",
        "containerRuntimeVersion": "containerd://2.4.2",
        "kernelVersion": "6.1.0",
        "osImage": "tests",
        "machineID": "",
        "systemUUID": "",
        "bootID": "",
    }
    ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "registered by the tests"}
    resources = {"cpu": "4", "memory": "16Gi", "pods": "110"}
    return {"status": {"nodeInfo": info, "conditions": [ready], "capacity": resources, "allocatable": resources}}
