"""Pods that are replaced on purpose while requests come, 200 a second: restarts and upgrades lose no request."""

from __future__ import annotations

import copy
import dataclasses
import json
import time

import msgspec

from tests.chart.render import NAMESPACE, RELEASE, custom_resource_definitions, find
from tests.cluster.node import controller_image
from tests.e2e.node.conftest import Node, load
from tests.e2e.test_crd_upgrade import NEW_FIELD, POLICIES, spec_properties
from tests.installed import REPOSITORY
from tests.simulator import manifests

BEFORE_SECONDS = AFTER_SECONDS = 1.0
LEAST_REQUESTS = 300


def names(node: Node) -> set[str]:
    """Return the names of the controller's Pods that are not ending."""
    return {pod["metadata"]["name"] for pod in node.tidegate.pods() if "deletionTimestamp" not in pod["metadata"]}


def test_a_rolling_restart_loses_no_request(node: Node, guarded: str) -> None:
    before = names(node)
    with load(node, guarded) as running:
        time.sleep(BEFORE_SECONDS)
        node.cluster.kubectl("rollout", "restart", f"deployment/{RELEASE}", f"--namespace={NAMESPACE}")
        node.tidegate.wait_for_rollout()
        time.sleep(AFTER_SECONDS)
    assert not names(node) & before
    assert (running.wrong, running.failed) == ([], [])
    assert len(running.outcomes) > LEAST_REQUESTS


def test_an_upgrade_with_changed_values_from_a_chart_with_older_crds_loses_no_request(node: Node, guarded: str) -> None:
    """The hook's Job brings the new field before anything else changes, and stored policies keep their meaning."""
    cluster, before = node.cluster, names(node)
    install_older_definition(node)
    assert spec_properties(cluster.get("crd", POLICIES)).get(NEW_FIELD) is None
    stored = cluster.get("imagepolicy", "production")
    with load(node, guarded) as running:
        time.sleep(BEFORE_SECONDS)
        node.tidegate.upgrade({"log": {"level": "debug"}})
        time.sleep(AFTER_SECONDS)
    assert not names(node) & before
    assert (running.wrong, running.failed) == ([], [])
    assert len(running.outcomes) > LEAST_REQUESTS
    assert NEW_FIELD in spec_properties(cluster.get("crd", POLICIES))
    after = cluster.get("imagepolicy", "production")
    # The API server adds the new field's default to what it returns.
    assert {**after["spec"], NEW_FIELD: None} == {**stored["spec"], NEW_FIELD: None}
    assert (after["spec"][NEW_FIELD], after["metadata"]["uid"]) == ("1h", stored["metadata"]["uid"])
    node.tidegate.apply_policy("new-field", {"tags": {"immutable": True}, NEW_FIELD: "30m"}, actions=("Audit",))
    assert cluster.get("imagepolicy", "new-field")["spec"][NEW_FIELD] == "30m"
    # The Job, its rights and its ConfigMap are gone when it has succeeded.
    kinds = "job,configmap,serviceaccount,clusterrole,clusterrolebinding"
    left = cluster.get(kinds, f"--namespace={NAMESPACE}", f"-lapp.kubernetes.io/instance={RELEASE}")["items"]
    assert [each["metadata"]["name"] for each in left if each["metadata"]["name"].endswith("-crds")] == []


def test_an_upgrade_with_a_new_image_loses_no_request(node: Node, guarded: str) -> None:
    other = next_image()
    digest = node.aws.world.push(REPOSITORY, other, "next")
    before = names(node)
    with load(node, guarded) as running:
        time.sleep(BEFORE_SECONDS)
        node.tidegate.upgrade({"image": {**node.tidegate.values["image"], "digest": digest}})
        time.sleep(AFTER_SECONDS)
    assert not names(node) & before
    assert (running.wrong, running.failed) == ([], [])
    assert len(running.outcomes) > LEAST_REQUESTS
    (image_id,) = {pod["status"]["containerStatuses"][0]["imageID"] for pod in node.tidegate.pods()}
    assert image_id.endswith(f"@{digest}")


def next_image() -> manifests.Manifest:
    """Return the controller's image as another one: with a configuration, and so a digest, of its own."""
    image = manifests.from_layout(controller_image())
    body = msgspec.json.decode(image.data)
    configuration = msgspec.json.decode(image.blobs[body["config"]["digest"]]) | {"author": "next"}
    content = msgspec.json.encode(configuration)
    body["config"] |= {"digest": manifests.sha256(content), "size": len(content)}
    data = msgspec.json.encode(body)
    blobs = {**image.blobs, manifests.sha256(content): content}
    return dataclasses.replace(image, data=data, digest=manifests.sha256(data), blobs=blobs)


def install_older_definition(node: Node) -> None:
    """Replace the CRD of policies by the one of a chart that did not have the field yet."""
    older = copy.deepcopy(find(custom_resource_definitions(), "CustomResourceDefinition", POLICIES))
    del spec_properties(older)[NEW_FIELD]
    node.cluster.kubectl("replace", "-f", "-", stdin=json.dumps(older))
