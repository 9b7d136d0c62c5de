"""Free loopback ports for programs that can't be handed an open socket.

Drawn from below the kernel's ephemeral range (32768 and up on Linux), so that an outgoing connection of some other
program can't take a port between the moment it was found free and the moment its server listens on it.
"""

from __future__ import annotations

import random
import socket

LOWEST_PORT = 20_000
HIGHEST_PORT = 32_000
MAXIMUM_DRAWS = 200


def free_ports(count: int, *, address: str = "127.0.0.1") -> list[int]:
    """Return ``count`` different TCP ports that nothing listens on right now; raise OSError where none is left."""
    found: list[int] = []
    for port in random.SystemRandom().sample(range(LOWEST_PORT, HIGHEST_PORT), MAXIMUM_DRAWS):
        if len(found) == count:
            break
        with socket.socket() as probe:
            # Without this, a port whose last connection lingers in TIME_WAIT would be passed over.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, port))
            except OSError:
                continue
        found.append(port)
    if len(found) < count:
        raise OSError(f"found {len(found)} of {count} free ports on {address} in {MAXIMUM_DRAWS} draws")
    return found
