"""The limit of the process's address space (RLIMIT_AS), as `ulimit -v` sets it. Kubernetes sets none.

Where an allocation fails, C code below the TLS handshake (`ssl`, uvloop) can crash instead of raising a MemoryError. So
whether there is enough is checked before each connection.
"""

import mmap
import resource
from typing import Final

RESERVE_BYTES: Final = 32 * 1024 * 1024
"""What the rest of the process may take while a connection is accepted."""
HANDSHAKE_BYTES: Final = 128 * 1024
"""What a connection may take after it was accepted, until the end of its TLS handshake."""


def check_address_space(connections: int) -> None:
    """Raise MemoryError if so many connections can bring the process to its limit. The check takes microseconds."""
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit == resource.RLIM_INFINITY:
        return
    try:
        mmap.mmap(
            -1, RESERVE_BYTES + connections * HANDSHAKE_BYTES, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ
        ).close()
    except OSError as error:
        raise MemoryError("the limit of the address space is near") from error
