"""ImagePolicy specs that the unit tests give to the parser and the end-to-end tests give to the API server.

Both must agree on each of them: what one takes the other takes, what one refuses the other refuses.
"""

import copy
from typing import Any

from tests.unit.policy import signature_examples
from tests.unit.policy.refusal import UNKNOWN, Refused

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
    },
    "signatures": signature_examples.FULL_SIGNATURES,
    "attestations": signature_examples.FULL_ATTESTATIONS,
    "platforms": ["linux/arm64"],
    "onUndetermined": "Allow",
    "maxStale": "2h",
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
    **signature_examples.ACCEPTED,
}


NO_REQUIREMENT = "expected at least one of registries, tags, scan"
NO_TAG_RULE = "expected a requirement: immutable, digestRequired or forbidden"
NO_RULE = "expected a requirement: maxCounts, epssThreshold or exploitAvailable: Deny"
VALUES = "expected at least one value with In and NotIn, none with Exists and DoesNotExist"
DENY_AND_WARN = "expected at most one of Deny and Warn; keep Deny"
ONE_REGISTRY = "expected exactly one of account and host; use account for Amazon ECR"
NO_ECR_HOST = "that is not an Amazon ECR host; write the host alone, such as ghcr.io; name an Amazon ECR registry by"
DURATION = "expected a duration from"
NAMESPACE = "expected a namespace name or a glob of lower-case"
REPOSITORY = "expected a repository name or a glob of lower-case"
TAG = "expected a tag or a glob of letters"
PLATFORM = "expected a platform such as linux/amd64"

