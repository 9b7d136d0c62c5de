"""The chart on a real API server: every object is accepted, an upgrade keeps the caBundle, nothing is left behind."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.chart.render import CHART, find, find_all, render, run_helm, webhook_configuration
from tests.cluster import ControlPlane, wait_for

RELEASE = "gate"
NAME = "gate-tidegate"
KIND = "validatingwebhookconfiguration"
BUNDLE = "QSBidW5kbGUgdGhhdCB0aGUgY29udHJvbGxlciB3cm90ZQ=="
OPTIONAL: dict[str, Any] = {
    "auditOnly": False,
    "namespaces": {"enforced": ["nobody-lives-here"]},
    "networkPolicy": {
        "enabled": True,
        "metricsFrom": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}],
        "extraEgress": [{"ports": [{"port": 6443, "protocol": "TCP"}]}],
    },
    "nodeSelector": {"kubernetes.io/arch": "arm64"},
    "tolerations": [{"key": "CriticalAddonsOnly", "operator": "Exists"}],
    "extraEnv": [{"name": "HTTPS_PROXY", "value": "http://proxy.example.internal:3128"}],
    "image": {"pullSecrets": ["login"]},
    "hostNetwork": True,
    "serviceAccount": {"annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::111122223333:role/tidegate"}},
    "webhook": {"annotations": {"owner": "platform"}},
    "digestPinning": {"enabled": True, "namespaces": ["team-a"]},
    "baselinePolicy": {
        "registries": [{"account": "111122223333"}, {"host": "ghcr.io", "repositories": ["a/**"]}],
        "signatures": {
            "anyOf": [{"name": "release", "notation": {"trustStores": ["aws-signer"], "trustedIdentities": ["*"]}}],
            "children": "All",
            "sameRepository": True,
        },
    },
    "registries": [
        {"host": "ghcr.io", "pullSecret": "ghcr-login"},
        {
            "host": "registry.example.internal:5000",
            "privateAddresses": True,
            "caBundle": "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n",
        },
    ],
    "revocation": {"allowedHosts": ["ocsp.example.com"], "privateHosts": ["pki.example.internal:8080"]},
    "trustStores": {"configMapNamespaces": ["kube-system"], "privateHosts": ["tuf.example.internal"]},
}


class Release:
    """One installation of the chart, in a namespace of its own, asked of helm as an administrator asks."""

    def __init__(self, cluster: ControlPlane, namespace: str) -> None:
        self.cluster = cluster
        self.namespace = namespace

    def helm(self, verb: str, *arguments: str, values: dict[str, Any] | None = None) -> str:
        done = run_helm(
            verb,
            RELEASE,
            *arguments,
            "--namespace",
            self.namespace,
            values=values,
            cluster=self.cluster,
        )
        return done.stdout

    def install(self, values: dict[str, Any] | None = None) -> str:
        return self.helm("install", str(CHART), values=values or {})

    def upgrade(self, values: dict[str, Any] | None = None) -> str:
        # There is no node to run the Job of the CRDs; tests/e2e/node/test_rollouts.py has it.
        return self.helm("upgrade", str(CHART), "--no-hooks", values=values or {})

    def webhooks(self) -> dict[str, dict[str, Any]]:
        return {hook["name"]: hook for hook in self.cluster.get(KIND, NAME)["webhooks"]}

    def write_bundle(self) -> None:
        """Write the caBundle of each entry, as the controller does, and with no other right than the controller's."""
        patch = [
            {"op": "replace", "path": f"/webhooks/{index}/clientConfig/caBundle", "value": BUNDLE}
            for index in range(len(self.webhooks()))
        ]
        rights = self.cluster.token_kubeconfig(self.namespace, NAME)
        arguments = ("patch", KIND, NAME, "--type=json", f"--patch={json.dumps(patch)}")
        # As in write_certificate, the right may come a moment after its object.
        wait_for(
            lambda: self.cluster.kubectl(*arguments, kubeconfig=rights, check=False).returncode == 0,
            what="the controller's right to fill in the caBundle",
        )

    def write_certificate(self) -> None:
        """Fill the certificate's Secret, as the controller does, and with no other right than the controller's."""
        rights = self.cluster.token_kubeconfig(self.namespace, NAME)
        filled = json.dumps(self.secret() | {"data": CERTIFICATE})
        path = f"/api/v1/namespaces/{self.namespace}/secrets/{NAME}-tls"

        def fill() -> bool:
            # The authorizer reads roles from a watch of its own, a moment behind the objects. Without --raw, kubectl
            # would note the content as its own, to be removed by the next apply.
            done = self.cluster.kubectl(
                "replace", "--raw", path, "-f", "-", stdin=filled, kubeconfig=rights, check=False
            )
            return done.returncode == 0

        wait_for(fill, what="the controller's right to fill its Secret")

    def secret(self) -> dict[str, Any]:
        return self.cluster.get("secret", f"{NAME}-tls", "--namespace", self.namespace)

    def certificate(self) -> dict[str, str]:
        data: dict[str, str] = self.secret()["data"]
        return data

    def bundles(self) -> set[str | None]:
        return {hook["clientConfig"].get("caBundle") for hook in self.webhooks().values()}


