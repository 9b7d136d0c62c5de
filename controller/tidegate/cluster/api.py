"""A small client of the Kubernetes API: calls on paths, in its own threads, each bounded in time and bytes.

Callers know the kinds of objects. Only a lost connection is retried here; callers repeat a failed call later.
"""

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any, Final, Generic, TypeVar

import msgspec
import urllib3
from kubernetes.client import ApiClient, Configuration
from kubernetes.client.exceptions import ApiException

from tidegate.errors import UndeterminedError
from tidegate.strict.typed import prepare

T = TypeVar("T")

THREADS: Final = 8
STREAMS: Final = 4
"""Watches that hold a connection of their own beside the threads' calls."""
CONNECT_SECONDS: Final = 3.0
READ_SECONDS: Final = 10.0
"""Longest wait between two reads of a response."""
CALL_SECONDS: Final = 30.0
"""Longest time of a call, including the wait for a thread."""
MAX_ANSWER_BYTES: Final = 64 * 1024 * 1024
PAGE_OBJECTS: Final = 500
MAX_OBJECTS: Final = 100_000
"""Objects of one list. A longer list is an error; it is never truncated."""
MAX_ERROR_CHARACTERS: Final = 500
MAX_WARNINGS: Final = 100

FIELD_MANAGER: Final = "tidegate"
"""The owner of the fields that are changed here, as the API server notes it in ``metadata.managedFields``."""

GONE: Final = 410
CONFLICT: Final = 409
NOT_FOUND: Final = 404
FORBIDDEN: Final = 403
INVALID: Final = 422
_REFUSED: Final = 300

MERGE_PATCH: Final = "application/merge-patch+json"
JSON_PATCH: Final = "application/json-patch+json"
APPLY_PATCH: Final = "application/apply-patch+yaml"
_JSON: Final = "application/json"
_METADATA: Final = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
_METADATA_LIST: Final = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"

Json = dict[str, Any]


class ApiError(UndeterminedError):
    """The API server refused the call or did not answer. ``status`` is the HTTP status, or None without a response."""

    def __init__(self, text: str, *, status: int | None = None) -> None:
        super().__init__(text)
        self.status = status


class TooLargeError(ApiError):
    """The response has more than MAX_ANSWER_BYTES."""


class OwnerReference(msgspec.Struct, frozen=True, rename="camel"):
    """An owner of an object. At most one of them is its controller."""

    api_version: str
    kind: str
    name: str
    uid: str
    controller: bool = False


class ObjectMetadata(msgspec.Struct, frozen=True, rename="camel"):
    """The metadata of an object that was asked for as PartialObjectMetadata."""

    name: str
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    labels: dict[str, str] = {}
    owner_references: list[OwnerReference] | None = None


class _Named(msgspec.Struct, frozen=True):
    metadata: ObjectMetadata


class _ListMeta(msgspec.Struct, frozen=True):
    continue_: str = msgspec.field(default="", name="continue")


class _Page(msgspec.Struct, Generic[T], frozen=True):
    """Go writes null for no ``items``; a body without ``items`` is not a list."""

    items: list[T] | None
    metadata: _ListMeta = _ListMeta()


prepare(Json, _Named, _Page[Json], _Page[_Named], _Page[msgspec.Raw])


