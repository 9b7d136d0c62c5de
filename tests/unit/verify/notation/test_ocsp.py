"""OCSP answers: only a current one, about this certificate, by somebody whom the issuer named, says anything."""

from collections.abc import Callable
from datetime import datetime, timedelta
from hashlib import sha224
from typing import Any

import pytest
from asn1crypto import core
from asn1crypto import ocsp as asn1_ocsp
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import ocsp

from tests.simulator.pki.certificates import CODE_SIGNING, EPOCH, Identity, authority, issue
from tests.simulator.pki.revocation import NOW, ocsp_answer, ocsp_refusal, responder, with_single_extension
from tidegate.errors import UndeterminedError
from tidegate.verify.notation.revocation.material import MAX_OCSP_BYTES, Standing
from tidegate.verify.notation.revocation.ocsp import CLOCK_SKEW, MAX_DELEGATES, ocsp_request, ocsp_standing
from tidegate.verify.notation.x509.certificate import load_certificate

SECOND = timedelta(seconds=1)
CA = authority()
LEAF = issue("leaf", CA, purposes=[CODE_SIGNING])
OTHER = issue("other", CA)
STRANGER = authority("Stranger")
IMPOSTOR = issue("impostor", STRANGER, ca=True, subject=CA.certificate.subject)
NEXT = NOW + timedelta(days=1)
UNSIGNED = "signed neither by the issuer nor by a responder of the issuer"


def judge(answer: bytes, *, now: datetime = NOW, signed: datetime | None = None, about: Identity = LEAF) -> Standing:
    assert about.issuer is not None
    certificate, issuer = load_certificate(about.der), load_certificate(about.issuer.der)
    return ocsp_standing(answer, certificate, issuer, now=now, authentic_signing_time=signed)


def delegate(issuer: Identity = CA, **options: Any) -> bytes:
    """Return an answer by a responder of the issuer with these options."""
    return ocsp_answer(LEAF, signer=responder(issuer, **options))


def repeat(data: Any) -> None:
    data["responses"] = [data["responses"][0], data["responses"][0]]


def none(data: Any) -> None:
    data["responses"] = []


def identified(**fields: Any) -> Callable[[Any], None]:
    """Return an edit that changes how the answer names its certificate."""

    def edit(data: Any) -> None:
        for label, value in fields.items():
            data["responses"][0]["cert_id"][label] = value

    return edit


def nonce(*, critical: bool) -> Callable[[Any], None]:
    def edit(data: Any) -> None:
        value = core.ParsableOctetString(core.OctetString(b"0123456789abcdef").dump())
        data["response_extensions"] = [{"extn_id": "nonce", "critical": critical, "extn_value": value}]

    return edit


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(ocsp_answer(LEAF), id="N66-by-the-issuer"),
        pytest.param(delegate(), id="N66-by-a-responder-of-the-issuer"),
        pytest.param(delegate(usage=False), id="N66-by-a-responder-without-usages"),
        pytest.param(delegate(kind="rsa2048"), id="N66-by-a-responder-with-an-rsa-key"),
        pytest.param(
            ocsp_answer(LEAF, signer=responder(CA), digest="sha512"), id="N66-by-a-responder-with-another-hash"
        ),
        *(
            pytest.param(ocsp_answer(LEAF, identifier_hash=name), id=f"N66-issuer-by-{name}")
            for name in ("sha1", "sha256", "sha384", "sha512")
        ),
        pytest.param(ocsp_answer(LEAF, edit=nonce(critical=False)), id="N66-nonce-that-nobody-asked-for"),
        pytest.param(
            ocsp_answer(LEAF, edit=with_single_extension("1.2.3.4", core.Null().dump())),
            id="N66-unknown-extension-that-may-be-ignored",
        ),
        pytest.param(
            ocsp_answer(
                LEAF,
                edit=with_single_extension("invalidity_date", core.GeneralizedTime(NOW).dump(), critical=True),
            ),
            id="N66-critical-extension-that-is-understood",
        ),
    ],
)
def test_a_good_answer_counts_until_its_next_update(answer: bytes):
    """Signed by the issuer's key, or one that the issuer certified for this."""
    assert judge(answer) == Standing(revoked=False, good_until=NEXT)


