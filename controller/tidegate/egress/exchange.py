"""One HTTP exchange: a request to a checked address, and an answer of bounded size, in bounded time.

Connections are kept for a while and reused for the same address of the same host. Every failure is EgressError.
"""

import http.client
import ssl
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from time import monotonic
from typing import NoReturn, TypeAlias

from tidegate import __version__
from tidegate.egress.addresses import Address, LookUp, resolve, system_look_up
from tidegate.egress.errors import EgressError, Problem
from tidegate.egress.hosts import Reach, Target
from tidegate.egress.wire import SecondsLeft, Wire, connect

MAX_ERROR_BYTES = 64 * 1024
"""Bytes read of an answer with another status than 200."""
CHUNK_BYTES = 64 * 1024
MAX_TRIED = 3
"""Addresses of one host that are tried."""
MAX_IDLE = 32
"""Idle connections that are kept."""
IDLE_SECONDS = 20.0

_Key: TypeAlias = tuple[str, str, int, Address]


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """A request, which addresses its host may have, and how many bytes of an answer with 200 are read.

    ``check_size`` is called with the bytes that have come, and may raise.
    """

    target: Target
    reach: Reach
    max_bytes: int
    check_size: Callable[[int], None] = field(default=lambda _: None, repr=False)
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpResponse:
    """A response. Names of headers are in lower case; a repeated header has several values."""

    status: int
    headers: Mapping[str, tuple[str, ...]] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)

    def header(self, name: str) -> str:
        """Return the first value of a header, or the empty text."""
        return self.headers.get(name, ("",))[0]


@dataclass(slots=True, kw_only=True)
class _Connection:
    http: http.client.HTTPConnection
    wire: Wire
    key: _Key
    idle_since: float | None = None


class Egress:
    """Makes exchanges. Safe to share between threads; ``tls`` has the trusted authorities."""

    def __init__(self, *, tls: ssl.SSLContext | None = None, look_up: LookUp = system_look_up) -> None:
        self._tls = tls
        self._look_up = look_up
        self._lock = threading.Lock()
        self._idle: list[_Connection] = []
        self._closed = False

    def send(self, request: HttpRequest, *, seconds_left: SecondsLeft) -> HttpResponse:
        """Send a request and return the answer, whatever its status; raise EgressError if there is none."""
        target = request.target
        addresses = resolve(target.host, request.reach, self._look_up)[:MAX_TRIED]
        for address in addresses:
            try:
                connection = self._take((*target.origin, address)) or self._connect(address, target, seconds_left)
            except OSError as exc:
                if address == addresses[-1] or seconds_left() <= 0 or isinstance(exc, ssl.SSLCertVerificationError):
                    _fail(exc, target, seconds_left)
                continue
            return self._exchange(request, connection, seconds_left)
        raise AssertionError("resolve gives at least one address")

    def close(self) -> None:
        """Close the connections that are kept, and keep none from now on."""
        with self._lock:
            self._closed, idle, self._idle = True, self._idle, []
        for each in idle:
            each.http.close()

    def _connect(self, address: Address, target: Target, seconds_left: SecondsLeft) -> _Connection:
        with self._lock:
            # The system's authorities take milliseconds to read, and are not needed for plain HTTP.
            if self._tls is None and target.scheme == "https":
                self._tls = ssl.create_default_context()
        connection, wire = connect(address, target, self._tls, seconds_left)
        return _Connection(http=connection, wire=wire, key=(*target.origin, address))

    def _exchange(self, request: HttpRequest, connection: _Connection, seconds_left: SecondsLeft) -> HttpResponse:
        connection.wire.seconds_left = seconds_left
        kept = False
        try:
            try:
                response = _answered(request, connection)
            except ConnectionError:
                if connection.idle_since is None:
                    raise
                # The host closed a connection that was kept: that says nothing about a new one.
                again = self._connect(connection.key[-1], request.target, seconds_left)
                return self._exchange(request, again, seconds_left)
            with response:
                reply = _read(request, response)
                kept = response.isclosed() and not response.will_close
        except (OSError, http.client.HTTPException, ValueError) as exc:
            _fail(exc, request.target, seconds_left)
        finally:
            if kept:
                self._keep(connection)
            else:
                connection.http.close()
        return reply

    def _take(self, key: _Key) -> _Connection | None:
        """Return the connection to an address that was used last, unless it was idle for too long."""
        with self._lock:
            found = next((each for each in reversed(self._idle) if each.key == key), None)
            if found is not None:
                self._idle.remove(found)
        if found is not None and found.idle_since is not None and monotonic() - found.idle_since > IDLE_SECONDS:
            found.http.close()
            return None
        return found

    def _keep(self, connection: _Connection) -> None:
        """Keep a connection; close the one that is idle longest if there are too many."""
        connection.idle_since = monotonic()
        with self._lock:
            self._idle.append(connection)
            surplus = self._idle.pop(0) if self._closed or len(self._idle) > MAX_IDLE else None
        if surplus is not None:
            surplus.http.close()


