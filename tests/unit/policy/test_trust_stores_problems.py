"""What a policy relies on and cannot, in words for whoever wrote it."""

from typing import Any

import pytest

from tests.unit.policy.examples import FULL, SCANNED, with_spec
from tests.unit.policy.signature_examples import (
    KEYLESS,
    KMS,
    NOTATION,
    P256,
    any_of,
    attested,
    by_notation,
    by_sigstore,
)
from tidegate.policy.parse import compile_policy, parse_policy
from tidegate.policy.trust_problems import authorities_of, kms_keys_of, named_trust_stores, trust_problems
from tidegate.policy.trust_stores import NO_TRUST, BrokenTrustStore, StoreType, TrustSnapshot, TrustStore

BROKEN = BrokenTrustStore(name="broken", uid="", generation=1, problems=("the certificate is malformed", "and more"))


def store(name: str, type_: StoreType) -> TrustStore:
    return TrustStore(name=name, uid="", generation=1, type=type_)


def trust(key: bytes | str | None = None) -> TrustSnapshot:
    stores = [store(type_.value.lower(), type_) for type_ in StoreType]
    return TrustSnapshot.of([*stores, BROKEN], {} if key is None else {KMS: key})


def problems(spec: dict[str, Any], snapshot: TrustSnapshot) -> tuple[str, ...]:
    return trust_problems(parse_policy(with_spec(spec)), snapshot)


KEYED = {"key": {"kms": KMS}, "trustedRoot": "sigstore"}
CASES: dict[str, tuple[dict[str, Any], TrustSnapshot, tuple[str, ...]]] = {
    "no signatures": (SCANNED, NO_TRUST, ()),
    "every kind of store of Notation": (by_notation(trustStores=["ca", "signingauthority", "tsa"]), trust(), ()),
    "a signing authority alone": (by_notation(trustStores=["signingauthority"]), trust(), ()),
    "a missing store": (
        by_notation(trustStores=["ca", "acme"]),
        trust(),
        ("authority a: trust store acme does not exist",),
    ),
    "a broken store": (
        by_notation(trustStores=["broken", "ca"]),
        trust(),
        ("authority a: trust store broken is invalid; see its status",),
    ),
    "a trusted root for Notation": (
        by_notation(trustStores=["sigstore", "ca"]),
        trust(),
        ("authority a: trust store sigstore has type sigstore, expected ca, signingAuthority or tsa",),
    ),
    "timestamp authorities alone": (
        by_notation(trustStores=["tsa"]),
        trust(),
        ("authority a: all of its trust stores have type tsa, expected at least one of type ca or signingAuthority",),
    ),
    "a trusted root": (by_sigstore(**KEYLESS | {"trustedRoot": "sigstore"}), trust(), ()),
    "a missing trusted root": (
        by_sigstore(**KEYLESS),
        trust(),
        ("authority a: trust store public-good does not exist",),
    ),
    "certificates for Sigstore": (
        by_sigstore(**KEYLESS | {"trustedRoot": "ca"}),
        trust(),
        ("authority a: trust store ca has type ca, expected sigstore",),
    ),
    "a key that needs nothing": (
        by_sigstore(key={"pem": P256}, transparencyLog="NotRequired"),
        NO_TRUST,
        (),
    ),
    "a key that was read": (by_sigstore(**KEYED), trust(key=b"pem"), ()),
    "a key that was not read yet": (
        by_sigstore(**KEYED),
        trust(),
        (f"authority a: key {KMS}: it has not been read yet",),
    ),
    "a key that could not be read": (by_sigstore(**KEYED), trust(key="denied"), (f"authority a: key {KMS}: denied",)),
    "several authorities": (
        any_of(
            {"name": "a", "notation": NOTATION | {"trustStores": ["x"]}},
            {"name": "b", "sigstore": KEYLESS | {"trustedRoot": "y"}},
        ),
        trust(),
        ("authority a: trust store x does not exist", "authority b: trust store y does not exist"),
    ),
    "an attestation's own authority": (
        {"attestations": [{"name": "s", "predicateType": "t", "anyOf": [{"name": "own", "sigstore": KEYLESS}]}]},
        trust(),
        ("authority own: trust store public-good does not exist",),
    ),
    "an authority that an attestation names": (
        attested(),
        TrustSnapshot.of([store("aws-signer", StoreType.SIGNING_AUTHORITY)]),
        ("authority ci: trust store public-good does not exist",),
    ),
}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_problems_of(case):
    spec, snapshot, expected = CASES[case]
    assert problems(spec, snapshot) == expected


def test_the_keys_of_all_policies_are_known_once():
    both = [parse_policy(with_spec(FULL, name=name)) for name in "ab"]
    assert kms_keys_of([*both, compile_policy(with_spec({})), parse_policy(with_spec(SCANNED))]) == (KMS,)


def test_every_authority_of_a_policy_is_looked_at_once():
    names = [authority.name for authority in authorities_of(parse_policy(with_spec(FULL)))]
    assert names == ["aws-signer", "ci", "keyed", "kms", "builder", "scanner", "scanner-key", "scanner-kms"]


def test_the_trust_stores_of_all_policies_are_known_once():
    both = [parse_policy(with_spec(FULL, name=name)) for name in "ab"]
    named = named_trust_stores([*both, compile_policy(with_spec({})), parse_policy(with_spec(SCANNED))])
    assert named == ("acme", "acme-tsa", "aws-signer", "public-good")
