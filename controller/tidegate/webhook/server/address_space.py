"""The limit of the process's address space (RLIMIT_AS), as `ulimit -v` sets it. Kubernetes sets none.

Where an allocation fails, C code below the TLS handshake (`ssl`, uvloop) can crash instead of raising a MemoryError. So
whether there is enough is checked with each new connection.
"""

import mmap
import resource
from collections.abc import Iterable
from typing import Final

from tidegate.webhook.server.connection import Connection
from tidegate.webhook.server.phase import Phase

RESERVE_BYTES: Final = 32 * 1024 * 1024
"""What the rest of the process may take while a connection is accepted."""
HANDSHAKE_BYTES: Final = 128 * 1024
"""What a connection may take after it was accepted, until the end of its TLS handshake."""


def check_address_space(connections: Iterable[Connection]) -> None:
    """Raise MemoryError if the TLS handshakes of these connections can bring the process to its limit.

    The check takes some microseconds, and half of one where there is no limit.
    """
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit == resource.RLIM_INFINITY:
        return
    handshakes = sum(one.phase is Phase.HANDSHAKE for one in connections)
    size = RESERVE_BYTES + handshakes * HANDSHAKE_BYTES
    try:
        mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ).close()
    except OSError as error:
        raise MemoryError("the limit of the address space is near") from error
