"""Numbered steps of a verification and its conclusion: the same values for Notation, Sigstore and the command line."""

from dataclasses import dataclass
from enum import StrEnum


class StepOutcome(StrEnum):
    """The outcome of one step. ``LOGGED``: it did not pass, and the trust policy only logs that."""

    OK = "ok"
    FAILED = "failed"
    UNDECIDED = "undecided"
    LOGGED = "logged"
    SKIPPED = "skipped"
    NOT_REACHED = "not reached"


class Conclusion(StrEnum):
    """The conclusion of a verification.

    ``LOGGED``: accepted under a trust policy that only logs what failed. ``SKIPPED``: no signature is required.
    ``INCONCLUSIVE`` says neither that the signature is valid nor that it is invalid, and is never a reason to accept it.
    """

    VERIFIED = "verified"
    LOGGED = "logged"
    SKIPPED = "skipped"
    FAILED = "failed"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True, slots=True, kw_only=True)
class StepResult:
    """One step: its number and title in the procedure, its outcome, and what was found or why it failed.

    ``clause`` says what is wrong with the signature where the step did not pass, and ``accepted`` who may sign where
    somebody else signed; both are for users.
    ``rules`` are, of Notation, the validation that the step belongs to and the numbers of the rules that it checks, as
    docs/reference/notation-rules.md lists them.
    """

    number: int
    title: str
    outcome: StepOutcome
    text: str = ""
    clause: str = ""
    accepted: str = ""
    rules: str = ""
