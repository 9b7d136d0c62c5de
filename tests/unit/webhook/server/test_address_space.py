"""Before the process reaches a limit of its address space, a connection that could bring it there raises MemoryError."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tidegate.webhook.server.address_space import HANDSHAKE_BYTES, RESERVE_BYTES, check_address_space
from tidegate.webhook.server.phase import Phase

MIB = 1024 * 1024


def connections(count: int, phase: Phase) -> list[Any]:
    """Return as many connections, as far as the check looks at them."""
    return [SimpleNamespace(phase=phase)] * count


@contextmanager
def left(size: int) -> Iterator[None]:
    """Let the process map this many more bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (mapped + size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def test_without_a_limit_any_number_is_fine():
    assert resource.getrlimit(resource.RLIMIT_AS)[0] == resource.RLIM_INFINITY
    check_address_space(connections(10_000, Phase.HANDSHAKE))


@pytest.mark.parametrize("handshakes", [0, 100])
def test_the_reserve_and_what_each_handshake_may_take_must_be_left(handshakes):
    needed = RESERVE_BYTES + handshakes * HANDSHAKE_BYTES
    some = connections(handshakes, Phase.HANDSHAKE) + connections(1_000, Phase.QUIET)
    with left(needed + 8 * MIB):
        check_address_space(some)
    with left(needed - MIB), pytest.raises(MemoryError, match="limit of the address space"):
        check_address_space(some)
