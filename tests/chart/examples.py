"""Values of the chart, and what the tests read of objects that it renders."""

from typing import Any

PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
SECRET = {"certificate": {"mode": "secret", "secretName": "mine", "caBundle": PEM}}
CERT_MANAGER = {"certificate": {"mode": "certManager"}}
OWN_ISSUER = {"certificate": {"mode": "certManager", "issuerRef": {"name": "ours"}}}
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
    "digestPinning": {"enabled": True, "namespaces": ["team-a"]},
    "serviceAccount": {"annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::111122223333:role/tidegate"}},
}
PULL_SECRET = {"registries": [{"host": "ghcr.io", "pullSecret": "ghcr-login"}]}
READ_CONFIG_MAPS = {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]}
