"""Where a request ends on the wire, so that the connection keeps what comes behind it. aiohttp parses and judges requests."""

import re
from typing import Final, Protocol

_END: Final = b"\r\n\r\n"
"""The end of the headers."""
HTTP_2_PREFACE: Final = b"PRI * HTTP/2.0" + _END
"""How HTTP/2 begins (RFC 9113, section 3.4). aiohttp waits for what follows."""
_LENGTH: Final = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,19})[ \t]*\r\n", re.IGNORECASE)
CHUNKS_AT_ONCE_BYTES: Final = 4 * 1024
"""Bytes of a chunked body that are parsed before a handler takes what they carried. Parsed chunks of one byte take seven times
as much memory as on the wire."""
_MAX_SIZE_LINE: Final = 64
"""What is kept of a line with the size of a chunk, or of a trailer, that has not ended."""


def end_of_head(data: bytes) -> int:
    """Return the number of bytes of the headers with their end, 0 if they have not ended.

    Empty lines before a request are skipped: they are no end (RFC 9112, section 2.2).
    """
    start = len(data) - len(data.lstrip(b"\r\n")) if data[:1] in b"\r\n" else 0
    return data.find(_END, start) + len(_END) if _END in data[start:] else 0


def length_of_body(data: bytes, end: int) -> int | None:
    """Return the Content-Length of the headers before ``end``; None without one: there is no body, or one in chunks."""
    found = _LENGTH.search(data, 0, end)
    return int(found[1]) if found else None


class Body(Protocol):
    """The bytes of a body that has to arrive."""

    def take(self, data: bytearray) -> int:
        """Return how many of the bytes that arrived, at least one of them, to parse next; they are then counted as parsed."""
        ...


class BodyOfLength:
    """A body with a Content-Length."""

    def __init__(self, length: int) -> None:
        self._left = length

    def take(self, data: bytearray) -> int:
        """Return all bytes, but none behind the body."""
        size = min(self._left, len(data)) or len(data)
        self._left = max(0, self._left - size)
        return size


class BodyInChunks:
    """A chunked body (RFC 9112, section 7.1). Malformed framing has no end here: aiohttp refuses it."""

    def __init__(self) -> None:
        self._skip = 0
        """Bytes left of the current chunk, with the line end behind it."""
        self._line = b""
        """The beginning of a line that has not ended."""
        self._in_trailers = False
        self._malformed = False

    def take(self, data: bytearray) -> int:
        """Return some bytes, but none behind the body."""
        piece = bytes(data[:CHUNKS_AT_ONCE_BYTES])
        at = 0
        while at < len(piece) and not self._malformed:
            if self._skip:
                step = min(self._skip, len(piece) - at)
                self._skip -= step
                at += step
                continue
            stop = piece.find(b"\n", at) + 1
            self._line += piece[at : stop or None]
            if not stop:
                self._line = self._line[:_MAX_SIZE_LINE]
                break
            at = stop
            if self._end_line():
                return at
        return len(piece)

    def _end_line(self) -> bool:
        """Read a line; return whether it ends the body."""
        line, self._line = self._line.rstrip(b"\r\n"), b""
        if self._in_trailers:
            return not line
        try:
            size = int(line.partition(b";")[0], 16)
        except ValueError:
            size = -1
        self._in_trailers = size == 0
        self._malformed = size < 0
        self._skip = size + 2 if size > 0 else 0
        return False
