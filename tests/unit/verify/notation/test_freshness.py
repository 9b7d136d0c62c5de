"""What of a revocation service is worth keeping, and until when."""

from datetime import timedelta

import pytest
from cryptography.x509 import ocsp

from tests.simulator.pki.certificates import issue
from tests.simulator.pki.revocation import NOW, crl, ocsp_answer, ocsp_question, ocsp_refusal
from tidegate.errors import UndeterminedError
from tidegate.verify.notation.revocation.freshness import good_until
from tidegate.verify.notation.revocation.material import MAX_CRL_BYTES, MAX_OCSP_BYTES, CrlQuestion, OcspQuestion

ROOT = issue("Root", ca=True)
LEAF = issue("leaf", ROOT)
OCSP, CRL = (
    OcspQuestion(url="http://ocsp.test", request=ocsp_question(LEAF)),
    CrlQuestion(url="http://crl.test/root.crl"),
)
LATER = NOW + timedelta(hours=2)


@pytest.mark.parametrize("status", ["good", "revoked"])
def test_an_answer_counts_until_its_next_update_whatever_it_says(status):
    assert good_until(OCSP, ocsp_answer(LEAF, status=status, next_update=LATER), now=LATER) == LATER


def test_so_does_a_list():
    assert good_until(CRL, crl(ROOT, next_update=LATER), now=LATER) == LATER


@pytest.mark.parametrize(
    ("question", "answer", "words"),
    [
        pytest.param(OCSP, b"<html>", "malformed OCSP answer", id="a page for people, from a responder"),
        pytest.param(CRL, b"<html>", "malformed CRL", id="a page for people, in the place of a list"),
        pytest.param(OCSP, b"", "malformed OCSP answer", id="nothing"),
        pytest.param(OCSP, crl(ROOT), "malformed OCSP answer", id="a list from a responder"),
        pytest.param(CRL, ocsp_answer(LEAF), "malformed CRL", id="a responder's answer in the place of a list"),
        pytest.param(OCSP, ocsp_refusal(), "OCSP try later", id="a responder that is busy"),
        pytest.param(
            OCSP, ocsp_refusal(ocsp.OCSPResponseStatus.UNAUTHORIZED), "OCSP unauthorized", id="one that will not"
        ),
        pytest.param(OCSP, ocsp_answer(LEAF, next_update=None), "without the time", id="no next update"),
        pytest.param(
            OCSP,
            ocsp_answer(LEAF, next_update=NOW - timedelta(seconds=1)),
            "was to be renewed",
            id="an answer of the past",
        ),
        pytest.param(OCSP, ocsp_answer(issue("other", ROOT)), "about another certificate", id="another certificate"),
        pytest.param(OCSP, ocsp_answer(LEAF, status="unknown"), "does not know", id="a certificate that is not known"),
        pytest.param(OCSP, ocsp_answer(LEAF, this_update=LATER), "from the future", id="an answer of the future"),
        pytest.param(CRL, crl(ROOT, last_update=LATER), "from the future", id="a list of the future"),
        pytest.param(CRL, crl(ROOT, next_update=NOW - timedelta(seconds=1)), "was to be renewed", id="an old list"),
        pytest.param(OCSP, bytes(MAX_OCSP_BYTES + 1), "bytes", id="too long an answer"),
        pytest.param(CRL, bytes(MAX_CRL_BYTES + 1), "bytes", id="too long a list"),
    ],
)
def test_what_is_no_answer_is_not_worth_keeping(question, answer, words):
    with pytest.raises(UndeterminedError, match=words):
        good_until(question, answer, now=NOW)


def test_an_answer_about_two_certificates_is_none():
    def twice(data):
        data["responses"].append(data["responses"][0])

    with pytest.raises(UndeterminedError, match="more than one part"):
        good_until(OCSP, ocsp_answer(LEAF, edit=twice), now=NOW)
