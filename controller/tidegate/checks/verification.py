"""How verification results become a check result: what the checks ``signatures`` and ``attestations`` share.

One satisfied authority is enough. If none is, an undecided result has precedence over a failed one: the signature may be
valid.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from tidegate.checks.image_subject import ImageSubject
from tidegate.checks.messages import cause_words, harmless
from tidegate.checks.result import Check, CheckResult, Outcome, Reason, Shortfall
from tidegate.checks.staleness import resting_on, usable
from tidegate.evidence.image_evidence import not_asked
from tidegate.evidence.signature_artifacts import SigningHint, SigningState
from tidegate.evidence.verification_result import Attempt, VerificationResult, VerificationResults, VerificationState
from tidegate.images.digest import Digest, short
from tidegate.policy.model import ImagePolicy
from tidegate.signing.requirements import Requirement

MAX_WORDS = 320
"""Characters of why one signature failed; an attacker may have chosen them."""
MAX_AUTHORITIES = 4
"""Authorities that a message names one by one."""

_ONCE_REVOKED = "ask the signer why it was revoked, and use another image unless they confirm that this one is good"
_PROVED = (VerificationState.VERIFIED, VerificationState.LOGGED)
"""What satisfies, the better one first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerificationMessages:
    """The words and reason codes of one of the two checks. ``revoked`` is None for attestations."""

    check: Check
    noun: str
    missing: Reason
    invalid: Reason
    undecided: Reason
    remedy: str
    revoked: Reason | None = None


def judge_verification(
    words: VerificationMessages,
    requirements: Sequence[Requirement],
    digest: Digest,
    policy: ImagePolicy,
    subject: ImageSubject,
) -> CheckResult:
    """Return the result of an image that must meet any one of the requirements."""
    fact = subject.evidence.proofs.get(digest, not_asked("signatures"))
    proofs = usable(fact, policy=policy, subject=subject)
    if isinstance(proofs, Shortfall):
        return proofs.of(words.check)
    found = [
        (requirement, _in_force(proofs.by_requirement.get(requirement), subject.now)) for requirement in requirements
    ]
    result = _first(words, found) or _refused(words, found, proofs, digest, subject)
    return resting_on(result, fact, policy=policy, subject=subject)


def _in_force(proof: VerificationResult | None, now: datetime) -> VerificationResult | None:
    """Return the result, or None if it is VERIFIED or LOGGED and no longer valid: its outcome is then unknown."""
    if proof is None or proof.state not in _PROVED or proof.good_until is None:
        return proof
    return proof if now < proof.good_until else None


def _first(
    words: VerificationMessages, found: Sequence[tuple[Requirement, VerificationResult | None]]
) -> CheckResult | None:
    """Return the result of the first satisfied authority; a result that is only logged does not pass."""
    for state in _PROVED:
        for requirement, proof in found:
            if proof is not None and proof.state is state and proof.decisive is not None:
                return _satisfied(words, requirement, proof.decisive)
    return None


def _satisfied(words: VerificationMessages, requirement: Requirement, attempt: Attempt) -> CheckResult:
    signer = f"{words.noun} by {harmless(attempt.signer, MAX_WORDS) or 'an unknown signer'}"
    if attempt.state is VerificationState.VERIFIED and not attempt.logged:
        return CheckResult(
            check=words.check,
            outcome=Outcome.PASS,
            reason=Reason.OK,
            found=f"{signer} (authority {requirement.authority.name})",
            holds_until=attempt.good_until,
        )
    logged = ", ".join(dict.fromkeys(each.partition(":")[0] for each in attempt.logged))
    found = f"authority {requirement.authority.name} only logs what failed: {logged}"
    return CheckResult(
        check=words.check,
        outcome=Outcome.EXEMPT,
        reason=Reason.NOT_ENFORCED,
        found=found,
        remedy="set its level to strict",
        cause="; ".join([signer, *(harmless(each, MAX_WORDS) for each in attempt.logged)]),
        notes=(f"{words.check.value} {Reason.NOT_ENFORCED.value}: {found}",),
        holds_until=attempt.good_until,
    )


