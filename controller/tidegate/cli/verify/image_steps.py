"""The steps of every signature of an image, under every authority of a policy, as the engine's verifiers took them.

Nothing is fetched or verified here: the steps are those of the verifications that decided.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial

from tidegate.admission.plan import Plan
from tidegate.app.engine import Engine
from tidegate.cli.judging import JudgedImage
from tidegate.cli.verify.notation import reported_notation
from tidegate.cli.verify.report import LeftAside, ReportedSignature
from tidegate.cli.verify.sigstore import KIND_NAMES, reported_sigstore
from tidegate.errors import UndeterminedError
from tidegate.evidence.fact import Known
from tidegate.evidence.signature_artifacts import Descriptor, FoundArtifacts, SignatureArtifact
from tidegate.gather.signatures import kinds_of
from tidegate.images.repository import repository_text
from tidegate.policy.model import ImagePolicy
from tidegate.signing.prepare import observe, prepare
from tidegate.signing.requirements import Requirement, requirements_of
from tidegate.signing.verifier import SignedImage
from tidegate.verify.notation.outcome import NotationOutcome
from tidegate.verify.sigstore.procedure import Verification
from tidegate.verify.step import Conclusion


class ObservedSignatures:
    """Every verification of the judged images, as reports show it; of each signature the last one."""

    def __init__(self) -> None:
        self._shown: dict[tuple[Requirement, SignedImage, str], ReportedSignature] = {}

    def watch(self, plan: Plan) -> None:
        """Keep the verifications for a plan."""
        if plan.wanted is not None:
            for requirement in (*plan.wanted.requirements, *plan.wanted.child_requirements):
                observe(requirement, partial(self._keep, requirement))

    def signature(
        self, requirement: Requirement, image: SignedImage, artifact: SignatureArtifact
    ) -> ReportedSignature | None:
        """Return the verification of a signature under one authority, or None if it was not verified."""
        return self._shown.get((requirement, image, artifact.fingerprint))

    def _keep(
        self,
        requirement: Requirement,
        artifact: SignatureArtifact,
        image: SignedImage,
        outcome: NotationOutcome | Verification,
    ) -> None:
        place = artifact.envelope_digest
        if isinstance(outcome, NotationOutcome):
            shown = reported_notation(outcome, place)
        else:
            shown = reported_sigstore(outcome, KIND_NAMES[artifact.kind], place)
        self._shown[requirement, image, artifact.fingerprint] = shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What a report shows of one policy."""

    signatures: tuple[ReportedSignature, ...] = ()
    left_aside: tuple[LeftAside, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Beside:
    """An image, or a child of it, and the artifacts that were found for it."""

    image: SignedImage
    found: FoundArtifacts
    whole: bool


def show_signatures(engine: Engine, observed: ObservedSignatures, judged: JudgedImage, policy: ImagePolicy) -> Shown:
    """Return the signatures of the image, and of its children whose signatures were read."""
    signatures: list[ReportedSignature] = []
    left_aside: dict[LeftAside, None] = {}
    required = requirements_of(policy, judged.plan.matching.policy_set.trust)
    for beside in _found(engine, judged):
        for one in beside.found.skipped:
            left_aside[LeftAside(what=one.what, reason=one.reason.value, detail=one.detail)] = None
        for requirement in required.all if beside.whole else required.signatures:
            for shown in _by_requirement(observed, requirement, beside):
                if isinstance(shown, LeftAside):
                    left_aside[shown] = None
                else:
                    signatures.append(shown)
    return Shown(signatures=tuple(signatures), left_aside=tuple(left_aside))


def _found(engine: Engine, judged: JudgedImage) -> Iterator[_Beside]:
    """Yield each image whose signatures were read, with the artifacts that were found."""
    plan, facts = judged.plan, engine.facts
    if plan.reference is None or plan.wanted is None:
        return
    repository = plan.reference.repository
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
            image = SignedImage(repository=repository_text(repository), manifest=manifest.value)
            yield _Beside(image=image, found=found.value, whole=whole)


def _by_requirement(
    observed: ObservedSignatures, requirement: Requirement, beside: _Beside
) -> Iterator[ReportedSignature | LeftAside]:
    """Yield every signature that was tried under one authority, up to the one that sufficed."""
    name = requirement.authority.name
    verifier = prepare(requirement)
    candidates = [one for one in beside.found.artifacts if one.kind in requirement.kinds]
    if isinstance(verifier, UndeterminedError):
        if candidates:
            yield LeftAside(what=f"authority {name}", reason="TrustUnusable", detail=str(verifier))
        return
    for index, artifact in enumerate(candidates):
        shown = observed.signature(requirement, beside.image, artifact)
        digest = artifact.envelope_digest
        place = digest if beside.whole else f"{digest} of {beside.image.manifest.digest}"
        if shown is None:
            yield LeftAside(
                what=place, reason="NotVerified", detail=f"authority {name}: the verification did not finish"
            )
            continue
        yield replace(shown, place=place, authority=name, attestation=_attestation(requirement))
        if shown.verdict is Conclusion.VERIFIED:
            if more := len(candidates) - index - 1:
                yield LeftAside(
                    what=f"{more} more", reason="NotNeeded", detail=f"authority {name} already has a valid signature"
                )
            return


def _attestation(requirement: Requirement) -> str | None:
    return None if requirement.attestation is None else requirement.attestation.name