@pytest.fixture
def release(control_plane: ControlPlane, namespace: str) -> Iterator[Release]:
    """Give a release that isn't installed yet; whatever a test leaves of it is removed."""
    one = Release(control_plane, namespace)
    yield one
    one.helm("uninstall", "--ignore-not-found")


@pytest.mark.parametrize("values", [pytest.param({}, id="defaults"), pytest.param(OPTIONAL, id="everything optional")])
def test_the_api_server_accepts_every_object_and_knows_every_field(release, values):
    release.install(values)
    for item in render(values, namespace=release.namespace, release=RELEASE):
        where = item["metadata"].get("namespace", release.namespace)
        release.cluster.get(item["kind"].lower(), item["metadata"]["name"], "--namespace", where)
    # A field that the API server doesn't know is dropped silently unless it is asked to be strict.
    rendered = render(values, namespace=release.namespace, release=RELEASE)
    strict = ("apply", "--dry-run=server", "--validate=strict", "--server-side", "--force-conflicts", "-f", "-")
    done = release.cluster.kubectl(*strict, stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": rendered}))
    assert "Warning" not in done.stderr


def test_the_controllers_pods_are_admitted_while_nothing_answers_the_webhook(release):
    """The own namespace is exempt, so the first start and each later one never wait for themselves."""
    release.install({"auditOnly": False})
    selector = ("--namespace", release.namespace, "--selector=app.kubernetes.io/component=admission")
    pods = wait_for(lambda: release.cluster.get("pods", *selector)["items"], what="the controller's Pods")
    assert pods[0]["spec"]["priorityClassName"] == "system-cluster-critical"


def test_the_pods_meet_the_restricted_pod_security_standard(release):
    label = ("pod-security.kubernetes.io/enforce=restricted", "pod-security.kubernetes.io/warn=restricted")
    release.cluster.kubectl("label", "namespace", release.namespace, *label)
    release.install()
    selector = ("--namespace", release.namespace, "--selector=app.kubernetes.io/component=admission")
    wait_for(lambda: release.cluster.get("pods", *selector)["items"], what="the controller's Pods")


@pytest.mark.parametrize("values", [{}, {"log": {"level": "debug"}}], ids=["same values", "other values"])
def test_an_upgrade_keeps_the_ca_bundle_that_the_controller_wrote(release, values):
    release.install()
    assert release.bundles() == {None}
    release.write_bundle()
    release.upgrade(values)
    assert release.bundles() == {BUNDLE}


CERTIFICATE = {"tls.crt": "YSBjZXJ0aWZpY2F0ZQ==", "tls.key": "aXRzIGtleQ=="}


@pytest.mark.parametrize("values", [{}, {"log": {"level": "debug"}}], ids=["same values", "other values"])
def test_an_upgrade_keeps_the_certificate_that_the_controller_wrote(release, values):
    release.install()
    release.write_certificate()
    release.upgrade(values)
    assert release.certificate() == CERTIFICATE
    release.helm("rollback")
    assert release.certificate() == CERTIFICATE


@pytest.mark.parametrize("way", [("--server-side", "--field-manager=argocd-controller"), ()], ids=["server", "client"])
def test_applying_what_was_rendered_without_the_cluster_keeps_the_certificate(release, way):
    """As Argo CD and Flux do, which take neither the content nor its ownership, and meet no conflict."""
    objects = render(namespace=release.namespace, release=RELEASE)
    rendered = find(objects, "Secret")
    release.cluster.kubectl("apply", *way, "-f", "-", stdin=json.dumps(rendered))
    release.cluster.apply([find(objects, kind) for kind in ("ServiceAccount", "Role", "RoleBinding")])
    release.write_certificate()
    release.cluster.kubectl("apply", *way, "-f", "-", stdin=json.dumps(rendered))
    assert release.certificate() == CERTIFICATE


def test_from_watching_to_guarding_some_namespaces_to_guarding_all_no_entry_ever_lacks_its_bundle(release):
    release.install()
    release.write_bundle()
    for values in ({"auditOnly": False, "namespaces": {"enforced": ["nobody-lives-here"]}}, {"auditOnly": False}, {}):
        release.upgrade(values)
        assert set(release.webhooks()) == {"enforce.tidegate.dev", "audit.tidegate.dev"}
        assert release.bundles() == {BUNDLE}


def test_which_entry_asks_is_what_the_api_server_does_when_nobody_answers(release):
    """Nothing listens behind the Service here, so Fail refuses and Ignore lets pass."""
    guarded, watched = (release.cluster.create_namespace() for _ in range(2))
    values = {"auditOnly": False, "namespaces": {"enforced": [guarded]}, "webhook": {"timeoutSeconds": 3}}
    release.install(values)

    def create(namespace: str) -> Any:
        # An object that a webhook configuration doesn't hold back passes; the configuration is read within a moment.
        arguments = ("run", "probe", "--image=example", f"--namespace={namespace}", "--dry-run=server")
        return release.cluster.kubectl(*arguments, check=False)

    refused = wait_for(lambda: (done := create(guarded)).returncode != 0 and done, what="a refusal")
    assert 'failed calling webhook "enforce.tidegate.dev"' in refused.stderr
    assert create(watched).returncode == 0
    assert create(release.namespace).returncode == 0


@pytest.mark.parametrize(
    ("change", "asks"),
    [
        pytest.param({"metadata": {"labels": {"a": "b"}}}, False, id="a label"),
        pytest.param({"metadata": {"finalizers": None}}, False, id="a finalizer of what is being deleted"),
        pytest.param(
            {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": "b"}]}}}}, True, id="an image"
        ),
    ],
)
def test_only_an_update_that_changes_the_spec_is_asked_about(release, change, asks):
    """The API server itself lets the others pass, also while nobody answers."""
    namespace = release.cluster.create_namespace()
    labels = {"app": "x"}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "x", "namespace": namespace, "finalizers": ["example.dev/hold"]},
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "a"}]}},
        },
    }
    release.cluster.apply(deployment)
    release.cluster.kubectl("delete", "deployment", "x", "--wait=false", f"--namespace={namespace}")
    release.install({"auditOnly": False, "namespaces": {"enforced": [namespace]}, "webhook": {"timeoutSeconds": 3}})
    probe = ("run", "probe", "--image=example", f"--namespace={namespace}", "--dry-run=server")
    wait_for(lambda: release.cluster.kubectl(*probe, check=False).returncode != 0, what="the webhook to be in force")
    patch = ("patch", "deployment", "x", f"--namespace={namespace}", f"--patch={json.dumps(change)}")
    done = release.cluster.kubectl(*patch, check=False)
    assert (done.returncode != 0) is asks, done.stderr
    assert ("failed calling webhook" in done.stderr) is asks


