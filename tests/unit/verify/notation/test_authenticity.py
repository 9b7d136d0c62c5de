"""Trust needs an anchor in the chain and an identity on the leaf; one never stands in for the other."""

from collections.abc import Sequence
from datetime import timedelta

import pytest

from tests.simulator.pki.certificates import authority, issue, name
from tests.simulator.pki.envelopes import AUTHORITY_SCHEME, SIGNED_AT, X509_SCHEME, sign
from tests.unit.verify.notation.world import NOW, failed_step, refusal, signer, statement, stores, verify
from tidegate.verify.notation.trust_store.store import CertificateStores
from tidegate.verify.step import Conclusion

LEAF = signer()
OTHER = authority("Other").root


@pytest.mark.parametrize("place", [pytest.param(place, id=f"N54-anchor-{place}") for place in range(3)])
def test_any_certificate_of_the_chain_may_be_the_anchor(place: int):
    """A root, an intermediate or the leaf of a self-signed chain: byte for byte the stored one."""
    anchor = LEAF.chain[place]
    if place == 0:
        # A leaf of an authority can be in no store; a self-signed one can.
        anchor = issue("alone")
        assert verify(sign(anchor), trusted=stores(ca=anchor)).conclusion is Conclusion.VERIFIED
        return
    assert verify(sign(LEAF), trusted=stores(ca=anchor)).conclusion is Conclusion.VERIFIED


@pytest.mark.parametrize(
    ("trusted", "scheme", "expected", "conclusion"),
    [
        pytest.param(
            stores(ca=OTHER),
            X509_SCHEME,
            "the signature's certificate chain does not contain any trusted certificate",
            Conclusion.FAILED,
            id="N54-other-root",
        ),
        pytest.param(
            stores(ca=issue("Root CA", ca=True, kind="p384")),
            X509_SCHEME,
            "does not contain any trusted certificate",
            Conclusion.FAILED,
            id="N54-root-of-that-name",
        ),
        pytest.param(
            stores(ca=issue("Root CA", ca=True)),
            X509_SCHEME,
            "does not contain any trusted certificate",
            Conclusion.FAILED,
            id="N54-same-key-other-certificate",
        ),
        pytest.param(
            stores(ca=OTHER, signingAuthority=LEAF.root),
            X509_SCHEME,
            "does not contain any trusted certificate",
            Conclusion.FAILED,
            id="N54-signing-authority-store-for-x509",
        ),
        pytest.param(
            stores(ca=LEAF.root, signingAuthority=OTHER),
            AUTHORITY_SCHEME,
            "does not contain any trusted certificate",
            Conclusion.FAILED,
            id="N54-ca-store-for-a-signing-authority",
        ),
        pytest.param(
            CertificateStores(),
            X509_SCHEME,
            'the trust store "acme" of type "ca" does not exist',
            Conclusion.INCONCLUSIVE,
            id="N54-no-store",
        ),
    ],
)
def test_a_chain_without_an_anchor_is_refused(
    trusted: CertificateStores, scheme: str, expected: str, conclusion: Conclusion
):
    """The scheme decides the kind of store, and only the very certificate counts."""
    policy = statement(stores=("ca:acme", "signingAuthority:acme"))
    outcome = verify(sign(LEAF, scheme=scheme), policy=policy, trusted=trusted)
    assert expected in refusal(outcome)
    assert outcome.conclusion is conclusion
    assert failed_step(outcome) == 2


@pytest.mark.parametrize("named", [pytest.param(["tsa:acme"], id="N54-only-timestamp-stores")])
def test_a_timestamp_root_anchors_no_signature(named: Sequence[str]):
    """With no store of the scheme's kind there is nothing to compare with."""
    outcome = verify(sign(LEAF), policy=statement(stores=named), trusted=stores(tsa=LEAF.root, ca=LEAF.root))
    assert "no trusted certificates are found to verify authenticity" in refusal(outcome)
    assert outcome.conclusion is Conclusion.INCONCLUSIVE


