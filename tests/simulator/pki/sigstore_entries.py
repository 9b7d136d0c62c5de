"""What a transparency log keeps of signatures: the bodies of its entries, by kind and version."""

import base64
import hashlib
from typing import Any

from tests.simulator.pki.sigstore_log import b64

IN_TOTO = "application/vnd.in-toto+json"


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
