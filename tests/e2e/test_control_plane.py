"""The harness is a real cluster: controllers act, webhooks are called over TLS, RBAC limits, what happened is audited."""

from __future__ import annotations

import http.server
import json
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client
from kubernetes.config import new_client_from_config

from tests.cluster import ControlPlane, KubectlError, ProcessError, layout, wait_for
from tests.cluster.ports import free_ports

HOOK = "images.tidegate.test"
REFUSAL = "first line of the refusal\nsecond line of the refusal"


def deployment(namespace: str, *, labels: dict[str, str] | None = None) -> dict[str, Any]:
    app = {"app": "web"}
    template = {
        "metadata": {"labels": app | (labels or {})},
        "spec": {"containers": [{"name": "web", "image": "registry.example/web:1"}]},
    }
    spec = {"replicas": 1, "selector": {"matchLabels": app}, "template": template}
    metadata = {"name": "web", "namespace": namespace, "labels": labels or {}}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}


def pod(namespace: str) -> dict[str, Any]:
    spec = {"containers": [{"name": "one", "image": "registry.example/one:1"}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "one", "namespace": namespace}, "spec": spec}


class Refuser(http.server.BaseHTTPRequestHandler):
    """Refuses whatever it is asked, with two warnings and an audit annotation."""

    def do_POST(self) -> None:
        review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        response = {
            "uid": review["request"]["uid"],
            "allowed": False,
            "status": {"code": 403, "message": REFUSAL},
            "warnings": ["the first warning", "the second warning"],
            "auditAnnotations": {"verdict": "refused by the test"},
        }
        answer = json.dumps({"apiVersion": review["apiVersion"], "kind": review["kind"], "response": response}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_arguments: object) -> None:
        """Keep quiet."""


@contextmanager
def serving(folder: Path, cluster: ControlPlane) -> Iterator[str]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*cluster.authority.issue_server(["127.0.0.1"]).write(folder, "webhook"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refuser) as server:
        server.daemon_threads = True
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"https://127.0.0.1:{server.server_port}/validate"
        server.shutdown()
        thread.join(10)


@pytest.fixture
def refusing_webhook(control_plane: ControlPlane, namespace: str, tmp_path: Path) -> Iterator[None]:
    """Objects of the test's namespace that are labelled ``refuse=yes`` are refused."""
    with serving(tmp_path, control_plane) as url:
        webhook = {
            "name": HOOK,
            "clientConfig": {"url": url, "caBundle": control_plane.authority_bundle},
            "rules": [
                {"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["deployments"]},
                {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]},
            ],
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
            "objectSelector": {"matchLabels": {"refuse": "yes"}},
            "admissionReviewVersions": ["v1"],
            "sideEffects": "None",
            "failurePolicy": "Fail",
            "timeoutSeconds": 5,
        }
        configuration = {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingWebhookConfiguration",
            "metadata": {"name": namespace},
            "webhooks": [webhook],
        }
        control_plane.apply(configuration)
        # The API server learns of a new configuration by a watch of its own, so a dry run asks until it is in force.
        wait_for(
            lambda: refused_by_dry_run(control_plane, namespace),
            what="the webhook configuration in force",
        )
        yield
        control_plane.kubectl("delete", "validatingwebhookconfiguration", namespace)


def refused_by_dry_run(cluster: ControlPlane, namespace: str) -> bool:
    labelled = deployment(namespace, labels={"refuse": "yes"})
    return cluster.apply(labelled, "--dry-run=server", check=False).returncode != 0


def test_a_deployment_becomes_a_replica_set_becomes_a_pod(control_plane: ControlPlane, namespace: str) -> None:
    """Refusals can be seen where users meet them only if the controllers really run."""
    control_plane.apply(deployment(namespace))
    pods = wait_for(
        lambda: control_plane.get("pods", "--namespace", namespace)["items"], what="a Pod of the Deployment"
    )
    (owner,) = pods[0]["metadata"]["ownerReferences"]
    assert owner["kind"] == "ReplicaSet"
    replica_set = control_plane.get("replicaset", owner["name"], "--namespace", namespace)
    assert replica_set["metadata"]["ownerReferences"][0]["name"] == "web"


