"""``tidegate verify --layout``: an image in an OCI layout, and all its signatures in the layout."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

import click

from tidegate.cli.argument_files import ArgumentError
from tidegate.cli.verify.notation import NotationTrust, notation_trust, scope_and_digest
from tidegate.cli.verify.oci_layout import LayoutImage, OciLayout
from tidegate.cli.verify.options import VerifyOptions
from tidegate.cli.verify.report import LeftAside, Report, ReportedSignature, conclude
from tidegate.cli.verify.sigstore import SigstoreTrust, sigstore_trust
from tidegate.errors import InvalidManifestError
from tidegate.evidence.signature_artifacts import (
    ArtifactKind,
    Descriptor,
    SignatureArtifact,
    SkipReason,
    WantedArtifacts,
)
from tidegate.images.digest import parse_digest
from tidegate.images.image_id import ImageId
from tidegate.images.manifest import Manifest, parse_manifest
from tidegate.referrers.search import find_signatures
from tidegate.verify.notation.envelope.payload import TargetArtifact
from tidegate.verify.sigstore.claims import Artifact, Claims
from tidegate.verify.sigstore.statement import COSIGN_SIGNATURE
from tidegate.verify.step import Conclusion

NO_HURRY: Final = 1.0
"""Seconds left; a local folder has no deadline."""

Examine = Callable[[SignatureArtifact, Manifest], ReportedSignature]


def verify_layout(options: VerifyOptions) -> Report:
    """Verify the image of ``--layout`` by a trust policy and its store, or by the options of Sigstore."""
    assert options.layout is not None
    folder, wanted = split_layout(options.layout)
    reference = options.reference
    if reference is not None and "@" in reference:
        named = ImageId("digest", scope_and_digest(reference)[1])
        wanted = wanted or named
    layout = OciLayout(folder)
    image = layout.image(wanted)
    subject = f"{folder}@{image.digest}"
    if options.trust_policy is None:
        trust = sigstore_trust(options, default_type=COSIGN_SIGNATURE)
        return _by_sigstore(layout, image, subject, trust)
    if reference is None or options.trust_store is None:
        raise click.UsageError(
            "--layout with --trust-policy also needs --trust-store DIR and --reference REGISTRY/REPOSITORY"
        )
    full = reference if "@" in reference else f"{reference}@{image.digest}"
    if scope_and_digest(full)[1] != image.digest:
        raise ArgumentError(f"--layout selects {image.digest}, but --reference names another digest")
    found = notation_trust(options, full)
    return found if isinstance(found, Report) else _by_notation(layout, image, f"{full} in {folder}", found)


def split_layout(text: str) -> tuple[Path, ImageId | None]:
    """Return the folder and the wanted image of ``DIR``, ``DIR:TAG`` or ``DIR@sha256:...``."""
    if Path(text).is_dir():
        return Path(text), None
    folder, at, digest_text = text.rpartition("@")
    digest = parse_digest(digest_text)
    if at and digest is not None:
        return Path(folder), ImageId.of_digest(digest)
    folder, colon, tag = text.rpartition(":")
    if colon and tag and Path(folder).is_dir():
        return Path(folder), ImageId.of_tag(tag)
    raise click.UsageError(f"--layout {text}: the folder does not exist; expected DIR, DIR:TAG or DIR@sha256:...")


def _by_notation(layout: OciLayout, image: LayoutImage, subject: str, trust: NotationTrust) -> Report:
    thumbprints = frozenset(one.fingerprint for store in trust.stores.stores.values() for one in store.certificates)
    wanted = WantedArtifacts(kinds=frozenset({ArtifactKind.NOTATION}), thumbprints=thumbprints)

    def examine(artifact: SignatureArtifact, manifest: Manifest) -> ReportedSignature:
        target = TargetArtifact(media_type=manifest.media_type, digest=manifest.digest, size=manifest.size)
        return trust.examine(artifact.envelope, artifact.envelope_media_type, target, _place(artifact))

    return _report(layout, image, subject, trust, wanted, examine)


def _by_sigstore(layout: OciLayout, image: LayoutImage, subject: str, trust: SigstoreTrust) -> Report:
    def examine(artifact: SignatureArtifact, manifest: Manifest) -> ReportedSignature:
        return trust.examine(artifact, Artifact(digest=manifest.digest, content=image.content), _place(artifact))

    return _report(layout, image, subject, trust, WantedArtifacts(kinds=_kinds(trust.claims)), examine)


def _kinds(claims: Claims) -> frozenset[ArtifactKind]:
    """Return the kinds that can meet the claims: cosign keeps signatures and attestations apart, bundles hold either."""
    kinds = {ArtifactKind.SIGSTORE_BUNDLE, ArtifactKind.COSIGN_SIGNATURE, ArtifactKind.COSIGN_ATTESTATION}
    if claims.is_signature:
        kinds.remove(ArtifactKind.COSIGN_ATTESTATION)
    return frozenset(kinds)


def _report(
    layout: OciLayout,
    image: LayoutImage,
    subject: str,
    trust: NotationTrust | SigstoreTrust,
    wanted: WantedArtifacts,
    examine: Examine,
) -> Report:
    report = Report(subject=subject, at=trust.at, verdict=Conclusion.FAILED, requirements=trust.requirements)
    try:
        manifest = parse_manifest(image.content, digest=image.digest, media_type=image.media_type)
    except InvalidManifestError as error:
        return replace(report, reason=str(error))
    found = find_signatures(layout, image.digest, wanted, seconds_left=lambda: NO_HURRY)
    about = Descriptor(media_type=manifest.media_type, digest=manifest.digest, size=manifest.size)
    left_aside = [LeftAside(what=one.what, reason=one.reason.value, detail=one.detail) for one in found.skipped]
    left_aside += [
        LeftAside(
            what=one.manifest_digest,
            reason=SkipReason.WRONG_SUBJECT.value,
            detail="its subject has another size or media type",
        )
        for one in found.artifacts
        if not one.is_about(about)
    ]  # N23
    signatures = tuple(examine(one, manifest) for one in found.artifacts if one.is_about(about))
    none = f"no signature is associated with {subject!r}, make sure the artifact was signed successfully"
    outage = next((one.detail for one in found.skipped if one.reason is SkipReason.UNAVAILABLE), "")
    verdict, reason = conclude(signatures, none=none, outage=outage)
    return replace(report, verdict=verdict, reason=reason, signatures=signatures, left_aside=tuple(left_aside))


def _place(artifact: SignatureArtifact) -> str:
    return f"{artifact.envelope_digest} (manifest {artifact.manifest_digest})"
