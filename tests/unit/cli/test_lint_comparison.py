"""What lint says of two policies or patterns is true of every image, whatever they are."""

import json
import re
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from tests.unit.builders import (
    ACCOUNT,
    IMAGE,
    ecr,
    evidence,
    full_policy,
    globs,
    host,
    policy,
    registry_configuration,
    repository_configuration,
    subject,
)
from tests.unit.strategies import collected, policies
from tidegate.admission.verdict import Judgement
from tidegate.checks.judge import judge, required_checks
from tidegate.checks.result import Check
from tidegate.cli.lint.comparison import is_never_stricter
from tidegate.cli.lint.scopes import (
    glob_contains,
    globs_overlap,
    match_contained,
    matches_overlap,
    scope_contained,
    scopes_overlap,
)
from tidegate.evidence.registry_configuration import (
    Encryption,
    EncryptionType,
    RegistryPolicyScope,
    RepositoryScanning,
    ScanFrequency,
)
from tidegate.evidence.scan import Severity
from tidegate.policy.match import namespace_matches
from tidegate.policy.model import (
    Action,
    ImagePolicy,
    Match,
    PullRules,
    PushRules,
    RepositoryRules,
    RequiredEncryption,
    RequiredLifecycle,
    RequiredScanning,
    ScanRules,
    SelectorOperator,
    SelectorRequirement,
    TagRules,
    Tolerance,
    VulnerabilityRules,
)
from tidegate.policy.signatures import AttestationRules, SignatureRules
from tidegate.strict.wildcard import compile_glob

GLOBS = st.from_regex(r"(\*{1,2}|[ab/]){0,6}", fullmatch=True).map(lambda text: re.sub(r"\*{3,}", "**", text))
TEXTS = st.text("ab/", max_size=8)
KEYS = ("team", "env")
REQUIREMENTS = st.builds(
    SelectorRequirement,
    key=st.sampled_from(KEYS),
    operator=st.sampled_from(SelectorOperator),
    values=st.lists(st.sampled_from("xyz"), min_size=1, max_size=2).map(tuple),
).map(lambda one: one if "In" in one.operator.value else replace(one, values=()))
MATCHES = st.builds(
    Match,
    namespace_selector=st.lists(REQUIREMENTS, max_size=2).map(tuple),
    namespaces=st.lists(GLOBS.filter(bool), max_size=2).map(lambda texts: globs(*texts)),
    excluded_namespaces=st.lists(GLOBS.filter(bool), max_size=2).map(lambda texts: globs(*texts)),
)
LABELS = st.dictionaries(st.sampled_from(KEYS), st.sampled_from("xyz"))


@given(GLOBS, GLOBS, TEXTS)
@example("a*", "*b", "ab")
@example("**/a", "b*", "b/a")
@example("*", "a/b", "a/b")
def test_patterns_that_a_text_fits_overlap_and_contain_it(one: str, other: str, text: str) -> None:
    if compile_glob(one)(text) and compile_glob(other)(text):
        assert globs_overlap(one, other)
    if glob_contains(one, other) and compile_glob(other)(text):
        assert compile_glob(one)(text)


@pytest.mark.parametrize(
    ("one", "other", "overlap"),
    [
        ("team/**", "team/app", True),
        ("team/*", "team/app/web", False),
        ("team/**", "*/web", True),
        ("team/a*", "team/b*", False),
        ("*-dev", "team-*", True),
        ("**", "", True),
        ("*", "/", False),
        ("a", "b", False),
    ],
)
def test_whether_patterns_overlap(one: str, other: str, overlap: bool) -> None:
    assert globs_overlap(one, other) is overlap
    assert globs_overlap(other, one) is overlap


@pytest.mark.parametrize(
    ("whole", "part", "contains"),
    [
        ("**", "a/*", True),
        ("team/**", "team/a/*", True),
        ("team/**", "team/app", True),
        ("team/*", "team/*", True),
        ("team/*", "team/**", False),
        ("team/**", "other/**", False),
        ("*/**", "a/b", True),
    ],
)
def test_whether_a_pattern_contains_another(whole: str, part: str, contains: bool) -> None:
    assert glob_contains(whole, part) is contains


def test_scopes_are_compared_by_their_fields() -> None:
    assert scopes_overlap(ecr(), ecr("team/*", region="eu-west-1"))
    assert not scopes_overlap(ecr(), ecr(account="999999999999"))
    assert not scopes_overlap(ecr(region="us-east-1"), ecr(region="eu-west-1"))
    assert scopes_overlap(host("ghcr.io"), host("ghcr.io", "a/*"))
    assert not scopes_overlap(host("ghcr.io"), host("quay.io"))
    assert not scopes_overlap(host("ghcr.io"), ecr())
    assert scope_contained(ecr("team/*", region="eu-west-1"), [host("ghcr.io"), ecr()])
    assert not scope_contained(ecr(), [ecr(region="eu-west-1")])
    assert not scope_contained(host("ghcr.io"), [ecr()])
    assert scope_contained(host("ghcr.io", "a/*"), [host("ghcr.io", "a/**")])


