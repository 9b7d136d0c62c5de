"""ImagePolicy specs that the unit tests give to the parser and the end-to-end tests give to the API server.

Both must agree on each of them: what one takes the other takes, what one refuses the other refuses.
"""

import copy
from typing import Any

from tests.unit.policy import signature_examples

ACCOUNT = "123456789012"
ECR: dict[str, Any] = {"account": ACCOUNT}
HUB: dict[str, Any] = {"host": "docker.io"}
IGNORED: dict[str, Any] = {"id": "CVE-2026-0001", "until": "2027-01-31", "reason": "not reachable, says ann"}
SCANNED: dict[str, Any] = {"scan": {}}

FULL: dict[str, Any] = {
    "validationActions": ["Warn", "Audit"],
    "match": {
        "namespaceSelector": {
            "matchLabels": {"team": "shop"},
            "matchExpressions": [{"key": "example.com/stage", "operator": "In", "values": ["test", "production"]}],
        },
        "namespaces": ["shop-*"],
        "excludedNamespaces": ["shop-playground"],
        "images": [{"account": ACCOUNT, "region": "eu-west-1", "repositories": ["shop/**"]}],
    },
    "registries": [
        {"account": ACCOUNT, "partition": "aws-cn", "repositories": ["shop/*"]},
        {"host": "public.ecr.aws", "repositories": ["docker/library/*"]},
        {"account": ACCOUNT, "region": "eu-central-1"},
    ],
    "tags": {"immutable": True, "digestRequired": True, "forbidden": ["latest"]},
    "scan": {
        "whenPending": "Allow",
        "whenExpired": "Allow",
        "whenUnsupported": "Allow",
        "maxAge": "30d",
        "settlingPeriod": "5m",
    },
    "vulnerabilities": {
        "maxCounts": {"CRITICAL": 0, "HIGH": 1, "MEDIUM": 2, "LOW": 3, "INFORMATIONAL": 4, "UNTRIAGED": 5},
        "onlyFixable": True,
        "exploitAvailable": "Deny",
        "epssThreshold": 0.5,
        "whenEpssUnknown": "Allow",
        "gracePeriod": "7d",
        "suppressed": "Deny",
        "ignore": [IGNORED],
        "runningImages": {"action": "Allow", "for": "72h", "exceptExploitable": False},
    },
    "signatures": signature_examples.FULL_SIGNATURES,
    "attestations": signature_examples.FULL_ATTESTATIONS,
    "repository": {
        "push": {
            "restrictedTo": [f"arn:aws:iam::{ACCOUNT}:role/ci-push"],
            "accounts": ["111122223333"],
            "organizations": ["o-a1b2c3d4e5"],
        },
        "pull": {
            "accounts": ["444455556666"],
            "organizations": ["o-a1b2c3d4e5"],
            "services": ["lambda.amazonaws.com"],
        },
        "scanning": "Continuous",
        "encryption": "KMS",
        "lifecycle": "KeepsRunningImages",
    },
    "platforms": ["linux/arm64"],
    "onUndetermined": "Allow",
    "maxStale": "2h",
    "namespacedExceptions": {"checks": ["tags", "signatures"], "vulnerabilities": True, "maxDuration": "12h"},
}
"""Every field, each with another value than its default."""


def with_spec(spec: Any, *, name: str = "example", **fields: Any) -> dict[str, Any]:
    """Return a whole object around a spec."""
    metadata = {"name": name, "uid": "0f1e", "generation": 3}
    whole = {"apiVersion": "tidegate.dev/v1alpha1", "kind": "ImagePolicy", "metadata": metadata, "spec": spec} | fields
    return copy.deepcopy(whole)


def changed(path: tuple[str | int, ...], value: Any, *, spec: dict[str, Any] = FULL) -> dict[str, Any]:
    """Return the spec with the value at a path."""
    result = copy.deepcopy(spec)
    place: Any = result
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return result


def matching(**fields: Any) -> dict[str, Any]:
    return SCANNED | {"match": fields}


def image(**fields: Any) -> dict[str, Any]:
    return {"registries": [fields]}


def counting(**fields: Any) -> dict[str, Any]:
    return {"vulnerabilities": {"maxCounts": {"CRITICAL": 0}} | fields}


def ignoring(**fields: Any) -> dict[str, Any]:
    return counting(ignore=[IGNORED | fields])


def requiring(**fields: Any) -> dict[str, Any]:
    return matching(namespaceSelector={"matchExpressions": [fields]})


