"""Revocation services on loopback, a simulated AWS, and controllers that ask both."""

from collections.abc import Iterator

import pytest

from tests.integration.egress.peer import Peer
from tests.integration.gather.conftest import impatient, start, world

__all__ = ["impatient", "start", "world"]


@pytest.fixture
def peer() -> Iterator[Peer]:
    with Peer() as peer:
        yield peer
