"""What the tests of Sigstore share: one instance, one stranger's, and short ways to verify and to alter."""

import base64
import copy
import json
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from tests.simulator.pki.sigstore import ISSUER, NOW, SUBJECT, LocalSigstore, PrivateKey, Signer, public_pem
from tests.simulator.pki.sigstore_log import b64
from tidegate.images.digest import Digest, digest_of
from tidegate.strict.pattern import Exact
from tidegate.verify.sigstore.claims import Artifact, Claims
from tidegate.verify.sigstore.identity import SigstoreIdentity
from tidegate.verify.sigstore.layer import SignatureLayer
from tidegate.verify.sigstore.procedure import SigstoreStep, Verification
from tidegate.verify.sigstore.public_key import parse_public_key
from tidegate.verify.sigstore.signer_trust import KeylessTrust, KeyTrust, SignerTrust
from tidegate.verify.sigstore.trust_root import TrustRoot, parse_trust_root
from tidegate.verify.sigstore.verification import verify_attestation_layer, verify_bundle, verify_signature_layer
from tidegate.verify.step import Conclusion, StepOutcome

MANIFEST = b'{"schemaVersion": 2}'
DIGEST = digest_of(MANIFEST)
OTHER = digest_of(b"another manifest")
ARTIFACT = Artifact(digest=DIGEST, content=MANIFEST)
ENTRY = "verificationMaterial.tlogEntries.0"
PROVENANCE = "https://slsa.dev/provenance/v1"


@cache
def ours() -> LocalSigstore:
    """Return the instance that is trusted."""
    return LocalSigstore()


@cache
def strangers() -> LocalSigstore:
    """Return an instance that nobody trusts."""
    return LocalSigstore()


@cache
def signer() -> Signer:
    return ours().signer()


@cache
def key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def root(**changes: Any) -> TrustRoot:
    return parse_trust_root(ours().trusted_root_bytes(**changes))


def keyless(*, subject: str = SUBJECT, issuer: str = ISSUER, trust: TrustRoot | None = None) -> SignerTrust:
    identity = SigstoreIdentity(issuer=Exact(text=issuer), subject=Exact(text=subject))
    return KeylessTrust(identities=(identity,), root=trust or root())


def keyed(private: PrivateKey | None = None, *, hash_name: str | None = None, **more: Any) -> SignerTrust:
    public = parse_public_key(public_pem(private or key()), hash_name=hash_name)
    return KeyTrust(key=public, **({"root": root()} | more))


def check(
    material: dict[str, Any] | bytes,
    authority: SignerTrust | None = None,
    *,
    artifact: Artifact = ARTIFACT,
    claims: Claims | None = None,
    now: datetime = NOW,
) -> Verification:
    """Verify a bundle."""
    content = material if isinstance(material, bytes) else json.dumps(material).encode()
    return verify_bundle(
        content, artifact=artifact, authority=authority or keyless(), claims=claims or Claims(), now=now
    )


def check_layer(
    content: bytes,
    annotations: dict[str, str],
    authority: SignerTrust | None = None,
    *,
    digest: Digest = DIGEST,
    claims: Claims | None = None,
    now: datetime = NOW,
    attestation: bool = False,
) -> Verification:
    verify = verify_attestation_layer if attestation else verify_signature_layer
    return verify(
        SignatureLayer(content=content, annotations=annotations),
        artifact=Artifact(digest=digest),
        authority=authority or keyless(),
        claims=claims or Claims(),
        now=now,
    )


def altered(bundle: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """Return a copy with the field at ``a.b.0.c`` replaced; a callable value is given the old one, None removes it."""
    changed = copy.deepcopy(bundle)
    at: Any = changed
    *parents, last = [int(one) if one.isdigit() else one for one in path.split(".")]
    for one in parents:
        at = at[one]
    if value is None:
        del at[last]
    else:
        at[last] = value(at[last]) if callable(value) else value
    return changed


def flipped(text: str) -> str:
    """Return base64 of the same bytes with one bit turned."""
    content = bytearray(base64.b64decode(text))
    content[len(content) // 2] ^= 1
    return b64(bytes(content))


def within(field: str, start: timedelta, end: timedelta | None = None) -> dict[str, Any]:
    """Return a field of the trusted root whose one entry counts from ``start`` to ``end``, both counted from NOW."""
    window = {"start": (NOW + start).isoformat()} | ({"end": (NOW + end).isoformat()} if end is not None else {})
    (one,) = ours().trusted_root()[field]
    if "publicKey" in one:
        return {field: [one | {"publicKey": one["publicKey"] | {"validFor": window}}]}
    return {field: [one | {"validFor": window}]}


def ends(
    verification: Verification, step: SigstoreStep, text: str = "", outcome: StepOutcome = StepOutcome.FAILED
) -> None:
    """Assert that the verification ended without a proof, at the step, for the reason, all before it being fine."""
    *before, last = verification.steps
    assert (last.number, last.outcome) == (step, outcome), verification.steps
    assert text in last.text, last.text
    assert all(one.outcome is StepOutcome.OK for one in before)
    assert verification.proof is None
    undecided = outcome is StepOutcome.UNDECIDED
    assert verification.conclusion is (Conclusion.INCONCLUSIVE if undecided else Conclusion.FAILED)
    assert str(verification.error) == last.text


def passes(verification: Verification) -> None:
    assert verification.conclusion is Conclusion.VERIFIED, verification.steps
    assert verification.require() is verification.proof
