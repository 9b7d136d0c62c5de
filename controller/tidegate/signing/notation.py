"""An authority of Notation, ready to verify: its trust stores and identities are parsed."""

from collections.abc import Mapping
from datetime import datetime

from tidegate.errors import UndeterminedError
from tidegate.evidence.signature_artifacts import SignatureArtifact
from tidegate.evidence.verification_result import Attempt, VerificationState
from tidegate.policy.signatures import NotationAuthority
from tidegate.policy.trust_stores import StoreType, TrustSnapshot, TrustStore
from tidegate.signing.verifier import MAX_TEXT, Examination, SignedImage, VerificationObserver, store_named
from tidegate.verify.notation.envelope.payload import TargetArtifact
from tidegate.verify.notation.outcome import NotationOutcome
from tidegate.verify.notation.procedure import verify_notation
from tidegate.verify.notation.revocation.material import RevocationMaterial
from tidegate.verify.notation.trust_policy.level import ValidationType
from tidegate.verify.notation.trust_policy.lists import read_identities
from tidegate.verify.notation.trust_policy.registry_scope import GLOBAL_SCOPE
from tidegate.verify.notation.trust_policy.statement import SignatureVerification, TrustPolicyStatement
from tidegate.verify.notation.trust_store.store import (
    CertificateStore,
    StoreFile,
    StoreKind,
    StoreName,
    build_certificate_store,
    certificate_stores,
)
from tidegate.verify.step import Conclusion

_STATES: Mapping[Conclusion, VerificationState] = {
    Conclusion.VERIFIED: VerificationState.VERIFIED,
    Conclusion.LOGGED: VerificationState.LOGGED,
    Conclusion.FAILED: VerificationState.FAILED,
}
"""Every other conclusion is UNKNOWN."""


class NotationVerifier:
    """Verifies for one authority; raises UndeterminedError if a trust store or an identity is unusable."""

    predicates: frozenset[str] = frozenset()

    def __init__(self, wanted: NotationAuthority, trust: TrustSnapshot) -> None:
        stores = tuple(_notation_store(store_named(trust, name)) for name in wanted.trust_stores)
        self._stores = certificate_stores(stores)
        self._statement = statement_of(wanted, tuple(store.name for store in stores))
        self._metadata = wanted.required_metadata
        self.observer: VerificationObserver | None = None

    def verify(
        self, artifact: SignatureArtifact, image: SignedImage, *, now: datetime, revocation: RevocationMaterial
    ) -> Examination:
        """Follow Notation's procedure."""
        manifest = image.manifest
        outcome = verify_notation(
            artifact.envelope,
            artifact.envelope_media_type,
            TargetArtifact(media_type=manifest.media_type, digest=manifest.digest, size=manifest.size),
            self._statement,
            self._stores,
            now=now,
            revocation=revocation,
            metadata=self._metadata,
        )
        if self.observer is not None:
            self.observer(artifact, image, outcome)
        return Examination(attempt=_attempt(artifact, outcome), questions=outcome.questions)

    @property
    def thumbprints(self) -> frozenset[str]:
        """Return the SHA-256 of every certificate that anchors a chain."""
        return frozenset(one.fingerprint for store in self._stores.stores.values() for one in store.certificates)


def statement_of(wanted: NotationAuthority, stores: tuple[StoreName, ...]) -> TrustPolicyStatement:
    """Return the authority as a statement of a trust policy; the policy's match selects the images."""
    problems: list[str] = []
    statement = TrustPolicyStatement(
        name=wanted.name,
        registry_scopes=(GLOBAL_SCOPE,),
        signature_verification=SignatureVerification(
            level=wanted.level, override=wanted.overrides, verify_timestamp=wanted.verify_timestamp
        ),
        trust_stores=stores,
        trusted_identities=read_identities(list(wanted.trusted_identities), wanted.name, "trustedIdentities", problems),
    )
    if problems:
        raise UndeterminedError(problems[0])
    return statement


def _notation_store(store: TrustStore) -> CertificateStore:
    if store.type is StoreType.SIGSTORE:
        raise UndeterminedError(f"the TrustStore {store.name} is of type sigstore; expected one for Notation")
    files = [
        StoreFile(name=f"{store.name}[{index}]", content=content) for index, content in enumerate(store.certificates)
    ]
    name = StoreName(StoreKind(store.type.value), store.name)
    return build_certificate_store(name, files)


def _attempt(artifact: SignatureArtifact, outcome: NotationOutcome) -> Attempt:
    decisive, signer = outcome.decisive, outcome.signer
    state = _STATES.get(outcome.decision, VerificationState.UNKNOWN)
    name = "" if signer is None else signer.profile.version_arn if signer.profile else signer.subject
    return Attempt(
        manifest_digest=artifact.manifest_digest,
        state=state,
        clause=decisive.clause[:MAX_TEXT] if decisive else "",
        accepted=decisive.accepted[:MAX_TEXT] if decisive else "",
        text=decisive.text[:MAX_TEXT] if decisive else "",
        signer=name[:MAX_TEXT],
        revoked=outcome.conclusion is Conclusion.FAILED
        and decisive is not None
        and decisive.validation is ValidationType.REVOCATION,
        logged=tuple(f"{one.validation.value}: {one.text}"[:MAX_TEXT] for one in outcome.logged),
        good_until=outcome.good_until,
    )
