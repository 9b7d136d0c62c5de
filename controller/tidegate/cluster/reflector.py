"""A reflector: keeps a sink level with a collection of the Kubernetes API, by a list and then a watch.

One thread reads, and decodes of each object only what is wanted; the sink is called on the event loop, and nothing more is
read until it has taken what was read. The protocol is that of Kubernetes' own clients (Kubernetes API concepts, "Efficient
detection of changes"): a list in pages, a watch from its resourceVersion with bookmarks, and another list when that version
is gone. A list that could not be read to its end removes nothing.
"""

import asyncio
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Final, Generic, Protocol, TypeVar

import msgspec
import structlog
import urllib3

from tidegate.cluster.api import GONE, PAGE_OBJECTS, ApiError, KubernetesApi, TooLargeError
from tidegate.errors import Error
from tidegate.strict.typed import prepare
from tidegate.trust.refresh import retry_seconds, shortened

T = TypeVar("T")
T_contra = TypeVar("T_contra", contravariant=True)

MAX_OBJECTS: Final = 200_000
"""Objects of one list: more than a cluster may have Pods (150,000). A longer list is an error, never cut."""
MAX_EVENT_BYTES: Final = 16 * 1024 * 1024
"""Bytes of one event of a watch. etcd holds objects of 1.5 MiB."""
CHUNK_BYTES: Final = 64 * 1024
MAX_BATCH: Final = 500
"""Changes that the sink takes before the event loop runs other work."""
WATCH_SECONDS: Final = (240, 480)
"""How long the API server keeps a watch, chosen at random between these, so that watches do not end together."""
SILENCE_SECONDS: Final = 90.0
"""A watch without an event or bookmark for so long is opened again. The API server sends a bookmark about once a minute."""
FIRST_RETRY_SECONDS: Final = 0.5
LAST_RETRY_SECONDS: Final = 30.0
SHORT_SECONDS: Final = 1.0
"""A watch that ends sooner and sent nothing is a failure: the pauses grow until one lasts."""
TAKE_SECONDS: Final = 1.0
"""How often the thread looks whether it should end, while it waits for the sink."""
TOO_MANY_REQUESTS: Final = 429

_log = structlog.get_logger(__name__)


class Sink(Protocol[T_contra]):
    """Takes the objects, on the event loop. Keys are ``namespace/name``, or the name of an object without a namespace."""

    def put(self, key: str, obj: T_contra, /) -> None:
        """Take a new, changed or repeated object."""
        ...

    def drop(self, key: str, /) -> None:
        """Forget an object that is gone or cannot be decoded; it may never have been put."""
        ...

    def listed(self) -> None:
        """Take note that all objects were put and all others dropped: called at the end of each complete list."""
        ...


class _ObjectMetadata(msgspec.Struct, frozen=True, rename="camel"):
    name: str = ""
    namespace: str = ""
    resource_version: str = ""


class _ObjectHead(msgspec.Struct, frozen=True):
    metadata: _ObjectMetadata = _ObjectMetadata()
    code: int = 0
    message: str = ""


class _ListMetadata(msgspec.Struct, frozen=True, rename="camel"):
    resource_version: str = ""
    continue_: str = msgspec.field(default="", name="continue")


class _RawPage(msgspec.Struct, frozen=True):
    items: list[msgspec.Raw] | None
    metadata: _ListMetadata = _ListMetadata()


class _Event(msgspec.Struct, frozen=True):
    type: str
    object: msgspec.Raw


prepare(_RawPage, _Event, _ObjectHead)


class _EndedError(Exception):
    """The reflector ends, and so does its thread."""


