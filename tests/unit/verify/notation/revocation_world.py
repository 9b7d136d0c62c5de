"""Chains that name revocation services, and their standing by given answers."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from tests.simulator.pki.certificates import Identity, authority, issue
from tests.simulator.pki.revocation import NOW
from tidegate.verify.notation.revocation.chain import ChainStanding, chain_standing
from tidegate.verify.notation.revocation.material import (
    CrlQuestion,
    NoAnswer,
    OcspQuestion,
    Question,
    RevocationMaterial,
)
from tidegate.verify.notation.signer import SignerAnswer
from tidegate.verify.notation.x509.certificate import load_certificate

Answer = bytes | SignerAnswer | NoAnswer
OCSP_URL, OTHER_OCSP_URL = "http://ocsp.test/a", "http://ocsp.test/b"
CRL_URL, OTHER_CRL_URL, DELTA_URL = "http://crl.test/a.crl", "http://crl.test/b.crl", "http://crl.test/delta.crl"
DOWN = NoAnswer(reason="timeout")
NEXT = NOW + timedelta(days=1)
CA = authority()
BY_CRL = issue("by CRL", CA, crl_urls=[CRL_URL])


def judge(
    leaf: Identity,
    answers: dict[str, bytes | NoAnswer] | None = None,
    *,
    ocsp: Sequence[bytes] = (),
    crls: Sequence[bytes] = (),
    signed: datetime | None = None,
) -> ChainStanding:
    """Return the standing of the leaf's chain with these answers by URL, and with others of unknown origin."""
    material: dict[Question, Answer] = {}
    chain = [load_certificate(identity.der) for identity in leaf.chain]
    found = answers or {}
    while True:
        standing = chain_standing(
            chain,
            RevocationMaterial(answers=material, ocsp=tuple(ocsp), crls=tuple(crls)),
            now=NOW,
            authentic_signing_time=signed,
        )
        known: dict[Question, Answer] = {
            question: found[question.url]
            for question in standing.questions
            if isinstance(question, OcspQuestion | CrlQuestion) and question.url in found
        }
        if not known:
            return standing
        material |= known


def urls(standing: ChainStanding) -> list[str]:
    return [question.url for question in standing.questions if isinstance(question, OcspQuestion | CrlQuestion)]


def reason(standing: ChainStanding) -> str:
    """Return why the leaf's standing is unknown."""
    ((certificate, text),) = standing.unknown
    assert certificate.subject.startswith("CN=by ")
    assert not standing.revoked
    assert standing.good_until is None
    return text
