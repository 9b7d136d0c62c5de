"""Posture checks on the settings of a repository: tags, scanning, encryption, and signing by ECR."""

from typing import Final

from tidegate.evidence.registry_configuration import (
    EncryptionType,
    RegistryConfiguration,
    RegistryScanning,
    RepositoryConfiguration,
    RepositoryScanning,
    ScanFrequency,
)
from tidegate.evidence.repository import RepositorySettings, ScanType, TagMutability
from tidegate.evidence.source_unavailable import SourceUnavailableError
from tidegate.images.repository import EcrRegistry
from tidegate.policy.model import RequiredScanning
from tidegate.posture import remedies
from tidegate.posture.result import (
    PostureCheck,
    PostureReason,
    PostureResult,
    PostureStatus,
    passed,
    unavailable,
    undecided,
)
from tidegate.posture.wildcard import contains

SCANNING_RULES: Final = (
    '[{"scanFrequency":"CONTINUOUS_SCAN","repositoryFilters":[{"filter":"*","filterType":"WILDCARD"}]}]'
)
_UNKNOWN = "ECR gave a value that this version of tidegate does not know"


def assess_tags(repository: RepositoryConfiguration) -> PostureResult:
    """Return PASS where no tag can be moved, or only those of exclusion filters."""
    settings = repository.settings
    if isinstance(settings, SourceUnavailableError):
        return unavailable(PostureCheck.TAG_IMMUTABILITY, "the repository's settings could not be read", settings)
    is_immutable = settings.mutability in {TagMutability.IMMUTABLE, TagMutability.IMMUTABLE_WITH_EXCLUSION}
    if is_immutable and all(one.strip("*") for one in settings.exclusion_filters):
        return passed(PostureCheck.TAG_IMMUTABILITY, "the repository's tags are immutable", cause=_filters(settings))
    return PostureResult(
        check=PostureCheck.TAG_IMMUTABILITY,
        status=PostureStatus.FAIL,
        reason=PostureReason.TAG_MUTABLE,
        message=f"tags can be moved to other images (the repository is {settings.mutability.value})",
        cause=_filters(settings),
        aws_cli=remedies.of_repository(
            "put-image-tag-mutability", repository.repository, "--image-tag-mutability", "IMMUTABLE"
        ),
        terraform=remedies.TERRAFORM_TAGS,
    )


def _filters(settings: RepositorySettings) -> str:
    return f"but for tags that match {', '.join(settings.exclusion_filters)}" if settings.exclusion_filters else ""


def assess_scanning(
    repository: RepositoryConfiguration, registry: RegistryConfiguration, required: RequiredScanning
) -> PostureResult:
    """Return PASS where the repository's images are scanned as required.

    What ECR applies to the repository counts; where that could not be read, the registry's filters are matched here.
    """
    scanning = registry.scanning
    if isinstance(scanning, SourceUnavailableError):
        return unavailable(PostureCheck.SCANNING, "the registry's scanning configuration could not be read", scanning)
    applied = repository.scanning
    if isinstance(applied, SourceUnavailableError):
        frequency = frequency_of(repository.repository.name, scanning)
    else:
        frequency = applied.frequency if isinstance(applied, RepositoryScanning) else ScanFrequency.UNKNOWN
    if scanning.type is None or frequency is ScanFrequency.UNKNOWN:
        return undecided(PostureCheck.SCANNING, f"it is not known how the repository is scanned: {_UNKNOWN}")
    is_continuous = scanning.type is ScanType.ENHANCED and frequency is ScanFrequency.CONTINUOUS_SCAN
    is_on_push = frequency in {ScanFrequency.SCAN_ON_PUSH, ScanFrequency.CONTINUOUS_SCAN}
    if is_continuous or (is_on_push and required is RequiredScanning.ON_PUSH):
        return passed(PostureCheck.SCANNING, f"the repository is scanned ({scanning.type}, {frequency.value})")
    return PostureResult(
        check=PostureCheck.SCANNING,
        status=PostureStatus.FAIL,
        reason=PostureReason.SCANNING_NOT_CONFIGURED,
        message=f"the repository is not scanned as required ({scanning.type}, {frequency.value})",
        cause=f"required is {required.value}",
        aws_cli=_scan_all(repository.repository.registry),
        terraform=remedies.TERRAFORM_SCANNING,
    )