@pytest.mark.parametrize(
    "identity",
    [
        pytest.param("x509.subject: C=US, ST=WA, O=Example", id="N55-part-of-the-subject"),
        pytest.param("x509.subject: CN=signer p256, O=Example, S=WA, C=US", id="N55-whole-subject"),
        pytest.param("*", id="N55-anybody"),
    ],
)
def test_a_trusted_subject_is_verified(identity: str):
    """All attributes of the identity are on the leaf."""
    outcome = verify(sign(LEAF), policy=statement(identities=[identity]))
    assert outcome.conclusion is Conclusion.VERIFIED
    assert outcome.signer is not None
    assert outcome.signer.subject == "CN=signer p256,O=Example,ST=WA,C=US"


@pytest.mark.parametrize(
    ("identities", "expected"),
    [
        pytest.param(
            ["x509.subject: C=US, ST=WA, O=Example, CN=other", "x509.subject: C=DE, ST=BE, O=Example"],
            "does not match the X.509 trusted identities",
            id="N55-none-of-two",
        ),
        pytest.param(
            ["x509.subject: C=US, ST=WA, O=example"], "does not match the X.509 trusted identities", id="N55-case"
        ),
        pytest.param(
            ["x509.subject: C=US, ST=WA, O=Example, CN=Root Intermediate 1"],
            "does not match the X.509 trusted identities",
            id="N55-subject-of-the-issuer",
        ),
        pytest.param(
            ["arn:aws:signer:eu-west-1:123456789012:/signing-profiles/a"],
            'no x509 trusted identities are configured in the trust policy "policy"',
            id="N55-only-identities-of-plugins",
        ),
    ],
)
def test_another_subject_is_refused(identities: Sequence[str], expected: str):
    """Only the leaf's subject counts, character by character."""
    outcome = verify(sign(LEAF), policy=statement(identities=identities))
    assert expected in refusal(outcome)
    assert failed_step(outcome) == 7
    assert outcome.signer is None
    assert outcome.claimed_subject == "CN=signer p256,O=Example,ST=WA,C=US"


@pytest.mark.parametrize("parts", [pytest.param({"ST": ""}, id="N55-leaf-without-a-state")])
def test_a_leaf_with_half_a_name_matches_nothing(parts: dict[str, str]):
    """The specification demands country, state and organisation of it."""
    leaf = issue("leaf", authority(), subject=name("leaf", **parts))
    policy = statement(identities=["x509.subject: C=US, ST=WA, O=Example"])
    outcome = verify(sign(leaf), policy=policy, trusted=stores(ca=leaf.root))
    assert "error while parsing the certificate subject from the digital signature" in refusal(outcome)


EXPIRES = SIGNED_AT + timedelta(days=10)


@pytest.mark.parametrize(
    ("offset", "good"),
    [
        pytest.param(-1, True, id="N56-a-second-before"),
        pytest.param(0, False, id="N56-at-that-very-second"),
        pytest.param(1, False, id="N56-a-second-after"),
    ],
)
def test_a_signature_expires(offset: int, *, good: bool):
    """The expiry is the first moment at which the signature does not count."""
    outcome = verify(sign(LEAF, expiry=EXPIRES), now=EXPIRES + timedelta(seconds=offset))
    if good:
        assert outcome.conclusion is Conclusion.VERIFIED
        assert outcome.good_until == EXPIRES
    else:
        assert 'digital signature has expired on "Tue, 10 Feb 2026 00:00:00 +0000"' in refusal(outcome)
        assert failed_step(outcome) == 8


def test_without_expiry_certificates_bound_the_answer():
    """A verdict holds no longer than the certificates that were judged at the present moment."""
    assert verify(sign(LEAF), now=NOW).good_until == min(c.certificate.not_valid_after_utc for c in LEAF.chain)
