"""Verifiers ready for demands, kept while the demand is in force. What cannot be made ready says nothing of a signature."""

from functools import lru_cache

from tidegate.errors import Error, UndeterminedError
from tidegate.policy.signatures import NotationAuthority
from tidegate.verify.by_notation import NotationVerifier
from tidegate.verify.by_sigstore import SigstoreVerifier
from tidegate.verify.demands import Demand
from tidegate.verify.verifier import MAX_TEXT

MAX_PREPARED = 512
"""Verifiers that are kept."""


@lru_cache(maxsize=MAX_PREPARED)
def prepare(demand: Demand) -> NotationVerifier | SigstoreVerifier | UndeterminedError:
    """Return the demand's verifier, or why there can be none. Takes milliseconds the first time."""
    try:
        if isinstance(demand.authority, NotationAuthority):
            return NotationVerifier(demand.authority, demand.trust)
        return SigstoreVerifier(
            demand.authority,
            demand.trust,
            attestation=demand.attestation,
            same_repository=demand.same_repository,
        )
    except UndeterminedError as error:
        return error
    except Error as error:
        return UndeterminedError(f"it cannot be used: {error}"[:MAX_TEXT])
