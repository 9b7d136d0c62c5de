"""How proofs become a result: what the checks ``signatures`` and ``attestations`` share.

One authority that is satisfied is enough. Where none is, what could not be decided comes before what failed: it might
have been the one that is demanded.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from tidegate.checks.result import Check, CheckResult, Outcome, Reason
from tidegate.checks.subject import Shortfall, Subject, resting_on, usable
from tidegate.checks.words import cause_words, harmless
from tidegate.evidence.collected import not_asked
from tidegate.evidence.proofs import Attempt, Proof, Proofs, ProofState
from tidegate.evidence.signature_artifacts import SigningHint, SigningState
from tidegate.images.digest import Digest, short
from tidegate.policy.model import ImagePolicy
from tidegate.verify.demands import Demand

MAX_WORDS = 320
"""Characters of why one signature failed; a stranger may have chosen them."""
MAX_AUTHORITIES = 4
"""Authorities that a message names one by one."""

_ONCE_REVOKED = "find out why it was revoked; until then use another image, and sign no new one of the same build"
_PROVED = (ProofState.VERIFIED, ProofState.LOGGED)
"""What satisfies, the better one first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofWords:
    """How one of the two checks speaks of what it looks for, and its reason codes. ``revoked`` is None where nothing is."""

    check: Check
    noun: str
    missing: Reason
    invalid: Reason
    undecided: Reason
    remedy: str
    revoked: Reason | None = None


def judge_proofs(
    words: ProofWords, demands: Sequence[Demand], digest: Digest, policy: ImagePolicy, subject: Subject
) -> CheckResult:
    """Return the result of an image of which any one of the demands has to be proved."""
    fact = subject.evidence.proofs.get(digest, not_asked("signatures"))
    proofs = usable(fact, policy=policy, now=subject.now)
    if isinstance(proofs, Shortfall):
        return proofs.of(words.check)
    found = [(demand, _in_force(proofs.by_demand.get(demand), subject.now)) for demand in demands]
    result = _first(words, found) or _refused(words, found, proofs, digest, subject)
    return resting_on(result, fact, policy=policy, now=subject.now)


def _in_force(proof: Proof | None, now: datetime) -> Proof | None:
    """Return the proof, unless it is good news and the time is over until which that may be believed: nothing is known then."""
    if proof is None or proof.state not in _PROVED or proof.good_until is None:
        return proof
    return proof if now < proof.good_until else None


def _first(words: ProofWords, found: Sequence[tuple[Demand, Proof | None]]) -> CheckResult | None:
    """Return the result of the first authority that is satisfied; one that only wrote failures down passes nothing."""
    for state in _PROVED:
        for demand, proof in found:
            if proof is not None and proof.state is state and proof.decisive is not None:
                return _satisfied(words, demand, proof.decisive)
    return None


def _satisfied(words: ProofWords, demand: Demand, attempt: Attempt) -> CheckResult:
    signer = f"{words.noun} by {harmless(attempt.signer, MAX_WORDS) or 'an unproved signer'}"
    if attempt.state is ProofState.VERIFIED and not attempt.logged:
        return CheckResult(
            check=words.check,
            outcome=Outcome.PASS,
            reason=Reason.OK,
            found=f"{signer} (authority {demand.authority.name})",
            holds_until=attempt.good_until,
        )
    logged = "; ".join(harmless(each, MAX_WORDS) for each in attempt.logged)
    note = f"{words.check.value} {Reason.NOT_ENFORCED.value}: {signer}, authority {demand.authority.name} only logs {logged}"
    return CheckResult(
        check=words.check,
        outcome=Outcome.EXEMPT,
        reason=Reason.NOT_ENFORCED,
        found=f"authority {demand.authority.name} only logs {logged}",
        remedy="set its level to strict",
        notes=(note,),
        holds_until=attempt.good_until,
    )


