"""What a connection waits for: eviction, drain and the time limits depend on it."""

from enum import Enum, auto


class Phase(Enum):
    """What a connection waits for."""

    HANDSHAKE = auto()
    """The end of its TLS handshake."""
    QUIET = auto()
    """The first byte of a request."""
    HEAD = auto()
    """The end of the request headers."""
    BODY = auto()
    """The end of the request body."""
    WORK = auto()
    """A handler."""
    ANSWER = auto()
    """The peer, which has to read an answer."""
    CLOSING = auto()
    """The end of the connection."""