def _scan_all(registry: EcrRegistry) -> str:
    arguments = ("--scan-type", ScanType.ENHANCED.value, "--rules", SCANNING_RULES)
    return remedies.command("put-registry-scanning-configuration", registry, *arguments)


def frequency_of(name: str, scanning: RegistryScanning) -> ScanFrequency:
    """Return how often a registry's rules have a repository scanned; continuous has precedence over on push.

    A filter without a star fits a name that contains it; one with a star the whole name. Source: the Amazon ECR user guide,
    "Filters to choose which repositories are scanned".
    """
    if scanning.type is ScanType.ENHANCED and not scanning.rules:
        return ScanFrequency.CONTINUOUS_SCAN
    found = {rule.frequency for rule in scanning.rules if any(_fits(one, name) for one in rule.filters)}
    order = (ScanFrequency.UNKNOWN, ScanFrequency.CONTINUOUS_SCAN, ScanFrequency.SCAN_ON_PUSH)
    return next((one for one in order if one in found), ScanFrequency.MANUAL)


def _fits(scan_filter: str, name: str) -> bool:
    return contains(scan_filter, name) if "*" in scan_filter else scan_filter in name


def assess_encryption(repository: RepositoryConfiguration) -> PostureResult:
    """Return PASS where a key of AWS KMS encrypts the repository. It cannot be changed after the repository was made."""
    encryption = repository.encryption
    if isinstance(encryption, SourceUnavailableError):
        return unavailable(PostureCheck.ENCRYPTION, "the repository's encryption could not be read", encryption)
    if encryption.type in {EncryptionType.KMS, EncryptionType.KMS_DSSE}:
        cause = f"the key is {encryption.key}" if encryption.key else ""
        message = f"the repository is encrypted with {encryption.type.value}"
        return passed(PostureCheck.ENCRYPTION, message, cause=cause)
    if encryption.type is EncryptionType.UNKNOWN:
        return undecided(PostureCheck.ENCRYPTION, f"it is not known how the repository is encrypted: {_UNKNOWN}")
    name = repository.repository.name
    return PostureResult(
        check=PostureCheck.ENCRYPTION,
        status=PostureStatus.FAIL,
        reason=PostureReason.ENCRYPTION_NOT_CONFIGURED,
        message=f"no key of AWS KMS encrypts the repository ({encryption.type.value})",
        cause="encryption is fixed when a repository is created: create another one and copy the images",
        aws_cli=remedies.command(
            "create-repository",
            repository.repository.registry,
            "--repository-name",
            f"{name}-kms",
            "--encryption-configuration",
            "encryptionType=KMS",
        ),
        terraform=remedies.TERRAFORM_ENCRYPTION,
    )


def assess_signing(repository: RepositoryConfiguration, registry: RegistryConfiguration) -> PostureResult:
    """Return PASS where a rule of ECR's managed signing signs the repository's images. Their filters are plain wildcards."""
    rules = registry.signing
    if isinstance(rules, SourceUnavailableError):
        return unavailable(PostureCheck.SIGNING, "the registry's signing configuration could not be read", rules)
    name = repository.repository.name
    found = next((one for one in rules if not one.filters or any(contains(each, name) for each in one.filters)), None)
    if found is not None:
        return passed(PostureCheck.SIGNING, "ECR signs the repository's images", cause=f"with {found.profile}")
    return PostureResult(
        check=PostureCheck.SIGNING,
        status=PostureStatus.FAIL,
        reason=PostureReason.SIGNING_NOT_CONFIGURED,
        message="no rule of ECR's managed signing signs the repository's images",
        aws_cli=remedies.command(
            "put-signing-configuration",
            repository.repository.registry,
            "--signing-configuration",
            '{"rules":[{"signingProfileArn":"YOUR-PROFILE-ARN","repositoryFilters":'
            f'[{{"filter":"{name}","filterType":"WILDCARD_MATCH"}}]}}]}}',
        ),
    )
