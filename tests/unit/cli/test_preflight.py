"""What ``tidegate preflight`` makes of policies, of the answers of the API server, and of its results together."""

from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest

from tests.objects import image_policy
from tidegate.aws.accounts import AwsSettings, RegistryAccount
from tidegate.aws.endpoints import layer_bucket_url
from tidegate.aws.permissions import Need
from tidegate.cli.preflight.cluster_checks import IMAGE, policy_rows, webhook_row
from tidegate.cli.preflight.requirements import MAX_REGISTRIES, needs_of, requirements_of
from tidegate.cli.preflight.row import PreflightCheck, Row, State, exit_code
from tidegate.cluster.api import ApiError
from tidegate.images.repository import EcrRegistry
from tidegate.policy.parse import compile_policy
from tidegate.policy.snapshot import Policy

OWN, OTHER = "111122223333", "444455556666"
KEY = "arn:aws:kms:eu-west-1:111122223333:key/11111111-2222-3333-4444-555555555555"
PROFILE = "arn:aws:signer:eu-west-1:111122223333:/signing-profiles/release"
NOTATION = {"anyOf": [{"name": "n", "notation": {"trustStores": ["s"], "trustedIdentities": [PROFILE]}}]}
KMS = {"anyOf": [{"name": "k", "sigstore": {"key": {"kms": KEY}, "transparencyLog": "NotRequired"}}]}
NONE = AwsSettings()


def policy(**spec: Any) -> Policy:
    return compile_policy(image_policy("p", spec))


@pytest.mark.parametrize(
    ("spec", "more"),
    [
        ({"registries": [{"account": OWN}]}, set()),
        ({"tags": {"immutable": True}}, {Need.TAGS}),
        ({"repository": {"encryption": "KMS"}}, {Need.REPOSITORY}),
        ({"tags": {"digestRequired": True}}, set()),
        ({"scan": {}}, {Need.SCANS, Need.PREFLIGHT}),
        ({"vulnerabilities": {"maxCounts": {"CRITICAL": 0}}}, {Need.SCANS, Need.PREFLIGHT}),
        ({"signatures": NOTATION}, {Need.SIGNATURES, Need.SIGNER}),
        ({"signatures": KMS}, {Need.SIGNATURES, Need.KMS}),
    ],
)
def test_what_each_field_needs(spec: dict[str, Any], more: set[Need]) -> None:
    assert needs_of([policy(**spec)], NONE) == {Need.IMAGES} | more


def test_a_role_needs_another_account() -> None:
    role = RegistryAccount(account=OTHER, role_arn=f"arn:aws:iam::{OTHER}:role/r")
    assert Need.OTHER_ACCOUNTS in needs_of([], AwsSettings(accounts=(role,)))


def test_registries_come_from_policies_settings_and_the_caller() -> None:
    wanted = requirements_of(
        [policy(registries=[{"account": "602401143452", "region": "eu-west-2"}])],
        AwsSettings(accounts=(RegistryAccount(account=OTHER),)),
        account=OWN,
        region="eu-west-1",
    )
    found = [(str(one.registry), one.own) for one in wanted.subjects]
    assert found == [(f"{OWN}/eu-west-1", True), (f"{OTHER}/eu-west-1", True), ("602401143452/eu-west-2", False)]


@pytest.mark.parametrize(
    ("glob", "name"),
    [
        ("team/app", "team/app"),
        ("team/*", "team/tidegate-preflight"),
        ("**", "tidegate-preflight"),
        ("a*/b", "atidegate-preflight/b"),
    ],
)
def test_a_repository_that_a_policy_covers_is_tried(glob: str, name: str) -> None:
    scope = {"account": OWN, "region": "eu-west-1", "repositories": [glob]}
    (subject,) = requirements_of([policy(registries=[scope])], NONE, account=None, region=None).subjects
    assert subject.repository == name


def test_the_number_of_registries_is_bounded() -> None:
    scopes = [{"account": f"{number:012}", "region": "eu-west-1"} for number in range(MAX_REGISTRIES + 2)]
    wanted = requirements_of([policy(registries=scopes)], NONE, account=None, region=None)
    assert (len(wanted.subjects), wanted.left_out) == (MAX_REGISTRIES, 2)


@pytest.mark.parametrize(
    ("registry", "url"),
    [
        (
            EcrRegistry("aws", OWN, "eu-west-1"),
            "https://prod-eu-west-1-starport-layer-bucket.s3.eu-west-1.amazonaws.com/",
        ),
        (
            EcrRegistry("aws-cn", OWN, "cn-north-1"),
            "https://prod-cn-north-1-starport-layer-bucket.s3.cn-north-1.amazonaws.com.cn/",
        ),
    ],
)
def test_the_bucket_with_layers_is_in_the_partition(registry: EcrRegistry, url: str) -> None:
    assert layer_bucket_url(registry) == url


@pytest.mark.parametrize(
    ("states", "code"),
    [
        ([], 2),
        (["ok", "warning"], 0),
        (["ok", "unknown"], 2),
        (["unknown", "failed"], 1),
    ],
)
def test_a_failure_precedes_an_unknown_result(states: list[str], code: int) -> None:
    rows = [Row(check=PreflightCheck.CLOCK, subject="s", state=State(one), found="f") for one in states]
    assert exit_code(rows) == code


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        ([], "failed"),
        (["some other warning"], "failed"),
        (["image: not a reference [policy p]"], "ok"),
        (ApiError('403 admission webhook "enforce.tidegate.dev" denied the request: ...'), "ok"),
        (ApiError('403 admission webhook "other.example.com" denied the request: ...'), "unknown"),
        (ApiError('500 failed calling webhook "enforce.tidegate.dev": connection refused'), "failed"),
        (ApiError('500 failed calling webhook "other.example.com": connection refused'), "unknown"),
        (ApiError('403 pods is forbidden: User "x" cannot create resource "pods"'), "unknown"),
        (ApiError("no answer within 15 s"), "unknown"),
    ],
)
def test_what_the_answer_of_the_api_server_means(answer: Any, state: str) -> None:
    effect = {"side_effect": answer} if isinstance(answer, Exception) else {"return_value": answer}
    cluster: Any = SimpleNamespace(try_pod=Mock(**effect))
    row = webhook_row(cluster, "default", IMAGE)
    assert row.state == state
    assert bool(row.fix) is (state != "ok")


def test_without_a_policy_there_is_a_warning() -> None:
    (row,) = policy_rows([], in_cluster=True)
    assert row.state == "warning"


def test_a_status_of_an_older_generation_is_no_answer() -> None:
    stored = image_policy("p", {"tags": {"immutable": True}}, uid="u", generation=2)
    ready = {"type": "Ready", "status": "True", "message": "the policy is in force", "observedGeneration": 1}
    (row,) = policy_rows([stored | {"status": {"conditions": [ready]}}], in_cluster=True)
    assert row.state == "unknown"
