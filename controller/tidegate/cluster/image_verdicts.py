"""The ImageVerdicts of the cluster, followed by list and watch: what replicas share, and what a restarted one knows.

They are evidence for when AWS cannot be reached, and say where images run. One that is newer than what this process knows
makes the next request ask AWS again. Objects that tidegate of this version does not write are logged, counted and ignored.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import msgspec
import structlog

from tidegate.cluster.api import KubernetesApi
from tidegate.cluster.reflector import Reflector
from tidegate.images.digest import Digest
from tidegate.images.repository import Repository
from tidegate.verdicts.decode import InvalidVerdictError, StoredVerdict, decode
from tidegate.verdicts.running import RunningImages
from tidegate.verdicts.shape import MAX_BYTES, VERDICTS_PATH

MAX_OBJECT_BYTES: Final = 2 * MAX_BYTES
"""Bytes of an object that is read, with its metadata. tidegate never writes more."""
LOADING_SECONDS: Final = 5.0
"""How long readiness waits for the first list. Requests are answered by AWS alone until it comes."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class InvalidObject:
    """An object that is not used, and why."""

    problem: str


class WatchedVerdicts:
    """Follows the objects. ``offer`` takes each and returns whether a fact expired by it; ``expired`` is called then."""

    def __init__(
        self,
        api: KubernetesApi,
        *,
        offer: Callable[[StoredVerdict], bool],
        forget: Callable[[Repository, Digest], None],
    ) -> None:
        self._reflector = Reflector("image verdicts", api, VERDICTS_PATH, decode=read_object, sink=self)
        self._offer = offer
        self._forget = forget
        self._images: dict[str, tuple[Repository, Digest]] = {}
        self._invalid: set[str] = set()
        self._started_at = time.monotonic()
        self._is_telling = False
        self.expired: Callable[[], None] = lambda: None
        self.running = RunningImages()

    def __len__(self) -> int:
        """Return how many valid objects there are."""
        return len(self._images)

    @property
    def invalid(self) -> int:
        """Return how many objects are ignored."""
        return len(self._invalid)

    @property
    def age_seconds(self) -> float:
        """Seconds since the API server last sent something; infinite before the first complete list."""
        return self._reflector.age_seconds

    def is_loading(self) -> bool:
        """Tell whether this process just started and has not read all objects yet."""
        return not self._reflector.synced and time.monotonic() - self._started_at <= LOADING_SECONDS

    async def run(self) -> None:
        """Follow the objects until cancelled."""
        await self._reflector.run()

    def put(self, key: str, obj: "StoredVerdict | InvalidObject", /) -> None:
        """Take a new or changed object."""
        self._images_of(key)
        if isinstance(obj, InvalidObject):
            _log.warning("an ImageVerdict is not valid and not used", name=key, problem=obj.problem)
            self._invalid.add(key)
            return
        self._images[key] = obj.repository, obj.digest
        self.running.put(obj)
        if self._offer(obj) and not self._is_telling:
            # One call for all objects that come together.
            self._is_telling = True
            asyncio.get_running_loop().call_soon(self._tell)

    def drop(self, key: str, /) -> None:
        """Forget an object that is gone."""
        self._images_of(key)

    def listed(self) -> None:
        """Take note of a complete list."""

    def _images_of(self, key: str) -> None:
        """Forget what an object said."""
        self._invalid.discard(key)
        image = self._images.pop(key, None)
        if image is not None:
            self.running.drop(*image)
            self._forget(*image)

    def _tell(self) -> None:
        self._is_telling = False
        self.expired()


def read_object(raw: msgspec.Raw) -> StoredVerdict | InvalidObject:
    """Return an object, or why it is not used. Runs in the reflector's thread."""
    content = memoryview(raw)
    if content.nbytes > MAX_OBJECT_BYTES:
        return InvalidObject(problem=f"expected at most {MAX_OBJECT_BYTES} bytes, got {content.nbytes}")
    try:
        return decode(bytes(content))
    except InvalidVerdictError as problem:
        return InvalidObject(problem=str(problem))