def _answered(request: HttpRequest, connection: _Connection) -> http.client.HTTPResponse:
    """Send the request and return the answer with its headers read."""
    target = request.target
    headers = {
        "Host": target.authority,
        "User-Agent": f"tidegate/{__version__}",
        "Accept-Encoding": "identity",
        **request.headers,
    }
    connection.http.request(request.method, target.path, body=request.body, headers=headers)
    return connection.http.getresponse()


def _read(request: HttpRequest, response: http.client.HTTPResponse) -> HttpResponse:
    """Read the body in pieces, up to the limit."""
    host, good = request.target.host, response.status == HTTPStatus.OK
    limit = request.max_bytes if good else MAX_ERROR_BYTES
    if good and response.getheader("Content-Encoding", "identity").lower() != "identity":
        raise EgressError(Problem.BAD_ANSWER, f"{host} used a content encoding that was not requested")
    if good and response.length is not None and response.length > limit:
        raise EgressError(Problem.TOO_LARGE, f"{host} announced {response.length} bytes, more than {limit}")
    body = bytearray()
    while piece := response.read(min(CHUNK_BYTES, limit + 1 - len(body))):
        body += piece
        request.check_size(min(len(body), limit))
        if len(body) > limit:
            if not good:
                break
            raise EgressError(Problem.TOO_LARGE, f"{host} sent more than {limit} bytes")
    if good and response.length:
        raise EgressError(Problem.UNREACHABLE, f"{host} ended the connection {response.length} bytes early")
    headers: dict[str, tuple[str, ...]] = {}
    for name, value in response.getheaders():
        headers[name.lower()] = (*headers.get(name.lower(), ()), value)
    del body[limit:]
    return HttpResponse(status=response.status, headers=headers, body=bytes(body))


def _fail(exc: Exception, target: Target, seconds_left: SecondsLeft) -> NoReturn:
    """Raise the error for an exception of the socket, of TLS or of HTTP."""
    where = target.authority
    if seconds_left() <= 0:
        raise EgressError(Problem.DEADLINE, f"{where} did not answer in time") from exc
    if isinstance(exc, ssl.SSLCertVerificationError):
        problem = f"the certificate of {where} is not valid: {exc.verify_message}"
        raise EgressError(Problem.CERTIFICATE, problem) from exc
    if isinstance(exc, TimeoutError):
        raise EgressError(Problem.UNREACHABLE, f"{where} could not be reached in time") from exc
    if isinstance(exc, OSError | http.client.RemoteDisconnected | http.client.IncompleteRead):
        reason = exc.strerror if isinstance(exc, OSError) and exc.strerror else type(exc).__name__
        raise EgressError(Problem.UNREACHABLE, f"{where} could not be reached: {reason}") from exc
    raise EgressError(Problem.BAD_ANSWER, f"{where} returned an invalid HTTP response: {type(exc).__name__}") from exc
