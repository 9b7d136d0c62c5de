"""Which service decides about a chain: OCSP first, CRLs where it does not answer, and what is asked next."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509

from tests.simulator.pki.certificates import EPOCH, Identity, issue
from tests.simulator.pki.revocation import NOW, crl, entry, ocsp_answer
from tests.unit.verify.notation.revocation_world import (
    BY_CRL,
    CA,
    CRL_URL,
    DOWN,
    NEXT,
    OCSP_URL,
    OTHER_CRL_URL,
    OTHER_OCSP_URL,
    judge,
    reason,
    urls,
)
from tidegate.errors import UndeterminedError, VerificationError
from tidegate.verify.notation.revocation.chain import MAX_LOOSE, MAX_REASONS, chain_standing, check_standing
from tidegate.verify.notation.revocation.material import CrlQuestion, NoAnswer, RevocationMaterial
from tidegate.verify.notation.x509.certificate import load_certificate

BY_OCSP = issue("by OCSP", CA, ocsp_urls=[OCSP_URL])
BY_TWO = issue("by two responders", CA, ocsp_urls=[OCSP_URL, OTHER_OCSP_URL])
BY_EITHER = issue("by either", CA, ocsp_urls=[OCSP_URL], crl_urls=[CRL_URL])
DATE = EPOCH + timedelta(days=20)


@pytest.mark.parametrize(
    "leaf",
    [
        pytest.param(issue("plain", CA), id="N64-no-service"),
        pytest.param(issue("alone"), id="N64-self-signed"),
        pytest.param(issue("odd root leaf", issue("loud root", ca=True, crl_urls=[CRL_URL])), id="N64-root-not-asked"),
    ],
)
def test_certificates_without_a_service_are_good(leaf: Identity):
    """They are counted; the root is not even looked at: nobody above could revoke it."""
    standing = judge(leaf)
    check_standing(standing, "certificate")
    assert len(standing.unrevokable) == len(leaf.chain) - 1
    assert (standing.questions, standing.good_until) == ((), None)


@pytest.mark.parametrize(
    ("leaf", "answers", "good", "asked"),
    [
        pytest.param(BY_OCSP, {}, None, [OCSP_URL], id="N64-ocsp-is-asked"),
        pytest.param(BY_OCSP, {OCSP_URL: ocsp_answer(BY_OCSP)}, True, [], id="N64-ocsp-says-good"),
        pytest.param(
            BY_OCSP, {OCSP_URL: ocsp_answer(BY_OCSP, status="revoked")}, False, [], id="N64-ocsp-says-revoked"
        ),
        pytest.param(BY_OCSP, {OCSP_URL: DOWN}, None, [], id="N64-ocsp-down"),
        pytest.param(BY_TWO, {}, None, [OCSP_URL, OTHER_OCSP_URL], id="N64-both-responders-are-asked"),
        pytest.param(BY_TWO, {OCSP_URL: DOWN}, None, [OTHER_OCSP_URL], id="N64-second-responder-is-asked"),
        pytest.param(
            BY_TWO, {OCSP_URL: DOWN, OTHER_OCSP_URL: ocsp_answer(BY_TWO)}, True, [], id="N64-second-responder-says-good"
        ),
        pytest.param(BY_TWO, {OTHER_OCSP_URL: ocsp_answer(BY_TWO)}, True, [], id="N64-one-responder-is-enough"),
        pytest.param(BY_CRL, {}, None, [CRL_URL], id="N64-crl-is-asked"),
        pytest.param(BY_CRL, {CRL_URL: crl(CA)}, True, [], id="N64-crl-says-good"),
        pytest.param(BY_CRL, {CRL_URL: crl(CA, [entry(BY_CRL)])}, False, [], id="N64-crl-says-revoked"),
        pytest.param(BY_CRL, {CRL_URL: DOWN}, None, [], id="N64-crl-down"),
        pytest.param(BY_EITHER, {CRL_URL: DOWN}, None, [OCSP_URL], id="N64-ocsp-is-asked-first"),
        pytest.param(BY_EITHER, {OCSP_URL: DOWN}, None, [CRL_URL], id="N64-crl-is-asked-when-ocsp-is-down"),
        pytest.param(
            BY_EITHER,
            {OCSP_URL: ocsp_answer(BY_EITHER, status="unknown")},
            None,
            [CRL_URL],
            id="N64-crl-is-asked-when-ocsp-does-not-know",
        ),
        pytest.param(BY_EITHER, {OCSP_URL: b"<html>"}, None, [CRL_URL], id="N64-crl-is-asked-when-ocsp-is-garbage"),
        pytest.param(BY_EITHER, {OCSP_URL: DOWN, CRL_URL: crl(CA)}, True, [], id="N64-crl-in-place-of-ocsp-good"),
        pytest.param(
            BY_EITHER,
            {OCSP_URL: DOWN, CRL_URL: crl(CA, [entry(BY_EITHER)])},
            False,
            [],
            id="N64-crl-in-place-of-ocsp-revoked",
        ),
        pytest.param(BY_EITHER, {OCSP_URL: DOWN, CRL_URL: DOWN}, None, [], id="N64-both-down"),
        pytest.param(
            BY_EITHER,
            {OCSP_URL: ocsp_answer(BY_EITHER), CRL_URL: crl(CA, [entry(BY_EITHER)])},
            True,
            [],
            id="N64-ocsp-decides-where-it-answers",
        ),
    ],
)
def test_services_are_asked_in_turn(
    leaf: Identity, answers: dict[str, bytes | NoAnswer], good: bool | None, asked: list[str]
):
    """``good`` is None for what is not known, which is neither good nor revoked."""
    standing = judge(leaf, answers)
    assert urls(standing) == asked
    assert bool(standing.revoked) is (good is False)
    assert bool(standing.unknown) is (good is None)
    assert standing.good_until == (NEXT if good else None)


@pytest.mark.parametrize(
    ("services", "expected"),
    [
        *(
            pytest.param({"ocsp_urls": [url]}, "OCSP server protocol of", id=f"N65-ocsp-{label}")
            for label, url in {
                "https": "https://ocsp.test",
                "ldap": "ldap://ocsp.test",
                "file": "file:///etc/a",
            }.items()
        ),
        *(
            pytest.param({"crl_urls": [url]}, "Only supports CRL URL in HTTP protocol", id=f"N65-crl-{label}")
            for label, url in {"https": "https://crl.test", "ldap": "ldap://crl.test", "file": "file:///etc/a"}.items()
        ),
    ],
)
def test_only_http_is_spoken(services: dict[str, Any], expected: str):
    """Another protocol is not asked, and its certificate is not taken for one without a service."""
    standing = judge(issue("by odd means", CA, **services))
    assert standing.questions == ()
    assert expected in reason(standing)


@pytest.mark.parametrize("scheme", [pytest.param(scheme, id=f"N65-{scheme}") for scheme in ("HTTP", "Http")])
def test_a_scheme_has_no_case(scheme: str):
    """As URLs have it."""
    assert urls(judge(issue("by OCSP", CA, ocsp_urls=[f"{scheme}://ocsp.test"]))) == [f"{scheme}://ocsp.test"]


@pytest.mark.parametrize(
    ("leaf", "loose", "good"),
    [
        pytest.param(BY_OCSP, {"ocsp": [ocsp_answer(BY_OCSP)]}, True, id="N64-ocsp-file"),
        pytest.param(
            BY_OCSP,
            {"ocsp": [ocsp_answer(BY_OCSP), ocsp_answer(BY_OCSP, status="revoked")]},
            False,
            id="N64-of-two-files-the-revocation",
        ),
        pytest.param(BY_OCSP, {"ocsp": [ocsp_answer(BY_EITHER)]}, None, id="N64-ocsp-file-of-another"),
        pytest.param(BY_CRL, {"crls": [crl(CA.root), b"junk", crl(CA)]}, True, id="N64-crl-file-among-others"),
        pytest.param(BY_CRL, {"crls": [crl(CA, [entry(BY_CRL)])]}, False, id="N64-crl-file-revoked"),
        pytest.param(
            BY_CRL,
            {"crls": [crl(CA, number=1), crl(CA, [entry(BY_CRL)], number=2)]},
            False,
            id="N64-the-newest-crl-file",
        ),
        pytest.param(BY_CRL, {"crls": [crl(CA.root)]}, None, id="N64-crl-file-of-another"),
        pytest.param(
            BY_CRL, {"crls": [crl(CA, scope={"url": OTHER_CRL_URL})]}, None, id="N64-crl-file-for-another-url"
        ),
        pytest.param(BY_CRL, {"crls": [b"junk"] * MAX_LOOSE + [crl(CA)]}, None, id="N64-too-many-crl-files"),
        pytest.param(
            BY_OCSP, {"ocsp": [b"junk"] * MAX_LOOSE + [ocsp_answer(BY_OCSP)]}, None, id="N64-too-many-answers"
        ),
    ],
)
def test_answers_of_unknown_origin_count_by_what_they_say(leaf: Identity, loose: dict[str, Any], good: bool | None):
    """As from files: what is signed in them tells what they are for; where none fits, the service is asked."""
    standing = judge(leaf, **loose)
    assert bool(standing.revoked) is (good is False)
    assert bool(standing.unknown) is (good is None)
    assert bool(standing.questions) is (good is None)


def test_a_list_that_was_fetched_comes_before_files():
    """Even beside a file with a later number: the URL names the list that holds."""
    material = RevocationMaterial(
        answers={CrlQuestion(url=CRL_URL): crl(CA, [entry(BY_CRL)])}, crls=(crl(CA, number=9),)
    )
    assert chain_standing([load_certificate(one.der) for one in BY_CRL.chain], material, now=NOW).revoked


@pytest.mark.parametrize(
    ("leaf", "url", "make"),
    [
        pytest.param(
            BY_OCSP, OCSP_URL, lambda: ocsp_answer(BY_OCSP, status="revoked", invalid_from=DATE), id="N66-invalidity"
        ),
        pytest.param(BY_CRL, CRL_URL, lambda: crl(CA, [entry(BY_CRL, invalid_from=DATE)]), id="N67-invalidity"),
    ],
)
def test_an_authentic_time_before_the_invalidity_saves_a_signature(leaf: Identity, url: str, make):
    """The time is passed on to either service's answer."""
    before = DATE - timedelta(seconds=1)
    assert judge(leaf, {url: make()}, signed=before).good_until == NEXT
    assert judge(leaf, {url: make()}, signed=DATE).revoked
    assert judge(leaf, {url: make()}).revoked


