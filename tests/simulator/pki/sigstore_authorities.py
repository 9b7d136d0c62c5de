"""The authorities of a Sigstore instance of our own: certificate authority, CT log, timestamp authority, and whom they know."""

import hashlib
import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.simulator.pki.sigstore_log import TransparencyLog, b64, spki
from tests.simulator.pki.sigstore_tsa import TimestampAuthority

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
Hash = hashes.SHA256 | hashes.SHA384 | hashes.SHA512

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
"""When everything is signed unless a test says otherwise."""
LEAF_LIFE = timedelta(minutes=10)
SUBJECT = "https://github.com/acme/payments/.github/workflows/release.yaml@refs/heads/main"
ISSUER = "https://token.actions.githubusercontent.com"


_ISSUER_V1 = x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.1")
_ISSUER_V2 = x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.8")
_SCT_LIST = x509.ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2")


def sign_with(key: PrivateKey, message: bytes, algorithm: Hash | None = None) -> bytes:
    """Sign as cosign does: ECDSA over the hash, RSA PKCS#1 v1.5, Ed25519 pure."""
    algorithm = algorithm or hashes.SHA256()
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return key.sign(message, ec.ECDSA(algorithm))
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(message, padding.PKCS1v15(), algorithm)
    return key.sign(message)


def public_pem(key: PrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def der_text(text: str) -> bytes:
    """Return the DER of a UTF8String of fewer than 65536 bytes."""
    content = text.encode()
    size = len(content)
    head = bytes([size]) if size < 0x80 else bytes([0x81, size]) if size < 0x100 else b"\x82" + size.to_bytes(2, "big")
    return b"\x0c" + head + content


@dataclass(frozen=True, kw_only=True)
class Signer:
    """A key and the certificate that an identity was given for it."""

    key: PrivateKey
    certificate: x509.Certificate

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)


