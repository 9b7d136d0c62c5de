"""A Sigstore instance of our own: certificate authority, CT log, transparency log, timestamp authority, and signers.

What it signs is accepted by sigstore-python under its ``trusted_root()``. Every defect that a test wants is a parameter.
Nothing here opens a socket.
"""

import hashlib
import json
from datetime import datetime
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.simulator.pki.sigstore_authorities import (
    ISSUER,
    LEAF_LIFE,
    NOW,
    SUBJECT,
    Hash,
    PrivateKey,
    Signer,
    SigstoreAuthorities,
    der_text,
    public_pem,
    sign_with,
    stamp,
    uri,
)
from tests.simulator.pki.sigstore_entries import (
    IN_TOTO,
    dsse_body,
    hashedrekord_body,
    hashedrekord_v2_body,
    intoto_body,
    intoto_v2_body,
    legacy_entry,
)
from tests.simulator.pki.sigstore_log import b64

__all__ = [
    "COSIGN_SIGN",
    "ISSUER",
    "LEAF_LIFE",
    "NOW",
    "STATEMENT_V01",
    "STATEMENT_V1",
    "SUBJECT",
    "V01",
    "V02",
    "V03",
    "V03_ALT",
    "Hash",
    "LocalSigstore",
    "PrivateKey",
    "Signer",
    "der_text",
    "envelope",
    "keyed_bundle",
    "pae",
    "public_pem",
    "sign_with",
    "simple_signing",
    "stamp",
    "statement",
    "uri",
]

V01 = "application/vnd.dev.sigstore.bundle+json;version=0.1"
V02 = "application/vnd.dev.sigstore.bundle+json;version=0.2"
V03_ALT = "application/vnd.dev.sigstore.bundle+json;version=0.3"
V03 = "application/vnd.dev.sigstore.bundle.v0.3+json"
STATEMENT_V01 = "https://in-toto.io/Statement/v0.1"
STATEMENT_V1 = "https://in-toto.io/Statement/v1"
COSIGN_SIGN = "https://sigstore.dev/cosign/sign/v1"


def pae(payload_type: str, payload: bytes) -> bytes:
    return b"DSSEv1 %d %s %d %s" % (len(payload_type), payload_type.encode(), len(payload), payload)


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


class LocalSigstore(SigstoreAuthorities):
    """One instance; two of them trust nothing of each other."""

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


def _stamps(answers: list[bytes]) -> dict[str, Any]:
    return {"rfc3161Timestamps": [{"signedTimestamp": b64(one)} for one in answers]}
