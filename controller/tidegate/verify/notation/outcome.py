"""The result of a verification: every step with its action and result, and one conclusion.

A step that failed and was only logged makes the conclusion LOGGED, never VERIFIED. A step that could not be decided is
INCONCLUSIVE, which is neither good nor bad news about the signature and never a reason to accept it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from tidegate.verify.notation.revocation.material import Question
from tidegate.verify.notation.signer import SigningProfile
from tidegate.verify.notation.trust_policy.level import Level, ValidationType
from tidegate.verify.step import Conclusion, StepOutcome, StepResult


@dataclass(frozen=True, slots=True, kw_only=True)
class NotationStep(StepResult):
    """One step of the procedure, and the validation of the trust policy that it is part of."""

    validation: ValidationType


@dataclass(frozen=True, slots=True, kw_only=True)
class NotationSigner:
    """The verified signer: only given if trust anchor and identity both passed."""

    subject: str
    fingerprint: str
    profile: SigningProfile | None


_NO_METADATA: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class NotationOutcome:
    """The outcome for one envelope under one statement.

    ``claimed_subject`` is the leaf's subject, verified or not. ``metadata`` is signed, and empty until the signature is
    verified. ``good_until`` bounds how long a VERIFIED or LOGGED may be kept: the signature's expiry, certificates that
    are judged at the present moment, and the answers of revocation services.
    """

    level: Level
    steps: tuple[NotationStep, ...]
    signer: NotationSigner | None = None
    claimed_subject: str | None = None
    signing_time: datetime | None = None
    metadata: Mapping[str, str] = field(default_factory=lambda: _NO_METADATA)
    good_until: datetime | None = None
    questions: tuple[Question, ...] = ()

    @property
    def conclusion(self) -> Conclusion:
        """Return the conclusion: VERIFIED only if every step that is not skipped passed."""
        if self.level is Level.SKIP:
            return Conclusion.SKIPPED
        outcomes = {step.outcome for step in self.steps}
        if StepOutcome.FAILED in outcomes:
            return Conclusion.FAILED
        if StepOutcome.OK not in outcomes or outcomes & {StepOutcome.UNDECIDED, StepOutcome.NOT_REACHED}:
            return Conclusion.INCONCLUSIVE
        return Conclusion.LOGGED if StepOutcome.LOGGED in outcomes else Conclusion.VERIFIED

    @property
    def decision(self) -> Conclusion:
        """Return the conclusion to decide by: INCONCLUSIVE only for a trusted signer's signature.

        Every user with push access can make an envelope that cannot be decided: of a scheme without a trust store, or
        for an unknown plugin. It counts as failed.
        """
        found = self.conclusion
        return Conclusion.FAILED if found is Conclusion.INCONCLUSIVE and self.signer is None else found

    @property
    def decisive(self) -> NotationStep | None:
        """Return the enforced step that decided: the first that failed, else the first that is undecided, else None."""
        for outcome in (StepOutcome.FAILED, StepOutcome.UNDECIDED):
            if (found := next((step for step in self.steps if step.outcome is outcome), None)) is not None:
                return found
        return None

    @property
    def logged(self) -> tuple[NotationStep, ...]:
        """Return the steps that did not pass and were only logged."""
        return tuple(step for step in self.steps if step.outcome is StepOutcome.LOGGED)
