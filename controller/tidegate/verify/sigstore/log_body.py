"""Whether a log entry's body is about this signature: same content, same signature, same key or certificate.

A signature whose log entry is another signature's was never logged (CVE-2022-36056). For keyless bundles sigstore-python
compares; this is for keyed ones and for cosign's layers, whose entries are hashedrekord, dsse or intoto.
Source: the schemas under pkg/types of sigstore/rekor, and the entry protos of Rekor v2.
"""

import base64
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from tidegate.errors import VerificationError
from tidegate.strict.base64_text import decode_base64
from tidegate.strict.json_text import strict_object
from tidegate.strict.parsing import reading
from tidegate.strict.quotation import quoted
from tidegate.verify.sigstore.bundle import HASH_NAMES

HASHES = frozenset({"sha256", "sha384", "sha512"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """What the entry must be about.

    ``verifier`` is the DER of the certificate, or of the SubjectPublicKeyInfo of a long-lived key. ``message`` is what
    was signed, or None where only its SHA-256 (``digest``) is known. ``payload`` and ``envelope`` are those of DSSE:
    the statement, and the envelope's JSON where it stands alone.
    """

    signature: bytes
    verifier: bytes
    message: bytes | None = None
    digest: bytes = b""
    payload: bytes | None = None
    envelope: bytes | None = None


def check_body(body: bytes, kind: str, version: str, signed: Signed) -> None:
    """Raise VerificationError unless the body is about what was signed."""
    fields = strict_object(body, "log entry")
    if fields.get("kind") != kind or fields.get("apiVersion") != version:
        raise VerificationError("the log entry has another kind than the bundle says")
    check = _CHECKS.get((kind, version))
    if check is None:
        raise VerificationError(f"log entries of kind {quoted(f'{kind} {version}')} cannot be compared")
    with reading("the log entry is unreadable"):
        check(fields["spec"], signed)


def _hashedrekord(spec: Mapping[str, Any], signed: Signed) -> None:
    given = spec["data"]["hash"]
    _same_hash(given["algorithm"], bytes.fromhex(given["value"]), signed)
    _same_signature(decode_base64(spec["signature"]["content"], "signature"), signed)
    _same_verifier(_pem(spec["signature"]["publicKey"]["content"]), signed)


def _hashedrekord_v2(spec: Mapping[str, Any], signed: Signed) -> None:
    record = spec["hashedRekordV002"]
    _same_hash(HASH_NAMES[record["data"]["algorithm"]], decode_base64(record["data"]["digest"], "digest"), signed)
    _same_signature(decode_base64(record["signature"]["content"], "signature"), signed)
    verifier = record["signature"]["verifier"]
    given = [verifier[name]["rawBytes"] for name in ("publicKey", "x509Certificate") if verifier.get(name)]
    if len(given) != 1:
        raise VerificationError("the log entry does not name exactly one key")
    _same_verifier(decode_base64(given[0], "verifier"), signed)


def _dsse(spec: Mapping[str, Any], signed: Signed) -> None:
    _same_payload(spec["payloadHash"], signed)
    (one,) = spec["signatures"]
    _same_signature(decode_base64(one["signature"], "signature"), signed)
    _same_verifier(_pem(one["verifier"]), signed)


def _intoto(spec: Mapping[str, Any], signed: Signed) -> None:
    """Compare; the body holds no signature, so the hash of the whole envelope must tie them together."""
    _same_payload(spec["content"]["payloadHash"], signed)
    _same_verifier(_pem(spec["publicKey"]), signed)
    given = spec["content"]["hash"]
    if signed.envelope is None or _hash(given["algorithm"], signed.envelope).hex() != given["value"]:
        raise VerificationError("the log entry is about another envelope")


def _intoto_v2(spec: Mapping[str, Any], signed: Signed) -> None:
    content = spec["content"]
    _same_payload(content["payloadHash"], signed)
    (one,) = content["envelope"]["signatures"]
    # Rekor keeps the envelope's base64 text as bytes, so its JSON has base64 of base64.
    outer = decode_base64(one["sig"], "signature")
    _same_signature(decode_base64(outer.decode("ascii"), "signature"), signed)
    _same_verifier(_pem(one["publicKey"]), signed)


_CHECKS: dict[tuple[str, str], Callable[[Mapping[str, Any], Signed], None]] = {
    ("hashedrekord", "0.0.1"): _hashedrekord,
    ("hashedrekord", "0.0.2"): _hashedrekord_v2,
    ("dsse", "0.0.1"): _dsse,
    ("intoto", "0.0.1"): _intoto,
    ("intoto", "0.0.2"): _intoto_v2,
}


def _same_hash(algorithm: str, value: bytes, signed: Signed) -> None:
    wanted = _hash(algorithm, signed.message) if signed.message is not None else signed.digest
    if (signed.message is None and algorithm != "sha256") or value != wanted:
        raise VerificationError("the log entry is about other content")


def _same_payload(given: Mapping[str, str], signed: Signed) -> None:
    if signed.payload is None or _hash(given["algorithm"], signed.payload).hex() != given["value"]:
        raise VerificationError("the log entry is about another payload")


def _same_signature(signature: bytes, signed: Signed) -> None:
    if signature != signed.signature:
        raise VerificationError("the log entry is about another signature")


def _same_verifier(der: bytes, signed: Signed) -> None:
    if der != signed.verifier:
        raise VerificationError("the log entry is about another key or certificate")


def _hash(algorithm: str, content: bytes) -> bytes:
    if algorithm not in HASHES:
        raise VerificationError(f"the log entry uses {quoted(algorithm)}")
    return hashlib.new(algorithm, content).digest()


def _pem(text: str) -> bytes:
    """Return the DER of the certificate or public key that the base64 of a PEM holds."""
    pem = base64.b64decode(text, validate=True)
    if b"-----BEGIN CERTIFICATE-----" in pem:
        return x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER)
    return load_pem_public_key(pem).public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
