"""How far the leader has followed AWS, kept in a ConfigMap: for the next leader, and for replicas that use stored evidence."""

import asyncio
from collections.abc import Collection, Mapping
from typing import Any, Final, Protocol

import msgspec
import structlog

from tidegate.cluster.api import ApiError, KubernetesApi
from tidegate.images.repository import EcrRegistry

WRITE_SECONDS: Final = 60.0
RETRY_SECONDS: Final = 5.0
FIRST_SECONDS: Final = 5.0
"""Wait until the first write: the first poll takes a moment."""
STATE: Final = "state"
"""The key with the progress of the change feed, by the registry's host."""
REREAD: Final = "reread"
"""The key with the progress of the daily re-read."""
MAX_STATE_BYTES: Final = 512 * 1024

_log = structlog.get_logger(__name__)


class Feed(Protocol):
    """The change feed."""

    def state(self, waiting: Collection[EcrRegistry] = ()) -> Mapping[str, Any]:
        """Return how far each registry was followed; of one that waits, how far it was before."""
        ...

    def restore(self, state: object) -> None:
        """Go on from a state."""
        ...


class InTurn(Protocol):
    """The daily re-read."""

    def state(self) -> Mapping[str, str]:
        """Return until when the images of each registry were read."""
        ...

    def restore(self, state: object) -> None:
        """Go on from a state."""
        ...


class Unread(Protocol):
    """Says of which registries reported changes have not been read and written yet."""

    @property
    def unread_registries(self) -> Collection[EcrRegistry]:
        """The registries."""
        ...


class Progress:
    """Writes the ConfigMap once a minute, where it says something new; the chart creates it."""

    def __init__(
        self, api: KubernetesApi, *, namespace: str, name: str, feed: Feed, reread: InTurn, unread: Unread
    ) -> None:
        self._api = api
        self._path = f"/api/v1/namespaces/{namespace}/configmaps/{name}"
        self._feed = feed
        self._reread = reread
        self._unread = unread
        self._problem = ""

    async def restore(self) -> None:
        """Go on from what another leader, or this one, has written. Without an answer, begin anew."""
        try:
            data = (await self._api.get(self._path)).get("data")
        except ApiError as error:
            _log.warning("cannot read how far changes were followed", error=str(error))
            return
        kept = data if isinstance(data, Mapping) else {}
        self._feed.restore(_decoded(kept.get(STATE)))
        self._reread.restore(_decoded(kept.get(REREAD)))

    async def run(self) -> None:
        """Write until cancelled."""
        await asyncio.sleep(FIRST_SECONDS)
        while True:
            is_written = await self.write()
            await asyncio.sleep(WRITE_SECONDS if is_written else RETRY_SECONDS)

    async def write(self) -> bool:
        """Write the progress; return whether that worked."""
        data = {
            STATE: _encoded(self._feed.state(self._unread.unread_registries)),
            REREAD: _encoded(self._reread.state()),
        }
        if any(len(text) > MAX_STATE_BYTES for text in data.values()):
            self._note(f"more than {MAX_STATE_BYTES} bytes")
            return True
        try:
            stored = await self._api.get(self._path)
            if stored.get("data") != data:
                await self._api.replace(self._path, {**stored, "data": data})
        except ApiError as error:
            self._note(str(error))
            return False
        self._problem = ""
        return True

    def _note(self, problem: str) -> None:
        if problem != self._problem:
            _log.warning("cannot write how far changes were followed", error=problem)
        self._problem = problem


def _decoded(text: object) -> object:
    try:
        return msgspec.json.decode(text) if isinstance(text, str) else {}
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return {}


def _encoded(state: Mapping[str, Any]) -> str:
    return msgspec.json.encode(state, order="sorted").decode()
