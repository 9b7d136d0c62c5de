"""Which identities in a Sigstore certificate a policy trusts: the issuer and the subject."""

from dataclasses import dataclass

from tidegate.strict.pattern import Wanted


@dataclass(frozen=True, slots=True, kw_only=True)
class SigstoreIdentity:
    """Who a Sigstore certificate was issued to, and by whom the name was vouched for. Both must fit."""

    issuer: Wanted
    subject: Wanted

    def matches(self, *, issuer: str, subject: str) -> bool:
        """Tell whether both are what is wanted."""
        return self.issuer.matches(issuer) and self.subject.matches(subject)

    def __str__(self) -> str:
        return f"subject {self.subject}, issuer {self.issuer}"
