"""What the chart renders: with its defaults, in each mode, and not at all where something is off."""

from pathlib import PurePosixPath
from typing import Any

import pytest

from tests.chart.examples import CERT_MANAGER, EVERYTHING, OWN_ISSUER, READ_CONFIG_MAPS, SECRET
from tests.chart.render import (
    BACKGROUND,
    CHART,
    ENFORCING,
    config_text,
    container,
    container_args,
    controller_config,
    find,
    find_all,
    render,
    role_of,
    role_rules,
    run_helm,
)
from tidegate.settings import parse_settings

NO_RBAC_BUT_NAMESPACES = {"rbac": {"create": False}, "trustStores": {"configMapNamespaces": ["a"]}}


def kinds(objects: list[dict[str, Any]]) -> list[str]:
    return sorted(item["kind"] for item in objects)


@pytest.mark.parametrize("values", [{}, ENFORCING, SECRET, CERT_MANAGER, EVERYTHING])
def test_helm_lint_has_nothing_to_say(values):
    run_helm("lint", "--strict", str(CHART), values=values)


def test_the_defaults_create_these_objects_and_no_others():
    assert kinds([one for one in render() if role_of(one) == BACKGROUND]) == [
        "ClusterRole",
        "ClusterRoleBinding",
        "ConfigMap",
        "Deployment",
        "Lease",
        "PodDisruptionBudget",
        "Role",
        "RoleBinding",
        "Service",
        "ServiceAccount",
    ]
    assert kinds([one for one in render() if role_of(one) != BACKGROUND]) == [
        "ClusterRole",
        "ClusterRoleBinding",
        "ConfigMap",
        "Deployment",
        "ImagePolicy",
        "PodDisruptionBudget",
        "Role",
        "RoleBinding",
        "Secret",
        "Service",
        "Service",
        "ServiceAccount",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
        "ValidatingWebhookConfiguration",
    ]


@pytest.mark.parametrize(
    ("values", "kind", "present"),
    [
        pytest.param({"baselinePolicy": {"enabled": False}}, "ImagePolicy", 0, id="no policy of the chart"),
        pytest.param({"podDisruptionBudget": {"enabled": False}}, "PodDisruptionBudget", 0, id="no disruption budget"),
        pytest.param({"serviceAccount": {"create": False, "name": "x"}}, "ServiceAccount", 0, id="own ServiceAccount"),
        pytest.param({"rbac": {"create": False}}, "ClusterRole", 0, id="no ClusterRole"),
        pytest.param({"rbac": {"create": False}}, "ClusterRoleBinding", 0, id="no ClusterRoleBinding"),
        pytest.param({"rbac": {"create": False}}, "Role", 0, id="no Role"),
        pytest.param({"rbac": {"create": False}}, "RoleBinding", 0, id="no RoleBinding"),
        pytest.param({"metrics": {"service": False}}, "Service", 1, id="no Services for metrics"),
        pytest.param({"trustStores": {"configMapNamespaces": ["a", "b"]}}, "Role", 4, id="a Role a namespace"),
        pytest.param({"trustStores": {"configMapNamespaces": ["a", "b"]}}, "RoleBinding", 4, id="and its binding"),
        pytest.param(NO_RBAC_BUT_NAMESPACES, "Role", 0, id="no Role for namespaces without roles"),
        pytest.param(NO_RBAC_BUT_NAMESPACES, "RoleBinding", 0, id="no binding for namespaces without roles"),
        pytest.param(SECRET, "Secret", 0, id="no Secret beside the user's"),
        pytest.param(CERT_MANAGER, "Secret", 0, id="no Secret beside cert-manager's"),
        pytest.param(CERT_MANAGER, "Certificate", 2, id="a Certificate with cert-manager, and one of its CA"),
        pytest.param(CERT_MANAGER, "Issuer", 2, id="Issuers of its own without one of the user's"),
        pytest.param(OWN_ISSUER, "Certificate", 1, id="no CA beside the user's Issuer"),
        pytest.param(OWN_ISSUER, "Issuer", 0, id="the user's Issuer"),
        pytest.param({"networkPolicy": {"enabled": True}}, "NetworkPolicy", 2, id="NetworkPolicies when asked for"),
        pytest.param(
            {"metrics": {"serviceMonitor": {"enabled": True}}},
            "ServiceMonitor",
            2,
            id="ServiceMonitors when asked for",
        ),
    ],
)
def test_an_object_is_there_exactly_when_its_switch_says_so(values, kind, present):
    assert len(find_all(render(values), kind)) == present


@pytest.mark.parametrize("values", [{}, SECRET, CERT_MANAGER, EVERYTHING])
def test_each_object_is_labelled_and_in_the_release_s_namespace(values):
    for item in render(values, namespace="gate"):
        assert item["metadata"]["labels"]["app.kubernetes.io/instance"] == "tidegate", item["kind"]
        cluster_wide = {"ClusterRole", "ClusterRoleBinding", "ImagePolicy"}
        cluster_wide |= {"ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"}
        cluster_wide |= {"ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"}
        expected = None if item["kind"] in cluster_wide else "gate"
        assert item["metadata"].get("namespace") == expected, item["kind"]


