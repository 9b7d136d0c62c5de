"""The end of an admission process, and the real server in it: a program of its own, ended by a signal."""

from __future__ import annotations

import ssl
import sys
import urllib.request
from pathlib import Path

from tests.cluster import wait_for
from tests.e2e.kube.edge import Rights

ROOT = Path(__file__).parents[3]
PROGRAM = """
import sys
sys.path[:0] = [ROOT, ROOT + "/controller"]
import asyncio, uvloop
from tests.e2e.kube.edge import Edge
from tidegate.webhook.certificate import CaBundle, SharedCertificate
from tidegate.cluster.connection import load_configuration
from tidegate.webhook.operator import run_operator
from tidegate.webhook.kopf_host import KopfHost
from tidegate.webhook.server import AdmissionServer, ServerTLS

async def main():
    edge = Edge(load_configuration(), None)
    bundle = CaBundle(edge.api, NAME)
    certificate = SharedCertificate(
        edge.api, namespace=NAMESPACE, secret_name=NAME + "-tls", service_name=NAME, bundle=bundle)
    pair = await certificate.obtain()
    tls = ServerTLS(pair.certificate_pem, pair.key_pem)
    server = AdmissionServer(responder=None, readiness=certificate.unmet, tls=tls)
    host = KopfHost(server=server, host="127.0.0.1", port=PORT, client_config={}, drain_seconds=1.0)
    open(AUTHORITY, "wb").write(pair.trust_pem)
    await run_operator(
        configuration=edge.configuration, host=host, policies=edge.policies, exceptions=edge.exceptions,
        namespaces=edge.namespaces, trust_stores=edge.trust_stores, background=[edge.platforms.run, lambda: certificate.run(tls.reload)])
    print("drained", server.table.draining, flush=True)
    edge.api.close()

uvloop.run(main())
"""


def ready(port: int, authority: Path) -> bool:
    try:
        # The program may not have filled the file yet.
        trust = ssl.create_default_context(cafile=str(authority))
        # The certificate is for the Service's name; who it is signed by is what matters here.
        trust.check_hostname = False
        with urllib.request.urlopen(f"https://127.0.0.1:{port}/readyz", context=trust, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def test_sigterm_drains_the_server_and_ends_in_order(rights: Rights, tmp_path: Path, unused_port: int) -> None:
    """Served over TLS with the shared certificate until the signal; then drained, and the exit status is 0."""
    authority = tmp_path / "ca.crt"
    values = {
        "ROOT": str(ROOT),
        "NAME": rights.name,
        "NAMESPACE": rights.namespace,
        "PORT": unused_port,
        "AUTHORITY": str(authority),
    }
    assignments = "".join(f"{name} = {value!r}\n" for name, value in values.items())
    process = rights.cluster.run_beside(
        "edge", [sys.executable, "-c", assignments + PROGRAM], environment={"KUBECONFIG": str(rights.kubeconfig)}
    )
    process.wait_until(lambda: authority.exists() and ready(unused_port, authority), timeout_seconds=60)
    assert process.stop(grace_seconds=20) == 0
    assert "drained True" in process.log_tail()
    wait_for(lambda: not ready(unused_port, authority), what="the port's end")
