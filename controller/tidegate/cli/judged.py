"""One image with its verdict and the evidence that the verdict rests on. It needs no engine, so that --help needs none."""

from dataclasses import dataclass

from tidegate.admission.plan import Plan
from tidegate.admission.verdict import ImageVerdict
from tidegate.cli.documents import FoundImage
from tidegate.evidence.image_evidence import ImageEvidence


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedImage:
    """One image with its verdict and the evidence that it rests on."""

    image: FoundImage
    plan: Plan
    verdict: ImageVerdict
    evidence: ImageEvidence
