"""Random policies: what is called restricted is restricted, and a wider policy is never called more restricted."""

import json
from copy import deepcopy
from fnmatch import fnmatchcase
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.posture.configurations import ACCOUNT, CI, ORGANIZATION, OTHER, REPOSITORY, policy, registry, repository
from tests.unit.posture.iam_oracle import Caller, may
from tidegate.policy.model import PullRules, PushRules
from tidegate.posture.assess_access import assess_pull, assess_push
from tidegate.posture.principals import PrincipalKind, PrincipalSet
from tidegate.posture.pull_access import PULL_ACTIONS, pull_access
from tidegate.posture.push_access import PushAnswer, push_access
from tidegate.posture.result import PostureStatus

ROLES = ["ci-push", "ci-evil", "admin", "ci-push/x", "x:iam::111122223333:role/ci-push"]
CALLERS = [
    Caller(f"arn:aws:iam::{account}:{kind}/{name}", account, organization)
    for account in (ACCOUNT, OTHER)
    for kind in ("role", "user")
    for name in ROLES
    for organization in (ORGANIZATION, "o-zzzzzzzzzz", None)
]
ARNS = [
    CI,
    f"arn:aws:iam::{ACCOUNT}:role/ci-*",
    f"arn:aws:iam::{ACCOUNT}:role/*",
    f"arn:aws:iam::{ACCOUNT}:*",
    f"arn:aws:iam::{ACCOUNT}:root",
    f"arn:aws:iam::{ACCOUNT}:r?le/ci-push",
    f"arn:*:iam::{ACCOUNT}:role/ci-push",
    "arn:aws:iam::*:role/ci-push",
    f"arn:aws:iam::{OTHER}:role/admin",
    f"arn:aws:iam::{ACCOUNT}:role/CI-PUSH",
    "*",
    "arn:*",
    "*ci-push",
    "arn:aws:iam::${aws:PrincipalAccount}:role/ci-push",
]
ACCOUNTS = [ACCOUNT, OTHER, "*", "${aws:PrincipalAccount}"]
ORGANIZATIONS = [ORGANIZATION, "o-*", "*"]
ACTIONS = [
    "ecr:PutImage",
    "ecr:put*",
    "*",
    "ecr:BatchGetImage",
    "ecr:Get*",
    "ecr:?utImage",
    "ecr:GetDownloadUrlForLayer",
]
RESOURCES = ["*", REPOSITORY.arn, "arn:aws:ecr:*:*:repository/team/*", "arn:aws:ecr:*:*:repository/other"]

OPERATORS = [
    prefix + base + suffix
    for prefix in ("", "ForAllValues:", "ForAnyValue:")
    for base in (
        "ArnLike",
        "ArnNotLike",
        "ArnNotEquals",
        "StringLike",
        "StringNotLike",
        "StringEquals",
        "StringNotEquals",
    )
    for suffix in ("", "IfExists")
] + ["StringNotEqualsIgnoreCase", "StringEqualsIgnoreCase", "ArnNotMatches"]


def some(values: list[str]) -> st.SearchStrategy[Any]:
    return st.one_of(st.sampled_from(values), st.lists(st.sampled_from(values), min_size=1, max_size=3, unique=True))


KEYS = st.one_of(
    st.fixed_dictionaries({"aws:PrincipalArn": some(ARNS)}),
    st.fixed_dictionaries({"aws:PrincipalAccount": some(ACCOUNTS)}),
    st.fixed_dictionaries({"aws:principalorgid": some(ORGANIZATIONS)}),
    st.fixed_dictionaries({"aws:PrincipalArn": some(ARNS), "aws:PrincipalAccount": some(ACCOUNTS)}),
    st.fixed_dictionaries({"aws:PrincipalTag/team": st.just("ci")}),
)
CONDITIONS = st.one_of(
    st.builds(lambda keys: {"ArnNotLike": keys}, KEYS),
    st.dictionaries(st.sampled_from(["ArnNotLike", "StringNotEquals", "ArnNotEquals"]), KEYS, min_size=1, max_size=2),
    st.dictionaries(st.sampled_from(OPERATORS), KEYS, min_size=1, max_size=2),
    st.builds(lambda keys: {"ArnNotLike": keys, "Bool": {"aws:SecureTransport": "false"}}, KEYS),
)
PRINCIPALS = st.one_of(
    st.just("*"),
    st.just("*"),
    st.builds(lambda names: {"AWS": names}, some(["*", OTHER, ACCOUNT, CI, f"arn:aws:iam::{OTHER}:root"])),
)


