"""Connections to checked addresses, on which every wait ends with the time of the exchange.

A socket's timeout bounds each wait separately: a peer that sends a byte a second never exceeds it. Here each wait gets
what is left of the whole.
"""

import http.client
import io
import socket
import ssl
from collections.abc import Callable
from typing import Any

from tidegate.egress.addresses import Address
from tidegate.egress.hosts import Target

CONNECT_SECONDS = 3.0
"""Time limit of one address for TCP, and again for TLS."""
BUFFER_BYTES = 64 * 1024

SecondsLeft = Callable[[], float]


class Wire:
    """A socket as ``http.client`` uses it."""

    def __init__(self, connected: socket.socket, seconds_left: SecondsLeft) -> None:
        self._socket = connected
        self.seconds_left = seconds_left

    def sendall(self, data: Any) -> None:
        """Send everything within the time."""
        self.limit()
        self._socket.sendall(data)

    def makefile(self, mode: str, _buffering: int | None = None) -> io.BufferedReader:
        """Return a file to read an answer from."""
        assert mode == "rb"
        return io.BufferedReader(_SocketReader(self, self._socket), BUFFER_BYTES)

    def close(self) -> None:
        """Close the socket, after the file of an answer was closed."""
        self._socket.close()

    def limit(self) -> None:
        """End the next wait with the time; raise TimeoutError if none is left."""
        _limit(self._socket, self.seconds_left())


class _SocketReader(io.RawIOBase):
    def __init__(self, wire: Wire, connected: socket.socket) -> None:
        self._wire = wire
        self._raw = connected.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int | None:
        self._wire.limit()
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


def connect(
    address: Address, target: Target, tls: ssl.SSLContext | None, seconds_left: SecondsLeft
) -> tuple[http.client.HTTPConnection, Wire]:
    """Connect to the address; with https the certificate must be valid for the target's host. Raise OSError."""
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET  # noqa: PLR2004 - the protocol's own number
    connected = socket.socket(family, socket.SOCK_STREAM)
    try:
        _limit(connected, min(seconds_left(), CONNECT_SECONDS))
        connected.connect((str(address), target.port))
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if target.scheme == "https":
            assert tls is not None
            _limit(connected, min(seconds_left(), CONNECT_SECONDS))
            connected = tls.wrap_socket(connected, server_hostname=target.host)
    except BaseException:
        connected.close()
        raise
    wire = Wire(connected, seconds_left)
    # Given a socket, http.client connects nowhere by itself, and asks no proxy.
    connection = http.client.HTTPConnection(target.host, target.port)
    connection.sock = wire
    connection.auto_open = 0
    return connection, wire


def _limit(connected: socket.socket, seconds: float) -> None:
    if seconds <= 0:
        raise TimeoutError("no time is left")
    connected.settimeout(seconds)
