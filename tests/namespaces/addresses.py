"""The addresses on a node's network; each node has one of its own, so they are the same for all."""

GATEWAY = "10.77.1.1"
"""The node's address, on the bridge that its Pods are on."""
BRIDGE = "cni0"
BRIDGE_HARDWARE_ADDRESS = "0a:58:0a:4d:01:01"
KUBERNETES_SERVICE_ADDRESS = "10.96.0.1"
"""The Service by which Pods reach the API server; the first of the addresses of Services."""
