"""Grace for images that a namespace runs already: a refused image is judged once more, for that namespace alone.

What is not known to run has no grace, and where no policy gives any, nothing is judged twice.
"""

from datetime import datetime
from typing import Protocol

from tidegate.admission.plan import Plan
from tidegate.admission.verdict import ImageVerdict
from tidegate.images.digest import Digest
from tidegate.images.repository import Repository


class RunningSource(Protocol):
    """Says what runs."""

    def since(self, namespace: str, repository: Repository, digest: Digest) -> datetime | None:
        """Return since when Pods of the namespace run an image (UTC); None where none is known to."""
        ...


class RunningJudge(Protocol):
    """Judges one image."""

    def __call__(self, *, running_since: datetime | None) -> ImageVerdict:
        """Return the verdict on an image that runs since then."""
        ...


class NothingRuns(RunningSource):
    """Knows of nothing that runs."""

    def since(self, namespace: str, repository: Repository, digest: Digest) -> datetime | None:  # noqa: ARG002
        """Return None."""
        return None


def with_grace(
    plan: Plan, verdict: ImageVerdict, judge: RunningJudge, *, running: RunningSource, namespace: str
) -> ImageVerdict:
    """Return the verdict, or where it refuses an image that the namespace runs, the one with its grace if that admits it.

    ``judge`` judges the image by the evidence of the verdict.
    """
    repository = None if plan.reference is None else plan.reference.ecr
    if not verdict.denied or repository is None or verdict.digest is None:
        return verdict
    if not plan.matching.policy_set.has_running_images:
        return verdict
    since = running.since(namespace, repository, verdict.digest)
    if since is None:
        return verdict
    again = judge(running_since=since)
    return verdict if again.denied or again.digest != verdict.digest else again