def _refused(
    words: VerificationMessages,
    found: Sequence[tuple[Requirement, VerificationResult | None]],
    proofs: VerificationResults,
    digest: Digest,
    subject: ImageSubject,
) -> CheckResult:
    """Return why no authority is satisfied: undecided, pending, revoked, invalid or missing."""
    undecided = [(one, proof) for one, proof in found if proof is None or proof.state is VerificationState.UNKNOWN]
    if undecided:
        return _undecided(words, *undecided[0])
    if pending := next((hint for hint in proofs.hints if hint.state is SigningState.IN_PROGRESS), None):
        return _result(
            words,
            Reason.SIGNATURE_PENDING,
            "Amazon ECR is still signing the image",
            "retry in a minute",
            cause=f"with {harmless(pending.profile_arn, MAX_WORDS)}",
        )
    failed = [(one, proof) for one, proof in found if proof is not None and proof.state is VerificationState.FAILED]
    hint, cause = _failure(proofs.hints)
    if words.revoked is not None and (withdrawn := [pair for pair in failed if _is_revoked(pair[1])]):
        return replace(_why(words, withdrawn), reason=words.revoked, remedy=_ONCE_REVOKED)
    if failed:
        result = _why(words, failed)
        cause = "; ".join(filter(None, (result.cause, cause)))
        return replace(result, found=result.found + hint, remedy=_remedy(words, digest, subject), cause=cause)
    names = ", ".join(one.authority.name for one, _ in found[:MAX_AUTHORITIES])
    missing = f"no {words.noun} of {short(digest)} by any of: {names}{hint}"
    return _result(words, words.missing, missing, _remedy(words, digest, subject), cause=cause)


def _undecided(words: VerificationMessages, requirement: Requirement, proof: VerificationResult | None) -> CheckResult:
    name, retry = requirement.authority.name, "retry, and tell the platform team if it persists"
    reason, found, remedy, cause = Reason.EVIDENCE_LACKING, f"authority {name} was not verified", retry, ""
    if proof is not None and proof.problem:
        reason, cause = Reason.TRUST_UNUSABLE, harmless(proof.problem, MAX_WORDS)
        found = f"authority {name} cannot be verified: a trust store or a key is unusable"
        remedy = "ask the platform team to correct the policy or its trust stores, whose status says what is wrong"
    elif proof is not None and proof.decisive is not None:
        reason, found, cause = words.undecided, f"authority {name}: {_clause(words, proof)}", _cause(proof.decisive)
    elif proof is not None and proof.outage is not None:
        reason = Reason.COULD_NOT_CHECK
        found = f"tidegate could not read every {words.noun}: {cause_words(proof.outage)}"
    return CheckResult(
        check=words.check, outcome=Outcome.UNDETERMINED, reason=reason, found=found, remedy=remedy, cause=cause
    )


def _why(words: VerificationMessages, failed: Sequence[tuple[Requirement, VerificationResult]]) -> CheckResult:
    """Return why the authorities are not satisfied: one in the first line, several in a line each."""
    lines, details, causes = [], [], []
    for requirement, proof in failed[:MAX_AUTHORITIES]:
        name, more = requirement.authority.name, len(proof.attempts) - 1
        others = f" (and {more} more tried)" if more > 0 else ""
        lines.append(f"authority {name}: {_clause(words, proof)}{others}")
        decisive = proof.decisive
        if decisive is not None and decisive.accepted:
            details.append(f"authority {name} accepts {harmless(decisive.accepted, MAX_WORDS)}")
        cause = harmless(proof.problem, MAX_WORDS) if decisive is None else _cause(decisive)
        causes += [f"authority {name}: {cause}"] if cause else []
    names = ", ".join(requirement.authority.name for requirement, _ in failed[:MAX_AUTHORITIES])
    found = lines[0] if len(lines) == 1 else f"no valid {words.noun} by any of: {names}"
    details = details if len(lines) == 1 else [*lines, *details]
    return replace(_result(words, words.invalid, found, "", cause="; ".join(causes)), details=tuple(details))


def _clause(words: VerificationMessages, proof: VerificationResult) -> str:
    """Return what is wrong with the signature that decided."""
    if proof.decisive is None:
        return "the manifest of the image in the registry is not valid"
    return harmless(proof.decisive.clause, MAX_WORDS) or f"the {words.noun} is not valid"


def _is_revoked(proof: VerificationResult) -> bool:
    return proof.decisive is not None and proof.decisive.revoked


def _cause(attempt: Attempt) -> str:
    signer = f"signed by {harmless(attempt.signer, MAX_WORDS)}" if attempt.signer else ""
    return ": ".join(filter(None, (signer, harmless(attempt.text, MAX_WORDS))))


def _failure(hints: Sequence[SigningHint]) -> tuple[str, str]:
    """Return that ECR failed to sign the image, for users, and ECR's reason, for operators."""
    failed = next((hint for hint in hints if hint.state is SigningState.FAILED), None)
    if failed is None:
        return "", ""
    reason = harmless(failed.failure_reason or failed.failure_code or "no reason given", MAX_WORDS)
    return "; Amazon ECR could not sign it", f"Amazon ECR with {harmless(failed.profile_arn, MAX_WORDS)}: {reason}"


def _remedy(words: VerificationMessages, digest: Digest, subject: ImageSubject) -> str:
    reference = subject.reference
    return words.remedy.format(image=f"{reference.domain}/{reference.path}@{digest}")


def _result(words: VerificationMessages, reason: Reason, found: str, remedy: str, *, cause: str = "") -> CheckResult:
    return CheckResult(check=words.check, outcome=Outcome.FAIL, reason=reason, found=found, remedy=remedy, cause=cause)