def test_breaking_the_glass_is_one_command_and_an_upgrade_mends_it(release):
    release.install({"auditOnly": False})
    release.cluster.kubectl("delete", KIND, NAME)
    release.upgrade({"auditOnly": False})
    assert {hook["failurePolicy"] for hook in release.webhooks().values()} == {"Fail", "Ignore"}


@pytest.mark.parametrize(
    ("values", "says"),
    [
        pytest.param({}, ["Audit only.", "NO IMAGE", "may need", "auditOnly: false"], id="as it comes"),
        pytest.param(
            {"auditOnly": False, "namespaces": {"enforced": ["team-a", "team-b"]}, "image": {"repository": "r"}},
            ["They refuse in team-a, team-b, ", "Add namespaces to namespaces.enforced", "Break glass"],
            id="some namespaces",
        ),
        pytest.param(
            {"auditOnly": False, "replicas": 1, "baselinePolicy": {"enabled": False}},
            [
                "They refuse in all namespaces except the exempt ones",
                "ONE REPLICA",
                "NO POLICY",
                f"delete validatingwebhookconfiguration {NAME}",
            ],
            id="all namespaces",
        ),
    ],
)
def test_the_notes_say_what_holds_now_and_what_comes_next(release, values, says):
    notes = release.install(values)
    for words in says:
        assert words in notes


