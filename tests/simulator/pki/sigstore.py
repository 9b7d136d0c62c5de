"""A Sigstore instance of our own: certificate authority, CT log, transparency log, timestamp authority, and signers.

What it signs is accepted by sigstore-python under its ``trusted_root()``. Every defect that a test wants is a parameter.
Nothing here opens a socket.
"""

import base64
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

V01 = "application/vnd.dev.sigstore.bundle+json;version=0.1"
V02 = "application/vnd.dev.sigstore.bundle+json;version=0.2"
V03_ALT = "application/vnd.dev.sigstore.bundle+json;version=0.3"
V03 = "application/vnd.dev.sigstore.bundle.v0.3+json"
IN_TOTO = "application/vnd.in-toto+json"
STATEMENT_V01 = "https://in-toto.io/Statement/v0.1"
STATEMENT_V1 = "https://in-toto.io/Statement/v1"
COSIGN_SIGN = "https://sigstore.dev/cosign/sign/v1"

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


def pae(payload_type: str, payload: bytes) -> bytes:
    return b"DSSEv1 %d %s %d %s" % (len(payload_type), payload_type.encode(), len(payload), payload)


def der_text(text: str) -> bytes:
    """Return the DER of a UTF8String of fewer than 65536 bytes."""
    content = text.encode()
    size = len(content)
    head = bytes([size]) if size < 0x80 else bytes([0x81, size]) if size < 0x100 else b"\x82" + size.to_bytes(2, "big")
    return b"\x0c" + head + content


def statement(
    digest: str,
    *,
    predicate_type: str = COSIGN_SIGN,
    predicate: Any = None,
    kind: str = STATEMENT_V1,
    name: str | None = None,
    **more: Any,
) -> bytes:
    """Return an in-toto statement about ``sha256:...``; without ``name`` as cosign v3 writes it."""
    subject: dict[str, Any] = {"digest": {"sha256": digest.removeprefix("sha256:")}}
    if name is not None:
        subject["name"] = name
    content = {"_type": kind, "subject": [subject], "predicateType": predicate_type, "predicate": predicate or {}}
    return json.dumps(content | more).encode()


