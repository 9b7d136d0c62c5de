"""One X.509 certificate with every field that Notation's rules need, read once and in one place.

``cryptography`` parses lazily, so that a hostile certificate raises when a field is first looked at. Here each field is
looked at while loading; what is held afterwards cannot raise. Nothing is checked here.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.x509.oid import AuthorityInformationAccessOID

from tidegate.errors import VerificationError
from tidegate.strict.parsing import reading

MAX_CERTIFICATE_BYTES = 32 * 1024
"""Bytes of one certificate; real ones have 1 to 4 KB, and a long name costs much time to read."""
MAX_URLS = 16
"""URLs of one kind (OCSP, CRL) in one certificate that are used; public authorities write one or two."""

_USAGES = {
    "digital_signature": "DigitalSignature",
    "content_commitment": "ContentCommitment",
    "key_encipherment": "KeyEncipherment",
    "data_encipherment": "DataEncipherment",
    "key_agreement": "KeyAgreement",
    "key_cert_sign": "CertSign",
    "crl_sign": "CRLSign",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class BasicConstraints:
    """The extension of that name: whether it is critical, whether a CA, and how many CAs may be below."""

    critical: bool
    ca: bool
    path_length: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyUsage:
    """The extension of that name, with the bits as Go names them."""

    critical: bool
    names: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtendedKeyUsage:
    """The extension of that name, as dotted object identifiers."""

    critical: bool
    identifiers: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CrlPoint:
    """One CRL distribution point: its URLs name one and the same CRL. ``whole`` is False for indirect or partial ones."""

    urls: tuple[str, ...]
    whole: bool


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Certificate:
    """A certificate; two are equal when their DER is. ``subject`` and ``issuer`` are texts for messages only."""

    der: bytes
    parsed: x509.Certificate
    tbs: bytes
    serial: int
    subject: str
    issuer: str
    subject_der: bytes
    issuer_der: bytes
    not_before: datetime
    not_after: datetime
    public_key: CertificatePublicKeyTypes
    signature_hash: str | None
    basic_constraints: BasicConstraints | None
    key_usage: KeyUsage | None
    extended_key_usage: ExtendedKeyUsage | None
    ocsp_urls: tuple[str, ...]
    crl_points: tuple[CrlPoint, ...]
    names_freshest_crl: bool

    @property
    def is_ca(self) -> bool:
        """Tell whether its basic constraints make it a CA."""
        return self.basic_constraints is not None and self.basic_constraints.ca

    @property
    def fingerprint(self) -> str:
        """Return the SHA-256 of the DER, in lower-case hexadecimal digits."""
        return hashlib.sha256(self.der).hexdigest()

    def called(self, role: str) -> str:
        """Return what messages for users call the certificate in a chain whose leaf has the role."""
        return f"a CA of the {role}" if self.is_ca else f"the {role}"

    def is_valid_at(self, moment: datetime) -> bool:
        """Tell whether the moment lies in the validity period, both ends included."""
        return self.not_before <= moment <= self.not_after

    def __eq__(self, other: object) -> bool:
        """Tell whether the other is a certificate of the same bytes."""
        return isinstance(other, Certificate) and self.der == other.der

    def __hash__(self) -> int:
        """Return the hash of the bytes."""
        return hash(self.der)


def load_certificate(der: bytes, what: str = "malformed certificate") -> Certificate:
    """Return the certificate of the DER bytes; raise VerificationError that begins with ``what``.

    Bytes behind the certificate are refused.
    """
    if len(der) > MAX_CERTIFICATE_BYTES:
        raise VerificationError(f"{what}: {len(der)} bytes, more than {MAX_CERTIFICATE_BYTES}")
    with reading(what):
        return _loaded(der, x509.load_der_x509_certificate(der))


def _loaded(der: bytes, parsed: x509.Certificate) -> Certificate:
    extensions = {extension.oid: extension for extension in parsed.extensions}
    signature_hash = parsed.signature_hash_algorithm
    return Certificate(
        der=der,
        parsed=parsed,
        tbs=parsed.tbs_certificate_bytes,
        serial=parsed.serial_number,
        subject=parsed.subject.rfc4514_string(),
        issuer=parsed.issuer.rfc4514_string(),
        subject_der=parsed.subject.public_bytes(),
        issuer_der=parsed.issuer.public_bytes(),
        not_before=parsed.not_valid_before_utc,
        not_after=parsed.not_valid_after_utc,
        public_key=parsed.public_key(),
        signature_hash=None if signature_hash is None else signature_hash.name,
        basic_constraints=_basic_constraints(extensions.get(x509.BasicConstraints.oid)),
        key_usage=_key_usage(extensions.get(x509.KeyUsage.oid)),
        extended_key_usage=_extended_key_usage(extensions.get(x509.ExtendedKeyUsage.oid)),
        ocsp_urls=_ocsp_urls(extensions.get(x509.AuthorityInformationAccess.oid)),
        crl_points=_crl_points(extensions.get(x509.CRLDistributionPoints.oid)),
        names_freshest_crl=x509.FreshestCRL.oid in extensions,
    )


_AnyExtension = x509.Extension[x509.ExtensionType]


def _basic_constraints(extension: _AnyExtension | None) -> BasicConstraints | None:
    if extension is None:
        return None
    value = extension.value
    assert isinstance(value, x509.BasicConstraints)
    return BasicConstraints(critical=extension.critical, ca=value.ca, path_length=value.path_length)


def _key_usage(extension: _AnyExtension | None) -> KeyUsage | None:
    if extension is None:
        return None
    value = extension.value
    assert isinstance(value, x509.KeyUsage)
    names = {name for attribute, name in _USAGES.items() if getattr(value, attribute)}
    # The last two bits have a meaning, and may be asked for, only beside key agreement.
    if value.key_agreement:
        names |= {"EncipherOnly"} if value.encipher_only else set()
        names |= {"DecipherOnly"} if value.decipher_only else set()
    return KeyUsage(critical=extension.critical, names=frozenset(names))


def _extended_key_usage(extension: _AnyExtension | None) -> ExtendedKeyUsage | None:
    if extension is None:
        return None
    value = extension.value
    assert isinstance(value, x509.ExtendedKeyUsage)
    return ExtendedKeyUsage(
        critical=extension.critical, identifiers=tuple(identifier.dotted_string for identifier in value)
    )


def _ocsp_urls(extension: _AnyExtension | None) -> tuple[str, ...]:
    if extension is None:
        return ()
    value = extension.value
    assert isinstance(value, x509.AuthorityInformationAccess)
    places = [access.access_location for access in value if access.access_method == AuthorityInformationAccessOID.OCSP]
    return tuple(place.value for place in places if isinstance(place, x509.UniformResourceIdentifier))[:MAX_URLS]


def _crl_points(extension: _AnyExtension | None) -> tuple[CrlPoint, ...]:
    if extension is None:
        return ()
    value = extension.value
    assert isinstance(value, x509.CRLDistributionPoints)
    return tuple(crl_point(point) for point in value)[:MAX_URLS]


def crl_point(point: x509.DistributionPoint) -> CrlPoint:
    """Return the URLs of a distribution point, of a certificate or of a CRL that names a fresher one."""
    names = point.full_name or []
    urls = tuple(name.value for name in names if isinstance(name, x509.UniformResourceIdentifier))[:MAX_URLS]
    return CrlPoint(urls=urls, whole=point.reasons is None and point.crl_issuer is None)