@dataclass(kw_only=True)
class SigstoreAuthorities:
    """The authorities of one instance."""

    begin: datetime = NOW - timedelta(days=100)
    end: datetime = NOW + timedelta(days=3000)
    log: TransparencyLog = field(default_factory=TransparencyLog)

    def __post_init__(self) -> None:
        self.root_key, self.ca_key, self.ct_key, tsa_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(4))
        self.root = self._authority("root", self.root_key, issuer=None, code_signing=False)
        self.intermediate = self._authority("intermediate", self.ca_key, issuer=self.root, code_signing=True)
        self.tsa = TimestampAuthority(certificate=self._tsa_leaf(tsa_key), key=tsa_key)

    # What verifiers are given

    def trusted_root(self, **changes: Any) -> dict[str, Any]:
        """Return trusted_root.json as an object; ``changes`` replace whole fields."""
        window = {"start": stamp(self.begin)}
        root: dict[str, Any] = {
            "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
            "tlogs": [self._log_instance("https://rekor.sigstore.test", self.log.key, window)],
            "certificateAuthorities": [self._authority_instance([self.intermediate, self.root], window)],
            "ctlogs": [self._log_instance("https://ct.sigstore.test", self.ct_key, window)],
            "timestampAuthorities": [self._authority_instance([self.tsa.certificate, self.root], window)],
        }
        return root | changes

    def trusted_root_bytes(self, **changes: Any) -> bytes:
        return json.dumps(self.trusted_root(**changes)).encode()

    # Who signs

    def signer(
        self,
        *,
        subject: str = SUBJECT,
        issuer: str | None = ISSUER,
        issuer_v1: str | None = None,
        at: datetime = NOW,
        key: PrivateKey | None = None,
        names: Sequence[x509.GeneralName] | None = None,
        usages: Sequence[x509.ObjectIdentifier] = (ExtendedKeyUsageOID.CODE_SIGNING,),
        digital_signature: bool = True,
        sct_at: datetime | None = None,
        sct_key: ec.EllipticCurvePrivateKey | None = None,
        scts: int = 1,
    ) -> Signer:
        """Give a certificate; ``names=()`` leaves the subject alternative name out, ``scts=0`` the CT log's answer."""
        key = key or ec.generate_private_key(ec.SECP256R1())
        if names is None:
            names = [x509.RFC822Name(subject) if "@" in subject and "/" not in subject else uri(subject)]
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([]))
            .issuer_name(self.intermediate.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(at - timedelta(seconds=1))
            .not_valid_after(at + LEAF_LIFE)
            .add_extension(_key_usage(digital_signature=digital_signature), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.ca_key.public_key()), critical=False)
        )
        if usages:
            builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=True)
        old_issuer = issuer_v1 if issuer_v1 is not None else issuer
        if old_issuer is not None:
            builder = builder.add_extension(x509.UnrecognizedExtension(_ISSUER_V1, old_issuer.encode()), critical=False)
        if issuer is not None:
            builder = builder.add_extension(x509.UnrecognizedExtension(_ISSUER_V2, der_text(issuer)), critical=False)
        if scts:
            precertificate = builder.sign(self.ca_key, hashes.SHA256())
            one = self._sct(precertificate, sct_at or at, sct_key or self.ct_key)
            extension = x509.UnrecognizedExtension(_SCT_LIST, _sct_list([one] * scts))
            builder = builder.add_extension(extension, critical=False)
        return Signer(key=key, certificate=builder.sign(self.ca_key, hashes.SHA256()))

    # Inside

    def _authority(
        self, name: str, key: ec.EllipticCurvePrivateKey, *, issuer: x509.Certificate | None, code_signing: bool
    ) -> x509.Certificate:
        subject = x509.Name(
            [
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, "sigstore.test"),
                x509.NameAttribute(NameOID.COMMON_NAME, f"sigstore {name}"),
            ]
        )
        usage = _key_usage(digital_signature=False, authority=True)
        builder = (
            self._certificate(subject, issuer.subject if issuer else subject, key)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None if not issuer else 0), critical=True)
            .add_extension(usage, critical=True)
        )
        if code_signing:
            builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), critical=False)
        return builder.sign(self.root_key, hashes.SHA256())

    def _tsa_leaf(self, key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sigstore timestamps")])
        return (
            self._certificate(subject, self.root.subject, key)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(digital_signature=True), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), critical=True)
            .sign(self.root_key, hashes.SHA256())
        )

    def _certificate(
        self, subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey
    ) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(self.begin)
            .not_valid_after(self.end)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.root_key.public_key()), critical=False
            )
        )

    def _sct(self, precertificate: x509.Certificate, at: datetime, key: ec.EllipticCurvePrivateKey) -> bytes:
        """Return one signed certificate timestamp in TLS encoding (RFC 6962, section 3.2)."""
        tbs = precertificate.tbs_certificate_bytes
        milliseconds = int(at.timestamp() * 1000)
        issuer_key_hash = hashlib.sha256(spki(self.ca_key)).digest()
        signed = struct.pack("!BBQH", 0, 0, milliseconds, 1) + issuer_key_hash
        signed += len(tbs).to_bytes(3, "big") + tbs + struct.pack("!H", 0)
        signature = key.sign(signed, ec.ECDSA(hashes.SHA256()))
        log_id = hashlib.sha256(spki(key)).digest()
        head = struct.pack("!B32sQH", 0, log_id, milliseconds, 0)
        return head + struct.pack("!BBH", 4, 3, len(signature)) + signature

    def _log_instance(self, url: str, key: ec.EllipticCurvePrivateKey, window: dict[str, str]) -> dict[str, Any]:
        public = {"rawBytes": b64(spki(key)), "keyDetails": "PKIX_ECDSA_P256_SHA_256", "validFor": window}
        log_id = {"keyId": b64(hashlib.sha256(spki(key)).digest())}
        return {"baseUrl": url, "hashAlgorithm": "SHA2_256", "publicKey": public, "logId": log_id}

    def _authority_instance(self, chain: Sequence[x509.Certificate], window: dict[str, str]) -> dict[str, Any]:
        certificates = [{"rawBytes": b64(one.public_bytes(Encoding.DER))} for one in chain]
        subject = {"organization": "sigstore.test", "commonName": "sigstore"}
        return {
            "subject": subject,
            "uri": "https://ca.sigstore.test",
            "certChain": {"certificates": certificates},
            "validFor": window,
        }


def uri(text: str) -> x509.GeneralName:
    return x509.UniformResourceIdentifier(text)


def stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _sct_list(scts: Sequence[bytes]) -> bytes:
    """Return the extension's content: an OCTET STRING around TLS's list."""
    items = b"".join(struct.pack("!H", len(one)) + one for one in scts)
    inner = struct.pack("!H", len(items)) + items
    size = len(inner)
    head = bytes([size]) if size < 0x80 else bytes([0x81, size]) if size < 0x100 else b"\x82" + size.to_bytes(2, "big")
    return b"\x04" + head + inner


def _key_usage(*, digital_signature: bool, authority: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=not digital_signature and not authority,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )
