"""Where a request ends on the wire, so that the connection keeps what comes behind it. aiohttp parses and judges requests."""

import re
from typing import Final, Protocol

_END: Final = b"\r\n\r\n"
"""The end of the headers."""
HTTP_2_PREFACE: Final = b"PRI * HTTP/2.0" + _END
"""How HTTP/2 begins (RFC 9113, section 3.4). aiohttp waits for what follows."""
_LENGTH: Final = re.compile(rb"\r\n(?i:content-length):[ \t]*([0-9]{1,19})[ \t]*\r\n")
CHUNKS_AT_ONCE_BYTES: Final = 4 * 1024
"""Bytes of a chunked body that are parsed before a handler takes what they carried. Parsed chunks of one byte take seven times
as much memory as on the wire."""
MAX_EMPTY_LINES: Final = 200
"""Empty lines of a chunked body, its last one included. Behind each it is looked whether the body has ended, which costs
microseconds. No client sends more, and aiohttp may not get the next request with the end of this one: it parses ahead, and
stops within what it has."""


def end_of_head(data: bytes) -> int:
    """Return the number of bytes of the headers with their end, 0 if they have not ended.

    Empty lines before a request are skipped: they are no end (RFC 9112, section 2.2).
    """
    start = len(data) - len(data.lstrip(b"\r\n")) if data[:1] in b"\r\n" else 0
    at = data.find(_END, start)
    return at + len(_END) if at >= 0 else 0


def length_of_body(data: bytes, end: int) -> int | None:
    """Return the Content-Length of the headers before ``end``; None without one: there is no body, or one in chunks."""
    found = _LENGTH.search(data, 0, end)
    return int(found[1]) if found else None


class Body(Protocol):
    """The bytes of a body that has to arrive."""

    def take(self, data: bytearray) -> int:
        """Return how many of the bytes that arrived to parse next, 0 to refuse the body; they are then counted as parsed."""
        ...


class BodyOfLength:
    """A body with a Content-Length."""

    def __init__(self, length: int) -> None:
        self._left = length

    def take(self, data: bytearray) -> int:
        """Return all bytes, but none behind the body."""
        size = min(self._left, len(data))
        self._left -= size
        return size


class BodyInChunks:
    """A chunked body (RFC 9112, section 7.1). It ends with an empty line, which its chunks may hold too."""

    def __init__(self) -> None:
        self._last = b""
        """The end of what was taken, which may be the beginning of an empty line."""
        self._empty_lines = 0

    def take(self, data: bytearray) -> int:
        """Return some bytes, but none behind an empty line: aiohttp knows whether that was the end. 0 if they are too many."""
        piece = self._last + data[:CHUNKS_AT_ONCE_BYTES]
        end = piece.find(_END) + len(_END)
        if end < len(_END):
            end = len(piece)
        else:
            self._empty_lines += 1
            if self._empty_lines > MAX_EMPTY_LINES:
                return 0
        size = end - len(self._last)
        self._last = piece[max(0, end - len(_END) + 1) : end]
        return size