class KubernetesApi:
    """Calls the API server of a configuration. Every method raises ApiError.

    ``call_seconds`` is the longest time of each call, but for lists and where a method has an argument for it.
    """

    def __init__(
        self, configuration: Configuration, *, threads: int = THREADS, call_seconds: float = CALL_SECONDS
    ) -> None:
        configuration.retries = urllib3.Retry(total=1, redirect=0, status=0)
        configuration.connection_pool_maxsize = threads + STREAMS
        self.configuration = configuration
        self._client = ApiClient(configuration)
        self._client.user_agent = FIELD_MANAGER
        self._call_seconds = call_seconds
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="kubernetes")

    async def list_objects(self, path: str) -> list[Json]:
        """Return every object of a collection, read page by page."""
        return await self._list(path, _Page[Json], accept=_JSON, selectors={}, seconds=CALL_SECONDS)

    async def list_raw(self, path: str) -> list[bytes]:
        """Return every object of a collection as its JSON."""
        found = await self._list(path, _Page[msgspec.Raw], accept=_JSON, selectors={}, seconds=CALL_SECONDS)
        return [bytes(one) for one in found]

    async def list_metadata(
        self, path: str, *, field_selector: str = "", label_selector: str = "", seconds: float = CALL_SECONDS
    ) -> list[ObjectMetadata]:
        """Return the metadata of every object of a collection that matches the selectors."""
        given = {"fieldSelector": field_selector, "labelSelector": label_selector}
        selectors = {name: text for name, text in given.items() if text}
        found = await self._list(path, _Page[_Named], accept=_METADATA_LIST, selectors=selectors, seconds=seconds)
        return [item.metadata for item in found]

    async def get(self, path: str) -> Json:
        """Return one object."""
        return await self._ask("GET", path, answer=Json)

    async def get_metadata(self, path: str, *, seconds: float = CALL_SECONDS) -> ObjectMetadata:
        """Return the metadata of one object."""
        return (await self._ask("GET", path, answer=_Named, accept=_METADATA, seconds=seconds)).metadata

    async def create(self, path: str, obj: Json) -> Json:
        """Create an object in a collection and return it; ApiError with status 409 if it exists."""
        return await self._ask("POST", path, answer=Json, body=obj)

    async def dry_run(self, path: str, obj: Json) -> tuple[str, ...]:
        """Let the API server do all of a creation but store the object; return the warnings of its answer."""
        warnings: list[str] = []
        await self._ask("POST", path, answer=Json, body=obj, query={"dryRun": "All"}, warnings=warnings)
        return tuple(warnings)

    async def replace(self, path: str, obj: Json) -> Json:
        """Replace an object and return it; ApiError with status 409 if its resourceVersion is outdated."""
        return await self._ask("PUT", path, answer=Json, body=obj)

    async def delete(self, path: str, *, uid: str, resource_version: str) -> None:
        """Delete an object; ApiError with status 409 if it is another one, or was written since that version."""
        conditions = {"uid": uid, "resourceVersion": resource_version}
        body = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": conditions}
        await self._ask("DELETE", path, answer=Json, body=body)

    async def merge_patch(self, path: str, patch: Mapping[str, Any]) -> Json:
        """Apply a JSON merge patch (RFC 7386) to an object and return it."""
        return await self._ask("PATCH", path, answer=Json, body=patch, content_type=MERGE_PATCH)

    async def json_patch(self, path: str, operations: Sequence[Mapping[str, Any]]) -> Json:
        """Apply a JSON patch (RFC 6902) to an object and return it; a failed ``test`` is an ApiError."""
        return await self._ask("PATCH", path, answer=Json, body=list(operations), content_type=JSON_PATCH)

    async def apply(self, path: str, obj: Json, *, field_manager: str) -> Json:
        """Create or update an object by server-side apply and return it; unknown fields are refused."""
        query = {"fieldManager": field_manager, "fieldValidation": "Strict"}
        # JSON is YAML; the client sends a text as it is.
        body = msgspec.json.encode(obj).decode()
        return await self._ask("PATCH", path, answer=Json, body=body, content_type=APPLY_PATCH, query=query)

    def get_here(self, path: str, *, answer: type[T], query: Mapping[str, str]) -> T:
        """Return an object or a page of a list, read in the caller's own thread."""
        request = {"query_params": list(query.items()), "header_params": {"Accept": _JSON}, "body": None}
        return self._call("GET", path, answer, time.monotonic() + CALL_SECONDS, request, None)

    def open_stream(self, path: str, *, query: Mapping[str, str], silence_seconds: float) -> urllib3.BaseHTTPResponse:
        """Return the open response of a watch, read in the caller's own thread; it must be closed.

        A read that gets nothing for so many seconds raises urllib3's ReadTimeoutError.
        """
        request = {"query_params": list(query.items()), "header_params": {"Accept": _JSON}, "body": None}
        with _translated("GET", path):
            response = self._open("GET", path, request, (CONNECT_SECONDS, silence_seconds))
            if response.status < _REFUSED:
                return response
            try:
                content = response.read(MAX_ERROR_CHARACTERS * 4)
            finally:
                response.close()
        raise ApiError(f"GET {path}: {response.status} {_message(content)}", status=response.status)

    def close(self) -> None:
        """Release the threads without waiting; running calls end at their time limits."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._client.close()  # type: ignore[no-untyped-call]

    async def _list(
        self, path: str, page: type[_Page[T]], *, accept: str, selectors: Mapping[str, str], seconds: float
    ) -> list[T]:
        """Return all items of a list. If the continue token has expired, start once again from the first page."""
        for attempt in (1, 2):
            try:
                async with asyncio.timeout(seconds):
                    return await self._read_pages(path, page, accept=accept, selectors=selectors, seconds=seconds)
            except TimeoutError as exc:
                raise ApiError(f"GET {path}: list not complete within {seconds:.0f} s") from exc
            except ApiError as error:
                if error.status != GONE or attempt > 1:
                    raise
        raise AssertionError

    async def _read_pages(
        self, path: str, page: type[_Page[T]], *, accept: str, selectors: Mapping[str, str], seconds: float
    ) -> list[T]:
        items: list[T] = []
        query = {"limit": str(PAGE_OBJECTS), **selectors}
        for _ in range(MAX_OBJECTS // PAGE_OBJECTS):
            found = await self._ask("GET", path, answer=page, query=query, accept=accept, seconds=seconds)
            items += found.items or ()
            if not found.metadata.continue_:
                return items
            query["continue"] = found.metadata.continue_
        raise ApiError(f"GET {path}: more than {MAX_OBJECTS} objects")

    async def _ask(
        self,
        method: str,
        path: str,
        *,
        answer: type[T],
        query: Mapping[str, str] | None = None,
        body: object = None,
        accept: str = _JSON,
        content_type: str = _JSON,
        seconds: float | None = None,
        warnings: list[str] | None = None,
    ) -> T:
        headers = {"Accept": accept} | ({"Content-Type": content_type} if body is not None else {})
        request = {"query_params": list((query or {}).items()), "header_params": headers, "body": body}
        seconds = self._call_seconds if seconds is None else seconds
        call = partial(self._call, method, path, answer, time.monotonic() + seconds, request, warnings)
        try:
            async with asyncio.timeout(seconds):
                return await asyncio.get_running_loop().run_in_executor(self._threads, call)
        except TimeoutError as exc:
            raise ApiError(f"{method} {path}: no answer within {seconds:.0f} s") from exc

    def _call(
        self,
        method: str,
        path: str,
        answer: type[T],
        deadline: float,
        request: Mapping[str, Any],
        warnings: list[str] | None,
    ) -> T:
        """Make one call; runs in a thread. If the caller's time is over, the call is not made."""
        left = deadline - time.monotonic()
        if left <= 0:
            raise ApiError(f"{method} {path}: no thread was free in time")
        timeout = (min(CONNECT_SECONDS, left), min(READ_SECONDS, left))
        with _translated(method, path):
            response = self._open(method, path, request, timeout)
            try:
                content = response.read(MAX_ANSWER_BYTES + 1)
            finally:
                response.release_conn()
        if response.status >= _REFUSED:
            raise ApiError(f"{method} {path}: {response.status} {_message(content)}", status=response.status)
        if warnings is not None:
            warnings += map(_warning, response.headers.getlist("Warning")[:MAX_WARNINGS])
        if len(content) > MAX_ANSWER_BYTES:
            raise TooLargeError(f"{method} {path}: the response is larger than {MAX_ANSWER_BYTES} bytes")
        try:
            return msgspec.json.decode(content, type=answer)
        except msgspec.MsgspecError as exc:
            raise ApiError(f"{method} {path}: invalid response: {_short(str(exc))}") from exc

    def _open(
        self, method: str, path: str, request: Mapping[str, Any], timeout: tuple[float, float]
    ) -> urllib3.BaseHTTPResponse:
        serialized = self._client.param_serialize(method, path, **request, auth_settings=["BearerToken"])
        response: urllib3.BaseHTTPResponse = self._client.call_api(*serialized, _request_timeout=timeout).response
        return response


@contextmanager
def _translated(method: str, path: str) -> Iterator[None]:
    """Raise the errors of the clients below as ApiError."""
    try:
        yield
    except (ApiException, urllib3.exceptions.HTTPError, OSError) as exc:
        raise ApiError(f"{method} {path}: {type(exc).__name__}: {_short(str(exc))}") from exc


def _message(content: bytes) -> str:
    """Return the message of a Status object, else the first characters of the body."""
    try:
        said = msgspec.json.decode(content)
    except (msgspec.MsgspecError, UnicodeError):
        said = None
    message = said.get("message") if isinstance(said, dict) else None
    return _short(message if isinstance(message, str) else content[:MAX_ERROR_CHARACTERS].decode(errors="replace"))


def _warning(header: str) -> str:
    """Return the text of a Warning header (RFC 7234, section 5.5), such as ``299 - "text"``."""
    return _short(header.partition(" - ")[2].strip('"').replace('\\"', '"'))


def _short(text: str) -> str:
    return text if len(text) <= MAX_ERROR_CHARACTERS else text[: MAX_ERROR_CHARACTERS - 1] + "…"
