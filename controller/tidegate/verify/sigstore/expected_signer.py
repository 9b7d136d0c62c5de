"""The expected signer of the command line's options, as an authority.

Invalid options are refused before anything is verified: they say nothing about the signature.
"""

from dataclasses import dataclass

from tidegate.errors import PolicyError
from tidegate.strict.objection import Objection
from tidegate.strict.pattern import Wanted, make_exact, make_pattern
from tidegate.verify.sigstore.identity import SigstoreIdentity
from tidegate.verify.sigstore.public_key import parse_public_key
from tidegate.verify.sigstore.signer_trust import KeylessTrust, KeyTrust, SignerTrust, check_root
from tidegate.verify.sigstore.trust_root import parse_trust_root


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedSigner:
    """The expected signer: issuer and subject, each exact or an expression, or a key as PEM."""

    identity: str | None = None
    identity_expression: str | None = None
    issuer: str | None = None
    issuer_expression: str | None = None
    key: bytes | None = None
    key_hash: str | None = None


def expected_authority(signer: ExpectedSigner, trusted_root: bytes | None, *, require_log: bool) -> SignerTrust:
    """Return the signer as an authority; raise PolicyError if it names no signer, or has no usable root.

    ``require_log`` concerns keys: without it no log entry is required or read, and no trusted root is needed.
    """
    root = parse_trust_root(trusted_root) if trusted_root is not None else None
    identity = signer.identity or signer.identity_expression or signer.issuer or signer.issuer_expression
    if signer.key is not None:
        if identity:
            raise PolicyError(("key: expected a key or an identity, not both",))
        key = parse_public_key(signer.key, hash_name=signer.key_hash)
        return check_root(KeyTrust(key=key, root=root, require_log=require_log))
    if root is None:
        raise PolicyError(("trustedRoot: required to verify an identity",))
    wanted = SigstoreIdentity(
        issuer=_wanted("issuer", signer.issuer, signer.issuer_expression),
        subject=_wanted("identity", signer.identity, signer.identity_expression),
    )
    return check_root(KeylessTrust(identities=(wanted,), root=root))


def _wanted(name: str, text: str | None, expression: str | None) -> Wanted:
    if text and not expression:
        return make_exact(text)
    if expression and not text:
        made = make_pattern(expression)
        if isinstance(made, Objection):
            raise PolicyError((made.at(name),))
        return made
    raise PolicyError((f"{name}: required, exact or as an expression",))
