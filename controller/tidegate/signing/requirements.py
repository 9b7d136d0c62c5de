"""What a policy requires of an image's signatures: one requirement for each authority, with the trust stores it uses.

A requirement is the key under which its result is cached, so it is compared by identity: another policy object, or another
state of a trust store, makes another requirement, and no result of the old one counts for it.
"""

from dataclasses import dataclass
from functools import lru_cache

from tidegate.evidence.signature_artifacts import ArtifactKind
from tidegate.policy.model import ImagePolicy
from tidegate.policy.signatures import AttestationRules, Authority, NotationAuthority, SignatureRules
from tidegate.policy.trust_stores import TrustSnapshot

MAX_REMEMBERED = 4096
"""Policies whose requirements are cached."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, weakref_slot=True)
class Requirement:
    """One authority whose signature is required, or whose attestation if ``attestation`` is given.

    ``same_repository`` refuses a signature that names another repository, if its format names one.
    """

    authority: Authority
    trust: TrustSnapshot
    attestation: AttestationRules | None = None
    same_repository: bool = False

    @property
    def kinds(self) -> frozenset[ArtifactKind]:
        """Return the kinds of artifacts that can meet the requirement."""
        if isinstance(self.authority, NotationAuthority):
            return frozenset({ArtifactKind.NOTATION})
        if self.attestation is None:
            return frozenset({ArtifactKind.SIGSTORE_BUNDLE, ArtifactKind.COSIGN_SIGNATURE})
        return frozenset({ArtifactKind.SIGSTORE_BUNDLE, ArtifactKind.COSIGN_ATTESTATION})


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PolicyRequirements:
    """The requirements of one policy: any one of ``signatures``, and any one of each attestation's."""

    signatures: tuple[Requirement, ...]
    attestations: tuple[tuple[AttestationRules, tuple[Requirement, ...]], ...]

    @property
    def all(self) -> tuple[Requirement, ...]:
        """Return every requirement."""
        return (*self.signatures, *(one for _, requirements in self.attestations for one in requirements))


@lru_cache(maxsize=MAX_REMEMBERED)
def requirements_of(policy: ImagePolicy, trust: TrustSnapshot) -> PolicyRequirements:
    """Return the requirements of a policy under a state of the trust stores; the same object each time."""
    return PolicyRequirements(
        signatures=_signatures(policy.signatures, trust),
        attestations=tuple(
            (rules, tuple(Requirement(authority=one, trust=trust, attestation=rules) for one in rules.any_of))
            for rules in policy.attestations or ()
        ),
    )


def _signatures(rules: SignatureRules | None, trust: TrustSnapshot) -> tuple[Requirement, ...]:
    if rules is None:
        return ()
    return tuple(Requirement(authority=one, trust=trust, same_repository=rules.same_repository) for one in rules.any_of)