@given(MATCHES, MATCHES, TEXTS, LABELS)
def test_a_namespace_in_both_matches_is_never_denied(
    one: Match, other: Match, name: str, labels: dict[str, str]
) -> None:
    is_in_one, is_in_other = (namespace_matches(each, name, labels) for each in (one, other))
    if is_in_one and is_in_other:
        assert matches_overlap(one, other)
    if match_contained(one, other) and is_in_one:
        assert is_in_other


def test_matches_that_exclude_each_other() -> None:
    def team(operator: SelectorOperator, *values: str) -> Match:
        return Match(namespace_selector=(SelectorRequirement(key="team", operator=operator, values=values),))

    pairs = [
        (team(SelectorOperator.IN, "x"), team(SelectorOperator.IN, "y")),
        (team(SelectorOperator.IN, "x"), team(SelectorOperator.NOT_IN, "x")),
        (team(SelectorOperator.IN, "x"), team(SelectorOperator.DOES_NOT_EXIST)),
        (team(SelectorOperator.EXISTS), team(SelectorOperator.DOES_NOT_EXIST)),
        (Match(namespaces=globs("shop")), Match(namespaces=globs("data"))),
        (Match(namespaces=globs("shop")), Match(excluded_namespaces=globs("shop"))),
        (Match(images=(ecr("a/*"),)), Match(images=(ecr("b/*"),))),
    ]
    for one, other in pairs:
        assert not matches_overlap(one, other)
        assert not matches_overlap(other, one)


def passes(one: ImagePolicy, evidence: Any) -> bool:
    about = subject(IMAGE, evidence)
    return Judgement(policy=one, results=judge(one, about)).allowed


@given(st.data(), policies, policies, collected())
def test_a_policy_that_is_never_stricter_refuses_nothing_that_the_other_allows(
    data: Any, one: ImagePolicy, other: ImagePolicy, evidence: Any
) -> None:
    """The parts of the first policy are those of the second, or others, so that it often is never stricter."""
    parts = ("actions", "match", "registries", "tags", "scan", "vulnerabilities", "platforms", "max_stale")
    kept = data.draw(st.sets(st.sampled_from(parts), min_size=4))
    one = replace(one, **{part: getattr(other, part) for part in kept}, on_undetermined=other.on_undetermined)
    # A policy without a requirement is not valid.
    assume(required_checks(one) != (Check.POLICY,) and is_never_stricter(one, other))
    if passes(other, evidence):
        assert passes(one, evidence)


FULL = full_policy()


