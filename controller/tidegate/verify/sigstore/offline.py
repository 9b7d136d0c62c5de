"""Verify a bundle with files alone: what ``tidegate verify --bundle`` does, and what a conformance suite can be run against.

Arguments that can't be used make the outcome inconclusive, not failed: they say nothing about the signature.
"""

from dataclasses import dataclass
from datetime import datetime

from tidegate.errors import PolicyError, UndeterminedError
from tidegate.images.digest import digest_of, parse_digest
from tidegate.policy.pattern import Wanted, make_exact, make_pattern
from tidegate.policy.shape import Objection
from tidegate.policy.signatures import SigstoreIdentity
from tidegate.verify.sigstore.authority import Authority, KeyAuthority, KeylessAuthority
from tidegate.verify.sigstore.claims import ANY_PREDICATE, Artifact, Claims
from tidegate.verify.sigstore.procedure import Procedure, Verification, carry_out
from tidegate.verify.sigstore.proof import Proof
from tidegate.verify.sigstore.public_key import parse_public_key
from tidegate.verify.sigstore.trust_root import parse_trust_root
from tidegate.verify.sigstore.verification import verify_bundle


@dataclass(frozen=True, slots=True, kw_only=True)
class DemandedSigner:
    """Whom the person at the command line expects: issuer and subject, each exact or an expression, or a key as PEM."""

    identity: str | None = None
    identity_expression: str | None = None
    issuer: str | None = None
    issuer_expression: str | None = None
    key: bytes | None = None
    key_hash: str | None = None


def verify_files(
    *,
    bundle: bytes,
    signer: DemandedSigner,
    at: datetime,
    digest: str | None = None,
    artifact: bytes | None = None,
    trusted_root: bytes | None = None,
    predicate_type: str = ANY_PREDICATE,
    require_log: bool = True,
) -> Verification:
    """Verify a bundle about a digest (``sha256:...``) or the artifact itself, as of the time ``at``; never raises.

    ``require_log`` concerns keys: without it no log entry is demanded or looked at, and no trusted root is needed.
    """
    try:
        _check_zone(at)
        about = _artifact(digest, artifact)
        authority = demanded_authority(signer, trusted_root, require_log=require_log)
        claims = Claims(predicate_type=predicate_type)
    except PolicyError as error:
        return _unusable(error)
    return verify_bundle(bundle, artifact=about, authority=authority, claims=claims, now=at)


def _check_zone(at: datetime) -> None:
    if at.tzinfo is None:
        raise PolicyError(("at: expected a time with a zone",))


def _artifact(digest: str | None, content: bytes | None) -> Artifact:
    parsed = parse_digest(digest) if digest else None
    if digest and not parsed:
        raise PolicyError(("digest: expected sha256: and 64 hexadecimal digits",))
    if content is None:
        if parsed is None:
            raise PolicyError(("digest: a digest or the artifact itself is required",))
        return Artifact(digest=parsed)
    if parsed and parsed != digest_of(content):
        raise PolicyError(("digest: the artifact has another",))
    return Artifact(digest=digest_of(content), content=content)


def demanded_authority(signer: DemandedSigner, trusted_root: bytes | None, *, require_log: bool) -> Authority:
    """Return the signer as an authority; raise PolicyError where it names nobody, or needs a root that is not given."""
    root = parse_trust_root(trusted_root) if trusted_root is not None else None
    identity = signer.identity or signer.identity_expression or signer.issuer or signer.issuer_expression
    if signer.key is not None:
        if identity:
            raise PolicyError(("key: a key or an identity, not both",))
        key = parse_public_key(signer.key, hash_name=signer.key_hash)
        return KeyAuthority(key=key, root=root, require_log=require_log)
    if root is None:
        raise PolicyError(("trustedRoot: required to verify an identity",))
    wanted = SigstoreIdentity(
        issuer=_wanted("issuer", signer.issuer, signer.issuer_expression),
        subject=_wanted("identity", signer.identity, signer.identity_expression),
    )
    return KeylessAuthority(identities=(wanted,), root=root)


def _wanted(name: str, text: str | None, expression: str | None) -> Wanted:
    if text and not expression:
        return make_exact(text)
    if expression and not text:
        made = make_pattern(expression)
        if isinstance(made, Objection):
            raise PolicyError((made.at(name),))
        return made
    raise PolicyError((f"{name}: required, exact or as an expression",))


def _unusable(error: PolicyError) -> Verification:
    def body(_: Procedure) -> Proof:
        raise UndeterminedError(f"nothing could be verified: {error}") from error

    return carry_out(body)