def test_a_release_of_another_name_says_what_it_is():
    assert find(render(release="prod"), "Deployment")["metadata"]["name"] == "prod-tidegate"
    assert find(render({"fullnameOverride": "gate"}), "Deployment")["metadata"]["name"] == "gate"


class TestTrustStores:
    def test_they_are_read_and_their_status_is_written_and_nothing_else(self):
        about = [rule for rule in role_rules(render()) if any("truststores" in one for one in rule["resources"])]
        assert about == [
            {"apiGroups": ["tidegate.dev"], "resources": ["truststores"], "verbs": ["list", "watch"]},
            {"apiGroups": ["tidegate.dev"], "resources": ["truststores/status"], "verbs": ["patch"]},
        ]

    def test_config_maps_are_read_by_name_where_the_values_say_and_nowhere_else(self):
        """Neither list nor watch, and no right in the whole cluster."""
        objects = render({"trustStores": {"configMapNamespaces": ["pki", "tidegate", "other"]}})
        assert all("configmaps" not in rule["resources"] for rule in role_rules(objects))
        roles = {one["metadata"]["namespace"]: one for one in find_all(objects, "Role") if role_of(one) != BACKGROUND}
        assert set(roles) == {"tidegate", "pki", "other"}
        assert READ_CONFIG_MAPS in roles["tidegate"]["rules"]
        assert roles["pki"]["rules"] == roles["other"]["rules"] == [READ_CONFIG_MAPS]

    @pytest.mark.parametrize("values", [{}, SECRET, {"trustStores": {"configMapNamespaces": ["pki"]}}])
    def test_each_role_is_bound_to_the_controller_in_its_own_namespace(self, values):
        objects = render({**values, "serviceAccount": {"name": "gate-sa"}})
        for role in find_all(objects, "Role"):
            (binding,) = [
                one
                for one in find_all(objects, "RoleBinding", role["metadata"]["name"])
                if one["metadata"]["namespace"] == role["metadata"]["namespace"]
            ]
            assert binding["roleRef"]["name"] == role["metadata"]["name"]
            accounts = {"tidegate": ["gate-sa"], "tidegate-background": ["gate-sa-background"]}
            names = accounts.get(role["metadata"]["name"], ["gate-sa", "gate-sa-background"])
            assert binding["subjects"] == [
                {"kind": "ServiceAccount", "name": name, "namespace": "tidegate"} for name in names
            ]

    def test_what_is_kept_of_tuf_repositories_has_a_place_that_can_be_written(self):
        """Each container has /dev/shm, also with a read-only root file system."""
        folder = PurePosixPath(parse_settings(config_text(render())).trust_stores.cache_folder)
        assert folder.is_relative_to("/dev/shm")


class TestConfiguration:
    def test_the_controller_is_started_with_the_file_that_is_mounted(self):
        assert container_args(render()) == ["admission", "--config", "/etc/tidegate/config.yaml"]
        mounts = {mount["name"]: mount["mountPath"] for mount in container(render())["volumeMounts"]}
        assert mounts["config"] == "/etc/tidegate"

    def test_what_is_not_given_is_not_written_so_that_the_controller_s_own_default_holds(self):
        assert controller_config(render())["aws"] == {"ratePerSecond": 20, "burst": 40}

    def test_every_setting_arrives_as_it_was_given(self):
        accounts = [
            {"account": "444455556666", "roleArn": "arn:aws:iam::444455556666:role/reader", "externalId": "e-1"},
            {"account": "055555555555", "scanner": "basic"},
        ]
        config = controller_config(
            render(
                {
                    "aws": {
                        "region": "eu-west-1",
                        "endpoints": {"ecr": "http://127.0.0.1:1", "inspector2": "http://127.0.0.1:2"},
                        "accounts": accounts,
                        "ratePerSecond": 7.5,
                        "burst": 9,
                    },
                    "cache": {"images": 1_000_000, "memoryMebibytes": 1_024},
                    "log": {"level": "debug", "format": "console"},
                },
                namespace="gate",
            )
        )
        assert config["namespace"] == "gate"
        assert config["aws"] == {
            "region": "eu-west-1",
            "endpoints": {"ecr": "http://127.0.0.1:1", "inspector2": "http://127.0.0.1:2"},
            "accounts": accounts,
            "ratePerSecond": 7.5,
            "burst": 9,
        }
        assert config["cache"] == {"images": 1_000_000, "memoryMebibytes": 1_024}
        assert config["log"] == {"level": "debug", "format": "console"}


class TestBaselinePolicy:
    def test_it_warns_and_audits_critical_findings_and_movable_tags(self):
        assert find(render(), "ImagePolicy")["spec"] == {
            "validationActions": ["Warn", "Audit"],
            "tags": {"immutable": True},
            "vulnerabilities": {"maxCounts": {"CRITICAL": 0}},
        }

    def test_registries_are_demanded_only_where_the_user_knows_them(self):
        registries = [{"account": "111122223333", "region": "eu-west-1"}, {"host": "ghcr.io", "repositories": ["a/**"]}]
        spec = find(render({"baselinePolicy": {"registries": registries, "immutableTags": False}}), "ImagePolicy")[
            "spec"
        ]
        assert spec["registries"] == registries
        assert "tags" not in spec
