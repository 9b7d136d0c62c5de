"""The steps of every signature beside an image, under every authority of a policy, from what the engine found and kept.

Nothing is searched, asked or decided here: signatures and answers about revocation are those that the verdict rests on,
so that the steps can't tell another story than it does.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from tidegate.app.engine import Engine
from tidegate.cli.judged import JudgedImage
from tidegate.cli.verify_notation import reported_notation
from tidegate.cli.verify_report import LeftAside, ReportedSignature
from tidegate.cli.verify_sigstore import KIND_NAMES, reported_sigstore
from tidegate.errors import UndeterminedError
from tidegate.evidence.fact import Known
from tidegate.evidence.signature_artifacts import Descriptor, FoundArtifacts, SignatureArtifact
from tidegate.evidence.verification_result import Attempt, VerificationResult, VerificationState
from tidegate.gather.signatures import kinds_of
from tidegate.images.reference import ImageReference
from tidegate.images.repository import OciRegistry, OciRepository, Repository
from tidegate.policy.model import ImagePolicy
from tidegate.signing.notation import NotationVerifier
from tidegate.signing.prepare import prepare
from tidegate.signing.requirements import Requirement, requirements_of
from tidegate.signing.verifier import SignedImage
from tidegate.verify.notation.revocation.material import RevocationMaterial
from tidegate.verify.step import Conclusion, StepOutcome

MAX_ROUNDS = 4
"""Times that a signature is verified: OCSP, then a CRL in its place, then a delta of that."""
_VERDICTS = {
    VerificationState.VERIFIED: Conclusion.VERIFIED,
    VerificationState.LOGGED: Conclusion.LOGGED,
    VerificationState.FAILED: Conclusion.FAILED,
}
"""Whatever else an attempt comes to is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What there is to show of one policy."""

    signatures: tuple[ReportedSignature, ...] = ()
    left_aside: tuple[LeftAside, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Beside:
    """An image, or a child of it, and what was found beside it."""

    image: SignedImage
    found: FoundArtifacts
    proofs: Mapping[Requirement, VerificationResult]
    whole: bool


def show_signatures(engine: Engine, judged: JudgedImage, policy: ImagePolicy) -> Shown:
    """Return the signatures of the image, and of those of its children whose signatures were looked at."""
    signatures: list[ReportedSignature] = []
    left_aside: dict[LeftAside, None] = {}
    now = engine.clock.now()
    required = requirements_of(policy, judged.plan.trust)
    for beside in _found(engine, judged):
        for one in beside.found.skipped:
            left_aside[LeftAside(what=one.what, reason=one.reason.value, detail=one.detail)] = None
        for requirement in required.all if beside.whole else required.signatures:
            for shown in _by_demand(engine, requirement, beside, now):
                if isinstance(shown, LeftAside):
                    left_aside[shown] = None
                else:
                    signatures.append(shown)
    return Shown(signatures=tuple(signatures), left_aside=tuple(left_aside))


def _found(engine: Engine, judged: JudgedImage) -> Iterator[_Beside]:
    """Yield each image whose signatures were looked at, with what was found."""
    plan, facts = judged.plan, engine.facts
    if plan.reference is None or plan.wanted is None:
        return
    repository = _repository(plan.reference)
    for digest, proofs in judged.evidence.proofs.items():
        whole = digest == judged.verdict.digest
        searched = plan.wanted.requirements if whole else plan.wanted.child_requirements
        found, _ = facts.signatures.artifacts.peek((repository, digest, kinds_of(searched)))
        manifest, _ = facts.manifests.descriptors.peek((repository, digest))
        if (
            isinstance(proofs, Known)
            and isinstance(found, Known)
            and isinstance(manifest, Known)
            and isinstance(manifest.value, Descriptor)
        ):
            place = f"{repository.registry.host}/{repository.name}"
            image = SignedImage(repository=place, manifest=manifest.value)
            yield _Beside(image=image, found=found.value, proofs=proofs.value.by_requirement, whole=whole)


def _by_demand(
    engine: Engine, requirement: Requirement, beside: _Beside, now: datetime
) -> Iterator[ReportedSignature | LeftAside]:
    """Yield every signature that was tried under one authority, up to the one that sufficed."""
    name = requirement.authority.name
    verifier = prepare(requirement)
    candidates = [one for one in beside.found.artifacts if one.kind in requirement.kinds]
    if isinstance(verifier, UndeterminedError):
        if candidates:
            yield LeftAside(what=f"authority {name}", reason="TrustUnusable", detail=str(verifier))
        return
    proof = beside.proofs.get(requirement)
    attempts = () if proof is None else proof.attempts
    for index, artifact in enumerate(candidates):
        place = (
            artifact.envelope_digest
            if beside.whole
            else f"{artifact.envelope_digest} of {beside.image.manifest.digest}"
        )
        if isinstance(verifier, NotationVerifier):
            kept = attempts[index] if index < len(attempts) else None
            shown = _by_notation(engine, verifier, artifact, beside.image, now, place=place, kept=kept)
        else:
            outcome = verifier.outcome(artifact, beside.image, now=now)
            shown = reported_sigstore(outcome, KIND_NAMES[artifact.kind], place)
        yield replace(shown, authority=name, attestation=_attestation(requirement))
        if shown.verdict is Conclusion.VERIFIED:
            if more := len(candidates) - index - 1:
                yield LeftAside(what=f"{more} more", reason="NotNeeded", detail=f"authority {name} has a valid one")
            return


def _by_notation(
    engine: Engine,
    verifier: NotationVerifier,
    artifact: SignatureArtifact,
    image: SignedImage,
    now: datetime,
    *,
    place: str,
    kept: Attempt | None,
) -> ReportedSignature:
    """Follow the procedure again, with the answers about revocation that are at hand."""
    material = RevocationMaterial()
    for _ in range(MAX_ROUNDS):
        examined = verifier.verify(artifact, image, now=now, revocation=material)
        new = [question for question in examined.questions if question not in material.answers]
        if not new:
            break
        answers = {question: engine.facts.revocations.recall(question) for question in new}
        material = RevocationMaterial(answers={**material.answers, **answers})
    outcome = verifier.outcome(artifact, image, now=now, revocation=material)
    return _as_judged(reported_notation(outcome, place), kept or examined.attempt)


def _as_judged(shown: ReportedSignature, attempt: Attempt) -> ReportedSignature:
    """Return the steps with what admission makes of them, and its words where nobody could tell.

    It refuses a stranger's signature that cannot be decided. Why nobody answered is kept nowhere else.
    """
    steps = tuple(
        replace(step, text=attempt.text)
        if step.outcome is StepOutcome.UNDECIDED and step.title == attempt.step
        else step
        for step in shown.steps
    )
    return replace(shown, steps=steps, verdict=_VERDICTS.get(attempt.state, Conclusion.INCONCLUSIVE))


def _attestation(requirement: Requirement) -> str | None:
    return None if requirement.attestation is None else requirement.attestation.name


def _repository(reference: ImageReference) -> Repository:
    return reference.ecr or OciRepository(OciRegistry(reference.domain), reference.path)
