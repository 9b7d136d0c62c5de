"""Which statement holds is decided by the repository alone, and a reference that is not in full decides nothing."""

import pytest

from tests.unit.verify.notation.world import NOW, TARGET, statement, stores
from tidegate.errors import VerificationError
from tidegate.verify.notation.procedure import verify_notation
from tidegate.verify.notation.trust_policy.document import read_trust_policy
from tidegate.verify.notation.trust_policy.statement import TrustPolicyDocument
from tidegate.verify.step import Conclusion, StepOutcome

DIGEST = "sha256:" + "0" * 64


def document(*scopes: str) -> TrustPolicyDocument:
    """Return a document with one statement a scope, named for it."""
    return read_trust_policy(
        {
            "version": "1.0",
            "trustPolicies": [
                {
                    "name": scope,
                    "registryScopes": [scope],
                    "signatureVerification": {"level": "strict"},
                    "trustStores": ["ca:acme"],
                    "trustedIdentities": ["*"],
                }
                for scope in scopes
            ],
        }
    )


@pytest.mark.parametrize(
    "reference",
    [
        pytest.param("registry.test/app:v1", id="N18-pitfall-9-4-tag"),
        pytest.param("registry.test/app", id="N18-pitfall-9-4-no-digest"),
        pytest.param("app@" + DIGEST, id="N18-no-registry"),
        pytest.param("https://registry.test/app@" + DIGEST, id="N18-scheme"),
        pytest.param("registry.test/app:v1@" + DIGEST, id="N18-tag-and-digest"),
        pytest.param("registry.test/app@sha256:00", id="N18-short-digest"),
        pytest.param("registry.test/app@" + DIGEST.upper(), id="N18-digest-in-upper-case"),
        pytest.param("registry.test/a@b@" + DIGEST, id="N18-two-at-signs"),
        pytest.param("registry.test/app@" + DIGEST + "\n", id="N18-line-break"),
        pytest.param("", id="N18-empty"),
    ],
)
def test_a_reference_must_be_in_full(reference: str):
    """Only ``domain/repository@digest`` selects anything, even where a global statement would take it all."""
    with pytest.raises(VerificationError, match=r"could not be parsed|is not valid"):
        document("registry.test/app", "*").select(reference)


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        pytest.param("registry.test/app", "registry.test/app", id="N19-exact"),
        pytest.param("REGISTRY.test/app", "registry.test/app", id="N19-domain-in-other-case"),
        pytest.param("registry.test/app/sub", "*", id="N19-below-is-not-the-same"),
        pytest.param("registry.test/ap", "*", id="N19-prefix-is-not-the-same"),
        pytest.param("registry.test:5000/app", "*", id="N19-port-counts"),
        pytest.param("other.test/app", "*", id="N19-global"),
    ],
)
def test_the_very_scope_comes_before_the_global_one(reference: str, expected: str):
    """An exact scope wins, whichever stands first; nothing in between matches."""
    assert document("*", "registry.test/app").select(f"{reference}@{DIGEST}").name == expected


@pytest.mark.parametrize("scope", [pytest.param("registry.test/app", id="N19-none-applies")])
def test_no_statement_is_no_permission(scope: str):
    """An image that no statement is about is not trusted."""
    with pytest.raises(VerificationError, match="has no applicable oci trust policy statement"):
        document(scope).select(f"registry.test/other@{DIGEST}")


@pytest.mark.parametrize("envelope", [pytest.param(b"garbage", id="N20-skip-looks-at-nothing")])
def test_skip_is_neither_verified_nor_failed(envelope: bytes):
    """At level skip no step runs, and the conclusion says so."""
    policy = statement(level="skip", stores=(), identities=())
    outcome = verify_notation(envelope, "text/plain", TARGET, policy, stores(), now=NOW)
    assert outcome.conclusion is Conclusion.SKIPPED
    assert {record.outcome for record in outcome.steps} == {StepOutcome.SKIPPED}
    assert outcome.signer is None
