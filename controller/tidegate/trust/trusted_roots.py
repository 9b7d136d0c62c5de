"""Trusted roots of Sigstore from TUF repositories: fetched in the background every few hours, never in a request.

While a repository does not answer, its last trusted root stays in use until its metadata expires, and no longer: an
attacker who blocks the repository must not keep a withdrawn key trusted.
"""

from collections.abc import Callable, Iterable
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


class ExpiredRootError(PolicyError):
    """The trusted root that was fetched last, at ``refreshed_at``, has expired."""

    def __init__(self, problem: str, refreshed_at: datetime) -> None:
        super().__init__((problem,))
        self.refreshed_at = refreshed_at


class RootSource(Protocol):
    """Fetches trusted roots; blocking."""

    def fetch(self, repository: TufRepository) -> FetchedRoot:
        """Fetch the trusted root; raise UndeterminedError if the repository gives no valid answer."""
        ...

    def kept(self, repository: TufRepository) -> FetchedRoot | None:
        """Return the trusted root on disk from an earlier process, or None if there is none that is still valid."""
        ...


def _utc_now() -> datetime:
    return datetime.now(UTC)


class FetchedRoots(Refresh[TufRepository, FetchedRoot | str]):
    """Keeps the trusted roots that trust stores name.

    ``name_causes`` adds the cause of a failure to the text: for the command line, not for a status that tenants can read.
    """

    def __init__(
        self, source: RootSource, *, now: Callable[[], datetime] = _utc_now, name_causes: bool = False
    ) -> None:
        super().__init__(self._ask)
        self._source = source
        self._utc_now = now
        self._name_causes = name_causes

    def want(self, names: Iterable[TufRepository]) -> None:
        """Keep the trusted roots of these repositories, and forget all others."""
        super().want(sorted(names, key=lambda one: (one.url or "", one.root or "")))

    def content(self, repository: TufRepository) -> Content:
        """Return what was last fetched; raise PolicyError if nothing was fetched yet, or it has expired."""
        found = self.answer(repository)
        if not isinstance(found, FetchedRoot):
            raise PolicyError((found or NOT_YET,))
        if self._utc_now() >= found.good_until:
            last, end = (f"{time:%Y-%m-%dT%H:%M:%SZ}" for time in (found.refreshed_at, found.good_until))
            problem = f"the trusted root expired at {end}, and was last fetched at {last}"
            raise ExpiredRootError(problem, found.refreshed_at)
        return Content(files=((TRUSTED_ROOT_KEY, found.content),), refreshed_at=found.refreshed_at)

    def _ask(self, repository: TufRepository, before: FetchedRoot | str | None) -> Read[FetchedRoot | str]:
        """Fetch one trusted root; runs in a thread."""
        try:
            return Read(answer=self._source.fetch(repository), again_seconds=REFRESH_SECONDS)
        except UndeterminedError as error:
            _log.warning("cannot fetch a trusted root", error=str(error))
            hidden = f"it could not be fetched from {repository.url or PUBLIC_URL}; tidegate's log has the cause"
            why = str(error) if self._name_causes else hidden
        except Exception as error:  # noqa: BLE001 - the next fetch may succeed
            _log.warning("cannot fetch a trusted root", error=type(error).__name__)
            why = "it could not be fetched, because of an error inside tidegate"
        if isinstance(before, FetchedRoot):
            return Read(answer=before)
        return Read(answer=self._kept(repository) or why)

    def _kept(self, repository: TufRepository) -> FetchedRoot | None:
        try:
            return self._source.kept(repository)
        except Exception as error:  # noqa: BLE001 - the copy on disk is optional
            _log.warning("cannot read a trusted root from disk", error=type(error).__name__)
            return None