def simple_signing(digest: str, *, reference: str = "registry.test/app", optional: Any = None) -> bytes:
    """Return the payload that cosign signs for a ``.sig`` layer."""
    critical = {
        "identity": {"docker-reference": reference},
        "image": {"docker-manifest-digest": digest},
        "type": "cosign container image signature",
    }
    return json.dumps({"critical": critical, "optional": optional}, separators=(",", ":")).encode()


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
class LocalSigstore:
    """One instance; two of them trust nothing of each other."""

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

    # Bundles

    def sign_statement(
        self,
        payload: bytes,
        signer: Signer,
        *,
        at: datetime = NOW,
        version: str = V03,
        payload_type: str = IN_TOTO,
        timestamped: bool = False,
        integrated: bool = True,
        body: str = "dsse",
    ) -> dict[str, Any]:
        """Return a bundle with a DSSE envelope, logged as Rekor v1's ``dsse`` 0.0.1, or as ``intoto-0.0.2`` or ``intoto``."""
        signature = sign_with(signer.key, pae(payload_type, payload))
        logged = {
            "dsse": lambda: dsse_body(payload, signature, signer.pem),
            "intoto": lambda: intoto_body(b"", payload, signer.pem),
            "intoto-0.0.2": lambda: intoto_v2_body(b"", payload, signature, signer.pem),
        }[body]()
        return self._bundle(
            version,
            signer,
            entry=self.log.append(logged, at, integrated=integrated),
            stamps=[self.tsa.answer(signature, at)] if timestamped else [],
            content={"dsseEnvelope": envelope(payload, signature, payload_type)},
        )

    def sign_artifact(
        self,
        artifact: bytes,
        signer: Signer,
        *,
        at: datetime = NOW,
        version: str = V03,
        timestamped: bool = False,
        integrated: bool = True,
    ) -> dict[str, Any]:
        """Return a bundle with a message signature, logged as Rekor v1's ``hashedrekord`` 0.0.1."""
        signature = sign_with(signer.key, artifact)
        body = hashedrekord_body(artifact, signature, signer.pem)
        digest = {"algorithm": "SHA2_256", "digest": b64(hashlib.sha256(artifact).digest())}
        return self._bundle(
            version,
            signer,
            entry=self.log.append(body, at, integrated=integrated),
            stamps=[self.tsa.answer(signature, at)] if timestamped else [],
            content={"messageSignature": {"messageDigest": digest, "signature": b64(signature)}},
        )

    def sign_statement_v2(self, payload: bytes, signer: Signer, *, at: datetime = NOW) -> dict[str, Any]:
        """Return a bundle as Rekor v2 leads to: ``hashedrekord`` 0.0.2 over the DSSE text, time by RFC 3161 only."""
        signature = sign_with(signer.key, pae(IN_TOTO, payload))
        verifier = {"x509Certificate": {"rawBytes": b64(signer.der)}, "keyDetails": "PKIX_ECDSA_P256_SHA_256"}
        body = hashedrekord_v2_body(pae(IN_TOTO, payload), signature, verifier)
        return self._bundle(
            V03,
            signer,
            entry=self.log.append(body, at, integrated=False),
            stamps=[self.tsa.answer(signature, at)],
            content={"dsseEnvelope": envelope(payload, signature)},
        )

    def sign_statement_keyed(
        self,
        payload: bytes,
        key: PrivateKey,
        *,
        at: datetime = NOW,
        logged: bool = True,
        timestamped: bool = False,
        algorithm: Hash | None = None,
    ) -> dict[str, Any]:
        """Return a bundle of a long-lived key: no certificate, a hint that proves nothing."""
        signature = sign_with(key, pae(IN_TOTO, payload), algorithm)
        body = dsse_body(payload, signature, public_pem(key))
        return keyed_bundle(
            key,
            entries=[self.log.append(body, at)] if logged else [],
            stamps=[self.tsa.answer(signature, at)] if timestamped else [],
            content={"dsseEnvelope": envelope(payload, signature)},
        )

    def sign_artifact_keyed(
        self,
        artifact: bytes,
        key: PrivateKey,
        *,
        at: datetime = NOW,
        logged: bool = True,
        algorithm: Hash | None = None,
    ) -> dict[str, Any]:
        signature = sign_with(key, artifact, algorithm)
        body = hashedrekord_body(artifact, signature, public_pem(key))
        digest = {"algorithm": "SHA2_256", "digest": b64(hashlib.sha256(artifact).digest())}
        return keyed_bundle(
            key,
            entries=[self.log.append(body, at)] if logged else [],
            stamps=[],
            content={"messageSignature": {"messageDigest": digest, "signature": b64(signature)}},
        )

    # cosign's layers

    def sign_layer(
        self,
        payload: bytes,
        signer: Signer,
        *,
        at: datetime = NOW,
        logged: bool = True,
        timestamped: bool = False,
    ) -> dict[str, str]:
        """Return the annotations of a ``.sig`` layer whose content is the payload."""
        signature = sign_with(signer.key, payload)
        entry = self.log.append(hashedrekord_body(payload, signature, signer.pem), at) if logged else None
        return self._annotations(signature, signer, entry, at if timestamped else None)

    def sign_layer_keyed(
        self,
        payload: bytes,
        key: PrivateKey,
        *,
        at: datetime = NOW,
        logged: bool = True,
        algorithm: Hash | None = None,
    ) -> dict[str, str]:
        signature = sign_with(key, payload, algorithm)
        entry = self.log.append(hashedrekord_body(payload, signature, public_pem(key)), at) if logged else None
        return self._annotations(signature, None, entry, None)

    def attest_layer(
        self,
        payload: bytes,
        signer: Signer | PrivateKey,
        *,
        at: datetime = NOW,
        logged: bool = True,
        body: str = "dsse",
    ) -> tuple[bytes, dict[str, str]]:
        """Return content and annotations of an ``.att`` layer; ``body`` is dsse, intoto or intoto-0.0.2."""
        key, pem = (signer.key, signer.pem) if isinstance(signer, Signer) else (signer, public_pem(signer))
        signature = sign_with(key, pae(IN_TOTO, payload))
        content = json.dumps(envelope(payload, signature)).encode()
        bodies = {
            "dsse": lambda: dsse_body(payload, signature, pem, content),
            "intoto": lambda: intoto_body(content, payload, pem),
            "intoto-0.0.2": lambda: intoto_v2_body(content, payload, signature, pem),
        }
        entry = self.log.append(bodies[body](), at) if logged else None
        annotations = self._annotations(b"", signer if isinstance(signer, Signer) else None, entry, None)
        return content, annotations | {"predicateType": "https://unsigned.test/hint"}

    def _annotations(
        self, signature: bytes, signer: Signer | None, entry: dict[str, Any] | None, stamped_at: datetime | None
    ) -> dict[str, str]:
        annotations = {"dev.cosignproject.cosign/signature": b64(signature)}
        if signer:
            chain = b"".join(one.public_bytes(Encoding.PEM) for one in (self.intermediate, self.root))
            annotations["dev.sigstore.cosign/certificate"] = signer.pem.decode()
            annotations["dev.sigstore.cosign/chain"] = chain.decode()
        if entry:
            annotations["dev.sigstore.cosign/bundle"] = json.dumps(legacy_entry(entry))
        if stamped_at:
            answer = self.tsa.answer(signature, stamped_at)
            annotations["dev.sigstore.cosign/rfc3161timestamp"] = json.dumps({"SignedRFC3161Timestamp": b64(answer)})
        return annotations

    # Inside

    def _bundle(
        self, version: str, signer: Signer, *, entry: dict[str, Any], stamps: list[bytes], content: dict[str, Any]
    ) -> dict[str, Any]:
        leaf = {"rawBytes": b64(signer.der)}
        material: dict[str, Any] = {"tlogEntries": [entry]}
        if version in {V01, V02}:
            material["x509CertificateChain"] = {"certificates": [leaf]}
        else:
            material["certificate"] = leaf
        if stamps:
            material["timestampVerificationData"] = _stamps(stamps)
        return {"mediaType": version, "verificationMaterial": material, **content}

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


