"""The usual world of these tests: one signer, its policy and its stores, and verification in one call."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from tests.simulator.pki.certificates import CODE_SIGNING, Identity, authority, issue
from tests.simulator.pki.envelopes import DIGEST, JWS, MANIFEST_TYPE, SIGNED_AT
from tidegate.verify.notation.envelope.payload import TargetArtifact
from tidegate.verify.notation.outcome import NotationOutcome
from tidegate.verify.notation.procedure import verify_notation
from tidegate.verify.notation.revocation.material import NOTHING_KNOWN, RevocationMaterial
from tidegate.verify.notation.trust_policy.document import read_trust_policy
from tidegate.verify.notation.trust_policy.statement import TrustPolicyStatement
from tidegate.verify.notation.trust_store.store import (
    CertificateStores,
    StoreFile,
    StoreKind,
    StoreName,
    build_certificate_store,
    certificate_stores,
)
from tidegate.verify.step import Conclusion

NOW = SIGNED_AT + timedelta(days=1)
TARGET = TargetArtifact(media_type=MANIFEST_TYPE, digest=DIGEST, size=1234)


@cache
def signer(kind: str = "p256") -> Identity:
    """Return a leaf under an intermediate under a root, without any revocation service."""
    return issue(f"signer {kind}", authority(), kind=kind, purposes=[CODE_SIGNING])


def statement(
    *,
    level: str = "strict",
    stores: Sequence[str] = ("ca:acme",),
    identities: Sequence[str] = ("*",),
    scopes: Sequence[str] = ("registry.test/app",),
    **verification: Any,
) -> TrustPolicyStatement:
    """Return the only statement of a document that was read as Notation's JSON is."""
    document = {
        "version": "1.0",
        "trustPolicies": [
            {
                "name": "policy",
                "registryScopes": list(scopes),
                "signatureVerification": {"level": level} | verification,
                "trustStores": list(stores),
                "trustedIdentities": list(identities),
            }
        ],
    }
    return read_trust_policy(document).statements[0]


def stores(**named: Sequence[Identity] | Identity) -> CertificateStores:
    """Return stores by kind: ``ca=root``, ``signingAuthority=...``, ``tsa=...``; each is called ``acme``."""
    return certificate_stores(
        build_certificate_store(
            StoreName(StoreKind(kind), "acme"),
            [
                StoreFile(name=f"{index}.pem", content=identity.pem)
                for index, identity in enumerate([held] if isinstance(held, Identity) else held)
            ],
        )
        for kind, held in named.items()
    )


def verify(
    envelope: bytes,
    media_type: str = JWS,
    *,
    target: TargetArtifact = TARGET,
    policy: TrustPolicyStatement | None = None,
    trusted: CertificateStores | None = None,
    now: datetime = NOW,
    revocation: RevocationMaterial = NOTHING_KNOWN,
    metadata: Mapping[str, str] | None = None,
) -> NotationOutcome:
    """Verify under the usual policy and stores, where nothing else is given."""
    return verify_notation(
        envelope,
        media_type,
        target,
        policy or statement(),
        trusted or stores(ca=signer().root),
        now=now,
        revocation=revocation,
        metadata=metadata or {},
    )


def refusal(outcome: NotationOutcome) -> str:
    """Return the error of the step that refused; the outcome must be a failure that somebody foresaw."""
    assert outcome.conclusion in {Conclusion.FAILED, Conclusion.INCONCLUSIVE}, outcome
    decisive = outcome.decisive
    assert decisive is not None
    assert not decisive.text.startswith("unexpected"), decisive
    return decisive.text


def failed_step(outcome: NotationOutcome) -> int:
    """Return the number of the step that refused."""
    decisive = outcome.decisive
    assert decisive is not None
    return decisive.number
