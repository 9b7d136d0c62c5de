"""The chart's value server.clientCA, with an API server that presents a client certificate to webhooks and one that does not."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chart.render import webhooks_by_url
from tests.cluster import ControlPlane, wait_for
from tests.cluster.certificates import Authority
from tests.cluster.kubeconfig import certificate_user
from tests.e2e.conftest import require_programs
from tests.gate import Gate
from tests.objects import CRITICAL, GOOD, POLICY, apply, pod
from tests.release import CLOSED_CONNECTION
from tests.simulator import Simulator, scenario

PLUGINS = ("ValidatingAdmissionWebhook", "MutatingAdmissionWebhook")
CONFIGURATION = "gate-of-another-cluster"


def present_certificate(authority: Authority, folder: Path) -> Path:
    """Write an AdmissionConfiguration by which the API server presents a certificate to each webhook."""
    user = {"name": "*", "user": certificate_user(authority.issue_client("kube-apiserver"))}
    kubeconfig, configuration = folder / "webhooks.kubeconfig", folder / "admission.json"
    kubeconfig.write_text(json.dumps({"apiVersion": "v1", "kind": "Config", "users": [user]}))
    webhooks = {
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "WebhookAdmissionConfiguration",
        "kubeConfigFile": str(kubeconfig),
    }
    whole = {
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "AdmissionConfiguration",
        "plugins": [{"name": one, "configuration": webhooks} for one in PLUGINS],
    }
    configuration.write_text(json.dumps(whole))
    return configuration


@pytest.fixture(scope="module")
def gate(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    """Give a tidegate that only an API server with a certificate of its own authority may ask."""
    require_programs(pytestconfig)
    folder, authority = tmp_path_factory.mktemp("client-certificate"), Authority()
    arguments = [f"--admission-control-config-file={present_certificate(authority, folder)}"]
    values = {"server": {"clientCA": authority.certificate.decode()}, "digestPinning": {"enabled": True}}
    with (
        ControlPlane(folder=folder / "cluster", extra_arguments={"kube-apiserver": arguments}) as cluster,
        Simulator(scenario.load(scenario.DEMO)) as aws,
        Gate(cluster, aws, values=values) as gate,
    ):
        yield gate


def test_the_api_server_that_presents_its_certificate_is_answered(gate: Gate) -> None:
    gate.apply_policy("production", POLICY, match={"namespaces": ["default"]})
    assert "VulnerabilitiesFound" in gate.try_image(CRITICAL)
    assert "pod/try created" in gate.try_image(GOOD)


def test_it_is_answered_by_the_webhook_that_pins_digests_too(gate: Gate) -> None:
    """Its plugin of the API server is another one, and is configured for itself."""
    gate.apply_policy("production", POLICY, match={"namespaces": ["default"]})
    command = ("create", "--dry-run=server", "-f", "-", "-o", "jsonpath={.spec.containers[0].image}")

    def stored() -> str:
        return gate.cluster.kubectl(*command, stdin=json.dumps(pod(GOOD))).stdout

    wait_for(lambda: stored().startswith(f"{GOOD}@sha256:"), what="the digest of the image")


def test_an_api_server_that_presents_none_is_refused_in_the_handshake(
    gate: Gate, control_plane: ControlPlane, namespace: str
) -> None:
    """It trusts the webhook's certificate and reaches its port, and still no review is answered."""
    only_here = [{"key": "kubernetes.io/metadata.name", "operator": "In", "values": [namespace]}]
    url = f"https://localhost:{gate.port}"
    configuration = copy.deepcopy(webhooks_by_url(gate.objects, url, gate.cluster.authority.certificate))
    configuration["metadata"] = {"name": CONFIGURATION}
    for hook in configuration["webhooks"]:
        hook["namespaceSelector"] = {"matchExpressions": only_here}
    control_plane.apply(configuration)

    def refusal() -> str:
        admitted, said = apply(control_plane, namespace, pod(GOOD), "--dry-run=server")
        return "" if admitted else said

    try:
        said = wait_for(refusal, what="the webhook to be called")
    finally:
        control_plane.kubectl("delete", "validatingwebhookconfiguration", CONFIGURATION)
    assert 'failed calling webhook "enforce.tidegate.dev"' in said
    assert any(words in said for words in ("certificate required", *CLOSED_CONNECTION)), said
