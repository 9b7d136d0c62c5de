"""The webhook's certificate replaced, damaged or lost while requests come, 200 a second: no request fails."""

from __future__ import annotations

import base64
import json
import ssl
import time
from collections.abc import Iterator

import pytest
from cryptography import x509

from tests.chart.render import NAMESPACE, RELEASE
from tests.cluster import wait_for
from tests.cluster.certificates import Authority, KeyPair
from tests.e2e.node.conftest import Node, apply_production, load

SECRET = f"{RELEASE}-tls"
OWN_SECRET = "webhook-certificate"
PORT = 9443
BEFORE_SECONDS = AFTER_SECONDS = 1.0
NOTICE_SECONDS = 90.0
"""Ten seconds until a replica looks again, twice for a new authority; a busy machine is late."""
WHERE = f"--namespace={NAMESPACE}"


def served(node: Node) -> list[str]:
    """Return the certificate that each replica serves, as PEM."""
    with node.cluster.network():
        return [ssl.get_server_certificate((pod["status"]["podIP"], PORT)) for pod in node.tidegate.pods()]


def content(node: Node, name: str = SECRET) -> dict[str, str]:
    """Return what is in the Secret."""
    data = node.cluster.get("secret", name, WHERE).get("data") or {}
    return {key: base64.b64decode(value).decode() for key, value in data.items()}


def wait_until_served(node: Node, certificate: str) -> None:
    """Wait until each replica serves the certificate."""
    wait_for(
        lambda: {one.strip() for one in served(node)} == {certificate.strip()},
        what="the certificate to be served by each replica",
        timeout_seconds=NOTICE_SECONDS,
    )


def damage(node: Node, *keys: str) -> None:
    """Edit the Secret so that some of its keys hold no PEM."""
    data = dict.fromkeys(keys, base64.b64encode(b"not a certificate").decode())
    node.cluster.kubectl("patch", "secret", SECRET, WHERE, f"--patch={json.dumps({'data': data})}")


def starts(node: Node) -> list[tuple[str, int]]:
    """Return each Pod's name with how often its container was started anew."""
    return sorted(
        (pod["metadata"]["name"], pod["status"]["containerStatuses"][0]["restartCount"]) for pod in node.tidegate.pods()
    )


def bundles(node: Node) -> list[list[x509.Certificate]]:
    """Return the authorities that the API server trusts, for each webhook."""
    hooks = node.cluster.get("validatingwebhookconfiguration", RELEASE)["webhooks"]
    return [x509.load_pem_x509_certificates(base64.b64decode(each["clientConfig"]["caBundle"])) for each in hooks]


def test_a_secret_edited_by_hand_is_repaired_and_never_served_broken(node: Node, guarded: str) -> None:
    before, processes = content(node), starts(node)
    with load(node, guarded) as running:
        time.sleep(BEFORE_SECONDS)
        damage(node, "tls.crt")
        wait_for(
            lambda: content(node)["tls.crt"].startswith("-----BEGIN"), what="repair", timeout_seconds=NOTICE_SECONDS
        )
        wait_until_served(node, content(node)["tls.crt"])
        time.sleep(AFTER_SECONDS)
    assert (running.wrong, running.failed) == ([], [])
    after = content(node)
    assert after["tls.crt"] != before["tls.crt"]
    assert (after["ca.crt"], after["ca.key"]) == (before["ca.crt"], before["ca.key"])
    assert starts(node) == processes


@pytest.mark.timeout(3 * NOTICE_SECONDS + 120)
def test_a_deleted_secret_is_named_and_its_new_authority_is_served_in_place(node: Node, guarded: str) -> None:
    """The API server trusts both authorities before a replica serves the new one."""
    before, processes = content(node), starts(node)

    def named() -> bool:
        logs = [node.cluster.kubectl("logs", name, WHERE, "--tail=50").stdout for name, _ in processes]
        return all(f"the Secret {NAMESPACE}/{SECRET} is missing; run helm upgrade" in log for log in logs)

    with load(node, guarded) as running:
        time.sleep(BEFORE_SECONDS)
        node.cluster.kubectl("delete", "secret", SECRET, WHERE)
        wait_for(named, what="the missing Secret in each replica's log", timeout_seconds=NOTICE_SECONDS)
        assert {one.strip() for one in served(node)} == {before["tls.crt"].strip()}
        node.tidegate.upgrade()
        wait_for(lambda: content(node), what="the Secret to be filled", timeout_seconds=NOTICE_SECONDS)
        wait_until_served(node, content(node)["tls.crt"])
        time.sleep(AFTER_SECONDS)
    assert (running.wrong, running.failed) == ([], [])
    assert starts(node) == processes
    authorities = [x509.load_pem_x509_certificate(each["ca.crt"].encode()) for each in (before, content(node))]
    assert authorities[0] != authorities[1]
    for bundle in bundles(node):
        assert bundle[-2:] == authorities


@pytest.fixture
def own_authority(node: Node) -> Iterator[Authority]:
    """Give the authority of a Secret that the chart does not own, with tidegate installed to serve what is in it."""
    authority = Authority("platform team")
    node.tidegate.uninstall()
    write_secret(node, issue(authority))
    values = {"mode": "secret", "secretName": OWN_SECRET, "caBundle": authority.certificate.decode()}
    node.tidegate.install({"certificate": values})
    yield authority
    node.tidegate.uninstall()
    node.tidegate.install()


def issue(authority: Authority) -> KeyPair:
    return authority.issue_server([f"{RELEASE}.{NAMESPACE}.svc"])


def write_secret(node: Node, pair: KeyPair, *, name: str = OWN_SECRET) -> None:
    data = {"tls.crt": pair.certificate, "tls.key": pair.key}
    metadata = {"name": name, "namespace": NAMESPACE}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "kubernetes.io/tls"}
    node.cluster.apply(secret | {"data": {key: base64.b64encode(value).decode() for key, value in data.items()}})


@pytest.mark.timeout(3 * NOTICE_SECONDS + 120)
def test_a_secret_replaced_from_outside_is_served_in_place(
    node: Node, own_authority: Authority, namespace: str
) -> None:
    apply_production(node, namespace)
    processes, pair = starts(node), issue(own_authority)
    with load(node, namespace) as running:
        time.sleep(BEFORE_SECONDS)
        write_secret(node, pair)
        # The kubelet renews what it mounted once a minute, and at once when the Pod changes.
        node.cluster.kubectl("annotate", "pods", "--all", WHERE, "--overwrite", "example.com/renewed=yes")
        wait_until_served(node, pair.certificate.decode())
        time.sleep(AFTER_SECONDS)
    assert (running.wrong, running.failed) == ([], [])
    assert starts(node) == processes
