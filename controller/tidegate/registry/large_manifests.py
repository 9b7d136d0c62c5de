"""How many large manifests of registries are in memory at once. A user who can push chooses their size, up to 4 MiB."""

import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from tidegate.egress.wire import SecondsLeft
from tidegate.evidence.content import StoredManifest
from tidegate.evidence.fact import Cause
from tidegate.evidence.share import SHARE
from tidegate.evidence.shared_semaphore import SharedSemaphore
from tidegate.evidence.source_unavailable import SourceUnavailableError
from tidegate.images.repository import OciRegistry

MANIFEST: Final = "oci:GetManifest"
"""The name of the API call in messages and metrics."""
SMALL_MANIFEST_BYTES: Final = 64 * 1024
"""Any number of manifests up to this size may be read at once; those of images have 1 to 10 KB."""
LARGE_MANIFESTS: Final = 6
"""Larger manifests that are being read, or were read and are not judged yet; RecentManifests may keep others."""
LARGE_MANIFESTS_OF_A_SHARE: Final = 4
"""As LARGE_MANIFESTS, for one namespace, and of one registry."""
WAIT_SECONDS: Final = 5.0
"""How long a large manifest waits for its permit, if its call has so much time left."""


class ManifestPermit:
    """The permit of one manifest, acquired when the manifest turns out to be large."""

    def __init__(self, semaphore: SharedSemaphore, registry: OciRegistry, seconds_left: SecondsLeft) -> None:
        self._semaphore = semaphore
        self._registry = registry
        self._seconds_left = seconds_left
        self._is_held = False

    def check(self, size: int) -> None:
        """Wait for a permit if the manifest has so many bytes; raise SourceUnavailableError where there is none."""
        if size <= SMALL_MANIFEST_BYTES or self._is_held:
            return
        seconds = min(WAIT_SECONDS, self._seconds_left())
        self._is_held = self._semaphore.acquire(self, SHARE.get(), self._registry.host, seconds=seconds)
        if not self._is_held:
            raise SourceUnavailableError(Cause.OVERLOADED, MANIFEST, "too many large manifests at the same time")

    def keep(self, stored: StoredManifest) -> None:
        """Hold the permit, if there is one, for as long as the manifest is in memory."""
        if self._is_held:
            weakref.finalize(stored, self._semaphore.release, self).atexit = False
            self._is_held = False

    def release(self) -> None:
        """Release the permit, if there is one that is not kept."""
        if self._is_held:
            self._semaphore.release(self)
            self._is_held = False


class LargeManifests:
    """Gives the permits. Safe to share between threads."""

    def __init__(self) -> None:
        self.semaphore = SharedSemaphore(LARGE_MANIFESTS, LARGE_MANIFESTS_OF_A_SHARE)

    @contextmanager
    def permit(self, registry: OciRegistry, seconds_left: SecondsLeft) -> Iterator[ManifestPermit]:
        """Give a permit for the manifest that is read in this context, within ``seconds_left``."""
        permit = ManifestPermit(self.semaphore, registry, seconds_left)
        try:
            yield permit
        finally:
            permit.release()
