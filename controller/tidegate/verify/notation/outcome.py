"""What a verification came to: every step with its action and result, and one conclusion that cannot be misread.

A step that failed and was only logged makes the conclusion LOGGED, never VERIFIED. A step that could not be decided is
INCONCLUSIVE, which is neither good nor bad news about the signature and never a reason to accept it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from tidegate.verify.notation.envelope.attributes import SigningScheme
from tidegate.verify.notation.revocation.material import Question
from tidegate.verify.notation.signer import SigningProfile
from tidegate.verify.notation.trust_policy.level import Level, ValidationAction, ValidationType


class Result(StrEnum):
    """What came out of one step."""

    PASSED = "passed"
    FAILED = "failed"
    INCONCLUSIVE = "inconclusive"
    NOT_RUN = "notRun"


class Conclusion(StrEnum):
    """What the whole verification came to."""

    VERIFIED = "verified"
    LOGGED = "logged"
    FAILED = "failed"
    INCONCLUSIVE = "inconclusive"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of the procedure: its number, what it does, which validation it is part of, and the rules it holds."""

    number: int
    title: str
    check: ValidationType
    rules: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRecord:
    """What a step did. ``error`` is why it did not pass; ``note`` says more about one that did."""

    step: Step
    action: ValidationAction
    result: Result
    error: str | None = None
    note: str | None = None

    @property
    def passed(self) -> bool:
        """Tell whether it ran and passed."""
        return self.result is Result.PASSED


@dataclass(frozen=True, slots=True, kw_only=True)
class NotationSigner:
    """Who signed, proved: only ever given when anchor and identity both passed."""

    subject: str
    fingerprint: str
    scheme: SigningScheme
    profile: SigningProfile | None


_NO_METADATA: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class NotationOutcome:
    """The outcome for one envelope under one statement.

    ``claimed_subject`` is what the leaf says, proved or not. ``metadata`` is signed, and empty until the signature is
    verified. ``good_until`` bounds how long a VERIFIED or LOGGED may be kept: the signature's expiry, certificates that
    are judged at the present moment, and the answers of revocation services.
    """

    statement: str
    level: Level
    steps: tuple[StepRecord, ...]
    signer: NotationSigner | None = None
    claimed_subject: str | None = None
    signing_time: datetime | None = None
    metadata: Mapping[str, str] = field(default_factory=lambda: _NO_METADATA)
    good_until: datetime | None = None
    questions: tuple[Question, ...] = ()

    @property
    def conclusion(self) -> Conclusion:
        """Return what it came to: VERIFIED only when every step that is not skipped passed."""
        if self.level is Level.SKIP:
            return Conclusion.SKIPPED
        wanted = [record for record in self.steps if record.action is not ValidationAction.SKIP]
        enforced = [record for record in wanted if record.action is ValidationAction.ENFORCE]
        if any(record.result is Result.FAILED for record in enforced):
            return Conclusion.FAILED
        if not enforced or any(not record.passed for record in enforced):
            return Conclusion.INCONCLUSIVE
        return Conclusion.VERIFIED if all(record.passed for record in wanted) else Conclusion.LOGGED

    @property
    def decision(self) -> Conclusion:
        """Return the conclusion for whoever decides by it: INCONCLUSIVE only for a trusted signer's signature.

        Anybody who may push can make an envelope that cannot be decided: of a scheme without a trust store, for a plugin
        that is not known. It is no signature.
        """
        found = self.conclusion
        return Conclusion.FAILED if found is Conclusion.INCONCLUSIVE and self.signer is None else found

    @property
    def decisive(self) -> StepRecord | None:
        """Return the enforced step that decided: the first that failed, else the first that is inconclusive, else None."""
        enforced = [record for record in self.steps if record.action is ValidationAction.ENFORCE]
        for result in (Result.FAILED, Result.INCONCLUSIVE):
            if (found := next((record for record in enforced if record.result is result), None)) is not None:
                return found
        return None

    @property
    def logged(self) -> tuple[StepRecord, ...]:
        """Return the steps that did not pass and were only logged."""
        return tuple(
            record
            for record in self.steps
            if record.action is ValidationAction.LOG and record.result in {Result.FAILED, Result.INCONCLUSIVE}
        )
