"""Notation's trust policy as values: which statement applies to an artifact, and what each of its checks does.

Statements are built by ``document`` from Notation's own JSON, or directly from values of another source;
the rules for a whole document are there. Nothing is verified here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tidegate.errors import VerificationError
from tidegate.strict.quotation import quoted
from tidegate.verify.notation.trust_policy.level import Level, TimestampRule, ValidationAction, ValidationType
from tidegate.verify.notation.trust_policy.registry_scope import GLOBAL_SCOPE, scope_of_reference
from tidegate.verify.notation.trust_store.store import StoreName
from tidegate.verify.notation.x509.distinguished_name import DistinguishedName

_LOGGED_BY_PERMISSIVE = frozenset(
    {ValidationType.AUTHENTIC_TIMESTAMP, ValidationType.EXPIRY, ValidationType.REVOCATION}
)
_LOGGED_BY_AUDIT = _LOGGED_BY_PERMISSIVE | {ValidationType.AUTHENTICITY}


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureVerification:
    """A level, what it is overridden with, and when a timestamp is required."""

    level: Level
    override: Mapping[ValidationType, ValidationAction] = field(default_factory=dict)
    verify_timestamp: TimestampRule = TimestampRule.ALWAYS

    def action(self, check: ValidationType) -> ValidationAction:
        """Return what the check does. Integrity is enforced at every level but skip, whatever the override says.

        Only revocation can be skipped alone: a signature by an unknown signer must not count as verified (N5).
        """
        if self.level is Level.SKIP:
            return ValidationAction.SKIP
        if check is ValidationType.INTEGRITY:
            return ValidationAction.ENFORCE
        overridden = self.override.get(check)
        if overridden is ValidationAction.SKIP and check is not ValidationType.REVOCATION:
            return ValidationAction.ENFORCE
        if overridden is not None:
            return overridden
        logged = {Level.PERMISSIVE: _LOGGED_BY_PERMISSIVE, Level.AUDIT: _LOGGED_BY_AUDIT}.get(self.level, frozenset())
        return ValidationAction.LOG if check in logged else ValidationAction.ENFORCE


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedIdentities:
    """Trusted signers: all (``wildcard``), subjects of certificates, or names that a plugin knows."""

    wildcard: bool = False
    subjects: tuple[DistinguishedName, ...] = ()
    others: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustPolicyStatement:
    """One statement: its scopes, its level, and the signers that it trusts."""

    name: str
    registry_scopes: tuple[str, ...]
    signature_verification: SignatureVerification
    trust_stores: tuple[StoreName, ...] = ()
    trusted_identities: TrustedIdentities = field(default_factory=TrustedIdentities)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustPolicyDocument:
    """All statements; no scope is in two of them."""

    statements: tuple[TrustPolicyStatement, ...]

    def select(self, reference: str) -> TrustPolicyStatement:
        """Return the statement for ``domain/repository@digest``: of exactly its scope, else the global one.

        Raise VerificationError when there is none, or the reference is incomplete. The repository is compared
        character by character, the domain without regard to case.
        """
        scope = scope_of_reference(reference)  # N18
        for wanted in (scope, GLOBAL_SCOPE):  # N19
            for statement in self.statements:
                if wanted in statement.registry_scopes:
                    return statement
        raise VerificationError(
            f"artifact {quoted(reference)} has no applicable oci trust policy statement. Trust policy applicability for"
            " a given artifact is determined by registryScopes"
        )
