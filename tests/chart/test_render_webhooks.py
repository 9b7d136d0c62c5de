"""The webhook configuration and the certificate that the chart renders."""

import base64
from typing import Any

import pytest

from tests.chart.examples import CERT_MANAGER, PEM, READ_CONFIG_MAPS, SECRET
from tests.chart.render import (
    ENFORCING,
    container,
    controller_config,
    find,
    pod_spec,
    render,
    role_rules,
    webhook_configuration,
    webhooks,
    webhooks_by_url,
)
from tidegate.webhook.certificate.secret import OWNER, OWNER_LABEL, SECRET_TYPE

NO_NAMESPACE = ("In", ["tidegate"])
"""The release's own namespace, which is exempt: both together match nothing."""


def namespaces_of(hook: dict[str, Any]) -> list[tuple[str, list[str]]]:
    expressions = hook["namespaceSelector"]["matchExpressions"]
    assert {expression["key"] for expression in expressions} == {"kubernetes.io/metadata.name"}
    return [(expression["operator"], expression["values"]) for expression in expressions]


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
        certificate = find(objects, "Certificate", "tidegate")
        annotations = webhook_configuration(objects)["metadata"]["annotations"]
        assert annotations == {"cert-manager.io/inject-ca-from": f"gate/{certificate['metadata']['name']}"}
        assert certificate["spec"]["dnsNames"] == ["tidegate.gate.svc"]
        assert certificate["spec"]["secretName"] == "tidegate-tls"
        assert certificate["spec"]["privateKey"]["algorithm"] == "ECDSA"

    def test_without_an_issuer_of_the_user_s_the_ca_outlives_the_certificates(self):
        """A certificate that is its own CA would be trusted at its renewal before it is served."""
        objects = render(CERT_MANAGER)
        issuer = find(objects, "Issuer", find(objects, "Certificate", "tidegate")["spec"]["issuerRef"]["name"])
        authority = find(objects, "Certificate", "tidegate-ca")["spec"]
        assert issuer["spec"] == {"ca": {"secretName": authority["secretName"]}}
        assert (authority["isCA"], authority["duration"]) == (True, "87600h")
        assert find(objects, "Issuer", authority["issuerRef"]["name"])["spec"] == {"selfSigned": {}}

    def test_an_issuer_of_the_user_s_is_asked_as_what_it_is(self):
        reference = {"name": "ours", "kind": "ClusterIssuer"}
        objects = render({"certificate": {"mode": "certManager", "issuerRef": reference}})
        assert find(objects, "Certificate")["spec"]["issuerRef"] == {"group": "cert-manager.io", **reference}

    def test_a_secret_of_the_user_s_brings_the_user_s_bundle(self):
        for hook in webhooks(render(SECRET)).values():
            assert base64.b64decode(hook["clientConfig"]["caBundle"]).decode() == PEM
