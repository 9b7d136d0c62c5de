"""What the chart renders: with its defaults, in each mode, and not at all where something is off."""

import base64
from pathlib import PurePosixPath
from typing import Any

import pytest

from tests.chart.render import (
    CHART,
    ENFORCING,
    config_text,
    container,
    container_args,
    container_env,
    controller_config,
    find,
    find_all,
    pod_spec,
    render,
    role_rules,
    run_helm,
    webhook_configuration,
    webhooks,
    webhooks_by_url,
)
from tidegate.settings import parse_settings
from tidegate.webhook.certificate.secret import OWNER, OWNER_LABEL, SECRET_TYPE

PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
SECRET = {"certificate": {"mode": "secret", "secretName": "mine", "caBundle": PEM}}
CERT_MANAGER = {"certificate": {"mode": "certManager"}}
EVERYTHING: dict[str, Any] = {
    "auditOnly": False,
    "namespaces": {"enforced": ["team-a"]},
    "networkPolicy": {"enabled": True, "metricsFrom": [{"podSelector": {}}], "extraEgress": [{"ports": [{"port": 1}]}]},
    "metrics": {"serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}}},
    "image": {"pullSecrets": ["login"]},
    "hostNetwork": True,
    "nodeSelector": {"kubernetes.io/arch": "arm64"},
    "tolerations": [{"operator": "Exists"}],
    "affinity": {"nodeAffinity": {}},
    "podAnnotations": {"a": "b"},
    "podLabels": {"c": "d"},
    "extraEnv": [{"name": "HTTPS_PROXY", "value": "http://proxy:3128"}],
    "webhook": {"annotations": {"owner": "platform"}},
    "serviceAccount": {"annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::111122223333:role/tidegate"}},
}

NO_RBAC_BUT_NAMESPACES = {"rbac": {"create": False}, "trustStores": {"configMapNamespaces": ["a"]}}
READ_CONFIG_MAPS = {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]}

NO_NAMESPACE = ("In", ["tidegate"])
"""The release's own namespace, which is exempt: both together match nothing."""


def kinds(objects: list[dict[str, Any]]) -> list[str]:
    return sorted(item["kind"] for item in objects)


def namespaces_of(hook: dict[str, Any]) -> list[tuple[str, list[str]]]:
    expressions = hook["namespaceSelector"]["matchExpressions"]
    assert {expression["key"] for expression in expressions} == {"kubernetes.io/metadata.name"}
    return [(expression["operator"], expression["values"]) for expression in expressions]


@pytest.mark.parametrize("values", [{}, ENFORCING, SECRET, CERT_MANAGER, EVERYTHING])
def test_helm_lint_has_nothing_to_say(values):
    run_helm("lint", "--strict", str(CHART), values=values)


def test_the_defaults_create_these_objects_and_no_others():
    assert kinds(render()) == [
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
        pytest.param({"metrics": {"service": False}}, "Service", 1, id="no Service for metrics"),
        pytest.param({"trustStores": {"configMapNamespaces": ["a", "b"]}}, "Role", 3, id="a Role a namespace"),
        pytest.param({"trustStores": {"configMapNamespaces": ["a", "b"]}}, "RoleBinding", 3, id="and its binding"),
        pytest.param(NO_RBAC_BUT_NAMESPACES, "Role", 0, id="no Role for namespaces without roles"),
        pytest.param(NO_RBAC_BUT_NAMESPACES, "RoleBinding", 0, id="no binding for namespaces without roles"),
        pytest.param(SECRET, "Secret", 0, id="no Secret beside the user's"),
        pytest.param(CERT_MANAGER, "Secret", 0, id="no Secret beside cert-manager's"),
        pytest.param(CERT_MANAGER, "Certificate", 1, id="a Certificate with cert-manager"),
        pytest.param(CERT_MANAGER, "Issuer", 1, id="an Issuer of its own without one of the user's"),
        pytest.param(
            {"certificate": {"mode": "certManager", "issuerRef": {"name": "ours"}}}, "Issuer", 0, id="the user's Issuer"
        ),
        pytest.param({"networkPolicy": {"enabled": True}}, "NetworkPolicy", 1, id="a NetworkPolicy when asked for"),
        pytest.param(
            {"metrics": {"serviceMonitor": {"enabled": True}}},
            "ServiceMonitor",
            1,
            id="a ServiceMonitor when asked for",
        ),
    ],
)
def test_an_object_is_there_exactly_when_its_switch_says_so(values, kind, present):
    assert len(find_all(render(values), kind)) == present


