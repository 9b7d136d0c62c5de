"""The signers that a policy accepts: identities under a trusted root, or one long-lived key."""

from collections.abc import Sequence
from dataclasses import dataclass

from tidegate.errors import PolicyError, VerificationError
from tidegate.strict.quotation import alternatives
from tidegate.verify.sigstore.identity import SigstoreIdentity
from tidegate.verify.sigstore.proof import KeylessSigner
from tidegate.verify.sigstore.public_key import PublicKey
from tidegate.verify.sigstore.trust_root import TrustRoot


@dataclass(frozen=True, slots=True, kw_only=True)
class KeylessTrust:
    """Any of the identities, with certificates of the trust root. A log of the root must hold the signature."""

    identities: tuple[SigstoreIdentity, ...]
    root: TrustRoot

    def __post_init__(self) -> None:
        """Refuse an authority without identities."""
        if not self.identities:
            raise PolicyError(("identities: at least one is required",))

    def check(self, signer: KeylessSigner) -> None:
        """Raise VerificationError unless the signer is one of the identities."""
        if not any(identity.matches(issuer=signer.issuer, subject=signer.subject) for identity in self.identities):
            wanted = "; or ".join(str(identity) for identity in self.identities[:MAX_SHOWN])
            raise VerificationError(
                f"signed by {harmless(signer)}, expected {wanted}",
                clause=f"signed by {signer.quoted}",
                accepted=self.accepted,
            )

    @property
    def accepted(self) -> str:
        """Return whom the policy accepts, for messages that users read."""
        return alternatives([identity.quoted for identity in self.identities])


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyTrust:
    """One key. With ``require_log`` (the default) a log of the trust root must hold the signature.

    Without it log entries are ignored, and nothing limits when a stolen key signed; a timestamp is used if the trusted root
    has an authority for it.
    """

    key: PublicKey
    root: TrustRoot | None = None
    require_log: bool = True

    def __post_init__(self) -> None:
        """Refuse to require a log entry that nothing could verify."""
        if self.require_log and self.root is None:
            raise PolicyError(("trustRoot: required, because a transparency log entry is required",))


SignerTrust = KeylessTrust | KeyTrust


def check_root(authority: SignerTrust) -> SignerTrust:
    """Return the authority; raise PolicyError if its trusted root lacks what every signature needs.

    Such a root says nothing about a signature, so this is checked before any signature is read.
    """
    root = authority.root
    if root is None:
        return authority
    needed: dict[str, Sequence[object]] = {}
    if isinstance(authority, KeylessTrust) or authority.require_log:
        needed |= {"transparency log": root.logs}
    if isinstance(authority, KeylessTrust):
        needed |= {"certificate authority": root.authorities, "certificate transparency log": root.certificate_logs}
    missing = [what for what, found in needed.items() if not found]
    if missing:
        raise PolicyError((f"trustedRoot: it has no {missing[0]}, so no signature can be verified",))
    return authority


MAX_SHOWN = 5
"""Identities that a message repeats."""
MAX_SIGNER_CHARACTERS = 300


def harmless(signer: KeylessSigner) -> str:
    """Return the signer as messages show it: what an attacker chose, printable and cut."""
    text = str(signer)
    printable = "".join(
        character if character.isprintable() else "?" for character in text[: MAX_SIGNER_CHARACTERS + 1]
    )
    return printable if len(text) <= MAX_SIGNER_CHARACTERS else printable[:MAX_SIGNER_CHARACTERS] + "..."
