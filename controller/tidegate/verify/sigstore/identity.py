"""Which identities in a Sigstore certificate a policy trusts: the issuer and the subject."""

from dataclasses import dataclass

from tidegate.strict.pattern import Exact, Wanted
from tidegate.strict.quotation import quoted

MAX_WANTED = 150
"""Characters of an issuer, a subject or an expression that messages for users repeat."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SigstoreIdentity:
    """The identity that a Sigstore certificate must name, and the OIDC issuer that verified it. Both must match."""

    issuer: Wanted
    subject: Wanted

    def matches(self, *, issuer: str, subject: str) -> bool:
        """Tell whether both match."""
        return self.issuer.matches(issuer) and self.subject.matches(subject)

    def __str__(self) -> str:
        return f"subject {self.subject}, issuer {self.issuer}"

    @property
    def quoted(self) -> str:
        """Return the identity for messages that users read, in the words of the policy."""
        return f"{_quoted('subject', self.subject)} ({_quoted('issuer', self.issuer, 'issuer ')})"


def _quoted(field: str, wanted: Wanted, prefix: str = "") -> str:
    text = quoted(wanted.text, MAX_WANTED)
    return f"{prefix}{text}" if isinstance(wanted, Exact) else f"{field}RegExp {text}"
