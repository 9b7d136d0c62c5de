"""Who may push: every form of a policy that AWS accepts, and each that would fool a reader."""

import json
from typing import Any

import pytest

from tests.unit.posture.configurations import (
    ACCOUNT,
    CI,
    DENIED,
    ORGANIZATION,
    OTHER,
    allow,
    deny_push,
    policy,
    registry,
    repository,
)
from tests.unit.posture.pushes import ROLE, A, ci_unless, condition, outcome
from tidegate.evidence.registry_configuration import RegistryPolicyScope
from tidegate.posture.push_access import PushAnswer, push_access, replicating

RESTRICTED = {
    "the canonical Deny": (deny_push(), [CI]),
    "one action as a text": (deny_push(Action="ecr:PutImage"), [CI]),
    "actions in another case": (deny_push(Action="ECR:putIMAGE"), [CI]),
    "a wildcard for the action's end": (deny_push(Action="ecr:Put*"), [CI]),
    "a wildcard for one character of the action": (deny_push(Action="ecr:Put?mage"), [CI]),
    "every action": (deny_push(Action="*"), [CI]),
    "every action of ECR": (deny_push(Action=["ecr:*"]), [CI]),
    "NotAction without the push": (deny_push(Action=None, NotAction="ecr:BatchGetImage"), [CI]),
    "principals in a list": (deny_push(Principal=["*"]), [CI]),
    "principals of AWS": (deny_push(Principal={"AWS": "*"}), [CI]),
    "principals of AWS in a list": (deny_push(Principal={"AWS": ["*"]}), [CI]),
    "everyone and one of them": (deny_push(Principal={"AWS": ["*", CI]}), [CI]),
    "one value as a text": (deny_push(Condition={"ArnNotLike": {"aws:PrincipalArn": CI}}), [CI]),
    "a key in another case": (ci_unless("ArnNotLike", "AWS:principalARN"), [CI]),
    "ArnNotEquals": (ci_unless("ArnNotEquals"), [CI]),
    "StringNotEquals": (ci_unless("StringNotEquals"), [CI]),
    "StringNotLike": (ci_unless("StringNotLike"), [CI]),
    "StringNotEqualsIgnoreCase": (ci_unless("StringNotEqualsIgnoreCase"), [CI]),
    "IfExists changes nothing": (ci_unless("ArnNotLikeIfExists"), [CI]),
    "a wildcard within the name": (ci_unless("ArnNotLike", "aws:PrincipalArn", f"{ROLE}ci-*"), [f"{ROLE}ci-*"]),
    "two principals": (ci_unless("ArnNotLike", "aws:PrincipalArn", CI, f"{ROLE}b"), [CI, f"{ROLE}b"]),
    "two operators leave out the principals of both": (
        deny_push(
            Condition={"ArnNotLike": {"aws:PrincipalArn": CI}, "StringNotLike": {"aws:PrincipalArn": f"{ROLE}b"}}
        ),
        [CI, f"{ROLE}b"],
    ),
    "resources that hold the repository": (deny_push(Resource="arn:aws:ecr:*:*:repository/team/*"), [CI]),
    "any resource": (deny_push(Resource="*"), [CI]),
    "resources by a star at the end, which stands for colons too": (deny_push(Resource="arn:aws:ecr:*"), [CI]),
    "a Deny of all": (deny_push(Condition=None), []),
}

ACCOUNTS = {
    "of an account": (ci_unless("StringNotEquals", "aws:PrincipalAccount", ACCOUNT), [f"account {ACCOUNT}"]),
    "of an organization": (
        ci_unless("StringNotEquals", "aws:PrincipalOrgID", ORGANIZATION),
        [f"organization {ORGANIZATION}"],
    ),
    "all roles of an account": (ci_unless("ArnNotLike", "aws:PrincipalArn", f"{ROLE}*"), [f"account {ACCOUNT}"]),
    "all principals of an account": (
        ci_unless("ArnNotLike", "aws:PrincipalArn", f"arn:aws:iam::{ACCOUNT}:*"),
        [f"account {ACCOUNT}"],
    ),
    "the root of an account": (
        ci_unless("ArnNotLike", "aws:PrincipalArn", f"arn:aws:iam::{ACCOUNT}:root"),
        [f"account {ACCOUNT}"],
    ),
    "all that starts as a role does": (
        ci_unless("ArnNotLike", "aws:PrincipalArn", f"arn:aws:iam::{ACCOUNT}:ro*"),
        [f"account {ACCOUNT}"],
    ),
    "a role or an account": (
        deny_push(
            Condition={"ArnNotLike": {"aws:PrincipalArn": CI}, "StringNotEquals": {"aws:PrincipalAccount": OTHER}}
        ),
        [CI, f"account {OTHER}"],
    ),
}

