"""The fingerprint of a requirement is the same in every process, and another one for any other content."""

import subprocess
import sys

import pytest

from tests.unit.policy.examples import FULL, with_spec
from tidegate.policy.model import ImagePolicy
from tidegate.policy.parse import parse_policy
from tidegate.policy.signatures import AttestationRules, NotationAuthority
from tidegate.policy.trust_stores import NO_TRUST, StoreType, TrustSnapshot, TrustStore
from tidegate.signing.fingerprint import fingerprint
from tidegate.signing.requirements import Requirement, requirements_of
from tidegate.verify.notation.trust_policy.level import Level, TimestampRule, ValidationAction, ValidationType

PLAIN = {"name": "release", "trust_stores": ("acme",), "trusted_identities": ("*",)}
ACME = TrustSnapshot.of([TrustStore(name="acme", uid="1", generation=1, type=StoreType.CA, certificates=(b"one",))])
OTHER = TrustSnapshot.of([TrustStore(name="acme", uid="1", generation=1, type=StoreType.CA, certificates=(b"two",))])
CHANGES = [
    {"name": "other"},
    {"trust_stores": ("acme", "more")},
    {"trusted_identities": ("x509.subject: CN=a",)},
    {"level": Level.AUDIT},
    {"overrides": {ValidationType.REVOCATION: ValidationAction.LOG}},
    {"verify_timestamp": TimestampRule.AFTER_CERT_EXPIRY},
    {"required_metadata": {"build": "1"}},
]


def requirement(trust=ACME, *, same_repository=False, attestation=None, **changes) -> Requirement:
    authority = NotationAuthority(**(PLAIN | changes))
    return Requirement(authority=authority, trust=trust, same_repository=same_repository, attestation=attestation)


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_another_authority_has_another_one(change):
    assert fingerprint(requirement(**change)) != fingerprint(requirement())
    assert fingerprint(requirement(**change)) == fingerprint(requirement(**change))


def test_another_trust_attestation_or_rule_about_repositories_has_another_one():
    rules = AttestationRules(name="sbom", predicate_type="https://cyclonedx.org/bom", any_of=())
    others = [
        requirement(OTHER),
        requirement(NO_TRUST),
        requirement(same_repository=True),
        requirement(attestation=rules),
    ]
    assert len({fingerprint(one) for one in [requirement(), *others]}) == 5


def all_of_full() -> list[str]:
    policy = parse_policy(with_spec(FULL))
    assert isinstance(policy, ImagePolicy)
    return [fingerprint(one) for one in requirements_of(policy, NO_TRUST).all]


def test_every_kind_of_requirement_has_one_of_its_own():
    found = all_of_full()
    assert len(set(found)) == len(found) > 4


def test_they_are_the_same_in_another_process():
    """Where texts have other hashes, so that sets have another order."""
    script = "from tests.unit.signing.test_fingerprint import all_of_full; print(*all_of_full())"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == all_of_full()
