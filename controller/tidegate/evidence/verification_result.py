"""What verifying the signatures beside an image came to, one proof for each authority that is demanded.

Values only, of no one format: verification makes them, checks judge by them. A proof is good news only where its state is
VERIFIED; every other state says in words why it is not.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from tidegate.evidence.fact import Cause
from tidegate.evidence.signature_artifacts import SigningHint
from tidegate.images.digest import Digest

MAX_ATTEMPTS = 5
"""Attempts that a proof keeps for messages; all were made."""


class VerificationState(StrEnum):
    """What came of it. LOGGED: nothing enforced failed, but something that is only to be written down did."""

    VERIFIED = "Verified"
    LOGGED = "Logged"
    FAILED = "Failed"
    ABSENT = "Absent"
    UNKNOWN = "Unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One signature under one authority.

    ``clause`` says to users what is wrong with the signature, and ``accepted`` who may sign where somebody else signed.
    ``text`` says to operators why verification failed. ``signer`` is who signed, where that is proved; ``logged`` are failures that the policy only writes down. ``revoked``
    tells that it failed for nothing but that what signed it, or the signature itself, was withdrawn.
    ``good_until`` bounds how long VERIFIED and LOGGED may be believed (UTC); None is without a bound of its own.
    """

    manifest_digest: Digest
    state: VerificationState
    clause: str = ""
    accepted: str = ""
    text: str = ""
    signer: str = ""
    logged: tuple[str, ...] = ()
    revoked: bool = False
    good_until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VerificationResult:
    """What all signatures of an image came to under one authority.

    ``decisive`` is the attempt that decided; ``attempts`` are the ones a message may name. ``problem`` says why nothing
    could be verified at all: an unusable trust store, for instance. ``outage`` is why not all signatures were seen.
    """

    state: VerificationState
    decisive: Attempt | None = None
    attempts: tuple[Attempt, ...] = ()
    problem: str = ""
    outage: Cause | None = None

    @property
    def good_until(self) -> datetime | None:
        """Return until when it may be believed, or None for no bound of its own."""
        return None if self.decisive is None else self.decisive.good_until


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class VerificationResults:
    """The proofs of one image by requirement (of ``signing.requirements``), and what ECR says of its own signing where no proof was found."""

    by_requirement: Mapping[Any, VerificationResult] = field(default_factory=lambda: MappingProxyType({}))
    hints: tuple[SigningHint, ...] = ()


def conclude(attempts: Sequence[Attempt], *, outage: Cause | None) -> VerificationResult:
    """Return the proof that follows from every attempt: one valid signature is enough, and nothing less is.

    What could not be decided, or not be seen, outweighs what failed: it might have been the valid one.
    """
    for state in (VerificationState.VERIFIED, VerificationState.LOGGED, VerificationState.UNKNOWN):
        decisive = next((one for one in attempts if one.state is state), None)
        if decisive is not None:
            return VerificationResult(
                state=state, decisive=decisive, attempts=tuple(attempts[:MAX_ATTEMPTS]), outage=outage
            )
    if outage is not None:
        return VerificationResult(
            state=VerificationState.UNKNOWN, attempts=tuple(attempts[:MAX_ATTEMPTS]), outage=outage
        )
    if not attempts:
        return VerificationResult(state=VerificationState.ABSENT)
    # A signature that was withdrawn says more than one that was never good, and than the advice to sign again.
    nearest = min(attempts, key=lambda one: (not one.revoked, not one.signer))
    return VerificationResult(state=VerificationState.FAILED, decisive=nearest, attempts=tuple(attempts[:MAX_ATTEMPTS]))
