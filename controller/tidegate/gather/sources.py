"""The ports that gathering uses, in one place for the composition root to fill."""

from dataclasses import dataclass

from tidegate.evidence.ports import (
    BasicScanSource,
    ImageSource,
    InspectionSource,
    ManifestSource,
    RepositorySource,
    ScanTypeSource,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Where each kind of fact comes from."""

    images: ImageSource
    manifests: ManifestSource
    repositories: RepositorySource
    scan_types: ScanTypeSource
    basic_scans: BasicScanSource
    inspections: InspectionSource
