"""The limits of a listener: sizes, counts and seconds, each with its reason. It enforces nothing."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerLimits:
    """Bound what a peer can make the server hold, read or wait for."""

    max_body_bytes: int = 8 * 1024 * 1024
    """Largest request body. An AdmissionReview carries old and new object; the API server itself takes 3 MiB of JSON."""

    max_wire_factor: int = 2
    """How many bytes may arrive for one body, as a multiple of `max_body_bytes`: bounds chunk headers and extensions."""

    max_framing_bytes: int = 32 * 1024
    """Bytes that may arrive beside those of a body: headers, chunk sizes, chunk extensions and trailers. The API server sends
    only headers."""

    max_buffered_bytes: int = 32 * 1024 * 1024
    """Memory of requests that have not arrived completely, with their headers, and of what was sent behind requests, of all
    connections together. Beyond it the slowest and largest end."""

    max_ahead_bytes: int = 16 * 1024
    """Bytes that may arrive behind a request that is worked on. The API server sends none: it does not pipeline."""

    receive_buffer_bytes: int = 32 * 1024
    """What the kernel holds of what a peer sends, and so the most that TLS reads at once. uvloop and OpenSSL keep room for the
    largest read of a connection as long as it lives: 90 KiB a connection with this limit, 565 KiB without."""

    send_buffer_bytes: int = 64 * 1024
    """What the kernel holds of answers that a peer does not read; it would else let it grow to megabytes."""

    max_head_bytes: int = 16 * 1024
    """Bytes of target and header lines of one request; 431 above. A single line above 8 KiB is refused by aiohttp with 400."""

    max_headers: int = 64
    """Header lines of one request; aiohttp refuses more with 400."""

    max_timeout_seconds: float = 30.0
    """Largest deadline taken from `?timeout=`; Kubernetes allows a webhook 1 to 30 seconds."""

    handshake_seconds: float = 10.0
    """From an accepted connection to a finished TLS handshake; Go's client gives up after as long. Where room is short, see
    `grace_seconds`."""

    head_seconds: float = 5.0
    """From the first byte of a request to the end of its headers."""

    body_seconds: float = 15.0
    """From the end of the headers to the end of the body."""

    idle_seconds: float = 120.0
    """Idle time of a kept-alive connection, enforced by aiohttp. Above 90 s, the idle limit of the API server's Go client,
    so that the client closes first and no request meets a closing connection."""

    work_seconds: float = 60.0
    """Backstop for a handler that forgot its deadline; above every webhook timeout."""

    write_seconds: float = 15.0
    """How long a peer may refuse to read its answers."""

    linger_seconds: float = 2.0
    """After a refusal: how long to go on discarding what the peer still sends, so that a reset does not overtake the
    answer."""

    close_seconds: float = 3.0
    """From the start of closing to the end of the TLS shutdown; then the connection is aborted."""

    max_age_seconds: float = 600.0
    """Age after which an answer says `Connection: close`, so that a long-lived client spreads over new replicas."""

    age_jitter: float = 0.2
    """Part of `max_age_seconds` by which a connection may live shorter, so that many do not end at once."""

    max_connections: int = 2_048
    """Connections served in full, counted from accept. Three API servers with 600 requests each in progress need 1,800.
    Beyond it others end for new ones, see `eviction.py`; where none may, see `spare_connections`."""

    spare_connections: int = 32
    """Connections beyond `max_connections` on which only essential routes (health) are answered, the rest with 503. Still
    more wait in the kernel's accept queue."""

    grace_seconds: float = 2.0
    """How long a handshake, an arriving request or a closing may take while room is short. An honest peer needs
    milliseconds, but a thousand that begin together wait for one another's handshakes."""

    backlog: int = 4_096
    """Length of the kernel's accept queue, at most net.core.somaxconn."""

    accept_pause_seconds: float = 0.2
    """Pause after the process ran out of file descriptors, instead of spinning on accept."""

    sweep_seconds: float = 0.5
    """How often time limits are checked: a limit may be exceeded by this much."""

    notice_seconds: float = 5.0
    """Part of a drain in which new connections are still accepted, until the endpoints of the Service are updated."""

    summary_seconds: float = 10.0
    """Shortest time between two log lines that sum up refusals, and between two tracebacks of failing handlers."""