class Reflector(Generic[T]):
    """Lists and watches one collection; ``what`` names it in logs.

    ``decode`` reads an object from its JSON. One that it refuses (msgspec's errors, and tidegate's own) is logged, counted
    in ``undecodable`` and dropped. ``query`` selects objects, for example by ``fieldSelector``.
    """

    def __init__(
        self,
        what: str,
        api: KubernetesApi,
        path: str,
        *,
        decode: Callable[[msgspec.Raw], T],
        sink: Sink[T],
        query: Mapping[str, str] | None = None,
    ) -> None:
        self._what = what
        self._api = api
        self._path = path
        self._decode = decode
        self._sink = sink
        self._query = dict(query or {})
        self._keys: set[str] = set()
        self._version = ""
        self._page_objects = PAGE_OBJECTS
        self._heard_at: float | None = None
        self._ending = threading.Event()
        self._lock = threading.Lock()
        self._response: urllib3.BaseHTTPResponse | None = None
        self._home: asyncio.AbstractEventLoop | None = None
        self.lists = 0
        """Complete lists."""
        self.failures = 0
        """Failed lists and watches since the last one that worked."""
        self.problem = ""
        """Why the last one failed; empty after one that worked."""
        self.undecodable = 0
        """Objects that could not be decoded."""

    @property
    def synced(self) -> bool:
        """Tell whether a complete list was taken."""
        return self._heard_at is not None

    @property
    def age_seconds(self) -> float:
        """Seconds since the API server last sent something; infinite before the first complete list."""
        return float("inf") if self._heard_at is None else time.monotonic() - self._heard_at

    async def run(self) -> None:
        """Follow the collection until cancelled."""
        self._home = asyncio.get_running_loop()
        thread = threading.Thread(target=self._follow, name=f"reflect {self._what}", daemon=True)
        thread.start()
        try:
            await asyncio.Event().wait()
        finally:
            self._ending.set()
            with self._lock:
                if self._response is not None:
                    _shut(self._response)

    def _follow(self) -> None:
        """List and watch, with pauses after failures, until the reflector ends. Runs in the thread."""
        version = ""
        while not self._ending.is_set():
            try:
                version = self._watch(version or self._list())
            except _EndedError:
                return
            except Exception as error:  # noqa: BLE001 - the next attempt may work
                self._note_failure(error)
                version = self._version if _is_transient(error) else ""
                self._ending.wait(
                    shortened(retry_seconds(self.failures, first=FIRST_RETRY_SECONDS, last=LAST_RETRY_SECONDS))
                )

    def _list(self) -> str:
        """Read every page, remove what none of them has, and return the list's resourceVersion."""
        seen: set[str] = set()
        query = dict(self._query)
        self._version = ""
        while True:
            query["limit"] = str(self._page_objects)
            try:
                page = self._api.get_here(self._path, answer=_RawPage, query=query)
            except TooLargeError:
                if self._page_objects == 1:
                    raise
                self._page_objects //= 2
                continue
            items = page.items or []
            for start in range(0, len(items), MAX_BATCH):
                self._deliver([self._read(item, seen) for item in items[start : start + MAX_BATCH]])
            # A list that fails later has put these already: the next complete one drops those that are gone by then.
            self._keys |= seen
            if not page.metadata.continue_:
                break
            if len(seen) > MAX_OBJECTS:
                raise ApiError(f"GET {self._path}: more than {MAX_OBJECTS} objects")
            query["continue"] = page.metadata.continue_
        self._deliver([(key, None) for key in self._keys - seen], listed=True)
        self._keys = seen
        self.lists += 1
        self._version = page.metadata.resource_version
        return self._version

    def _watch(self, version: str) -> str:
        """Deliver events until the API server ends the watch, and return the last resourceVersion."""
        started, is_heard = time.monotonic(), False
        seconds = random.randint(*WATCH_SECONDS)  # noqa: S311 - spreads load
        query = self._query | {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": version,
            "timeoutSeconds": str(seconds),
        }
        response = self._api.open_stream(self._path, query=query, silence_seconds=SILENCE_SECONDS)
        try:
            with self._lock:
                self._response = response
            for lines in self._lines(response):
                self._take(lines)
                is_heard = True
        finally:
            with self._lock:
                self._response = None
            response.close()
        if not is_heard and time.monotonic() - started < SHORT_SECONDS:
            raise ApiError(f"GET {self._path}: the watch ended at once")
        self._worked()
        return self._version

    def _lines(self, response: urllib3.BaseHTTPResponse) -> Iterator[list[bytes]]:
        """Yield the lines of a watch as they come, several if they came together."""
        rest = b""
        try:
            for chunk in response.stream(CHUNK_BYTES):
                if self._ending.is_set():
                    raise _EndedError
                *lines, rest = (rest + chunk).split(b"\n")
                if lines:
                    yield lines
                if len(rest) > MAX_EVENT_BYTES:
                    raise ApiError(f"GET {self._path}: an event is larger than {MAX_EVENT_BYTES} bytes")
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            if self._ending.is_set():
                raise _EndedError from error
            raise ApiError(f"GET {self._path}: the watch was cut off: {str(error) or type(error).__name__}") from error

    def _take(self, lines: list[bytes]) -> None:
        """Deliver the events of some lines; raise ApiError for an error among them, such as a version that is gone."""
        changes: list[tuple[str, T | None]] = []
        version, refusal = self._version, None
        for line in lines:
            event = msgspec.json.decode(line, type=_Event)
            identity = msgspec.json.decode(event.object, type=_ObjectHead)
            if event.type == "ERROR":
                refusal = ApiError(f"GET {self._path}: {identity.message}", status=identity.code or GONE)
                break
            if event.type == "DELETED":
                key = _key(identity.metadata)
                self._keys.discard(key)
                changes.append((key, None))
            elif event.type != "BOOKMARK":
                changes.append(self._read(event.object, self._keys))
            version = identity.metadata.resource_version or version
        for start in range(0, len(changes), MAX_BATCH):
            self._deliver(changes[start : start + MAX_BATCH])
        self._version = version
        if refusal is not None:
            raise refusal
        self._worked()

    def _read(self, raw: msgspec.Raw, keys: set[str]) -> tuple[str, T | None]:
        """Return the key of an object, added to ``keys``, and the object, or None if it cannot be decoded."""
        key = _key(msgspec.json.decode(raw, type=_ObjectHead).metadata)
        keys.add(key)
        try:
            return key, self._decode(raw)
        except (msgspec.MsgspecError, UnicodeError, RecursionError, Error) as error:
            self.undecodable += 1
            _log.warning("cannot decode an object", what=self._what, object=key, error=str(error))
            return key, None

    def _deliver(self, changes: list[tuple[str, T | None]], *, listed: bool = False) -> None:
        """Have the sink take changes on the event loop, and wait for it."""
        if not changes and not listed:
            return
        assert self._home is not None
        done = threading.Event()
        try:
            self._home.call_soon_threadsafe(self._hand_over, changes, listed, done)
        except RuntimeError as closed:
            raise _EndedError from closed
        while not done.wait(TAKE_SECONDS):
            if self._ending.is_set():
                raise _EndedError

    def _hand_over(self, changes: list[tuple[str, T | None]], listed: bool, done: threading.Event) -> None:
        if self._ending.is_set():
            return
        try:
            for key, obj in changes:
                try:
                    self._sink.drop(key) if obj is None else self._sink.put(key, obj)
                except Exception:  # noqa: BLE001 - one object must not stop all others
                    _log.exception("an object could not be taken", what=self._what, object=key)
            if listed:
                self._heard_at = time.monotonic()
                self._sink.listed()
        except Exception:  # noqa: BLE001 - the next list may work
            _log.exception("a list could not be taken", what=self._what)
        finally:
            done.set()

    def _worked(self) -> None:
        if self.failures:
            _log.info("the watch works again", what=self._what, after_failures=self.failures)
        self.failures, self.problem = 0, ""
        if self._heard_at is not None:
            self._heard_at = time.monotonic()

    def _note_failure(self, error: Exception) -> None:
        self.failures += 1
        said_before, self.problem = self.problem, str(error) or type(error).__name__
        if isinstance(error, ApiError) and error.status == GONE and self.failures == 1:
            _log.info("the watch's version is gone, listing again", what=self._what)
            return
        if self.problem != said_before or self.failures & (self.failures - 1) == 0:
            _log.warning("cannot watch", what=self._what, error=self.problem, failures=self.failures)


def _is_transient(error: Exception) -> bool:
    """Tell whether a watch may go on from its version: nothing answered, or the API server asked to wait."""
    return isinstance(error, ApiError) and error.status in (None, TOO_MANY_REQUESTS)


def _key(metadata: _ObjectMetadata) -> str:
    return f"{metadata.namespace}/{metadata.name}" if metadata.namespace else metadata.name


def _shut(response: urllib3.BaseHTTPResponse) -> None:
    """End the read of another thread."""
    try:
        response.shutdown()
    except (OSError, ValueError, RuntimeError) as error:
        _log.debug("a watch was closed already", error=str(error))
