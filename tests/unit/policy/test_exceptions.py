"""Exceptions as values: which are in force, when they end, what a policy permits, and what the status says."""

from datetime import timedelta
from typing import Any

import pytest

from tests.unit.builders import DAY, INSTANT, MINUTE, NOW, broken, ecr, exception, full_policy, globs, host
from tidegate.images.reference import parse_reference
from tidegate.policy import exceptions as module
from tidegate.policy.exceptions import (
    NOTICE,
    BrokenException,
    ExceptionState,
    ImagePolicyException,
    ending_soon,
    in_force,
    notice_at,
    refusal_of,
    state_of,
)
from tidegate.policy.model import ExceptableCheck, NamespacedExceptions
from tidegate.policy.snapshot import PolicySet, PolicySnapshot
from tidegate.policy.trust_stores import NO_TRUST

HOUR = timedelta(hours=1)
BROKEN = BrokenException(name="b", uid="u", generation=1, problems=("spec.reason: got nothing", "spec.checks: got 1"))


def names(found: Any) -> list[str]:
    return [one.label for one in found]


def own(name: str = "own", namespace: str = "shop", **changes: Any) -> ImagePolicyException:
    return exception(name, namespace=namespace, created_at=NOW, **changes)


def test_what_has_ended_or_is_broken_is_not_in_force():
    ended = exception("ended", expires_at=NOW)
    lasting = exception("lasting", expires_at=NOW + INSTANT)
    assert names(in_force([ended, BROKEN, lasting], NOW)) == ["lasting"]


def test_bounds_are_for_each_namespace_and_first_come_by_name(monkeypatch):
    monkeypatch.setattr(module, "MAX_EXCEPTIONS_OF_NAMESPACE", 2)
    monkeypatch.setattr(module, "MAX_CLUSTER_EXCEPTIONS", 1)
    hostile = [own(f"n{number}") for number in (3, 1, 2, 4)]
    ended = own("n0", expires_at=NOW)
    found = in_force([*hostile, ended, own("x", "bank"), exception("z"), exception("y")], NOW)
    assert names(found) == ["y", "bank/x", "shop/n1", "shop/n2"]


def test_all_namespaces_together_are_bounded_and_leave_room_for_the_cluster(monkeypatch):
    monkeypatch.setattr(module, "MAX_NAMESPACED_EXCEPTIONS", 2)
    found = in_force([own("a", f"n{number}") for number in range(5)] + [exception("z")], NOW)
    assert names(found) == ["z", "n0/a", "n1/a"]


@pytest.mark.parametrize(
    ("repository", "weight"), [("a", 0), ("**", 0), ("*", 1), ("a/**", 1), ("a/*/b*", 1), ("a/**/b*", 10), ("***", 10)]
)
def test_a_pattern_weighs_what_its_comparison_takes(repository, weight):
    assert exception(images=(ecr(repository),)).patterns == weight


def test_patterns_of_a_namespace_are_bounded(monkeypatch):
    """Names without a star, and every repository, cost next to nothing and do not count."""
    monkeypatch.setattr(module, "MAX_PATTERNS_OF_NAMESPACE", 2)
    starry = (ecr("a/*", "b/**"),)
    plain = (ecr("a", "b"), ecr(), host("ghcr.io", "c"))
    given = [own("a", images=starry), own("b", images=(ecr("c/*"),)), own("c", images=plain), exception(images=starry)]
    assert names(in_force(given, NOW)) == ["allowed", "shop/a", "shop/c"]


@pytest.mark.parametrize(
    ("lifetime", "notice"),
    [
        pytest.param(None, NOTICE, id="of unknown age"),
        pytest.param(4 * HOUR, 24 * MINUTE, id="break glass"),
        pytest.param(10 * DAY, NOTICE, id="ten days"),
        pytest.param(90 * DAY, NOTICE, id="ninety days"),
    ],
)
def test_an_exception_ends_soon_in_its_last_day_or_tenth(lifetime, notice):
    created = None if lifetime is None else NOW
    one = exception(created_at=created, expires_at=NOW + (lifetime or 10 * DAY))
    assert notice_at(one) == one.expires_at - notice
    begins = one.expires_at - notice
    assert [names(ending_soon([one, BROKEN], at)) for at in (begins - INSTANT, begins, one.expires_at)] == [
        [],
        ["allowed"],
        [],
    ]


def test_the_first_to_end_comes_first():
    given = [exception("b", expires_at=NOW + 2 * HOUR), exception("a", expires_at=NOW + HOUR)]
    assert names(ending_soon(given, NOW)) == ["a", "b"]


