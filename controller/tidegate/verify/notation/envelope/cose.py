"""Notation's COSE envelope: a tagged COSE_Sign1, and no other form.

CBOR has many encodings of one value and many types for one idea. Repeated keys, indefinite lengths, trailing bytes and
every tag but those that the specification names are refused.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from io import BytesIO
from typing import Any

import cbor2

from tidegate.errors import VerificationError
from tidegate.strict.parsing import reading
from tidegate.strict.quotation import quoted
from tidegate.verify.notation.envelope.algorithm import BY_COSE, SignatureAlgorithm
from tidegate.verify.notation.envelope.attributes import (
    TIME_LABELS,
    TIMESTAMP_SIGNATURE,
    Label,
    ProtectedHeader,
)
from tidegate.verify.notation.envelope.content import EnvelopeContent
from tidegate.verify.notation.x509.chain import MAX_CHAIN_LENGTH

COSE_MEDIA_TYPE = "application/cose"
MAX_DEPTH = 8
"""Nested arrays, maps and tags; an envelope has four."""
MAX_ITEMS = 1000
"""Values in an envelope, and again in its protected header, whatever their nesting; real ones have about 30."""

_INVALID = "signature envelope format is invalid"
_SIGN1_TAG = 18
_EPOCH_TAG = 1
_SIGN1_PARTS = 4
_STRINGS = (2, 3)
_ARGUMENT_BYTES = {24: 1, 25: 2, 26: 4, 27: 8}
_ALGORITHM, _CRITICAL, _CONTENT_TYPE, _X5CHAIN = 1, 2, 3, 33
# The labels that a list of critical ones may not name (specification: 0 to 8), and the chain's.
_REGISTERED: frozenset[Label] = frozenset({*range(9), _X5CHAIN})
# The tags that cbor2 would turn into values of its own; kept as tags, so that 0 and 1 stay apart.
_BUILT_IN_TAGS = (
    *(0, 1, 2, 3, 4, 5, 25, 28, 29, 30, 35, 36, 37, 43, 44, 52, 54, 100, 256, 258, 260, 261, 1004, 43000, 55799),
)


def _keep(number: int, value: object, _immutable: bool) -> cbor2.CBORTag:
    return cbor2.CBORTag(number, value)


_KEPT: dict[int, Callable[[Any, bool], Any]] = {number: partial(_keep, number) for number in _BUILT_IN_TAGS}


def parse_cose(content: bytes) -> EnvelopeContent:
    """Return the parts of a COSE envelope; raise VerificationError for anything else. No signature is checked.

    Source: RFC 9052, section 4.2, and the Notary Project's COSE envelope specification.
    """
    # N31
    message = _decode(content)
    if not isinstance(message, cbor2.CBORTag) or message.tag != _SIGN1_TAG:
        raise VerificationError(f"{_INVALID}: expected a tagged COSE_Sign1 message")
    parts = message.value
    if not isinstance(parts, list | tuple) or len(parts) != _SIGN1_PARTS:
        raise VerificationError(f"{_INVALID}: a COSE_Sign1 message has four parts")
    protected, unprotected, payload, signature = parts
    if not isinstance(protected, bytes) or not isinstance(payload, bytes) or not isinstance(signature, bytes):
        raise VerificationError(f"{_INVALID}: protected header, payload and signature must be byte strings")
    if not protected:
        raise VerificationError(f"{_INVALID}: the protected header is empty")
    if not signature:
        raise VerificationError("signature missing in COSE envelope")
    header, outer = _labelled(_decode(protected)), _labelled(unprotected)
    shared = set(header) & set(outer)
    if shared:
        raise VerificationError(f"{_INVALID}: {quoted(shared.pop())} is in the protected and in the unprotected header")
    with reading(_INVALID):
        # N31b: over the received bytes of the protected header, never over an encoding of what they mean.
        signed = cbor2.dumps(["Signature1", protected, b"", payload])
    return EnvelopeContent(
        media_type=COSE_MEDIA_TYPE,
        header=_protected_header(header),
        payload=payload,
        signed=signed,
        signature=signature,
        chain=_chain(header.get(_X5CHAIN, outer.get(_X5CHAIN))),
        timestamp_token=_timestamp_token(outer),
    )


def _decode(content: bytes) -> object:
    """Return the one CBOR value that the bytes are."""
    with reading(_INVALID):
        _check_items(content)
        source = BytesIO(content)
        decoder = cbor2.CBORDecoder(
            source, semantic_decoders=_KEPT, max_depth=MAX_DEPTH, allow_indefinite=False, allow_duplicate_keys=False
        )
        value: object = decoder.decode()
    if source.tell() != len(content):
        raise VerificationError(f"{_INVALID}: {len(content) - source.tell()} bytes after the CBOR value")
    return value


def _check_items(content: bytes) -> None:
    """Count the values before any is made: many keys of one hash would cost a map hours.

    Each begins with a head, and strings are followed by as many bytes as it says (RFC 8949, section 3). Whether the
    whole is well-formed is for the decoder to find out.
    """
    place = 0
    for _ in range(MAX_ITEMS):
        if place >= len(content):
            return
        kind, argument = content[place] >> 5, content[place] & 31
        place += 1
        if argument in _ARGUMENT_BYTES:
            size = _ARGUMENT_BYTES[argument]
            argument = int.from_bytes(content[place : place + size])
            place += size
        place += argument if kind in _STRINGS else 0
    if place < len(content):
        raise VerificationError(f"{_INVALID}: more than {MAX_ITEMS} values")


def _labelled(value: object) -> dict[Label, object]:
    """Return a header whose labels are texts and integers; ``true`` and 1.0 are equal to 1 and would take its place."""
    if not isinstance(value, Mapping):
        raise VerificationError(f"{_INVALID}: a header is not a map")
    if any(type(label) not in {int, str} for label in value):
        raise VerificationError(f"{_INVALID}: a label is neither a text nor an integer")
    return dict(value)


def _protected_header(header: dict[Label, object]) -> ProtectedHeader:
    content_type, critical = header.get(_CONTENT_TYPE), header.get(_CRITICAL, ())
    if content_type is None:
        raise VerificationError("missing content type")
    if not isinstance(content_type, str):
        raise VerificationError("content type should be of 'tstr' type")
    if not isinstance(critical, list | tuple) or any(type(label) not in {int, str} for label in critical):
        raise VerificationError(f'{_INVALID}: the "crit" header is not a list of labels')
    return ProtectedHeader(
        algorithm=_algorithm(header.get(_ALGORITHM)),
        content_type=content_type,
        critical=tuple(critical),
        values=header,
        times={label: _time(header[label], label) for label in TIME_LABELS if label in header},
        registered=_REGISTERED,
    )


def _algorithm(number: object) -> SignatureAlgorithm:
    if type(number) is not int or number not in BY_COSE:
        shown = number if type(number) is int else quoted(type(number).__name__)
        raise VerificationError(f"signature algorithm not supported: {shown}")
    return BY_COSE[number]


def _time(value: object, label: str) -> datetime:
    """Return a time: tag 1 around an integer. A text (tag 0) or a bare number is none."""
    if not isinstance(value, cbor2.CBORTag):
        raise VerificationError(f"header {quoted(label)} time value does not have a tag")
    if value.tag != _EPOCH_TAG or type(value.value) is not int:
        raise VerificationError(f"header {quoted(label)}: only Tag `1` Datetime CBOR object is supported")
    with reading(f"header {quoted(label)} is out of range"):
        return datetime.fromtimestamp(value.value, UTC)


def _chain(value: object) -> tuple[bytes, ...]:
    # N36
    if not isinstance(value, list | tuple) or not value:
        raise VerificationError("certificate chain is not present")
    if len(value) > MAX_CHAIN_LENGTH:
        raise VerificationError(f"certificate chain has {len(value)} certificates, more than {MAX_CHAIN_LENGTH}")
    if any(not isinstance(certificate, bytes) for certificate in value):
        raise VerificationError("certificate chain is not present: a certificate is not a byte string")
    return tuple(value)


def _timestamp_token(outer: dict[Label, object]) -> bytes | None:
    token = outer.get(TIMESTAMP_SIGNATURE)
    if TIMESTAMP_SIGNATURE in outer and not isinstance(token, bytes):
        raise VerificationError("timestamp signature is not a byte string")
    return token if isinstance(token, bytes) else None
