"""What an ImageVerdict object is made from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType

from tidegate.admission.verdict import ImageVerdict
from tidegate.evidence.image_evidence import ImageEvidence
from tidegate.images.digest import Digest
from tidegate.images.repository import Repository
from tidegate.verdicts.usage import OwningWorkload, Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class NamespaceVerdict:
    """The verdict on one image reference in one namespace, and the workloads there that use it."""

    namespace: str
    workloads: tuple[OwningWorkload, ...]
    verdict: ImageVerdict


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictInput:
    """All that is known of one image in use.

    ``evidence`` was collected for the digest. ``tags`` are the tags of which the registry said that they mean this
    digest, with when it said so (UTC).
    """

    repository: Repository
    digest: Digest
    evidence: ImageEvidence
    judged: Sequence[NamespaceVerdict]
    usage: Usage
    tags: Mapping[str, datetime] = field(default_factory=lambda: MappingProxyType({}))