@pytest.mark.parametrize(
    "weaker",
    [
        {"registries": (ecr(), host("ghcr.io"))},
        {"registries": None},
        {"tags": None},
        {"scan": ScanRules(when_pending=Tolerance.ALLOW)},
        {"vulnerabilities": VulnerabilityRules(max_counts={Severity.CRITICAL: 3})},
        {"actions": frozenset({Action.WARN})},
        {"match": Match(namespaces=globs("shop"))},
        {"on_undetermined": Tolerance.ALLOW},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_part_that_is_weaker(weaker: dict[str, Any]) -> None:
    one = replace(FULL, name="weaker", **weaker)
    assert is_never_stricter(one, FULL)
    assert not is_never_stricter(FULL, one)


CI, TEAM, PARTNER = (f"arn:aws:iam::{ACCOUNT}:role/{name}" for name in ("ci-push", "team/*", "ci-*"))
OTHER, ORGANIZATION = "444455556666", "o-a1b2c3d4e5"
STRICT = RepositoryRules(
    push=PushRules(restricted_to=(CI,)),
    pull=PullRules(accounts=(OTHER,)),
    scanning=RequiredScanning.CONTINUOUS,
    encryption=RequiredEncryption.KMS,
    lifecycle=RequiredLifecycle.REQUIRED,
)


@pytest.mark.parametrize(
    "weaker",
    [
        {"push": PushRules(restricted_to=(PARTNER,))},
        {"push": PushRules(accounts=(ACCOUNT,))},
        {"push": PushRules(restricted_to=(TEAM, CI), organizations=(ORGANIZATION,))},
        {"pull": PullRules(accounts=(OTHER, ACCOUNT))},
        {"pull": PullRules(accounts=(OTHER,), organizations=(ORGANIZATION,))},
        {"pull": PullRules(accounts=(OTHER,), services=("lambda.amazonaws.com",))},
        {"scanning": RequiredScanning.ON_PUSH},
        {"push": None, "pull": None},
        {"pull": None},
        {"scanning": None},
        {"encryption": None},
        {"lifecycle": None},
    ],
    ids=str,
)
def test_a_requirement_on_the_repository_that_is_weaker(weaker: dict[str, Any]) -> None:
    one, other = policy("weaker", repository=replace(STRICT, **weaker)), policy("strict", repository=STRICT)
    assert is_never_stricter(one, other)
    assert not is_never_stricter(other, one)


def test_requirements_on_the_repository_of_which_each_refuses_something_else() -> None:
    """Without ``push``, nobody else who may pull may change the repository; a lifecycle policy that keeps may be none."""
    for change in (
        {"push": None},
        {"push": PushRules(restricted_to=(TEAM,))},
        {"pull": PullRules(organizations=(ORGANIZATION,))},
        {"lifecycle": RequiredLifecycle.KEEPS_RUNNING_IMAGES},
    ):
        one, other = policy("one", repository=replace(STRICT, **change)), policy("other", repository=STRICT)
        assert not is_never_stricter(one, other), change
    assert is_never_stricter(policy("none", tags=FULL.tags), policy("both", tags=FULL.tags, repository=STRICT))
    assert not is_never_stricter(policy("both", tags=FULL.tags, repository=STRICT), policy("none", tags=FULL.tags))


_ACCOUNTS = st.sets(st.sampled_from([ACCOUNT, OTHER])).map(tuple)
_ORGANIZATIONS = st.sampled_from([(), (ORGANIZATION,)])
RULES = st.builds(
    RepositoryRules,
    push=st.none()
    | st.builds(
        PushRules,
        restricted_to=st.sets(st.sampled_from([CI, TEAM, PARTNER])).map(tuple),
        accounts=_ACCOUNTS,
        organizations=_ORGANIZATIONS,
    ),
    pull=st.none() | st.builds(PullRules, accounts=_ACCOUNTS, organizations=_ORGANIZATIONS),
    scanning=st.none() | st.sampled_from(RequiredScanning),
    encryption=st.none() | st.sampled_from(RequiredEncryption),
    lifecycle=st.none() | st.sampled_from(RequiredLifecycle),
).filter(lambda one: one != RepositoryRules())
ONLY = {"Effect": "Deny", "Principal": "*", "Action": "ecr:PutImage"}
STATEMENTS = st.sampled_from(
    [
        *(ONLY | {"Condition": {"ArnNotLike": {"aws:PrincipalArn": [arn]}}} for arn in (CI, TEAM, PARTNER)),
        ONLY | {"Condition": {"StringNotEquals": {"aws:PrincipalAccount": [ACCOUNT, OTHER]}}},
        {"Effect": "Allow", "Principal": {"AWS": OTHER}, "Action": "ecr:BatchGetImage"},
        {"Effect": "Allow", "Principal": {"AWS": OTHER}, "Action": "ecr:*"},
        {"Effect": "Allow", "Principal": "*", "Action": "ecr:BatchGetImage"},
    ]
)
POLICIES = st.lists(STATEMENTS, max_size=3).map(lambda some: json.dumps({"Version": "2012-10-17", "Statement": some}))
LIFECYCLES = ['{"rules": []}', "no JSON"]


@settings(max_examples=300)
@given(
    st.data(),
    RULES,
    RULES,
    st.builds(
        repository_configuration,
        st.none() | POLICIES,
        lifecycle=st.sampled_from([None, *LIFECYCLES]),
        encryption=st.builds(Encryption, type=st.sampled_from(EncryptionType)),
        scanning=st.builds(RepositoryScanning, frequency=st.sampled_from(ScanFrequency)),
    ),
    st.builds(registry_configuration, policy_scope=st.sampled_from(RegistryPolicyScope)),
)
def test_requirements_on_the_repository_that_are_never_stricter_refuse_nothing_else(
    data: Any, one: RepositoryRules, other: RepositoryRules, repository: Any, registry: Any
) -> None:
    kept = data.draw(st.sets(st.sampled_from([each.name for each in fields(RepositoryRules)]), min_size=3))
    one = replace(one, **{name: getattr(other, name) for name in kept})
    weak, strict = policy("one", repository=one), policy("other", repository=other)
    assume(one != RepositoryRules() and is_never_stricter(weak, strict))
    found = evidence(repository=repository, registry=registry)
    if passes(strict, found):
        assert passes(weak, found)


LIMITS = (
    "max_counts only_fixable exploit_available epss_threshold when_epss_unknown grace_period suppressed ignore"
    " running_images"
)


@pytest.mark.parametrize(
    ("kind", "compared"),
    [
        (TagRules, "immutable digest_required forbidden"),
        (ScanRules, "when_pending when_expired when_unsupported max_age settling_period"),
        (
            VulnerabilityRules,
            LIMITS,
        ),
        (SignatureRules, "any_of children same_repository"),
        (AttestationRules, "name predicate_type any_of conditions"),
        (Match, "namespace_selector namespaces excluded_namespaces images"),
        (RepositoryRules, "push pull scanning encryption lifecycle"),
        (PushRules, "restricted_to accounts organizations"),
        (PullRules, "accounts organizations services"),
    ],
)
def test_every_field_of_a_section_is_compared(kind: Any, compared: str) -> None:
    """A new field has to be added to the comparison, and here."""
    assert [one.name for one in fields(kind)] == compared.split()