REFUSED: dict[str, Refused] = {
    "no spec": Refused(None, "spec: got nothing, expected a mapping", "spec: Required value"),
    "a policy without requirement": Refused({}, "spec: got no requirement", f"spec: Invalid value: {NO_REQUIREMENT}"),
    "a match without requirement": Refused({"match": {}}, "spec: got no requirement", NO_REQUIREMENT),
    "an unknown field": Refused(SCANNED | {"sacn": {}}, "did you mean scan?", f'{UNKNOWN} "spec.sacn"'),
    "an unknown field deep down": Refused(
        ignoring(expires="2027-01-01"),
        "spec.vulnerabilities.ignore[0].expires: got a field that does not exist here, expected one of id, until, reason",
        f'{UNKNOWN} "spec.vulnerabilities.ignore[0].expires"',
    ),
    "a severity in lower case": Refused(
        counting(maxCounts={"critical": 0}),
        "did you mean CRITICAL?",
        f'{UNKNOWN} "spec.vulnerabilities.maxCounts.critic',
    ),
    "a severity that no version knows": Refused(
        counting(maxCounts={"UNKNOWN": 0}), "maxCounts.UNKNOWN: got a field", f'{UNKNOWN} "spec.vuln'
    ),
    "no action": Refused(
        SCANNED | {"validationActions": []},
        "spec.validationActions: got a list of 0, expected 1 to 3 items",
        "spec.validationActions in body should have at least 1 items",
    ),
    "an unknown action": Refused(
        SCANNED | {"validationActions": ["Block"]},
        "spec.validationActions[0]: got 'Block', expected Deny or Warn or Audit; use one of Deny, Warn, Audit",
        'spec.validationActions[0]: Unsupported value: "Block"',
    ),
    "an action in lower case": Refused(
        SCANNED | {"validationActions": ["deny"]}, "did you mean Deny?", 'Unsupported value: "deny"'
    ),
    "an action twice": Refused(
        SCANNED | {"validationActions": ["Deny", "Deny"]},
        "spec.validationActions: got 'Deny' twice, expected each once",
        'spec.validationActions[1]: Duplicate value: "Deny"',
    ),
    "Deny with Warn": Refused(
        SCANNED | {"validationActions": ["Warn", "Deny"]},
        "spec.validationActions: got Deny and Warn, expected at most one of Deny and Warn; keep Deny",
        DENY_AND_WARN,
    ),
    "actions that are no list": Refused(
        SCANNED | {"validationActions": "Deny"},
        "spec.validationActions: got 'Deny', expected a list",
        "spec.validationActions in body must be of type array",
    ),
    "a namespace in upper case": Refused(
        matching(namespaces=["Shop"]), "spec.match.namespaces[0]: got 'Shop', expected a namespace name", NAMESPACE
    ),
    "an excluded namespace with a question mark": Refused(
        matching(excludedNamespaces=["kube-?"]), "spec.match.excludedNamespaces[0]: got 'kube-?'", NAMESPACE
    ),
    "three stars in a namespace": Refused(
        matching(namespaces=["a***"]), "spec.match.namespaces[0]: got 'a***'", NAMESPACE
    ),
    "an empty namespace": Refused(
        matching(namespaces=[""]), "spec.match.namespaces[0]: got ''", "should be at least 1 chars long"
    ),
    "a namespace longer than any": Refused(
        matching(namespaces=["a" * 64]), "spec.match.namespaces[0]: got 'aaa", "may not be more than 63"
    ),
    "a hundred and one namespaces": Refused(
        matching(namespaces=["n"] * 101),
        "spec.match.namespaces: got a list of 101, expected 0 to 100 items; spread them over two objects",
        "must have at most 100 items",
    ),
    "a hundred and one excluded namespaces": Refused(
        matching(excludedNamespaces=["n"] * 101),
        "spec.match.excludedNamespaces: got a list of 101",
        "at most 100 items",
    ),
    "a label key with a space": Refused(
        matching(namespaceSelector={"matchLabels": {"a b": "v"}}),
        "spec.match.namespaceSelector.matchLabels['a b']: got 'a b', expected a label key",
        "expected a label key such as team",
    ),
    "a label value with a space": Refused(
        matching(namespaceSelector={"matchLabels": {"a": "v w"}}),
        "spec.match.namespaceSelector.matchLabels.a: got 'v w', expected a label value",
        "spec.match.namespaceSelector.matchLabels.a in body should match",
    ),
    "twenty-one labels": Refused(
        matching(namespaceSelector={"matchLabels": {f"k{index}": "v" for index in range(21)}}),
        "spec.match.namespaceSelector.matchLabels: got 21 entries, expected a mapping of at most 20",
        "must have at most 20 items",
    ),
    "a label value longer than any": Refused(
        requiring(key="team", operator="In", values=["a" * 64]), "values[0]: got 'aaa", "may not be more than 63"
    ),
    "a label name longer than any": Refused(
        requiring(key="a" * 64, operator="Exists"), "matchExpressions[0].key: got 'aaa", "key in body should match"
    ),
    "an unknown operator": Refused(
        requiring(key="team", operator="Is", values=["a"]),
        "matchExpressions[0].operator: got 'Is', expected In or NotIn or Exists or DoesNotExist",
        'Unsupported value: "Is"',
    ),
    "In without values": Refused(
        requiring(key="team", operator="In"),
        f"matchExpressions[0]: got operator In without values, {VALUES}",
        VALUES,
    ),
    "NotIn with empty values": Refused(
        requiring(key="team", operator="NotIn", values=[]), "got operator NotIn without", VALUES
    ),
    "Exists with values": Refused(
        requiring(key="team", operator="Exists", values=["a"]),
        f"matchExpressions[0]: got operator Exists with values, {VALUES}",
        VALUES,
    ),
    "a requirement without its key": Refused(
        requiring(operator="Exists"), "matchExpressions[0].key: got nothing", "key: Required value"
    ),
    "a requirement without its operator": Refused(
        requiring(key="team"), "matchExpressions[0].operator: got nothing", "operator: Required value"
    ),
    "twenty-one requirements": Refused(
        matching(namespaceSelector={"matchExpressions": [{"key": "k", "operator": "Exists"}] * 21}),
        "matchExpressions: got a list of 21, expected 0 to 20 items",
        "must have at most 20 items",
    ),
    "fifty-one values": Refused(
        requiring(key="k", operator="In", values=["v"] * 51), "values: got a list of 51", "must have at most 50 items"
    ),
    "no registry": Refused(
        {"registries": []},
        "spec.registries: got a list of 0, expected 1 to 100 items; name at least one item, or leave the field out",
        "spec.registries in body should have at least 1 items",
    ),
    "a hundred and one registries": Refused(
        {"registries": [ECR] * 101}, "spec.registries: got a list of 101", "must have at most 100 items"
    ),
    "a registry that is neither": Refused(
        image(repositories=["a"]),
        "spec.registries[0]: got neither account nor host, expected exactly one of account and host; use account",
        f"spec.registries[0]: Invalid value: {ONE_REGISTRY}",
    ),
    "a registry that is both": Refused(
        image(account=ACCOUNT, host="ghcr.io"), "spec.registries[0]: got both account and host", ONE_REGISTRY
    ),
    "a matched image that is both": Refused(
        matching(images=[ECR | HUB]),
        "spec.match.images[0]: got both account and host",
        f"spec.match.images[0]: Invalid value: {ONE_REGISTRY}",
    ),
    "a host with a region": Refused(
        image(host="ghcr.io", region="eu-west-1"),
        "spec.registries[0]: got region beside host, expected region and partition only with account",
        "expected region and partition only with account",
    ),
    "a host with a partition": Refused(
        image(host="ghcr.io", partition="aws"),
        "spec.registries[0]: got partition beside host",
        "expected region and partition only with account",
    ),
    "a region outside of the partition": Refused(
        image(account=ACCOUNT, region="cn-north-1", partition="aws"),
        "spec.registries[0]: got partition 'aws' with region 'cn-north-1', which is in aws-cn, expected the partition that",
        "expected the partition that the region is in; leave partition out",
    ),
    "an account that is a number": Refused(
        image(account=123456789012),
        "spec.registries[0].account: got the number 123456789012, expected an AWS account id of 12 digits;"
        ' write all 12 digits, such as "012345678901", as a string in quotes',
        "spec.registries[0].account in body must be of type string",
    ),
    "an account of eleven digits": Refused(
        image(account="12345678901"), "account: got '12345678901'", "account in body should be at least 12 chars long"
    ),
    "an account of thirteen digits": Refused(
        image(account="1234567890123"), "account: got '1234567890123'", "may not be more than 12"
    ),
    "an account with a letter": Refused(image(account="12345678901x"), "account: got", "account in body should match"),
    "every account": Refused(image(account="*" * 12), "account: got '************'", "account in body should match"),
    "a region with a star": Refused(
        image(account=ACCOUNT, region="eu-*"),
        "region: got 'eu-*', expected an AWS region such as eu-west-1; write one region without wildcards",
        "region in body should match",
    ),
    "an unknown kind of partition": Refused(
        image(account=ACCOUNT, partition="azure"), "partition: got 'azure'", "partition in body should match"
    ),
    "a host in upper case": Refused(
        image(host="GHCR.io"), "host: got 'GHCR.io', expected a lower-case registry host", "host in body should match"
    ),
    "a host with a path": Refused(image(host="ghcr.io/team"), "host: got 'ghcr.io/team'", "host in body should match"),
    "a host with a scheme": Refused(image(host="https://ghcr.io"), "host: got 'https:", "host in body should match"),
    "a host with a star": Refused(image(host="*.example.com"), "host: got '*.example", "host in body should match"),
    "an ECR host": Refused(
        image(host=f"{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com"),
        "name an Amazon ECR registry by account and region",
        NO_ECR_HOST,
    ),
    "an ECR host with its port": Refused(
        image(host=f"{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com:443"), "host: got '1234", NO_ECR_HOST
    ),
    "a dual-stack ECR host": Refused(image(host=f"{ACCOUNT}.dkr-ecr.us-west-2.on.aws"), "host: got '1234", NO_ECR_HOST),
    "a look-alike of an ECR host": Refused(
        image(host=f"{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com.example.com"),
        "host: got '1234",
        NO_ECR_HOST,
    ),
    "no repository": Refused(
        image(account=ACCOUNT, repositories=[]),
        "spec.registries[0].repositories: got a list of 0, expected 1 to 50 items",
        "repositories in body should have at least 1 items",
    ),
    "fifty-one repositories": Refused(
        image(account=ACCOUNT, repositories=["r"] * 51), "repositories: got a list of 51", "must have at most 50 items"
    ),
    "a repository with a tag": Refused(
        image(account=ACCOUNT, repositories=["team/app:1"]), "repositories[0]: got 'team/app:1'", REPOSITORY
    ),
    "a repository in upper case": Refused(
        image(account=ACCOUNT, repositories=["Team"]), "repositories[0]: got 'Team'", REPOSITORY
    ),
    "three stars in a repository": Refused(
        image(account=ACCOUNT, repositories=["team/***"]), "repositories[0]: got 'team/***'", REPOSITORY
    ),
    "a repository with a trailing line break": Refused(
        image(account=ACCOUNT, repositories=["team\n"]), r"repositories[0]: got 'team\n'", REPOSITORY
    ),
    "a repository longer than any": Refused(
        image(account=ACCOUNT, repositories=["a" * 257]), "repositories[0]: got", "may not be more than 256"
    ),
    "tags without requirement": Refused(
        {"tags": {}},
        f"spec.tags: got no requirement, {NO_TAG_RULE}; set one of them",
        f"spec.tags: Invalid value: {NO_TAG_RULE}",
    ),
    "tags with every requirement off": Refused(
        {"tags": {"immutable": False, "digestRequired": False, "forbidden": []}},
        "spec.tags: got no requirement",
        NO_TAG_RULE,
    ),
    "a flag in quotes": Refused(
        {"tags": {"immutable": "true"}},
        "spec.tags.immutable: got 'true', expected true or false; write true or false without quotes",
        "spec.tags.immutable in body must be of type boolean",
    ),
    "another flag as a number": Refused(
        {"tags": {"immutable": True, "digestRequired": 1}},
        "spec.tags.digestRequired: got the number 1, expected true or false",
        "digestRequired in body must be of type boolean",
    ),
    "a tag with a slash": Refused({"tags": {"forbidden": ["a/b"]}}, "spec.tags.forbidden[0]: got 'a/b'", TAG),
    "a tag longer than any": Refused(
        {"tags": {"forbidden": ["a" * 129]}}, "spec.tags.forbidden[0]: got", "may not be more than 128"
    ),
    "fifty-one forbidden tags": Refused(
        {"tags": {"forbidden": ["t"] * 51}}, "spec.tags.forbidden: got a list of 51", "must have at most 50 items"
    ),
    "a scan without its mapping": Refused(
        {"scan": None},
        "spec.scan: got nothing, expected a mapping; write its fields below it, or {} for the defaults",
        NO_REQUIREMENT,
    ),
    "an unknown tolerance": Refused(
        {"scan": {"whenPending": "Warn"}},
        "spec.scan.whenPending: got 'Warn', expected Deny or Allow",
        'spec.scan.whenPending: Unsupported value: "Warn"',
    ),
    "another unknown tolerance": Refused(
        {"scan": {"whenExpired": True}}, "spec.scan.whenExpired: got true", "spec.scan.whenExpired in body must be of"
    ),
    "a third unknown tolerance": Refused(
        {"scan": {"whenUnsupported": "allow"}},
        "whenUnsupported: got 'allow', expected Deny or Allow; did you mean Allow?",
        'Unsupported value: "allow"',
    ),
    "an age of nothing": Refused(
        {"scan": {"maxAge": "0s"}}, "spec.scan.maxAge: got '0s', expected a duration from 1m to 365d", DURATION
    ),
    "an age under a minute": Refused({"scan": {"maxAge": "59s"}}, "spec.scan.maxAge: got '59s'", DURATION),
    "an age of no days": Refused({"scan": {"maxAge": "0d"}}, "spec.scan.maxAge: got '0d'", DURATION),
    "an age over a year": Refused({"scan": {"maxAge": "366d"}}, "spec.scan.maxAge: got '366d'", DURATION),
    "an age over a year in hours": Refused({"scan": {"maxAge": "8761h"}}, "maxAge: got '8761h'", DURATION),
    "an age without its unit": Refused(
        {"scan": {"maxAge": "30"}},
        "maxAge: got '30', expected a duration from 1m to 365d; write days alone such as 7d, or hours, minutes and",
        DURATION,
    ),
    "an age that is a number": Refused({"scan": {"maxAge": 30}}, "maxAge: got the number 30", "must be of type string"),
    "an empty age": Refused({"scan": {"maxAge": ""}}, "maxAge: got ''", "should be at least 1 chars long"),
    "an age in weeks": Refused({"scan": {"maxAge": "2w"}}, "maxAge: got '2w'", DURATION),
    "an age with a sign": Refused({"scan": {"maxAge": "-1h"}}, "maxAge: got '-1h'", DURATION),
    "an age with a fraction": Refused({"scan": {"maxAge": "1.5h"}}, "maxAge: got '1.5h'", DURATION),
    "an age of days and hours": Refused({"scan": {"maxAge": "1d12h"}}, "maxAge: got '1d12h'", DURATION),
    "an age in the wrong order": Refused({"scan": {"maxAge": "30m1h"}}, "maxAge: got '30m1h'", DURATION),
    "an age with a space": Refused({"scan": {"maxAge": "1h "}}, "maxAge: got '1h '", DURATION),
    "an age in digits of another script": Refused({"scan": {"maxAge": "\u0661d"}}, "maxAge: got", DURATION),
    "settling over an hour": Refused(
        {"scan": {"settlingPeriod": "1h1s"}}, "settlingPeriod: got '1h1s', expected a duration from 0s to 1h", DURATION
    ),
    "settling for a day": Refused({"scan": {"settlingPeriod": "1d"}}, "settlingPeriod: got '1d'", DURATION),
    "vulnerabilities without requirement": Refused(
        {"vulnerabilities": {"onlyFixable": True}},
        f"spec.vulnerabilities: got no requirement, {NO_RULE}",
        f"spec.vulnerabilities: Invalid value: {NO_RULE}",
    ),
    "vulnerabilities that only allow": Refused(
        {"vulnerabilities": {"exploitAvailable": "Allow"}}, "got no requirement", NO_RULE
    ),
    "no severity": Refused(
        {"vulnerabilities": {"maxCounts": {}}},
        "spec.vulnerabilities.maxCounts: got no field, expected at least one of CRITICAL, HIGH, MEDIUM",
        "spec.vulnerabilities.maxCounts in body should have at least 1 properties",
    ),
    "a negative count": Refused(
        counting(maxCounts={"HIGH": -1}),
        "spec.vulnerabilities.maxCounts.HIGH: got the number -1, expected a whole number from 0 to 100000",
        "HIGH in body should be greater than or equal to 0",
    ),
    "a count larger than any": Refused(
        counting(maxCounts={"HIGH": 100_001}), "HIGH: got the number 100001", "should be less than or equal to 100000"
    ),
    "half a finding": Refused(
        counting(maxCounts={"HIGH": 0.5}),
        "HIGH: got the number 0.5, expected a whole number",
        "must be of type integer",
    ),
    "a count in quotes": Refused(
        counting(maxCounts={"HIGH": "0"}), "HIGH: got '0', expected a whole number", "must be of type integer"
    ),
    "a count that is a flag": Refused(
        counting(maxCounts={"HIGH": False}), "HIGH: got false", "must be of type integer"
    ),
    "onlyFixable in words": Refused(counting(onlyFixable="yes"), "onlyFixable: got 'yes'", "must be of type boolean"),
    "an EPSS below nothing": Refused(
        {"vulnerabilities": {"epssThreshold": -0.01}},
        "epssThreshold: got the number -0.01, expected a number from 0 to 1",
        "should be greater than or equal to 0",
    ),
    "an EPSS in percent": Refused(
        {"vulnerabilities": {"epssThreshold": 50}}, "epssThreshold: got the number 50", "less than or equal to 1"
    ),
    "an EPSS in quotes": Refused(
        {"vulnerabilities": {"epssThreshold": "0.5"}}, "epssThreshold: got '0.5'", "must be of type number"
    ),
    "an unknown word for exploits": Refused(
        counting(exploitAvailable="deny"), "exploitAvailable: got 'deny'", 'Unsupported value: "deny"'
    ),
    "an unknown word for suppressed": Refused(
        counting(suppressed="Ignore"), "suppressed: got 'Ignore'", 'Unsupported value: "Ignore"'
    ),
    "a grace over a year": Refused(
        counting(gracePeriod="366d"), "gracePeriod: got '366d', expected a duration from 0s to 365d", DURATION
    ),
    "an ignored id twice": Refused(
        counting(ignore=[IGNORED, IGNORED | {"reason": "another"}]),
        "spec.vulnerabilities.ignore: got 'CVE-2026-0001' twice, expected each once; remove one of the two",
        "spec.vulnerabilities.ignore[1]: Duplicate value",
    ),
    "an id with a space": Refused(ignoring(id="CVE 1"), "ignore[0].id: got 'CVE 1'", "id in body should match"),
    "an id of one letter": Refused(ignoring(id="C"), "ignore[0].id: got 'C'", "should be at least 2 chars long"),
    "an id longer than any": Refused(ignoring(id="A" * 129), "ignore[0].id: got", "may not be more than 128"),
    "no id": Refused(
        counting(ignore=[{"until": "2027-01-31", "reason": "r"}]), "ignore[0].id: got nothing", "id: Required value"
    ),
    "no until": Refused(
        counting(ignore=[{"id": "CVE-1", "reason": "r"}]), "ignore[0].until: got nothing", "until: Required value"
    ),
    "no reason": Refused(
        counting(ignore=[{"id": "CVE-1", "until": "2027-01-31"}]),
        "ignore[0].reason: got nothing, expected one line of 1 to 512 characters that is not blank; say why it may be ignored",
        "reason: Required value",
    ),
    "a day that does not exist": Refused(
        ignoring(until="2027-02-29"),
        "ignore[0].until: got '2027-02-29', expected a date as YYYY-MM-DD; write the day from which it counts again",
        "until in body must be of type date",
    ),
    "a day with a time": Refused(
        ignoring(until="2027-01-31T00:00:00Z"), "until: got '2027-01-31T00:00:00Z'", "ignore[0].until"
    ),
    "a day in another order": Refused(ignoring(until="31-01-2027"), "until: got '31-01-2027'", "of type date"),
    "a day in the year nought": Refused(ignoring(until="0000-01-01"), "until: got '0000-01-01'", "should match"),
    "an empty reason": Refused(ignoring(reason=""), "reason: got ''", "should be at least 1 chars long"),
    "a blank reason": Refused(
        ignoring(reason="  "), "reason: got '  '", "expected one line of 1 to 512 characters that is not blank"
    ),
    "a reason of two lines": Refused(
        ignoring(reason="a\nb"), r"reason: got 'a\nb'", "expected one line of 1 to 512 characters"
    ),
    "a reason longer than any": Refused(ignoring(reason="r" * 513), "reason: got", "may not be more than 512"),
    "five hundred and one ignored": Refused(
        counting(ignore=[IGNORED | {"id": f"CVE-{index}"} for index in range(501)]),
        "ignore: got a list of 501, expected 0 to 500 items",
        "must have at most 500 items",
    ),
    "a platform without architecture": Refused(
        SCANNED | {"platforms": ["linux"]},
        "spec.platforms[0]: got 'linux', expected a platform such as linux/amd64",
        f'spec.platforms[0]: Invalid value: "linux": {PLATFORM}',
    ),
    "a platform in upper case": Refused(
        SCANNED | {"platforms": ["Linux/AMD64"]}, "spec.platforms[0]: got 'Linux/AMD64'", PLATFORM
    ),
    "a platform of four parts": Refused(
        SCANNED | {"platforms": ["a/b/c/d"]}, "spec.platforms[0]: got 'a/b/c/d'", PLATFORM
    ),
    "a platform twice": Refused(
        SCANNED | {"platforms": ["linux/amd64", "linux/amd64"]},
        "spec.platforms: got 'linux/amd64' twice",
        'spec.platforms[1]: Duplicate value: "linux/amd64"',
    ),
    "seventeen platforms": Refused(
        SCANNED | {"platforms": [f"linux/a{index}" for index in range(17)]},
        "spec.platforms: got a list of 17",
        "must have at most 16 items",
    ),
    "an unknown word for undetermined": Refused(
        SCANNED | {"onUndetermined": "Ignore"}, "spec.onUndetermined: got 'Ignore'", 'Unsupported value: "Ignore"'
    ),
    "staleness over a week": Refused(
        SCANNED | {"maxStale": "8d"}, "spec.maxStale: got '8d', expected a duration from 0s to 7d", DURATION
    ),
    "staleness over a week in hours": Refused(SCANNED | {"maxStale": "168h1s"}, "maxStale: got '168h1s'", DURATION),
    **signature_examples.REFUSED,
}
