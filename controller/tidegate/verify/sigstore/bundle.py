"""A Sigstore bundle, read strictly: one reading, known fields only, canonical base64, everything bounded and counted.

Nothing is verified here. What the library is later given is ``wire``, written anew from what was read, so that it can't
read the same bytes differently. Source: sigstore_bundle.proto of sigstore/protobuf-specs, versions 0.1 to 0.3.
"""

from dataclasses import dataclass

import msgspec
from cryptography import x509

from tidegate.errors import VerificationError
from tidegate.strict.base64_text import decode_base64
from tidegate.strict.json_text import strict_object
from tidegate.strict.parsing import reading
from tidegate.strict.quotation import quoted
from tidegate.strict.typed import prepare

MAX_STATEMENT_BYTES = 16 << 20
"""Bytes of what an envelope holds; large SBOMs have a few MiB."""
MAX_BUNDLE_BYTES = 24 << 20
"""Bytes of a bundle: a statement in base64, and room for the rest."""
MAX_BODY_BYTES = 1 << 20
"""Bytes of a log entry's body; it holds hashes, a signature and a certificate."""
MAX_SIGNATURE_BYTES = 16 << 10
MAX_CERTIFICATES = 10
"""Certificates of a version 0.1 or 0.2 bundle; only the first is used, and none may be a root."""
MAX_CERTIFICATE_BYTES = 64 << 10
MAX_TIMESTAMPS = 8
"""RFC 3161 answers of one bundle; signers use one."""
MAX_TIMESTAMP_BYTES = 64 << 10
MAX_PROOF_HASHES = 64
"""Hashes of an inclusion proof: a log of 2 to the power of 64 entries."""
MAX_CHECKPOINT_CHARACTERS = 16 << 10
HASH_BYTES = 32
"""Bytes of a hash in a log's tree."""
MAX_SECONDS = 253_402_300_799 - 86_400
"""Latest time of a log in seconds, a day before the year 10000; later ones are no dates."""

HASH_NAMES = {"SHA2_256": "sha256", "SHA2_384": "sha384", "SHA2_512": "sha512"}
"""Hashes as Sigstore's messages call them, and as Python does."""

