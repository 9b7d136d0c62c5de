"""The chart's pre-upgrade hook on a real API server, with the rights of its own ServiceAccount and no others."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.chart.render import CHART, NAMESPACE, custom_resource_definitions, find, render_hook
from tests.cluster import ControlPlane, wait_for

POLICIES = "imagepolicies.tidegate.dev"
STORES = "truststores.tidegate.dev"
NEW_FIELD = "maxStale"
"""A field of ImagePolicy that the older CRD does not have."""


@pytest.fixture
def kubeconfig(control_plane: ControlPlane) -> Path:
    """Give the hook's ServiceAccount and roles; its rights are in force."""
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    hooks = render_hook("pre-upgrade")
    rights = [find(hooks, kind) for kind in ("ServiceAccount", "ClusterRole", "ClusterRoleBinding")]
    control_plane.apply([namespace, *rights])
    account = rights[0]["metadata"]["name"]
    who = f"--as=system:serviceaccount:{NAMESPACE}:{account}"
    wait_for(
        lambda: control_plane.kubectl("auth", "can-i", "create", "crd", who, check=False).returncode == 0,
        what="the rights of the hook",
    )
    return control_plane.token_kubeconfig(NAMESPACE, account)


@pytest.fixture
def crds(control_plane: ControlPlane) -> Iterator[dict[str, dict[str, Any]]]:
    """Give the chart's CRDs by name, and leave the cluster with them."""
    present = {crd["metadata"]["name"]: crd for crd in custom_resource_definitions()}
    control_plane.apply(list(present.values()))
    yield present
    control_plane.apply_definitions(list(present.values()))


def spec_properties(crd: dict[str, Any]) -> dict[str, Any]:
    (version,) = crd["spec"]["versions"]
    properties: dict[str, Any] = version["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    return properties


def run(folder: Path, kubeconfig: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tidegate", "apply-crds", str(folder)],
        env=os.environ | {"KUBECONFIG": str(kubeconfig)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_crds_of_an_older_chart_are_replaced_and_objects_and_labels_stay(control_plane, kubeconfig, crds):
    older = copy.deepcopy(crds[POLICIES])
    del spec_properties(older)[NEW_FIELD]
    older["metadata"]["labels"] = {"team": "platform"}
    control_plane.kubectl("replace", "-f", "-", stdin=json.dumps(older))
    policy = {"apiVersion": "tidegate.dev/v1alpha1", "kind": "ImagePolicy", "metadata": {"name": "kept"}}
    control_plane.apply(policy | {"spec": {"validationActions": ["Audit"], "tags": {"immutable": True}}})

    done = run(CHART / "crds", kubeconfig)

    assert done.returncode == 0, done.stderr
    changes = {name: "configured" if name == POLICIES else "unchanged" for name in crds}
    assert done.stdout.splitlines() == [f"customresourcedefinition {name} {change}" for name, change in changes.items()]
    stored = control_plane.get("crd", POLICIES)
    assert NEW_FIELD in spec_properties(stored)
    assert stored["metadata"]["labels"]["team"] == "platform"
    assert control_plane.get("imagepolicy", "kept")["spec"]["tags"]["immutable"] is True
    assert run(CHART / "crds", kubeconfig).stdout.count("unchanged") == len(crds)
    control_plane.kubectl("delete", "imagepolicy", "kept")


def test_a_crd_that_the_older_chart_did_not_have_is_created_and_served(control_plane, kubeconfig, crds):
    control_plane.kubectl("delete", "crd", STORES)

    done = run(CHART / "crds", kubeconfig)

    assert f"customresourcedefinition {STORES} created" in done.stdout, done.stderr
    assert control_plane.kubectl("get", "--raw", "/apis/tidegate.dev/v1alpha1/truststores").returncode == 0


@pytest.mark.parametrize(
    ("text", "says"),
    [
        pytest.param(
            "kind: ConfigMap", "is not a CustomResourceDefinition of the group tidegate.dev", id="another kind"
        ),
        pytest.param("a: [", "cannot be read", id="no YAML"),
        pytest.param(None, "has no YAML files", id="no file"),
    ],
)
def test_a_folder_with_anything_else_is_refused_before_anything_is_written(tmp_path, text, says):
    if text is not None:
        (tmp_path / "one.yaml").write_text(text)
    done = run(tmp_path, tmp_path / "no-kubeconfig")
    assert done.returncode == 2
    assert says in done.stderr


def test_a_crd_of_another_group_is_refused(tmp_path, crds):
    foreign = copy.deepcopy(crds[STORES])
    foreign["metadata"]["name"] = "truststores.example.com"
    foreign["spec"]["group"] = "example.com"
    (tmp_path / "one.yaml").write_text(json.dumps(foreign))
    done = run(tmp_path, tmp_path / "no-kubeconfig")
    assert (done.returncode, "of the group tidegate.dev" in done.stderr) == (2, True)
