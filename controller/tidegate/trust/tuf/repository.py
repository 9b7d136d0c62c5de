"""Trusted roots of the TUF repositories that TrustStores name: fetched within bounds, and cached on disk."""

import fcntl
import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from math import inf
from pathlib import Path
from time import monotonic, sleep
from typing import Final
from urllib.parse import quote

from tidegate.egress.exchange import Egress, HttpRequest
from tidegate.egress.hosts import HostList, Reach, parse_url
from tidegate.errors import UndeterminedError
from tidegate.policy.trust_store_object import TufRepository

PUBLIC_URL: Final = "https://tuf-repo-cdn.sigstore.dev"
REFRESH_SECONDS: Final = 30.0
"""Longest time of one refresh with all its requests."""
KEPT_SECONDS: Final = 2.0
"""How long to wait for the copy on disk while another process has the lock."""
MAX_FILE_BYTES: Final = 1024 * 1024
"""Bytes of one response. Each kind of metadata also has its own limit."""
LOCK_POLL_SECONDS: Final = 0.05
NOT_FOUND: Final = 404
OK: Final = 200

_SCHEMES = frozenset({"http", "https"})
_REFRESHED = "refreshed-at"


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchedRoot:
    """A trusted_root.json, when it was last fetched, and when its metadata expires."""

    content: bytes
    refreshed_at: datetime
    good_until: datetime


class TufRoots:
    """Fetches trusted roots; blocking. ``hosts`` lists the repositories that may have private addresses."""

    def __init__(self, folder: Path, *, hosts: HostList) -> None:
        self._folder = folder
        self._hosts = hosts

    def fetch(self, repository: TufRepository, *, seconds: float = inf) -> FetchedRoot:
        """Fetch the trusted root; raise UndeterminedError, with the repository's URL, if there is no valid answer.

        ``seconds`` can shorten REFRESH_SECONDS.
        """
        url, root = known(repository)
        deadline = monotonic() + min(seconds, REFRESH_SECONDS)
        egress, now = Egress(), datetime.now(UTC)

        def get(asked: str) -> tuple[int, bytes]:
            return self._get(egress, asked, lambda: deadline - monotonic())

        try:
            home = self._home(url, root)
            with alone_in(home, lambda: deadline - monotonic()):
                fetched = self._refresh(repository, now, get)
                home.joinpath(_REFRESHED).write_text(now.isoformat(), encoding="ascii")
        except UndeterminedError as error:
            raise UndeterminedError(f"it could not be fetched from {url}: {error}") from error
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise UndeterminedError(
                f"it could not be saved in {self._folder}: {reason}; set trustStores.cacheFolder"
            ) from error
        finally:
            egress.close()
        return fetched

    def kept(self, repository: TufRepository) -> FetchedRoot | None:
        """Return the copy on disk, verified again, or None if there is none that is still valid. It makes no calls."""
        home = self._home(*known(repository))

        def from_disk(url: str) -> tuple[int, bytes]:
            # The client reads all other metadata from the folder itself. A later root does not exist on disk.
            stored = home / "metadata" / "timestamp.json"
            return (OK, stored.read_bytes()) if url.endswith("/timestamp.json") else (NOT_FOUND, b"")

        deadline = monotonic() + KEPT_SECONDS
        try:
            refreshed = datetime.fromisoformat(home.joinpath(_REFRESHED).read_text(encoding="ascii"))
            with alone_in(home, lambda: deadline - monotonic()):
                return self._refresh(repository, refreshed, from_disk)
        except (OSError, ValueError, UndeterminedError):
            return None

    def _refresh(self, repository: TufRepository, at: datetime, get: Callable[[str], tuple[int, bytes]]) -> FetchedRoot:
        from tidegate.trust.tuf.client import refresh  # noqa: PLC0415 -- costs 0.3 seconds, see there

        url, root = known(repository)
        content, good_until = refresh(self._home(url, root), url, root, get)
        return FetchedRoot(content=content, refreshed_at=at, good_until=good_until)

    def _get(self, egress: Egress, url: str, seconds_left: Callable[[], float]) -> tuple[int, bytes]:
        target = parse_url(url, schemes=_SCHEMES)
        reach = self._hosts.reach(target.host, target.port) or Reach.PUBLIC
        request = HttpRequest(target=target, reach=reach, max_bytes=MAX_FILE_BYTES)
        reply = egress.send(request, seconds_left=seconds_left)
        return reply.status, reply.body

    def _home(self, url: str, root: bytes) -> Path:
        """Return the folder of a repository; the same URL with another root is another repository."""
        return self._folder / hashlib.sha256(url.encode() + b"\0" + root).hexdigest()[:32]


def known(repository: TufRepository) -> tuple[str, bytes]:
    """Return the URL and the initial root; those of the public instance come with sigstore-python."""
    if repository.url is not None and repository.root is not None:
        return repository.url, repository.root.encode()
    stored = files("sigstore") / "_store" / quote(PUBLIC_URL, safe="") / "root.json"
    return PUBLIC_URL, stored.read_bytes()


@contextmanager
def alone_in(folder: Path, seconds_left: Callable[[], float]) -> Iterator[None]:
    """Create the folder if needed and lock it; raise UndeterminedError if another process keeps its lock.

    The lock ends with the process.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        while not _take(descriptor):
            if seconds_left() <= 0:
                raise UndeterminedError("another process is fetching it")
            sleep(LOCK_POLL_SECONDS)
        yield
    finally:
        os.close(descriptor)


def _take(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
