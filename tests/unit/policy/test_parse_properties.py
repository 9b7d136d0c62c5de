"""Whatever an object is, it is a policy, or a PolicyError that can be shown to a person, or a broken policy."""

import copy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.policy.examples import ACCEPTED, FULL, with_spec
from tidegate.errors import PolicyError
from tidegate.images.platform import parse_platform
from tidegate.images.reference import ImageReference
from tidegate.images.repository import EcrRegistry, EcrRepository
from tidegate.policy.match import image_matches, namespace_matches
from tidegate.policy.model import Action, BrokenPolicy, ImagePolicy
from tidegate.policy.objects import MAX_KEPT_PROBLEMS
from tidegate.policy.parse import compile_policy, parse_policy
from tidegate.policy.sections import PLATFORM_PATTERN

WORDS = ["spec", "match", "scan", "images", "account", "Deny", "7d", "0s", "*", "metadata", "name", "linux/amd64", ""]
scalars = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.sampled_from(WORDS) | st.dates()
)
data = st.recursive(
    scalars,
    lambda below: (
        st.lists(below, max_size=4) | st.dictionaries(st.text(max_size=8) | st.sampled_from(WORDS), below, max_size=4)
    ),
    max_leaves=20,
)
LONGEST_PROBLEM = 1000


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of everything inside a value."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path] * bool(path) + [deeper for name, below in inside for deeper in places(below, (*path, name))]


@st.composite
def damaged(draw: st.DrawFn) -> Any:
    """A policy that was whole until something in it was replaced, removed or added."""
    spec = copy.deepcopy(draw(st.sampled_from(list(ACCEPTED.values()))))
    for _ in range(draw(st.integers(1, 3))):
        known = places(spec)
        if not known:
            break
        path = draw(st.sampled_from(known))
        place: Any = spec
        for step in path[:-1]:
            place = place[step]
        if draw(st.booleans()):
            place[path[-1]] = draw(data)
        else:
            del place[path[-1]]
    return with_spec(spec)


def parsed(obj: Any) -> ImagePolicy | PolicyError:
    try:
        return parse_policy(obj)
    except PolicyError as error:
        return error


def check(obj: Any) -> None:
    policy, outcome = compile_policy(obj), parsed(obj)
    if isinstance(outcome, ImagePolicy):
        assert isinstance(policy, ImagePolicy)
        assert (outcome.name, outcome.actions, outcome.match) == (policy.name, policy.actions, policy.match)
        requirements = (outcome.registries, outcome.tags, outcome.scan, outcome.vulnerabilities)
        assert any((*requirements, outcome.signatures, outcome.attestations))
        return
    assert isinstance(policy, BrokenPolicy)
    assert outcome.problems[:MAX_KEPT_PROBLEMS] == policy.problems[:MAX_KEPT_PROBLEMS]
    assert outcome.problems
    for problem in outcome.problems:
        assert problem.isprintable()
        assert len(problem) < LONGEST_PROBLEM


@given(data)
def test_any_data_is_a_policy_or_a_policy_error(obj):
    check(obj)


@given(data)
def test_any_spec_is_a_policy_or_a_policy_error(spec):
    check(with_spec(spec))


@given(st.from_regex(PLATFORM_PATTERN, fullmatch=True))
def test_every_platform_of_the_pattern_is_a_platform(text):
    assert str(parse_platform(text)) == text


@given(damaged())
def test_a_damaged_policy_is_a_policy_or_a_policy_error(obj):
    check(obj)


@given(st.sampled_from([place for place in places(FULL) if place[0] == "match"]), data)
def test_damage_to_a_match_never_lets_its_images_go_unjudged(path, value):
    """A broken policy is about everything that it was about before it was broken."""
    spec = copy.deepcopy(FULL)
    place: Any = spec
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    policy = compile_policy(with_spec(spec))
    if isinstance(policy, BrokenPolicy):
        name = "shop/cart"
        registry = EcrRegistry("aws", "123456789012", "eu-west-1")
        reference = ImageReference(
            text=name, domain="x", path=name, tag="1", digest=None, ecr=EcrRepository(registry, name)
        )
        assert namespace_matches(policy.match, "shop-cart", {"team": "shop", "example.com/stage": "test"})
        assert image_matches(policy.match, reference)
        assert policy.actions == {Action.WARN, Action.AUDIT}
