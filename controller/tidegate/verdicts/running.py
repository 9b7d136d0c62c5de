"""Since when images run in namespaces, as their ImageVerdicts say. What they do not list is not known to run."""

from collections.abc import Mapping
from datetime import datetime

from tidegate.images.digest import Digest
from tidegate.images.repository import Repository
from tidegate.verdicts.decode import StoredVerdict


class RunningImages:
    """The images that run, by namespace."""

    def __init__(self) -> None:
        self._since: dict[tuple[Repository, Digest], Mapping[str, datetime]] = {}

    def __len__(self) -> int:
        """Return how many images run."""
        return len(self._since)

    def since(self, namespace: str, repository: Repository, digest: Digest) -> datetime | None:
        """Return since when Pods of the namespace run an image; None where none is known to."""
        return self._since.get((repository, digest), {}).get(namespace)

    def put(self, verdict: StoredVerdict) -> None:
        """Take where an image runs, in place of what was known."""
        where = {one.name: one.since for one in verdict.status.runs.namespaces if one.since is not None}
        self.drop(verdict.repository, verdict.digest)
        if where:
            self._since[verdict.repository, verdict.digest] = where

    def drop(self, repository: Repository, digest: Digest) -> None:
        """Forget an image."""
        self._since.pop((repository, digest), None)