@pytest.mark.parametrize("kind", [pytest.param(kind, id=f"N66-issuer-{kind}") for kind in ("rsa2048", "p384", "p521")])
def test_the_issuers_key_is_hashed_without_its_headers(kind: str):
    """Whatever its kind: what is hashed are the bits of the key alone."""
    about = issue("leaf", authority(kind=kind))
    for hash_name in ("sha1", "sha256"):
        assert not judge(ocsp_answer(about, identifier_hash=hash_name), about=about).revoked


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        *(
            pytest.param(ocsp_refusal(status), f"OCSP {words}", id=f"N66-{words.replace(' ', '-')}")
            for status, words in {
                ocsp.OCSPResponseStatus.TRY_LATER: "try later",
                ocsp.OCSPResponseStatus.UNAUTHORIZED: "unauthorized",
                ocsp.OCSPResponseStatus.INTERNAL_ERROR: "internal error",
                ocsp.OCSPResponseStatus.MALFORMED_REQUEST: "malformed request",
                ocsp.OCSPResponseStatus.SIG_REQUIRED: "sig required",
            }.items()
        ),
        pytest.param(ocsp_answer(LEAF, status="unknown"), "does not know the certificate", id="N66-unknown"),
        pytest.param(ocsp_answer(LEAF, next_update=None), "expired OCSP response", id="N66-no-next-update"),
        pytest.param(ocsp_answer(OTHER), "is about another certificate", id="N66-other-serial"),
        pytest.param(
            ocsp_answer(LEAF, issuer=STRANGER, signer=responder(CA)),
            "is about another certificate",
            id="N66-other-issuer",
        ),
        pytest.param(
            ocsp_answer(LEAF, issuer=IMPOSTOR, signer=responder(CA)),
            "is about another certificate",
            id="N66-issuer-of-that-name-with-another-key",
        ),
        pytest.param(
            ocsp_answer(LEAF, edit=identified(issuer_name_hash=b"x" * 20)),
            "is about another certificate",
            id="N66-issuer-with-that-key-under-another-name",
        ),
        pytest.param(
            ocsp_answer(LEAF, edit=identified(hash_algorithm={"algorithm": "md5"})),
            "malformed OCSP answer",
            id="N66-issuer-by-md5",
        ),
        pytest.param(
            ocsp_answer(
                LEAF,
                edit=identified(
                    hash_algorithm={"algorithm": "sha224"},
                    issuer_name_hash=sha224(CA.certificate.subject.public_bytes()).digest(),
                    issuer_key_hash=sha224(
                        CA.key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
                    ).digest(),
                ),
            ),
            "is about another certificate",
            id="N66-issuer-by-a-hash-that-does-not-count",
        ),
        pytest.param(ocsp_answer(LEAF, edit=repeat), "more than one part or none", id="N66-two-parts"),
        pytest.param(ocsp_answer(LEAF, edit=none), "more than one part or none", id="N66-no-part"),
        pytest.param(
            ocsp_answer(LEAF, edit=nonce(critical=True)), "unsupported critical extension", id="N66-critical-nonce"
        ),
        pytest.param(
            ocsp_answer(LEAF, edit=with_single_extension("1.2.3.4", core.Null().dump(), critical=True)),
            "unsupported critical extension",
            id="N66-critical-extension-of-the-part",
        ),
        pytest.param(b"", "malformed OCSP answer", id="N66-empty"),
        pytest.param(b"<html>", "malformed OCSP answer", id="N66-a-page"),
        pytest.param(ocsp_answer(LEAF)[:-1], "malformed OCSP answer", id="N66-cut"),
        pytest.param(b"0" * (MAX_OCSP_BYTES + 1), "bytes, more than", id="N65-too-large"),
    ],
)
def test_what_does_not_count_is_no_answer(answer: bytes, expected: str):
    """Never good, and never revoked either."""
    with pytest.raises(UndeterminedError, match=expected):
        judge(answer)


def test_the_largest_answer_is_read():
    """At the bound the bytes are still looked at."""
    with pytest.raises(UndeterminedError, match="malformed"):
        judge(b"0" * MAX_OCSP_BYTES)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(ocsp_answer(LEAF, signer=OTHER), id="N66-by-a-leaf-of-the-issuer"),
        pytest.param(delegate(STRANGER), id="N66-responder-of-another-issuer"),
        pytest.param(delegate(CA.root), id="N66-responder-of-the-root"),
        pytest.param(ocsp_answer(LEAF, signer=responder(IMPOSTOR)), id="N66-responder-of-an-issuer-of-that-name"),
        pytest.param(ocsp_answer(LEAF, signer=responder(responder(CA))), id="N66-responder-of-a-responder"),
        pytest.param(delegate(purposes=None), id="N66-responder-without-purposes"),
        pytest.param(delegate(purposes=[CODE_SIGNING]), id="N66-responder-for-other-purposes"),
        pytest.param(delegate(usages=("key_agreement",)), id="N66-responder-that-may-not-sign"),
        pytest.param(delegate(not_after=NOW - SECOND), id="N66-expired-responder"),
        pytest.param(delegate(not_before=NOW + SECOND), id="N66-responder-not-yet-valid"),
        pytest.param(
            ocsp_answer(LEAF, signer=responder(CA), with_certificates=False), id="N66-responder-without-certificate"
        ),
        pytest.param(ocsp_answer(LEAF, signer=STRANGER), id="N66-stranger"),
        pytest.param(ocsp_answer(LEAF, digest="sha1"), id="N66-sha1-signature"),
    ],
)
def test_only_the_issuer_and_its_responders_are_heard(answer: bytes):
    """A certificate for OCSP signing by anybody else, or for anything else, gives no say."""
    with pytest.raises(UndeterminedError, match=UNSIGNED):
        judge(answer)


