"""Until when an answer of a revocation service is valid by its own dates, before its signature is verified.

That decides whether it is an answer at all and how long it is kept: an invalid answer must not replace an earlier one.
``ocsp`` and ``crl`` verify it later, when the certificates are known.
"""

from datetime import datetime
from itertools import islice

from cryptography import x509
from cryptography.x509 import ocsp

from tidegate.errors import UndeterminedError, VerificationError
from tidegate.strict.parsing import reading
from tidegate.strict.quotation import quoted_time
from tidegate.verify.notation.revocation.material import MAX_CRL_BYTES, MAX_OCSP_BYTES, CrlQuestion, OcspQuestion
from tidegate.verify.notation.revocation.ocsp import CLOCK_SKEW


def good_until(question: OcspQuestion | CrlQuestion, answer: bytes, *, now: datetime) -> datetime:
    """Return the time of the next update; raise UndeterminedError for what decides nothing.

    That is what is no answer, one of the past or the future, and one about another certificate or about an unknown one.
    """
    is_crl = isinstance(question, CrlQuestion)
    if len(answer) > (MAX_CRL_BYTES if is_crl else MAX_OCSP_BYTES):
        raise UndeterminedError(f"an answer of {len(answer)} bytes")
    try:
        with reading("malformed CRL" if is_crl else "malformed OCSP answer"):
            until = _next_crl_update(answer, now) if is_crl else _next_ocsp_update(question, answer, now)
    except VerificationError as error:
        raise UndeterminedError(str(error)) from error
    if until is None:
        raise UndeterminedError("an answer without the time of the next update")
    if now > until:
        raise UndeterminedError(f"an answer that was to be renewed on {quoted_time(until)}")
    return until


def _next_crl_update(answer: bytes, now: datetime) -> datetime | None:
    crl = x509.load_der_x509_crl(answer)
    if crl.last_update_utc > now + CLOCK_SKEW:
        raise UndeterminedError("CRL from the future")
    return crl.next_update_utc


def _next_ocsp_update(question: OcspQuestion | CrlQuestion, answer: bytes, now: datetime) -> datetime | None:
    assert isinstance(question, OcspQuestion)
    response = ocsp.load_der_ocsp_response(answer)
    if response.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
        raise UndeterminedError(f"OCSP {response.response_status.name.lower().replace('_', ' ')}")
    parts = list(islice(response.responses, 2))
    if len(parts) != 1:
        raise UndeterminedError("OCSP answer with more than one part or none")
    (part,) = parts
    if part.serial_number != ocsp.load_der_ocsp_request(question.request).serial_number:
        raise UndeterminedError("OCSP answer about another certificate")
    if part.certificate_status is ocsp.OCSPCertStatus.UNKNOWN:
        raise UndeterminedError("OCSP responder does not know the certificate")
    if part.this_update_utc > now + CLOCK_SKEW:
        raise UndeterminedError("OCSP response from the future")
    return part.next_update_utc
