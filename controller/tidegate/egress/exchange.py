"""One HTTP exchange: a request to a checked address, and an answer of bounded size, in bounded time.

Connections are kept for a while and used again for the same address of the same host. Whatever goes wrong is EgressError.
"""

import http.client
import ssl
import threading
from collections.abc import Mapping
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
"""Bytes read of an answer that is not 200."""
CHUNK_BYTES = 64 * 1024
MAX_TRIED = 3
"""Addresses of one host that are tried."""
MAX_IDLE = 32
"""Connections that are kept for the next exchange."""
IDLE_SECONDS = 20.0

_Key: TypeAlias = tuple[str, str, int, Address]


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """What is sent, which addresses its host may have, and how many bytes of a good answer are taken."""

    target: Target
    reach: Reach
    max_bytes: int
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpResponse:
    """What came back. Names of headers are in lower case; a header that came several times has several values."""

    status: int
    headers: Mapping[str, tuple[str, ...]] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)

    def header(self, name: str) -> str:
        """Return the first value of a header, or the empty text."""
        return self.headers.get(name, ("",))[0]


@dataclass(slots=True)
class _Connection:
    http: http.client.HTTPConnection
    wire: Wire
    used: bool = False
    idle_since: float = 0.0


class Egress:
    """Makes exchanges. Safe to share between threads; ``tls`` says which authorities are believed."""

    def __init__(self, *, tls: ssl.SSLContext | None = None, look_up: LookUp = system_look_up) -> None:
        self._tls = tls
        self._look_up = look_up
        self._lock = threading.Lock()
        self._idle: dict[_Key, list[_Connection]] = {}
        self._closed = False

    def send(self, request: HttpRequest, *, seconds_left: SecondsLeft) -> HttpResponse:
        """Send a request and return the answer, whatever its status; raise EgressError where there is none."""
        target = request.target
        addresses = resolve(target.host, request.reach, self._look_up)
        for number, address in enumerate(addresses[:MAX_TRIED], start=1):
            key = (*target.origin, address)
            try:
                connection = self._take(key) or self._connect(address, target, seconds_left)
            except OSError as exc:
                if number < min(len(addresses), MAX_TRIED) and seconds_left() > 0 and not _is_about_trust(exc):
                    continue
                _fail(exc, target, seconds_left)
            return self._exchange(request, connection, key, seconds_left)
        raise AssertionError("resolve gives at least one address")

    def close(self) -> None:
        """Close the connections that are kept, and keep none from now on."""
        with self._lock:
            self._closed = True
            idle = [each for some in self._idle.values() for each in some]
            self._idle.clear()
        for each in idle:
            each.http.close()

    def _connect(self, address: Address, target: Target, seconds_left: SecondsLeft) -> _Connection:
        with self._lock:
            # The system's authorities take milliseconds to read, and are not needed for plain HTTP.
            if self._tls is None and target.scheme == "https":
                self._tls = ssl.create_default_context()
        return _Connection(*connect(address, target, self._tls, seconds_left))

    def _exchange(
        self, request: HttpRequest, connection: _Connection, key: _Key, seconds_left: SecondsLeft
    ) -> HttpResponse:
        connection.wire.seconds_left = seconds_left
        try:
            response = _answered(request, connection)
        except (OSError, http.client.HTTPException, ValueError) as exc:
            connection.http.close()
            if connection.used and isinstance(exc, ConnectionError):
                # The host closed a connection that was kept: that says nothing about a new one.
                return self._again(request, key, seconds_left)
            _fail(exc, request.target, seconds_left)
        kept = False
        try:
            reply = _read(request, response)
            kept = response.isclosed() and not response.will_close
        except (OSError, http.client.HTTPException, ValueError) as exc:
            _fail(exc, request.target, seconds_left)
        finally:
            response.close()
            if kept:
                self._give(key, connection)
            else:
                connection.http.close()
        return reply

    def _again(self, request: HttpRequest, key: _Key, seconds_left: SecondsLeft) -> HttpResponse:
        try:
            connection = self._connect(key[-1], request.target, seconds_left)
        except OSError as exc:
            _fail(exc, request.target, seconds_left)
        return self._exchange(request, connection, key, seconds_left)

    def _take(self, key: _Key) -> _Connection | None:
        with self._lock:
            kept = self._idle.pop(key, [])
            found = kept.pop() if kept else None
            if kept:
                self._idle[key] = kept
        if found is not None and monotonic() - found.idle_since > IDLE_SECONDS:
            found.http.close()
            return None
        return found

    def _give(self, key: _Key, connection: _Connection) -> None:
        connection.used, connection.idle_since = True, monotonic()
        with self._lock:
            surplus = [connection] if self._closed else self._kept(key, connection)
        for each in surplus:
            each.http.close()

    def _kept(self, key: _Key, connection: _Connection) -> list[_Connection]:
        """Keep a connection; return those that have to go for it, the least recently used first."""
        self._idle.setdefault(key, []).append(connection)
        self._idle[key] = self._idle.pop(key)
        if sum(map(len, self._idle.values())) <= MAX_IDLE:
            return []
        oldest = next(iter(self._idle))
        gone = self._idle[oldest].pop(0)
        if not self._idle[oldest]:
            del self._idle[oldest]
        return [gone]


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
    """Read the body in pieces, so that its size is not the sender's to choose."""
    host, good = request.target.host, response.status == HTTPStatus.OK
    limit = request.max_bytes if good else MAX_ERROR_BYTES
    if good and response.getheader("Content-Encoding", "identity").lower() != "identity":
        raise EgressError(Problem.BAD_ANSWER, f"{host} answered with a content encoding that was not asked for")
    if good and response.length is not None and response.length > limit:
        raise EgressError(Problem.TOO_LARGE, f"{host} announced {response.length} bytes, more than {limit}")
    body = bytearray()
    while piece := response.read(min(CHUNK_BYTES, limit + 1 - len(body))):
        body += piece
        if len(body) > limit:
            if not good:
                break
            raise EgressError(Problem.TOO_LARGE, f"{host} sent more than {limit} bytes")
    if good and response.length:
        raise EgressError(Problem.UNREACHABLE, f"{host} ended the connection {response.length} bytes early")
    headers: dict[str, tuple[str, ...]] = {}
    for name, value in response.getheaders():
        headers[name.lower()] = (*headers.get(name.lower(), ()), value)
    return HttpResponse(status=response.status, headers=headers, body=bytes(body[:limit]))


def _is_about_trust(exc: OSError) -> bool:
    return isinstance(exc, ssl.SSLCertVerificationError)


def _fail(exc: Exception, target: Target, seconds_left: SecondsLeft) -> NoReturn:
    """Raise the error that stands for an exception of the socket, of TLS or of HTTP."""
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
    raise EgressError(Problem.BAD_ANSWER, f"{where} gave no HTTP answer: {type(exc).__name__}") from exc