@pytest.mark.parametrize(
    "validity",
    [
        pytest.param({"not_after": NOW}, id="N66-responder-in-its-last-second"),
        pytest.param({"not_before": NOW}, id="N66-responder-in-its-first-second"),
    ],
)
def test_a_responder_counts_while_its_certificate_is_valid(validity: dict[str, Any]):
    """The first and the last second of its validity are part of it."""
    assert not judge(delegate(**validity)).revoked


@pytest.mark.parametrize("before", [pytest.param(MAX_DELEGATES - 1, id="N66-responder-in-the-last-place-tried")])
def test_few_certificates_of_an_answer_are_tried(before: int):
    """A responder's certificate behind too many others is not found: each costs a signature."""
    signer = responder(CA)

    def crowded(count: int) -> bytes:
        answer = asn1_ocsp.OCSPResponse.load(ocsp_answer(LEAF, signer=signer))
        basic = answer["response_bytes"]["response"].parsed
        own = basic["certs"][0]
        basic["certs"] = [type(own).load(OTHER.der)] * count + [own]
        return asn1_ocsp.OCSPResponse(  # type: ignore[no-any-return]
            {
                "response_status": "successful",
                "response_bytes": {"response_type": "basic_ocsp_response", "response": basic},
            }
        ).dump(force=True)

    assert not judge(crowded(before)).revoked
    with pytest.raises(UndeterminedError, match=UNSIGNED):
        judge(crowded(before + 1))


@pytest.mark.parametrize(
    ("now", "this_update", "expected"),
    [
        pytest.param(NEXT, NOW, None, id="N66-at-the-next-update"),
        pytest.param(NEXT + SECOND, NOW, "expired OCSP response", id="N66-after-the-next-update"),
        pytest.param(NOW, NOW + CLOCK_SKEW, None, id="N66-responder-ahead-within-the-skew"),
        pytest.param(NOW, NOW + CLOCK_SKEW + SECOND, "OCSP response from the future", id="N66-responder-ahead-by-more"),
    ],
)
def test_an_answer_has_its_time(now: datetime, this_update: datetime, expected: str | None):
    """Both ends, and the skew of a responder's clock."""
    answer = ocsp_answer(LEAF, this_update=this_update, next_update=NEXT)
    if expected is None:
        assert not judge(answer, now=now).revoked
    else:
        with pytest.raises(UndeterminedError, match=expected):
            judge(answer, now=now)


INVALID = EPOCH + timedelta(days=20)


@pytest.mark.parametrize(
    ("signed", "invalid_from", "revoked"),
    [
        pytest.param(None, None, True, id="N66-revoked"),
        pytest.param(INVALID, None, True, id="N66-revoked-without-a-date"),
        pytest.param(None, INVALID, True, id="N66-invalidity-without-an-authentic-time"),
        pytest.param(INVALID - SECOND, INVALID, False, id="N66-signed-before-the-invalidity"),
        pytest.param(INVALID, INVALID, True, id="N66-signed-in-the-second-of-the-invalidity"),
        pytest.param(INVALID + SECOND, INVALID, True, id="N66-signed-after-the-invalidity"),
    ],
)
def test_a_revoked_certificate(signed: datetime | None, invalid_from: datetime | None, *, revoked: bool):
    """A signature whose time is vouched for stays good when the certificate became invalid later."""
    answer = ocsp_answer(LEAF, status="revoked", invalid_from=invalid_from)
    assert judge(answer, signed=signed) == Standing(revoked=revoked, good_until=NEXT)


@pytest.mark.parametrize("identifier", [pytest.param("1.2.3.4", id="N66-revoked-with-another-extension")])
def test_other_extensions_excuse_nothing(identifier: str):
    """A revoked certificate is not saved by an extension that says something else."""
    edit = with_single_extension(identifier, core.Null().dump())
    assert judge(ocsp_answer(LEAF, status="revoked", edit=edit), signed=EPOCH).revoked


@pytest.mark.parametrize("place", [pytest.param(place, id=f"N66-altered-{place}") for place in (60, 120, -1)])
def test_an_altered_answer_is_refused(place: int):
    """Whatever byte is altered, be it the status from revoked to good."""
    answer = bytearray(ocsp_answer(LEAF, status="revoked"))
    answer[place] ^= 1
    with pytest.raises(UndeterminedError):
        judge(bytes(answer))


@pytest.mark.parametrize("kind", [pytest.param("request", id="N66-request")])
def test_the_request_names_certificate_and_issuer(kind: str):
    """One certificate, by SHA-1, which every responder knows; no nonce, so that answers can be kept."""
    made = ocsp.load_der_ocsp_request(ocsp_request(load_certificate(LEAF.der), load_certificate(CA.der)))
    assert kind
    assert made.serial_number == LEAF.certificate.serial_number
    assert isinstance(made.hash_algorithm, SHA1)
    assert len(made.extensions) == 0
