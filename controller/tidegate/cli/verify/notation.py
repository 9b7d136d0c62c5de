"""Notation signatures on the command line: a trust policy, a trust store and revocation answers, all from files."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tidegate.cli.argument_files import ArgumentError, read_at_most, read_file
from tidegate.cli.trust_policy_file import read_trust_policy_file
from tidegate.cli.trust_store_folder import read_trust_stores
from tidegate.cli.verify.options import VerifyOptions
from tidegate.cli.verify.report import Report, ReportedSignature, conclude
from tidegate.errors import VerificationError
from tidegate.evidence.revocation import SignerQuestion
from tidegate.images.digest import parse_digest
from tidegate.strict.json_text import strict_object
from tidegate.strict.quotation import moment
from tidegate.verify.notation.envelope.cose import COSE_MEDIA_TYPE
from tidegate.verify.notation.envelope.envelope import MAX_ENVELOPE_BYTES
from tidegate.verify.notation.envelope.jws import JWS_MEDIA_TYPE
from tidegate.verify.notation.envelope.payload import TargetArtifact
from tidegate.verify.notation.outcome import NotationOutcome
from tidegate.verify.notation.procedure import verify_notation
from tidegate.verify.notation.revocation.material import MAX_CRL_BYTES, MAX_OCSP_BYTES, RevocationMaterial
from tidegate.verify.notation.signer import SignerAnswer
from tidegate.verify.notation.trust_policy.level import Level
from tidegate.verify.notation.trust_policy.registry_scope import scope_of_reference
from tidegate.verify.notation.trust_policy.statement import TrustPolicyStatement
from tidegate.verify.notation.trust_store.store import CertificateStores
from tidegate.verify.step import Conclusion

MAX_DESCRIPTOR_BYTES = 1024 * 1024
MAX_SIGNER_ANSWER_BYTES = 1024 * 1024
MEDIA_TYPES = {"jws": JWS_MEDIA_TYPE, "cose": COSE_MEDIA_TYPE}


@dataclass(frozen=True, slots=True, kw_only=True)
class NotationTrust:
    """How a reference is verified: its statement, the trust stores that it names, the given answers, and the time."""

    statement: TrustPolicyStatement
    stores: CertificateStores
    material: RevocationMaterial
    metadata: Mapping[str, str]
    at: datetime

    @property
    def requirements(self) -> str:
        """Return the statement's name and level."""
        verification = self.statement.signature_verification
        return f"trust policy statement {self.statement.name!r}, level {verification.level}"

    def examine(self, envelope: bytes, media_type: str, target: TargetArtifact, place: str) -> ReportedSignature:
        """Verify one envelope as a signature of the target."""
        outcome = verify_notation(
            envelope,
            media_type,
            target,
            self.statement,
            self.stores,
            now=self.at,
            revocation=self.material,
            metadata=self.metadata,
        )
        return reported_notation(outcome, place)


def verify_envelope(options: VerifyOptions) -> Report:
    """Verify the envelope of ``--envelope``: offline, from files alone."""
    assert options.envelope is not None
    assert options.reference is not None
    assert options.descriptor is not None
    reference = options.reference
    scope_and_digest(reference)
    target = read_descriptor(options.descriptor)
    envelope = read_at_most(options.envelope, MAX_ENVELOPE_BYTES + 1)
    trust = notation_trust(options, reference)
    if isinstance(trust, Report):
        return trust
    named = reference.rpartition("@")[2]
    if target.digest != named:
        reason = f"{options.descriptor} describes {target.digest}, and the reference names {named}"
        return Report(
            subject=reference, at=options.at, verdict=Conclusion.FAILED, reason=reason, requirements=trust.requirements
        )
    media_type = MEDIA_TYPES.get(options.envelope_type or "", likely_media_type(envelope))
    signature = trust.examine(envelope, media_type, target, f"{options.envelope} ({media_type})")
    verdict, reason = conclude([signature], none="")
    return Report(
        subject=reference,
        at=options.at,
        verdict=verdict,
        reason=reason,
        requirements=trust.requirements,
        signatures=(signature,),
    )


def notation_trust(options: VerifyOptions, reference: str) -> NotationTrust | Report:
    """Return the trust for a reference in full, or the report where the trust policy decides without any signature."""
    assert options.trust_policy is not None
    assert options.trust_store is not None
    document = read_trust_policy_file(options.trust_policy)
    material = RevocationMaterial(
        ocsp=tuple(read_file(path, maximum=MAX_OCSP_BYTES) for path in options.ocsp),
        crls=tuple(_crl(path) for path in options.crl),
        signer=None if options.signer_answer is None else _signer_answer(options.signer_answer, options.at),
    )
    try:
        statement = document.select(reference)  # N18, N19
    except VerificationError as error:
        return Report(subject=reference, at=options.at, verdict=Conclusion.FAILED, reason=str(error))
    if statement.signature_verification.level is Level.SKIP:  # N20
        reason = f"the trust policy statement {statement.name!r} requires no signature for this repository (level skip)"
        return Report(subject=reference, at=options.at, verdict=Conclusion.SKIPPED, reason=reason)
    return NotationTrust(
        statement=statement,
        stores=read_trust_stores(options.trust_store, statement.trust_stores),
        material=material,
        metadata=options.metadata,
        at=options.at,
    )


