"""Certificate mode ``self``: the controller makes the certificate and tells the API server whom to trust."""

import pytest

from tests.cluster import wait_for
from tests.objects import CRITICAL, GOOD, POLICY, apply, pod


@pytest.fixture
def self_certified(installation):
    """Replace the run's controller by one that makes its own certificate."""
    gate = installation.gate
    gate.stop()
    gate.cluster.kubectl("delete", "validatingwebhookconfiguration", "tidegate", "--ignore-not-found")
    gate.own_certificate = True
    gate.arm_configuration()
    gate.start()
    yield installation
    gate.stop()
    gate.own_certificate = False
    gate.start()
    gate.cluster.kubectl("delete", "validatingwebhookconfiguration", "tidegate", "--ignore-not-found")
    gate.arm()


def test_the_ca_bundle_is_filled_in_and_requests_are_judged(self_certified, gated_namespace):
    cluster = self_certified.cluster
    self_certified.gate.apply_policy("production", POLICY, match={"namespaces": [gated_namespace]})

    wait_for(
        lambda: "VulnerabilitiesFound" in apply(cluster, gated_namespace, pod(CRITICAL), "--dry-run=server")[1],
        what="the API server to trust the controller",
    )

    assert apply(cluster, gated_namespace, pod(GOOD))[0]
    secret = cluster.get("secret", "tidegate-tls", "--namespace", "tidegate")
    assert secret["type"] == "Opaque"
    assert set(secret["data"]) == {"ca.crt", "ca.key", "tls.crt", "tls.key"}


def test_a_restart_serves_the_same_certificate(self_certified):
    cluster, gate = self_certified.cluster, self_certified.gate
    before = cluster.get("secret", "tidegate-tls", "--namespace", "tidegate")["data"]["tls.crt"]
    gate.stop()
    gate.start()

    assert cluster.get("secret", "tidegate-tls", "--namespace", "tidegate")["data"]["tls.crt"] == before