REVOKED_CA = issue("by its root", CA.root, ca=True, crl_urls=[OTHER_CRL_URL])
UNDER_IT = issue("by CRL", REVOKED_CA, crl_urls=[CRL_URL])


@pytest.mark.parametrize(
    ("leaf_list", "ca_list", "error", "expected"),
    [
        pytest.param([], [], None, "", id="N68-all-good"),
        pytest.param([entry(UNDER_IT)], [], VerificationError, 'subject "CN=by CRL,', id="N68-leaf-revoked"),
        pytest.param(
            [], [entry(REVOKED_CA)], VerificationError, 'subject "CN=by its root,', id="N68-authority-revoked"
        ),
        pytest.param(None, [entry(REVOKED_CA)], VerificationError, "is revoked", id="N68-revoked-outweighs-unknown"),
        pytest.param(None, [], UndeterminedError, "revocation status is unknown: CRL: timeout", id="N68-leaf-unknown"),
        pytest.param([], None, UndeterminedError, 'subject "CN=by its root,', id="N68-authority-unknown"),
    ],
)
def test_the_worst_certificate_decides(
    leaf_list: Sequence[x509.RevokedCertificate] | None,
    ca_list: Sequence[x509.RevokedCertificate] | None,
    error: type[Exception] | None,
    expected: str,
):
    """Any revoked one, then any unknown one."""
    answers = {
        CRL_URL: DOWN if leaf_list is None else crl(REVOKED_CA, leaf_list),
        OTHER_CRL_URL: DOWN if ca_list is None else crl(CA.root, ca_list, next_update=NOW + timedelta(hours=1)),
    }
    standing = judge(UNDER_IT, answers)
    if error is None:
        check_standing(standing, "certificate")
        assert standing.good_until == NOW + timedelta(hours=1)
    else:
        with pytest.raises(error, match="certificate with subject ") as caught:
            check_standing(standing, "certificate")
        assert expected in str(caught.value)


def test_n68_what_was_not_asked_yet_is_told_as_that():
    """Without an answer there is no other reason."""
    assert reason(judge(BY_OCSP)) == "no answer available"


def test_every_certificate_is_asked_about_at_once():
    """One round of questions for the whole chain, each question once."""
    assert urls(judge(UNDER_IT)) == [CRL_URL, OTHER_CRL_URL]
    twice = issue("by CRL", issue("by its root", CA.root, ca=True, crl_urls=[CRL_URL]), crl_urls=[CRL_URL])
    assert urls(judge(twice)) == [CRL_URL]


@pytest.mark.parametrize("count", [pytest.param(MAX_REASONS + 3, id="N68-many-reasons")])
def test_few_reasons_are_told(count: int):
    """A certificate with many dead responders makes no long message."""
    several = [f"http://ocsp.test/{number}" for number in range(count)]
    text = reason(judge(issue("by many", CA, ocsp_urls=several), dict.fromkeys(several, DOWN)))
    assert text.count("timeout") == MAX_REASONS
