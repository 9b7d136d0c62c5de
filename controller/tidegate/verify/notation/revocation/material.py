"""Questions to revocation services, and their answers, as plain values.

Verification returns its questions; the caller asks them, over the network or in files, and verifies again with the
answers. An untrusted chain has no questions, so no URL of it is ever contacted.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

from tidegate.evidence.revocation import SignerQuestion
from tidegate.verify.notation.signer import SignerAnswer

MAX_OCSP_BYTES = 20 * 1024
"""Bytes of an OCSP answer; notation-core-go's bound."""
MAX_CRL_BYTES = 5 * 1024 * 1024
"""Bytes of a CRL."""
OCSP_TIMEOUT_SECONDS = 2
CRL_TIMEOUT_SECONDS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class OcspQuestion:
    """An OCSP request (DER) for the responder at the URL."""

    url: str
    request: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class CrlQuestion:
    """A CRL, base or delta, at the URL."""

    url: str


Question: TypeAlias = OcspQuestion | CrlQuestion | SignerQuestion


@dataclass(frozen=True, slots=True, kw_only=True)
class NoAnswer:
    """The question was asked and there was no answer, for the reason given."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RevocationMaterial:
    """All available answers.

    ``ocsp`` and ``crls`` hold further bytes whose origin is not known, as from files; they count for whatever their
    signed content says. ``signer`` is an answer of AWS Signer to whatever is asked: for one who asked it for the one
    signature that is verified, since it does not say what it is about.
    """

    answers: Mapping[Question, bytes | SignerAnswer | NoAnswer] = field(default_factory=dict)
    ocsp: tuple[bytes, ...] = ()
    crls: tuple[bytes, ...] = ()
    signer: SignerAnswer | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What one service says of one certificate, and until when it says so."""

    revoked: bool
    good_until: datetime


NOTHING_KNOWN = RevocationMaterial()