def test_uninstalling_leaves_nothing_that_could_refuse_anything(release):
    release.install({"auditOnly": False})
    release.helm("uninstall")
    left = release.cluster.get(KIND)["items"]
    assert [item["metadata"]["name"] for item in left if item["metadata"]["name"] == NAME] == []
    everything = ("deployments,services,configmaps,serviceaccounts,roles,rolebindings,poddisruptionbudgets", "-A")
    labelled = release.cluster.get(*everything, f"--selector=app.kubernetes.io/instance={RELEASE}")
    assert labelled["items"] == []
    roles = ("clusterroles,clusterrolebindings,imagepolicies", f"--selector=app.kubernetes.io/instance={RELEASE}")
    assert release.cluster.get(*roles)["items"] == []


class TestRights:
    """Asked of the API server itself, as the controller's own ServiceAccount."""

    @pytest.fixture
    def may(self, release: Release) -> Any:
        release.install()
        rights = release.cluster.token_kubeconfig(release.namespace, NAME)

        def ask(*question: str) -> bool:
            done = release.cluster.kubectl("auth", "can-i", *question, kubeconfig=rights, check=False)
            return done.stdout.strip() == "yes"

        wait_for(
            lambda: ask("get", f"secrets/{NAME}-tls", f"--namespace={release.namespace}"),
            what="the controller's rights",
        )
        return ask

    def test_the_controller_may_do_its_work_and_nothing_else(self, release, may):
        own = f"--namespace={release.namespace}"
        allowed = [
            ("list", "imagepolicies.tidegate.dev"),
            ("watch", "imagepolicies.tidegate.dev"),
            ("patch", "imagepolicies.tidegate.dev", "--subresource=status"),
            ("list", "namespaces"),
            ("watch", "namespaces"),
            ("list", "nodes"),
            ("patch", f"{KIND}s/{NAME}"),
            ("get", f"secrets/{NAME}-tls", own),
            ("update", f"secrets/{NAME}-tls", own),
        ]
        refused = [
            ("patch", "imagepolicies.tidegate.dev"),
            ("delete", "imagepolicies.tidegate.dev"),
            ("patch", f"{KIND}s/another"),
            ("delete", f"{KIND}s/{NAME}"),
            ("create", f"{KIND}s"),
            ("get", "secrets/another", own),
            ("list", "secrets", own),
            ("create", "secrets", own),
            ("delete", f"secrets/{NAME}-tls", own),
            ("patch", f"secrets/{NAME}-tls", own),
            ("list", "pods", own),
            ("create", "pods", own),
        ]
        assert {question: may(*question) for question in allowed} == dict.fromkeys(allowed, True)
        assert {question: may(*question) for question in refused} == dict.fromkeys(refused, False)


def test_webhooks_of_two_releases_cannot_be_mixed_up():
    """Names of cluster-wide objects follow the release, so helm refuses rather than overwrite."""
    assert webhook_configuration(render(release="a"))["metadata"]["name"] == "a-tidegate"
    assert find_all(render(release="b"), "ClusterRole", "b-tidegate")
