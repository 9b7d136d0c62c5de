"""Trusted roots of Sigstore that TrustStores have fetched: in the background, every few hours, never in a request.

While a repository does not answer, what it said last stays in use for as long as it said that this holds, and no longer:
who can keep answers away must not be able to keep a withdrawn key trusted.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final, Protocol

import structlog

from tidegate.errors import PolicyError, UndeterminedError
from tidegate.policy.trust_store_object import TufRepository
from tidegate.trust.refresh import Read, Refresh
from tidegate.trust.store_content import TRUSTED_ROOT_KEY, Content
from tidegate.trust.tuf.repository import PUBLIC_URL, FetchedRoot

REFRESH_SECONDS: Final = 4 * 3600.0
NOT_YET: Final = "the trusted root has not been fetched yet"

_log = structlog.get_logger(__name__)


class RootSource(Protocol):
    """Where trusted roots are fetched; it blocks."""

    def fetch(self, repository: TufRepository) -> FetchedRoot:
        """Return what the repository says now; raise UndeterminedError where it does not say."""
        ...

    def kept(self, repository: TufRepository) -> FetchedRoot | None:
        """Return what it said before this process began, where that still holds."""
        ...


def _utc_now() -> datetime:
    return datetime.now(UTC)


class FetchedRoots:
    """Keeps the trusted roots that are wanted.

    ``name_causes`` puts the cause of a failure into the text: for a terminal, not for a status that tenants may read.
    """

    def __init__(
        self, source: RootSource, *, now: Callable[[], datetime] = _utc_now, name_causes: bool = False
    ) -> None:
        self._source = source
        self._now = now
        self._name_causes = name_causes
        self._refreshing: Refresh[TufRepository, FetchedRoot | str] = Refresh(self._ask)
        self.run = self._refreshing.run
        self.wait = self._refreshing.wait

    def notify(self, changed: Callable[[], None]) -> None:
        """Have it called whenever a root is new, or what is known of it."""
        self._refreshing.on_change = changed

    def want(self, repositories: frozenset[TufRepository]) -> None:
        """Say which repositories there are to be fetched from, and no others."""
        self._refreshing.want(sorted(repositories, key=lambda one: (one.url or "", one.root or "")))

    def content(self, repository: TufRepository) -> Content:
        """Return what was last fetched; raise PolicyError where nothing was that still holds."""
        found = self._refreshing.answer(repository)
        if not isinstance(found, FetchedRoot):
            raise PolicyError((found or NOT_YET,))
        if self._now() >= found.good_until:
            last, end = (f"{time:%Y-%m-%dT%H:%M:%SZ}" for time in (found.refreshed_at, found.good_until))
            raise PolicyError((f"the trusted root expired at {end}, and was last fetched at {last}",))
        return Content(files=((TRUSTED_ROOT_KEY, found.content),), refreshed_at=found.refreshed_at)

    def _ask(self, repository: TufRepository, before: FetchedRoot | str | None) -> Read[FetchedRoot | str]:
        """Fetch one; runs in a thread."""
        try:
            return Read(answer=self._source.fetch(repository), again_seconds=REFRESH_SECONDS)
        except UndeterminedError as error:
            _log.warning("cannot fetch a trusted root", error=str(error))
            hidden = f"it could not be fetched from {repository.url or PUBLIC_URL}; tidegate's log has the cause"
            why = str(error) if self._name_causes else hidden
        except Exception as error:  # noqa: BLE001 - the next try may work, and nobody else would make one
            _log.warning("cannot fetch a trusted root", error=type(error).__name__)
            why = "it could not be fetched, because of an error inside tidegate"
        if isinstance(before, FetchedRoot):
            return Read(answer=before)
        return Read(answer=self._kept(repository) or why)

    def _kept(self, repository: TufRepository) -> FetchedRoot | None:
        try:
            return self._source.kept(repository)
        except Exception as error:  # noqa: BLE001 - what is on disk is a convenience
            _log.warning("cannot read a trusted root from disk", error=type(error).__name__)
            return None
