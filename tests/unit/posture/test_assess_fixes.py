"""What mends each failure: commands that AWS takes, and that lock out no one."""

import json
import shlex
from typing import Any

import pytest
from botocore.session import Session
from botocore.validate import ParamValidator

from tests.unit.posture.assessed import (
    FAIL,
    GOOD,
    IMAGE,
    PASS,
    RULES,
    STORED,
    UNDETERMINED,
    expiring,
    results,
)
from tests.unit.posture.configurations import (
    CI,
    DENIED,
    OTHER,
    REGISTRY,
    REPOSITORY,
    allow,
    deny_push,
    policy,
    registry,
    repository,
)
from tidegate.evidence.registry_configuration import (
    Encryption,
    EncryptionType,
    PullThroughRule,
    RegistryScanning,
    RepositoryScanning,
    ScanFrequency,
)
from tidegate.evidence.repository import RepositorySettings, ScanType, TagMutability
from tidegate.policy.model import PushRules, RepositoryRules, RequiredLifecycle
from tidegate.posture.push_access import PushAnswer, push_access
from tidegate.posture.result import PostureReason, PostureResult

WORST = (
    repository(
        policy(allow("*", "ecr:*")),
        settings=RepositorySettings(mutability=TagMutability.MUTABLE_WITH_EXCLUSION, exclusion_filters=("v*",)),
        encryption=Encryption(type=EncryptionType.AES256),
        lifecycle=expiring(),
        scanning=RepositoryScanning(frequency=ScanFrequency.MANUAL),
    ),
    registry(
        policy(allow({"AWS": OTHER}, "ecr:ReplicateImage", Resource="*")),
        scanning=RegistryScanning(type=ScanType.BASIC),
        pull_through=(PullThroughRule(prefix="team", upstream="quay.io"),),
    ),
)


def worst(**more: Any) -> dict[str, PostureResult]:
    return results(*WORST, images=(STORED,), running=(IMAGE,), **more)


def test_a_badly_configured_one_fails_everything() -> None:
    """Each with its own reason, and what mends it."""
    found = worst()
    reasons = {check: one.reason.value for check, one in found.items()}
    assert {one.status for one in found.values()} == {FAIL}
    assert reasons == {
        "push": "PushNotRestricted",
        "replication": "ReplicationNotRestricted",
        "pull-through-cache": "PullThroughCacheWrites",
        "pull": "PullNotRestricted",
        "pull-writes": "PullGrantsWrites",
        "tag-immutability": "TagMutable",
        "scanning": "ScanningNotConfigured",
        "encryption": "EncryptionNotConfigured",
        "lifecycle": "ImageExpires",
        "signing": "SigningNotConfigured",
    }
    assert "2026-12-18" in found["lifecycle"].message
    assert {check: one.severity.value for check, one in found.items() if one.severity.value == "LOW"} == {
        "encryption": "LOW",
        "signing": "LOW",
    }
    assert results(repository(policy(deny_push())))["push-guard"].reason is PostureReason.POLICY_CAN_BE_REPLACED


def test_one_call_that_was_denied_hides_no_other_result() -> None:
    """Whichever it is."""
    good = results(repository(GOOD))
    parts: dict[str, set[str]] = {
        "policy": {"push", "push-guard", "pull", "pull-writes"},
        "settings": {"tag-immutability"},
        "encryption": {"encryption"},
        "lifecycle": {"lifecycle"},
        "scanning": set(),
    }
    for part, checks in parts.items():
        found = results(repository(**({"text": GOOD} | {"text" if part == "policy" else part: DENIED})))
        unlike = {check for check in good if found.get(check) != good[check]}
        assert unlike == checks
        for check in checks - {"push-guard"}:
            assert (found[check].status, found[check].reason) == (UNDETERMINED, PostureReason.COULD_NOT_CHECK)
            assert found[check].unavailable == DENIED.missing()
    of_registry: dict[str, set[str]] = {
        "policy": {"replication", "pull", "pull-writes"},
        "scanning": {"scanning"},
        "pull_through": {"pull-through-cache"},
        "signing": {"signing"},
        "replication": set(),
    }
    for part, checks in of_registry.items():
        found = results(repository(GOOD), registry(**{"text" if part == "policy" else part: DENIED}))
        assert {check for check in good if found[check] != good[check]} == checks
        assert {found[check].status for check in checks} <= {UNDETERMINED}


def commands() -> list[str]:
    found = [*worst().values(), *worst(rules=RepositoryRules()).values()]
    found += results(repository(policy(deny_push()))).values()
    found += results(repository("{"), rules=RepositoryRules(lifecycle=RequiredLifecycle.REQUIRED)).values()
    found += results(repository(policy(allow({"AWS": OTHER}, "ecr:PutImage")))).values()
    return sorted({one.aws_cli for one in found if one.aws_cli})


