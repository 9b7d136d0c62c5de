"""Answers must be complete before they are used.

The SDK reads a body that is cut short, empty or not JSON as an answer without members, and raises nothing: half a list
of findings, or a text in place of the list, would become "no findings". Every client checks here what it received, and
reads it in pieces with limits on size and time.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from types import SimpleNamespace
from typing import Any

import msgspec
from botocore import exceptions as sdk
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.client import BaseClient
from botocore.httpsession import URLLib3Session
from botocore.model import ListShape, OperationModel, Shape, StructureShape
from urllib3.exceptions import HTTPError, ReadTimeoutError

from tidegate.aws.errors import TOO_LONG, unexpected
from tidegate.evidence.fact import Cause
from tidegate.evidence.share import SHARE
from tidegate.evidence.shared_semaphore import SharedSemaphore
from tidegate.evidence.source_unavailable import SourceUnavailableError

MAX_ANSWER_BYTES = 5 * 1024 * 1024
"""Bytes of one answer: a manifest of 4 MiB, quoted as JSON. A hundred images with a thousand tags each have more, and are
asked for in smaller batches then."""
SMALL_ANSWER_BYTES = 256 * 1024
"""Bytes of an answer that any number of threads may read at the same time; most answers are smaller."""
LARGE_ANSWERS = 3
"""Larger answers that are read and parsed at the same time; parsing takes several times their size in memory."""
LARGE_ANSWERS_OF_A_SHARE = 2
"""As LARGE_ANSWERS, for one namespace."""
LARGE_WAIT_SECONDS = 2.0
"""How long a large answer waits for its turn."""
MAX_BODY_SECONDS = 4.0
"""Time limit of one body."""
CHUNK_BYTES = 64 * 1024

_JSON = frozenset({"json", "rest-json"})
_FIRST_ERROR_STATUS = 300
_DEEP = (ListShape, StructureShape)
_decode = msgspec.json.Decoder(dict[str, Any]).decode


class Bodies:
    """Reads the bodies of all clients, and limits their memory together. Safe to share between threads."""

    def __init__(self) -> None:
        self._large = SharedSemaphore(LARGE_ANSWERS, LARGE_ANSWERS_OF_A_SHARE)
        self._thread = threading.local()

    @contextmanager
    def parsing(self) -> Iterator[None]:
        """Allow this thread one large answer until it is parsed."""
        self._thread.holds = False
        try:
            yield
        finally:
            if self._thread.holds:
                self._large.release(threading.get_ident())
            del self._thread.holds

    def read(self, response: AWSResponse, url: str) -> bytes:
        """Return the body; raise SourceUnavailableError for one that is too long, and the SDK's error for a broken one."""
        body = bytearray()
        try:
            self._receive(body, response, url)
            return bytes(body)
        finally:
            # The SDK keeps an error in a reference cycle, and this frame with it until the garbage collector runs.
            body.clear()

    def _receive(self, body: bytearray, response: AWSResponse, url: str) -> None:
        began = monotonic()
        try:
            while piece := response.raw.read1(CHUNK_BYTES, decode_content=False):
                body += piece
                self._check_size(len(body))
                if monotonic() - began > MAX_BODY_SECONDS:
                    raise sdk.ReadTimeoutError(endpoint_url=url)
        except ReadTimeoutError as exc:
            raise sdk.ReadTimeoutError(endpoint_url=url, error=exc) from exc
        except (HTTPError, OSError) as exc:
            raise sdk.ConnectionClosedError(endpoint_url=url, error=exc) from exc

    def _check_size(self, size: int) -> None:
        if size > MAX_ANSWER_BYTES:
            raise unexpected("", f"{TOO_LONG} {MAX_ANSWER_BYTES} bytes")
        holds: bool | None = getattr(self._thread, "holds", None)
        if size <= SMALL_ANSWER_BYTES or holds:
            return
        if holds is None:
            raise unexpected("", f"{TOO_LONG} {SMALL_ANSWER_BYTES} bytes")
        if not self._large.acquire(threading.get_ident(), SHARE.get(), seconds=LARGE_WAIT_SECONDS):
            raise SourceUnavailableError(Cause.OVERLOADED, "", "too many large answers at the same time")
        self._thread.holds = True


class _Session:
    """The SDK's connections, with bodies that are read here."""

    def __init__(self, session: URLLib3Session, bodies: Bodies) -> None:
        self._session = session
        self._bodies = bodies

    def send(self, request: AWSPreparedRequest) -> AWSResponse:
        """Send a request and return the response with its body."""
        request.stream_output = True
        response = self._session.send(request)
        try:
            body = self._bodies.read(response, request.url)
        except BaseException:
            response.raw.close()
            raise
        headers: Any = response.headers
        return AWSResponse(response.url, response.status_code, headers, SimpleNamespace(stream=lambda: iter((body,))))

    def close(self) -> None:
        """Close the connections."""
        self._session.close()


def require_whole_bodies(client: BaseClient, bodies: Bodies) -> None:
    """Read a client's answers through ``bodies``; an incomplete answer raises SourceUnavailableError."""
    client.meta.events.register("after-call", _check)
    sdk_client: Any = client
    endpoint = sdk_client._endpoint  # noqa: SLF001 - the SDK has no other way to bound what it reads
    endpoint.http_session = _Session(endpoint.http_session, bodies)


def _check(http_response: AWSResponse, model: OperationModel, **_: Any) -> None:
    if http_response.status_code >= _FIRST_ERROR_STATUS:
        return
    source = f"{model.service_model.signing_name}:{model.name}"
    body, length = http_response.content, http_response.headers.get("content-length")
    if length is not None and str(len(body)) != length:
        problem = f"the connection ended after {len(body)} of {length[:20]} bytes"
        raise SourceUnavailableError(Cause.UNREACHABLE, source, problem)
    if model.service_model.protocol in _JSON:
        try:
            members = _decode(body)
        except (msgspec.MsgspecError, RecursionError) as exc:
            raise unexpected(source, f"the body is not a JSON object: {exc}") from exc
        if model.output_shape is not None:
            _check_lists(members, model.output_shape, source, "answer")


def _check_lists(value: Any, shape: Shape, source: str, path: str) -> None:
    """Raise if there is anything but a list where the model has one: the SDK would read it as an empty list."""
    if value is None:
        return
    if isinstance(shape, ListShape):
        if not isinstance(value, list):
            raise unexpected(source, f"{path}: expected a list, got {type(value).__name__}")
        if isinstance(shape.member, _DEEP):
            for at, each in enumerate(value):
                _check_lists(each, shape.member, source, f"{path}[{at}]")
    elif isinstance(shape, StructureShape) and isinstance(value, dict):
        for name, member in shape.members.items():
            if isinstance(member, _DEEP):
                _check_lists(value.get(member.serialization.get("name", name)), member, source, f"{path}.{name}")
