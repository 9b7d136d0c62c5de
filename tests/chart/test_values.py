"""What the chart refuses, and that its manual, its schema and its README agree."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

import generate
from tests.chart.render import CHART, HelmError, render

GENERATE = CHART.parent / "generate.py"
PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"


def refusal(values: dict[str, Any]) -> str:
    with pytest.raises(HelmError) as refused:
        render(values)
    return str(refused.value)


class TestSchema:
    @pytest.mark.parametrize(
        ("values", "says"),
        [
            pytest.param({"auditonly": False}, "additional properties 'auditonly' not allowed", id="misspelt key"),
            pytest.param({"aws": {"regoin": "x"}}, "'regoin' not allowed", id="misspelt key in a group"),
            pytest.param({"aws": {"endpoints": {"s3": "http://x"}}}, "'s3' not allowed", id="unknown AWS service"),
            pytest.param({"aws": {"accounts": [{"accuont": "1"}]}}, "accuont", id="misspelt key in a list"),
            pytest.param({"aws": {"accounts": [{"account": "1234"}]}}, "/aws/accounts/0/account", id="short account"),
            pytest.param({"resources": {"limit": {}}}, "'limit' not allowed", id="misspelt key in resources"),
            pytest.param({"auditOnly": "no"}, "/auditOnly", id="text for a switch"),
            pytest.param({"replicas": 0}, "/replicas", id="no replica"),
            pytest.param({"webhook": {"timeoutSeconds": 2}}, "/webhook/timeoutSeconds", id="timeout below the least"),
            pytest.param(
                {"webhook": {"timeoutSeconds": 31}}, "/webhook/timeoutSeconds", id="timeout above Kubernetes's"
            ),
            pytest.param({"certificate": {"mode": "magic"}}, "'self', 'certManager', 'secret'", id="unknown mode"),
            pytest.param({"image": {"digest": "sha256:12"}}, "/image/digest", id="half a digest"),
            pytest.param({"namespaces": {"exempt": ["kube-*"]}}, "/namespaces/exempt/0", id="glob for a namespace"),
            pytest.param({"log": {"level": "loud"}}, "/log/level", id="unknown level"),
            pytest.param({"registries": [{"pullSecret": "x"}]}, "/registries/0", id="registry without host"),
            pytest.param({"registries": [{"host": "https://ghcr.io"}]}, "/registries/0/host", id="URL for a host"),
            pytest.param(
                {"registries": [{"host": "a.test", "insecure": True}]}, "'insecure'", id="registry without TLS"
            ),
            pytest.param({"revocation": {"allowedHosts": ["*"]}}, "/revocation/allowedHosts/0", id="all hosts"),
        ],
    )
    def test_helm_says_which_key_is_wrong(self, values, says):
        assert says in refusal(values)

    @pytest.mark.parametrize("seconds", [3, 30])
    def test_the_bounds_themselves_are_fine(self, seconds):
        render({"webhook": {"timeoutSeconds": seconds}})

    def test_a_parent_chart_s_global_values_are_ignored(self):
        render({"global": {"region": "x"}})

    def test_it_is_closed_everywhere_except_where_the_manual_opens_it(self):
        opened = []

        def walk(schema: dict[str, Any], path: str) -> None:
            if schema.get("type") == "object" and path != ".global" and schema.get("additionalProperties") is not False:
                opened.append(path)
            for name, below in schema.get("properties", {}).items():
                walk(below, f"{path}.{name}")

        walk(yaml.safe_load((CHART / "values.schema.json").read_text()), "")
        assert sorted(opened) == [
            ".affinity",
            ".background.resources.limits",
            ".background.resources.requests",
            ".background.serviceAccountAnnotations",
            ".commonLabels",
            ".metrics.dashboard.labels",
            ".metrics.prometheusRule.labels",
            ".metrics.serviceMonitor.labels",
            ".nodeSelector",
            ".podAnnotations",
            ".podLabels",
            ".resources.limits",
            ".resources.requests",
            ".serviceAccount.annotations",
            ".webhook.annotations",
            ".webhook.objectSelector.matchLabels",
        ]

    def test_the_defaults_and_the_examples_of_the_manual_are_valid(self):
        schema = yaml.safe_load((CHART / "values.schema.json").read_text())
        jsonschema.validate(yaml.safe_load((CHART / "values.yaml").read_text()), schema)
        for entry in generate.leaves(generate.read_manual((CHART / "values.yaml").read_text())):
            if entry.example:
                value = yaml.safe_load(entry.example)
                for key in reversed(entry.path):
                    value = {key: value}
                jsonschema.validate(value, schema)


class TestCombinations:
    @pytest.mark.parametrize(
        ("values", "says"),
        [
            pytest.param(
                {"namespaces": {"enforced": ["a"]}},
                "auditOnly is true, so nothing is enforced",
                id="enforced, audit only",
            ),
            pytest.param({"namespaces": {"audit": ["a"]}}, "so all namespaces are audit only", id="audit, audit only"),
            pytest.param(
                {"auditOnly": False, "namespaces": {"enforced": ["a"], "audit": ["b"]}},
                "namespaces.enforced and namespaces.audit are both set",
                id="both lists",
            ),
            pytest.param(
                {"auditOnly": False, "namespaces": {"enforced": ["kube-system"]}},
                'namespace "kube-system" is exempt and also enforced',
                id="exempt and enforced",
            ),
            pytest.param(
                {"auditOnly": False, "namespaces": {"enforced": ["tidegate"]}},
                'namespace "tidegate" is the release\'s own',
                id="own namespace enforced",
            ),
            pytest.param(
                {"baselinePolicy": {"validationActions": ["Deny", "Warn"]}}, "has Deny and Warn", id="Deny and Warn"
            ),
            pytest.param(
                {"certificate": {"mode": "secret", "caBundle": PEM}}, "certificate.secretName is empty", id="no Secret"
            ),
            pytest.param({"certificate": {"mode": "secret", "secretName": "x"}}, "caBundle has no PEM", id="no bundle"),
            pytest.param(
                {"certificate": {"mode": "secret", "secretName": "x", "caBundle": PEM, "dnsNames": ["y"]}},
                "you provide the certificate",
                id="names for a certificate that exists",
            ),
            pytest.param({"certificate": {"caBundle": PEM}}, "self sets it automatically", id="bundle for self"),
            pytest.param(
                {"certificate": {"issuerRef": {"name": "x"}}}, "use certificate.mode certManager", id="issuer for self"
            ),
            pytest.param({"server": {"port": 8080}}, "server.port and server.metricsPort are both 8080", id="one port"),
            pytest.param({"server": {"port": 10250}}, "port 10250 is the kubelet's", id="the kubelet's port"),
            pytest.param(
                {"serviceAccount": {"create": False}}, "serviceAccount.name is empty", id="nobody's ServiceAccount"
            ),
            pytest.param(
                {"serviceAccount": {"create": False, "name": "x", "annotations": {"a": "b"}}},
                "the chart does not write them",
                id="annotations of another's ServiceAccount",
            ),
            pytest.param(
                {"metrics": {"service": False, "serviceMonitor": {"enabled": True}}},
                "set metrics.service to true",
                id="monitor without a Service",
            ),
            pytest.param(
                {"aws": {"accounts": [{"account": "111122223333"}, {"account": "111122223333"}]}},
                "names account 111122223333 twice",
                id="account twice",
            ),
            pytest.param(
                {"aws": {"accounts": [{"account": "111122223333", "externalId": "e1"}]}},
                "an externalId but no roleArn",
                id="external id without a role",
            ),
        ],
    )
    def test_values_that_do_not_fit_together_are_refused_with_a_sentence(self, values, says):
        assert says in refusal(values)

    def test_all_problems_are_told_at_once(self):
        text = refusal({"server": {"port": 8080}, "certificate": {"mode": "secret"}})
        assert text.count("\n- ") == 3


class TestGenerate:
    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, str(GENERATE), *arguments], capture_output=True, text=True, timeout=60, check=False
        )

    def test_the_generated_files_are_up_to_date(self):
        done = self.run("--verify")
        assert done.returncode == 0, done.stderr

    def test_a_change_of_the_manual_is_noticed_and_then_written(self, tmp_path: Path):
        chart = tmp_path / "tidegate"
        shutil.copytree(CHART, chart)
        values = chart / "values.yaml"
        values.write_text(values.read_text().replace("replicas: 2", "replicas: 3"))
        stale = self.run("--verify", "--chart", str(chart))
        assert stale.returncode == 1
        assert "values.schema.json is out of date" in stale.stderr
        assert "README.md is out of date" in stale.stderr
        assert self.run("--chart", str(chart)).returncode == 0
        assert "| `replicas` | `3` |" in (chart / "README.md").read_text()
        assert self.run("--verify", "--chart", str(chart)).returncode == 0

    @pytest.mark.parametrize(
        ("text", "says"),
        [
            pytest.param("a: 1\n", "a has no comment", id="undocumented key"),
            pytest.param("# A group.\ng:\n  b: 1\n", "g.b has no comment", id="undocumented key in a group"),
            pytest.param("# A list.\na: []\n", "say with @schema what its items are", id="list of unknown items"),
            pytest.param("# A map.\na: {}\n", "say with @schema what may be in it", id="map of unknown content"),
            pytest.param("# Nothing.\na: null\n", "never null", id="null"),
            pytest.param("".join(f"# Key.\nk{n}: 1\n" for n in range(120)), "has 120 keys", id="too many keys"),
        ],
    )
    def test_a_manual_that_does_not_say_what_it_must_is_refused(self, text, says):
        with pytest.raises(generate.ManualError, match=says):
            generate.read_manual(text)

    def test_one_key_fewer_than_too_many_is_fine(self):
        assert len(generate.read_manual("".join(f"# Key.\nk{n}: 1\n" for n in range(119)))) == 119
