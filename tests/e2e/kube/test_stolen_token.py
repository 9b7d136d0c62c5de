"""What somebody who has the controller's token, and nothing else, can do with it on a real API server."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from tests.chart.render import find
from tests.cluster import wait_for
from tests.e2e.kube.edge import Edge, Rights, aside, policy
from tidegate.cluster.policies import POLICIES_PATH

TOKEN_TYPE = "kubernetes.io/service-account-token"


class Thief:
    """Calls the API server with the controller's token."""

    def __init__(self, rights: Rights) -> None:
        self.rights = rights
        self.own = f"--namespace={rights.namespace}"
        self.secret_name = f"{rights.name}-tls"

    def kubectl(self, *arguments: str, document: dict[str, Any] | None = None) -> subprocess.CompletedProcess[str]:
        stdin = "" if document is None else json.dumps(document)
        return self.rights.cluster.kubectl(*arguments, stdin=stdin, kubeconfig=self.rights.kubeconfig, check=False)

    def own_secret(self) -> dict[str, Any]:
        return self.rights.cluster.get("secret", self.secret_name, self.own)

    def token_secret(self) -> dict[str, Any]:
        """Return the Secret into which Kubernetes would write a token of the namespace's default ServiceAccount."""
        annotations = {"kubernetes.io/service-account.name": "default"}
        metadata = {"name": self.secret_name, "namespace": self.rights.namespace, "annotations": annotations}
        return {"apiVersion": "v1", "kind": "Secret", "type": TOKEN_TYPE, "metadata": metadata}


@pytest.fixture
def thief(rights: Rights) -> Iterator[Thief]:
    """Give somebody with the controller's token, and put back the Secret that they may have lost."""
    made_by_the_chart = find(rights.render(), "Secret")
    rights.cluster.apply(made_by_the_chart)
    yield Thief(rights)
    rights.cluster.kubectl("delete", "secret", f"{rights.name}-tls", f"--namespace={rights.namespace}", check=False)
    rights.cluster.apply(made_by_the_chart)


def test_the_secret_of_the_certificate_never_becomes_the_token_of_a_service_account(thief: Thief) -> None:
    """1. Its type is changed. 2. It is given an owner that doesn't exist, collected, and made anew in three ways."""
    changed = thief.own_secret() | {"type": TOKEN_TYPE}
    changed["metadata"]["annotations"] = thief.token_secret()["metadata"]["annotations"]
    refused = thief.kubectl("replace", "-f", "-", document=changed)
    assert "field is immutable" in refused.stderr, refused.stderr

    orphan = thief.own_secret()
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "gone", "uid": "00000000-0000-4000-8000-000000000000"}
    orphan["metadata"]["ownerReferences"] = [owner]
    assert thief.kubectl("replace", "-f", "-", document=orphan).returncode == 0
    wait_for(
        lambda: thief.rights.cluster.kubectl("get", "secret", thief.secret_name, thief.own, check=False).returncode,
        what="the Secret to be collected",
        timeout_seconds=120,
    )
    for way in (("create",), ("replace",), ("apply", "--server-side")):
        refused = thief.kubectl(*way, "-f", "-", document=thief.token_secret())
        assert refused.returncode != 0, way
        assert "forbidden" in refused.stderr.lower() or "not found" in refused.stderr.lower(), refused.stderr
    secrets = thief.rights.cluster.get("secrets", thief.own)["items"]
    assert [one["metadata"]["name"] for one in secrets if one["type"] == TOKEN_TYPE] == []


async def test_the_right_to_write_a_status_changes_neither_the_policy_nor_its_labels(
    thief: Thief, lone_edge: Edge
) -> None:
    cluster, name = thief.rights.cluster, f"untouched-{thief.rights.name}"
    await aside(cluster.apply, policy(name))
    before = await aside(cluster.get, "imagepolicy", name)
    change = {
        "spec": {"validationActions": ["Audit"]},
        "metadata": {"labels": {"a": "b"}},
        "status": {"conditions": []},
    }
    after = await lone_edge.api.merge_patch(f"{POLICIES_PATH}/{name}/status", change)
    await aside(cluster.kubectl, "delete", "imagepolicy", name)
    assert after["spec"] == before["spec"]
    assert "labels" not in after["metadata"]


@pytest.mark.parametrize(
    "question",
    [
        pytest.param(("create", "serviceaccounts/default", "--subresource=token"), id="ask for a token"),
        pytest.param(("create", "secrets"), id="make a Secret"),
        pytest.param(("list", "secrets"), id="list Secrets"),
        pytest.param(("watch", "secrets"), id="watch Secrets"),
        pytest.param(("list", "configmaps"), id="list ConfigMaps"),
        pytest.param(("get", "pods"), id="read Pods"),
        pytest.param(("create", "pods"), id="run a Pod"),
        pytest.param(("update", "deployments.apps"), id="change its own Deployment"),
        pytest.param(("update", "imagepolicies.tidegate.dev"), id="change a policy"),
        pytest.param(("update", "truststores.tidegate.dev"), id="change a trust store"),
        pytest.param(("create", "imagepolicyexceptions.tidegate.dev"), id="make an exception"),
        pytest.param(("update", "imagepolicyexceptions.tidegate.dev"), id="change an exception"),
        pytest.param(("create", "namespacedimagepolicyexceptions.tidegate.dev"), id="make an exception of a namespace"),
        pytest.param(("update", "roles.rbac.authorization.k8s.io"), id="change its own rights"),
        pytest.param(("bind", "clusterroles.rbac.authorization.k8s.io"), id="bind a role"),
        pytest.param(("impersonate", "users"), id="be somebody else"),
    ],
)
def test_nothing_else_is_allowed(thief: Thief, question: tuple[str, ...]) -> None:
    for where in (thief.own, "--namespace=kube-system"):
        assert thief.kubectl("auth", "can-i", *question, where).stdout.strip() == "no"
