"""Trust policy documents that are imported, and the objects that this prints."""

from datetime import datetime, timedelta
from typing import Any

import yaml

from tests.simulator.pki.certificates import CODE_SIGNING, authority, issue, name
from tests.simulator.pki.envelopes import DIGEST, JWS, MANIFEST_TYPE, SIGNED_AT
from tests.simulator.pki.revocation import crl, entry
from tests.simulator.pki.timestamps import timestamp_authority
from tests.unit.cli.commands import Ended, run
from tests.unit.cli.notation_files import NotationFiles
from tidegate.evidence.signature_artifacts import ArtifactKind, Descriptor, SignatureArtifact
from tidegate.evidence.verification_result import VerificationState
from tidegate.images.digest import Digest
from tidegate.images.reference import parse_reference
from tidegate.policy.match import image_matches, scope_contains
from tidegate.policy.model import ImagePolicy
from tidegate.policy.parse import parse_policy
from tidegate.policy.signatures import NotationAuthority
from tidegate.policy.trust_store_object import InlineCertificates, parse_trust_store
from tidegate.policy.trust_stores import TrustSnapshot, TrustStore
from tidegate.signing.notation import NotationVerifier
from tidegate.signing.verifier import SignedImage
from tidegate.verify.notation.revocation.material import RevocationMaterial

ECR = "111122223333.dkr.ecr.eu-west-1.amazonaws.com"


def convert(files: NotationFiles, *more: object) -> Ended:
    return run("import", "notation", "--trust-policy", files.policy, "--trust-store", files.store, *more)


def objects(ended: Ended) -> list[dict[str, Any]]:
    assert ended.code == 0, ended.err
    return [one for one in yaml.safe_load_all(ended.out) if one is not None]


class Imported:
    """The objects as the cluster would have them."""

    def __init__(self, ended: Ended) -> None:
        found = objects(ended)
        self.policies = [parse_policy(one) for one in found if one["kind"] == "ImagePolicy"]
        self.stores = [parse_trust_store(one) for one in found if one["kind"] == "TrustStore"]
        self.trust = TrustSnapshot.of(map(_store, self.stores))

    def policy(self, name: str) -> ImagePolicy:
        return next(policy for policy in self.policies if policy.name == name)

    def authority(self, name: str) -> NotationAuthority:
        policy = self.policy(name)
        assert policy.signatures
        (found,) = policy.signatures.any_of
        assert isinstance(found, NotationAuthority)
        return found

    def state(self, repository: str, envelope: bytes, now: datetime) -> VerificationState | None:
        """What the policies about the repository make of a signature; None where none is about it."""
        reference = parse_reference(f"{repository}@{DIGEST}")
        about = [policy for policy in self.policies if image_matches(policy.match, reference)]
        worst: VerificationState | None = None
        for policy in about:
            if policy.registries is not None and not any(
                scope_contains(scope, reference) for scope in policy.registries
            ):
                return VerificationState.FAILED
            if policy.signatures is not None:
                worst = self._best(policy, envelope, now)
        return worst

    def _best(self, policy: ImagePolicy, envelope: bytes, now: datetime) -> VerificationState:
        assert policy.signatures
        states = set()
        for one in policy.signatures.any_of:
            assert isinstance(one, NotationAuthority)
            image = SignedImage(
                repository="", manifest=Descriptor(media_type=MANIFEST_TYPE, digest=Digest(DIGEST), size=1234)
            )
            verifier = NotationVerifier(one, self.trust)
            examined = verifier.verify(_artifact(envelope), image, now=now, revocation=RevocationMaterial(crls=(CRL,)))
            states.add(examined.attempt.state)
        order = (
            VerificationState.VERIFIED,
            VerificationState.LOGGED,
            VerificationState.UNKNOWN,
            VerificationState.FAILED,
        )
        return next(state for state in order if state in states)


def _store(found: Any) -> TrustStore:
    assert isinstance(found.source, InlineCertificates)
    texts = tuple(text.encode() for text in found.source.texts)
    return TrustStore(name=found.name, uid="", generation=0, type=found.type, certificates=texts)


def _artifact(envelope: bytes) -> SignatureArtifact:
    return SignatureArtifact(
        kind=ArtifactKind.NOTATION,
        envelope=envelope,
        envelope_media_type=JWS,
        envelope_digest=Digest(DIGEST),
        manifest_digest=Digest(DIGEST),
        subject=None,
    )


# It decides alike
CLOCK = timestamp_authority()
OTHER = issue("other", authority("Other"), subject=name("other", O="Other"), purposes=[CODE_SIGNING])
LISTED = authority("Listed", intermediates=0)
"""Its list of revoked certificates is at hand."""
REVOKED, STANDING = (
    issue(common_name, LISTED, purposes=[CODE_SIGNING], crl_urls=["http://crl.test/listed.crl"])
    for common_name in ("revoked", "standing")
)
CRL = crl(LISTED, [entry(REVOKED)], last_update=SIGNED_AT, next_update=SIGNED_AT + timedelta(days=100))
