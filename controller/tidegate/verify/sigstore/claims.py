"""What a policy requires of a signature beyond the signer: artifact, type, repository and conditions."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from tidegate.errors import PolicyError, VerificationError
from tidegate.images.digest import Digest, digest_of
from tidegate.strict.quotation import moment, quoted
from tidegate.verify.sigstore.cel import Condition
from tidegate.verify.sigstore.conditions import check_conditions
from tidegate.verify.sigstore.procedure import Procedure, SigstoreStep
from tidegate.verify.sigstore.proof import Proof
from tidegate.verify.sigstore.public_key import HASHES
from tidegate.verify.sigstore.statement import COSIGN_SIGNATURE

CLOCK_SKEW = timedelta(minutes=5)
"""How far a trusted clock may be ahead of ours. A time further on is a broken clock, ours or theirs."""

MAX_TYPE_SHOWN = 120
"""Characters of a predicate type that a message for users repeats."""

ANY_PREDICATE = "\0"
"""As predicate type: any type, for a person who reads the outcome. No policy can contain such a text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """What must have been signed. ``content`` is needed only where something else than its SHA-256 was signed."""

    digest: Digest
    content: bytes | None = None

    def __post_init__(self) -> None:
        """Refuse content that isn't the digest's."""
        if self.content is not None and digest_of(self.content) != self.digest:
            raise VerificationError("the content does not have the digest")

    @property
    def sha256(self) -> bytes:
        """Return the digest's 32 bytes."""
        return bytes.fromhex(self.digest.removeprefix("sha256:"))

    def hashed(self, name: str) -> str | None:
        """Return a hash of the artifact in hexadecimal, None for one that is not known."""
        if name == "sha256":
            return self.sha256.hex()
        if self.content is None or name not in HASHES:
            return None
        return hashlib.new(name, self.content).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """What the signed bytes must say.

    ``predicate_type`` is compared exactly; the default is that of a plain signature, so that an attestation by the same
    signer never counts as one. ``repository`` must be what cosign's older payload names.
    """

    predicate_type: str = COSIGN_SIGNATURE
    repository: str | None = None
    conditions: tuple[Condition, ...] = ()

    def __post_init__(self) -> None:
        """Refuse requirements that no signature can meet."""
        if not self.predicate_type:
            raise PolicyError(("predicateType: required",))
        if self.conditions and self.is_signature:
            raise PolicyError(("conditions: a signature has no predicate",))

    @property
    def is_signature(self) -> bool:
        """Return whether a plain signature is required, not an attestation."""
        return self.predicate_type == COSIGN_SIGNATURE


def check_claims(proof: Proof, claims: Claims, procedure: Procedure) -> Proof:
    """Return the proof if it meets the claims; else raise VerificationError. Takes steps 11 and 12."""
    procedure.enter(SigstoreStep.CLAIMS)
    _check_type(proof, claims)
    if claims.repository is not None and proof.repository != claims.repository:
        raise VerificationError(
            f"signed for repository {quoted(proof.repository)}, expected {quoted(claims.repository)}",
            clause="the signature is for another repository",
        )
    procedure.found(f"predicate type {quoted(proof.statement.predicate_type)}" if proof.statement else "a signature")
    if claims.conditions:
        procedure.enter(SigstoreStep.CONDITIONS)
        if proof.statement is None:
            raise VerificationError("conditions on a predicate, but a signature has no predicate")
        check_conditions(proof.statement.predicate, claims.conditions)
        procedure.found(f"{len(claims.conditions)} hold")
    return proof


def check_not_ahead(time: datetime, now: datetime) -> None:
    """Raise VerificationError for a time that has not come yet."""
    if time > now + CLOCK_SKEW:
        raise VerificationError(
            f"signed at {moment(time)}, which is after {moment(now)}: one of the two clocks is wrong",
            clause="the signing time is in the future",
        )


def _check_type(proof: Proof, claims: Claims) -> None:
    if claims.predicate_type == ANY_PREDICATE:
        return
    given = proof.statement.predicate_type if proof.statement else COSIGN_SIGNATURE
    if given != claims.predicate_type:
        raise VerificationError(
            f"predicate type {quoted(given)}, expected {quoted(claims.predicate_type)}",
            clause=_other_type(given, claims),
        )


def _other_type(given: str, claims: Claims) -> str:
    if given == COSIGN_SIGNATURE:
        return "it is a signature, not an attestation"
    shown = f"an attestation of type {quoted(given, MAX_TYPE_SHOWN)}"
    return f"it is {shown}, not a signature" if claims.is_signature else f"it is {shown}"
