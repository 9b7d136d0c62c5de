"""The whole procedure: which step stops it, what levels and overrides change, and that "logged" is never "verified"."""

from collections.abc import Sequence

import pytest

from tests.simulator.pki.certificates import Identity, issue
from tests.simulator.pki.envelopes import sign
from tests.simulator.pki.revocation import crl, entry
from tests.unit.verify.notation.world import refusal, stores, verify
from tidegate.verify.notation.outcome import Conclusion, NotationOutcome
from tidegate.verify.notation.revocation_material import CrlQuestion, NoAnswer, Question, RevocationMaterial
from tidegate.verify.notation.signer import SignerAnswer

Answer = bytes | SignerAnswer | NoAnswer
LEAF_CRL, ISSUER_CRL, FOREIGN_CRL = (f"http://crl.test/{label}.crl" for label in ("leaf", "issuer", "foreign"))
ROOT = issue("Root", ca=True)
ISSUER = issue("Issuer", ROOT, ca=True, crl_urls=[ISSUER_CRL])
LEAF = issue("leaf", ISSUER, crl_urls=[LEAF_CRL])


def asked(outcome: NotationOutcome) -> list[str]:
    """Return the URLs that verification wants to be asked."""
    return [question.url for question in outcome.questions if isinstance(question, CrlQuestion)]


def answers(**found: bytes) -> RevocationMaterial:
    """Return answers for the URLs of the leaf, of its issuer and of a foreign one."""
    urls = {"leaf": LEAF_CRL, "issuer": ISSUER_CRL, "foreign": FOREIGN_CRL}
    material: dict[Question, Answer] = {CrlQuestion(url=urls[label]): content for label, content in found.items()}
    return RevocationMaterial(answers=material)


FOREIGN_ROOT = issue("Foreign Root", ca=True)


def certified_anew(identity: Identity) -> Identity:
    """Return what anybody can make of an authority: a certificate for its name and key, issued by himself."""
    return issue(
        "anew",
        FOREIGN_ROOT,
        ca=True,
        subject=identity.certificate.subject,
        own_key=identity.key,
        crl_urls=[FOREIGN_CRL],
    )


@pytest.mark.parametrize(
    ("anchor", "chain", "expected"),
    [
        pytest.param(ROOT, LEAF.chain, [LEAF_CRL, ISSUER_CRL], id="N68-anchored-by-the-root"),
        pytest.param(ISSUER, LEAF.chain, [LEAF_CRL, ISSUER_CRL], id="N68-anchored-by-the-issuer-itself-asked-about"),
        pytest.param(
            ISSUER,
            (LEAF, ISSUER, certified_anew(ROOT), FOREIGN_ROOT),
            [LEAF_CRL, ISSUER_CRL],
            id="N68-nothing-above-the-anchor-is-asked",
        ),
    ],
)
def test_only_urls_that_the_anchor_vouches_for_are_asked(
    anchor: Identity, chain: Sequence[Identity], expected: list[str]
):
    """Above the anchor stands whatever the bearer put there: its URLs are his, and asking them is his wish."""
    envelope = sign(LEAF, chain=tuple(identity.der for identity in chain))
    outcome = verify(envelope, trusted=stores(ca=anchor))
    assert outcome.conclusion is Conclusion.INCONCLUSIVE
    assert asked(outcome) == expected


@pytest.mark.parametrize(
    "chain",
    [
        pytest.param(LEAF.chain, id="N68-revoked-anchor"),
        pytest.param((LEAF, ISSUER, certified_anew(ROOT), FOREIGN_ROOT), id="N68-revoked-anchor-under-another-root"),
    ],
)
def test_an_anchor_below_the_root_can_be_revoked(chain: Sequence[Identity]):
    """By the authority that issued it, whichever certificate of that authority is shown."""
    envelope = sign(LEAF, chain=tuple(identity.der for identity in chain))
    trusted, good = stores(ca=ISSUER), crl(ISSUER)
    outcome = verify(envelope, trusted=trusted, revocation=answers(leaf=good, issuer=crl(ROOT, [entry(ISSUER)])))
    assert 'signing certificate with subject "CN=Issuer,O=Example,ST=WA,C=US" is revoked' in refusal(outcome)
    assert verify(envelope, trusted=trusted, revocation=answers(leaf=good, issuer=crl(ROOT))).conclusion is (
        Conclusion.VERIFIED
    )