OPEN = {
    "an Allow restricts nothing": allow({"AWS": CI}, "ecr:PutImage"),
    "an Allow that denies the others nothing": allow({"AWS": CI}, "ecr:*"),
    "a Deny of another action": deny_push(Action="ecr:BatchDeleteImage"),
    "a Deny of the uploads alone": deny_push(Action="ecr:UploadLayerPart"),
    "an action of another service": deny_push(Action="ecr-public:PutImage"),
    "NotAction with the push": deny_push(Action=None, NotAction=["ecr:Put*"]),
    "a Deny of one principal": deny_push(Principal={"AWS": f"{ROLE}intern"}),
    "a Deny of a role of any account": deny_push(Principal={"AWS": "arn:aws:iam::*:role/ci-push"}),
    "a Deny of the roots of all accounts": deny_push(Principal={"AWS": ["arn:aws:iam::*:root"]}),
    "a Deny of two wildcards": deny_push(Principal={"AWS": "**"}),
    "a Deny of all services": deny_push(Principal={"Service": "*"}),
    "a Deny of all federated principals": deny_push(Principal={"Federated": "*"}),
    "a Deny of all canonical users": deny_push(Principal={"CanonicalUser": ["*"]}),
    "a Deny of a service": deny_push(Principal={"Service": "codebuild.amazonaws.com"}),
    "an extra condition": deny_push(
        Condition=condition("ArnNotLike", "aws:PrincipalArn", CI) | {"Bool": {"aws:SecureTransport": "false"}}
    ),
    "an extra condition with a truth value": deny_push(
        Condition=condition("ArnNotLike", "aws:PrincipalArn", CI) | {"Bool": {"aws:SecureTransport": False}}
    ),
    "an extra key of the same operator": deny_push(
        Condition={"StringNotEquals": {"aws:PrincipalArn": CI, "aws:SourceVpce": "vpce-1"}}
    ),
    "a date": deny_push(
        Condition=condition("ArnNotLike", "aws:PrincipalArn", CI)
        | {"DateGreaterThan": {"aws:CurrentTime": "2030-01-01T00:00:00Z"}}
    ),
    "a Deny for those it should leave out": ci_unless("ArnLike"),
    "a Null condition": deny_push(
        Condition=condition("ArnNotLike", "aws:PrincipalArn", CI) | {"Null": {"aws:PrincipalArn": "false"}}
    ),
    "everyone is left out": ci_unless("ArnNotLike", "aws:PrincipalArn", "*"),
    "everyone is left out, beside one": ci_unless("ArnNotLike", "aws:PrincipalArn", CI, "**"),
    "a role of any account": ci_unless("ArnNotLike", "aws:PrincipalArn", "arn:aws:iam::*:role/ci-push"),
    "a wildcard in the account": ci_unless("ArnNotLike", "aws:PrincipalArn", "arn:aws:iam::11112222333?:role/ci-push"),
    "a wildcard before the account, which may stand for another account": ci_unless(
        "StringNotLike", "aws:PrincipalArn", f"arn:*:iam::{ACCOUNT}:role/ci-push"
    ),
    "any organization": ci_unless("StringNotLike", "aws:PrincipalOrgID", "o-*"),
    "any account": ci_unless("StringNotLike", "aws:PrincipalAccount", "*"),
    "other resources": deny_push(Resource="arn:aws:ecr:eu-west-1:111122223333:repository/team/other"),
    "resources in another case": deny_push(Resource="arn:aws:ecr:eu-west-1:111122223333:repository/TEAM/app"),
}


@pytest.mark.parametrize("case", RESTRICTED)
def test_a_deny_about_everyone_restricts_pushes_to_whom_it_leaves_out(case: str) -> None:
    """The answer names these principals, and the statement."""
    statement, left_out = RESTRICTED[case]
    found = outcome(statement)
    assert found.answer is A.PRINCIPALS
    assert [str(one) for one in found.principals] == left_out
    assert [one.label for one in found.grounds] == ['"OnlyCiMayPush"']


