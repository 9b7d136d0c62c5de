"""Revocation services as functions: OCSP answers and CRLs about given certificates, as bytes."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from asn1crypto import core
from asn1crypto import crl as asn1_crl
from asn1crypto import ocsp as asn1_ocsp
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from tests.simulator.pki.certificates import OCSP_SIGNING, Identity, issue
from tests.simulator.pki.digests import DIGESTS
from tests.simulator.pki.envelopes import SIGNED_AT

NOW = SIGNED_AT + timedelta(days=1)
"""When answers are made, unless a test says otherwise."""


def responder(issuer: Identity, **options) -> Identity:
    """Return an identity to which the issuer delegated the signing of OCSP answers."""
    return issue("OCSP responder", issuer, **({"purposes": [OCSP_SIGNING]} | options))


def ocsp_question(certificate: Identity) -> bytes:
    """Return a request for one certificate."""
    assert certificate.issuer is not None
    builder = ocsp.OCSPRequestBuilder()
    builder = builder.add_certificate(certificate.certificate, certificate.issuer.certificate, SHA1())
    return builder.build().public_bytes(Encoding.DER)


def ocsp_answer(
    certificate: Identity,
    *,
    status: str = "good",
    signer: Identity | None = None,
    issuer: Identity | None = None,
    with_certificates: bool = True,
    this_update: datetime = NOW - timedelta(hours=1),
    next_update: datetime | None = NOW + timedelta(days=1),
    revoked_at: datetime = NOW - timedelta(days=1),
    invalid_from: datetime | None = None,
    identifier_hash: str = "sha1",
    digest: str = "sha256",
    edit: Callable[[Any], None] | None = None,
) -> bytes:
    """Return an answer about the certificate: ``good``, ``revoked`` or ``unknown``.

    ``edit`` changes the response data (asn1crypto's) in place before they are signed.
    """
    by = issuer or certificate.issuer
    assert by is not None
    signing = signer or by
    statuses = {
        "good": ocsp.OCSPCertStatus.GOOD,
        "revoked": ocsp.OCSPCertStatus.REVOKED,
        "unknown": ocsp.OCSPCertStatus.UNKNOWN,
    }
    revoked = status == "revoked"
    builder = (
        ocsp.OCSPResponseBuilder()
        .add_response(
            cert=certificate.certificate,
            issuer=by.certificate,
            algorithm=DIGESTS[identifier_hash](),
            cert_status=statuses[status],
            this_update=this_update,
            next_update=next_update,
            revocation_time=revoked_at if revoked else None,
            revocation_reason=x509.ReasonFlags.key_compromise if revoked else None,
        )
        .responder_id(ocsp.OCSPResponderEncoding.HASH, signing.certificate)
    )
    if signing is not by and with_certificates:
        builder = builder.certificates([signing.certificate])
    # No library signs answers with SHA-1 any more: such a one is signed anew below.
    answer = builder.sign(signing.key, DIGESTS["sha256" if digest == "sha1" else digest]()).public_bytes(Encoding.DER)
    if invalid_from is not None:
        value = core.GeneralizedTime(invalid_from).dump()
        return _edited(answer, signing, with_single_extension("invalidity_date", value), digest)
    if edit is None and digest != "sha1":
        return answer
    return _edited(answer, signing, edit or (lambda _: None), digest)


def ocsp_refusal(status: ocsp.OCSPResponseStatus = ocsp.OCSPResponseStatus.TRY_LATER) -> bytes:
    """Return an answer that says that there will be none."""
    return ocsp.OCSPResponseBuilder.build_unsuccessful(status).public_bytes(Encoding.DER)


def with_single_extension(identifier: str, value: bytes, *, critical: bool = False) -> Callable[[Any], None]:
    """Return an edit that gives the first single answer this one extension; the builder knows none there."""

    def edit(data: Any) -> None:
        extension = {"extn_id": identifier, "critical": critical, "extn_value": core.ParsableOctetString(value)}
        data["responses"][0]["single_extensions"] = [extension]

    return edit


def _edited(answer: bytes, signer: Identity, edit: Callable[[Any], None], digest: str) -> bytes:
    """Return the answer with other data, signed anew."""
    basic = asn1_ocsp.OCSPResponse.load(answer)["response_bytes"]["response"].parsed
    edit(basic["tbs_response_data"])
    if digest == "sha1":
        basic["signature_algorithm"]["algorithm"] = "sha1_ecdsa"
    basic["signature"] = core.OctetBitString(
        sign_as_authority(signer, basic["tbs_response_data"].dump(force=True), digest)
    )
    changed: bytes = asn1_ocsp.OCSPResponse(
        {
            "response_status": "successful",
            "response_bytes": {"response_type": "basic_ocsp_response", "response": basic},
        }
    ).dump(force=True)
    return changed


def sign_as_authority(signer: Identity, data: bytes, digest: str = "sha256") -> bytes:
    chosen = DIGESTS[digest]()
    if isinstance(signer.key, rsa.RSAPrivateKey):
        return signer.key.sign(data, padding.PKCS1v15(), chosen)
    assert isinstance(signer.key, ec.EllipticCurvePrivateKey)
    return signer.key.sign(data, ec.ECDSA(chosen))


def entry(
    certificate: Identity,
    reason: x509.ReasonFlags | None = x509.ReasonFlags.key_compromise,
    *,
    at: datetime = NOW - timedelta(days=1),
    invalid_from: datetime | None = None,
    extensions: Sequence[tuple[x509.ExtensionType, bool]] = (),
) -> x509.RevokedCertificate:
    """Return a CRL's entry for the certificate."""
    builder = x509.RevokedCertificateBuilder().serial_number(certificate.certificate.serial_number).revocation_date(at)
    if reason is not None:
        builder = builder.add_extension(x509.CRLReason(reason), critical=False)
    if invalid_from is not None:
        builder = builder.add_extension(x509.InvalidityDate(invalid_from), critical=False)
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return builder.build()


def crl(
    issuer: Identity,
    entries: Sequence[x509.RevokedCertificate] = (),
    *,
    number: int | None = 1,
    delta_of: int | None = None,
    freshest: str | None = None,
    scope: dict[str, Any] | None = None,
    last_update: datetime = NOW - timedelta(hours=1),
    next_update: datetime = NOW + timedelta(days=1),
    extensions: Sequence[tuple[x509.ExtensionType, bool]] = (),
    signer: Identity | None = None,
    digest: str = "sha256",
    edit: Callable[[Any], None] | None = None,
) -> bytes:
    """Return the DER of a CRL of the issuer; with ``delta_of`` one that holds only changes since that number.

    ``edit`` changes what is signed (asn1crypto's) in place.
    """
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.certificate.subject)
        .last_update(last_update)
        .next_update(next_update)
    )
    for one in entries:
        builder = builder.add_revoked_certificate(one)
    if number is not None:
        builder = builder.add_extension(x509.CRLNumber(number), critical=False)
    if delta_of is not None:
        builder = builder.add_extension(x509.DeltaCRLIndicator(delta_of), critical=True)
    if freshest is not None:
        point = x509.DistributionPoint([x509.UniformResourceIdentifier(freshest)], None, None, None)
        builder = builder.add_extension(x509.FreshestCRL([point]), critical=False)
    if scope is not None:
        builder = builder.add_extension(issuing_distribution_point(**scope), critical=True)
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    signing = signer or issuer
    content = builder.sign(signing.key, DIGESTS["sha256" if digest == "sha1" else digest]()).public_bytes(Encoding.DER)
    if edit is None and digest != "sha1":
        return content
    return _edited_crl(content, signing, edit or (lambda _: None), digest)