def test_a_namespace_takes_pods_at_once(control_plane: ControlPlane) -> None:
    """Nothing has to exist in it first, a default ServiceAccount for example."""
    names = [control_plane.create_namespace("burst") for _ in range(3)]
    for name in names:
        control_plane.apply(pod(name))
    control_plane.kubectl("delete", "namespace", *names, "--wait=false")


@pytest.mark.usefixtures("refusing_webhook")
def test_a_refusal_reads_as_the_webhook_wrote_it(control_plane: ControlPlane, namespace: str) -> None:
    """Line breaks stay, warnings come first, nothing is created."""
    result = control_plane.apply(deployment(namespace, labels={"refuse": "yes"}), check=False)
    assert result.returncode != 0
    first, second, refusal = result.stderr.split("\n", 2)
    assert (first, second) == ("Warning: the first warning", "Warning: the second warning")
    assert f'admission webhook "{HOOK}" denied the request: {REFUSAL}' in refusal
    assert control_plane.get("deployments", "--namespace", namespace)["items"] == []


@pytest.mark.usefixtures("refusing_webhook")
def test_a_refusal_is_in_the_audit_log_with_the_webhooks_annotations(
    control_plane: ControlPlane, namespace: str
) -> None:
    """An operator finds who asked, what for, and the webhook's own annotation under its name."""
    control_plane.apply(deployment(namespace, labels={"refuse": "yes"}), check=False)
    event = control_plane.wait_for_audit_event(
        lambda event: (
            event["verb"] == "create"
            and event.get("objectRef", {}).get("namespace") == namespace
            and "dryRun" not in event["requestURI"]
            and event["responseStatus"]["code"] == 403
        )
    )
    assert event["annotations"][f"{HOOK}/verdict"] == "refused by the test"
    assert event["objectRef"]["resource"] == "deployments"
    assert event["user"]["username"] == "admin"


@pytest.mark.usefixtures("refusing_webhook")
def test_a_pod_refused_under_a_replica_set_is_told_in_events(control_plane: ControlPlane, namespace: str) -> None:
    """The person who applied the Deployment sees nothing; the ReplicaSet's event has the whole message."""
    unlabelled = deployment(namespace)
    unlabelled["spec"]["template"]["metadata"]["labels"]["refuse"] = "yes"
    control_plane.apply(unlabelled)
    (event, *_) = wait_for(
        lambda: control_plane.get("events", "--namespace", namespace, "--field-selector=reason=FailedCreate")["items"],
        what="the ReplicaSet's event",
    )
    assert event["involvedObject"]["kind"] == "ReplicaSet"
    assert f'admission webhook "{HOOK}" denied the request: {REFUSAL}' in event["message"]


def test_a_service_accounts_token_has_its_rights_and_no_others(control_plane: ControlPlane, namespace: str) -> None:
    """A missing RBAC rule must show in a test, so the token may do what its role says and nothing else."""
    in_namespace = ("--namespace", namespace)
    control_plane.kubectl("create", "serviceaccount", "reader", *in_namespace)
    control_plane.kubectl("create", "role", "reader", "--verb=list", "--resource=pods", *in_namespace)
    subject = f"--serviceaccount={namespace}:reader"
    control_plane.kubectl("create", "rolebinding", "reader", "--role=reader", subject, *in_namespace)
    reader = control_plane.token_kubeconfig(namespace, "reader")

    # The authorizer reads roles from a watch of its own, a moment behind the objects.
    wait_for(
        lambda: control_plane.kubectl("get", "pods", *in_namespace, kubeconfig=reader, check=False).returncode == 0,
        what="the role in force",
    )
    with pytest.raises(KubectlError, match='cannot list resource "secrets"'):
        control_plane.kubectl("get", "secrets", *in_namespace, kubeconfig=reader)
    with pytest.raises(KubectlError, match='cannot list resource "pods" in API group "" in the namespace "default"'):
        control_plane.kubectl("get", "pods", "--namespace", "default", kubeconfig=reader)
    refused = control_plane.apply(pod(namespace), kubeconfig=reader, check=False)
    assert "forbidden" in refused.stderr.lower()


def test_a_token_of_an_account_that_is_not_there_is_an_error(control_plane: ControlPlane, namespace: str) -> None:
    """A harness that made the account up would hide a chart that forgot it."""
    with pytest.raises(KubectlError, match='serviceaccounts "nobody" not found'):
        control_plane.token_kubeconfig(namespace, "nobody")


