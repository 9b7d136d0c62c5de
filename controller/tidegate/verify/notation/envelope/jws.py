"""Notation's JWS envelope: flattened JSON serialization, and no other form.

What is not exactly one well-formed envelope is refused: other fields, repeated keys, loose base64, loose times.
"""

import re
from datetime import datetime
from typing import Any

from tidegate.errors import VerificationError
from tidegate.strict.base64_text import decode_base64, decode_base64url
from tidegate.strict.json_text import strict_object
from tidegate.strict.quotation import quoted, quoted_list
from tidegate.verify.notation.envelope.algorithm import BY_NAME, SignatureAlgorithm
from tidegate.verify.notation.envelope.attributes import (
    TIME_LABELS,
    TIMESTAMP_SIGNATURE,
    Label,
    ProtectedHeader,
)
from tidegate.verify.notation.envelope.content import EnvelopeContent
from tidegate.verify.notation.timestamp.cms import MAX_TOKEN_BYTES
from tidegate.verify.notation.x509.certificate import MAX_CERTIFICATE_BYTES
from tidegate.verify.notation.x509.chain import MAX_CHAIN_LENGTH

JWS_MEDIA_TYPE = "application/jose+json"

MAX_HEADER_BYTES = 64 * 1024
"""Bytes of the protected header; real ones have less than 1 KB."""
MAX_SIGNATURE_BYTES = 1024
"""Bytes of a signature; the longest, by an RSA key of 4096 bits, has 512."""

_INVALID = "signature envelope format is invalid"
_PROTECTED = "jws envelope protected header can't be decoded"
_FIELDS = frozenset({"payload", "protected", "header", "signature"})
_REGISTERED: frozenset[Label] = frozenset({"alg", "cty", "crit"})
_RFC3339 = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)", re.ASCII)


def parse_jws(content: bytes) -> EnvelopeContent:
    """Return the parts of a JWS envelope; raise VerificationError for anything else. No signature is checked.

    Source: RFC 7515, section 7.2.2, and the Notary Project's JWS envelope specification.
    """
    # N28
    envelope = strict_object(content, _INVALID)
    if set(envelope) != _FIELDS:
        unknown = quoted_list(sorted(set(envelope) ^ _FIELDS))
        raise VerificationError(f"{_INVALID}: expected exactly payload, protected, header and signature, not {unknown}")
    # N29
    payload = decode_base64url(envelope["payload"], "payload error")
    protected = decode_base64url(envelope["protected"], _PROTECTED, maximum=MAX_HEADER_BYTES)
    signature = decode_base64url(envelope["signature"], "signature error", maximum=MAX_SIGNATURE_BYTES)
    if not signature:
        raise VerificationError("signature missing in jws-json envelope")
    unprotected = envelope["header"]
    if not isinstance(unprotected, dict):
        raise VerificationError(f"{_INVALID}: the unprotected header is not a JSON object")
    header = strict_object(protected, _PROTECTED)
    shared = sorted(set(header) & set(unprotected))
    if shared:
        # N30
        raise VerificationError(f"{_INVALID}: {quoted(shared[0])} is in the protected and in the unprotected header")
    return EnvelopeContent(
        media_type=JWS_MEDIA_TYPE,
        header=_protected_header(header),
        payload=payload,
        signed=f"{envelope['protected']}.{envelope['payload']}".encode("ascii"),
        signature=signature,
        chain=_chain(unprotected),
        timestamp_token=_timestamp_token(unprotected),
    )


def _protected_header(header: dict[str, Any]) -> ProtectedHeader:
    # N30
    content_type, critical = header.get("cty"), header.get("crit", [])
    if not isinstance(content_type, str):
        raise VerificationError(f"{_INVALID}: the protected header has no content type")
    if not isinstance(critical, list) or any(not isinstance(label, str) for label in critical):
        raise VerificationError(f'{_INVALID}: the "crit" header is not a list of texts')
    values: dict[Label, object] = dict(header.items())
    return ProtectedHeader(
        algorithm=_algorithm(header.get("alg")),
        content_type=content_type,
        critical=tuple(critical),
        values=values,
        times={label: _time(header[label], label) for label in TIME_LABELS if label in header},
        registered=_REGISTERED,
    )


def _algorithm(name: object) -> SignatureAlgorithm:
    """Return the algorithm that the header claims: only those of the list, so neither ``none`` nor HMAC."""
    if not isinstance(name, str) or name not in BY_NAME:
        raise VerificationError(f"signature algorithm {quoted(name if isinstance(name, str) else '')} is not supported")
    return BY_NAME[name]


def _time(value: object, label: str) -> datetime:
    """Return a time in the strict form of RFC 3339; ``fromisoformat`` alone accepts far more."""
    # N35
    try:
        if isinstance(value, str) and _RFC3339.fullmatch(value):
            return datetime.fromisoformat(_microseconds(value))
    except ValueError:
        pass
    raise VerificationError(f"{_INVALID}: {quoted(label)} is not a time of RFC 3339")


def _microseconds(text: str) -> str:
    """Return the time with its fraction cut to what Python's times hold."""
    return re.sub(r"(\.\d{6})\d+", r"\1", text)


def _chain(unprotected: dict[str, Any]) -> tuple[bytes, ...]:
    # N36
    chain = unprotected.get("x5c")
    if not isinstance(chain, list) or not chain:
        raise VerificationError("certificate chain is not present")
    if len(chain) > MAX_CHAIN_LENGTH:
        raise VerificationError(f"certificate chain has {len(chain)} certificates, more than {MAX_CHAIN_LENGTH}")
    return tuple(decode_base64(one, "certificate chain", maximum=MAX_CERTIFICATE_BYTES) for one in chain)


def _timestamp_token(unprotected: dict[str, Any]) -> bytes | None:
    if TIMESTAMP_SIGNATURE not in unprotected:
        return None
    return decode_base64(unprotected[TIMESTAMP_SIGNATURE], "timestamp signature", maximum=MAX_TOKEN_BYTES)
