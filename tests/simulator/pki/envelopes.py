"""Notation envelopes, signed: JWS and COSE. A test edits the parts before they are signed, or after."""

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils

from tests.simulator.pki.certificates import EPOCH, Identity
from tests.simulator.pki.keys import Key

JWS = "application/jose+json"
COSE = "application/cose"
PAYLOAD_TYPE = "application/vnd.cncf.notary.payload.v1+json"
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
DIGEST = "sha256:" + "ab" * 32
SIGNED_AT = EPOCH + timedelta(days=30)
TARGET = {"mediaType": MANIFEST_TYPE, "digest": DIGEST, "size": 1234}
X509_SCHEME = "notary.x509"
AUTHORITY_SCHEME = "notary.x509.signingAuthority"

_ALGORITHMS: dict[object, tuple[str, int, Any, int]] = {
    "p256": ("ES256", -7, hashes.SHA256, 32),
    "p384": ("ES384", -35, hashes.SHA384, 48),
    "p521": ("ES512", -36, hashes.SHA512, 66),
    2048: ("PS256", -37, hashes.SHA256, 0),
    3072: ("PS384", -38, hashes.SHA384, 0),
    4096: ("PS512", -39, hashes.SHA512, 0),
}
Edit = Callable[[dict], Any]


def _nothing(_parts: dict) -> None:
    pass


@dataclass(kw_only=True)
class Draft:
    """What is to be signed. The ``edit`` callables change a format's own parts in place."""

    target: dict[str, Any] = field(default_factory=lambda: dict(TARGET))
    payload: bytes | None = None
    payload_type: str = PAYLOAD_TYPE
    scheme: str = X509_SCHEME
    signing_time: datetime = SIGNED_AT
    expiry: datetime | None = None
    extended: dict[Any, Any] = field(default_factory=dict)
    critical: tuple[Any, ...] = ()
    chain: tuple[bytes, ...] | None = None
    token: Callable[[bytes], bytes] | None = None
    agent: str | None = "tidegate-tests/1"
    edit_protected: Edit = _nothing
    edit_unprotected: Edit = _nothing
    edit_parts: Edit = _nothing
    signature: Callable[[bytes], bytes] | None = None

    def payload_bytes(self) -> bytes:
        return self.payload if self.payload is not None else json.dumps({"targetArtifact": self.target}).encode()

    @property
    def time_label(self) -> str:
        return f"io.cncf.notary.{'authenticSigningTime' if self.scheme == AUTHORITY_SCHEME else 'signingTime'}"

    @property
    def crit(self) -> list[Any]:
        labels: list[Any] = ["io.cncf.notary.signingScheme"]
        labels += [self.time_label] if self.scheme == AUTHORITY_SCHEME else []
        labels += ["io.cncf.notary.expiry"] if self.expiry else []
        return [*labels, *self.critical]


def sign_raw(private: Key, data: bytes, *, salt: int | None = None) -> bytes:
    """Return the primitive signature: r and s side by side, or the PSS value."""
    _, _, digest, size = algorithm(private)
    if isinstance(private, rsa.RSAPrivateKey):
        length = digest.digest_size if salt is None else salt
        return private.sign(data, padding.PSS(padding.MGF1(digest()), length), digest())
    assert isinstance(private, ec.EllipticCurvePrivateKey)
    r, s = utils.decode_dss_signature(private.sign(data, ec.ECDSA(digest())))
    return r.to_bytes(size) + s.to_bytes(size)


def algorithm(private: Key) -> tuple[str, int, Any, int]:
    if isinstance(private, ec.EllipticCurvePrivateKey):
        return _ALGORITHMS.get({256: "p256", 384: "p384", 521: "p521"}.get(private.key_size), _ALGORITHMS["p256"])
    if isinstance(private, rsa.RSAPrivateKey):
        return _ALGORITHMS.get(private.key_size, _ALGORITHMS[2048])
    return _ALGORITHMS["p256"]


def sign(identity: Identity, media_type: str = JWS, **options) -> bytes:
    """Return an envelope of the media type that the identity signed."""
    return (sign_jws if media_type == JWS else sign_cose)(identity, Draft(**options))


def sign_jws(identity: Identity, draft: Draft) -> bytes:
    protected: dict[str, Any] = {
        "alg": algorithm(identity.key)[0],
        "cty": draft.payload_type,
        "crit": draft.crit,
        "io.cncf.notary.signingScheme": draft.scheme,
        draft.time_label: rfc3339(draft.signing_time),
    }
    if draft.expiry:
        protected["io.cncf.notary.expiry"] = rfc3339(draft.expiry)
    protected |= draft.extended
    draft.edit_protected(protected)
    head, body = b64url(json.dumps(protected).encode()), b64url(draft.payload_bytes())
    signature = (draft.signature or (lambda data: sign_raw(identity.key, data)))(f"{head}.{body}".encode())
    chain = identity.ders if draft.chain is None else draft.chain
    unprotected: dict[str, Any] = {"x5c": [b64(der) for der in chain]}
    if draft.agent is not None:
        unprotected["io.cncf.notary.signingAgent"] = draft.agent
    if draft.token is not None:
        unprotected["io.cncf.notary.timestampSignature"] = b64(draft.token(signature))
    draft.edit_unprotected(unprotected)
    parts = {"payload": body, "protected": head, "header": unprotected, "signature": b64url(signature)}
    draft.edit_parts(parts)
    return json.dumps(parts).encode()


def sign_cose(identity: Identity, draft: Draft) -> bytes:
    protected: dict[Any, Any] = {
        1: algorithm(identity.key)[1],
        2: draft.crit,
        3: draft.payload_type,
        "io.cncf.notary.signingScheme": draft.scheme,
        draft.time_label: epoch(draft.signing_time),
    }
    if draft.expiry:
        protected["io.cncf.notary.expiry"] = epoch(draft.expiry)
    protected |= draft.extended
    draft.edit_protected(protected)
    head, body = cbor2.dumps(protected), draft.payload_bytes()
    signed = cbor2.dumps(["Signature1", head, b"", body])
    signature = (draft.signature or (lambda data: sign_raw(identity.key, data)))(signed)
    unprotected: dict[Any, Any] = {33: list(identity.ders if draft.chain is None else draft.chain)}
    if draft.agent is not None:
        unprotected["io.cncf.notary.signingAgent"] = draft.agent
    if draft.token is not None:
        unprotected["io.cncf.notary.timestampSignature"] = draft.token(signature)
    draft.edit_unprotected(unprotected)
    parts: dict[str, Any] = {"tag": 18, "parts": [head, unprotected, body, signature]}
    draft.edit_parts(parts)
    if parts["tag"] is None:
        return cbor2.dumps(parts["parts"])
    return cbor2.dumps(cbor2.CBORTag(parts["tag"], parts["parts"]))


def rfc3339(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def epoch(moment: datetime) -> cbor2.CBORTag:
    return cbor2.CBORTag(1, int(moment.timestamp()))


def b64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def b64(content: bytes) -> str:
    return base64.b64encode(content).decode()
