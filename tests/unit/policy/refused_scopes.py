"""ImagePolicy specs that are refused for their match, registries or tags."""

from tests.unit.policy.examples import ACCOUNT, ECR, HUB, image, matching, requiring
from tests.unit.policy.refusal import Refused

NO_TAG_RULE = "expected a requirement: immutable, digestRequired or forbidden"
VALUES = "expected at least one value with In and NotIn, none with Exists and DoesNotExist"
ONE_REGISTRY = "expected exactly one of account and host; use account for Amazon ECR"
NO_ECR_HOST = "that is not an Amazon ECR host; write the host alone, such as ghcr.io; name an Amazon ECR registry by"
NAMESPACE = "expected a namespace name or a glob of lower-case"
REPOSITORY = "expected a repository name or a glob of lower-case"
TAG = "expected a tag or a glob of letters"

REFUSED: dict[str, Refused] = {
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
        "expected the partition that the region is in; remove partition",
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
}
