"""The numbered steps of a verification and what came of each, as data: the CLI prints it, policies judge by it.

A step that does not apply to a kind of signature is absent. The first step that fails ends the procedure; nothing after
it was looked at, and nothing that an earlier step found may be used.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum

from tidegate.errors import Error, UndeterminedError, VerificationError
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
    AGE = 13

    @property
    def title(self) -> str:
        """Return what the step establishes, as a sentence without its end."""
        return _TITLES[self]


_TITLES = {
    SigstoreStep.MATERIAL: "the material reads as one signature within bounds",
    SigstoreStep.CERTIFICATE: "the certificate has the form that Fulcio gives",
    SigstoreStep.TIME: "a trusted clock says when it was signed",
    SigstoreStep.CHAIN: "a trusted authority issued the certificate and it was valid then",
    SigstoreStep.SCT: "a trusted log of certificates saw the certificate",
    SigstoreStep.IDENTITY: "the signer is one that is demanded",
    SigstoreStep.LOG: "a trusted transparency log holds the entry",
    SigstoreStep.SIGNATURE: "the signature is the signer's",
    SigstoreStep.ENTRY: "the log's entry is about this signature",
    SigstoreStep.SUBJECT: "what was signed names this digest",
    SigstoreStep.CLAIMS: "what was signed says what is demanded",
    SigstoreStep.CONDITIONS: "every condition on the predicate holds",
    SigstoreStep.AGE: "it was signed recently enough",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """A whole procedure: its steps, and either a proof or an error, never both."""

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
    """Takes down the steps while they are taken; entering one ends the one before it well."""

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

    def end(self, outcome: StepOutcome, text: str = "") -> tuple[StepResult, ...]:
        """End the current step and the procedure; return all steps."""
        self._text = text or self._text
        self._end(outcome)
        return tuple(self._done)

    def _end(self, outcome: StepOutcome) -> None:
        if self._current is not None:
            step = self._current
            self._done.append(StepResult(number=step.value, title=step.title, outcome=outcome, text=self._text))
        self._current, self._text = None, ""


def carry_out(body: Callable[[Procedure], Proof]) -> Verification:
    """Run the body; whatever it raises becomes the result, so that nothing but a proof can ever look like one.

    An exception that is not ours is the evidence's doing (a parser met bytes it had not foreseen): it counts as failed,
    so that nobody can turn a bad signature into a mere "could not look".
    """
    procedure = Procedure()
    procedure.enter(SigstoreStep.MATERIAL)
    try:
        proof = body(procedure)
    except UndeterminedError as error:
        return Verification(steps=procedure.end(StepOutcome.UNDECIDED, str(error)), proof=None, error=error)
    except VerificationError as error:
        return Verification(steps=procedure.end(StepOutcome.FAILED, str(error)), proof=None, error=error)
    except Exception as exception:  # noqa: BLE001 -- see above
        return _foreign(procedure, exception)
    except BaseException as exception:
        if not is_panic(exception):
            raise
        return _foreign(procedure, exception)
    return Verification(steps=procedure.end(StepOutcome.OK), proof=proof, error=None)


def is_panic(exception: BaseException) -> bool:
    """Tell whether it is a panic of a Rust library: its class is no Exception, as that of an interrupt, which must pass."""
    return type(exception).__name__ == "PanicException"


def _foreign(procedure: Procedure, exception: BaseException) -> Verification:
    """Return a failure that names the exception's class only: its text may repeat hostile bytes."""
    text = str(exception) if isinstance(exception, Error) else f"unreadable ({type(exception).__name__})"
    error = VerificationError(text)
    error.__cause__ = exception
    return Verification(steps=procedure.end(StepOutcome.FAILED, text), proof=None, error=error)


def moment(time: datetime) -> str:
    """Return the time as messages show it."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
