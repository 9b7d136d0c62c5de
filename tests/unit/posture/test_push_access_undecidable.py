"""Who may push: policies that are not understood decide nothing."""

import json

import pytest

from tests.unit.posture.configurations import (
    ACCOUNT,
    CI,
    ORGANIZATION,
    allow,
    deny_push,
    policy,
    registry,
    repository,
)
from tests.unit.posture.pushes import ROLE, A, ci_unless, outcome
from tidegate.posture import principals
from tidegate.posture.principals import PrincipalSet
from tidegate.posture.push_access import push_access

UNDECIDABLE = {
    "NotPrincipal": deny_push(Principal=None, NotPrincipal={"AWS": CI}, Condition=None),
    "an operator that is not known": ci_unless("ArnNotMatches"),
    "an operator in another case": ci_unless("arnnotlike"),
    "an operator with a space": ci_unless("ArnNotLike "),
    "ForAllValues": ci_unless("ForAllValues:StringNotEquals"),
    "ForAnyValue": ci_unless("ForAnyValue:ArnNotLike"),
    "ForAllValues with IfExists": ci_unless("ForAllValues:StringNotLikeIfExists"),
    "a tag of the principal": ci_unless("StringNotEquals", "aws:PrincipalTag/team", "ci"),
    "the id of the principal": ci_unless("StringNotLike", "aws:userid", "AROAEXAMPLE:*"),
    "the path in the organization": ci_unless("StringNotLike", "aws:PrincipalOrgPaths", f"{ORGANIZATION}/r-1/*"),
    "a key of another service": ci_unless("StringNotEquals", "saml:sub", "ci"),
    "a policy variable": ci_unless(
        "ArnNotLike", "aws:PrincipalArn", "arn:aws:iam::${aws:PrincipalAccount}:role/ci-push"
    ),
    "a policy variable of a tag": ci_unless("ArnNotLike", "aws:PrincipalArn", f"{ROLE}${{aws:PrincipalTag/x}}"),
    "an account compared as an ARN": ci_unless("ArnNotLike", "aws:PrincipalAccount", ACCOUNT),
    "resources that are excluded": deny_push(NotResource="arn:aws:ecr:*:*:repository/x"),
    "a wildcard that would stand for a colon of the resource": deny_push(Resource="arn:aws:ecr*/team/app"),
    "a wildcard for segments of the resource": deny_push(Resource="arn:aws:ecr:*:repository/team/app"),
    "a policy variable in the resource": deny_push(Resource="arn:aws:ecr:*:*:repository/${aws:PrincipalTag/team}/*"),
    "an Allow to everyone under a condition that is not known": allow(
        "*", "ecr:PutImage", Condition={"Futuristic": {"aws:PrincipalOrgID": ORGANIZATION}}
    ),
}


def test_a_text_that_is_no_unicode_is_not_read() -> None:
    """A question mark in place of half a character would be a wildcard."""
    text = policy(deny_push(Resource="arn:aws:ecr:*:*:repository/team/ap?"))
    assert push_access(repository(text), registry()).answer is A.PRINCIPALS
    assert push_access(repository(text.replace("ap?", "ap\ud800")), registry()).answer is A.UNDECIDABLE


@pytest.mark.parametrize("case", UNDECIDABLE)
def test_what_is_not_understood_is_undecidable(case: str) -> None:
    """It may restrict pushes or not."""
    found = outcome(UNDECIDABLE[case])
    assert found.answer is A.UNDECIDABLE
    assert found.principals == ()
    assert found.grounds[0].why


@pytest.mark.parametrize("case", UNDECIDABLE)
def test_another_statement_that_denies_makes_that_decidable(case: str) -> None:
    """A Deny takes precedence over every Allow, and another Deny can only restrict more."""
    assert outcome(UNDECIDABLE[case], deny_push()).answer is A.PRINCIPALS


