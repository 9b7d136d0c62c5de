"""A whole Sigstore instance on loopback HTTP: Fulcio, Rekor (version 1) and a timestamp authority, as cosign asks them.

What they sign comes from tests/simulator/pki/sigstore.py; here is only the wire. Sources: the OpenAPI documents of
sigstore/fulcio (``/api/v2/signingCert``) and sigstore/rekor (``/api/v1/log/entries``).
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from asn1crypto import tsp
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_public_key

from tests.e2e.interop.services import Answer, Asked, Services
from tests.simulator.pki.sigstore import LocalSigstore, PrivateKey, stamp
from tests.simulator.pki.sigstore_entries import dsse_body

_JSON = "application/json"


@dataclass(frozen=True, kw_only=True)
class Instance:
    """An instance that is being served."""

    local: LocalSigstore
    services: Services

    def signing_config(self, *, certificates: bool = True, log: bool = True, timestamps: bool = False) -> str:
        """Return the file that tells cosign which services to use."""
        started = {"start": stamp(datetime.now(UTC) - timedelta(days=1))}

        def service(path: str) -> list[dict[str, Any]]:
            url = self.services.url(path).removesuffix("/")
            return [{"url": url, "majorApiVersion": 1, "validFor": started, "operator": "sigstore.test"}]

        return json.dumps(
            {
                "mediaType": "application/vnd.dev.sigstore.signingconfig.v0.2+json",
                "caUrls": service("") if certificates else [],
                "oidcUrls": [],
                "rekorTlogUrls": service("") if log else [],
                "rekorTlogConfig": {"selector": "ANY"},
                "tsaUrls": service("timestamp") if timestamps else [],
                "tsaConfig": {"selector": "ANY"},
            }
        )


def serve_sigstore(services: Services) -> Instance:
    """Serve a new instance, one whose authorities began a day ago."""
    moment = datetime.now(UTC)
    local = LocalSigstore(begin=moment - timedelta(days=1), end=moment + timedelta(days=365))
    services.serve("api/v2/signingCert", lambda asked: _certificate(local, asked))
    services.serve("api/v1/log/entries", lambda asked: _entry(local, asked))
    services.serve("timestamp", lambda asked: _timestamp(local, asked))
    return Instance(local=local, services=services)


def identity_token(subject: str, issuer: str) -> str:
    """Return a token of nobody's: our Fulcio believes every word."""

    def part(content: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")

    expires = int((datetime.now(UTC) + timedelta(minutes=5)).timestamp())
    claims = {
        "iss": issuer,
        "sub": subject,
        "aud": "sigstore",
        "exp": expires,
        "email": subject,
        "email_verified": True,
    }
    return f"{part({'alg': 'RS256'})}.{part(claims)}.{part({'nobody': 'signs'})}"


@dataclass(frozen=True)
class _PublicOnly:
    """Stands for the private key of somebody else."""

    pem: bytes

    def public_key(self) -> Any:
        return load_pem_public_key(self.pem)


def _certificate(local: LocalSigstore, asked: Asked) -> Answer:
    token = asked.headers["Authorization"].removeprefix("Bearer ").split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    pem = json.loads(asked.body)["publicKeyRequest"]["publicKey"]["content"].encode()
    signer = local.signer(
        subject=claims["email"],
        issuer=claims["iss"],
        at=datetime.now(UTC).replace(microsecond=0),
        key=cast("PrivateKey", _PublicOnly(pem)),
    )
    chain = [one.public_bytes(Encoding.PEM).decode() for one in (signer.certificate, local.intermediate, local.root)]
    return _json({"signedCertificateEmbeddedSct": {"chain": {"certificates": chain}}})


def _entry(local: LocalSigstore, asked: Asked) -> Answer:
    proposed = json.loads(asked.body)
    body = _canonical_dsse(proposed) if proposed["kind"] == "dsse" else proposed
    logged = local.log.append(body, datetime.now(UTC))
    proof = logged["inclusionProof"]
    name = hashlib.sha256(base64.b64decode(logged["canonicalizedBody"])).hexdigest()
    entry = {
        "body": logged["canonicalizedBody"],
        "integratedTime": int(logged["integratedTime"]),
        "logID": local.log.log_id.hex(),
        "logIndex": int(logged["logIndex"]),
        "verification": {
            "inclusionProof": {
                "checkpoint": proof["checkpoint"]["envelope"],
                "hashes": [base64.b64decode(one).hex() for one in proof["hashes"]],
                "logIndex": int(proof["logIndex"]),
                "rootHash": base64.b64decode(proof["rootHash"]).hex(),
                "treeSize": int(proof["treeSize"]),
            },
            "signedEntryTimestamp": logged["inclusionPromise"]["signedEntryTimestamp"],
        },
    }
    return _json({name: entry}, status=201, etag=name)


def _canonical_dsse(proposed: dict[str, Any]) -> dict[str, Any]:
    """Return what Rekor keeps of a proposed envelope."""
    content = proposed["spec"]["proposedContent"]
    envelope = json.loads(content["envelope"])
    (signature,), (pem,) = envelope["signatures"], content["verifiers"]
    payload = base64.b64decode(envelope["payload"])
    return dsse_body(payload, base64.b64decode(signature["sig"]), base64.b64decode(pem), content["envelope"].encode())


def _timestamp(local: LocalSigstore, asked: Asked) -> Answer:
    imprint = tsp.TimeStampReq.load(asked.body)["message_imprint"]["hashed_message"].native
    answer = local.tsa.answer(b"", datetime.now(UTC), imprint=imprint)
    return Answer(content_type="application/timestamp-reply", body=answer, status=201)


def _json(content: Any, *, status: int = 200, etag: str = "") -> Answer:
    headers = {"ETag": etag} if etag else {}
    return Answer(content_type=_JSON, body=json.dumps(content).encode(), status=status, headers=headers)
