"""The results of verifying the signatures of an image, one for each required authority.

Values only, the same for all signature formats: verification makes them, checks judge by them. Only the state VERIFIED
meets a requirement; every other state comes with the reason.
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
"""Attempts that a result keeps for messages; all were made."""


class VerificationState(StrEnum):
    """What came of it. LOGGED: nothing enforced failed, but a check that the policy only logs did."""

    VERIFIED = "Verified"
    LOGGED = "Logged"
    FAILED = "Failed"
    ABSENT = "Absent"
    UNKNOWN = "Unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One signature under one authority.

    ``clause`` says to users what is wrong with the signature, and ``accepted`` who may sign where somebody else signed.
    ``text`` says to operators why verification failed. ``signer`` is who signed, where that is verified; ``logged`` are
    failures that the policy only logs. ``revoked``
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
    """The results for one image by requirement (of ``signing.requirements``), and the state of ECR's own signing."""

    by_requirement: Mapping[Any, VerificationResult] = field(default_factory=lambda: MappingProxyType({}))
    hints: tuple[SigningHint, ...] = ()


def conclude(attempts: Sequence[Attempt], *, outage: Cause | None) -> VerificationResult:
    """Return the result that follows from all attempts: one valid signature is enough, and nothing less is.

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