@pytest.mark.parametrize("values", [{}, SECRET, CERT_MANAGER, EVERYTHING])
def test_each_object_is_labelled_and_in_the_release_s_namespace(values):
    for item in render(values, namespace="gate"):
        assert item["metadata"]["labels"]["app.kubernetes.io/instance"] == "tidegate", item["kind"]
        cluster_wide = {"ClusterRole", "ClusterRoleBinding", "ValidatingWebhookConfiguration", "ImagePolicy"}
        expected = None if item["kind"] in cluster_wide else "gate"
        assert item["metadata"].get("namespace") == expected, item["kind"]


def test_a_release_of_another_name_says_what_it_is():
    assert find(render(release="prod"), "Deployment")["metadata"]["name"] == "prod-tidegate"
    assert find(render({"fullnameOverride": "gate"}), "Deployment")["metadata"]["name"] == "gate"


class TestWebhooks:
    @pytest.mark.parametrize(
        ("values", "enforced", "audited"),
        [
            pytest.param({}, NO_NAMESPACE, None, id="audit only, the default"),
            pytest.param(ENFORCING, None, NO_NAMESPACE, id="enforcing"),
            pytest.param(
                {**ENFORCING, "namespaces": {"enforced": ["a", "b"]}},
                ("In", ["a", "b"]),
                ("NotIn", ["a", "b"]),
                id="some are enforced",
            ),
            pytest.param(
                {**ENFORCING, "namespaces": {"audit": ["c"]}}, ("NotIn", ["c"]), ("In", ["c"]), id="some are audit only"
            ),
        ],
    )
    def test_every_namespace_that_is_not_exempt_belongs_to_exactly_one_entry(self, values, enforced, audited):
        hooks = webhooks(render(values))
        exempt = ("NotIn", ["tidegate", "kube-system", "kube-node-lease", "kube-public"])
        assert namespaces_of(hooks["enforce.tidegate.dev"]) == [exempt, *([enforced] if enforced else [])]
        assert namespaces_of(hooks["audit.tidegate.dev"]) == [exempt, *([audited] if audited else [])]

    @pytest.mark.parametrize("values", [{}, ENFORCING, {**ENFORCING, "namespaces": {"enforced": ["a"]}}])
    def test_both_entries_are_always_there_so_that_neither_ever_lacks_the_bundle(self, values):
        hooks = webhooks(render(values))
        assert {name: hook["failurePolicy"] for name, hook in hooks.items()} == {
            "enforce.tidegate.dev": "Fail",
            "audit.tidegate.dev": "Ignore",
        }

    @pytest.mark.parametrize("exempt", [[], ["kube-system"], ["gate", "kube-system"]])
    def test_the_release_s_own_namespace_is_always_exempt_and_named_once(self, exempt):
        hook = webhooks(render({"namespaces": {"exempt": exempt}}, namespace="gate"))["audit.tidegate.dev"]
        assert namespaces_of(hook) == [("NotIn", ["gate", *[name for name in exempt if name != "gate"]])]

    def test_the_switch_reaches_the_controller_too(self):
        assert controller_config(render())["auditOnly"] is True
        assert controller_config(render(ENFORCING))["auditOnly"] is False

    @pytest.mark.parametrize("values", [{}, {**ENFORCING, "namespaces": {"enforced": ["a"]}}])
    def test_the_rules_name_every_resource_with_images_and_no_other(self, values):
        for hook in webhooks(render(values)).values():
            named = {
                (group, version, resource)
                for rule in hook["rules"]
                for group in rule["apiGroups"]
                for version in rule["apiVersions"]
                for resource in rule["resources"]
            }
            assert named == {
                ("", "v1", "pods"),
                ("", "v1", "pods/ephemeralcontainers"),
                ("", "v1", "replicationcontrollers"),
                ("apps", "v1", "deployments"),
                ("apps", "v1", "replicasets"),
                ("apps", "v1", "statefulsets"),
                ("apps", "v1", "daemonsets"),
                ("batch", "v1", "jobs"),
                ("batch", "v1", "cronjobs"),
            }
            assert all(rule["operations"] == ["CREATE", "UPDATE"] for rule in hook["rules"])
            assert "objectSelector" not in hook, "the author of a Pod sets its labels"
            assert hook["matchPolicy"] == "Equivalent"
            assert hook["sideEffects"] == "None"

    def test_the_controller_and_the_api_server_have_the_same_deadline(self):
        objects = render({"webhook": {"timeoutSeconds": 7}})
        assert {hook["timeoutSeconds"] for hook in webhooks(objects).values()} == {7}
        assert controller_config(objects)["server"]["webhookTimeoutSeconds"] == 7

    def test_a_url_takes_the_service_s_place_for_a_controller_that_runs_beside(self):
        configuration = webhooks_by_url(render(), "https://127.0.0.1:9443", b"pem")
        assert {hook["name"]: hook["clientConfig"] for hook in configuration["webhooks"]} == {
            "enforce.tidegate.dev": {"url": "https://127.0.0.1:9443/validate", "caBundle": "cGVt"},
            "audit.tidegate.dev": {"url": "https://127.0.0.1:9443/validate/audit", "caBundle": "cGVt"},
        }


