"""``tidegate test``: how repositories and registries are configured in a case, and what it leaves out is never allowed."""

import json
from typing import Any

import pytest
import yaml

from tests import objects
from tests.unit.cli.commands import Ended
from tests.unit.cli.policy_cases import (
    CI,
    CONFIGURED,
    ERROR,
    ONLY_CI,
    PASSED,
    REGISTRY,
    REPOSITORY,
    CaseWriter,
    case,
    image,
    refuse_network,
)

FEW: dict[str, Any] = {
    "rules": [
        {
            "rulePriority": 1,
            "selection": {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 3},
            "action": {"type": "expire"},
        }
    ]
}
CONFIGURATION: dict[str, Any] = {
    "push": {"restrictedTo": [CI]},
    "pull": {},
    "scanning": "Continuous",
    "encryption": "KMS",
    "lifecycle": "KeepsRunningImages",
}


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    refuse_network(monkeypatch)


def configured(
    tested: CaseWriter,
    repository: dict[str, Any] | None = None,
    registry: dict[str, Any] | None = None,
    *,
    one: dict[str, Any] | None = None,
    rules: dict[str, Any] | None = None,
) -> Ended:
    """Run a case of an image in a repository that is configured well but for what is given; what is ... is left out."""
    parts = [base | (changed or {}) for base, changed in ((CONFIGURED, repository), (REGISTRY, registry))]
    mine, registries = ({name: value for name, value in part.items() if value is not ...} for part in parts)
    stored = {"name": REPOSITORY, "mutability": "IMMUTABLE", "images": [image()]} | mine
    evidence = {"repositories": [stored], "registries": [registries]}
    return tested(spec={"repository": CONFIGURATION if rules is None else rules}, evidence=evidence, one=one)


@pytest.mark.parametrize("written", [ONLY_CI, json.dumps(ONLY_CI)], ids=["mapping", "text"])
def test_a_repository_that_is_configured_as_required(tested: CaseWriter, written: Any) -> None:
    ended = configured(tested, {"policy": written})
    assert ended.code == PASSED, ended.out


@pytest.mark.parametrize(
    ("repository", "registry", "reason"),
    [
        ({"policy": None}, {}, "PushNotRestricted"),
        ({"policy": {**ONLY_CI, "Statement": []}}, {}, "PushNotRestricted"),
        ({"encryption": {"type": "AES256"}}, {}, "EncryptionNotConfigured"),
        ({"scanning": {"frequency": "MANUAL"}}, {}, "ScanningNotConfigured"),
        ({"scanning": ...}, {"scanning": {"type": "ENHANCED", "rules": REGISTRY["scanning"]["rules"]}}, None),
        (
            {"scanning": ...},
            {"scanning": {"type": "ENHANCED", "rules": [{"frequency": "CONTINUOUS_SCAN", "filters": ["other/*"]}]}},
            "ScanningNotConfigured",
        ),
        ({}, {"scanning": {"type": "BASIC", "rules": []}}, "ScanningNotConfigured"),
        ({"lifecyclePolicy": FEW}, {}, "ImageExpires"),
        ({"lifecyclePolicy": json.dumps(FEW)}, {}, "ImageExpires"),
        ({}, {"pullThrough": [{"prefix": "team", "upstream": "ghcr.io"}]}, "PullThroughCacheWrites"),
        ({"absent": "RepositoryNotFound"}, {}, "RepositoryNotFound"),
        # What AWS may say one day is not understood, and no pass.
        ({"policy": {**ONLY_CI, "Sttement": []}}, {}, "ConfigurationUndecided"),
        ({"policy": "no JSON"}, {}, "ConfigurationUndecided"),
        ({"encryption": {"type": "UNKNOWN"}}, {}, "ConfigurationUndecided"),
        ({}, {"scanning": {"type": None, "rules": []}}, "ConfigurationUndecided"),
    ],
)
def test_what_a_configuration_comes_to(
    tested: CaseWriter, repository: dict[str, Any], registry: dict[str, Any], reason: str | None
) -> None:
    expected = case() if reason is None else case(decision="Denied", reasons=[reason])
    ended = configured(tested, repository, registry, one=expected)
    assert ended.code == PASSED, ended.out


