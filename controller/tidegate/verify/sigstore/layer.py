"""cosign's older material: layers of ``sha256-....sig`` and ``.att`` images, with everything else in annotations.

All of it is unsigned, and every user with push access can write it; only verified content may be used. The annotations
``chain`` and ``predicateType`` are not read. Source: cosign specs/SIGNATURE_SPEC.md and pkg/oci/static.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from tidegate.errors import VerificationError
from tidegate.strict.base64_text import decode_base64
from tidegate.strict.json_text import strict_object
from tidegate.strict.quotation import quoted
from tidegate.strict.typed import prepare
from tidegate.verify.sigstore.bundle import (
    MAX_BODY_BYTES,
    MAX_SECONDS,
    MAX_SIGNATURE_BYTES,
    MAX_TIMESTAMP_BYTES,
    bounded,
)

SIGNATURE = "dev.cosignproject.cosign/signature"
CERTIFICATE = "dev.sigstore.cosign/certificate"
BUNDLE = "dev.sigstore.cosign/bundle"
TIMESTAMP = "dev.sigstore.cosign/rfc3161timestamp"

MAX_ANNOTATION_CHARACTERS = 2 << 20
"""Characters of one annotation; a log entry's body in base64 and room for the rest."""
LOG_ID_BYTES = 32

_Form = TypeVar("_Form", bound=msgspec.Struct)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureLayer:
    """One signature or attestation: the layer's content, and the annotations of its descriptor."""

    content: bytes
    annotations: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """A log's signed promise to include an entry (SET), with the entry. ``text`` is the body's base64, as signed."""

    kind: str
    version: str
    body: bytes
    text: str
    index: int
    integrated_time: int
    log_id: bytes
    signature: bytes


def layer_signature(layer: SignatureLayer) -> bytes:
    """Return the signature of a ``.sig`` layer."""
    signature = decode_base64(_annotation(layer, SIGNATURE) or "", SIGNATURE)
    return bounded(signature, MAX_SIGNATURE_BYTES, SIGNATURE)


def layer_certificate(layer: SignatureLayer) -> bytes | None:
    """Return the signer's certificate as PEM, None where the layer was signed with a long-lived key."""
    text = _annotation(layer, CERTIFICATE)
    return text.encode("utf-8", errors="replace") if text else None


def layer_promise(layer: SignatureLayer) -> Promise | None:
    """Return the log's promise, None where none came with it."""
    text = _annotation(layer, BUNDLE)
    if not text:
        return None
    wire = _read(text, _CosignBundle, BUNDLE)
    body = bounded(decode_base64(wire.payload.body, "body"), MAX_BODY_BYTES, "body")
    kind = strict_object(body, "log entry")
    return Promise(
        kind=str(kind.get("kind")),
        version=str(kind.get("apiVersion")),
        body=body,
        text=wire.payload.body,
        index=wire.payload.log_index,
        integrated_time=wire.payload.integrated_time,
        log_id=_log_id(wire.payload.log_id),
        signature=decode_base64(wire.signed_entry_timestamp, "SignedEntryTimestamp"),
    )


def layer_timestamps(layer: SignatureLayer) -> tuple[bytes, ...]:
    """Return the RFC 3161 answers, at most one."""
    text = _annotation(layer, TIMESTAMP)
    if not text:
        return ()
    answer = decode_base64(_read(text, _CosignTimestamp, TIMESTAMP).signed_timestamp, TIMESTAMP)
    return (bounded(answer, MAX_TIMESTAMP_BYTES, TIMESTAMP),)


def _annotation(layer: SignatureLayer, name: str) -> str:
    text = layer.annotations.get(name, "")
    if not isinstance(text, str) or len(text) > MAX_ANNOTATION_CHARACTERS:
        raise VerificationError(f"{name}: expected a text of up to {MAX_ANNOTATION_CHARACTERS} characters")
    return text


def _log_id(text: str) -> bytes:
    try:
        log_id = bytes.fromhex(text)
    except ValueError as error:
        raise VerificationError("logID: expected hexadecimal") from error
    if len(log_id) != LOG_ID_BYTES or log_id.hex() != text:
        raise VerificationError(f"logID: expected {LOG_ID_BYTES} bytes in lower-case hexadecimal")
    return log_id


def _read(text: str, form: type[_Form], name: str) -> _Form:
    try:
        return msgspec.convert(strict_object(text.encode("utf-8", errors="replace"), name), form)
    except msgspec.ValidationError as error:
        raise VerificationError(f"{name}: {quoted(error)}") from error


class _Payload(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    body: str
    integrated_time: int = msgspec.field(name="integratedTime")
    log_index: int = msgspec.field(name="logIndex")
    log_id: str = msgspec.field(name="logID")

    def __post_init__(self) -> None:
        """Refuse numbers that are no time or place."""
        if not 0 < self.integrated_time <= MAX_SECONDS or not 0 <= self.log_index < 1 << 53:
            raise ValueError("integratedTime or logIndex is out of range")


class _CosignBundle(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    signed_entry_timestamp: str = msgspec.field(name="SignedEntryTimestamp")
    payload: _Payload = msgspec.field(name="Payload")


class _CosignTimestamp(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    signed_timestamp: str = msgspec.field(name="SignedRFC3161Timestamp")


prepare(_CosignBundle, _CosignTimestamp)
