"""Who outside of the account may pull."""

from typing import Any

import pytest

from tests.unit.posture.configurations import (
    ACCOUNT,
    CI,
    DENIED,
    ORGANIZATION,
    OTHER,
    PULL_ACTIONS,
    allow,
    deny_push,
    policy,
    registry,
    repository,
)
from tidegate.evidence.registry_configuration import RegistryPolicyScope
from tidegate.posture.pull_access import PullAccess, pull_access

ROOT = f"arn:aws:iam::{OTHER}:root"
ROLE = f"arn:aws:iam::{OTHER}:role/nodes"
EVERYONE = "every AWS principal"


def outcome(*statements: Any) -> PullAccess:
    return pull_access(repository(policy(*statements)), registry())


def conditional(operator: str, key: str, *values: str) -> dict[str, Any]:
    return allow("*", Condition={operator: {key: list(values)}})


CASES = {
    "an account by its root": (allow({"AWS": ROOT}), [f"account {OTHER}"]),
    "an account by its id": (allow({"AWS": OTHER}), [f"account {OTHER}"]),
    "accounts in a list": (allow({"AWS": [ROOT, "777788889999"]}), [f"account {OTHER}", "account 777788889999"]),
    "a role": (allow({"AWS": ROLE}), [ROLE]),
    "a service": (allow({"Service": "lambda.amazonaws.com"}), ["service lambda.amazonaws.com"]),
    "the account itself": (allow({"AWS": [ACCOUNT, CI]}), []),
    "everyone": (allow("*"), [EVERYONE]),
    "everyone of AWS": (allow({"AWS": "*"}), [EVERYONE]),
    "everyone beside one": (allow({"AWS": [ROOT, "*"]}), [f"account {OTHER}", EVERYONE]),
    "all but one": ({"Effect": "Allow", "NotPrincipal": {"AWS": ROOT}, "Action": PULL_ACTIONS}, [EVERYONE]),
    "manifests alone": (allow({"AWS": ROOT}, "ecr:BatchGetImage"), [f"account {OTHER}"]),
    "layers alone": (allow({"AWS": ROOT}, "ecr:Get*"), [f"account {OTHER}"]),
    "NotAction": ({"Effect": "Allow", "Principal": {"AWS": ROOT}, "NotAction": "ecr:PutImage"}, [f"account {OTHER}"]),
    "another action": (allow("*", "ecr:DescribeImages"), []),
    "an organization": (
        conditional("StringEquals", "aws:PrincipalOrgID", ORGANIZATION),
        [f"organization {ORGANIZATION}"],
    ),
    "the path of an organization": (
        conditional("ForAnyValue:StringLike", "aws:PrincipalOrgPaths", f"{ORGANIZATION}/r-ab12/ou-ab12-11111111/*"),
        [f"organization {ORGANIZATION}"],
    ),
    "accounts by a condition": (conditional("StringEquals", "aws:PrincipalAccount", OTHER), [f"account {OTHER}"]),
    "roles by a condition": (conditional("ArnLike", "aws:principalarn", f"{ROLE}-*"), [f"{ROLE}-*"]),
    "an account and its organization": (
        allow({"AWS": ROOT}, Condition={"StringEquals": {"aws:PrincipalOrgID": ORGANIZATION}}),
        [f"account {OTHER}"],
    ),
    "an organization and a network": (
        allow(
            "*",
            Condition={
                "StringEquals": {"aws:PrincipalOrgID": ORGANIZATION},
                "IpAddress": {"aws:SourceIp": "10.0.0.0/8"},
            },
        ),
        [f"organization {ORGANIZATION}"],
    ),
    "an organization and an operator that is not known": (
        allow("*", Condition={"StringEquals": {"aws:PrincipalOrgID": ORGANIZATION}, "Futuristic": {"aws:x": "y"}}),
        [f"organization {ORGANIZATION}"],
    ),
    "a network is no account": (conditional("StringEquals", "aws:SourceVpce", "vpce-1"), [EVERYONE]),
    "a source that is no principal": (conditional("StringEquals", "aws:SourceAccount", OTHER), [EVERYONE]),
    "an organization, if there is one": (
        conditional("StringEqualsIfExists", "aws:PrincipalOrgID", ORGANIZATION),
        [EVERYONE],
    ),
    "ForAllValues holds without a value": (
        conditional("ForAllValues:StringEquals", "aws:PrincipalOrgID", ORGANIZATION),
        [EVERYONE],
    ),
    "ForAllValues of paths": (
        conditional("ForAllValues:StringLike", "aws:PrincipalOrgPaths", f"{ORGANIZATION}/*"),
        [EVERYONE],
    ),
    "all but an organization": (conditional("StringNotEquals", "aws:PrincipalOrgID", ORGANIZATION), [EVERYONE]),
    "any organization": (conditional("StringLike", "aws:PrincipalOrgID", "o-*"), [EVERYONE]),
    "any account": (conditional("StringLike", "aws:PrincipalAccount", "*"), [EVERYONE]),
    "a role of any account": (conditional("ArnLike", "aws:PrincipalArn", "arn:aws:iam::*:role/nodes"), [EVERYONE]),
    "a wildcard that crosses to another account": (
        conditional("StringLike", "aws:PrincipalArn", f"arn:*:iam::{OTHER}:role/nodes"),
        [EVERYONE],
    ),
    "any path": (conditional("ForAnyValue:StringLike", "aws:PrincipalOrgPaths", "o-*/r-1/*"), [EVERYONE]),
    "everyone with a tag": (conditional("StringEquals", "aws:PrincipalTag/team", "x"), [EVERYONE]),
}


