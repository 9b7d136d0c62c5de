"""tidegate's verification of what real programs signed, by the very files that the programs verify by."""

from __future__ import annotations

import urllib.request
from collections.abc import Mapping
from datetime import UTC, datetime

from tests.e2e.interop.layout import REPOSITORY, Artifact, Layout
from tests.e2e.interop.programs import Notation
from tests.simulator.artifacts import NOTATION_TYPE
from tidegate.verify.notation.envelope.payload import TargetArtifact
from tidegate.verify.notation.outcome import NotationOutcome
from tidegate.verify.notation.procedure import verify_notation
from tidegate.verify.notation.revocation.material import CrlQuestion, OcspQuestion, Question, RevocationMaterial
from tidegate.verify.notation.trust_policy.document import parse_trust_policy
from tidegate.verify.notation.trust_store.store import (
    CertificateStores,
    StoreFile,
    StoreKind,
    StoreName,
    build_certificate_store,
    certificate_stores,
)
from tidegate.verify.step import StepOutcome

TIMEOUT_SECONDS = 5


def now() -> datetime:
    return datetime.now(UTC)


def stores_of(notation: Notation) -> CertificateStores:
    """Return notation's trust store folder as tidegate reads it."""
    folder = notation.config / "truststore" / "x509"
    return certificate_stores(
        build_certificate_store(
            StoreName(StoreKind(store.parent.name), store.name),
            [StoreFile(name=file.name, content=file.read_bytes()) for file in sorted(store.iterdir())],
        )
        for store in folder.glob("*/*")
    )


def signature_of(layout: Layout, digest: str) -> tuple[bytes, str]:
    """Return the one Notation envelope about the digest, and its media type."""
    (signature,) = layout.referrers(digest, NOTATION_TYPE)
    return envelope_of(layout, signature)


def envelope_of(layout: Layout, signature: Artifact) -> tuple[bytes, str]:
    (layer,) = signature.parsed["layers"]
    return layout.read(layer["digest"]), layer["mediaType"]


def verify_envelope(
    notation: Notation,
    target: Artifact,
    envelope: bytes,
    media_type: str,
    *,
    repository: str = REPOSITORY,
    at: datetime | None = None,
    metadata: Mapping[str, str] | None = None,
) -> NotationOutcome:
    """Verify under notation's own ``trustpolicy.json`` and trust store; ask the services that the outcome asks for."""
    policy = parse_trust_policy((notation.config / "trustpolicy.json").read_bytes())
    statement = policy.select(f"{repository}@{target.digest}")
    wanted = TargetArtifact(media_type=target.media_type, digest=target.digest, size=len(target.content))
    moment = at or now()

    def run(material: RevocationMaterial) -> NotationOutcome:
        return verify_notation(
            envelope,
            media_type,
            wanted,
            statement,
            stores_of(notation),
            now=moment,
            revocation=material,
            metadata=metadata or {},
        )

    outcome = run(RevocationMaterial())
    if not outcome.questions:
        return outcome
    return run(RevocationMaterial(answers={question: _ask(question) for question in outcome.questions}))


def _ask(question: Question) -> bytes:
    if isinstance(question, OcspQuestion):
        headers = {"Content-Type": "application/ocsp-request"}
        request = urllib.request.Request(question.url, data=question.request, headers=headers)
    else:
        assert isinstance(question, CrlQuestion)
        request = urllib.request.Request(question.url)
    with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:
        content: bytes = answer.read()
    return content


def refused_at(outcome: NotationOutcome) -> tuple[int, str]:
    """Return the number of the step that refused, and its error: a foreseen failure, not an inconclusive one."""
    decisive = outcome.decisive
    assert decisive is not None, outcome.conclusion
    assert decisive.outcome is StepOutcome.FAILED, decisive
    return decisive.number, decisive.text