@pytest.mark.parametrize("case", ACCOUNTS)
def test_a_deny_that_leaves_out_accounts_restricts_to_these(case: str) -> None:
    """Naming all roles of an account, or its root, is naming the account."""
    statement, left_out = ACCOUNTS[case]
    found = outcome(statement)
    assert found.answer is A.ACCOUNTS
    assert [str(one) for one in found.principals] == left_out


@pytest.mark.parametrize("case", OPEN)
def test_what_denies_too_little_leaves_the_account_open(case: str) -> None:
    """Every principal of the account may push then."""
    found = outcome(OPEN[case])
    assert found.answer is A.OPEN_TO_ACCOUNT
    assert [str(one) for one in found.principals if one.account is not None and one.kind == "account"] == [
        f"account {ACCOUNT}"
    ]


@pytest.mark.parametrize(
    "principal",
    [
        "*",
        {"AWS": "*"},
        {"AWS": OTHER},
        {"AWS": f"arn:aws:iam::{OTHER}:root"},
        {"AWS": [CI, f"arn:aws:iam::{OTHER}:role/x"]},
        {"Service": "codebuild.amazonaws.com"},
        {"Federated": "accounts.google.com"},
        {"CanonicalUser": "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be"},
        {"AWS": "AROAEXAMPLEEXAMPLE"},
    ],
    ids=json.dumps,
)
def test_an_allow_to_others_opens_the_repository_to_them(principal: Any) -> None:
    """The push may then come from outside of the account; a Deny about everyone stops it."""
    statement = allow(principal, ["ecr:BatchGetImage", "ecr:PutImage"])
    assert outcome(statement).answer is A.OPEN_TO_OTHERS
    assert outcome(statement, deny_push()).answer is A.PRINCIPALS


def test_an_allow_to_all_but_some_opens_the_repository() -> None:
    """NotPrincipal with Allow is for everyone else."""
    statement = {"Effect": "Allow", "NotPrincipal": {"AWS": CI}, "Action": "ecr:PutImage"}
    assert outcome(statement).answer is A.OPEN_TO_OTHERS


def test_several_denies_restrict_to_whom_each_of_them_leaves_out() -> None:
    """A principal must be left out by all of them."""
    both = outcome(deny_push(CI, f"{ROLE}a"), deny_push(CI, f"{ROLE}b"))
    assert [str(one) for one in both.principals] == [CI]
    nested = outcome(deny_push(f"{ROLE}ci-*"), deny_push(CI))
    assert [str(one) for one in nested.principals] == [CI]
    apart = outcome(deny_push(CI), deny_push(f"{ROLE}b"))
    assert (apart.answer, apart.principals) == (A.PRINCIPALS, ())
    one_account = deny_push(Condition={"StringNotEquals": {"aws:PrincipalAccount": ACCOUNT}})
    other_account = deny_push(Condition={"StringNotEquals": {"aws:PrincipalAccount": OTHER}})
    assert outcome(one_account, other_account).principals == ()
    wide = outcome(deny_push(CI), deny_push(f"{ROLE}ci-*"), deny_push(f"{ROLE}*push"))
    assert [str(one) for one in wide.principals] == [CI]
    elsewhere = outcome(deny_push(f"{ROLE}ci-*"), deny_push(f"arn:aws:iam::{OTHER}:role/ci-*"))
    assert elsewhere.principals == ()
    accounts = outcome(deny_push(CI, f"arn:aws:iam::{OTHER}:role/x"), ACCOUNTS["of an account"][0])
    assert [str(one) for one in accounts.principals] == [CI]


