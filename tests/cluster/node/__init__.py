"""A real cluster of one node for tests and demo: Pods run, in namespaces of its own that end with the test process.

    from tests.cluster.node import NodeCluster

    with NodeCluster() as cluster:                     # a ControlPlane: kubectl, apply, get, create_namespace ...
        cluster.kubectl("get", "nodes")
        with cluster.network():                        # this thread is on the node's network now,
            server = start_server(cluster.address)     # where Pods reach what it starts

The node pulls each image, whatever registry its name says, from port 4566 of its own address: let a `Simulator` listen
there, with a world whose images can be run (`tests.installed` does both, and installs tidegate).

It takes Linux, root and some packages; ``missing()`` says in a sentence what isn't there. Nothing of the node is seen from
outside: network, mounts, processes and control groups are its own, and a program beside removes them however the test
process ends. One thing is shared: the machine's kernel.
"""

from tests.cluster.node.cluster import NodeCluster
from tests.cluster.node.image import controller_image
from tests.cluster.node.requirements import missing

__all__ = ["NodeCluster", "controller_image", "missing"]