def _refused(
    words: ProofWords,
    found: Sequence[tuple[Demand, Proof | None]],
    proofs: Proofs,
    digest: Digest,
    subject: Subject,
) -> CheckResult:
    """Return why no authority is satisfied: undecided, still to come, invalid, or nothing there at all."""
    undecided = [(one, proof) for one, proof in found if proof is None or proof.state is ProofState.UNKNOWN]
    if undecided:
        return _undecided(words, *undecided[0])
    if pending := next((hint for hint in proofs.hints if hint.state is SigningState.IN_PROGRESS), None):
        return _result(
            words,
            Reason.SIGNATURE_PENDING,
            f"Amazon ECR is still signing the image with {harmless(pending.profile_arn, MAX_WORDS)}",
            "retry in a minute",
        )
    failed = [(one, proof) for one, proof in found if proof is not None and proof.state is ProofState.FAILED]
    hint = _failure(proofs.hints)
    if words.revoked is not None and (withdrawn := [pair for pair in failed if _is_revoked(pair[1])]):
        parts = [_why(one, proof) for one, proof in withdrawn[:MAX_AUTHORITIES]]
        return _result(words, words.revoked, "; ".join(parts), _ONCE_REVOKED)
    if failed:
        parts = [_why(one, proof) for one, proof in failed[:MAX_AUTHORITIES]]
        return _result(words, words.invalid, "; ".join(parts) + hint, _remedy(words, digest, subject))
    names = ", ".join(one.authority.name for one, _ in found[:MAX_AUTHORITIES])
    missing = f"no {words.noun} of {short(digest)} by any of: {names}{hint}"
    return _result(words, words.missing, missing, _remedy(words, digest, subject))


def _undecided(words: ProofWords, demand: Demand, proof: Proof | None) -> CheckResult:
    name, retry = demand.authority.name, "retry, and tell the platform team if it persists"
    reason, found, remedy = Reason.EVIDENCE_LACKING, f"nothing is known of authority {name}", retry
    if proof is not None and proof.problem:
        reason, found = Reason.TRUST_UNUSABLE, f"authority {name} cannot be asked: {harmless(proof.problem, MAX_WORDS)}"
        remedy = "the platform team has to correct the policy or its trust stores"
    elif proof is not None and proof.decisive is not None:
        reason, found = words.undecided, f"authority {name}: {_step(proof.decisive)}"
    elif proof is not None and proof.outage is not None:
        reason = Reason.COULD_NOT_CHECK
        found = f"not every {words.noun} could be looked at: {cause_words(proof.outage)}"
    return CheckResult(check=words.check, outcome=Outcome.UNDETERMINED, reason=reason, found=found, remedy=remedy)


def _why(demand: Demand, proof: Proof) -> str:
    name = demand.authority.name
    if proof.decisive is None:
        return f"authority {name}: {harmless(proof.problem, MAX_WORDS) or 'not satisfied'}"
    more = len(proof.attempts) - 1
    return f"authority {name}: {_step(proof.decisive)}" + (f" (and {more} more tried)" if more else "")


def _is_revoked(proof: Proof) -> bool:
    return proof.decisive is not None and proof.decisive.revoked


def _step(attempt: Attempt) -> str:
    text = harmless(attempt.text, MAX_WORDS)
    if attempt.revoked:
        return f"signed by {harmless(attempt.signer, MAX_WORDS)}, and revoked: {text}"
    verb = "could not" if attempt.state is ProofState.UNKNOWN else "failed to"
    return f"{verb} {attempt.step}: {text}" if attempt.step else "not satisfied"


def _failure(hints: Sequence[SigningHint]) -> str:
    failed = next((hint for hint in hints if hint.state is SigningState.FAILED), None)
    if failed is None:
        return ""
    return (
        f"; Amazon ECR could not sign it: {harmless(failed.failure_reason or failed.failure_code or 'no reason given')}"
    )


def _remedy(words: ProofWords, digest: Digest, subject: Subject) -> str:
    reference = subject.reference
    return words.remedy.format(image=f"{reference.domain}/{reference.path}@{digest}")


def _result(words: ProofWords, reason: Reason, found: str, remedy: str) -> CheckResult:
    return CheckResult(check=words.check, outcome=Outcome.FAIL, reason=reason, found=found, remedy=remedy)
