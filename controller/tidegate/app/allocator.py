"""How the C library keeps memory: what is freed goes back to the system, so that bursts do not stay resident.

By default glibc keeps what a burst of connections leaves free, scattered over its heap, and takes more for the next one:
six times 1,000 connections left 230 MiB resident that nothing used. It also serves uvloop's 256 KiB for each TLS connection
from that heap, and gives each thread an arena that reserves 64 MiB of addresses.
"""

import asyncio
import ctypes
from collections.abc import Callable
from typing import Final

import structlog

M_MMAP_THRESHOLD: Final = -3
M_ARENA_MAX: Final = -8
MMAP_THRESHOLD_BYTES: Final = 128 * 1024
"""Pieces from this size on are mapped for themselves. It is glibc's default, which moves unless it is set."""
ARENAS: Final = 2
TRIM_SECONDS: Final = 1.0
TRIM_CONNECTIONS: Final = 100
"""After as many connections have ended, free memory is given back. It takes some milliseconds, and none when there is none."""

_log = structlog.get_logger(__name__)


def set_up_allocator() -> None:
    """Set glibc's allocator up; call it before threads start. Another C library is left as it is."""
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "mallopt"):
        _log.info("the C library has no mallopt; memory of closed connections may stay resident")
        return
    libc.mallopt(M_MMAP_THRESHOLD, MMAP_THRESHOLD_BYTES)
    libc.mallopt(M_ARENA_MAX, ARENAS)


async def give_memory_back(connections_ended: Callable[[], int]) -> None:
    """Give free memory back to the system after each burst of connections, until cancelled."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    ended = 0
    while True:
        await asyncio.sleep(TRIM_SECONDS)
        now = connections_ended()
        if trim is not None and now - ended >= TRIM_CONNECTIONS:
            ended = now
            trim(0)