_OLD_TYPES = frozenset(
    {
        "application/vnd.dev.sigstore.bundle+json;version=0.1",
        "application/vnd.dev.sigstore.bundle+json;version=0.2",
    }
)
MEDIA_TYPES = _OLD_TYPES | {
    "application/vnd.dev.sigstore.bundle+json;version=0.3",
    "application/vnd.dev.sigstore.bundle.v0.3+json",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEntry:
    """An entry of a transparency log. ``integrated_time`` (Unix seconds) is believed only with a verified promise.

    ``index`` is the one that is signed: that of the promise where there is one, else that of the inclusion proof.
    """

    kind: str
    version: str
    body: bytes
    index: int
    integrated_time: int | None
    promised: bool
    wire: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class DsseEnvelope:
    """A DSSE envelope with its one signature."""

    payload_type: str
    payload: bytes
    signature: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageSignature:
    """A signature over an artifact. ``digest`` is the signer's hint: a hash by ``hash_name`` of the artifact."""

    signature: bytes
    hash_name: str
    digest: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A bundle as read. ``certificate`` is None for one that was signed with a long-lived key."""

    certificate: bytes | None
    entry: LogEntry | None
    timestamps: tuple[bytes, ...]
    content: DsseEnvelope | MessageSignature
    wire: bytes


def parse_bundle(content: bytes) -> Bundle:
    """Read a bundle; raise VerificationError for anything but one signature with at most one log entry."""
    if len(content) > MAX_BUNDLE_BYTES:
        raise VerificationError(f"a bundle of {len(content)} bytes, more than {MAX_BUNDLE_BYTES}")
    try:
        wire = msgspec.convert(strict_object(content, "bundle"), _Bundle)
    except msgspec.ValidationError as error:
        raise VerificationError(f"bundle: {quoted(error)}") from error
    if wire.media_type not in MEDIA_TYPES:
        raise VerificationError(f"bundle: unknown media type {quoted(wire.media_type)}")
    material = wire.verification_material
    if (material.certificate if wire.media_type in _OLD_TYPES else material.x509_certificate_chain) is not None:
        raise VerificationError(f"bundle: a certificate in a field that {wire.media_type} does not have")
    return Bundle(
        certificate=_certificate(material),
        entry=_entry(material),
        timestamps=_timestamps(material),
        content=_content(wire),
        wire=msgspec.json.encode(wire),
    )


def parse_envelope(content: bytes) -> DsseEnvelope:
    """Read a DSSE envelope that stands alone, as in cosign's ``.att`` layers."""
    if len(content) > MAX_BUNDLE_BYTES:
        raise VerificationError(f"an envelope of {len(content)} bytes, more than {MAX_BUNDLE_BYTES}")
    try:
        wire = msgspec.convert(strict_object(content, "envelope"), _Envelope)
    except msgspec.ValidationError as error:
        raise VerificationError(f"envelope: {quoted(error)}") from error
    return _envelope(wire)


def bounded(content: bytes, limit: int, what: str) -> bytes:
    """Return the bytes; raise VerificationError where there are none or more than the limit."""
    if not 0 < len(content) <= limit:
        raise VerificationError(f"{what}: {len(content)} bytes, expected 1 to {limit}")
    return content


def _certificate(material: "_Material") -> bytes | None:
    """Return the signer's certificate: the only one, or the first of an older bundle's chain."""
    given = [material.public_key, material.certificate, material.x509_certificate_chain]
    if sum(one is not None for one in given) != 1:
        raise VerificationError("bundle: expected one of publicKey, certificate and x509CertificateChain")
    if material.public_key:
        return None
    if material.certificate:
        return decode_base64(material.certificate.raw_bytes, "certificate")
    chain = material.x509_certificate_chain.certificates if material.x509_certificate_chain else []
    if not 0 < len(chain) <= MAX_CERTIFICATES:
        raise VerificationError(f"bundle: {len(chain)} certificates, expected 1 to {MAX_CERTIFICATES}")
    leaf, *others = (decode_base64(one.raw_bytes, "certificate") for one in chain)
    for one in others:
        _refuse_root(one)
    return leaf


def _refuse_root(der: bytes) -> None:
    """Refuse a root among the certificates: a verifier that trusted it would accept every signer."""
    with reading("bundle: a certificate of the chain is unreadable"):
        certificate = x509.load_der_x509_certificate(bounded(der, MAX_CERTIFICATE_BYTES, "certificate"))
        is_root = certificate.issuer == certificate.subject
    if is_root:
        raise VerificationError("bundle: its certificate chain contains a root certificate")


def _entry(material: "_Material") -> LogEntry | None:
    entries = material.tlog_entries or []
    if len(entries) > 1:
        raise VerificationError(f"bundle: {len(entries)} log entries, expected one")
    if not entries:
        return None
    wire = entries[0]
    place = _check_proof(wire.inclusion_proof)
    decode_base64(wire.log_id.key_id, "logId")
    if wire.inclusion_promise:
        decode_base64(wire.inclusion_promise.signed_entry_timestamp, "signedEntryTimestamp")
    body = decode_base64(wire.canonicalized_body, "canonicalizedBody")
    seconds = None if wire.integrated_time is None else _number(wire.integrated_time, "integratedTime", MAX_SECONDS)
    index = _number(wire.log_index, "logIndex")
    promised = bool(seconds) and wire.inclusion_promise is not None
    return LogEntry(
        kind=wire.kind_version.kind,
        version=wire.kind_version.version,
        body=bounded(body, MAX_BODY_BYTES, "canonicalizedBody"),
        index=index if promised else place,
        integrated_time=seconds or None,
        promised=promised,
        wire=msgspec.json.encode(wire),
    )


def _check_proof(wire: "_Proof | None") -> int:
    """Return the entry's place in the tree. What the library doesn't compare: the tree is as large as was signed."""
    if wire is None or wire.checkpoint is None:
        raise VerificationError("the log entry has no inclusion proof with a checkpoint")
    checkpoint = wire.checkpoint.envelope
    if len(wire.hashes) > MAX_PROOF_HASHES or len(checkpoint) > MAX_CHECKPOINT_CHARACTERS:
        raise VerificationError("the inclusion proof is out of bounds")
    place = _number(wire.log_index, "inclusionProof.logIndex")
    size = _number(wire.tree_size, "inclusionProof.treeSize")
    if place >= size or checkpoint.split("\n")[1:2] != [str(size)]:
        raise VerificationError(f"the checkpoint is not for index {place} in a tree of {size} entries")
    for one in [wire.root_hash, *wire.hashes]:
        if len(decode_base64(one, "inclusionProof")) != HASH_BYTES:
            raise VerificationError(f"inclusionProof: expected hashes of {HASH_BYTES} bytes")
    return place


def _timestamps(material: "_Material") -> tuple[bytes, ...]:
    data = material.timestamp_verification_data
    answers = (data.rfc3161_timestamps or []) if data else []
    if len(answers) > MAX_TIMESTAMPS:
        raise VerificationError(f"bundle: {len(answers)} timestamps, more than {MAX_TIMESTAMPS}")
    decoded = [decode_base64(one.signed_timestamp, "signedTimestamp") for one in answers]
    return tuple(bounded(one, MAX_TIMESTAMP_BYTES, "signedTimestamp") for one in decoded)


def _content(wire: "_Bundle") -> DsseEnvelope | MessageSignature:
    if (wire.dsse_envelope is None) == (wire.message_signature is None):
        raise VerificationError("bundle: expected one of dsseEnvelope and messageSignature")
    if wire.dsse_envelope:
        return _envelope(wire.dsse_envelope)
    message = wire.message_signature
    assert message is not None
    digest = message.message_digest
    if digest and digest.algorithm not in HASH_NAMES:
        raise VerificationError(
            f"bundle: message digest {quoted(digest.algorithm)}, expected one of {', '.join(HASH_NAMES)}"
        )
    signature = decode_base64(message.signature, "signature")
    return MessageSignature(
        signature=bounded(signature, MAX_SIGNATURE_BYTES, "signature"),
        hash_name=HASH_NAMES[digest.algorithm] if digest else "",
        digest=decode_base64(digest.digest, "messageDigest") if digest else None,
    )


def _envelope(wire: "_Envelope") -> DsseEnvelope:
    if len(wire.signatures) != 1:
        raise VerificationError(f"envelope: {len(wire.signatures)} signatures, expected one")
    signature = decode_base64(wire.signatures[0].sig, "signature")
    return DsseEnvelope(
        payload_type=wire.payload_type,
        payload=bounded(decode_base64(wire.payload, "payload"), MAX_STATEMENT_BYTES, "payload"),
        signature=bounded(signature, MAX_SIGNATURE_BYTES, "signature"),
    )


def _number(text: str, what: str, limit: int = (1 << 63) - 1) -> int:
    """Return the number that Protobuf's JSON writes as text, without zeros before it."""
    digits = text.isascii() and text.isdecimal() and len(text) <= len(str(limit))
    if not digits or str(int(text)) != text or int(text) > limit:
        raise VerificationError(f"{what}: expected a number as a string")
    return int(text)


class _Wire(msgspec.Struct, rename="camel", frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The form on the wire; a field that isn't known is refused, since it could change the meaning of the others."""


class _Bytes(_Wire, frozen=True):
    raw_bytes: str


class _Chain(_Wire, frozen=True):
    certificates: list[_Bytes]


class _Hint(_Wire, frozen=True):
    hint: str = ""


class _LogId(_Wire, frozen=True):
    key_id: str


class _Kind(_Wire, frozen=True):
    kind: str
    version: str


class _Checkpoint(_Wire, frozen=True):
    envelope: str


class _Proof(_Wire, frozen=True, omit_defaults=False):
    """The first entry of a tree: Protobuf's JSON leaves out a zero and an empty list, and the library wants them."""

    root_hash: str
    tree_size: str
    log_index: str = "0"
    hashes: list[str] = []
    checkpoint: _Checkpoint | None = None


class _Promise(_Wire, frozen=True):
    signed_entry_timestamp: str


class _Entry(_Wire, frozen=True, omit_defaults=False):
    log_id: _LogId
    kind_version: _Kind
    canonicalized_body: str
    log_index: str = "0"
    integrated_time: str | None = None
    inclusion_promise: _Promise | None = None
    inclusion_proof: _Proof | None = None


class _Timestamp(_Wire, frozen=True):
    signed_timestamp: str


class _Timestamps(_Wire, frozen=True):
    rfc3161_timestamps: list[_Timestamp] | None = None


class _Material(_Wire, frozen=True):
    public_key: _Hint | None = None
    x509_certificate_chain: _Chain | None = None
    certificate: _Bytes | None = None
    tlog_entries: list[_Entry] | None = None
    timestamp_verification_data: _Timestamps | None = None


class _Digest(_Wire, frozen=True):
    algorithm: str
    digest: str


class _Message(_Wire, frozen=True):
    signature: str
    message_digest: _Digest | None = None


class _Signature(_Wire, frozen=True):
    sig: str
    keyid: str | None = None


class _Envelope(_Wire, frozen=True):
    payload: str
    payload_type: str
    signatures: list[_Signature]


class _Bundle(_Wire, frozen=True):
    media_type: str
    verification_material: _Material
    message_signature: _Message | None = None
    dsse_envelope: _Envelope | None = None


prepare(_Bundle, _Envelope)