class TestTheRegistrysPolicy:
    """In scope V2 it is applied to every request, in V1 to replication and caches alone."""

    EVERYWHERE = deny_push(Resource="arn:aws:ecr:eu-west-1:111122223333:repository/*")

    def answer(self, text: Any, scope: Any = RegistryPolicyScope.V2, own: Any = None) -> PushAnswer:
        return push_access(repository(own), registry(text, policy_scope=scope)).answer

    def test_a_deny_for_the_repository_restricts_pushes_in_scope_v2(self) -> None:
        """The repository needs no policy of its own then."""
        text = policy(self.EVERYWHERE)
        assert self.answer(text) is A.PRINCIPALS
        assert self.answer(text, RegistryPolicyScope.V1) is A.OPEN_TO_ACCOUNT

    @pytest.mark.parametrize("scope", [RegistryPolicyScope.UNKNOWN, DENIED])
    def test_an_unknown_scope_is_undecidable(self, scope: Any) -> None:
        """Unless the repository's own policy restricts pushes, or the registry has none."""
        assert self.answer(policy(self.EVERYWHERE), scope) is A.UNDECIDABLE
        assert self.answer(policy(self.EVERYWHERE), scope, policy(deny_push())) is A.PRINCIPALS
        assert self.answer(None, scope) is A.OPEN_TO_ACCOUNT

    @pytest.mark.parametrize(
        "resource",
        [
            "arn:aws:ecr:eu-west-1:111122223333:repository/other/*",
            "arn:aws:ecr:us-east-1:111122223333:repository/*",
            "arn:aws:ecr:eu-west-1:444455556666:repository/*",
            "arn:aws:ecr:eu-west-1:111122223333:repository/team/ap",
            None,
        ],
    )
    def test_resources_that_leave_out_the_repository_restrict_nothing(self, resource: str | None) -> None:
        """Without resources the statement says nothing about the repository."""
        assert self.answer(policy(deny_push(Resource=resource))) is A.OPEN_TO_ACCOUNT

    def test_an_allow_there_opens_the_repository(self) -> None:
        """As one of the repository does."""
        text = policy(allow({"AWS": OTHER}, "ecr:*", Resource="*"))
        assert self.answer(text) is A.OPEN_TO_OTHERS
        assert self.answer(text, own=policy(deny_push())) is A.PRINCIPALS

    def test_one_that_could_not_be_read_is_undecidable(self) -> None:
        """It may restrict or open; what the repository's own policy denies stays denied."""
        assert self.answer(DENIED) is A.UNDECIDABLE
        assert self.answer(DENIED, own=policy(deny_push())) is A.PRINCIPALS
        assert self.answer(policy(self.EVERYWHERE), own=DENIED) is A.PRINCIPALS
        assert self.answer(None, own=DENIED) is A.UNDECIDABLE

    def test_both_restrict_together(self) -> None:
        """Only whom both leave out may push."""
        text = policy(deny_push(f"{ROLE}ci-*", f"{ROLE}admin", Resource="*"))
        found = push_access(repository(policy(deny_push(CI, f"{ROLE}dev"))), registry(text))
        assert [str(one) for one in found.principals] == [CI]


@pytest.mark.parametrize("scope", [*RegistryPolicyScope, DENIED])
def test_accounts_that_replicate_are_named(scope: Any) -> None:
    """The registry policy lets them write images in both scopes."""
    statement = allow(
        {"AWS": f"arn:aws:iam::{OTHER}:root"},
        ["ecr:ReplicateImage", "ecr:CreateRepository"],
        Resource="arn:aws:ecr:eu-west-1:111122223333:repository/*",
    )
    configured = registry(policy(statement), policy_scope=scope)
    others, unknown = replicating(repository().repository, configured)
    assert ([str(one) for one in others], unknown) == ([f"account {OTHER}"], ())
    elsewhere = registry(policy(statement | {"Resource": "arn:aws:ecr:*:*:repository/else/*"}))
    assert replicating(repository().repository, elsewhere) == ((), ())
    assert replicating(repository().repository, registry(DENIED))[1]


def test_the_guard_holds_where_the_deny_covers_the_policy_too() -> None:
    """Otherwise another principal may replace the policy and push then."""
    assert not outcome(deny_push()).is_guarded
    guarded = [*["ecr:PutImage", "ecr:SetRepositoryPolicy", "ecr:DeleteRepositoryPolicy"], "ecr:DeleteRepository"]
    assert outcome(deny_push(Action=guarded)).is_guarded
    assert outcome(deny_push(Action="ecr:*")).is_guarded
    assert not outcome(deny_push(Action=guarded[:2])).is_guarded


def test_the_arn_of_a_session_is_told() -> None:
    """aws:PrincipalArn is the role's ARN: the Deny is about everyone, the CI's sessions among them."""
    session = f"arn:aws:sts::{ACCOUNT}:assumed-role/ci-push/build"
    found = outcome(deny_push(session))
    assert [str(one) for one in found.unmatched] == [session]
    assert not outcome(deny_push()).unmatched