PERMITTED = NamespacedExceptions(checks=frozenset({ExceptableCheck.VULNERABILITIES}), max_duration=DAY)
REFUSALS = [
    pytest.param(exception(), None, "", id="of the cluster"),
    pytest.param(own(), PERMITTED, "", id="permitted"),
    pytest.param(own(), None, "policy full permits no exceptions from namespaces", id="nothing is permitted"),
    pytest.param(
        own(vulnerabilities=("CVE-1",)),
        PERMITTED,
        "policy full permits namespaces no exceptions from vulnerabilities by id",
        id="by id",
    ),
    pytest.param(
        own(checks=(ExceptableCheck.VULNERABILITIES, ExceptableCheck.TAGS)),
        PERMITTED,
        "policy full permits namespaces no exceptions from tags",
        id="another check",
    ),
    pytest.param(
        own(expires_at=NOW + DAY + INSTANT),
        PERMITTED,
        "policy full permits namespaces no exceptions of more than 1d",
        id="too long",
    ),
]


@pytest.mark.parametrize(("one", "permitted", "why"), REFUSALS)
def test_what_a_policy_permits_to_namespaces(one, permitted, why):
    assert refusal_of(full_policy(namespaced_exceptions=permitted), one, NOW) == why


def test_of_an_object_that_no_api_server_has_seen_the_time_that_is_left_counts():
    one = exception(namespace="shop", expires_at=NOW + 2 * DAY)
    policy = full_policy(namespaced_exceptions=PERMITTED)
    assert refusal_of(policy, one, NOW)
    assert not refusal_of(policy, one, NOW + DAY)


def state(one: Any, *policies: Any, is_in_force: bool = True) -> tuple[ExceptionState, str]:
    return state_of(one, {policy.name: policy for policy in policies}, NOW, is_in_force=is_in_force)


def test_the_state_says_what_an_exception_does():
    assert state(exception(), full_policy()) == (
        ExceptionState.ACTIVE,
        "the exception is in force until 2026-06-02T12:00:00Z",
    )
    assert state(exception(policies=("full", "gone")), full_policy()) == (
        ExceptionState.ACTIVE,
        "the exception is in force until 2026-06-02T12:00:00Z, but not for every policy: there is no valid policy gone",
    )
    assert state(exception(expires_at=NOW), full_policy())[0] is ExceptionState.EXPIRED
    assert state(BROKEN) == (ExceptionState.INVALID, "spec.reason: got nothing; spec.checks: got 1")
    assert state(exception(), full_policy(), is_in_force=False)[0] is ExceptionState.TOO_MANY
    assert state(exception()) == (
        ExceptionState.NOT_PERMITTED,
        "the exception has no effect: there is no valid policy full",
    )
    assert state(own(), full_policy())[0] is ExceptionState.NOT_PERMITTED


def test_everything_must_fit():
    one, policy = exception(images=(ecr("team/*"),)), full_policy()
    image = parse_reference("123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/app:v1")
    elsewhere = parse_reference("123456789012.dkr.ecr.eu-west-1.amazonaws.com/other/app:v1")
    assert one.applies_to(policy, image, NOW)
    assert not one.applies_to(policy, elsewhere, NOW)
    assert not one.applies_to(full_policy("other"), image, NOW)
    assert not one.applies_to(policy, image, one.expires_at)


def snapshot(*exceptions: ImagePolicyException, policies: Any = None) -> PolicySnapshot:
    return PolicySnapshot.of(policies or [full_policy(), full_policy("other")], NO_TRUST, exceptions)


def test_a_namespace_gets_the_exceptions_that_apply_in_it():
    found = snapshot(
        exception("by-name"),
        exception("by-glob", namespaces=globs("sh*")),
        exception("elsewhere", namespaces=globs("bank")),
        exception("from-nothing", policies=("gone",)),
        own("mine"),
        own("theirs", "bank"),
    )
    assert names(found.for_namespace("shop", {}).exceptions) == ["by-name", "by-glob", "shop/mine"]
    assert names(found.for_namespace("bank", {}).exceptions) == ["elsewhere", "bank/theirs"]
    assert found.for_namespace("none", {}).exceptions == ()


def test_namespaces_share_a_set_only_with_the_same_exceptions():
    """Verdicts are remembered by set: one that rests on an exception is none for a namespace without it."""
    found = snapshot(exception(), own("mine", "cart"))
    shop, cart, bank, deli = (found.for_namespace(name, {}) for name in ("shop", "cart", "bank", "deli"))
    assert bank is deli
    assert len({shop, cart, bank}) == 3


def test_the_revision_tells_exceptions_apart():
    given: list[tuple[ImagePolicyException, ...]] = [
        (),
        (exception("a"),),
        (exception("b"),),
        (exception("a", uid="other"),),
        (exception("a", generation=2),),
        (own("a"),),
        (exception("a"), exception("b")),
    ]
    assert len({snapshot(*one).revision for one in given}) == len(given)


def test_a_set_without_exceptions_has_none():
    assert PolicySet.of([broken()]).exceptions == ()
