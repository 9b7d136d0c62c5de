"""What a stranger can do to a signature so that nobody could decide it, and what it comes to all the same.

Only of a trusted signer is something "not known". What was found against a signature outweighs what is not known of it:
whoever may push can add a timestamp, or exchange the certificates above the anchor, of a genuine signature. The same at a
registry: tests/integration/gather/test_pushed_attacks.py.
"""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from tests.simulator.pki.certificates import Identity, authority, issue
from tests.simulator.pki.envelopes import AUTHORITY_SCHEME, DIGEST, JWS, MANIFEST_TYPE, sign
from tests.simulator.pki.revocation import crl, entry
from tests.simulator.pki.timestamps import issue_token, timestamp_authority
from tests.unit.verify.notation.world import NOW
from tidegate.evidence.signature_artifacts import ArtifactKind, Descriptor, SignatureArtifact
from tidegate.evidence.verification_result import Attempt, VerificationState
from tidegate.images.digest import Digest, digest_of
from tidegate.policy.signatures import NotationAuthority
from tidegate.policy.trust_stores import StoreType, TrustSnapshot, TrustStore
from tidegate.signing.notation import NotationVerifier
from tidegate.signing.verifier import SignedImage
from tidegate.verify.notation import procedure
from tidegate.verify.notation.envelope.plugin import (
    AWS_SIGNER_PLUGIN,
    VERIFICATION_PLUGIN,
    VERIFICATION_PLUGIN_MIN_VERSION,
)
from tidegate.verify.notation.revocation.material import CrlQuestion, NoAnswer, Question, RevocationMaterial

IMAGE = SignedImage(
    repository="registry.test/app", manifest=Descriptor(media_type=MANIFEST_TYPE, digest=Digest(DIGEST), size=1234)
)
CRL, TSA_CRL = "http://crl.test/a.crl", "http://crl.test/tsa.crl"
DOWN = NoAnswer(reason="timeout")
ROOT = issue("Root", ca=True)
ISSUER = issue("Issuer", ROOT, ca=True, crl_urls=[CRL])
LEAF = issue("Release", ISSUER)
REVOCABLE = issue("Release", ROOT, crl_urls=[CRL])
MALLORY = issue(
    "Mallory", authority("Mallory"), ocsp_urls=["http://attacker.test/"], crl_urls=["http://attacker.test/crl"]
)
COLLEAGUE = issue("Colleague", ROOT, crl_urls=["http://attacker.test/crl"])
TSA = timestamp_authority(crl_urls=[TSA_CRL])


def store(name: str, kind: StoreType, *anchors: Identity) -> TrustStore:
    return TrustStore(
        name=name, uid=name, generation=1, type=kind, certificates=tuple(one.pem for one in anchors), trusted_root=None
    )


def attempt(envelope: bytes, *anchors: Identity, answers: Mapping[str, bytes | NoAnswer] | None = None) -> Attempt:
    """Verify for an authority that trusts one name below the anchors, with the answers of revocation services by URL."""
    trust = TrustSnapshot.of([store("ca", StoreType.CA, *(anchors or (ROOT,))), store("tsa", StoreType.TSA, TSA.root)])
    wanted = NotationAuthority(
        name="release",
        trust_stores=("ca", "tsa"),
        trusted_identities=("x509.subject: C=US, ST=WA, O=Example, CN=Release",),
    )
    artifact = SignatureArtifact(
        kind=ArtifactKind.NOTATION,
        envelope=envelope,
        envelope_media_type=JWS,
        envelope_digest=digest_of(envelope),
        manifest_digest=digest_of(b"manifest"),
        subject=None,
    )
    material: dict[Question, Any] = {CrlQuestion(url=url): answer for url, answer in (answers or {}).items()}
    verifier = NotationVerifier(wanted, trust)
    return verifier.verify(artifact, IMAGE, now=NOW, revocation=RevocationMaterial(answers=material)).attempt


def stamped(leaf: Identity, **options: Any) -> bytes:
    return sign(leaf, token=lambda raw: issue_token(TSA, raw), **options)