def scope_and_digest(reference: str) -> tuple[str, str]:
    """Return repository and digest of a reference in full; raise ArgumentError for anything else."""
    try:
        return scope_of_reference(reference), reference.rpartition("@")[2]
    except VerificationError as error:
        raise ArgumentError(f"--reference: {error}") from error


def likely_media_type(envelope: bytes) -> str:
    """Return the likely format of the envelope: JSON begins with a brace, and CBOR does not."""
    return JWS_MEDIA_TYPE if envelope.lstrip()[:1] == b"{" else COSE_MEDIA_TYPE


def read_descriptor(path: Path) -> TargetArtifact:
    """Return the descriptor in a file: an object with mediaType, digest and size, as OCI writes it."""
    try:
        fields = strict_object(read_file(path, maximum=MAX_DESCRIPTOR_BYTES), str(path))
    except VerificationError as error:
        raise ArgumentError(str(error)) from error
    media_type, digest, size = (fields.get(name) for name in ("mediaType", "digest", "size"))
    if not isinstance(media_type, str) or not isinstance(digest, str) or type(size) is not int or size < 0:
        raise ArgumentError(f"{path}: expected a JSON object with mediaType, digest and size of the signed manifest")
    if parse_digest(digest) is None:
        raise ArgumentError(f"{path}: digest: expected sha256: and 64 of 0-9 a-f")
    return TargetArtifact(media_type=media_type, digest=digest, size=size)


def _crl(path: Path) -> bytes:
    """Return a CRL as DER; in files they are often PEM."""
    content = read_file(path, maximum=MAX_CRL_BYTES)
    if not content.lstrip().startswith(b"-----BEGIN"):
        return content
    try:
        return x509.load_pem_x509_crl(content).public_bytes(Encoding.DER)
    except ValueError as error:
        raise ArgumentError(f"{path}: not a CRL in PEM or DER") from error


def _signer_answer(path: Path, at: datetime) -> SignerAnswer:
    """Return what AWS Signer answered, as the AWS CLI prints it. A missing list is an error, not an empty list."""
    try:
        fields = strict_object(read_file(path, maximum=MAX_SIGNER_ANSWER_BYTES), str(path))
    except VerificationError as error:
        raise ArgumentError(str(error)) from error
    revoked = fields.get("revokedEntities")
    if not isinstance(revoked, list) or not all(isinstance(each, str) and each for each in revoked):
        raise ArgumentError(f"{path}: expected a JSON object with the list revokedEntities, as AWS Signer answers")
    return SignerAnswer(revoked_entities=tuple(revoked), good_until=at)


def _how_to_ask(question: SignerQuestion) -> str:
    """Return the command that asks AWS Signer about a signature."""
    words = [
        *("aws", "signer", "get-revocation-status", "--region", question.profile_version_arn.split(":")[3]),
        *("--signature-timestamp", moment(question.signed_at), "--platform-id", question.platform),
        *("--profile-version-arn", question.profile_version_arn, "--job-arn", question.job_arn),
        *("--certificate-hashes", *question.certificate_hashes),
    ]
    return shlex.join(words)


def reported_notation(outcome: NotationOutcome, place: str) -> ReportedSignature:
    """Return the outcome of one envelope as reports show it."""
    facts = []
    if outcome.signer is not None:
        profile = outcome.signer.profile
        facts.append(("signer", outcome.signer.subject if profile is None else profile.version_arn))
        facts.append(("certificate", f"sha256 {outcome.signer.fingerprint}"))
    elif outcome.claimed_subject is not None:
        facts.append(("claims to be", outcome.claimed_subject))
    if outcome.signing_time is not None:
        facts.append(("says it was signed at", moment(outcome.signing_time)))
    facts += [(f"signed metadata {name}", value) for name, value in sorted(outcome.metadata.items())]
    facts += [("ask", _how_to_ask(each)) for each in outcome.questions if isinstance(each, SignerQuestion)]
    return ReportedSignature(
        kind="notation signature",
        place=place,
        verdict=outcome.decision,
        reason=_reason(outcome),
        steps=outcome.steps,
        facts=tuple(facts),
    )


def _reason(outcome: NotationOutcome) -> str:
    if outcome.decisive is not None:
        return f"step {outcome.decisive.number}, {outcome.decisive.title}: {outcome.decisive.text}"
    if outcome.conclusion is Conclusion.LOGGED:
        failed = "; ".join(f"{step.validation}: {step.text}" for step in outcome.logged)
        return f"level {outcome.level} only logs these failures: {failed}"
    return f"signed by {outcome.signer.subject}" if outcome.signer else ""
