"""Verify one bundle or one layer: every kind of material, one procedure, one result.

The caller fetches signatures, orders them by hints, and decides which one counts.
"""

import hashlib
from collections.abc import Mapping
from datetime import datetime

from tidegate.errors import VerificationError
from tidegate.evidence.signature_artifacts import ArtifactKind, SignatureArtifact
from tidegate.verify.sigstore.bundle import Bundle, DsseEnvelope, MessageSignature, parse_bundle, parse_envelope
from tidegate.verify.sigstore.certificate import read_leaf
from tidegate.verify.sigstore.claims import Artifact, Claims, check_claims, check_not_ahead
from tidegate.verify.sigstore.detached import (
    Detached,
    Signing,
    check_signer,
    missing_entry,
    no_certificate,
    verify_detached,
)
from tidegate.verify.sigstore.layer import (
    SignatureLayer,
    layer_certificate,
    layer_promise,
    layer_signature,
    layer_timestamps,
)
from tidegate.verify.sigstore.procedure import Procedure, SigstoreStep, Verification, carry_out
from tidegate.verify.sigstore.proof import Proof, Statement
from tidegate.verify.sigstore.signer_trust import KeylessTrust, KeyTrust, SignerTrust, harmless
from tidegate.verify.sigstore.simple_signing import MAX_PAYLOAD_BYTES, read_simple_signing
from tidegate.verify.sigstore.statement import read_statement, signed_text


def verify_artifact(
    found: SignatureArtifact, *, artifact: Artifact, authority: SignerTrust, claims: Claims, now: datetime
) -> Verification:
    """Verify what was found for an image, a bundle or one of cosign's layers, about the artifact; never raises."""
    if found.kind is ArtifactKind.SIGSTORE_BUNDLE:
        return verify_bundle(found.envelope, artifact=artifact, authority=authority, claims=claims, now=now)
    layer = SignatureLayer(content=found.envelope, annotations=found.layer_annotations)
    verify = verify_signature_layer if found.kind is ArtifactKind.COSIGN_SIGNATURE else verify_attestation_layer
    return verify(layer, artifact=artifact, authority=authority, claims=claims, now=now)


def verify_bundle(
    content: bytes, *, artifact: Artifact, authority: SignerTrust, claims: Claims, now: datetime
) -> Verification:
    """Verify a Sigstore bundle, version 0.1 to 0.3, about the artifact; never raises."""

    def body(procedure: Procedure) -> Proof:
        bundle = parse_bundle(content)
        if isinstance(bundle.content, DsseEnvelope):
            signed_text(bundle.content)
        if isinstance(authority, KeylessTrust):
            payload, signing = _keyless_bundle(bundle, artifact, authority, now, procedure)
        else:
            payload, signing = _keyed_bundle(bundle, artifact, authority, now, procedure)
        return check_claims(_bundle_proof(payload, signing, artifact, procedure), claims, procedure)

    return carry_out(body)


def verify_signature_layer(
    layer: SignatureLayer, *, artifact: Artifact, authority: SignerTrust, claims: Claims, now: datetime
) -> Verification:
    """Verify a layer of cosign's ``.sig`` image about the artifact; never raises."""

    def body(procedure: Procedure) -> Proof:
        if len(layer.content) > MAX_PAYLOAD_BYTES:
            raise VerificationError(f"a payload of {len(layer.content)} bytes, more than {MAX_PAYLOAD_BYTES}")
        given = Detached(
            signature=layer_signature(layer),
            message=layer.content,
            certificate=layer_certificate(layer),
            entry=layer_promise(layer),
            timestamps=layer_timestamps(layer),
        )
        signing = verify_detached(given, authority, now, procedure)
        procedure.enter(SigstoreStep.SUBJECT)
        payload = read_simple_signing(layer.content, artifact.digest)
        procedure.found(artifact.digest)
        proof = _proof(signing, artifact, annotations=payload.annotations, repository=payload.repository)
        return check_claims(proof, claims, procedure)

    return carry_out(body)