UNREADABLE = {
    "no JSON": "{",
    "a list": "[]",
    "a statement that is a text": policy("Deny"),
    "no statements": '{"Version": "2012-10-17"}',
    "a key twice": '{"Version": "2012-10-17", "Statement": [], "Statement": []}',
    "a key twice within a statement": policy(deny_push()).replace(
        '"Effect": "Deny"', '"Effect": "Deny", "Effect": "Allow"'
    ),
    "keys that differ in case": policy(deny_push() | {"effect": "Allow"}),
    "condition keys that differ in case": policy(
        deny_push(Condition={"ArnNotLike": {"aws:PrincipalArn": CI, "aws:principalarn": "*"}})
    ),
    "an element that is not known": policy(deny_push(Unless="x")),
    "an element of the policy that is not known": json.dumps({"Statement": [deny_push()], "Exempt": "*"}),
    "a version that is not known": json.dumps({"Version": "2030-01-01", "Statement": [deny_push()]}),
    "a version that is a list": json.dumps({"Version": ["2012-10-17"], "Statement": [deny_push()]}),
    "an effect in another case": policy(deny_push(Effect="deny")),
    "both actions": policy(deny_push(NotAction="ecr:PutImage")),
    "both principals": policy(deny_push(NotPrincipal="*")),
    "no principal": policy(deny_push(Principal=None)),
    "no action": policy(deny_push(Action=None)),
    "no actions": policy(deny_push(Action=[])),
    "an action that is a number": policy(deny_push(Action=[1])),
    "a principal that is a text": policy(deny_push(Principal=CI)),
    "principals of a type that is not known": policy(deny_push(Principal={"*": "*"})),
    "no principals": policy(deny_push(Principal={})),
    "a condition that is a list": policy(deny_push(Condition=[])),
    "an operator without keys": policy(deny_push(Condition={"ArnNotLike": {}})),
    "an operator whose keys are a list": policy(deny_push(Condition={"ArnNotLike": [CI]})),
    "no values": policy(deny_push(Condition={"ArnNotLike": {"aws:PrincipalArn": []}})),
    "null as a value": policy(deny_push(Condition={"ArnNotLike": {"aws:PrincipalArn": None}})),
    "a qualifier that is not known": policy(deny_push(Condition={"ForNoValue:ArnNotLike": {"aws:PrincipalArn": CI}})),
    "letters that look like those of an action": policy(deny_push(Action="ecr:Put\u0131mage")),
    "a letter that is lower-cased to k": policy(deny_push(Action="ecr:\u212a")),
    "letters that look like those of a key": policy(deny_push(Condition={"ArnNotLike": {"aws:Pr\u0131ncipalArn": CI}})),
    "half a surrogate pair": policy(deny_push(Sid="\ud800")),
    "too many characters": policy(deny_push(Sid="x" * 10_240)),
    "too deep": '{"Statement":' + "[" * 4_000,
    "too deep for a policy": policy(deny_push(Condition={"ArnNotLike": {"aws:PrincipalArn": [[[CI]]]}})),
    "too many values": policy(*[allow("*", ["a"] * 30)] * 70),
    "too many statements": policy(*[allow("*", "a")] * 101),
    "NaN": '{"Statement": NaN}',
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_a_policy_that_is_not_fully_understood_is_undecidable(case: str) -> None:
    """No part of it counts, not even a Deny that is clear."""
    found = push_access(repository(UNREADABLE[case]), registry())
    assert found.answer is A.UNDECIDABLE
    assert found.grounds[0].policy == "repository"


def test_accepted_forms_that_few_parsers_know() -> None:
    """One statement that is no list, the old version, and none, are as good."""
    for text in (
        json.dumps({"Version": "2012-10-17", "Statement": deny_push()}),
        json.dumps({"Version": "2008-10-17", "Id": "x", "Statement": [deny_push()]}),
        json.dumps({"Statement": [deny_push()]}),
    ):
        assert push_access(repository(text), registry()).answer is A.PRINCIPALS
    assert push_access(repository(policy()), registry()).answer is A.OPEN_TO_ACCOUNT
    assert push_access(repository(None), registry()).answer is A.OPEN_TO_ACCOUNT


def test_long_lists_of_principals_are_not_compared_pair_by_pair(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two Denies of 120 patterns each, in both policies, took seconds; the one with fewer holds all whom both leave out."""
    asked: list[PrincipalSet] = []
    compare = principals.intersection

    def counted(one: PrincipalSet, other: PrincipalSet) -> PrincipalSet | None:
        asked.append(one)
        return compare(one, other)

    monkeypatch.setattr("tidegate.posture.principals.intersection", counted)
    many = [deny_push(*(f"{ROLE}*{letter}*{number}*" for number in range(80))) for letter in "ab"]
    few = deny_push(*(f"{ROLE}*c*{number}*" for number in range(40)))
    found = outcome(*many, few)
    assert len(asked) <= principals.MAX_PAIRS
    assert [str(one) for one in found.principals] == [f"{ROLE}*c*{number}*" for number in range(40)]
    assert found.answer is A.PRINCIPALS
