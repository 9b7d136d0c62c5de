"""What users add to the chart's objects: labels, volumes, certificate authorities, match conditions, CRD upgrades."""

from typing import Any

import pytest

from tests.chart.render import (
    CHART,
    HelmError,
    container,
    custom_resource_definitions,
    find,
    pod_spec,
    render,
    render_hook,
    webhooks,
)
from tidegate.cluster.crds import read_crds

PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
LABELS = {"team": "platform"}


def test_common_labels_are_on_every_object_and_on_the_pods_and_select_nothing():
    objects = render({"commonLabels": LABELS})
    for item in objects:
        assert item["metadata"]["labels"]["team"] == "platform", item["kind"]
    deployment = find(objects, "Deployment")
    assert deployment["spec"]["template"]["metadata"]["labels"]["team"] == "platform"
    assert "team" not in deployment["spec"]["selector"]["matchLabels"]
    assert all(
        item["metadata"]["labels"]["team"] == "platform"
        for item in render_hook("pre-upgrade", {"commonLabels": LABELS})
    )


def test_the_pods_own_labels_count_more_than_common_ones():
    values = {"commonLabels": LABELS, "podLabels": {"team": "security"}}
    assert find(render(values), "Deployment")["spec"]["template"]["metadata"]["labels"]["team"] == "security"


def test_extra_volumes_are_mounted():
    volume = {"name": "aws-config", "configMap": {"name": "aws-config"}}
    mount = {"name": "aws-config", "mountPath": "/etc/aws", "readOnly": True}
    objects = render({"extraVolumes": [volume], "extraVolumeMounts": [mount]})
    assert pod_spec(objects)["volumes"][-1] == volume
    assert container(objects)["volumeMounts"][-1] == mount


def test_a_ca_bundle_is_a_file_that_boto3_and_openssl_are_pointed_to():
    objects = render({"caBundle": PEM})
    env = {item["name"]: item.get("value") for item in container(objects)["env"]}
    assert env["AWS_CA_BUNDLE"] == env["SSL_CERT_FILE"]
    folder, _, key = str(env["SSL_CERT_FILE"]).rpartition("/")
    assert find(objects, "ConfigMap")["data"][key] == PEM
    assert {"name": "config", "mountPath": folder, "readOnly": True} in container(objects)["volumeMounts"]
    assert {"AWS_CA_BUNDLE", "SSL_CERT_FILE"}.isdisjoint({item["name"] for item in container(render())["env"]})


def test_another_ca_bundle_replaces_the_pods():
    def template(pem: str) -> Any:
        return find(render({"caBundle": pem}), "Deployment")["spec"]["template"]

    assert template(PEM) != template(PEM + PEM)


class TestWebhook:
    def test_extra_match_conditions_come_after_the_charts_own(self):
        condition = {"name": "not-the-agent", "expression": "request.userInfo.username != 'agent'"}
        for hook in webhooks(render({"webhook": {"matchConditions": [condition]}})).values():
            own, extra = hook["matchConditions"]
            assert own["name"] == "images-changed"
            assert extra == condition

    def test_an_object_selector_is_for_audit_mode_alone(self):
        selector = {"matchLabels": {"tidegate-trial": "yes"}}
        for hook in webhooks(render({"webhook": {"objectSelector": selector}})).values():
            assert hook["objectSelector"] == selector
        with pytest.raises(HelmError, match="users choose labels, so they could bypass tidegate"):
            render({"auditOnly": False, "webhook": {"objectSelector": selector}})


class TestCrdUpgrade:
    def test_the_job_gets_exactly_the_charts_crds(self, tmp_path):
        data = find(render_hook("pre-upgrade"), "ConfigMap")["data"]
        assert data == {path.name: path.read_text() for path in (CHART / "crds").glob("*.yaml")}
        for name, text in data.items():
            (tmp_path / name).write_text(text)
        assert list(read_crds(tmp_path)) == custom_resource_definitions()

    def test_it_may_replace_these_crds_and_no_others(self):
        role = find(render_hook("pre-upgrade"), "ClusterRole")
        names = sorted(crd["metadata"]["name"] for crd in custom_resource_definitions())
        replace, create = role["rules"]
        assert (sorted(replace["resourceNames"]), replace["verbs"]) == (names, ["get", "update"])
        assert create["verbs"] == ["create"]
        assert {(tuple(rule["apiGroups"]), tuple(rule["resources"])) for rule in role["rules"]} == {
            (("apiextensions.k8s.io",), ("customresourcedefinitions",))
        }

    def test_all_of_it_is_deleted_afterwards_and_the_job_comes_last(self):
        hooks = render_hook("pre-upgrade")
        policies = {item["metadata"]["annotations"]["helm.sh/hook-delete-policy"] for item in hooks}
        assert policies == {"before-hook-creation,hook-succeeded"}
        ordered = sorted(hooks, key=lambda item: int(item["metadata"]["annotations"]["helm.sh/hook-weight"]))
        assert ordered[-1]["kind"] == "Job"

    def test_the_job_runs_as_the_controller_does_and_where_it_may_run(self):
        values = {
            "nodeSelector": {"kubernetes.io/arch": "arm64"},
            "tolerations": [{"operator": "Exists"}],
            "image": {"pullSecrets": ["login"]},
        }
        job = find(render_hook("pre-upgrade", values), "Job")["spec"]["template"]["spec"]
        controller = pod_spec(render(values))
        for key in ("securityContext", "nodeSelector", "tolerations", "imagePullSecrets", "priorityClassName"):
            assert job[key] == controller[key], key
        (one,) = job["containers"]
        assert one["securityContext"] == controller["containers"][0]["securityContext"]
        assert one["image"] == controller["containers"][0]["image"]
        assert job["serviceAccountName"] != controller["serviceAccountName"]

    def test_it_can_be_turned_off(self):
        assert render_hook("pre-upgrade", {"crds": {"upgrade": False}}) == []

    def test_an_installation_needs_no_job(self):
        assert "Job" not in {item["kind"] for item in render()}
