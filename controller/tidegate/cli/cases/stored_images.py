"""The images of a test case as values. A field that the case omits is None: unknown, and never empty."""

import base64
import binascii
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from msgspec import UNSET

from tidegate.cli.argument_files import ArgumentError
from tidegate.cli.cases.model import ArtifactPart, FindingPart, ImagePart, RepositoryPart, ScannedPart, SignaturePart
from tidegate.cli.cases.moments import parse_moment
from tidegate.evidence.image import Absence, ImageDetail, ImageStatus
from tidegate.evidence.inspection import FoundFindings
from tidegate.evidence.scan import (
    Coverage,
    Finding,
    Scanner,
    ScanReport,
    ScanState,
    VulnerablePackage,
    basic_state,
    inspector_state,
)
from tidegate.evidence.signature_artifacts import (
    Descriptor,
    FoundArtifacts,
    SignatureArtifact,
    SigningHint,
)
from tidegate.images.digest import Digest, digest_of
from tidegate.images.image_id import ImageId
from tidegate.images.manifest import OCI_INDEX, OCI_MANIFEST
from tidegate.images.platform import InvalidPlatformError, parse_platform

_NO_COVERAGE: Final = Coverage(state=ScanState.NOT_SCANNED, reason="Amazon Inspector does not cover this image")
_NO_BASIC: Final = Coverage(state=ScanState.NOT_SCANNED, reason="the image was not scanned")
_CHILD_SIZE: Final = 1_024
"""Bytes of the manifest of a platform, which the case does not have."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CaseImage:
    """The evidence of a case about one image; ``where`` is its field, and ``stated`` are results of verifications."""

    where: str
    detail: ImageDetail | Absence
    manifest: bytes | None = None
    coverage: Coverage | None = None
    basic: ScanReport | None = None
    findings: FoundFindings | None = None
    artifacts: FoundArtifacts | None = None
    stated: tuple[SignaturePart, ...] | None = None
    signing: tuple[SigningHint, ...] = ()


def stored_images(part: RepositoryPart, where: str, now: datetime) -> Mapping[ImageId, CaseImage]:
    """Return the images of a repository by tag and digest; raise ArgumentError that names the field."""
    found: dict[ImageId, CaseImage] = {}
    for index, image in enumerate(part.images):
        path = f"{where}.images[{index}]"
        if not image.tags and image.digest is None and image.manifest is None:
            raise ArgumentError(f"{path}: expected tags or a digest, so that an object can name the image")
        for key, stored in _image(part.name, image, path, now):
            if key in found:
                raise ArgumentError(f"{path}: {part.name}{key} appears twice; keep one")
            found[key] = stored
    return found


def _image(name: str, part: ImagePart, where: str, now: datetime) -> Iterator[tuple[ImageId, CaseImage]]:
    if part.absent is not None:
        keys = [ImageId.of_tag(tag) for tag in part.tags]
        keys += [] if part.digest is None else [ImageId.of_digest(Digest(part.digest))]
        yield from ((key, CaseImage(where=where, detail=part.absent or Absence.IMAGE)) for key in keys)
        return
    manifest = None if part.manifest is None else part.manifest.encode()
    media_type = part.media_type
    if part.platforms is not None:
        media_type = OCI_INDEX if media_type == OCI_MANIFEST else media_type
        children = {text: _child_digest(name, part, text, child) for text, child in part.platforms.items()}
        manifest = manifest if manifest is not None else _index(children, media_type, f"{where}.platforms")
        for text, child in part.platforms.items():
            detail = _detail(children[text], OCI_MANIFEST, part, where, now)
            stored = _stored(child, f"{where}.platforms[{text}]", detail, None, now)
            yield ImageId.of_digest(children[text]), stored
    digest = Digest(part.digest) if part.digest else digest_of(manifest or _identity(name, part))
    stored = _stored(part, where, _detail(digest, media_type, part, where, now), manifest, now)
    yield from ((ImageId.of_tag(tag), stored) for tag in part.tags)
    yield ImageId.of_digest(digest), stored


def _identity(name: str, part: ImagePart) -> bytes:
    """Return bytes in place of the manifest, for an image with neither manifest nor digest."""
    return json.dumps([name, part.tags]).encode()


def _child_digest(name: str, part: ImagePart, platform: str, child: ScannedPart) -> Digest:
    return Digest(child.digest) if child.digest else digest_of(_identity(name, part) + platform.encode())


def _index(children: Mapping[str, Digest], media_type: str, where: str) -> bytes:
    entries = []
    for text, digest in children.items():
        try:
            platform = parse_platform(text)
        except InvalidPlatformError as problem:
            raise ArgumentError(f"{where}: {problem}") from problem
        names = {"os": platform.os, "architecture": platform.architecture}
        names |= {"variant": platform.variant} if platform.variant else {}
        entries.append({"mediaType": OCI_MANIFEST, "digest": digest, "size": _CHILD_SIZE, "platform": names})
    return json.dumps({"schemaVersion": 2, "mediaType": media_type, "manifests": entries}).encode()


def _detail(digest: Digest, media_type: str, part: ImagePart, where: str, now: datetime) -> ImageDetail:
    return ImageDetail(
        digest=digest,
        media_type=media_type,
        status=ImageStatus(part.status),
        pushed_at=parse_moment(part.pushed_at, f"{where}.pushedAt", now),
        restored_at=parse_moment(part.restored_at, f"{where}.restoredAt", now),
    )


def _stored(part: ScannedPart, where: str, detail: ImageDetail, manifest: bytes | None, now: datetime) -> CaseImage:
    if part.signatures is not UNSET and part.artifacts is not UNSET:
        raise ArgumentError(f"{where}: expected signatures or artifacts, got both; keep one")
    signing = part.signing if isinstance(part, ImagePart) else None
    findings = _findings(part, where, now)
    return CaseImage(
        where=where,
        detail=detail,
        manifest=manifest,
        coverage=_coverage(part, where, now),
        basic=_basic(part, findings, where, now),
        findings=FoundFindings() if findings is None and part.coverage is None else findings,
        artifacts=_artifacts(part, where),
        stated=None if part.signatures is UNSET else tuple(part.signatures),
        signing=() if signing is None else (SigningHint(profile_arn=signing.profile, state=signing.status),),
    )


def _coverage(part: ScannedPart, where: str, now: datetime) -> Coverage | None:
    given = part.coverage
    if given is UNSET:
        return None
    if given is None:
        return _NO_COVERAGE
    scanned_at = parse_moment(given.last_scanned_at, f"{where}.coverage.lastScannedAt", now)
    state = inspector_state(given.status, given.reason, last_scanned_at=scanned_at)
    return Coverage(state=state, code=given.status, reason=given.reason, last_scanned_at=scanned_at)


def _basic(part: ScannedPart, findings: FoundFindings | None, where: str, now: datetime) -> ScanReport | None:
    given = part.basic
    if given is UNSET:
        return None
    if given is None:
        return ScanReport(scanner=Scanner.ECR_BASIC, coverage=_NO_BASIC)
    if findings is None:
        return None
    coverage = Coverage(
        state=basic_state(given.status, given.description),
        code=given.status,
        reason=given.description,
        last_scanned_at=parse_moment(given.completed_at, f"{where}.basic.completedAt", now),
    )
    scanner = Scanner.INSPECTOR if given.status == "ACTIVE" else Scanner.ECR_BASIC
    return ScanReport(scanner=scanner, coverage=coverage, findings=findings.findings, complete=findings.complete)


def _findings(part: ScannedPart, where: str, now: datetime) -> FoundFindings | None:
    if part.findings is UNSET:
        return None
    found = tuple(_finding(one, f"{where}.findings[{index}]", now) for index, one in enumerate(part.findings))
    return FoundFindings(findings=found, complete=part.all_findings)


def _finding(part: FindingPart, where: str, now: datetime) -> Finding:
    return Finding(
        id=part.id,
        severity=part.severity,
        packages=tuple(
            VulnerablePackage(name=one.name, installed=one.installed, fixed_in=one.fixed) for one in part.packages
        ),
        fix=part.fix_available,
        exploit=part.exploit_available,
        epss=part.epss,
        first_observed_at=parse_moment(part.first_observed_at, f"{where}.firstObservedAt", now),
        suppressed=part.status == "SUPPRESSED",
    )


def _artifacts(part: ScannedPart, where: str) -> FoundArtifacts | None:
    if part.artifacts is UNSET:
        return None
    found = tuple(_artifact(one, f"{where}.artifacts[{index}]") for index, one in enumerate(part.artifacts))
    return FoundArtifacts(artifacts=found, skipped=(), complete=part.all_artifacts)


def _artifact(part: ArtifactPart, where: str) -> SignatureArtifact:
    subject = part.subject
    envelope = decoded(part.envelope, f"{where}.envelope")
    return SignatureArtifact(
        kind=part.kind,
        envelope=envelope,
        envelope_media_type=part.envelope_media_type,
        envelope_digest=digest_of(envelope),
        manifest_digest=Digest(part.manifest_digest),
        subject=None
        if subject is None
        else Descriptor(media_type=subject.media_type, digest=Digest(subject.digest), size=subject.size),
        layer_annotations=part.layer_annotations,
        manifest_annotations=part.manifest_annotations,
    )


def decoded(text: str, where: str) -> bytes:
    """Decode base64; raise ArgumentError that names the field."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as problem:
        raise ArgumentError(f"{where}: expected base64") from problem
