"""The controller's Pods and rights that the chart renders."""

import pytest

from tests.chart.examples import CERT_MANAGER, EVERYTHING, PEM, PULL_SECRET, SECRET
from tests.chart.render import (
    ADMISSION,
    BACKGROUND,
    config_text,
    container,
    container_env,
    controller_config,
    find,
    find_all,
    pod_spec,
    render,
    role_of,
    role_rules,
    webhook_configuration,
)
from tidegate.settings import parse_settings


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

    @pytest.mark.parametrize("values", [{}, SECRET, CERT_MANAGER, EVERYTHING, PULL_SECRET])
    def test_kubectl_drain_needs_no_flag_to_delete_data(self, values):
        """It refuses to evict a Pod with an emptyDir, of any medium, without --delete-emptydir-data."""
        assert [volume for volume in pod_spec(render(values))["volumes"] if "emptyDir" in volume] == []

    def test_the_probes_ask_the_server_itself_over_tls(self):
        only = container(render())
        assert only["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "https", "scheme": "HTTPS"}
        for probe in ("livenessProbe", "startupProbe"):
            assert only[probe]["httpGet"] == {"path": "/healthz", "port": "https", "scheme": "HTTPS"}

    def test_a_replica_that_hangs_is_out_of_the_service_within_seconds(self):
        """Until then each request that the API server sends it waits for the webhook's timeout."""
        probe = container(render())["readinessProbe"]
        assert probe["failureThreshold"] > 1, "one late answer of a busy replica takes it out"
        assert probe["periodSeconds"] * probe["failureThreshold"] + probe["timeoutSeconds"] <= 6

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

    @pytest.mark.parametrize("role", [ADMISSION, BACKGROUND])
    def test_services_and_budget_choose_exactly_these_pods(self, role):
        objects = render({**EVERYTHING, "podLabels": {"extra": "yes"}})
        deployment = find(objects, "Deployment", role=role)["spec"]
        labels = deployment["template"]["metadata"]["labels"]
        services = [service for service in find_all(objects, "Service") if role_of(service) == role]
        selectors = [
            deployment["selector"]["matchLabels"],
            find(objects, "PodDisruptionBudget", role=role)["spec"]["selector"]["matchLabels"],
            find(objects, "NetworkPolicy", role=role)["spec"]["podSelector"]["matchLabels"],
            *[service["spec"]["selector"] for service in services],
        ]
        assert services
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
            ("tidegate.dev", "imagepolicyexceptions", "list"),
            ("tidegate.dev", "imagepolicyexceptions", "watch"),
            ("tidegate.dev", "imagepolicyexceptions/status", "patch"),
            ("tidegate.dev", "namespacedimagepolicyexceptions", "list"),
            ("tidegate.dev", "namespacedimagepolicyexceptions", "watch"),
            ("tidegate.dev", "namespacedimagepolicyexceptions/status", "patch"),
            ("", "events", "create"),
            ("tidegate.dev", "truststores", "list"),
            ("tidegate.dev", "truststores", "watch"),
            ("tidegate.dev", "truststores/status", "patch"),
            ("tidegate.dev", "imageverdicts", "list"),
            ("tidegate.dev", "imageverdicts", "watch"),
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