def test_who_may_pull_and_replicate(tested: CaseWriter) -> None:
    allow = {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::444455556666:root"}}
    pull = allow | {"Action": "ecr:BatchGetImage"}
    both = {**ONLY_CI, "Statement": [*ONLY_CI["Statement"], pull]}
    refused = case(decision="Denied", reasons=["PullNotRestricted"])
    assert configured(tested, {"policy": both}, one=refused).code == PASSED
    assert configured(tested, {"policy": both}, rules={"pull": {"accounts": ["444455556666"]}}).code == PASSED
    replicate = allow | {"Action": "ecr:ReplicateImage", "Resource": "*"}
    policy = {"Version": "2012-10-17", "Statement": [replicate]}
    refused = case(decision="Denied", reasons=["ReplicationNotRestricted"])
    for scope in ("V1", "V2"):
        ended = configured(tested, registry={"policy": policy, "policyScope": scope}, one=refused)
        assert ended.code == PASSED, ended.out


@pytest.mark.parametrize(
    ("rules", "repository", "registry", "lacking"),
    [
        ("push", {"policy": ...}, {}, "repositories[0].policy"),
        ("push", {}, {"pullThrough": ...}, "registries[0].pullThrough"),
        ("push", {"policy": ...}, {"policy": ...}, "repositories[0].policy registries[0].policy"),
        ("pull", {}, {"policyScope": ..., "policy": {"Statement": []}}, "registries[0].policyScope"),
        ("pull", {"policy": ...}, {}, "repositories[0].policy"),
        ("pull", {}, {"policy": ...}, "registries[0].policy"),
        ("scanning", {}, {"scanning": ...}, "registries[0].scanning"),
        ("encryption", {"encryption": ...}, {}, "repositories[0].encryption"),
        ("encryption", {"encryption": None}, {}, "repositories[0].encryption"),
        ("lifecycle", {"lifecyclePolicy": ...}, {}, "repositories[0].lifecyclePolicy"),
    ],
)
def test_without_a_part_of_the_configuration_the_case_cannot_be_judged(
    tested: CaseWriter, rules: str, repository: dict[str, Any], registry: dict[str, Any], lacking: str
) -> None:
    ended = configured(tested, repository, registry, rules={rules: CONFIGURATION[rules]})
    assert ended.code == ERROR, ended.out
    assert "could not be judged: repository CouldNotCheck" in ended.out
    assert [line.strip() for line in ended.out.splitlines() if "the case has no" in line] == [
        f"the case has no evidence.{one}" for one in lacking.split()
    ]


@pytest.mark.parametrize("name", ["policy", "lifecyclePolicy", "encryption"])
def test_only_what_the_policy_asks_for_is_lacking(tested: CaseWriter, name: str) -> None:
    ended = configured(tested, {name: ...}, {"replication": ...}, rules={"scanning": "Continuous"})
    assert (ended.code, ended.last) == (PASSED, "1 passed")


def test_without_the_registry_the_case_cannot_be_judged(tested: CaseWriter) -> None:
    ended = tested(spec={"repository": CONFIGURATION}, repository=CONFIGURED)
    assert ended.code == ERROR
    assert f"the case has no evidence.registries[{objects.ECR}].scanning" in ended.out


def test_a_policy_that_needs_nothing_of_the_registry(tested: CaseWriter) -> None:
    spec = {"repository": {"encryption": "KMS"}}
    ended = tested(spec=spec, repository={"encryption": {"type": "KMS"}}, arguments=("-o", "json"))
    assert ended.code == PASSED, ended.out
    assert json.loads(ended.out)[0]["lacking"] == []


def test_a_case_has_a_registry_of_its_own(tested: CaseWriter) -> None:
    own = {"registries": [REGISTRY | {"scanning": {"type": "BASIC", "rules": []}}]}
    one = case(decision="Denied", reasons=["ScanningNotConfigured"]) | {"evidence": own}
    ended = configured(tested, one=one)
    assert ended.code == PASSED, ended.out


def test_the_version_of_a_policy_may_be_a_date_of_yaml(tested: CaseWriter) -> None:
    written = yaml.safe_load(yaml.safe_dump(ONLY_CI).replace("'2012-10-17'", "2012-10-17"))
    assert not isinstance(written["Version"], str)
    ended = configured(tested, {"policy": written})
    assert ended.code == PASSED, ended.out


@pytest.mark.parametrize(
    ("repository", "registry", "problem"),
    [
        ({"lifecycle": {}}, {}, "repositories[0]: there is no field lifecycle; did you mean lifecyclePolicy?"),
        ({"policy": ["x"]}, {}, "evidence.repositories[0].policy: expected"),
        (
            {"policy": "x" * 10_241},
            {},
            "evidence.repositories[0].policy: expected at most 10,240 characters, got 10,241",
        ),
        ({"policy": {"Version": "x" * 10_240}}, {}, "evidence.repositories[0].policy: expected at most 10,240"),
        ({"lifecyclePolicy": "x" * 30_721}, {}, "evidence.repositories[0].lifecyclePolicy: expected at most 30,720"),
        ({"policy": {"Version": float("nan")}}, {}, "evidence.repositories[0].policy: "),
        ({"policy": {"Statement": b"x"}}, {}, "evidence.repositories[0].policy: a bytes is no value of JSON"),
        ({"encryption": {"type": "AES"}}, {}, "repositories[0].encryption.type: invalid enum value 'AES'"),
        ({"encryption": {"typ": "KMS"}}, {}, "repositories[0].encryption: there is no field typ; did you mean type?"),
        ({"scanning": {}}, {}, "repositories[0].scanning: object missing required field `frequency`"),
        ({}, {"policyscope": "V2"}, "registries[0]: there is no field policyscope; did you mean policyScope?"),
        ({}, {"policyScope": "V3"}, "registries[0].policyScope: invalid enum value 'V3'"),
        ({}, {"scanning": {"type": "ENHANCED"}}, "registries[0].scanning: object missing required field `rules`"),
        ({}, {"scanning": {"rules": []}}, "registries[0].scanning: object missing required field `type`"),
        (
            {},
            {"scanning": {"type": "BASIC", "rules": [{"frequency": "MANUAL"}]}},
            "registries[0].scanning.rules[0]: object missing required field `filters`",
        ),
        ({}, {"pullThrough": [{"prefix": "x"}]}, "registries[0].pullThrough[0]: object missing required field"),
        (
            {},
            {"replication": [{"destinations": [{"registryId": "1", "region": "x"}]}]},
            "registries[0].replication[0].destinations[0].registryId: expected `str` matching regex",
        ),
        ({}, {"name": "ghcr.io"}, "evidence.registries[0].name: expected the host of a registry of Amazon ECR"),
        ({}, {"name": REPOSITORY}, "evidence.registries[0].name: expected the host of a registry of Amazon ECR"),
        ({}, {"name": "a b"}, "evidence.registries[0].name: expected"),
    ],
)
def test_an_invalid_configuration_is_named_with_its_field(
    tested: CaseWriter, repository: dict[str, Any], registry: dict[str, Any], problem: str
) -> None:
    ended = configured(tested, repository, registry)
    assert ended.code == ERROR
    assert problem in ended.err


def test_a_registry_that_is_there_twice_is_refused(tested: CaseWriter) -> None:
    ended = tested(evidence={"registries": [REGISTRY, REGISTRY]})
    assert ended.code == ERROR
    assert f"evidence.registries[1].name: {objects.ECR} appears twice; keep one" in ended.err
