"""``tidegate preflight`` on a real API server: the chart's ``helm test`` with its own rights, and the policies' status."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.chart.render import NAMESPACE, find, render, render_hook
from tests.cluster import wait_for
from tests.e2e.conftest import Installation
from tests.objects import POLICY

FINE, FAILED, UNKNOWN = 0, 1, 2


class HelmTest:
    """What ``helm test`` runs, as a local process with the rights of its ServiceAccount."""

    def __init__(self, installation: Installation, namespace: str) -> None:
        self.gate = installation.gate
        self.namespace = namespace
        hooks = render_hook("test", {"test": {"namespace": namespace}})
        rights = [find(hooks, kind) for kind in ("ServiceAccount", "Role", "RoleBinding")]
        installation.cluster.apply(rights)
        self.arguments: list[str] = find(hooks, "Pod")["spec"]["containers"][0]["args"]
        account = rights[0]["metadata"]["name"]
        who = f"--as=system:serviceaccount:{NAMESPACE}:{account}"
        can = ("auth", "can-i", "create", "pods", f"--namespace={namespace}", who)
        wait_for(
            lambda: installation.cluster.kubectl(*can, check=False).returncode == 0, what="the rights of helm test"
        )
        self.kubeconfig = installation.cluster.token_kubeconfig(NAMESPACE, account)

    def run(self, *more: str) -> tuple[int, str]:
        return run(self.kubeconfig, *self.arguments, *more)

    def apply_policy(self, *actions: str, **requirements: Any) -> None:
        match = {"namespaces": [self.namespace]}
        self.gate.apply_policy("preflight", requirements or POLICY, actions=actions, match=match)


def run(kubeconfig: Path, *arguments: str) -> tuple[int, str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    done = subprocess.run(
        [sys.executable, "-m", "tidegate", *arguments],
        env=environment | {"KUBECONFIG": str(kubeconfig)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def helm_test(installation: Installation, gated_namespace: str) -> HelmTest:
    return HelmTest(installation, gated_namespace)


@pytest.mark.parametrize("requirements", [POLICY, {"tags": {"immutable": True}}, {"scan": {}}])
def test_a_refusal_passes_and_nothing_is_stored(
    helm_test: HelmTest, installation: Installation, requirements: dict[str, Any]
) -> None:
    helm_test.apply_policy("Deny", **requirements)
    code, said = helm_test.run()
    assert (code, "refuses a known-bad Pod" in said) == (FINE, True), said
    assert installation.cluster.get("pods", f"--namespace={helm_test.namespace}")["items"] == []


def test_a_warning_passes(helm_test: HelmTest) -> None:
    helm_test.apply_policy("Warn")
    code, said = helm_test.run()
    assert (code, "warns about a known-bad Pod: " in said) == (FINE, True), said


def test_an_admission_without_a_warning_fails(helm_test: HelmTest) -> None:
    """As in an exempt namespace, or with a policy that only audits."""
    code, said = helm_test.run()
    assert (code, "was admitted without a warning" in said) == (FAILED, True), said
    helm_test.apply_policy("Audit")
    assert helm_test.run()[0] == FAILED


def test_without_the_rights_nothing_is_known(helm_test: HelmTest) -> None:
    """A refusal by RBAC is none by tidegate."""
    code, said = helm_test.run("--namespace=kube-public")
    assert (code, "forbidden" in said) == (UNKNOWN, True), said


def test_a_refusal_by_another_rule_is_not_tidegate_s(helm_test: HelmTest, installation: Installation) -> None:
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none"}, "spec": {"hard": {"pods": "0"}}}
    installation.cluster.apply(quota, f"--namespace={helm_test.namespace}")
    wait_for(
        lambda: "exceeded quota" in helm_test.run()[1] or "status unknown for quota" in helm_test.run()[1],
        what="the quota to be in force",
    )
    assert helm_test.run()[0] == UNKNOWN


def test_the_rights_are_one_verb_in_one_namespace() -> None:
    hooks = render_hook("test", {"test": {"namespace": "team-a"}})
    role = find(hooks, "Role")
    assert role["metadata"]["namespace"] == find(hooks, "RoleBinding")["metadata"]["namespace"] == "team-a"
    assert role["rules"] == [{"apiGroups": [""], "resources": ["pods"], "verbs": ["create"]}]


def test_the_policies_of_the_cluster_with_their_status(installation: Installation) -> None:
    account = find(render(), "ServiceAccount")["metadata"]["name"]
    kubeconfig = installation.cluster.token_kubeconfig(NAMESPACE, account)
    installation.gate.apply_policy("good", {"tags": {"immutable": True}}, actions=("Audit",))
    code, said = run(kubeconfig, "preflight", "--only=policies")
    assert (code, said) == (FINE, "ok       policies    good: the policy is in force\n")
    unknown_store = {"name": "x", "notation": {"trustStores": ["absent"], "trustedIdentities": ["*"]}}
    installation.gate.apply_policy("bad", {"signatures": {"anyOf": [unknown_store]}}, actions=("Audit",))
    code, said = run(kubeconfig, "preflight", "--only=policies")
    assert (code, "failed   policies    bad: the policy is in force, but some signature" in said) == (FAILED, True)
