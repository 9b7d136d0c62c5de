"""TrustStore objects: read whole with what they mean, or refused with every problem."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.policy.schema import TRUST_STORE_SPEC
from tests.unit.policy.trust_store_examples import ACCEPTED, CONFIG_MAP, PEM, REFUSED, TUF, by_map, inline, with_spec
from tidegate.errors import PolicyError
from tidegate.policy import trust_store_object as module
from tidegate.policy.objects import MAX_KEPT_PROBLEMS
from tidegate.policy.trust_store_object import (
    BuiltIn,
    ConfigMapSource,
    InlineCertificates,
    InlineTrustedRoot,
    StoreObject,
    TufRepository,
    parse_trust_store,
    read_trust_store,
)
from tidegate.policy.trust_stores import BrokenTrustStore, StoreType

MEANINGS: dict[str, tuple[dict[str, Any], StoreType, Any]] = {
    "certificates": (inline(PEM, PEM), StoreType.CA, InlineCertificates(texts=(PEM, PEM))),
    "a ConfigMap": (by_map("tsa"), StoreType.TSA, ConfigMapSource(name="acme-ca")),
    "a ConfigMap's keys": (
        by_map("tsa", namespace="trust", keys=["b", "a"]),
        StoreType.TSA,
        ConfigMapSource(name="acme-ca", namespace="trust", keys=("b", "a")),
    ),
    "AWS Signer": (
        {"type": "signingAuthority", "builtIn": "AWSSigner"},
        StoreType.SIGNING_AUTHORITY,
        BuiltIn.AWS_SIGNER,
    ),
    "a trusted root": (
        {"type": "sigstore", "trustedRoot": "{}"},
        StoreType.SIGSTORE,
        InlineTrustedRoot(text="{}"),
    ),
    "the public instance": ({"type": "sigstore", "publicGood": True}, StoreType.SIGSTORE, TufRepository()),
    "a TUF repository": (
        {"type": "sigstore", "tuf": TUF},
        StoreType.SIGSTORE,
        TufRepository(url=TUF["url"], root=TUF["root"]),
    ),
}


@pytest.mark.parametrize("case", MEANINGS, ids=str)
def test_what_is_written_is_what_is_meant(case):
    spec, type_, source = MEANINGS[case]
    read = parse_trust_store(with_spec(spec))
    assert (read.name, read.uid, read.generation, read.type, read.source) == ("acme", "7a2b", 2, type_, source)


@pytest.mark.parametrize("case", ACCEPTED, ids=str)
def test_accepts(case):
    assert isinstance(read_trust_store(with_spec(ACCEPTED[case])), StoreObject)


@pytest.mark.parametrize("case", REFUSED, ids=str)
def test_refuses(case):
    """A broken store keeps its name and says the problem."""
    refused = REFUSED[case]
    broken = read_trust_store(with_spec(refused.spec))
    assert isinstance(broken, BrokenTrustStore)
    assert (broken.name, broken.uid, broken.generation) == ("acme", "7a2b", 2)
    assert any(refused.problem in problem for problem in broken.problems), broken.problems


def test_every_problem_is_told_at_once():
    with pytest.raises(PolicyError) as caught:
        parse_trust_store(
            with_spec({"type": "x", "configMap": {"name": "A", "key": "a"}, "tuf": {}}, kind="ImagePolicy")
        )
    said = " | ".join(caught.value.problems)
    for path in ("kind:", "spec.type:", "spec.configMap.name:", "spec.configMap.key:", "spec.tuf.url:", "spec: got"):
        assert path in said


def test_a_fault_of_our_own_breaks_one_store_only(monkeypatch):
    def fail(_: object) -> None:
        raise KeyError

    monkeypatch.setattr(module, "parse_trust_store", fail)
    broken = read_trust_store(with_spec(inline(PEM)))
    assert isinstance(broken, BrokenTrustStore)
    assert "bug in tidegate" in broken.problems[0]


scalars = st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.sampled_from([PEM, "{}", "ca", "a"])
names = st.sampled_from(
    ["type", "builtIn", "certificates", "configMap", "keys", "name", "tuf", "url", "root", "spec", "metadata"]
)
data = st.recursive(
    scalars,
    lambda below: st.lists(below, max_size=4) | st.dictionaries(names | st.text(max_size=5), below, max_size=5),
    max_leaves=20,
)


@given(data, st.booleans())
def test_whatever_it_is_it_is_a_trust_store_or_a_broken_one(value, whole):
    read = read_trust_store(value if whole else with_spec(value))
    if isinstance(read, BrokenTrustStore):
        assert 0 < len(read.problems) <= MAX_KEPT_PROBLEMS + 1
        assert not any("bug in tidegate" in problem for problem in read.problems), read.problems
    else:
        assert read.source is not None


def test_the_examples_use_every_field():
    used = {name for spec in ACCEPTED.values() for name in spec}
    assert used == set(TRUST_STORE_SPEC["properties"])
    assert {name for spec in ACCEPTED.values() for name in spec.get("configMap", CONFIG_MAP)} == {
        "name",
        "namespace",
        "keys",
    }
