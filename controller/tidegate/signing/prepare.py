"""Verifiers for requirements, cached. An unusable trust store or key says nothing about a signature."""

from collections.abc import Iterable
from functools import lru_cache

from tidegate.errors import Error, UndeterminedError, without_frames
from tidegate.policy.model import ImagePolicy
from tidegate.policy.signatures import NotationAuthority
from tidegate.policy.snapshot import Policy
from tidegate.policy.trust_stores import TrustSnapshot
from tidegate.signing.notation import NotationVerifier
from tidegate.signing.requirements import Requirement, requirements_of
from tidegate.signing.sigstore import SigstoreVerifier
from tidegate.signing.verifier import MAX_TEXT, VerificationObserver
from tidegate.verify.sigstore import preload

MAX_PREPARED = 512
"""Verifiers that are kept."""


def warm_up(policies: Iterable[Policy], trust: TrustSnapshot) -> None:
    """Make every verifier that the policies require, so that no request waits for it."""
    for policy in policies:
        if isinstance(policy, ImagePolicy):
            for requirement in requirements_of(policy, trust).all:
                prepare(requirement)
                if (
                    not isinstance(requirement.authority, NotationAuthority)
                    and requirement.authority.trusted_root is not None
                ):
                    preload()


def observe(requirement: Requirement, observer: VerificationObserver) -> None:
    """Give every verification for the requirement to the observer, as long as its verifier is cached."""
    verifier = prepare(requirement)
    if not isinstance(verifier, UndeterminedError):
        verifier.observer = observer


@lru_cache(maxsize=MAX_PREPARED)
def prepare(requirement: Requirement) -> NotationVerifier | SigstoreVerifier | UndeterminedError:
    """Return the requirement's verifier, or why there is none. Takes milliseconds the first time."""
    try:
        if isinstance(requirement.authority, NotationAuthority):
            return NotationVerifier(requirement.authority, requirement.trust)
        return SigstoreVerifier(
            requirement.authority,
            requirement.trust,
            attestation=requirement.attestation,
            same_repository=requirement.same_repository,
        )
    except UndeterminedError as error:
        return without_frames(error)
    except Error as error:
        return UndeterminedError(f"it cannot be used: {error}"[:MAX_TEXT])
    except Exception as error:  # noqa: BLE001 - an unexpected error in one authority must not affect the others
        return UndeterminedError(f"it cannot be used: an error inside tidegate ({type(error).__name__})")
