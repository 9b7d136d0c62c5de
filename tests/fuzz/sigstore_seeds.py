"""Genuine material of a Sigstore instance, with who is demanded of each, and what is looked at once it was spoilt."""

import json
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from tests.simulator.pki.sigstore import (
    NOW,
    STATEMENT_V01,
    V01,
    V02,
    V03,
    LocalSigstore,
    PrivateKey,
    public_pem,
    simple_signing,
    statement,
)
from tests.unit.verify.sigstore.cases import ARTIFACT, DIGEST, MANIFEST, PROVENANCE, keyless
from tests.unit.verify.sigstore.test_predicates import PREDICATES
from tidegate.errors import UndeterminedError, VerificationError
from tidegate.verify.sigstore.bundle import parse_bundle
from tidegate.verify.sigstore.claims import ANY_PREDICATE, Claims
from tidegate.verify.sigstore.layer import SignatureLayer
from tidegate.verify.sigstore.procedure import UnforeseenError, Verification
from tidegate.verify.sigstore.proof import Proof
from tidegate.verify.sigstore.public_key import parse_public_key
from tidegate.verify.sigstore.signer_trust import KeyTrust, SignerTrust
from tidegate.verify.sigstore.trust_root import parse_trust_root
from tidegate.verify.sigstore.verification import verify_attestation_layer, verify_bundle, verify_signature_layer
from tidegate.verify.step import Conclusion

WORLD = LocalSigstore()
SIGNER = WORLD.signer()
ROOT_BYTES = WORLD.trusted_root_bytes()
ROOT = parse_trust_root(ROOT_BYTES)
KEYLESS = keyless(trust=ROOT)
KEYS: list[PrivateKey] = [
    ec.generate_private_key(ec.SECP256R1()),
    ec.generate_private_key(ec.SECP384R1()),
    ed25519.Ed25519PrivateKey.generate(),
    rsa.generate_private_key(65537, 2048),
]
ANYTHING = Claims(predicate_type=ANY_PREDICATE)
SIGNED = statement(DIGEST, predicate={"a": [1, "b", {"c": None}]}, name="registry.test/app")
ATTESTED = statement(DIGEST, predicate_type=PROVENANCE, predicate=PREDICATES[PROVENANCE], kind=STATEMENT_V01)
PAYLOAD = simple_signing(DIGEST, optional={"env": "prod"})


def by_key(key: PrivateKey, *, logged: bool) -> SignerTrust:
    name = "sha256" if isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) else None
    return KeyTrust(key=parse_public_key(public_pem(key), hash_name=name), root=ROOT, require_log=logged)


_MADE: list[tuple[dict[str, Any], SignerTrust]] = [
    *((WORLD.sign_statement(SIGNED, SIGNER, version=version), KEYLESS) for version in (V01, V02, V03)),
    (WORLD.sign_statement(ATTESTED, SIGNER, timestamped=True), KEYLESS),
    (WORLD.sign_statement(SIGNED, SIGNER, timestamped=True, integrated=False), KEYLESS),
    (WORLD.sign_statement_v2(SIGNED, SIGNER), KEYLESS),
    (WORLD.sign_artifact(MANIFEST, SIGNER, timestamped=True), KEYLESS),
    *((WORLD.sign_statement_keyed(SIGNED, key), by_key(key, logged=True)) for key in KEYS),
    *((WORLD.sign_statement_keyed(SIGNED, key, logged=False), by_key(key, logged=False)) for key in KEYS),
    (WORLD.sign_artifact_keyed(MANIFEST, KEYS[0]), by_key(KEYS[0], logged=True)),
]
BUNDLES = [(json.dumps(bundle).encode(), authority) for bundle, authority in _MADE]

_OF_IDENTITIES = [(WORLD.sign_layer(PAYLOAD, SIGNER, timestamped=stamped), KEYLESS) for stamped in (False, True)]
_OF_KEYS = [
    (WORLD.sign_layer_keyed(PAYLOAD, key, logged=logged), by_key(key, logged=logged))
    for key in KEYS
    for logged in (True, False)
]
_ATTESTATIONS = [
    (WORLD.attest_layer(ATTESTED, by, body=body), authority)
    for body in ("dsse", "intoto", "intoto-0.0.2")
    for by, authority in ((SIGNER, KEYLESS), (KEYS[0], by_key(KEYS[0], logged=True)))
]
LAYERS: list[tuple[SignatureLayer, SignerTrust, bool]] = [
    *((SignatureLayer(content=PAYLOAD, annotations=given), who, False) for given, who in (*_OF_IDENTITIES, *_OF_KEYS)),
    *((SignatureLayer(content=content, annotations=given), who, True) for (content, given), who in _ATTESTATIONS),
]
"""Layers, who is demanded, and whether they are attestations."""
ENTRIES = len(WORLD.log.leaves)
"""Entries of the log; what a target adds it removes again, since the log is hashed whole for each."""


def judged(verification: Verification) -> Proof | None:
    """Return what was proved; check that whatever was not has an error of ours that was raised on purpose."""
    assert verification.steps
    assert all(one.text.isprintable() and len(one.text) < 4000 for one in verification.steps), verification.steps
    if verification.conclusion is Conclusion.VERIFIED:
        return verification.require()
    assert verification.proof is None
    assert isinstance(verification.error, VerificationError | UndeterminedError)
    # The class of what is wrapped says what was overlooked.
    assert not isinstance(verification.error, UnforeseenError), repr(verification.error.__cause__)
    return None


def verified(content: bytes, authority: SignerTrust, claims: Claims = ANYTHING) -> Proof | None:
    return judged(verify_bundle(content, artifact=ARTIFACT, authority=authority, claims=claims, now=NOW))


def verified_layer(layer: SignatureLayer, authority: SignerTrust, *, attestation: bool) -> Proof | None:
    verify = verify_attestation_layer if attestation else verify_signature_layer
    return judged(verify(layer, artifact=ARTIFACT, authority=authority, claims=ANYTHING, now=NOW))


def check_words(*texts: str) -> None:
    """Check that texts of errors hold nothing that could break a line of a log or an answer."""
    assert texts
    assert all(text and text.isprintable() and len(text) < 4000 for text in texts), texts


def said(proof: Proof | None) -> tuple[Any, ...] | None:
    """Return what a proof says that the signature covers; a clock may be left out, as it stands unsigned beside."""
    if proof is None:
        return None
    return (proof.digest, proof.signer, proof.statement, proof.annotations, proof.repository)


def covered(content: bytes) -> tuple[Any, ...]:
    bundle = parse_bundle(content)
    body = getattr(bundle.content, "payload", None)
    return (bundle.certificate, bundle.content.signature, body)
