"""The numbered steps of a verification and their results, as data: the command line prints them, checks judge by them.

A step that does not apply to a kind of signature is absent. The first step that fails ends the procedure; nothing after
it is checked, and nothing that an earlier step found may be used.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum

from tidegate.errors import Error, UndeterminedError, VerificationError, without_frames
from tidegate.verify.sigstore.proof import Proof
from tidegate.verify.step import Conclusion, StepOutcome, StepResult


class SigstoreStep(IntEnum):
    """The steps, in the order in which they are taken."""

    MATERIAL = 1
    CERTIFICATE = 2
    TIME = 3
    CHAIN = 4
    SCT = 5
    IDENTITY = 6
    LOG = 7
    SIGNATURE = 8
    ENTRY = 9
    SUBJECT = 10
    CLAIMS = 11
    CONDITIONS = 12

    @property
    def title(self) -> str:
        """Return what the step does, in the imperative."""
        return _TITLES[self]

    @property
    def clause(self) -> str:
        """Return what users read where the step does not pass and its error says nothing more exact."""
        return _CLAUSES[self]


_TITLES = {
    SigstoreStep.MATERIAL: "read the signature",
    SigstoreStep.CERTIFICATE: "read the signing certificate and the identity in it",
    SigstoreStep.TIME: "check the signing time",
    SigstoreStep.CHAIN: "verify the signing certificate with the trusted certificate authorities",
    SigstoreStep.SCT: "verify the signed certificate timestamp",
    SigstoreStep.IDENTITY: "check the signer's identity",
    SigstoreStep.LOG: "verify the transparency log entry",
    SigstoreStep.SIGNATURE: "verify the signature with the signer's key",
    SigstoreStep.ENTRY: "compare the log entry with the signature",
    SigstoreStep.SUBJECT: "compare the signed digest with the image",
    SigstoreStep.CLAIMS: "check the predicate type and repository",
    SigstoreStep.CONDITIONS: "check the conditions on the predicate",
}

_CLAUSES = {
    SigstoreStep.MATERIAL: "the signature is malformed",
    SigstoreStep.CERTIFICATE: "the signing certificate is not a valid Sigstore certificate",
    SigstoreStep.TIME: "the signing time cannot be verified",
    SigstoreStep.CHAIN: "the signing certificate was not issued by a CA of the trusted root",
    SigstoreStep.SCT: "the signing certificate is not in a certificate transparency log of the trusted root",
    SigstoreStep.IDENTITY: "the signer cannot be verified",
    SigstoreStep.LOG: "the transparency log entry is not valid",
    SigstoreStep.SIGNATURE: "the signature does not match its signing certificate",
    SigstoreStep.ENTRY: "the transparency log entry belongs to another signature",
    SigstoreStep.SUBJECT: "the signature is for another image",
    SigstoreStep.CLAIMS: "the signed content is not what the policy requires",
    SigstoreStep.CONDITIONS: "a condition on the predicate is not met",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """A completed procedure: its steps, and either a proof or an error, never both."""

    steps: tuple[StepResult, ...]
    proof: Proof | None
    error: VerificationError | UndeterminedError | None

    @property
    def conclusion(self) -> Conclusion:
        """Return VERIFIED only where there is a proof and every step taken passed."""
        if self.proof and not self.error and self.steps and all(one.outcome is StepOutcome.OK for one in self.steps):
            return Conclusion.VERIFIED
        return Conclusion.INCONCLUSIVE if isinstance(self.error, UndeterminedError) else Conclusion.FAILED

    def require(self) -> Proof:
        """Return the proof; raise VerificationError or UndeterminedError where there is none."""
        if self.error:
            raise self.error
        if not self.proof or self.conclusion is not Conclusion.VERIFIED:
            raise VerificationError("the verification ended without a proof")
        return self.proof


class Procedure:
    """Records the steps while they are taken; entering one marks the one before it as passed."""

    def __init__(self) -> None:
        self._done: list[StepResult] = []
        self._current: SigstoreStep | None = None
        self._text = ""

    @property
    def current(self) -> SigstoreStep | None:
        """Return the step that is being taken."""
        return self._current

    @property
    def taken(self) -> tuple[SigstoreStep, ...]:
        """Return the steps so far, the current one last."""
        return (
            *(SigstoreStep(one.number) for one in self._done),
            *([self._current] if self._current is not None else []),
        )

    def enter(self, step: SigstoreStep) -> None:
        """Begin a step; to enter the current one again changes nothing."""
        if step is self._current:
            return
        self._end(StepOutcome.OK)
        self._current = step

    def found(self, text: str) -> None:
        """Say what the current step found."""
        self._text = text

    def end(self) -> tuple[StepResult, ...]:
        """End the procedure with the current step passed; return all steps."""
        self._end(StepOutcome.OK)
        return tuple(self._done)

    def fail(self, outcome: StepOutcome, error: VerificationError | UndeterminedError) -> tuple[StepResult, ...]:
        """End the procedure at the current step, which did not pass; return all steps."""
        self._text = str(error) or self._text
        self._end(outcome, error.clause, error.accepted)
        return tuple(self._done)

    def _end(self, outcome: StepOutcome, clause: str = "", accepted: str = "") -> None:
        if self._current is not None:
            step = self._current
            self._done.append(
                StepResult(
                    number=step.value,
                    title=step.title,
                    outcome=outcome,
                    text=self._text,
                    clause=clause or step.clause,
                    accepted=accepted,
                )
            )
        self._current, self._text = None, ""


def carry_out(body: Callable[[Procedure], Proof]) -> Verification:
    """Run the body; every exception becomes a result, so that only a proof is one.

    An exception that is not tidegate's is caused by the evidence (a parser met unexpected bytes): it counts as failed, so
    that an attacker cannot turn an invalid signature into an undetermined one.
    """
    procedure = Procedure()
    procedure.enter(SigstoreStep.MATERIAL)
    try:
        proof = body(procedure)
    except UndeterminedError as error:
        return Verification(steps=procedure.fail(StepOutcome.UNDECIDED, error), proof=None, error=without_frames(error))
    except VerificationError as error:
        return Verification(steps=procedure.fail(StepOutcome.FAILED, error), proof=None, error=without_frames(error))
    except Exception as exception:  # noqa: BLE001 -- see above
        return _foreign(procedure, exception)
    except BaseException as exception:
        if not is_panic(exception):
            raise
        return _foreign(procedure, exception)
    return Verification(steps=procedure.end(), proof=proof, error=None)


def is_panic(exception: BaseException) -> bool:
    """Tell whether it is a panic of a Rust library, whose class is not derived from Exception; interrupts must pass."""
    return type(exception).__name__ == "PanicException"


class UnforeseenError(VerificationError):
    """Evidence made something raise an exception that says nothing about signatures; it is the ``__cause__``."""


def _foreign(procedure: Procedure, exception: BaseException) -> Verification:
    """Return a failure that names the exception's class only: its text may repeat hostile bytes."""
    text = str(exception) if isinstance(exception, Error) else f"unreadable ({type(exception).__name__})"
    error = UnforeseenError(text)
    error.__cause__ = without_frames(exception)
    return Verification(steps=procedure.fail(StepOutcome.FAILED, error), proof=None, error=error)