@st.composite
def statements(draw: st.DrawFn) -> dict[str, Any]:
    found: dict[str, Any] = {"Effect": draw(st.sampled_from(["Deny", "Deny", "Allow"])), "Principal": draw(PRINCIPALS)}
    found[draw(st.sampled_from(["Action", "Action", "Action", "NotAction"]))] = draw(some(ACTIONS))
    if draw(st.booleans()) and draw(st.booleans()):
        found["Resource"] = draw(some(RESOURCES))
    if draw(st.integers(0, 4)):
        found["Condition"] = draw(CONDITIONS)
    return found


POLICIES = st.lists(statements(), max_size=4)


def holds(allowed: PrincipalSet, caller: Caller) -> bool:
    """Return whether the caller is in the set, where names differ only in case too: IAM takes no two such names."""
    if allowed.kind is PrincipalKind.EVERYONE:
        return True
    if allowed.kind is PrincipalKind.ACCOUNT:
        return allowed.value == caller.account
    if allowed.kind is PrincipalKind.ORGANIZATION:
        return allowed.value == caller.organization
    return fnmatchcase(caller.arn.lower(), allowed.value.lower())


@given(POLICIES)
def test_no_other_than_the_named_principals_can_push(written: list[dict[str, Any]]) -> None:
    """For every caller that the second reading lets through."""
    found = push_access(repository(policy(*written)), registry())
    if found.answer is PushAnswer.UNDECIDABLE:
        return
    for caller in CALLERS:
        if may(written, caller, "ecr:PutImage", REPOSITORY.arn):
            assert any(holds(one, caller) for one in found.principals), caller


@given(POLICIES)
def test_no_other_than_the_named_principals_can_pull(written: list[dict[str, Any]]) -> None:
    """For every caller of another account."""
    found = pull_access(repository(policy(*written)), registry())
    if found.unknown:
        return
    for caller in CALLERS:
        for action in PULL_ACTIONS:
            if caller.account != ACCOUNT and may(written, caller, action, REPOSITORY.arn):
                assert any(holds(one, caller) for one in found.others), caller


RULES = PushRules(restricted_to=(CI, f"arn:aws:iam::{ACCOUNT}:role/ci-push/*"))


def passes(written: list[dict[str, Any]]) -> bool:
    return assess_push(repository(policy(*written)), registry(), RULES)[0].status is PostureStatus.PASS


@st.composite
def widenings(draw: st.DrawFn) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return a policy and one that lets through no less."""
    before = draw(POLICIES)
    after = deepcopy(before)
    denies = [one for one in after if one["Effect"] == "Deny"]
    way = draw(st.sampled_from(["allow", "drop", "value", "condition", "principal", "action", "resource"]))
    if way == "allow" or not denies:
        return before, [*after, draw(statements()) | {"Effect": "Allow"}]
    chosen = draw(st.sampled_from(denies))
    if way == "drop":
        after.remove(chosen)
    elif way == "value":
        for operator, keys in chosen.get("Condition", {}).items():
            for key in keys if "Not" in operator else ():
                values = keys[key] if isinstance(keys[key], list) else [keys[key]]
                keys[key] = [*values, draw(st.sampled_from(ARNS))]
    elif way == "condition":
        chosen.setdefault("Condition", {})["Bool"] = {"aws:MultiFactorAuthPresent": "false"}
    elif way == "principal":
        chosen["Principal"] = {"AWS": CI}
    elif way == "action" and "Action" in chosen:
        chosen["Action"] = "ecr:BatchDeleteImage"
    else:
        chosen["Resource"] = "arn:aws:ecr:*:*:repository/other"
    return before, after


@given(widenings())
def test_a_wider_policy_is_never_more_restricted(pair: tuple[list[dict[str, Any]], list[dict[str, Any]]]) -> None:
    """What a policy gains in what it lets through never makes it pass."""
    before, after = pair
    assert not passes(after) or passes(before)


TEXTS = st.one_of(
    st.text(max_size=200),
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8)),
        lambda inner: st.one_of(
            st.lists(inner, max_size=4),
            st.dictionaries(
                st.sampled_from(["Statement", "Effect", "Principal", "Action", "Condition", "AWS", "ArnNotLike", "x"]),
                inner,
                max_size=4,
            ),
        ),
        max_leaves=12,
    ).map(json.dumps),
)


@given(TEXTS)
def test_no_text_makes_it_fail_or_pass(text: str) -> None:
    """Whatever a policy holds, the results are made, and pushes are not called restricted to the CI."""
    configured = repository(text)
    results = [
        *assess_push(configured, registry(text), RULES),
        *assess_pull(configured, registry(), PullRules(), RULES),
    ]
    assert results[0].status is not PostureStatus.PASS
