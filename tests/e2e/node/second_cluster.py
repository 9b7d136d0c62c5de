"""A cluster with a Pod that runs, for a test that ends it in some way: ``python -m tests.e2e.node.second_cluster FOLDER``.

It prints the name of its control groups when the Pod runs, and waits for a signal.
"""

from __future__ import annotations

import signal
import sys
import threading
from pathlib import Path

from tests.cluster.node import NodeCluster
from tests.cluster.waiting import wait_for
from tests.installed import running_world, simulated_aws
from tests.objects import GOOD, pod
from tests.simulator import scenario

RUNNING_SECONDS = 120.0


def main() -> None:
    """Start the cluster and the Pod, say so, and wait."""
    # A shell ignores Ctrl-C for what it starts in the background, and what that starts does, too.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with NodeCluster(folder=Path(sys.argv[1])) as cluster, simulated_aws(cluster, running_world(scenario.DEMO)):
        cluster.apply(pod(GOOD, name="one"))
        wait_for(
            lambda: cluster.get("pod", "one")["status"]["phase"] == "Running",
            what="the Pod to run",
            timeout_seconds=RUNNING_SECONDS,
        )
        print(cluster.inside.cgroup, flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