def verify_attestation_layer(
    layer: SignatureLayer, *, artifact: Artifact, authority: SignerTrust, claims: Claims, now: datetime
) -> Verification:
    """Verify a layer of cosign's ``.att`` image about the artifact; never raises."""

    def body(procedure: Procedure) -> Proof:
        envelope = parse_envelope(layer.content)
        given = Detached(
            signature=envelope.signature,
            message=signed_text(envelope),
            payload=envelope.payload,
            envelope=layer.content,
            certificate=layer_certificate(layer),
            entry=layer_promise(layer),
            timestamps=layer_timestamps(layer),
        )
        signing = verify_detached(given, authority, now, procedure)
        proof = _bundle_proof(envelope.payload, signing, artifact, procedure)
        return check_claims(proof, claims, procedure)

    return carry_out(body)


def _keyless_bundle(
    bundle: Bundle, artifact: Artifact, authority: KeylessTrust, now: datetime, procedure: Procedure
) -> tuple[bytes | None, Signing]:
    """Take steps 2 to 9 with sigstore-python."""
    import tidegate.verify.sigstore.adapter as library  # noqa: PLC0415 -- costs 0.4 seconds, see the adapter

    if bundle.certificate is None:
        raise no_certificate(authority)
    if bundle.entry is None:
        raise missing_entry()
    procedure.enter(SigstoreStep.CERTIFICATE)
    leaf = read_leaf(bundle.certificate)
    given = _detached(bundle, artifact)
    procedure.found(harmless(leaf.signer))
    payload, times = library.verify_keyless_bundle(
        bundle,
        sha256=artifact.sha256,
        root=authority.root,
        check_signer=lambda: check_signer(authority, leaf, given),
        check_time=lambda time: check_not_ahead(time, now),
        procedure=procedure,
    )
    return payload, Signing(signer=leaf.signer, signed_at=times[0], log_index=bundle.entry.index)


def _keyed_bundle(
    bundle: Bundle, artifact: Artifact, authority: KeyTrust, now: datetime, procedure: Procedure
) -> tuple[bytes | None, Signing]:
    """Take steps 3 to 9 with our own procedure."""
    if bundle.certificate is not None:
        raise VerificationError(
            "signed by an identity with a certificate, but a key is required",
            clause=f"signed with a certificate, not with the key with SHA-256 fingerprint {authority.key.signer.fingerprint}",
        )
    if isinstance(bundle.content, MessageSignature):
        _check_hint(bundle.content, artifact)
    given = _detached(bundle, artifact)
    return given.payload, verify_detached(given, authority, now, procedure)


def _detached(bundle: Bundle, artifact: Artifact) -> Detached:
    """Return the bundle's signature with all that its verification needs but the certificate."""
    content = bundle.content
    return Detached(
        signature=content.signature,
        message=signed_text(content) if isinstance(content, DsseEnvelope) else artifact.content,
        sha256=artifact.sha256,
        payload=content.payload if isinstance(content, DsseEnvelope) else None,
        entry=bundle.entry,
        timestamps=bundle.timestamps,
    )


def _check_hint(content: MessageSignature, artifact: Artifact) -> None:
    """Refuse a signature that says itself that it is about another artifact, as sigstore-python does."""
    known = {"sha256": artifact.sha256}
    if artifact.content is not None and content.hash_name:
        known[content.hash_name] = hashlib.new(content.hash_name, artifact.content).digest()
    if content.digest != known.get(content.hash_name, content.digest):
        raise VerificationError(
            f"the signature is about another artifact than {artifact.digest}", clause=SigstoreStep.SUBJECT.clause
        )


def _bundle_proof(payload: bytes | None, signing: Signing, artifact: Artifact, procedure: Procedure) -> Proof:
    """Take step 10: the statement's subject, or the artifact that was signed itself."""
    procedure.enter(SigstoreStep.SUBJECT)
    statement = None if payload is None else read_statement(payload, artifact.digest, artifact.hashed)
    procedure.found(artifact.digest)
    return _proof(signing, artifact, statement=statement, annotations=statement.annotations if statement else {})


def _proof(
    signing: Signing,
    artifact: Artifact,
    *,
    annotations: Mapping[str, str],
    statement: Statement | None = None,
    repository: str | None = None,
) -> Proof:
    return Proof(
        digest=artifact.digest,
        signer=signing.signer,
        signed_at=signing.signed_at,
        log_index=signing.log_index,
        statement=statement,
        annotations=annotations,
        repository=repository,
    )
