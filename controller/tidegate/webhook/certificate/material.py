"""The authority and the serving certificate that it signs, as values: made, written as PEM, read, checked.

Pure but for randomness: no clock, no network. All keys are ECDSA P-256: a running server can change only to a key of
the same type, and a handshake costs a third less than with RSA.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tidegate.errors import Error

VALIDITY: Final = timedelta(days=90)
RENEWED_AFTER: Final = VALIDITY * 2 / 3
AUTHORITY_VALIDITY: Final = timedelta(days=10 * 365)
AUTHORITY_REPLACED_BEFORE: Final = 2 * VALIDITY
"""An authority must outlive every certificate that it signs."""
BACKDATED: Final = timedelta(hours=1)
"""Clocks differ; a certificate must be valid already by the API server's clock."""
MAX_NAMES: Final = 100
"""Twice as many as a configuration has: during a rolling update, a certificate is for the names of the old one and the new."""
_COMMON_NAME_LENGTH: Final = 64


class MaterialError(Error):
    """The bytes are not a certificate of tidegate with its key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPair:
    """A certificate and its private key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def certificate_pem(self) -> bytes:
        """The certificate as PEM."""
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        """The key as unencrypted PKCS #8 PEM."""
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def make_authority(now: datetime) -> KeyPair:
    """Return a new self-signed authority for serving certificates, and for no further authorities."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name(f"tidegate webhook authority {now:%Y-%m-%dT%H:%M:%SZ}")
    certificate = (
        _builder(name, key, now, AUTHORITY_VALIDITY)
        .issuer_name(name)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    return KeyPair(certificate=certificate, key=key)


def make_serving(authority: KeyPair, names: Sequence[str], now: datetime) -> KeyPair:
    """Return a new serving certificate for up to MAX_NAMES DNS names; the first is the Service's."""
    key = ec.generate_private_key(ec.SECP256R1())
    alternatives = x509.SubjectAlternativeName([x509.DNSName(name) for name in names[:MAX_NAMES]])
    issuer = authority.certificate
    certificate = (
        _builder(_name(names[0]), key, now, VALIDITY)
        .issuer_name(issuer.subject)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(alternatives, critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key()), critical=False)
        .sign(authority.key, hashes.SHA256())
    )
    return KeyPair(certificate=certificate, key=key)


def make_client(now: datetime) -> KeyPair:
    """Return a self-signed client certificate for the process's calls of itself, kept in memory."""
    key = ec.generate_private_key(ec.SECP256R1())
    # OpenSSL looks authorities up by name, so each process needs a name of its own.
    name = _name(f"tidegate self-check {x509.random_serial_number():x}")
    certificate = (
        _builder(name, key, now, AUTHORITY_VALIDITY)
        .issuer_name(name)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    return KeyPair(certificate=certificate, key=key)


def belong_together(certificate: x509.Certificate, key: PrivateKeyTypes) -> bool:
    """Tell whether a certificate is for a private key."""
    spki = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return certificate.public_key().public_bytes(*spki) == key.public_key().public_bytes(*spki)


def read_pair(certificate_pem: bytes, key_pem: bytes) -> KeyPair:
    """Return the pair that PEM holds; raise MaterialError unless it is one certificate with its ECDSA P-256 key."""
    try:
        certificate = x509.load_pem_x509_certificate(certificate_pem)
        key = load_pem_private_key(key_pem, password=None)
    except (ValueError, TypeError) as exc:
        raise MaterialError(f"not a PEM certificate and key: {exc}") from exc
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise MaterialError("the key is not ECDSA P-256")
    if not belong_together(certificate, key):
        raise MaterialError("certificate and key do not belong together")
    return KeyPair(certificate=certificate, key=key)


def authority_problem(authority: KeyPair, now: datetime) -> str:
    """Return why an authority can no longer sign; empty when it can."""
    certificate = authority.certificate
    try:
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    except x509.ExtensionNotFound:
        return "it is no authority"
    if not constraints.ca:
        return "it is no authority"
    if now < certificate.not_valid_before_utc:
        return "it is not valid yet"
    if now > certificate.not_valid_after_utc - AUTHORITY_REPLACED_BEFORE:
        return "it expires too soon to sign"
    return ""


def serving_problem(serving: KeyPair, authority: KeyPair, names: Iterable[str], now: datetime) -> str:
    """Return why a serving certificate should be replaced; empty while it is valid and not near its end."""
    certificate = serving.certificate
    try:
        certificate.verify_directly_issued_by(authority.certificate)
    except (ValueError, TypeError, InvalidSignature):
        return "it is not signed by the authority beside it"
    if missing := sorted(set(names) - set(names_of(certificate))):
        return f"it lacks the names {', '.join(missing)}"
    if now < certificate.not_valid_before_utc:
        return "it is not valid yet"
    if now >= certificate.not_valid_before_utc + BACKDATED + RENEWED_AFTER:
        return "two thirds of its time are over"
    return ""


def names_of(certificate: x509.Certificate) -> list[str]:
    """Return a certificate's DNS names."""
    try:
        alternatives = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return alternatives.get_values_for_type(x509.DNSName)


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name[:_COMMON_NAME_LENGTH])])


def _builder(
    subject: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime, validity: timedelta
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + validity)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs,
        crl_sign=signs,
        encipher_only=False,
        decipher_only=False,
    )