ACCEPTED: dict[str, dict[str, Any]] = {
    "every field": FULL,
    "registries alone": {"registries": [ECR]},
    "tags alone": {"tags": {"immutable": True}},
    "a scan with its defaults": SCANNED,
    "vulnerabilities alone": counting(),
    "one action": SCANNED | {"validationActions": ["Audit"]},
    "Deny with Audit": SCANNED | {"validationActions": ["Deny", "Audit"]},
    "an empty match": SCANNED | {"match": {}},
    "empty lists in match": matching(namespaces=[], excludedNamespaces=[], images=[]),
    "an empty selector": matching(namespaceSelector={}),
    "a matched account": matching(images=[ECR]),
    "a label with an empty value": matching(namespaceSelector={"matchLabels": {"team": ""}}),
    "the label with the namespace's name": matching(
        namespaceSelector={"matchLabels": {"kubernetes.io/metadata.name": "shop"}}
    ),
    "NotIn with values": requiring(key="team", operator="NotIn", values=["a"]),
    "Exists without values": requiring(key="team", operator="Exists"),
    "DoesNotExist with empty values": requiring(key="team", operator="DoesNotExist", values=[]),
    "the longest label value": requiring(key="team", operator="In", values=["a" * 63]),
    "the longest label name": requiring(key="a" * 63, operator="Exists"),
    "the longest namespace": matching(namespaces=["a" * 63]),
    "every namespace": matching(namespaces=["*"]),
    "two stars in a namespace": matching(namespaces=["a**b"]),
    "a hundred namespaces": matching(namespaces=[f"n{index}" for index in range(100)]),
    "twenty requirements": matching(
        namespaceSelector={"matchExpressions": [{"key": f"k{index}", "operator": "Exists"} for index in range(20)]}
    ),
    "twenty labels": matching(namespaceSelector={"matchLabels": {f"k{index}": "v" for index in range(20)}}),
    "fifty values": requiring(key="k", operator="In", values=[f"v{index}" for index in range(50)]),
    "an account with leading zeros": image(account="000000000012"),
    "a region of another partition": image(account=ACCOUNT, region="cn-north-1"),
    "a region with its partition": image(account=ACCOUNT, region="us-gov-west-1", partition="aws-us-gov"),
    "a partition without region": image(account=ACCOUNT, partition="aws-eusc"),
    "a host with a port": image(host="registry.example.com:5000"),
    "a host of one letter": image(host="r"),
    "an IPv6 host": image(host="[2001:db8::1]:5000"),
    "localhost": image(host="localhost:5000"),
    "a host that only mentions ECR": image(host="mirror-dkr.ecr.example.com"),
    "every repository": image(account=ACCOUNT, repositories=["**"]),
    "stars apart": image(account=ACCOUNT, repositories=["**a**/b*c"]),
    "the longest repository": image(account=ACCOUNT, repositories=["a" * 256]),
    "fifty repositories": image(account=ACCOUNT, repositories=[f"r{index}" for index in range(50)]),
    "a hundred registries": {"registries": [ECR] * 100},
    "only a forbidden tag": {"tags": {"forbidden": ["latest"]}},
    "a digest required": {"tags": {"digestRequired": True}},
    "a tag glob": {"tags": {"forbidden": ["*-SNAPSHOT", "v0.*"]}},
    "the longest tag": {"tags": {"forbidden": ["a" * 128]}},
    "fifty forbidden tags": {"tags": {"forbidden": [f"t{index}" for index in range(50)]}},
    "the shortest age": {"scan": {"maxAge": "1m"}},
    "the shortest age in seconds": {"scan": {"maxAge": "60s"}},
    "the longest age": {"scan": {"maxAge": "365d"}},
    "the longest age in hours": {"scan": {"maxAge": "8760h"}},
    "hours, minutes and seconds": {"scan": {"maxAge": "1h30m15s"}},
    "more minutes than an hour has": {"scan": {"maxAge": "90m"}},
    "no settling": {"scan": {"settlingPeriod": "0s"}},
    "no settling in days": {"scan": {"settlingPeriod": "0d"}},
    "the longest settling": {"scan": {"settlingPeriod": "1h"}},
    "no counting but EPSS": {"vulnerabilities": {"epssThreshold": 0.1}},
    "the lowest EPSS": {"vulnerabilities": {"epssThreshold": 0}},
    "the highest EPSS": {"vulnerabilities": {"epssThreshold": 1}},
    "no counting but exploits": {"vulnerabilities": {"exploitAvailable": "Deny"}},
    "a severity alone": counting(maxCounts={"LOW": 7}),
    "the largest count": counting(maxCounts={"LOW": 100_000}),
    "the longest grace": counting(gracePeriod="365d"),
    "no grace": counting(gracePeriod="0s"),
    "grace for running images": counting(runningImages={"for": "72h"}),
    "the shortest grace for running images": counting(runningImages={"for": "1m"}),
    "the longest grace for running images": counting(runningImages={"for": "365d"}),
    "no ignored vulnerability": counting(ignore=[]),
    "a leap day": ignoring(until="2028-02-29"),
    "a day long past": ignoring(until="1999-12-31"),
    "the last day": ignoring(until="9999-12-31"),
    "the shortest id": ignoring(id="A1"),
    "the longest id": ignoring(id="A" * 128),
    "the longest reason": ignoring(reason="r" * 512),
    "a reason in another script": ignoring(reason="nicht erreichbar: geprüft 確認"),
    "five hundred ignored": counting(ignore=[IGNORED | {"id": f"CVE-{index}"} for index in range(500)]),
    "a platform with its variant": SCANNED | {"platforms": ["linux/arm64/v8", "windows/amd64"]},
    "no platform": SCANNED | {"platforms": []},
    "sixteen platforms": SCANNED | {"platforms": [f"linux/a{index}" for index in range(16)]},
    "no stale evidence": SCANNED | {"maxStale": "0s"},
    "the longest staleness": SCANNED | {"maxStale": "7d"},
    "the longest staleness in hours": SCANNED | {"maxStale": "168h"},
    "exceptions of namespaces by id": SCANNED | {"namespacedExceptions": {"vulnerabilities": True}},
    "exceptions of namespaces from a check": SCANNED | {"namespacedExceptions": {"checks": ["tags"]}},
    "the shortest exceptions": SCANNED | {"namespacedExceptions": {"checks": ["tags"], "maxDuration": "1m"}},
    "the longest exceptions": SCANNED | {"namespacedExceptions": {"checks": ["tags"], "maxDuration": "365d"}},
    **signature_examples.ACCEPTED,
}
