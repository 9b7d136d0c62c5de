"""A snapshot is all policies at one moment; before the first one nothing can be read, and nothing is not no policy."""

from dataclasses import FrozenInstanceError
from typing import Any

import pytest

from tests.unit.policy.examples import SCANNED, with_spec
from tidegate.errors import UndeterminedError
from tidegate.policy import snapshot as module
from tidegate.policy.parse import compile_policy
from tidegate.policy.snapshot import NotSyncedError, Policy, PolicySnapshot


def policy(name: str, **spec: Any) -> Policy:
    return compile_policy(with_spec(SCANNED | spec, name=name))


def broken(name: str, **spec: Any) -> Policy:
    return policy(name, mistake=True, **spec)


def test_nothing_can_be_read_before_the_first_sync():
    unsynced = PolicySnapshot.unsynced()
    assert not unsynced.synced
    with pytest.raises(NotSyncedError, match="have not been read yet; retry"):
        unsynced.for_namespace("shop", {})
    assert issubclass(NotSyncedError, UndeterminedError)


def test_a_cluster_without_policies_is_synced():
    empty = PolicySnapshot.of([])
    assert empty.synced
    assert len(empty.for_namespace("shop", {})) == 0


def test_a_namespace_gets_the_policies_that_match_it_in_order_of_their_names():
    snapshot = PolicySnapshot.of([policy("b"), broken("c"), policy("a"), policy("d", match={"namespaces": ["bank"]})])
    assert [one.name for one in snapshot.for_namespace("shop", {})] == ["a", "b", "c"]
    assert [one.name for one in snapshot.for_namespace("bank", {})] == ["a", "b", "c", "d"]
    assert [one.name for one in snapshot.policies] == ["a", "b", "c", "d"]
    assert [one.name for one in snapshot.broken] == ["c"]


def test_a_broken_policy_does_not_weaken_the_others():
    alone = PolicySnapshot.of([policy("a")]).for_namespace("shop", {})
    beside = PolicySnapshot.of([policy("a"), broken("b")]).for_namespace("shop", {})
    assert [one.name for one in alone] == ["a"]
    assert [one.name for one in beside] == ["a", "b"]


def test_unknown_labels_select_every_policy_that_they_could():
    snapshot = PolicySnapshot.of([policy("a", match={"namespaceSelector": {"matchLabels": {"team": "shop"}}})])
    assert len(snapshot.for_namespace("shop", {})) == 0
    assert len(snapshot.for_namespace("shop", None)) == 1


def test_labels_are_needed_only_where_a_policy_selects_by_them():
    by_label = policy("b", match={"namespaceSelector": {"matchLabels": {"team": "shop"}}})
    assert not PolicySnapshot.of([policy("a", match={"namespaces": ["shop"]})]).needs_labels
    assert PolicySnapshot.of([policy("a"), by_label]).needs_labels


def test_the_same_labels_object_is_answered_from_memory(monkeypatch):
    snapshot = PolicySnapshot.of([policy("a")])
    labels = {"team": "shop"}
    first = snapshot.for_namespace("shop", labels)
    monkeypatch.setattr(module, "namespace_matches", pytest.fail)
    assert snapshot.for_namespace("shop", labels) is first


def test_other_labels_are_matched_anew():
    snapshot = PolicySnapshot.of([policy("a", match={"namespaceSelector": {"matchLabels": {"team": "shop"}}})])
    assert len(snapshot.for_namespace("n", {"team": "shop"})) == 1
    assert len(snapshot.for_namespace("n", {"team": "bank"})) == 0
    assert len(snapshot.for_namespace("n", None)) == 1


def test_two_namespaces_with_the_same_labels_object_are_two():
    snapshot = PolicySnapshot.of([policy("a", match={"namespaces": ["shop"]})])
    labels: dict[str, str] = {}
    assert len(snapshot.for_namespace("shop", labels)) == 1
    assert len(snapshot.for_namespace("bank", labels)) == 0


def test_namespaces_with_the_same_policies_share_one_set():
    """Verdict memos key on the set, so that a thousand namespaces under one policy are one key."""
    snapshot = PolicySnapshot.of([policy("a"), policy("b", match={"namespaces": ["bank"]})])
    shop, cart, bank = (snapshot.for_namespace(name, {}) for name in ("shop", "cart", "bank"))
    assert shop is cart
    assert shop is not bank
    assert len({shop, cart, bank}) == 2


def test_sets_of_two_snapshots_are_never_the_same_key():
    policies = [policy("a")]
    one, other = (PolicySnapshot.of(policies).for_namespace("shop", {}) for _ in range(2))
    assert one != other
    assert PolicySnapshot.of(policies) != PolicySnapshot.of(policies)
    assert len({one, other}) == 2


def test_memory_is_bounded_and_forgets_the_least_recently_asked(monkeypatch):
    monkeypatch.setattr(module, "MAX_NAMESPACES", 2)
    snapshot = PolicySnapshot.of([policy("a")])
    labels: dict[str, str] = {}
    for name in ("one", "two", "one", "three"):
        snapshot.for_namespace(name, labels)
    assert list(snapshot._by_namespace) == ["one", "three"]


def test_sets_that_nobody_holds_are_forgotten(monkeypatch):
    monkeypatch.setattr(module, "MAX_NAMESPACES", 1)
    snapshot = PolicySnapshot.of([policy(name, match={"namespaces": [name]}) for name in ("a", "b", "c")])
    for name in ("a", "b", "c"):
        snapshot.for_namespace(name, {})
    assert len(snapshot._by_content) == 1


REVISIONS: dict[str, list[Policy]] = {
    "nothing": [],
    "one policy": [policy("a")],
    "another name": [policy("b")],
    "two policies": [policy("a"), policy("b")],
    "another uid": [compile_policy({"metadata": {"name": "a", "uid": "x", "generation": 3}, "spec": SCANNED})],
    "another generation": [
        compile_policy({"metadata": {"name": "a", "uid": "0f1e", "generation": 4}, "spec": SCANNED})
    ],
}


def test_the_revision_tells_snapshots_apart():
    revisions = {case: PolicySnapshot.of(policies).revision for case, policies in REVISIONS.items()}
    assert len(set(revisions.values())) == len(REVISIONS)
    assert PolicySnapshot.unsynced().revision not in revisions.values()


def test_the_revision_does_not_depend_on_the_order_of_the_list():
    forth, back = ([policy(name) for name in names] for names in ("ab", "ba"))
    assert PolicySnapshot.of(forth).revision == PolicySnapshot.of(back).revision


def test_a_snapshot_and_its_sets_cannot_be_changed():
    snapshot = PolicySnapshot.of([policy("a")])
    with pytest.raises(FrozenInstanceError):
        snapshot.synced = False  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        snapshot.for_namespace("shop", {}).policies = ()  # type: ignore[misc]
