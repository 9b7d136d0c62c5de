"""An object that cannot be read is still a policy: it keeps what of it can be read, and is otherwise the strictest."""

from typing import Any

import pytest

from tests.unit.policy.examples import ACCOUNT, FULL, SCANNED, changed, with_spec
from tidegate.policy import parse
from tidegate.policy.match import namespace_matches
from tidegate.policy.model import Action, BrokenPolicy, EcrScope, Glob, ImagePolicy, Match, Tolerance
from tidegate.policy.objects import MAX_KEPT_PROBLEMS
from tidegate.policy.parse import compile_policy, parse_policy

STRICTEST = (frozenset({Action.DENY}), Match(), Tolerance.DENY)


def compiled(spec: Any) -> BrokenPolicy:
    policy = compile_policy(with_spec(spec))
    assert isinstance(policy, BrokenPolicy)
    return policy


def test_a_whole_object_is_a_policy():
    assert isinstance(compile_policy(with_spec(FULL)), ImagePolicy)


def test_a_broken_object_is_named_with_its_problems():
    policy = compiled(FULL | {"mistake": 1, "maxStale": "soon"})
    assert (policy.name, policy.uid, policy.generation) == ("example", "0f1e", 3)
    assert [problem.partition(":")[0] for problem in policy.problems] == ["spec.mistake", "spec.maxStale"]


def test_what_can_be_read_is_kept():
    policy = compiled(FULL | {"mistake": 1})
    assert policy.actions == {Action.WARN, Action.AUDIT}
    assert policy.match == parse_policy(with_spec(FULL)).match
    assert policy.on_undetermined is Tolerance.ALLOW


UNREADABLE: dict[str, tuple[str, Any]] = {
    "actions": ("validationActions", ["Audit", "Dney"]),
    "contradicting actions": ("validationActions", ["Warn", "Deny"]),
    "no actions": ("validationActions", []),
    "empty actions": ("validationActions", None),
    "the word for undetermined": ("onUndetermined", "allow"),
    "a match": ("match", ["shop"]),
}


@pytest.mark.parametrize("case", UNREADABLE, ids=str)
def test_what_cannot_be_read_is_the_strictest(case):
    field, value = UNREADABLE[case]
    policy = compiled(FULL | {field: value})
    whole = parse_policy(with_spec(FULL))
    assert policy.actions == ({Action.DENY} if field == "validationActions" else whole.actions)
    assert policy.on_undetermined is (Tolerance.DENY if field == "onUndetermined" else whole.on_undetermined)
    assert policy.match == (Match() if field == "match" else whole.match)


def test_what_is_left_out_is_the_default():
    policy = compiled(SCANNED | {"mistake": 1})
    assert (policy.actions, policy.match, policy.on_undetermined) == STRICTEST


@pytest.mark.parametrize("part", ["namespaceSelector", "namespaces", "excludedNamespaces", "images"])
def test_a_broken_part_of_a_match_only_widens_it(part):
    """The parts are ANDed: without one of them the policy is about more than it meant, never about less."""
    policy = compiled(changed(("match", part), "mistake"))
    whole = parse_policy(with_spec(FULL)).match
    kept = {
        "namespaceSelector": policy.match.namespace_selector == whole.namespace_selector,
        "namespaces": policy.match.namespaces == whole.namespaces,
        "excludedNamespaces": policy.match.excluded_namespaces == whole.excluded_namespaces,
        "images": policy.match.images == whole.images,
    }
    assert kept == {name: name != part for name in kept}
    assert namespace_matches(policy.match, "shop-cart", {"team": "shop", "example.com/stage": "test"})


def test_one_bad_item_drops_the_whole_list():
    """Half of a list of namespaces would be about less than was meant."""
    policy = compiled(changed(("match", "namespaces"), ["shop-*", "BANK"]))
    assert policy.match.namespaces == ()
    assert namespace_matches(policy.match, "bank", {"team": "shop", "example.com/stage": "test"})


def test_an_unknown_field_of_a_match_keeps_the_known_ones():
    policy = compiled({"match": {"namespaces": ["shop"], "image": []}} | SCANNED)
    assert policy.match == Match(namespaces=(Glob(text="shop"),))


@pytest.mark.parametrize(
    "obj", [None, [], "x", 7, {}, {"spec": 1}, {"metadata": 1}, {"metadata": {"name": ""}}], ids=repr
)
def test_anything_is_at_least_a_broken_policy(obj):
    policy = compile_policy(obj)
    assert isinstance(policy, BrokenPolicy)
    assert (policy.name, policy.uid, policy.generation) == ("(unnamed)", "", 0)
    assert (policy.actions, policy.match, policy.on_undetermined) == STRICTEST
    assert policy.problems


def test_another_kind_keeps_its_match():
    policy = compile_policy(with_spec(FULL, kind="ImagePolicyException"))
    assert isinstance(policy, BrokenPolicy)
    assert policy.match.images == (
        EcrScope(partition="aws", account=ACCOUNT, region="eu-west-1", repositories=(Glob(text="shop/**"),)),
    )


def test_problems_are_bounded():
    several = MAX_KEPT_PROBLEMS + 3
    policy = compiled({"registries": [{}] * several})
    assert len(policy.problems) == MAX_KEPT_PROBLEMS + 1
    assert policy.problems[-1] == "and 3 more problems"
    assert len(compiled({"registries": [{}] * MAX_KEPT_PROBLEMS}).problems) == MAX_KEPT_PROBLEMS


def test_a_fault_of_ours_breaks_one_policy_only(monkeypatch):
    def fault(_obj: object) -> ImagePolicy:
        raise ZeroDivisionError

    monkeypatch.setattr(parse, "parse_policy", fault)
    policy = compile_policy(with_spec(FULL))
    assert isinstance(policy, BrokenPolicy)
    assert policy.problems == ("could not be read (ZeroDivisionError): this is a bug in tidegate; report it",)
    assert policy.actions == {Action.WARN, Action.AUDIT}
