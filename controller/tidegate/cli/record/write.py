"""Writes recorded answers as the evidence of a test case. ``cases.sources`` reads the same values back."""

import base64
from collections.abc import Iterator

from tidegate.cli.cases.model import (
    ArtifactPart,
    BasicPart,
    CoveragePart,
    CrlPart,
    EvidencePart,
    FindingPart,
    ImagePart,
    OcspAnswerPart,
    PackagePart,
    RepositoryPart,
    SignerAnswerPart,
    SigningPart,
    SubjectPart,
)
from tidegate.cli.cases.moments import moment_text
from tidegate.cli.record.configurations import add_configuration, registry_part
from tidegate.cli.record.recorder import Recorded
from tidegate.evidence.image import Absence, ImageDetail
from tidegate.evidence.inspection import FoundFindings
from tidegate.evidence.registry_configuration import RepositoryConfiguration
from tidegate.evidence.repository import RepositorySettings, ScanType
from tidegate.evidence.scan import Coverage, Finding, ScanReport, ScanState, basic_state
from tidegate.evidence.signature_artifacts import SignatureArtifact
from tidegate.images.digest import Digest
from tidegate.images.image_id import ImageId
from tidegate.images.manifest import OCI_MANIFEST
from tidegate.images.repository import EcrRepository, Repository, repository_text
from tidegate.verify.notation.revocation.material import CrlQuestion, OcspQuestion


def evidence_of(recorded: Recorded) -> EvidencePart:
    """Return the answers as evidence."""
    repositories: dict[Repository, None] = dict.fromkeys(
        [
            *(one for one, _ in recorded.images),
            *recorded.settings,
            *recorded.configurations,
            *(one for one, _ in _digests(recorded)),
        ]
    )
    return EvidencePart(
        repositories=[_repository(recorded, one) for one in sorted(repositories, key=repository_text)],
        registries=[
            registry_part(one) for _, one in sorted(recorded.registries.items(), key=lambda item: item[0].host)
        ],
        signer=[
            SignerAnswerPart(
                profile_version_arn=question.profile_version_arn,
                job_arn=question.job_arn,
                signed_at=moment_text(question.signed_at),
                certificate_hashes=list(question.certificate_hashes),
                platform=question.platform,
                revoked=list(answer.revoked),
            )
            for question, answer in recorded.signer.items()
        ],
        ocsp=[
            OcspAnswerPart(url=question.url, request=_base64(question.request), response=_base64(answer))
            for question, answer in recorded.answers.items()
            if isinstance(question, OcspQuestion)
        ],
        crls=[
            CrlPart(url=question.url, content=_base64(answer))
            for question, answer in recorded.answers.items()
            if isinstance(question, CrlQuestion)
        ],
    )


def _digests(recorded: Recorded) -> Iterator[tuple[Repository, Digest]]:
    """Yield each image that was looked up by digest."""
    for answers in (
        recorded.manifests,
        recorded.basic,
        recorded.coverage,
        recorded.findings,
        recorded.artifacts,
        recorded.hints,
    ):
        yield from answers


def _repository(recorded: Recorded, repository: Repository) -> RepositoryPart:
    settings: RepositorySettings | Absence | None = None
    configuration: RepositoryConfiguration | Absence | None = None
    if isinstance(repository, EcrRepository):
        configuration = recorded.configurations.get(repository)
        absent = configuration if isinstance(configuration, Absence) else None
        settings = recorded.settings.get(repository, absent)
    named = {image: found for (where, image), found in recorded.images.items() if where == repository}
    missing = [_absent(image, found) for image, found in named.items() if isinstance(found, Absence)]
    details = {found.digest: found for found in named.values() if isinstance(found, ImageDetail)}
    digests = dict.fromkeys([*details, *(digest for where, digest in _digests(recorded) if where == repository)])
    part = RepositoryPart(
        name=repository_text(repository),
        absent=settings if isinstance(settings, Absence) else None,
        mutability=settings.mutability if isinstance(settings, RepositorySettings) else None,
        exclusions=list(settings.exclusion_filters) if isinstance(settings, RepositorySettings) else [],
        scan_type=_scan_type(recorded, repository),
        images=[*(_image(recorded, repository, one, named) for one in digests), *missing],
    )
    if isinstance(configuration, RepositoryConfiguration):
        add_configuration(part, configuration)
    return part


