"""Reads the evidence of a test case into its sources; what cannot be read is an error that names the field."""

from datetime import datetime

from tidegate.cli.argument_files import ArgumentError
from tidegate.cli.cases.configurations import registry_configuration, repository_configuration
from tidegate.cli.cases.evidence import CaseRepository, CaseSources
from tidegate.cli.cases.model import EvidencePart, RepositoryPart
from tidegate.cli.cases.moments import parse_moment
from tidegate.cli.cases.stored_images import decoded, stored_images
from tidegate.errors import InvalidReferenceError
from tidegate.evidence.image import Absence
from tidegate.evidence.registry_configuration import RegistryConfiguration
from tidegate.evidence.repository import RepositorySettings, ScanType
from tidegate.evidence.revocation import SignerQuestion, SignerRevocations
from tidegate.images.reference import parse_reference
from tidegate.images.repository import EcrRegistry, EcrRepository, Repository
from tidegate.verify.notation.revocation.material import CrlQuestion, OcspQuestion


def case_sources(evidence: EvidencePart, now: datetime) -> CaseSources:
    """Return the sources of a case; raise ArgumentError that names the field for evidence that cannot be read."""
    repositories: dict[Repository, CaseRepository] = {}
    scan_types: dict[EcrRegistry, ScanType] = {}
    lacking: dict[str, None] = {}
    for index, part in enumerate(evidence.repositories):
        where = f"evidence.repositories[{index}]"
        repository = parse_place(part.name, f"{where}.name")
        if repository in repositories:
            raise ArgumentError(f"{where}.name: {part.name} appears twice; keep one")
        stored = _repository(part, repository, where, now, lacking)
        repositories[repository] = stored
        if isinstance(repository, EcrRepository):
            _add_scan_type(scan_types, repository.registry, part.scan_type, stored)
    return CaseSources(
        repositories=repositories,
        registries=_registries(evidence, lacking),
        scan_types=scan_types,
        signer=_signer(evidence, now),
        answers=_answers(evidence),
        lacking=lacking,
    )


def parse_place(name: str, where: str) -> Repository:
    """Return the repository that ``place`` writes; raise ArgumentError that names the field."""
    try:
        reference = parse_reference(f"{name}:tag")
    except InvalidReferenceError as problem:
        raise ArgumentError(f"{where}: expected a repository with its registry's host: {problem}") from problem
    return reference.repository


def _repository(
    part: RepositoryPart, repository: Repository, where: str, now: datetime, lacking: dict[str, None]
) -> CaseRepository:
    settings, configuration = _settings(part), None
    if isinstance(repository, EcrRepository):
        known = None if isinstance(settings, Absence) else settings
        configuration = repository_configuration(part, repository, known, where, lacking)
    images = stored_images(part, where, now)
    return CaseRepository(where=where, settings=settings, configuration=configuration, images=images)


def _registries(evidence: EvidencePart, lacking: dict[str, None]) -> dict[EcrRegistry, RegistryConfiguration]:
    found: dict[EcrRegistry, RegistryConfiguration] = {}
    for index, part in enumerate(evidence.registries):
        where = f"evidence.registries[{index}]"
        repository = None if "/" in part.name else parse_place(f"{part.name}/any", f"{where}.name")
        if not isinstance(repository, EcrRepository):
            raise ArgumentError(f"{where}.name: expected the host of a registry of Amazon ECR")
        registry = repository.registry
        if registry in found:
            raise ArgumentError(f"{where}.name: {part.name} appears twice; keep one")
        found[registry] = registry_configuration(part, registry, where, lacking)
    return found


def _settings(part: RepositoryPart) -> RepositorySettings | Absence | None:
    if part.absent is not None:
        return part.absent
    if part.mutability is None:
        return None
    return RepositorySettings(mutability=part.mutability, exclusion_filters=tuple(part.exclusions))


def _add_scan_type(
    found: dict[EcrRegistry, ScanType], registry: EcrRegistry, named: ScanType | None, stored: CaseRepository
) -> None:
    """Note the scanner that a repository names, or that its images show."""
    said = set() if named is None else {named}
    for image in stored.images.values() if named is None else ():
        said |= set() if image.coverage is None else {ScanType.ENHANCED}
        said |= set() if image.basic is None else {ScanType.BASIC}
    said |= {found[registry]} if registry in found else set()
    if len(said) > 1:
        raise ArgumentError(
            f"{stored.where}: expected coverage or basic for the images of {registry.host}, got both; keep one"
        )
    for one in said:
        found[registry] = one


def _signer(evidence: EvidencePart, now: datetime) -> dict[SignerQuestion, SignerRevocations]:
    found = {}
    for index, part in enumerate(evidence.signer):
        signed_at = parse_moment(part.signed_at, f"evidence.signer[{index}].signedAt", now)
        if signed_at is None:
            raise ArgumentError(f"evidence.signer[{index}].signedAt: expected a time")
        question = SignerQuestion(
            profile_version_arn=part.profile_version_arn,
            job_arn=part.job_arn,
            signed_at=signed_at,
            certificate_hashes=tuple(part.certificate_hashes),
            platform=part.platform,
        )
        found[question] = SignerRevocations(revoked=tuple(part.revoked))
    return found


def _answers(evidence: EvidencePart) -> dict[OcspQuestion | CrlQuestion, bytes]:
    found: dict[OcspQuestion | CrlQuestion, bytes] = {}
    for index, ocsp in enumerate(evidence.ocsp):
        where = f"evidence.ocsp[{index}]"
        question = OcspQuestion(url=ocsp.url, request=decoded(ocsp.request, f"{where}.request"))
        found[question] = decoded(ocsp.response, f"{where}.response")
    for index, crl in enumerate(evidence.crls):
        found[CrlQuestion(url=crl.url)] = decoded(crl.content, f"evidence.crls[{index}].content")
    return found