def envelope(payload: bytes, signature: bytes, payload_type: str = IN_TOTO) -> dict[str, Any]:
    return {"payload": b64(payload), "payloadType": payload_type, "signatures": [{"sig": b64(signature), "keyid": ""}]}


def keyed_bundle(
    key: PrivateKey, *, entries: list[dict[str, Any]], stamps: list[bytes], content: dict[str, Any]
) -> dict[str, Any]:
    """Return a keyed bundle; as cosign does, without ``tlogEntries`` when there is no log."""
    der = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    material: dict[str, Any] = {"publicKey": {"hint": b64(hashlib.sha256(der).digest())}}
    if entries:
        material["tlogEntries"] = entries
    if stamps:
        material["timestampVerificationData"] = _stamps(stamps)
    return {"mediaType": V03, "verificationMaterial": material, **content}


def legacy_entry(entry: dict[str, Any]) -> dict[str, Any]:
    """Return what cosign keeps of a log entry in ``dev.sigstore.cosign/bundle``."""
    return {
        "SignedEntryTimestamp": entry["inclusionPromise"]["signedEntryTimestamp"],
        "Payload": {
            "body": entry["canonicalizedBody"],
            "integratedTime": int(entry["integratedTime"]),
            "logIndex": int(entry["logIndex"]),
            "logID": base64.b64decode(entry["logId"]["keyId"]).hex(),
        },
    }


def hashedrekord_body(artifact: bytes, signature: bytes, pem: bytes) -> dict[str, Any]:
    return {
        "apiVersion": "0.0.1",
        "kind": "hashedrekord",
        "spec": {
            "data": {"hash": {"algorithm": "sha256", "value": hashlib.sha256(artifact).hexdigest()}},
            "signature": {"content": b64(signature), "publicKey": {"content": b64(pem)}},
        },
    }


def hashedrekord_v2_body(message: bytes, signature: bytes, verifier: dict[str, Any]) -> dict[str, Any]:
    data = {"algorithm": "SHA2_256", "digest": b64(hashlib.sha256(message).digest())}
    record = {"data": data, "signature": {"content": b64(signature), "verifier": verifier}}
    return {"apiVersion": "0.0.2", "kind": "hashedrekord", "spec": {"hashedRekordV002": record}}


def dsse_body(payload: bytes, signature: bytes, pem: bytes, content: bytes = b"") -> dict[str, Any]:
    """Return the entry about an envelope; ``content`` is the envelope as it was logged, which a bundle doesn't keep."""
    return {
        "apiVersion": "0.0.1",
        "kind": "dsse",
        "spec": {
            "envelopeHash": {"algorithm": "sha256", "value": hashlib.sha256(content).hexdigest()},
            "payloadHash": {"algorithm": "sha256", "value": hashlib.sha256(payload).hexdigest()},
            "signatures": [{"signature": b64(signature), "verifier": b64(pem)}],
        },
    }


def intoto_body(content: bytes, payload: bytes, pem: bytes) -> dict[str, Any]:
    return {
        "apiVersion": "0.0.1",
        "kind": "intoto",
        "spec": {
            "content": {
                "hash": {"algorithm": "sha256", "value": hashlib.sha256(content).hexdigest()},
                "payloadHash": {"algorithm": "sha256", "value": hashlib.sha256(payload).hexdigest()},
            },
            "publicKey": b64(pem),
        },
    }


def intoto_v2_body(content: bytes, payload: bytes, signature: bytes, pem: bytes) -> dict[str, Any]:
    signatures = [{"keyid": "", "publicKey": b64(pem), "sig": b64(b64(signature).encode())}]
    return {
        "apiVersion": "0.0.2",
        "kind": "intoto",
        "spec": {
            "content": {
                "envelope": {"payloadType": IN_TOTO, "signatures": signatures},
                "hash": {"algorithm": "sha256", "value": hashlib.sha256(content).hexdigest()},
                "payloadHash": {"algorithm": "sha256", "value": hashlib.sha256(payload).hexdigest()},
            }
        },
    }


def _stamps(answers: list[bytes]) -> dict[str, Any]:
    return {"rfc3161Timestamps": [{"signedTimestamp": b64(one)} for one in answers]}


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
