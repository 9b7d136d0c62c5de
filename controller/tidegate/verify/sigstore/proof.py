"""What a verification proved: who signed which digest when, and the signed content. It holds nothing unsigned."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tidegate.images.digest import Digest
from tidegate.strict.quotation import quoted

MAX_SUBJECT, MAX_ISSUER = 200, 100
"""Characters of a signer that messages for users repeat."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeylessSigner:
    """An identity that an OIDC issuer verified, as the certificate names it. The same subject of two issuers is two signers."""

    issuer: str
    subject: str

    def __str__(self) -> str:
        return f"{self.subject} (issuer {self.issuer})"

    @property
    def quoted(self) -> str:
        """Return the signer for messages that users read: what others chose is quoted and cut."""
        return f"{quoted(self.subject, MAX_SUBJECT)} (issuer {quoted(self.issuer, MAX_ISSUER)})"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeySigner:
    """A long-lived key, by the SHA-256 of its DER SubjectPublicKeyInfo in hexadecimal."""

    fingerprint: str

    def __str__(self) -> str:
        return f"key {self.fingerprint}"


Signer = KeylessSigner | KeySigner


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """A verified in-toto statement: its predicate's type, and the predicate as parsed from the signed bytes."""

    predicate_type: str
    predicate: Mapping[str, Any]
    annotations: Mapping[str, str]
    """The annotations of the subject that named the digest, as ``cosign sign -a`` writes them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """A verified signature or attestation.

    ``signed_at`` is the earliest trusted time, None for a keyed signature without one.
    ``repository`` is what cosign's older payload names (``docker-reference``); bundles name none.
    """

    digest: Digest
    signer: Signer
    signed_at: datetime | None
    log_index: int | None
    statement: Statement | None
    annotations: Mapping[str, str]
    repository: str | None