class TestCertificate:
    @pytest.mark.parametrize("values", [{}, CERT_MANAGER])
    def test_the_ca_bundle_is_not_the_chart_s_where_something_else_writes_it(self, values):
        for hook in webhooks(render(values)).values():
            assert "caBundle" not in hook["clientConfig"]

    def test_of_its_own_the_controller_is_told_what_to_write_and_may_write_just_that(self):
        objects = render({"certificate": {"dnsNames": ["gate.example"]}})
        assert controller_config(objects)["certificate"] == {
            "mode": "self",
            "secretName": "tidegate-tls",
            "serviceName": "tidegate",
            "webhookConfigurationName": "tidegate",
            "dnsNames": ["gate.example"],
        }
        assert {
            "apiGroups": ["admissionregistration.k8s.io"],
            "resources": ["validatingwebhookconfigurations"],
            "resourceNames": ["tidegate"],
            "verbs": ["get", "patch"],
        } in role_rules(objects)
        assert role_rules(objects, "Role") == [
            READ_CONFIG_MAPS,
            {
                "apiGroups": [""],
                "resources": ["secrets"],
                "resourceNames": ["tidegate-tls"],
                "verbs": ["get", "update"],
            },
        ]

    @pytest.mark.parametrize("name", ["", "other"])
    def test_the_secret_is_made_without_content_so_that_no_upgrade_takes_it_away(self, name):
        """A look-up of what is stored would not do: Argo CD renders without a cluster."""
        objects = render({"certificate": {"secretName": name}})
        secret = find(objects, "Secret")
        assert secret["metadata"]["name"] == controller_config(objects)["certificate"]["secretName"]
        assert set(secret) == {"apiVersion", "kind", "metadata", "type"}
        assert secret["type"] == SECRET_TYPE
        assert secret["metadata"]["labels"][OWNER_LABEL] == OWNER

    @pytest.mark.parametrize(("values", "secret"), [(SECRET, "mine"), (CERT_MANAGER, "tidegate-tls")])
    def test_files_are_mounted_and_no_right_to_write_is_left(self, values, secret):
        objects = render(values)
        assert controller_config(objects)["certificate"] == {
            "mode": "files",
            "certFile": "/run/tidegate/tls/tls.crt",
            "keyFile": "/run/tidegate/tls/tls.key",
        }
        (volume,) = [volume for volume in pod_spec(objects)["volumes"] if volume["name"] == "tls"]
        assert volume["secret"]["secretName"] == secret
        assert {"name": "tls", "mountPath": "/run/tidegate/tls", "readOnly": True} in container(objects)["volumeMounts"]
        assert all("validatingwebhookconfigurations" not in rule["resources"] for rule in role_rules(objects))
        assert role_rules(objects, "Role") == [READ_CONFIG_MAPS]

    def test_with_cert_manager_the_injector_fills_in_the_bundle_of_the_certificate_that_is_served(self):
        objects = render(CERT_MANAGER, namespace="gate")
        certificate = find(objects, "Certificate")
        annotations = webhook_configuration(objects)["metadata"]["annotations"]
        assert annotations == {"cert-manager.io/inject-ca-from": f"gate/{certificate['metadata']['name']}"}
        assert certificate["spec"]["dnsNames"] == ["tidegate.gate.svc"]
        assert certificate["spec"]["secretName"] == "tidegate-tls"
        assert certificate["spec"]["privateKey"]["algorithm"] == "ECDSA"
        assert certificate["spec"]["issuerRef"]["name"] == find(objects, "Issuer")["metadata"]["name"]

    def test_an_issuer_of_the_user_s_is_asked_as_what_it_is(self):
        reference = {"name": "ours", "kind": "ClusterIssuer"}
        objects = render({"certificate": {"mode": "certManager", "issuerRef": reference}})
        assert find(objects, "Certificate")["spec"]["issuerRef"] == {"group": "cert-manager.io", **reference}

    def test_a_secret_of_the_user_s_brings_the_user_s_bundle(self):
        for hook in webhooks(render(SECRET)).values():
            assert base64.b64decode(hook["clientConfig"]["caBundle"]).decode() == PEM


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
        roles = {one["metadata"]["namespace"]: one for one in find_all(objects, "Role")}
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
            subject = {"kind": "ServiceAccount", "name": "gate-sa", "namespace": "tidegate"}
            assert binding["subjects"] == [subject]

    def test_what_is_kept_of_tuf_repositories_has_a_place_that_can_be_written(self):
        folder = PurePosixPath(parse_settings(config_text(render())).trust_stores.cache_folder)
        writable = [one["mountPath"] for one in container(render())["volumeMounts"] if not one.get("readOnly")]
        assert any(folder.is_relative_to(path) for path in writable)


