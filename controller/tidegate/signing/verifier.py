"""What both formats of signatures share: one image, one artifact, one requirement, and the result of its verification.

Both formats have the same result (``Attempt``), so that the packages above do not depend on the format.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeAlias

from tidegate.errors import UndeterminedError
from tidegate.evidence.signature_artifacts import Descriptor, SignatureArtifact
from tidegate.evidence.verification_result import Attempt
from tidegate.policy.trust_stores import BrokenTrustStore, TrustSnapshot, TrustStore
from tidegate.verify.notation.outcome import NotationOutcome
from tidegate.verify.notation.revocation.material import Question, RevocationMaterial
from tidegate.verify.sigstore.procedure import Verification

MAX_TEXT = 400
"""Characters of why something failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedImage:
    """The image whose signatures are verified: ``repository`` as ``host/path``, and its manifest."""

    repository: str
    manifest: Descriptor


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """The result of one verification, and the questions that are open."""

    attempt: Attempt
    questions: tuple[Question, ...] = ()


VerificationObserver: TypeAlias = Callable[[SignatureArtifact, SignedImage, NotationOutcome | Verification], None]
"""Gets every verification when it ends, in the thread that verified.

The controller has none: the steps of a verification take about ten times the memory of its ``Attempt``, and attempts are
remembered for every image. The command line, which prints the steps, keeps them for the images that it was given.
"""


class Verifier(Protocol):
    """Verifies signatures for one requirement."""

    def verify(
        self, artifact: SignatureArtifact, image: SignedImage, *, now: datetime, revocation: RevocationMaterial
    ) -> Examination:
        """Return what the artifact proves about the image; never raises for bad evidence."""
        ...


def store_named(trust: TrustSnapshot, name: str) -> TrustStore:
    """Return the trust store; raise UndeterminedError if there is no usable one."""
    found = trust.stores.get(name)
    if found is None:
        raise UndeterminedError(f"there is no TrustStore {name}")
    if isinstance(found, BrokenTrustStore):
        problem = found.problems[0] if found.problems else "it cannot be read"
        raise UndeterminedError(f"the TrustStore {name} cannot be used: {problem}"[:MAX_TEXT])
    return found