@pytest.mark.parametrize("case", CASES)
def test_who_may_pull(case: str) -> None:
    """Principals outside of the account; a condition limits them only where it must hold for a named principal."""
    statement, expected = CASES[case]
    found = outcome(statement)
    assert [str(one) for one in found.others] == expected
    assert found.unknown == ()


@pytest.mark.parametrize(
    "statement",
    [
        conditional("Futuristic", "aws:PrincipalOrgID", ORGANIZATION),
        conditional("StringEquals", "aws:PrincipalAccount", "${aws:PrincipalAccount}"),
        conditional("ArnEquals", "aws:PrincipalOrgID", ORGANIZATION),
    ],
    ids=["an operator that is not known", "a policy variable that is always equal", "ARNs of an organization"],
)
def test_everyone_under_a_condition_that_is_not_understood_is_unknown(statement: dict[str, Any]) -> None:
    """It may be everyone or few."""
    found = outcome(statement)
    assert found.others == ()
    assert len(found.unknown) == 1


def test_a_deny_takes_pulls_back() -> None:
    """Only whom it leaves out may pull; a Deny of one of the two actions leaves the other."""
    left_out = {"StringNotEquals": {"aws:PrincipalOrgID": ORGANIZATION}}
    deny = deny_push(Action=PULL_ACTIONS, Condition=left_out)
    assert [str(one) for one in outcome(allow("*"), deny).others] == [f"organization {ORGANIZATION}"]
    unclear = conditional("Futuristic", "aws:PrincipalOrgID", ORGANIZATION)
    bounded = outcome(unclear, deny)
    assert ([str(one) for one in bounded.others], bounded.unknown) == ([f"organization {ORGANIZATION}"], ())
    half = outcome(allow("*"), deny_push(Action="ecr:BatchGetImage", Condition=left_out))
    assert EVERYONE in [str(one) for one in half.others]
    layers = outcome(allow("*"), deny_push(Action="ecr:GetDownloadUrlForLayer", Condition=left_out))
    assert EVERYONE in [str(one) for one in layers.others]
    writes = outcome(allow("*", "ecr:*"), deny_push(Action="ecr:GetDownloadUrlForLayer", Condition=left_out)).writers
    assert EVERYONE in [str(one) for _, others in writes for one in others]
    lone = outcome(allow("*"), deny_push(Action=PULL_ACTIONS, Principal={"AWS": ROLE}, Condition=None))
    assert [str(one) for one in lone.others] == [EVERYONE]


def test_the_registrys_policy_allows_pulls_too() -> None:
    """In scope V2; one that could not be read leaves it unknown."""
    text = policy(allow({"AWS": OTHER}, Resource="arn:aws:ecr:*:*:repository/team/*"))
    assert [str(one) for one in pull_access(repository(), registry(text)).others] == [f"account {OTHER}"]
    old = registry(text, policy_scope=RegistryPolicyScope.V1)
    assert pull_access(repository(), old) == PullAccess(others=(), grounds=(), unknown=())
    assert pull_access(repository(), registry(DENIED)).unknown
    assert pull_access(repository(DENIED), registry()).unknown


def test_a_statement_that_allows_changes_as_well_is_told() -> None:
    """For principals outside of the account."""
    found = outcome(allow({"AWS": [ROOT, ACCOUNT]}, "ecr:*"), allow({"AWS": ACCOUNT}, "*"), allow({"AWS": OTHER}))
    ((ground, others),) = found.writers
    assert [str(one) for one in others] == [f"account {OTHER}"]
    assert "putimage" in str(ground)
    assert "setrepositorypolicy" in str(ground)


def test_statements_that_look_the_same_in_a_report_all_count() -> None:
    """A report cuts their text, and a Sid may be there twice."""
    long = ["ecr:BatchGetImage", "ecr:PutImage", *(f"ecr:Get{number:060}" for number in range(10))]
    same = [{"Sid": "Pull", "Effect": "Allow", "Action": long, "Principal": one} for one in ("*", {"AWS": OTHER})]
    found = outcome(*same)
    assert EVERYONE in [str(one) for one in found.others]
    assert EVERYONE in [str(one) for _, others in found.writers for one in others]