@pytest.mark.parametrize("line", commands())
def test_every_command_is_one_that_aws_takes(line: str) -> None:
    """By the service model of ECR: operation, parameters, and bounds."""
    aws, service, operation, *arguments = shlex.split(line)
    assert (aws, service) == ("aws", "ecr")
    client = Session().create_client("ecr", region_name="eu-west-1", aws_access_key_id="x", aws_secret_access_key="x")
    names = {name.replace("_", "-"): api for name, api in client.meta.method_to_api_mapping.items()}
    shape = client.meta.service_model.operation_model(names[operation]).input_shape
    members = {} if shape is None else {_option(name): (name, one) for name, one in shape.members.items()}
    given: dict[str, Any] = {}
    for option, value in zip(arguments[::2], arguments[1::2], strict=True):
        if option == "--region":
            assert value == REGISTRY.region
            continue
        name, one = members[option]
        given[name] = _value(value) if one.type_name in ("structure", "list") else value
    report = ParamValidator().validate(given, shape) if shape is not None else None
    assert report is None or not report.has_errors(), report.generate_report()


def _option(member: str) -> str:
    return "--" + "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in member)


def _value(text: str) -> Any:
    if text[:1] in "[{":
        return json.loads(text)
    name, _, value = text.partition("=")
    return {name: value}


def _new_policy(line: str) -> str:
    words = shlex.split(line)
    return words[words.index("--policy-text") + 1]


@pytest.mark.parametrize(
    "text",
    [
        None,
        policy(),
        policy(allow({"AWS": OTHER})),
        json.dumps({"Statement": allow("*", "ecr:*")}),
        policy(deny_push(CI, "*")),
    ],
    ids=["none", "empty", "pulls", "one statement", "too wide"],
)
def test_the_command_restricts_pushes_and_keeps_the_present_statements(text: str | None) -> None:
    """Read by the same evaluator, and by the guard's."""
    line = results(repository(text))["push"].aws_cli
    after = _new_policy(line)
    found = push_access(repository(after), registry())
    assert (found.answer, [str(one) for one in found.principals]) == (PushAnswer.PRINCIPALS, [CI])
    before = [] if text is None else json.loads(text)["Statement"]
    for statement in before if isinstance(before, list) else [before]:
        assert statement in json.loads(after)["Statement"]
    guarded = _new_policy(results(repository(after))["push-guard"].aws_cli)
    found = push_access(repository(guarded), registry())
    assert (found.is_guarded, [str(one) for one in found.principals]) == (True, [CI])


def test_one_command_corrects_both_where_pushes_and_changes_of_the_policy_fail() -> None:
    """The second of two would remove what the first one added, since each sets the whole policy."""
    found = results(repository(policy(deny_push(CI, CI.replace("role/", "role/other-")))))
    assert (found["push"].status, found["push-guard"].status) == (FAIL, FAIL)
    assert found["push"].aws_cli == found["push-guard"].aws_cli
    after = push_access(repository(_new_policy(found["push"].aws_cli)), registry())
    assert (after.is_guarded, [str(one) for one in after.principals]) == (True, [CI])


def test_no_command_locks_everyone_out() -> None:
    """A Deny without a condition would also keep the owner from correcting it."""
    for rules in (RULES, RepositoryRules()):
        for text in (None, policy(deny_push(Condition=None))):
            for one in results(repository(text), rules=rules).values():
                if "--policy-text" in one.aws_cli:
                    after = json.loads(_new_policy(one.aws_cli))["Statement"][-1]
                    assert after["Condition"]["ArnNotLike"]["aws:PrincipalArn"]


def test_a_policy_that_is_not_understood_is_not_replaced() -> None:
    """The command shows it."""
    failing = registry(policy(allow({"AWS": OTHER}, "ecr:PutImage", Resource="*"), deny_push(Resource=REPOSITORY.arn)))
    found = results(repository("{"), failing, RepositoryRules(push=PushRules(accounts=(OTHER,))))["push"]
    assert found.status is FAIL
    assert found.aws_cli.startswith("aws ecr get-repository-policy ")


def test_the_command_for_accounts_and_organizations() -> None:
    """Has their own condition keys."""
    rules = RepositoryRules(push=PushRules(accounts=(OTHER,), organizations=("o-a1b2c3d4e5",), restricted_to=(CI,)))
    after = _new_policy(results(rules=rules)["push"].aws_cli)
    found = push_access(repository(after), registry())
    assert sorted(map(str, found.principals)) == [f"account {OTHER}", CI, "organization o-a1b2c3d4e5"]
    assert results(repository(after), rules=rules)["push"].status is PASS
