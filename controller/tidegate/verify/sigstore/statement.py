"""DSSE's signed text and the in-toto statement inside: parsed here, since cosign's statements are not sigstore-python's.

cosign v3 writes subjects without a name and ``cosign attest`` writes version 0.1; both are what signers use.
Sources: secure-systems-lab/dsse protocol.md, in-toto/attestation spec v0.1 and v1.
"""

from collections.abc import Callable
from typing import Any, TypeAlias

from tidegate.errors import VerificationError
from tidegate.images.digest import Digest
from tidegate.strict.json_text import strict_object
from tidegate.strict.quotation import quoted
from tidegate.verify.sigstore.bundle import MAX_STATEMENT_BYTES, DsseEnvelope, bounded
from tidegate.verify.sigstore.proof import Statement

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPES = ("https://in-toto.io/Statement/v0.1", "https://in-toto.io/Statement/v1")
COSIGN_SIGNATURE = "https://sigstore.dev/cosign/sign/v1"
"""The predicate type of a plain signature by cosign v3."""

MAX_STATEMENT_VALUES = 1_000_000
"""JSON values of a statement. It is read once the signature is verified, so that none but a trusted signer has as many."""
MAX_SUBJECTS = 1024
MAX_DIGESTS = 32
"""Digests of one subject."""
MAX_TYPE_CHARACTERS = 2048
"""Characters of a predicate's type; it is a URI."""

Hashed: TypeAlias = Callable[[str], str | None]
"""Gives the hash of the artifact by the name of its algorithm, in hexadecimal; None where it is not known."""


def signed_text(envelope: DsseEnvelope) -> bytes:
    """Return DSSE's pre-authentication encoding; raise VerificationError for any payload but an in-toto statement."""
    if envelope.payload_type != PAYLOAD_TYPE:
        raise VerificationError(f"payload type {quoted(envelope.payload_type)}, expected {PAYLOAD_TYPE}")
    kind, payload = PAYLOAD_TYPE.encode(), envelope.payload
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def read_statement(payload: bytes, digest: Digest, hashed: Hashed | None = None) -> Statement:
    """Return the statement of verified bytes if one of its subjects is the artifact; else raise VerificationError.

    A subject is the artifact when it has a digest that is known of the artifact, and no known one is another.
    """
    hashed = hashed or {"sha256": digest.removeprefix("sha256:")}.get
    content = bounded(payload, MAX_STATEMENT_BYTES, "statement")
    fields = strict_object(content, "statement", max_values=MAX_STATEMENT_VALUES)
    if fields.get("_type") not in STATEMENT_TYPES:
        raise VerificationError(f"statement: unknown type {quoted(fields.get('_type'))}")
    predicate_type = fields.get("predicateType")
    if not isinstance(predicate_type, str) or not 0 < len(predicate_type) <= MAX_TYPE_CHARACTERS:
        raise VerificationError("statement: expected a predicateType")
    predicate = fields.get("predicate")
    if not isinstance(predicate, dict | None):
        raise VerificationError("statement: expected the predicate to be an object")
    subject = _subject(fields.get("subject"), digest, hashed)
    return Statement(
        predicate_type=predicate_type, predicate=predicate or {}, annotations=texts(subject.get("annotations"))
    )


def texts(value: object) -> dict[str, str]:
    """Return the texts of an object of annotations, none where there are none; other values are left out."""
    if not isinstance(value, dict | None):
        raise VerificationError("expected annotations to be an object")
    return {key: text for key, text in (value or {}).items() if isinstance(text, str)}


def _subject(subjects: object, digest: Digest, hashed: Hashed) -> dict[str, Any]:
    """Return the first subject that is the artifact. Every subject is read, so that a malformed one is not overlooked."""
    if not isinstance(subjects, list) or not 0 < len(subjects) <= MAX_SUBJECTS:
        raise VerificationError(f"statement: expected 1 to {MAX_SUBJECTS} subjects")
    named = [_digests(subject) for subject in subjects]
    known = {name: value for name in {name for one in named for name in one} if (value := hashed(name)) is not None}
    for subject, digests in zip(subjects, named, strict=True):
        equal = {text == known[name] for name, text in digests.items() if name in known}
        if equal == {True}:
            found: dict[str, Any] = subject
            return found
    shown = next((f"{name}:{one[name]}" for one in named for name in known if name in one), None)
    raise VerificationError(f"it is about {quoted(shown) if shown else 'no sha256 digest'}, not {digest}")


def _digests(subject: object) -> dict[str, str]:
    if not isinstance(subject, dict) or not isinstance(digests := subject.get("digest"), dict):
        raise VerificationError("statement: a subject without a digest")
    if not 0 < len(digests) <= MAX_DIGESTS or not all(isinstance(one, str) for one in digests.values()):
        raise VerificationError(f"statement: expected 1 to {MAX_DIGESTS} digests, each a text")
    return digests
