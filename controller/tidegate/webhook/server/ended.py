"""Why connections ended, for the log and the metrics."""

from enum import StrEnum


class Ended(StrEnum):
    """Why the server ended a connection, or a request on it, that the peer wanted to continue."""

    HANDSHAKE = "handshake-failed"
    """The TLS handshake failed, or took too long."""
    TIME = "timed-out"
    """A request came, or an answer was read, too slowly."""
    ROOM = "too-many-connections"
    """It made room for another connection."""
    BYTES = "too-many-bytes"
    """It held too many bytes of a request for too long while others needed them."""
    AHEAD = "pipelined-too-much"
    """It sent too much after a request in progress."""
