"""The signing certificate of a keyless signature: the form that Fulcio issues, and the identity in it.

What sigstore-python leaves open is closed here: a certificate without subject alternative name or with two, and one with
a key that it cannot use. Whether the certificate is trusted is not decided here.
Source: fulcio/docs/certificate-specification.md and oid-info.md.
"""

from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from tidegate.errors import VerificationError
from tidegate.strict.parsing import reading
from tidegate.verify.sigstore.proof import KeylessSigner

MAX_CERTIFICATE_BYTES = 64 << 10
"""Bytes of one certificate, as DER or as PEM; Fulcio's have about 1 KiB."""

ISSUER_V1 = x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.1")
ISSUER_V2 = x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.8")
OTHER_NAME = x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.7")

_CURVES = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)
_PEM_BEGIN = b"-----BEGIN CERTIFICATE-----"


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """A certificate of the right form, with the key and the identity that it binds."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePublicKey
    signer: KeylessSigner

    @property
    def der(self) -> bytes:
        """Return the certificate as DER."""
        return self.certificate.public_bytes(Encoding.DER)


def read_leaf(content: bytes) -> Leaf:
    """Read the certificate, DER or one PEM block; raise VerificationError for any form that Fulcio does not issue."""
    if len(content) > MAX_CERTIFICATE_BYTES:
        raise VerificationError(f"a certificate of {len(content)} bytes, more than {MAX_CERTIFICATE_BYTES}")
    with reading("the certificate is unreadable"):
        certificate = _load(content)
        _check_usage(certificate)
        signer = KeylessSigner(issuer=_issuer(certificate), subject=_subject(certificate))
        return Leaf(certificate=certificate, key=_key(certificate), signer=signer)


def _load(content: bytes) -> x509.Certificate:
    if _PEM_BEGIN not in content:
        return x509.load_der_x509_certificate(content)
    if content.count(_PEM_BEGIN) != 1:
        raise VerificationError("expected one certificate")
    return x509.load_pem_x509_certificate(content)


def _key(certificate: x509.Certificate) -> ec.EllipticCurvePublicKey:
    key = certificate.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, _CURVES):
        kind = key.curve.name if isinstance(key, ec.EllipticCurvePublicKey) else type(key).__name__
        raise VerificationError(f"the certificate's key is {kind}; keyless signatures need P-256, P-384 or P-521")
    return key


def _check_usage(certificate: x509.Certificate) -> None:
    if certificate.version is not x509.Version.v3:
        raise VerificationError("expected an X.509 version 3 certificate")
    try:
        if certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca:
            raise VerificationError("the certificate is a CA certificate, not a signing certificate")
    except x509.ExtensionNotFound:
        pass  # Fulcio's leaves have none; absent means not an authority.
    try:
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
        purposes = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound as error:
        raise VerificationError("the certificate has no key usage or no extended key usage") from error
    if not usage.digital_signature or ExtendedKeyUsageOID.CODE_SIGNING not in purposes:
        raise VerificationError("the certificate is not for code signing")


def _subject(certificate: x509.Certificate) -> str:
    """Return the only subject alternative name. Of two, a verifier and a person might each read a different one."""
    try:
        names = list(certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except x509.ExtensionNotFound as error:
        raise VerificationError("the certificate has no subject alternative name, so it names no signer") from error
    if len(names) != 1:
        raise VerificationError(f"the certificate has {len(names)} subject alternative names, expected one")
    match names[0]:
        case x509.RFC822Name(value=text) | x509.UniformResourceIdentifier(value=text):
            subject: str = text
        case x509.OtherName(type_id=kind, value=der) if kind == OTHER_NAME:
            subject = asn1.decode_der(str, der)
        case other:
            raise VerificationError(f"the certificate names a {type(other).__name__}, expected an e-mail or a URI")
    if not subject:
        raise VerificationError("the certificate's subject alternative name is empty")
    return subject


def _issuer(certificate: x509.Certificate) -> str:
    """Return the OIDC issuer: the DER text of the newer extension, else the bare text of the older one."""
    newer, older = _extension(certificate, ISSUER_V2), _extension(certificate, ISSUER_V1)
    if newer is None and older is None:
        raise VerificationError("the certificate does not name an OIDC issuer")
    issuer = asn1.decode_der(str, newer) if newer is not None else (older or b"").decode("utf-8", errors="strict")
    if older is not None and older != issuer.encode():
        raise VerificationError("the certificate names two OIDC issuers")
    if not issuer:
        raise VerificationError("the certificate's OIDC issuer is empty")
    return issuer


def _extension(certificate: x509.Certificate, identifier: x509.ObjectIdentifier) -> bytes | None:
    try:
        return certificate.extensions.get_extension_for_oid(identifier).value.public_bytes()
    except x509.ExtensionNotFound:
        return None
