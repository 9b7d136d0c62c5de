"""Free loopback ports for programs that can't be handed an open socket.

Drawn from below the kernel's ephemeral range (32768 and up on Linux), so that an outgoing connection of some other
program can't take a port between the moment it was found free and the moment its server listens on it. For the same
reason each process of `make test` draws from ports of its own, and gives none of them twice.
"""

from __future__ import annotations

import os
import random
import socket

LOWEST_PORT = 20_000
HIGHEST_PORT = 32_000
MAXIMUM_DRAWS = 200

_given: set[int] = set()


def free_ports(count: int, *, address: str = "127.0.0.1") -> list[int]:
    """Return ``count`` different TCP ports that nothing listens on right now; raise OSError where none is left."""
    found: list[int] = []
    left = [port for port in _own_ports() if port not in _given]
    for port in random.SystemRandom().sample(left, min(MAXIMUM_DRAWS, len(left))):
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
    _given.update(found)
    return found


def _own_ports() -> range:
    """Return the ports of this process: all of them where pytest-xdist did not start it."""
    process = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    processes = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    # One that replaces a crashed one has a number beyond those of the first.
    return range(LOWEST_PORT, HIGHEST_PORT)[process % processes :: processes]