class TestPods:
    def test_they_may_do_nothing_to_their_node(self):
        spec, only = pod_spec(render()), container(render())
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["runAsUser"] == 65532
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert only["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "privileged": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert {"name": "tmp", "mountPath": "/tmp"} in container(render())["volumeMounts"]

    def test_the_probes_ask_the_server_itself_over_tls(self):
        only = container(render())
        assert only["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "https", "scheme": "HTTPS"}
        for probe in ("livenessProbe", "startupProbe"):
            assert only[probe]["httpGet"] == {"path": "/healthz", "port": "https", "scheme": "HTTPS"}

    def test_an_ending_pod_has_time_for_the_longest_request_that_came_in_while_it_was_still_listed(self):
        objects = render({"preStopSeconds": 7, "server": {"drainSeconds": 20}})
        assert container(objects)["lifecycle"]["preStop"] == {"sleep": {"seconds": 7}}
        assert pod_spec(objects)["terminationGracePeriodSeconds"] > 7 + 20
        assert controller_config(objects)["server"]["drainSeconds"] == 20
        defaults = controller_config(render())["server"]
        assert defaults["drainSeconds"] >= defaults["webhookTimeoutSeconds"]

    def test_they_are_replaced_when_the_configuration_changes_and_only_then(self):
        def checksum(values):
            return find(render(values), "Deployment")["spec"]["template"]["metadata"]["annotations"][
                "tidegate.dev/config-checksum"
            ]

        assert checksum({}) == checksum({"replicas": 3})
        assert checksum({}) != checksum({"log": {"level": "debug"}})

    def test_services_and_budget_choose_exactly_these_pods(self):
        objects = render({**EVERYTHING, "podLabels": {"extra": "yes"}})
        deployment = find(objects, "Deployment")["spec"]
        labels = deployment["template"]["metadata"]["labels"]
        selectors = [
            deployment["selector"]["matchLabels"],
            find(objects, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
            find(objects, "NetworkPolicy")["spec"]["podSelector"]["matchLabels"],
            *[service["spec"]["selector"] for service in find_all(objects, "Service")],
        ]
        assert labels["extra"] == "yes"
        assert all(selector == selectors[0] and selector.items() <= labels.items() for selector in selectors)

    def test_the_api_server_s_port_leads_to_the_server_s(self):
        objects = render({"server": {"port": 8443, "metricsPort": 9090}})
        ports = {port["name"]: port["containerPort"] for port in container(objects)["ports"]}
        assert ports == {"https": 8443, "metrics": 9090}
        assert controller_config(objects)["server"] == {
            "host": "0.0.0.0",
            "port": 8443,
            "metricsPort": 9090,
            "webhookTimeoutSeconds": 10,
            "drainSeconds": 10,
            "maxConnections": 2048,
        }
        (port,) = find(objects, "Service", "tidegate")["spec"]["ports"]
        assert (port["port"], port["targetPort"]) == (443, "https")

    @pytest.mark.parametrize(
        ("image", "expected"),
        [
            ({}, "tidegate:0.1.0"),
            ({"repository": "r/t", "tag": "1"}, "r/t:1"),
            ({"repository": "r/t", "tag": "1", "digest": "sha256:" + "a" * 64}, "r/t@sha256:" + "a" * 64),
        ],
    )
    def test_the_image_is_the_digest_else_the_tag_else_the_chart_s_version(self, image, expected):
        assert container(render({"image": image}))["image"] == expected

    def test_what_the_user_adds_arrives(self):
        objects = render(EVERYTHING)
        spec = pod_spec(objects)
        assert spec["hostNetwork"] is True
        assert spec["dnsPolicy"] == "ClusterFirstWithHostNet"
        assert spec["nodeSelector"] == {"kubernetes.io/arch": "arm64"}
        assert spec["tolerations"] == [{"operator": "Exists"}]
        assert spec["affinity"] == {"nodeAffinity": {}}
        assert spec["imagePullSecrets"] == [{"name": "login"}]
        assert container_env(objects)["HTTPS_PROXY"] == "http://proxy:3128"
        assert container_env(objects)["POD_NAMESPACE"] == "tidegate"
        assert webhook_configuration(objects)["metadata"]["annotations"] == {"owner": "platform"}
        assert "eks.amazonaws.com/role-arn" in find(objects, "ServiceAccount")["metadata"]["annotations"]
        assert find(objects, "ServiceMonitor")["metadata"]["labels"]["release"] == "prometheus"
        metadata = find(objects, "Deployment")["spec"]["template"]["metadata"]
        assert metadata["annotations"]["a"] == "b"
        assert metadata["labels"]["c"] == "d"
        network = find(objects, "NetworkPolicy")["spec"]
        assert {"podSelector": {}} in network["ingress"][1]["from"]
        assert {"ports": [{"port": 1}]} in network["egress"]

    def test_pull_secrets_and_authorities_of_registries_are_files_where_the_program_looks(self):
        registries = [
            {"host": "one.test", "pullSecret": "login", "caBundle": PEM},
            {"host": "two.test", "pullSecret": "login", "privateAddresses": True, "tokenHosts": ["auth.two.test"]},
            {"host": "three.test", "caBundle": PEM.replace("MIIB", "MIIC")},
        ]
        objects = render({"registries": registries})
        one, two, three = parse_settings(config_text(objects)).registries
        assert (two.pull_secret_file, two.ca_file, two.private_addresses) == (one.pull_secret_file, None, True)
        assert (two.token_hosts, three.pull_secret_file) == (("auth.two.test",), None)
        mounts = {each["name"]: each["mountPath"] for each in container(objects)["volumeMounts"]}
        (volume,) = [each for each in pod_spec(objects)["volumes"] if each["name"] == "pull-secrets"]
        (source,) = volume["projected"]["sources"]
        assert (source["secret"]["name"], source["secret"]["optional"]) == ("login", True)
        (item,) = source["secret"]["items"]
        assert item["key"] == ".dockerconfigjson"
        assert one.pull_secret_file == f"{mounts['pull-secrets']}/{item['path']}"
        files = find(objects, "ConfigMap")["data"]
        for registry, text in ((one, PEM), (three, PEM.replace("MIIB", "MIIC"))):
            assert registry.ca_file is not None
            assert files[registry.ca_file.removeprefix(f"{mounts['config']}/")].strip() == text.strip()

    def test_with_an_authority_for_clients_the_probes_need_no_certificate(self):
        objects = render({"server": {"clientCA": PEM}})
        path = parse_settings(config_text(objects)).server.client_ca_file
        mounts = {each["name"]: each["mountPath"] for each in container(objects)["volumeMounts"]}
        assert path is not None
        name = path.removeprefix(f"{mounts['config']}/")
        assert find(objects, "ConfigMap")["data"][name].strip() == PEM.strip()
        probes = [container(objects)[f"{kind}Probe"]["httpGet"] for kind in ("startup", "liveness", "readiness")]
        assert {(probe["port"], probe["scheme"]) for probe in probes} == {("metrics", "HTTP")}
        other = parse_settings(config_text(render({"server": {"clientCA": PEM.replace("MIIB", "MIIC")}})))
        assert other.server.client_ca_file != path, "another authority makes other Pods"

    def test_without_one_the_probes_go_to_the_webhook(self):
        probes = [container(render())[f"{kind}Probe"]["httpGet"] for kind in ("startup", "liveness", "readiness")]
        assert {(probe["port"], probe["scheme"]) for probe in probes} == {("https", "HTTPS")}

    def test_without_registries_no_secret_is_mounted(self):
        assert "pull-secrets" not in {each["name"] for each in pod_spec(render())["volumes"]}

    def test_plain_http_goes_out_only_where_revocation_services_are_listed(self):
        def ports(**values):
            rules = find(render({"networkPolicy": {"enabled": True}, **values}), "NetworkPolicy")["spec"]["egress"]
            return [rule.get("to") for rule in rules if {"port": 80, "protocol": "TCP"} in rule["ports"]]

        assert len(ports()) == 1, "the Pod Identity agent's alone"
        for listed in ({"allowedHosts": ["ocsp.example.com"]}, {"privateHosts": ["pki.example.internal"]}):
            _, to = ports(revocation=listed)
            assert to[0]["ipBlock"] == {"cidr": "0.0.0.0/0", "except": ["169.254.0.0/16"]}


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


class TestRights:
    def test_they_are_exactly_these_outside_the_own_namespace(self):
        rights = {
            (group, resource, verb)
            for rule in role_rules(render())
            for group in rule["apiGroups"]
            for resource in rule["resources"]
            for verb in rule["verbs"]
        }
        assert rights == {
            ("tidegate.dev", "imagepolicies", "list"),
            ("tidegate.dev", "imagepolicies", "watch"),
            ("tidegate.dev", "imagepolicies/status", "patch"),
            ("tidegate.dev", "truststores", "list"),
            ("tidegate.dev", "truststores", "watch"),
            ("tidegate.dev", "truststores/status", "patch"),
            ("", "namespaces", "list"),
            ("", "namespaces", "watch"),
            ("", "nodes", "list"),
            ("admissionregistration.k8s.io", "validatingwebhookconfigurations", "get"),
            ("admissionregistration.k8s.io", "validatingwebhookconfigurations", "patch"),
        }

    def test_they_are_bound_to_the_pods_account(self):
        objects = render({"serviceAccount": {"name": "gatekeeper"}}, namespace="gate")
        assert pod_spec(objects)["serviceAccountName"] == "gatekeeper"
        for kind in ("ClusterRoleBinding", "RoleBinding"):
            assert find(objects, kind)["subjects"] == [
                {"kind": "ServiceAccount", "name": "gatekeeper", "namespace": "gate"}
            ]


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
