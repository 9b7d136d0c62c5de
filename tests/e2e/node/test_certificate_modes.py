"""``certificate.mode`` changed while requests come, 200 a second: the CAs overlap, so no request fails."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from cryptography import x509

from tests.chart.render import CHART, NAMESPACE, RELEASE
from tests.cluster.certificates import Authority
from tests.e2e.node.conftest import Node, load
from tests.e2e.node.test_certificate import (
    AFTER_SECONDS,
    OWN_SECRET,
    SECRET,
    WHERE,
    bundles,
    issue,
    wait_until_served,
    write_secret,
)

KIND = "validatingwebhookconfiguration"
INJECT = "cert-manager.io/inject-ca-from"
CHANGE_SECONDS = 120
"""How long one upgrade with new Pods may take on a busy machine."""


@pytest.fixture
def changing(node: Node, guarded: str) -> Iterator[tuple[Node, str]]:
    """Give the node and a guarded namespace; afterwards the controller makes its certificate again."""
    yield node, guarded
    # What others made has the name of the Secret that the chart makes.
    node.cluster.kubectl("delete", "secrets", "--field-selector=type=kubernetes.io/tls", WHERE)
    node.tidegate.upgrade()


def upgrade(node: Node, namespace: str, **certificate: Any) -> None:
    """Upgrade to these values of ``certificate``; no request fails."""
    with load(node, namespace) as running:
        node.tidegate.upgrade({"certificate": certificate})
        time.sleep(AFTER_SECONDS)
    assert (running.wrong, running.failed) == ([], [])


def own(authority: Authority) -> dict[str, str]:
    """Return the values for a Secret of the platform team's."""
    return {"mode": "secret", "secretName": OWN_SECRET, "caBundle": authority.certificate.decode()}


def certificate_of(authority: Authority) -> x509.Certificate:
    return x509.load_pem_x509_certificate(authority.certificate)


@pytest.mark.timeout(4 * CHANGE_SECONDS)
def test_from_self_to_secret_and_back(changing: tuple[Node, str]) -> None:
    """The bundle keeps the CA of before until the next upgrade."""
    node, namespace = changing
    (made,) = bundles(node)[0]
    authority = Authority("platform team")
    pair = issue(authority)
    write_secret(node, pair)
    upgrade(node, namespace, **own(authority))
    wait_until_served(node, pair.certificate.decode())
    assert bundles(node) == [[certificate_of(authority), made]] * 2
    upgrade(node, namespace, **own(authority))
    assert bundles(node) == [[certificate_of(authority)]] * 2

    upgrade(node, namespace, mode="self")
    first, second = bundles(node)[0]
    assert first == certificate_of(authority)
    assert second not in {certificate_of(authority), made}
    # helm no longer owns the bundle, which would take it away with the next upgrade.
    upgrade(node, namespace, mode="self")
    assert bundles(node) == [[first, second]] * 2


@pytest.fixture
def cert_manager(node: Node) -> Iterator[None]:
    """Give the API of cert-manager, without its controllers: the test does what they do."""
    names = [f"{plural}.cert-manager.io" for plural in ("certificates", "issuers")]
    node.cluster.apply_definitions([definition(name) for name in names])
    yield
    node.cluster.kubectl("delete", "crd", *names)


def definition(name: str) -> dict[str, Any]:
    plural, _, group = name.partition(".")
    kind = plural.removesuffix("s").title()
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    spec = {
        "group": group,
        "scope": "Namespaced",
        "names": {"plural": plural, "singular": plural.removesuffix("s"), "kind": kind, "listKind": f"{kind}List"},
        "versions": [version],
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": name},
        "spec": spec,
    }


def inject(node: Node, authority: Authority) -> None:
    """Replace each caBundle as the cainjector does: by the CA of the Secret alone."""
    bundle = base64.b64encode(authority.certificate).decode()
    changes = [{"op": "add", "path": f"/webhooks/{n}/clientConfig/caBundle", "value": bundle} for n in range(2)]
    node.cluster.kubectl("patch", KIND, RELEASE, "--type=json", f"--patch={json.dumps(changes)}")


@pytest.mark.timeout(4 * CHANGE_SECONDS)
def test_to_cert_manager_by_way_of_secret(cert_manager: None, changing: tuple[Node, str]) -> None:
    """As the guide has it: first the chart serves a Secret with a certificate of the same issuer."""
    node, namespace = changing
    issuer = Authority("platform issuer")
    write_secret(node, issue(issuer))
    upgrade(node, namespace, **own(issuer))
    managed = {"mode": "certManager", "issuerRef": {"name": "platform", "kind": "ClusterIssuer"}}
    pair = issue(issuer)
    with load(node, namespace) as running:
        node.tidegate.helm("upgrade", str(CHART), values=node.tidegate.values | {"certificate": managed})
        assert node.cluster.get(KIND, RELEASE)["metadata"]["annotations"][INJECT] == f"{NAMESPACE}/{RELEASE}"
        inject(node, issuer)
        write_secret(node, pair, name=SECRET)
        node.tidegate.wait_for_rollout()
    assert (running.wrong, running.failed) == ([], [])
    wait_until_served(node, pair.certificate.decode())
    upgrade(node, namespace, **managed)
    assert bundles(node) == [[certificate_of(issuer)]] * 2
