"""All that was collected for one image of a request: facts only, so that judging is a pure function of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache

from tidegate.evidence.fact import Cause, Fact, Known, Missing
from tidegate.evidence.image import Absence, BadContent, ImageDetail, PlatformImage
from tidegate.evidence.registry_configuration import RegistryConfiguration, RepositoryConfiguration
from tidegate.evidence.repository import RepositorySettings, ScanType
from tidegate.evidence.scan import ScanReport
from tidegate.evidence.verification_result import VerificationResults
from tidegate.images.digest import Digest

SCAN_TYPE_SOURCE = "ecr:GetRegistryScanningConfiguration"
REGISTRY_CONFIGURATION_SOURCE = "ecr:GetRegistryPolicy"
REPOSITORY_CONFIGURATION_SOURCE = "ecr:GetRepositoryPolicy"
RENEWED_SHARE = 0.2
"""The last part of the life of a cached result: a use then renews it in the background, before a request has to wait."""

_NO_REGISTRY_CONFIGURATION = Missing(Cause.NOT_ASKED, REGISTRY_CONFIGURATION_SOURCE)
_NO_REPOSITORY_CONFIGURATION = Missing(Cause.NOT_ASKED, REPOSITORY_CONFIGURATION_SOURCE)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ImageEvidence:
    """Evidence for one image. What was not asked for is Missing with ``Cause.NOT_ASKED``.

    ``detail`` holds the resolved digest: every other fact is about that digest or its children. ``runnable`` lists the
    image itself, or every runnable child of an index; ``scans`` has an entry for each runnable digest that was looked
    up, which are those that the wanted platforms may run; ``scan_type`` is what chose the scanner. ``proofs`` has an entry
    for each digest whose signatures were looked for. ``valid_until`` is the monotonic second until which it may
    be used again.
    """

    detail: Fact[ImageDetail | Absence]
    settings: Fact[RepositorySettings | Absence]
    runnable: Fact[tuple[PlatformImage, ...] | BadContent]
    scan_type: Fact[ScanType]
    scans: Mapping[Digest, Fact[ScanReport]] = field(default_factory=dict)
    proofs: Mapping[Digest, Fact[VerificationResults]] = field(default_factory=dict)
    registry_configuration: Fact[RegistryConfiguration] = _NO_REGISTRY_CONFIGURATION
    repository_configuration: Fact[RepositoryConfiguration | Absence] = _NO_REPOSITORY_CONFIGURATION
    valid_until: float = 0.0

    @property
    def facts(self) -> tuple[Fact[object], ...]:
        """Return every fact."""
        return (
            self.detail,
            self.settings,
            self.runnable,
            self.scan_type,
            *self.scans.values(),
            *self.proofs.values(),
            self.registry_configuration,
            self.repository_configuration,
        )

    @property
    def is_whole(self) -> bool:
        """Return whether everything that was asked for is known, if only from an earlier look-up."""
        return all(isinstance(fact, Known) or fact.cause is Cause.NOT_ASKED for fact in self.facts)

    @property
    def is_stale(self) -> bool:
        """Return whether a fact is past its time to live."""
        return any(isinstance(fact, Known) and fact.stale is not None for fact in self.facts)


@cache
def not_asked(source: str) -> Missing:
    """Return the fact that was not asked for."""
    return Missing(Cause.NOT_ASKED, source)


def nothing_asked() -> ImageEvidence:
    """Return evidence for an image that must not, or need not, be looked up."""
    return ImageEvidence(
        detail=not_asked("ecr:DescribeImages"),
        settings=not_asked("ecr:DescribeRepositories"),
        runnable=not_asked("ecr:BatchGetImage"),
        scan_type=not_asked(SCAN_TYPE_SOURCE),
    )
