"""A transparency log as Rekor v1 is one: a Merkle tree, signed checkpoints, and a promise for every entry."""

import base64
import hashlib
import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

FILLERS = 5
"""Entries of nobody that come first: some verifiers take index 0 for a missing one."""
ORIGIN = "rekor.sigstore.test - 1"


def b64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def spki(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


@dataclass(kw_only=True)
class TransparencyLog:
    """Appends entries and proves them; nothing is ever removed."""

    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    leaves: list[bytes] = field(default_factory=lambda: [b"filler %d" % number for number in range(FILLERS)])

    @property
    def log_id(self) -> bytes:
        return hashlib.sha256(spki(self.key)).digest()

    def append(self, body: dict[str, Any], at: datetime, *, integrated: bool = True) -> dict[str, Any]:
        """Log the body; return the entry as a bundle holds it. ``integrated=False``: no time and no promise."""
        content = canonical(body)
        self.leaves.append(content)
        index = len(self.leaves) - 1
        root = _root(self.leaves)
        entry: dict[str, Any] = {
            "logIndex": str(index),
            "logId": {"keyId": b64(self.log_id)},
            "kindVersion": {"kind": body["kind"], "version": body["apiVersion"]},
            "inclusionProof": {
                "logIndex": str(index),
                "rootHash": b64(root),
                "treeSize": str(len(self.leaves)),
                "hashes": [b64(one) for one in _path(index, self.leaves)],
                "checkpoint": {"envelope": self.checkpoint(root)},
            },
            "canonicalizedBody": b64(content),
        }
        if integrated:
            seconds = int(at.timestamp())
            entry["integratedTime"] = str(seconds)
            entry["inclusionPromise"] = {"signedEntryTimestamp": b64(self.promise(content, seconds, index))}
        return entry

    def checkpoint(self, root: bytes) -> str:
        note = f"{ORIGIN}\n{len(self.leaves)}\n{b64(root)}\n"
        signature = self.key.sign(note.encode(), ec.ECDSA(hashes.SHA256()))
        return f"{note}\n\u2014 rekor.sigstore.test {b64(self.log_id[:4] + signature)}\n"

    def promise(self, content: bytes, seconds: int, index: int) -> bytes:
        signed = canonical(
            {"body": b64(content), "integratedTime": seconds, "logID": self.log_id.hex(), "logIndex": index}
        )
        return self.key.sign(signed, ec.ECDSA(hashes.SHA256()))


def _root(leaves: list[bytes]) -> bytes:
    """Return the Merkle tree hash of RFC 6962, section 2.1."""
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    split = _split(len(leaves))
    return hashlib.sha256(b"\x01" + _root(leaves[:split]) + _root(leaves[split:])).digest()


def _path(index: int, leaves: list[bytes]) -> list[bytes]:
    """Return the audit path of RFC 6962, section 2.1.1."""
    if len(leaves) == 1:
        return []
    split = _split(len(leaves))
    if index < split:
        return [*_path(index, leaves[:split]), _root(leaves[split:])]
    return [*_path(index - split, leaves[split:]), _root(leaves[:split])]


def _split(size: int) -> int:
    return 1 << ((size - 1).bit_length() - 1)
