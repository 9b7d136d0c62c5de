"""Results of verifications that a test case states by hand. All other signatures are verified."""

from collections.abc import Sequence

from tidegate.cli.cases.evidence import CaseSources
from tidegate.cli.cases.model import SignaturePart
from tidegate.evidence.clock import Clock
from tidegate.evidence.fact import Cause, Fact, Known
from tidegate.evidence.verification_result import Attempt, VerificationResult, VerificationResults, VerificationState
from tidegate.gather.api_limiters import ApiLimiters
from tidegate.gather.ask import Ask
from tidegate.gather.manifests import Manifests
from tidegate.gather.signature_verifications import SignatureVerifications
from tidegate.gather.signatures import Signatures
from tidegate.gather.sources import Sources
from tidegate.images.digest import Digest
from tidegate.images.repository import Repository
from tidegate.signing.requirements import Requirement

_DECIDED = frozenset({VerificationState.VERIFIED, VerificationState.LOGGED, VerificationState.FAILED})
"""The states in which one signature decided."""


class StatedSignatures(Signatures):
    """Takes the results of an image's verifications from the case, where it states them."""

    def __init__(
        self,
        case: CaseSources,
        *,
        sources: Sources,
        limiters: ApiLimiters,
        clock: Clock,
        manifests: Manifests,
        verifications: SignatureVerifications,
        limit: int,
    ) -> None:
        super().__init__(
            sources=sources,
            limiters=limiters,
            clock=clock,
            manifests=manifests,
            verifications=verifications,
            limit=limit,
        )
        self._case = case

    async def verify(
        self, ask: Ask, repository: Repository, digest: Digest, requirements: Sequence[Requirement]
    ) -> tuple[Fact[VerificationResults], float]:
        """Return the stated results, or those of verification."""
        image = self._case.image(repository, digest)
        if image is None or image.stated is None:
            return await super().verify(ask, repository, digest, requirements)
        results = {one: _result(one, image.stated, digest) for one in requirements}
        value = VerificationResults(by_requirement=results, hints=image.signing)
        return Known(value, self._clock.now(), monotonic=self._clock.monotonic()), float("inf")


def _result(requirement: Requirement, stated: Sequence[SignaturePart], digest: Digest) -> VerificationResult:
    """Return the stated result for the authority of a requirement and its predicate type."""
    wanted = None if requirement.attestation is None else requirement.attestation.predicate_type
    for part in stated:
        if part.authority == requirement.authority.name and part.predicate_type == wanted:
            attempt = Attempt(manifest_digest=digest, state=part.state, signer=part.signer or part.authority)
            return VerificationResult(
                state=part.state,
                decisive=attempt if part.state in _DECIDED else None,
                outage=Cause.NOT_ASKED if part.state is VerificationState.UNKNOWN else None,
            )
    return VerificationResult(state=VerificationState.ABSENT)
