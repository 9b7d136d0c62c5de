"""Sigstore bundles and cosign's signatures on the command line: a trusted root or a key from files, and the expected signer."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import click

from tidegate.cli.argument_files import ArgumentError, read_at_most, read_file
from tidegate.cli.verify.options import VerifyOptions
from tidegate.cli.verify.report import Report, ReportedSignature, conclude
from tidegate.errors import PolicyError
from tidegate.evidence.signature_artifacts import ArtifactKind, SignatureArtifact
from tidegate.images.digest import Digest, parse_digest
from tidegate.strict.quotation import moment
from tidegate.verify.sigstore.bundle import MAX_BUNDLE_BYTES
from tidegate.verify.sigstore.claims import ANY_PREDICATE, Artifact, Claims
from tidegate.verify.sigstore.expected_signer import ExpectedSigner, expected_authority
from tidegate.verify.sigstore.procedure import Verification
from tidegate.verify.sigstore.proof import KeylessSigner
from tidegate.verify.sigstore.public_key import MAX_PEM_BYTES
from tidegate.verify.sigstore.signer_trust import SignerTrust, harmless
from tidegate.verify.sigstore.trust_root import MAX_TRUST_ROOT_BYTES, parse_trust_root
from tidegate.verify.sigstore.verification import verify_artifact, verify_bundle
from tidegate.verify.step import Conclusion, StepResult

MAX_ARTIFACT_BYTES = 1024 * 1024 * 1024
"""Bytes of an artifact that is hashed; give a larger one's digest."""
MAX_HELD_BYTES = 64 * 1024 * 1024
"""Bytes of an artifact that is held whole, for keys that sign more than its SHA-256."""
_CHUNK = 1024 * 1024
_ANY = "*"
"""The argument for any predicate type."""
_FIELDS = {
    "identity": "--certificate-identity",
    "issuer": "--certificate-oidc-issuer",
    "publicKey": "--key",
    "hashAlgorithm": "--key-hash",
}