def _scan_type(recorded: Recorded, repository: Repository) -> ScanType | None:
    return recorded.scan_types.get(repository.registry) if isinstance(repository, EcrRepository) else None


def _absent(image: ImageId, absence: Absence) -> ImagePart:
    if image.kind == "tag":
        return ImagePart(tags=[image.value], absent=absence)
    return ImagePart(digest=image.value, absent=absence)


def _image(
    recorded: Recorded, repository: Repository, digest: Digest, named: dict[ImageId, ImageDetail | Absence]
) -> ImagePart:
    key = repository, digest
    details = {
        image: found for image, found in named.items() if isinstance(found, ImageDetail) and found.digest == digest
    }
    part = ImagePart(digest=digest, tags=sorted(image.value for image in details if image.kind == "tag"))
    manifest = recorded.manifests.get(key)
    part.media_type = OCI_MANIFEST if manifest is None else manifest.media_type
    for detail in details.values():
        part.media_type, part.status = detail.media_type, detail.status
        part.pushed_at, part.restored_at = moment_text(detail.pushed_at), moment_text(detail.restored_at)
    if manifest is not None:
        part.manifest = _text(manifest.content)
    if (coverage := recorded.coverage.get(key)) is not None:
        part.coverage = _coverage(coverage)
    findings = recorded.findings.get(key)
    if (report := recorded.basic.get(key)) is not None:
        part.basic = _basic(report)
        findings = FoundFindings(findings=report.findings, complete=report.complete)
    if findings is not None:
        part.findings, part.all_findings = [_finding(one) for one in findings.findings], findings.complete
    if (found := recorded.artifacts.get(key)) is not None:
        part.artifacts, part.all_artifacts = [_artifact(one) for one in found.artifacts], found.complete
    for hint in recorded.hints.get(key, ()):
        part.signing = SigningPart(profile=hint.profile_arn, status=hint.state)
    return part


def _text(content: bytes) -> str | None:
    """Return a manifest as text; None if it is not text, so that its image is undetermined."""
    try:
        return content.decode()
    except UnicodeDecodeError:
        return None


def _coverage(coverage: Coverage) -> CoveragePart | None:
    if coverage.state is ScanState.NOT_SCANNED and not coverage.code:
        return None
    scanned_at = moment_text(coverage.last_scanned_at)
    return CoveragePart(status=coverage.code, reason=coverage.reason, last_scanned_at=scanned_at)


def _basic(report: ScanReport) -> BasicPart | None:
    coverage = report.coverage
    if coverage.state is not basic_state(coverage.code, coverage.reason):
        return None
    return BasicPart(
        status=coverage.code, description=coverage.reason, completed_at=moment_text(coverage.last_scanned_at)
    )


def _finding(finding: Finding) -> FindingPart:
    return FindingPart(
        id=finding.id,
        severity=finding.severity,
        packages=[PackagePart(name=one.name, installed=one.installed, fixed=one.fixed_in) for one in finding.packages],
        fix_available=finding.fix,
        exploit_available=finding.exploit,
        epss=finding.epss,
        first_observed_at=moment_text(finding.first_observed_at),
        status="SUPPRESSED" if finding.suppressed else "ACTIVE",
    )


def _artifact(artifact: SignatureArtifact) -> ArtifactPart:
    subject = artifact.subject
    return ArtifactPart(
        kind=artifact.kind,
        envelope_media_type=artifact.envelope_media_type,
        envelope=_base64(artifact.envelope),
        manifest_digest=artifact.manifest_digest,
        subject=None
        if subject is None
        else SubjectPart(media_type=subject.media_type, digest=subject.digest, size=subject.size),
        layer_annotations=dict(artifact.layer_annotations),
        manifest_annotations=dict(artifact.manifest_annotations),
    )


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()
