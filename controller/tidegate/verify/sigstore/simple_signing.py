"""The payload of cosign's older signatures (``.sig`` tags): which digest, and which repository when it was signed.

Source: cosign specs/SIGNATURE_SPEC.md; in practice the key is ``docker-manifest-digest``, all lower case.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tidegate.errors import VerificationError
from tidegate.images.digest import Digest
from tidegate.strict.json_text import strict_object
from tidegate.strict.quotation import quoted
from tidegate.verify.sigstore.bundle import bounded
from tidegate.verify.sigstore.statement import COSIGN_SIGNATURE, texts

MAX_PAYLOAD_BYTES = 1 << 20
"""Bytes of a payload; cosign writes about 240."""

TYPES = ("cosign container image signature", COSIGN_SIGNATURE)


@dataclass(frozen=True, slots=True, kw_only=True)
class SimpleSigning:
    """What a verified payload says. ``annotations`` holds the texts of ``optional``; other values are left out."""

    repository: str | None
    annotations: Mapping[str, str]


def read_simple_signing(payload: bytes, digest: Digest) -> SimpleSigning:
    """Return what verified bytes say if they name the digest; else raise VerificationError."""
    fields = strict_object(bounded(payload, MAX_PAYLOAD_BYTES, "payload"), "payload")
    critical = _object(fields, "critical")
    if critical.get("type") not in TYPES:
        raise VerificationError(f"payload: unknown type {quoted(critical.get('type'))}")
    named = _object(critical, "image").get("docker-manifest-digest")
    if named != digest:
        raise VerificationError(f"it is about {quoted(named)}, not {digest}")
    repository = _object(critical, "identity").get("docker-reference")
    if not isinstance(repository, str | None):
        raise VerificationError("payload: unexpected form")
    return SimpleSigning(repository=repository or None, annotations=texts(fields.get("optional")))


def _object(fields: dict[str, Any], name: str) -> dict[str, Any]:
    value = fields.get(name)
    if not isinstance(value, dict):
        raise VerificationError(f"payload: {name} is missing")
    return value
