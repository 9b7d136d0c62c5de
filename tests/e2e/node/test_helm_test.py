"""``helm test`` on a node: the Pod of the chart tries the webhook, and nothing of it stays when it has succeeded."""

from __future__ import annotations

from tests.e2e.node.conftest import Node
from tests.objects import POLICY

TEST = "tidegate-test"


def test_it_succeeds_while_a_policy_denies_and_leaves_nothing(node: Node) -> None:
    node.tidegate.apply_policy("production", POLICY, match={"namespaces": ["default"]})
    node.tidegate.helm("test")
    kinds = "pods,serviceaccounts,roles,rolebindings"
    left = node.cluster.get(kinds, "--all-namespaces", f"--field-selector=metadata.name={TEST}")
    assert left["items"] == []