def test_a_user_known_by_certificate_is_not_an_administrator(control_plane: ControlPlane, namespace: str) -> None:
    """What a person without rights sees can be tested, too."""
    ann = control_plane.kubeconfig("ann", ["developers"])
    with pytest.raises(KubectlError, match='User "ann" cannot create resource "pods"'):
        control_plane.kubectl("create", "-f", "-", stdin=json.dumps(pod(namespace)), kubeconfig=ann)


def test_the_python_client_reads_the_kubeconfig(control_plane: ControlPlane, namespace: str) -> None:
    """The controller and the tests may use the kubernetes package on the same file."""
    with new_client_from_config(str(control_plane.admin_kubeconfig)) as api:
        client.CoreV1Api(api).create_namespaced_pod(namespace, pod(namespace))  # type: ignore[arg-type]
    assert control_plane.get("pod", "one", "--namespace", namespace)["status"]["phase"] == "Pending"


def test_a_node_of_a_platform_is_ready_while_it_is_wanted(control_plane: ControlPlane) -> None:
    """The cluster's platforms are read from labels and from nodeInfo; both say the same."""
    with control_plane.node_platform("linux", "arm64") as name:
        node = control_plane.get("node", name)
        assert node["metadata"]["labels"]["kubernetes.io/arch"] == "arm64"
        assert node["metadata"]["labels"]["kubernetes.io/os"] == "linux"
        assert node["status"]["nodeInfo"]["architecture"] == "arm64"
        assert node["status"]["nodeInfo"]["operatingSystem"] == "linux"
        assert [(c["type"], c["status"]) for c in node["status"]["conditions"]] == [("Ready", "True")]
    wait_for(lambda: control_plane.kubectl("get", "node", name, check=False).returncode != 0, what="the node's end")


def test_programs_beside_it_are_logged_and_stopped(control_plane: ControlPlane) -> None:
    """The controller under test is started this way."""
    command = [sys.executable, "-c", "import os, time; print('hello', os.environ['WHO'], flush=True); time.sleep(600)"]
    process = control_plane.run_beside("beside", command, environment={"WHO": "you"})
    process.wait_until(lambda: "hello you" in process.log_tail(), timeout_seconds=20)
    assert process.stop() == -signal.SIGTERM


def test_a_failed_start_shows_the_log_and_leaves_nothing_running(tmp_path: Path) -> None:
    """The words of the program that failed are what a person needs."""
    broken = ControlPlane(folder=tmp_path, extra_arguments={"kube-apiserver": ["--no-such-flag"]})
    with pytest.raises(ProcessError, match=r"kube-apiserver ended with status 1(.|\n)*unknown flag: --no-such-flag"):
        broken.start()
    assert not processes_that_mention(tmp_path)
    assert (tmp_path / "etcd.log").is_file()


def test_a_port_lost_to_somebody_else_costs_another_try_not_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A port is found free a moment before the program listens on it."""
    with socket.socket() as somebody:
        somebody.bind(("127.0.0.1", 0))
        draws = iter([[somebody.getsockname()[1], *free_ports(2)], free_ports(3)])
        monkeypatch.setattr(layout, "free_ports", lambda *_, **__: next(draws))
        with ControlPlane(folder=tmp_path) as cluster:
            assert cluster.get("namespace", "default")["kind"] == "Namespace"
    assert next(draws, None) is None


def processes_that_mention(folder: Path) -> list[str]:
    # Without -ww, ps cuts lines at the width of a terminal.
    command = ["ps", "-ww", "-eo", "args"]
    listing = subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout
    return [line for line in listing.splitlines() if f"={folder}" in line]


HOLDER = """
import pathlib, sys, time
from tests.cluster import ControlPlane
ControlPlane(folder=pathlib.Path(sys.argv[1])).start()
print("started", flush=True)
time.sleep(600)
"""


def test_everything_ends_when_the_tests_are_killed(tmp_path: Path) -> None:
    """SIGKILL leaves no time to clean up, and yet no program may stay behind."""
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == b"started\n"
            running = processes_that_mention(tmp_path)
        finally:
            holder.kill()
    assert len(running) == 3
    wait_for(lambda: not processes_that_mention(tmp_path), what="the end of every program")
