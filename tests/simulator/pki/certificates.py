"""Authorities and leaves: each an ``Identity`` that knows its key, its certificate and who issued it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

from tests.simulator.pki.digests import DIGESTS
from tests.simulator.pki.keys import Key, key

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
"""Certificates are valid from here."""
LIFETIME = timedelta(days=3650)
CODE_SIGNING = ExtendedKeyUsageOID.CODE_SIGNING
TIME_STAMPING = ExtendedKeyUsageOID.TIME_STAMPING
OCSP_SIGNING = ExtendedKeyUsageOID.OCSP_SIGNING
_USAGES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)
CA_USAGES = ("key_cert_sign", "crl_sign")


@dataclass(frozen=True, eq=False)
class Identity:
    """A certificate with its key; ``issuer`` is None for a root."""

    key: Key
    certificate: x509.Certificate
    issuer: "Identity | None"

    @property
    def chain(self) -> tuple["Identity", ...]:
        """Return this one and all above it, the root last."""
        return (self,) if self.issuer is None else (self, *self.issuer.chain)

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def ders(self) -> tuple[bytes, ...]:
        """Return the chain in DER, leaf first."""
        return tuple(identity.der for identity in self.chain)

    @property
    def root(self) -> "Identity":
        return self.chain[-1]


def name(common_name: str, **parts: str) -> x509.Name:
    """Return ``C=US,ST=WA,O=Example,CN=...``; parts replace values, an empty one leaves the attribute out."""
    values = {"C": "US", "ST": "WA", "O": "Example", "OU": "", "CN": common_name, **parts}
    kinds = {
        "C": NameOID.COUNTRY_NAME,
        "ST": NameOID.STATE_OR_PROVINCE_NAME,
        "L": NameOID.LOCALITY_NAME,
        "O": NameOID.ORGANIZATION_NAME,
        "OU": NameOID.ORGANIZATIONAL_UNIT_NAME,
        "CN": NameOID.COMMON_NAME,
    }
    return x509.Name([x509.NameAttribute(kinds[kind], value) for kind, value in values.items() if value])


def issue(
    common_name: str,
    issuer: Identity | None = None,
    *,
    kind: str = "p256",
    ca: bool = False,
    subject: x509.Name | None = None,
    path_length: int | None = None,
    constraints: bool | None = None,
    constraints_critical: bool = True,
    usages: Collection[str] | None = None,
    usage: bool = True,
    usage_critical: bool = True,
    purposes: Sequence[x509.ObjectIdentifier] | None = None,
    purposes_critical: bool = False,
    not_before: datetime = EPOCH,
    not_after: datetime | None = None,
    ocsp_urls: Sequence[str] = (),
    crl_urls: Sequence[str | Sequence[str]] = (),
    extensions: Sequence[tuple[x509.ExtensionType, bool]] = (),
    digest: str | None = None,
    signing_key: Key | None = None,
    own_key: Key | None = None,
    serial: int | None = None,
) -> Identity:
    """Return a new identity. Defaults make a sound authority or a sound leaf without any purpose."""
    own = own_key or key(kind, common_name)
    signer = signing_key or (own if issuer is None else issuer.key)
    subject = subject or name(common_name)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if issuer is None else issuer.certificate.subject)
        .public_key(own.public_key())
        .serial_number(serial or x509.random_serial_number())
        .not_valid_before(not_before)
        .not_valid_after(not_after or not_before + LIFETIME)
    )
    if constraints if constraints is not None else ca:
        builder = builder.add_extension(x509.BasicConstraints(ca=ca, path_length=path_length), constraints_critical)
    if usage:
        wanted = usages if usages is not None else (CA_USAGES if ca else ("digital_signature",))
        builder = builder.add_extension(x509.KeyUsage(**{bit: bit in wanted for bit in _USAGES}), usage_critical)
    if purposes is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), purposes_critical)
    if ocsp_urls:
        access = [
            x509.AccessDescription(AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier(url))
            for url in ocsp_urls
        ]
        builder = builder.add_extension(x509.AuthorityInformationAccess(access), critical=False)
    if crl_urls:
        builder = builder.add_extension(x509.CRLDistributionPoints([_point(urls) for urls in crl_urls]), critical=False)
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return Identity(own, builder.sign(signer, _digest(signer, digest)), issuer)


def _point(urls: str | Sequence[str]) -> x509.DistributionPoint:
    several = [urls] if isinstance(urls, str) else urls
    return x509.DistributionPoint([x509.UniformResourceIdentifier(url) for url in several], None, None, None)


def _digest(signer: Key, wanted: str | None):
    if wanted is not None:
        return DIGESTS[wanted]()
    return None if type(signer).__name__.startswith("Ed25519") else hashes.SHA256()


def authority(common_name: str = "Root", *, kind: str = "p256", intermediates: int = 1, **options) -> Identity:
    """Return the lowest authority under a root with so many intermediates."""
    lowest = issue(f"{common_name} CA", kind=kind, ca=True)
    for number in range(intermediates):
        lowest = issue(f"{common_name} Intermediate {number + 1}", lowest, kind=kind, ca=True, **options)
    return lowest


def with_sha1(identity: Identity) -> Identity:
    """Return the identity with a certificate that says it is signed with SHA-1; nobody signs so any more."""
    certificate = asn1_x509.Certificate.load(identity.der)
    for place in (certificate["tbs_certificate"]["signature"], certificate["signature_algorithm"]):
        place["algorithm"] = "sha1_ecdsa"
    return Identity(identity.key, x509.load_der_x509_certificate(certificate.dump(force=True)), identity.issuer)
