"""One image of a request, with its evidence and the current time."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from tidegate.evidence.fact import Known
from tidegate.evidence.image_evidence import ImageEvidence
from tidegate.images.platform import Platform
from tidegate.images.reference import ImageReference
from tidegate.policy.trust_stores import NO_TRUST, TrustSnapshot

_MOST_SECONDS = 1e9
"""An age beyond every bound of a policy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSubject:
    """One image to judge at one time. ``cluster_platforms`` are those of the nodes; empty means unknown: all count.

    ``now`` is the wall clock, to compare with times from AWS and certificates; ``monotonic`` is in seconds, for the age of
    evidence. ``trust`` holds the trust stores and keys of the policies. ``running_since`` is since when Pods of the request's
    namespace run this very image, or None where none is known to.
    """

    reference: ImageReference
    evidence: ImageEvidence
    cluster_platforms: tuple[Platform, ...]
    now: datetime
    monotonic: float
    trust: TrustSnapshot = NO_TRUST
    running_since: datetime | None = None

    def age(self, fact: Known[object]) -> timedelta:
        """Return how long ago a fact was looked up, however the wall clock was set since."""
        return timedelta(seconds=min(max(0.0, self.monotonic - fact.monotonic), _MOST_SECONDS))