@pytest.mark.parametrize("signer", [MALLORY, COLLEAGUE], ids=["a stranger", "another name of the same authority"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"scheme": AUTHORITY_SCHEME},
        {"extended": {VERIFICATION_PLUGIN: "com.example"}, "critical": (VERIFICATION_PLUGIN,)},
        {
            "extended": {VERIFICATION_PLUGIN: AWS_SIGNER_PLUGIN, VERIFICATION_PLUGIN_MIN_VERSION: "99.0.0"},
            "critical": (VERIFICATION_PLUGIN, VERIFICATION_PLUGIN_MIN_VERSION),
        },
        {"extended": {"com.example": 1}, "critical": ("com.example",)},
    ],
    ids=[
        "revocation services that do not answer",
        "a scheme without a store",
        "a plugin",
        "a later plugin",
        "an attribute",
    ],
)
def test_a_strangers_signature_is_never_undecided(signer: Identity, options: dict[str, Any]):
    assert attempt(stamped(signer, **options), answers={}).state is VerificationState.FAILED


def test_a_trusted_signers_is_undecided_where_its_revocation_is_not_known():
    """Else the tests here would prove nothing."""
    answers: dict[str, bytes | NoAnswer] = {CRL: DOWN, TSA_CRL: crl(TSA.chain[1])}
    assert attempt(stamped(REVOCABLE), answers=answers).state is VerificationState.UNKNOWN


@pytest.mark.parametrize("tsa", [DOWN, None], ids=["timestamp authority out of reach", "not asked yet"])
def test_a_revoked_signature_stays_revoked_whatever_is_not_known_of_its_timestamp(tsa: NoAnswer | None):
    """Anybody can put a timestamp into an envelope: it is not signed."""
    answers: dict[str, bytes | NoAnswer] = {CRL: crl(ROOT, [entry(REVOCABLE)])} | (
        {} if tsa is None else {TSA_CRL: tsa}
    )
    found = attempt(stamped(REVOCABLE), answers=answers)
    assert (found.state, found.revoked) == (VerificationState.FAILED, True)
    assert "is revoked" in found.text


def certified(usages: tuple[str, ...]) -> tuple[bytes, ...]:
    """The chain of the leaf, with a certificate of anybody's for the key of the root, and his own root above it."""
    above = issue("Mallory", ca=True)
    anew = issue("x", above, ca=True, subject=ROOT.certificate.subject, own_key=ROOT.key, usages=usages)
    return (LEAF.der, ISSUER.der, anew.der, above.der)


@pytest.mark.parametrize("usages", [("key_cert_sign", "crl_sign"), ("key_cert_sign",)], ids=["may", "may not"])
def test_an_anchor_stays_revoked_whatever_stands_above_it(usages: tuple[str, ...]):
    """Else a certificate that says that its key signs no CRLs would make "not known" of "revoked"."""
    answers = {CRL: crl(ROOT, [entry(ISSUER)]), TSA_CRL: crl(TSA.chain[1])}
    found = attempt(stamped(LEAF, chain=certified(usages)), ISSUER, answers=answers)
    assert (found.state, found.revoked) == (VerificationState.FAILED, True)


def test_a_certificate_that_signs_no_crls_gives_no_good_news():
    answers = {CRL: crl(ROOT), TSA_CRL: crl(TSA.chain[1])}
    assert attempt(stamped(LEAF), ISSUER, answers=answers).state is VerificationState.VERIFIED
    found = attempt(stamped(LEAF, chain=certified(("key_cert_sign",))), ISSUER, answers=answers)
    assert found.state is VerificationState.UNKNOWN


@pytest.mark.parametrize(
    "step", ["parse_envelope", "find_anchor", "validate_chain", "check_target", "verify_timestamp", "chain_standing"]
)
def test_what_nobody_foresaw_is_the_signatures_fault(monkeypatch, step: str):
    """Hostile bytes that break a parser are no reason to tolerate what they are in."""

    def broken(*_: Any, **__: Any) -> Callable[[], None]:
        raise RuntimeError("hostile bytes")

    monkeypatch.setattr(procedure, step, broken)
    found = attempt(stamped(REVOCABLE), answers={CRL: crl(ROOT), TSA_CRL: crl(TSA.chain[1])})
    assert (found.state, found.text) == (VerificationState.FAILED, "unexpected RuntimeError")