KIND_NAMES = {
    ArtifactKind.SIGSTORE_BUNDLE: "sigstore bundle",
    ArtifactKind.COSIGN_SIGNATURE: "cosign signature",
    ArtifactKind.COSIGN_ATTESTATION: "cosign attestation",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SigstoreTrust:
    """How a signature is verified: the accepted signers, the claims, and the time."""

    authority: SignerTrust
    claims: Claims
    requirements: str
    at: datetime

    def examine(self, artifact: SignatureArtifact, about: Artifact, place: str) -> ReportedSignature:
        """Verify one artifact of an image."""
        found = verify_artifact(artifact, artifact=about, authority=self.authority, claims=self.claims, now=self.at)
        return reported_sigstore(found, KIND_NAMES[artifact.kind], place)


def verify_bundle_file(options: VerifyOptions) -> list[Report]:
    """Verify the bundle of ``--bundle`` about each artifact or digest: offline, from files alone."""
    assert options.bundle is not None
    trust = sigstore_trust(options, default_type=ANY_PREDICATE)
    bundle = read_at_most(options.bundle, MAX_BUNDLE_BYTES + 1)
    return [_verify(trust, bundle, str(options.bundle), about, name) for name, about in _artifacts(options)]


def sigstore_trust(options: VerifyOptions, *, default_type: str) -> SigstoreTrust:
    """Return the trust of the options; ``default_type`` is required if no predicate type was given."""
    _check_signer(options)
    signer = ExpectedSigner(
        identity=options.certificate_identity,
        identity_expression=options.certificate_identity_regexp,
        issuer=options.certificate_oidc_issuer,
        issuer_expression=options.certificate_oidc_issuer_regexp,
        key=None if options.key is None else read_file(options.key, maximum=MAX_PEM_BYTES),
        key_hash=options.key_hash,
    )
    root = None if options.trusted_root is None else _trusted_root(options.trusted_root)
    predicate_type = ANY_PREDICATE if options.predicate_type == _ANY else options.predicate_type or default_type
    try:
        authority = expected_authority(signer, root, require_log=not options.no_transparency_log)
        claims = Claims(predicate_type=predicate_type)
    except PolicyError as error:
        raise ArgumentError("; ".join(_as_option(problem, options) for problem in error.problems)) from error
    return SigstoreTrust(
        authority=authority, claims=claims, requirements=_requirements(options, predicate_type), at=options.at
    )


def _trusted_root(path: Path) -> bytes:
    """Return the content of a trusted_root.json; refuse any other file."""
    content = read_file(path, maximum=MAX_TRUST_ROOT_BYTES)
    try:
        parse_trust_root(content)
    except PolicyError as error:
        raise ArgumentError("\n".join(f"{path}: {problem}" for problem in error.problems)) from error
    return content


def _check_signer(options: VerifyOptions) -> None:
    """Refuse options that name no signer, or two kinds of signer."""
    subject = [options.certificate_identity, options.certificate_identity_regexp]
    issuer = [options.certificate_oidc_issuer, options.certificate_oidc_issuer_regexp]
    if options.key is not None:
        if any((*subject, *issuer)):
            raise click.UsageError("--key and --certificate-identity exclude each other: name one signer")
        if options.trusted_root is None and not options.no_transparency_log:
            raise click.UsageError(
                "--key needs --trusted-root to verify the transparency log entry; --no-transparency-log verifies"
                " without one, and then the signing time is unknown"
            )
        return
    if options.no_transparency_log or options.key_hash:
        raise click.UsageError("--no-transparency-log and --key-hash go with --key only")
    for name, given in (("--certificate-identity", subject), ("--certificate-oidc-issuer", issuer)):
        if sum(one is not None for one in given) != 1:
            raise click.UsageError(
                f"give exactly one of {name} and {name}-regexp; both identity and issuer are required, or --key instead"
            )
    if options.trusted_root is None:
        raise click.UsageError("--certificate-identity needs --trusted-root FILE (Sigstore's trusted_root.json)")


def _requirements(options: VerifyOptions, predicate_type: str) -> str:
    if options.key is not None:
        log = "without transparency log" if options.no_transparency_log else "logged"
        who = f"the key {options.key}, {log}"
    else:
        subject = options.certificate_identity or f"expression {options.certificate_identity_regexp}"
        issuer = options.certificate_oidc_issuer or f"expression {options.certificate_oidc_issuer_regexp}"
        who = f"{subject} (issuer {issuer})"
    return f"expected signer {who}; predicate type {'any' if predicate_type == ANY_PREDICATE else predicate_type}"


def _verify(trust: SigstoreTrust, bundle: bytes, place: str, about: Artifact, name: str) -> Report:
    found = verify_bundle(bundle, artifact=about, authority=trust.authority, claims=trust.claims, now=trust.at)
    signature = reported_sigstore(found, KIND_NAMES[ArtifactKind.SIGSTORE_BUNDLE], place)
    verdict, reason = conclude([signature], none="")
    return Report(
        subject=name,
        at=trust.at,
        verdict=verdict,
        reason=reason,
        requirements=trust.requirements,
        signatures=(signature,),
    )


def _artifacts(options: VerifyOptions) -> list[tuple[str, Artifact]]:
    """Return what the bundle must have signed: the digest, the file of ``--artifact``, or the arguments."""
    given = [*options.subjects, *([str(options.artifact)] if options.artifact is not None else [])]
    required = None if options.digest is None else parse_digest(options.digest)
    if options.digest is not None and required is None:
        raise click.UsageError("--digest: expected sha256: and 64 of 0-9 a-f")
    if required is not None and not given:
        return [(required, Artifact(digest=required))]
    if not given:
        raise click.UsageError("--bundle needs what was signed: --digest sha256:..., or the artifact's file")
    found = [(text, _artifact(text)) for text in given]
    for name, artifact in found:
        if required is not None and artifact.digest != required:
            raise ArgumentError(f"{name} has the digest {artifact.digest}, but --digest is {required}")
    return found


def _artifact(text: str) -> Artifact:
    digest = parse_digest(text)
    if digest is not None:
        return Artifact(digest=digest)
    path = Path(text)
    hashed, held, size = hashlib.sha256(), bytearray(), 0
    try:
        with path.open("rb") as stream:
            while chunk := stream.read(_CHUNK):
                size += len(chunk)
                if size > MAX_ARTIFACT_BYTES:
                    raise ArgumentError(f"{path}: larger than {MAX_ARTIFACT_BYTES} bytes; give --digest instead")
                hashed.update(chunk)
                if size <= MAX_HELD_BYTES:
                    held += chunk
    except OSError as problem:
        raise ArgumentError(f"{path}: cannot be read: {(problem.strerror or '').lower()}") from problem
    content = bytes(held) if size <= MAX_HELD_BYTES else None
    return Artifact(digest=Digest(f"sha256:{hashed.hexdigest()}"), content=content)


def _as_option(problem: str, options: VerifyOptions) -> str:
    """Return the problem with the option's name instead of the field's."""
    field, colon, words = problem.partition(":")
    name = _FIELDS.get(field.split(".")[0].split("[")[0])
    if not name or not colon:
        return problem
    expressions = {
        "--certificate-identity": options.certificate_identity_regexp,
        "--certificate-oidc-issuer": options.certificate_oidc_issuer_regexp,
    }
    return f"{name}{'' if expressions.get(name) is None else '-regexp'}:{words}"


def reported_sigstore(found: Verification, kind: str, place: str) -> ReportedSignature:
    """Return a verification as reports show it."""
    facts: list[tuple[str, str]] = []
    proof = found.proof if found.conclusion is Conclusion.VERIFIED else None
    if proof is not None:
        signer = proof.signer
        facts.append(("signer", harmless(signer) if isinstance(signer, KeylessSigner) else str(signer)))
        facts.append(("signed at", moment(proof.signed_at) if proof.signed_at else "unknown"))
        facts += [("log index", str(proof.log_index))] if proof.log_index is not None else []
        facts += [("predicate type", proof.statement.predicate_type)] if proof.statement else []
        facts += [("repository", proof.repository)] if proof.repository else []
        facts += [(f"signed annotation {name}", value) for name, value in sorted(proof.annotations.items())]
    return ReportedSignature(
        kind=kind,
        place=place,
        verdict=found.conclusion,
        reason=_reason(found.steps, facts),
        steps=found.steps,
        facts=tuple(facts),
    )


def _reason(steps: Sequence[StepResult], facts: list[tuple[str, str]]) -> str:
    if facts:
        return f"signed by {facts[0][1]}"
    last = steps[-1]
    return f"step {last.number}, {last.title}: {last.text}"
