"""A pre-upgrade Job that fails: nothing else has changed, nothing with rights stays, and the next upgrade goes through."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.chart.render import CHART, NAMESPACE, RELEASE, HelmError
from tests.cluster import wait_for
from tests.e2e.node.conftest import Node, load
from tests.e2e.node.test_certificate import WHERE, starts
from tests.e2e.node.test_uninstall import left

JOB = f"{RELEASE}-crds"
ACCOUNT = f"system:serviceaccount:{NAMESPACE}:{JOB}"
GUARD = "no-change-of-definitions"
JOB_SECONDS = 240
OF_THE_RELEASE = f"--selector=app.kubernetes.io/instance={RELEASE}"
WITH_RIGHTS = "serviceaccounts,clusterroles,clusterrolebindings,roles,rolebindings"


def guard() -> list[dict[str, Any]]:
    """Return the policy of a platform team that lets no ServiceAccount change CRDs."""
    rule = {
        "apiGroups": ["apiextensions.k8s.io"],
        "apiVersions": ["*"],
        "resources": ["customresourcedefinitions"],
        "operations": ["CREATE", "UPDATE"],
    }
    expression = f"request.userInfo.username != '{ACCOUNT}'"
    group = {"apiVersion": "admissionregistration.k8s.io/v1", "metadata": {"name": GUARD}}
    return [
        group
        | {
            "kind": "ValidatingAdmissionPolicy",
            "spec": {
                "matchConstraints": {"resourceRules": [rule]},
                "validations": [{"expression": expression, "message": "definitions are frozen"}],
            },
        },
        group
        | {"kind": "ValidatingAdmissionPolicyBinding", "spec": {"policyName": GUARD, "validationActions": ["Deny"]}},
    ]


@pytest.fixture
def frozen(node: Node) -> Iterator[None]:
    """Let no Job of the chart change CRDs, until `thaw`."""
    node.cluster.apply(guard())
    attempt = ("replace", "-f", "-", "--dry-run=server", f"--as={ACCOUNT}", "--as-group=system:masters")
    definition = json.dumps(node.cluster.get("crd", "truststores.tidegate.dev"))
    wait_for(
        lambda: "frozen" in node.cluster.kubectl(*attempt, stdin=definition, check=False).stderr,
        what="the policy to be in force",
    )
    yield
    thaw(node)


def thaw(node: Node) -> None:
    for kind in ("validatingadmissionpolicybinding", "validatingadmissionpolicy"):
        node.cluster.kubectl("delete", kind, GUARD, "--ignore-not-found")


def try_once(node: Node) -> None:
    """Have the Job fail at its first Pod: it would take more than a minute to try all."""
    job = ("job", JOB, WHERE)
    wait_for(
        lambda: node.cluster.kubectl("get", *job, check=False).returncode == 0,
        what="the Job",
        timeout_seconds=JOB_SECONDS,
    )
    node.cluster.kubectl("patch", *job, "--type=merge", '--patch={"spec": {"backoffLimit": 0}}')


def of_the_job(node: Node, kinds: str) -> set[str]:
    """Return what of the Job and its rights is there."""
    items = node.cluster.get(kinds, "--all-namespaces", OF_THE_RELEASE)["items"]
    return {f"{each['kind']}/{each['metadata']['name']}" for each in items if each["metadata"]["name"] == JOB}


@pytest.mark.timeout(JOB_SECONDS + 300)
def test_nothing_with_rights_is_left(node: Node, guarded: str, frozen: None) -> None:
    pods = starts(node)
    values = node.tidegate.values | {"log": {"level": "debug"}}
    impatient = threading.Thread(target=try_once, args=(node,))
    impatient.start()
    with load(node, guarded) as running, pytest.raises(HelmError, match="pre-upgrade hooks failed"):
        node.tidegate.helm("upgrade", str(CHART), values=values, timeout_seconds=JOB_SECONDS)
    impatient.join()
    assert (running.wrong, running.failed) == ([], [])
    assert starts(node) == pods
    assert of_the_job(node, WITH_RIGHTS) == set()
    # The Job stays for its log.
    assert "definitions are frozen" in node.cluster.kubectl("logs", f"job/{JOB}", WHERE, "--tail=20").stdout
    node.tidegate.uninstall()
    assert left(node) == set()
    assert of_the_job(node, WITH_RIGHTS) == set()
    thaw(node)
    node.tidegate.install()
    node.tidegate.upgrade()
    assert of_the_job(node, f"{WITH_RIGHTS},jobs,configmaps") == set()
