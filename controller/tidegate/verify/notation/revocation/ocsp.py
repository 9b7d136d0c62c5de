"""OCSP answers, judged from their bytes for one certificate. Nothing is asked here."""

from datetime import datetime, timedelta
from hashlib import new as new_hash
from itertools import islice

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import ocsp

from tidegate.errors import Error, UndeterminedError, VerificationError
from tidegate.strict.parsing import reading
from tidegate.verify.notation.revocation.material import MAX_OCSP_BYTES, Standing
from tidegate.verify.notation.x509.authority_signature import verify_authority_signature
from tidegate.verify.notation.x509.certificate import Certificate, load_certificate
from tidegate.verify.notation.x509.chain import is_issued_by

CLOCK_SKEW = timedelta(minutes=5)
"""How far ahead of ours the clock of an OCSP responder or CRL issuer may be."""
MAX_DELEGATES = 8
"""Certificates in one answer that are tried as the responder's."""

_OCSP_SIGNING = "1.3.6.1.5.5.7.3.9"
# The certificate's identifier may use SHA-1: it names, it does not prove.
_IDENTIFIER_HASHES = frozenset({"sha1", "sha256", "sha384", "sha512"})


def ocsp_request(certificate: Certificate, issuer: Certificate) -> bytes:
    """Return the DER of a request for one certificate. SHA-1, since many responders know no other identifier."""
    with reading("no OCSP request can be made"):
        builder = ocsp.OCSPRequestBuilder().add_certificate(certificate.parsed, issuer.parsed, SHA1())  # noqa: S303
        return builder.build().public_bytes(Encoding.DER)


def ocsp_standing(
    answer: bytes,
    certificate: Certificate,
    issuer: Certificate,
    *,
    now: datetime,
    authentic_signing_time: datetime | None = None,
) -> Standing:
    """Return what the answer says of the certificate; raise UndeterminedError when it does not count.

    ``authentic_signing_time`` is that of a signing authority: a signature made before the certificate became invalid
    stays good. Source: RFC 6960, section 3.2; Notary Project trust policy specification, "OCSP".
    """
    # N66
    if len(answer) > MAX_OCSP_BYTES:
        raise UndeterminedError(f"OCSP answer of {len(answer)} bytes, more than {MAX_OCSP_BYTES}")
    try:
        with reading("malformed OCSP answer"):
            return _standing(answer, certificate, issuer, now, authentic_signing_time)
    except VerificationError as error:
        raise UndeterminedError(str(error)) from error


def _standing(
    answer: bytes, certificate: Certificate, issuer: Certificate, now: datetime, signing_time: datetime | None
) -> Standing:
    response = ocsp.load_der_ocsp_response(answer)
    if response.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
        raise UndeterminedError(f"OCSP {response.response_status.name.lower().replace('_', ' ')}")
    _check_signature(response, issuer, now)
    single = _single(response)
    _check_subject(single, certificate, issuer)
    if single.next_update_utc is None or now > single.next_update_utc:
        raise UndeterminedError("expired OCSP response")
    if single.this_update_utc > now + CLOCK_SKEW:
        raise UndeterminedError("OCSP response from the future")
    if single.certificate_status is ocsp.OCSPCertStatus.UNKNOWN:
        raise UndeterminedError("OCSP responder does not know the certificate")
    good = single.certificate_status is ocsp.OCSPCertStatus.GOOD
    revoked = not good and not _was_signed_before(response.single_extensions, signing_time)
    return Standing(revoked=revoked, good_until=single.next_update_utc)


def _single(response: ocsp.OCSPResponse) -> ocsp.OCSPSingleResponse:
    """Return the one part of an answer whose critical extensions are all understood.

    We ask about one certificate: of several parts two might be about it and disagree.
    """
    singles = list(islice(response.responses, 2))
    if len(singles) != 1:
        raise UndeterminedError("OCSP answer with more than one part or none")
    extensions = [*response.extensions, *response.single_extensions]
    if any(each.critical and not isinstance(each.value, x509.InvalidityDate) for each in extensions):
        raise UndeterminedError("unsupported critical extension found in OCSP answer")
    return singles[0]


def _check_subject(single: ocsp.OCSPSingleResponse, certificate: Certificate, issuer: Certificate) -> None:
    """Check that the answer is about this certificate of this issuer: serial number and both hashes of the issuer."""
    name, key = single.hash_algorithm.name, _key_bits(issuer)
    if (
        single.serial_number != certificate.serial
        or name not in _IDENTIFIER_HASHES
        or single.issuer_name_hash != new_hash(name, issuer.subject_der, usedforsecurity=False).digest()
        or single.issuer_key_hash != new_hash(name, key, usedforsecurity=False).digest()
    ):
        raise UndeterminedError("OCSP answer is about another certificate")


def _key_bits(issuer: Certificate) -> bytes:
    """Return the bits of the issuer's public key without algorithm and headers, which identifiers hash."""
    kind = PublicFormat.PKCS1
    encoding = Encoding.DER
    if not hasattr(issuer.public_key, "curve"):
        return issuer.public_key.public_bytes(encoding, kind)
    return issuer.public_key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def _check_signature(response: ocsp.OCSPResponse, issuer: Certificate, now: datetime) -> None:
    """Check that the issuer signed the answer, or a responder that the very issuer delegated to."""
    digest = response.signature_hash_algorithm
    hash_name = None if digest is None else digest.name
    for signer in (issuer, *_delegates(response, issuer, now)):
        try:
            verify_authority_signature(signer.public_key, response.signature, response.tbs_response_bytes, hash_name)
        except Error:
            continue
        return
    raise UndeterminedError("OCSP answer is signed neither by the issuer nor by a responder of the issuer")


def _delegates(response: ocsp.OCSPResponse, issuer: Certificate, now: datetime) -> list[Certificate]:
    """Return the certificates in the answer that the issuer made for signing OCSP answers, and that are valid."""
    found = []
    for parsed in response.certificates[:MAX_DELEGATES]:
        certificate = load_certificate(parsed.public_bytes(Encoding.DER))
        usage, purposes = certificate.key_usage, certificate.extended_key_usage
        may_sign = usage is None or "DigitalSignature" in usage.names
        delegated = purposes is not None and _OCSP_SIGNING in purposes.identifiers
        if may_sign and delegated and certificate.is_valid_at(now) and is_issued_by(certificate, issuer):
            found.append(certificate)
    return found


def _was_signed_before(extensions: x509.Extensions, signing_time: datetime | None) -> bool:
    """Tell whether a signing authority's signature is older than the date from which the certificate is invalid."""
    if signing_time is None:
        return False
    for extension in extensions:
        if isinstance(extension.value, x509.InvalidityDate):
            return signing_time < extension.value.invalidity_date_utc
    return False
