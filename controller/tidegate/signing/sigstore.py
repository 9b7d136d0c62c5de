"""An authority of Sigstore, ready to verify: its trusted root, and its identities or its key, are parsed."""

from dataclasses import replace
from datetime import datetime

from tidegate.errors import UndeterminedError
from tidegate.evidence.signature_artifacts import ArtifactKind, SignatureArtifact
from tidegate.evidence.verification_result import Attempt, VerificationState
from tidegate.policy.signatures import (
    AttestationRules,
    KeyedAuthority,
    KeylessAuthority,
    KmsKey,
    PublicKey,
    SigstoreAuthority,
    TransparencyLog,
)
from tidegate.policy.trust_stores import StoreType, TrustSnapshot
from tidegate.signing.verifier import MAX_TEXT, Examination, SignedImage, VerificationObserver, store_named
from tidegate.verify.notation.revocation.material import RevocationMaterial
from tidegate.verify.sigstore.claims import Artifact, Claims
from tidegate.verify.sigstore.procedure import Verification
from tidegate.verify.sigstore.public_key import parse_public_key
from tidegate.verify.sigstore.signer_trust import KeylessTrust, KeyTrust, SignerTrust, check_root
from tidegate.verify.sigstore.trust_root import TrustRoot, parse_trust_root
from tidegate.verify.sigstore.verification import verify_artifact
from tidegate.verify.step import Conclusion


class SigstoreVerifier:
    """Verifies for one authority; raises UndeterminedError if the trusted root or the key is unusable."""

    thumbprints: frozenset[str] = frozenset()

    def __init__(
        self,
        wanted: SigstoreAuthority,
        trust: TrustSnapshot,
        *,
        attestation: AttestationRules | None,
        same_repository: bool,
    ) -> None:
        self._authority = check_root(authority_of(wanted, trust))
        self._claims = Claims() if attestation is None else claims_of(attestation)
        self._same_repository = same_repository
        self.observer: VerificationObserver | None = None

    @property
    def predicates(self) -> frozenset[str]:
        """Return the required predicate type; a plain signature has one, too."""
        return frozenset({self._claims.predicate_type})

    def verify(
        self, artifact: SignatureArtifact, image: SignedImage, *, now: datetime, revocation: RevocationMaterial
    ) -> Examination:
        """Follow the procedure for what the artifact is. Sigstore has no revocation services: certificates are valid for minutes."""
        del revocation
        verification = self._verify(artifact, image, now)
        if self.observer is not None:
            self.observer(artifact, image, verification)
        return Examination(attempt=_attempt(artifact, verification))

    def _verify(self, artifact: SignatureArtifact, image: SignedImage, now: datetime) -> Verification:
        about, claims = Artifact(digest=image.manifest.digest), self._claims
        if self._same_repository and artifact.kind is ArtifactKind.COSIGN_SIGNATURE:
            # The only format that names the repository it was made for.
            claims = replace(claims, repository=image.repository)
        return verify_artifact(artifact, artifact=about, authority=self._authority, claims=claims, now=now)


def authority_of(wanted: SigstoreAuthority, trust: TrustSnapshot) -> SignerTrust:
    """Return the authority with the trusted root and the key that it names."""
    root = None if wanted.trusted_root is None else _root(trust, wanted.trusted_root)
    if isinstance(wanted, KeylessAuthority):
        assert root is not None
        return KeylessTrust(identities=wanted.identities, root=root)
    return _keyed(wanted, root, trust)


def claims_of(rules: AttestationRules) -> Claims:
    """Return what an attestation must say."""
    return Claims(predicate_type=rules.predicate_type, conditions=rules.conditions)


def _keyed(wanted: KeyedAuthority, root: TrustRoot | None, trust: TrustSnapshot) -> KeyTrust:
    algorithm = wanted.key.hash_algorithm
    return KeyTrust(
        key=parse_public_key(_pem(wanted.key, trust), hash_name=None if algorithm is None else algorithm.value),
        root=root,
        require_log=wanted.transparency_log is TransparencyLog.REQUIRED,
    )


def _pem(key: PublicKey, trust: TrustSnapshot) -> bytes:
    if not isinstance(key, KmsKey):
        return key.pem.encode("ascii")
    found = trust.keys.get(key.arn, "it has not been read yet")
    if isinstance(found, str):
        raise UndeterminedError(f"the public key of {key.arn} is not available: {found}"[:MAX_TEXT])
    return found


def _root(trust: TrustSnapshot, name: str) -> TrustRoot:
    store = store_named(trust, name)
    if store.type is not StoreType.SIGSTORE or store.trusted_root is None:
        raise UndeterminedError(f"the TrustStore {name} is of type {store.type.value}; expected one of type sigstore")
    return parse_trust_root(store.trusted_root)


def _attempt(artifact: SignatureArtifact, found: Verification) -> Attempt:
    proof = found.proof if found.conclusion is Conclusion.VERIFIED else None
    last = found.steps[-1] if found.steps and proof is None else None
    return Attempt(
        manifest_digest=artifact.manifest_digest,
        # The authority is usable: what cannot be decided is the signature's fault, not an outage.
        state=VerificationState.FAILED if proof is None else VerificationState.VERIFIED,
        clause=last.clause[:MAX_TEXT] if last else "",
        accepted=last.accepted[:MAX_TEXT] if last else "",
        text=last.text[:MAX_TEXT] if last else "",
        signer="" if proof is None else str(proof.signer)[:MAX_TEXT],
    )
