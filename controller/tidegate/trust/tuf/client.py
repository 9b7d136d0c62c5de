"""python-tuf's client over our own HTTP. Imported on first use, because the import takes 0.3 seconds.

It follows the client workflow of the TUF specification: each root is signed by the previous one, no metadata is expired or
older than before, and a target has the length and hashes in its metadata.
"""

from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from tuf.api.exceptions import DownloadError, DownloadHTTPError, RepositoryError
from tuf.api.metadata import Metadata
from tuf.ngclient.config import UpdaterConfig
from tuf.ngclient.fetcher import FetcherInterface
from tuf.ngclient.updater import Updater

from tidegate import __version__
from tidegate.errors import UndeterminedError

TARGET: Final = "trusted_root.json"
MAX_TARGET_BYTES: Final = 1024 * 1024
MAX_TEXT: Final = 300
OK: Final = 200

_ROLES = ("root", "timestamp", "snapshot", "targets")

Get = Callable[[str], tuple[int, bytes]]
"""Returns the status and the body of a URL; raises UndeterminedError without a response."""


class _Fetcher(FetcherInterface):
    def __init__(self, get: Get) -> None:
        self._get = get

    def _fetch(self, url: str) -> Iterator[bytes]:
        status, body = self._get(url)
        if status != OK:
            raise DownloadHTTPError(f"it answered with HTTP status {status}", status)
        return iter((body,))


def refresh(folder: Path, url: str, root: bytes, get: Get) -> tuple[bytes, datetime]:
    """Return the trusted root of a repository, and when its metadata expires; raise UndeterminedError.

    ``folder`` has the metadata of earlier calls; only one process may use it at a time.
    """
    metadata, targets = folder / "metadata", folder / "targets"
    for each in (metadata, targets):
        each.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        updater = Updater(
            metadata_dir=str(metadata),
            metadata_base_url=url,
            target_dir=str(targets),
            target_base_url=f"{url.rstrip('/')}/targets/",
            fetcher=_Fetcher(get),
            config=_config(),
            bootstrap=root,
        )
        updater.refresh()
        info = updater.get_targetinfo(TARGET)
        if info is None:
            raise UndeterminedError(f"it has no target {TARGET}")
        if info.length > MAX_TARGET_BYTES:
            raise UndeterminedError(f"its {TARGET} has {info.length} bytes, more than {MAX_TARGET_BYTES}")
        path = updater.find_cached_target(info) or updater.download_target(info)
    except RepositoryError as error:
        raise UndeterminedError(f"its metadata is invalid: {error}"[:MAX_TEXT]) from error
    except DownloadError as error:
        cause = error.__cause__ if isinstance(error.__cause__, UndeterminedError) else error
        raise UndeterminedError(str(cause)[:MAX_TEXT]) from error
    return Path(path).read_bytes(), _expiry(metadata)


def _config() -> UpdaterConfig:
    return UpdaterConfig(
        max_root_rotations=64,
        max_delegations=8,
        root_max_length=128 * 1024,
        timestamp_max_length=16 * 1024,
        snapshot_max_length=1024 * 1024,
        targets_max_length=1024 * 1024,
        app_user_agent=f"tidegate/{__version__}",
    )


def _expiry(metadata: Path) -> datetime:
    """Return the earliest expiry of the metadata, which the client has just verified and written."""
    expiries: list[datetime] = [
        Metadata[Any].from_file(str(metadata / f"{role}.json")).signed.expires for role in _ROLES
    ]
    return min(expiries)