def _edited_crl(content: bytes, signer: Identity, edit: Callable[[Any], None], digest: str) -> bytes:
    """Return the CRL with other content, signed anew."""
    changed = asn1_crl.CertificateList.load(content)
    edit(changed["tbs_cert_list"])
    if digest == "sha1":
        for place in (changed["tbs_cert_list"]["signature"], changed["signature_algorithm"]):
            place["algorithm"] = "sha1_ecdsa"
    signed = changed["tbs_cert_list"].dump(force=True)
    changed["signature"] = core.OctetBitString(sign_as_authority(signer, signed, digest))
    return changed.dump(force=True)  # type: ignore[no-any-return]


def issuing_distribution_point(
    *,
    url: str | None = None,
    names: Sequence[x509.GeneralName] = (),
    relative: x509.RelativeDistinguishedName | None = None,
    user: bool = False,
    ca: bool = False,
    attributes: bool = False,
    indirect: bool = False,
    reasons: frozenset[x509.ReasonFlags] | None = None,
) -> x509.IssuingDistributionPoint:
    return x509.IssuingDistributionPoint(
        full_name=list(names) or (None if url is None else [x509.UniformResourceIdentifier(url)]),
        relative_name=relative,
        only_contains_user_certs=user,
        only_contains_ca_certs=ca,
        only_some_reasons=reasons,
        indirect_crl=indirect,
        only_contains_attribute_certs=attributes,
    )
