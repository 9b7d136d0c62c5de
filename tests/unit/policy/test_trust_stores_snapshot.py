"""A TrustSnapshot is all trust at one moment. Its revision changes with every byte that a signature is verified by."""

from dataclasses import FrozenInstanceError, replace

import pytest

from tests.unit.policy.examples import SCANNED, with_spec
from tidegate.policy.parse import compile_policy
from tidegate.policy.snapshot import PolicySet, PolicySnapshot
from tidegate.policy.trust_stores import NO_TRUST, BrokenTrustStore, StoreType, TrustSnapshot, TrustStore

CA = TrustStore(name="acme", uid="1", generation=1, type=StoreType.CA, certificates=(b"one", b"two"))
SIGSTORE = TrustStore(name="sigstore", uid="2", generation=1, type=StoreType.SIGSTORE, trusted_root=b"{}")
BROKEN = BrokenTrustStore(name="acme", uid="1", generation=1, problems=("spec: bad",))
ARN = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd"

DIFFERENT: dict[str, TrustSnapshot] = {
    "nothing": TrustSnapshot.of([]),
    "one store": TrustSnapshot.of([CA]),
    "another name": TrustSnapshot.of([replace(CA, name="other")]),
    "another uid": TrustSnapshot.of([replace(CA, uid="3")]),
    "another generation": TrustSnapshot.of([replace(CA, generation=2)]),
    "another type": TrustSnapshot.of([replace(CA, type=StoreType.TSA)]),
    "another certificate": TrustSnapshot.of([replace(CA, certificates=(b"one", b"three"))]),
    "the same bytes in one file": TrustSnapshot.of([replace(CA, certificates=(b"onetwo",))]),
    "another order of files": TrustSnapshot.of([replace(CA, certificates=(b"two", b"one"))]),
    "two stores": TrustSnapshot.of([CA, SIGSTORE]),
    "a trusted root": TrustSnapshot.of([SIGSTORE]),
    "another trusted root": TrustSnapshot.of([replace(SIGSTORE, trusted_root=b"{ }")]),
    "an empty trusted root": TrustSnapshot.of([replace(SIGSTORE, trusted_root=b"")]),
    "no trusted root": TrustSnapshot.of([replace(SIGSTORE, trusted_root=None)]),
    "a broken store": TrustSnapshot.of([BROKEN]),
    "broken otherwise": TrustSnapshot.of([replace(BROKEN, problems=("spec: worse",))]),
    "a key": TrustSnapshot.of([], {ARN: b"pem"}),
    "another key": TrustSnapshot.of([], {ARN: b"mep"}),
    "no key, and why": TrustSnapshot.of([], {ARN: "pem"}),
    "no key, and why not in hexadecimal": TrustSnapshot.of([], {ARN: b"pem".hex()}),
}


def test_the_revision_tells_what_is_trusted_apart():
    revisions = {case: trust.revision for case, trust in DIFFERENT.items()}
    assert len(set(revisions.values())) == len(DIFFERENT), revisions


def test_the_revision_does_not_depend_on_the_order_of_the_list():
    keys: dict[str, bytes | str] = {ARN: b"pem", ARN + "5": "denied"}
    forth = TrustSnapshot.of([CA, SIGSTORE], keys)
    back = TrustSnapshot.of([SIGSTORE, CA], dict(reversed(keys.items())))
    assert forth.revision == back.revision
    assert list(forth.stores) == list(back.stores) == ["acme", "sigstore"]


def test_no_trust_is_one_value():
    assert TrustSnapshot.of([]) is NO_TRUST
    assert (NO_TRUST.revision, dict(NO_TRUST.stores), dict(NO_TRUST.keys)) == ("", {}, {})


def test_snapshots_are_told_apart_by_identity_and_cannot_be_changed():
    trust, same = TrustSnapshot.of([CA]), TrustSnapshot.of([CA])
    assert trust != same
    assert hash(trust) == object.__hash__(trust)
    with pytest.raises(FrozenInstanceError):
        trust.revision = ""  # type: ignore[misc]
    with pytest.raises(TypeError):
        trust.stores["other"] = CA  # type: ignore[index]


def test_policies_carry_the_trust_that_they_rely_on():
    policy = compile_policy(with_spec(SCANNED))
    trust = TrustSnapshot.of([CA])
    snapshot = PolicySnapshot.of([policy], trust)
    assert snapshot.trust is trust
    assert snapshot.for_namespace("shop", {}).trust is trust
    assert PolicySnapshot.of([policy]).trust is PolicySet.of([policy]).trust is NO_TRUST


def test_a_change_of_trust_is_a_change_of_the_policies():
    policy = compile_policy(with_spec(SCANNED))
    revisions = {case: PolicySnapshot.of([policy], trust).revision for case, trust in DIFFERENT.items()}
    assert len(set(revisions.values())) == len(DIFFERENT)
