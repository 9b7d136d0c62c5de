"""The API server or etcd gone for a while: tidegate lives, decides by its last policies and catches up."""

from __future__ import annotations

import http.client
import json
import ssl
import time

import pytest

from tests.bench.reviews import review_of
from tests.cluster import wait_for
from tests.e2e.node.conftest import IN_FORCE_SECONDS, Node, load, wait_until_refused
from tests.load import CLIENT_SECONDS, Load
from tests.objects import CRITICAL, GOOD

OUTAGE_SECONDS = 30.0
BEFORE_SECONDS = AFTER_SECONDS = 1.0
PORT = 9443
CALL_FAILED = "failed calling webhook"


def ask(node: Node, address: str, image: str, namespace: str) -> str:
    """Ask one replica as the API server does; return its refusal, or an empty text."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with node.cluster.network():
        connection = http.client.HTTPSConnection(address, PORT, context=context, timeout=10)
        headers = {"Content-Type": "application/json"}
        connection.request("POST", "/validate", review_of(image, namespace=namespace), headers)
        answer = json.loads(connection.getresponse().read())["response"]
        connection.close()
    return "" if answer["allowed"] else answer["status"]["message"]


def catches_up(node: Node, namespace: str) -> None:
    """Apply another policy and wait until each replica decides by it."""
    node.tidegate.apply_policy("changed", {"tags": {"digestRequired": True}}, match={"namespaces": [namespace]})
    wait_until_refused(node, namespace, "[policy changed]", image=GOOD)


def wait_until_back(node: Node, namespace: str, running: Load) -> float:
    """Wait until the API server has both kinds of requests decided again; return when that was, in seconds of the run."""
    wait_until_refused(node, namespace, "[policy production]")
    wait_for(lambda: "created" in node.tidegate.try_image(GOOD, namespace=namespace), what="an admitted request")
    back = running.now
    # Requests that the API server took without etcd may wait for as long as their client does.
    wait_for(
        lambda: any(one.began > back for one in running.outcomes),
        what="a request that began after the outage",
        timeout_seconds=2 * CLIENT_SECONDS,
    )
    return back


def lost_by_the_api_server_only(running: Load, *, back: float) -> None:
    """Requests that the API server does not take fail until it is back; each that it takes is decided."""
    assert running.wrong == []
    assert [one.text for one in running.failed if CALL_FAILED in one.text or one.began > back] == []
    assert [one for one in running.outcomes if one.began > back]


@pytest.mark.timeout(OUTAGE_SECONDS + 2 * IN_FORCE_SECONDS + 180)
def test_etcd_stopped_for_half_a_minute(node: Node, guarded: str) -> None:
    """The API server answers nothing meanwhile, so the replicas are asked directly."""
    cluster, processes = node.cluster, node.tidegate.processes()
    addresses = [pod["status"]["podIP"] for pod in node.tidegate.pods()]
    with load(node, guarded) as running:
        time.sleep(BEFORE_SECONDS)
        cluster.stop_program("etcd")
        time.sleep(OUTAGE_SECONDS)
        for address in addresses:
            assert ask(node, address, GOOD, guarded) == ""
            assert "[policy production]" in ask(node, address, CRITICAL, guarded)
        cluster.start_program("etcd")
        back = wait_until_back(node, guarded, running)
        time.sleep(AFTER_SECONDS)
    lost_by_the_api_server_only(running, back=back)
    assert node.tidegate.processes() == processes
    catches_up(node, guarded)


@pytest.mark.timeout(2 * IN_FORCE_SECONDS + 120)
def test_a_restarted_api_server(node: Node, guarded: str) -> None:
    cluster, processes = node.cluster, node.tidegate.processes()
    with load(node, guarded) as running:
        time.sleep(BEFORE_SECONDS)
        cluster.stop_program("kube-apiserver")
        cluster.start_program("kube-apiserver")
        back = wait_until_back(node, guarded, running)
        time.sleep(AFTER_SECONDS)
    lost_by_the_api_server_only(running, back=back)
    assert node.tidegate.processes() == processes
    catches_up(node, guarded)
