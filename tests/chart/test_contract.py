"""What the chart writes is what the program reads: the configuration file, the baseline policy, the way to the server,
and what the installation guide asks AWS for.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
import yaml

from tests.chart.render import ADMISSION, BACKGROUND, CHART, config_text, controller_config, find, render, webhooks
from tidegate.policy.model import Action, ImagePolicy
from tidegate.policy.parse import parse_policy
from tidegate.policy.signatures import Children
from tidegate.settings import Settings, parse_settings
from tidegate.webhook.server.admission import AUDIT_PATH, MUTATE_PATH, VALIDATE_PATH

PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
FIXED = {"server.host"}
"""What a Pod can't have otherwise."""
FOLDER = "/dev/shm/tidegate-trust-stores"
"""What each Pod has, whatever the values say: the program's own default is for a machine with /tmp."""

OTHER_THAN_DEFAULT: dict[str, Any] = {
    "fullnameOverride": "gate",
    "auditOnly": True,
    "digestPinning": {"enabled": True},
    "webhook": {"timeoutSeconds": 7},
    "server": {"port": 8443, "metricsPort": 9090, "drainSeconds": 12, "maxConnections": 300, "clientCA": PEM},
    "certificate": {"secretName": "other", "dnsNames": ["gate.example"]},
    "aws": {
        "region": "eu-west-1",
        "endpoints": {
            "ecr": "http://127.0.0.1:1",
            "inspector2": "http://127.0.0.1:2",
            "kms": "http://127.0.0.1:5",
            "signer": "http://127.0.0.1:3",
            "sqs": "http://127.0.0.1:6",
            "sts": "http://127.0.0.1:4",
        },
        "accounts": [
            {
                "account": "444455556666",
                "roleArn": "arn:aws:iam::444455556666:role/reader",
                "externalId": "e-1",
                "scanner": "basic",
            }
        ],
        "ratePerSecond": 7.5,
        "burst": 9,
        "eventQueueUrl": "https://sqs.eu-west-1.amazonaws.com/111122223333/tidegate-events",
    },
    "registries": [{"host": "ghcr.io", "pullSecret": "ghcr-login", "blobHosts": ["*.example.com"]}],
    "revocation": {"allowedHosts": ["*.ocsp.example.com"], "privateHosts": ["pki.example.internal:8080"]},
    "trustStores": {"privateHosts": ["tuf.example.internal"]},
    "cache": {"images": 1_000_000, "memoryMebibytes": 1_024},
    "background": {"callsPerSecond": 3.5, "policyReports": False, "repositoryPostures": True, "reportPort": 8090},
    "log": {"level": "debug", "format": "console"},
}
FILES = {"certificate": {"mode": "secret", "secretName": "mine", "caBundle": PEM}}


def leaves(section: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    for field in msgspec.structs.fields(section):
        value = getattr(section, field.name)
        name = f"{path}{field.encode_name}"
        if isinstance(value, msgspec.Struct):
            yield from leaves(value, f"{name}.")
        else:
            yield name, value


@pytest.mark.parametrize(
    "values", [{}, {"auditOnly": False}, OTHER_THAN_DEFAULT, FILES, {"certificate": {"mode": "certManager"}}]
)
def test_the_controller_understands_the_configuration_file(values):
    settings = parse_settings(config_text(render(values, namespace="gate")))
    assert settings.namespace == "gate"
    assert settings.audit_only is values.get("auditOnly", True)


def test_every_setting_can_be_set_from_values():
    defaults = dict(leaves(Settings()))
    changed = dict(leaves(parse_settings(config_text(render(OTHER_THAN_DEFAULT)))))
    changed_by_mode = dict(leaves(parse_settings(config_text(render(FILES)))))
    same = {name for name, default in defaults.items() if changed[name] == default == changed_by_mode[name]}
    assert same == FIXED
    assert changed["trustStores.cacheFolder"] == changed_by_mode["trustStores.cacheFolder"] == FOLDER


def test_the_program_s_defaults_are_the_chart_s_except_where_it_starts_with_watching():
    written = dict(leaves(parse_settings(config_text(render()))))
    different = {name for name, default in leaves(Settings()) if written[name] != default}
    assert different == {
        "auditOnly",
        "background.exemptNamespaces",
        "certificate.secretName",
        "namespace",
        "trustStores.cacheFolder",
    }


def test_the_program_understands_the_baseline_policy():
    policy = parse_policy(find(render(), "ImagePolicy"))
    assert isinstance(policy, ImagePolicy)
    assert policy.actions == {Action.WARN, Action.AUDIT}
    registries = [{"account": "111122223333", "region": "eu-west-1"}, {"host": "ghcr.io", "repositories": ["a/**"]}]
    signatures = {
        "anyOf": [{"name": "release", "notation": {"trustStores": ["aws-signer"], "trustedIdentities": ["*"]}}],
        "children": "All",
        "sameRepository": True,
    }
    values = {
        "baselinePolicy": {
            "registries": registries,
            "validationActions": ["Deny"],
            "maxCritical": 3,
            "signatures": signatures,
        }
    }
    strict = parse_policy(find(render(values), "ImagePolicy"))
    assert strict.actions == {Action.DENY}
    assert strict.registries is not None
    assert len(strict.registries) == 2
    assert policy.signatures is None
    assert strict.signatures is not None
    assert [one.name for one in strict.signatures.any_of] == ["release"]
    assert strict.signatures.children is Children.ALL


def test_the_api_server_asks_on_the_path_that_is_served():
    paths = {name: hook["clientConfig"]["service"]["path"] for name, hook in webhooks(render()).items()}
    assert paths == {"enforce.tidegate.dev": VALIDATE_PATH, "audit.tidegate.dev": AUDIT_PATH}
    (pinning,) = find(render(OTHER_THAN_DEFAULT), "MutatingWebhookConfiguration")["webhooks"]
    assert pinning["clientConfig"]["service"]["path"] == MUTATE_PATH


def test_the_certificate_is_made_for_the_service_that_is_called():
    for values in ({}, {"fullnameOverride": "gate"}):
        objects = render(values)
        for hook in webhooks(objects).values():
            assert controller_config(objects)["certificate"]["serviceName"] == hook["clientConfig"]["service"]["name"]


class TestInstallationGuide:
    GUIDE = (CHART.parents[2] / "docs" / "guides" / "install.md").read_text()

    def blocks(self, language: str) -> list[str]:
        return re.findall(rf"^```{language}\n(.*?)^```", self.GUIDE, re.MULTILINE | re.DOTALL)

    def test_every_document_in_it_can_be_copied(self):
        for block in self.blocks("json"):
            assert json.loads(block)["Version"] == "2012-10-17"
        values: dict[str, Any] = {}
        for block in self.blocks("yaml"):
            for key, value in yaml.safe_load(block).items():
                values[key] = values.get(key, {}) | value if isinstance(value, dict) else value
            render(values)
        assert values["auditOnly"] is False

    @pytest.mark.parametrize("role", [ADMISSION, BACKGROUND])
    def test_the_service_accounts_of_the_trust_policies_are_the_chart_s(self, role):
        account = find(render(), "ServiceAccount", role=role)["metadata"]
        assert f"system:serviceaccount:{account['namespace']}:{account['name']}" in self.GUIDE
        assert f"--service-account {account['name']} " in self.GUIDE
